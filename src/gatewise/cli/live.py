"""``gatewise live``: recorded trainings in the browser, while they run and afterwards."""

from __future__ import annotations

import threading
from pathlib import Path

import click

LANGUAGES = ("en", "zh")


@click.command()
@click.argument("recordings", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--save", type=click.Path(path_type=Path), help="Write one HTML page that needs no network, and end.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the page's address.  [default: a free one]")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in the browser.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True)
def live(recordings: tuple[Path, ...], save: Path | None, port: int, browser: bool, language: str) -> None:
    """Show trainings that gw.live or 'gatewise train --page' recorded, several side by side.

    The page follows a training that still runs. It is served to this machine's browser only, until Ctrl-C; over ssh,
    forward the port: ssh -L 8000:localhost:8000, and --port 8000.

    \b
    Examples:
      gatewise live run.sqlite
      gatewise live monday.sqlite tuesday.sqlite
      gatewise live run.sqlite --save run.html
    """
    if save is not None:
        from gatewise.runs.application import save as save_page

        click.echo(f"page: {save_page(recordings, save, language)}")
        return
    from gatewise.runs.application import routes
    from gatewise.serving.server import serving

    with serving(lambda: routes(recordings, language), port) as address:
        present(address, browser)
        wait()


def present(address: str, browser: bool) -> None:
    """Say where the page is, and open it."""
    click.echo(f"page: {address}")
    if browser:
        click.launch(address)


def wait() -> None:
    """Wait for Ctrl-C."""
    click.echo("Ctrl-C ends it.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo()
