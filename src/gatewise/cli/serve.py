"""``gatewise serve``: the local page, where an expression or a function becomes a circuit."""

from __future__ import annotations

from pathlib import Path

import click

from gatewise.cli.live import LANGUAGES, present, wait
from gatewise.errors import InputError


@click.command()
@click.argument("functions", nargs=-1, metavar="[FILE.py:FUNCTION]...")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the page's address.  [default: a free one]")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in the browser.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True)
def serve(functions: tuple[str, ...], port: int, browser: bool, language: str) -> None:
    """Serve a page on which expressions, a gallery, and FUNCTIONs of yours become circuits.

    The page is served to this machine's browser only, until Ctrl-C. It runs no Python but the functions named here, in
    a process of its own that may take 10 seconds and 2 GiB for an answer. Over ssh, forward the port:
    ssh -L 8000:localhost:8000, and --port 8000.

    \b
    Examples:
      gatewise serve
      gatewise serve model.py:loss model.py:penalty
    """
    from gatewise.serving.server import serving
    from gatewise.workbench.application import functions_of, routes
    from gatewise.workbench.worker import Worker

    targets = {}
    for text in functions:
        path, colon, name = text.rpartition(":")
        if not colon or not path.endswith(".py") or not name.isidentifier():
            raise InputError(f"{text!r:.80} names no function: write file.py:function")
        targets[text] = (Path(path).expanduser(), name)
    known = functions_of(targets)
    worker = Worker(known)
    try:
        with serving(lambda: routes(worker, known, language), port) as address:
            present(address, browser)
            wait()
    finally:
        worker.close()
