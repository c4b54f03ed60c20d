"""`Circuit`: a recorded run with ways to look at it, and `trace`, which makes one."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatewise.collecting import nothing_collected
from gatewise.errors import InputError
from gatewise.recording import Recording, record


class Circuit(Recording):
    """A recorded run: iterate over its entries, look one up by name, print it, draw it, save it.

    In a notebook it shows itself as a drawing in which hovering over a gate explains it.
    """

    def text(self, width: int = 100) -> str:
        """The circuit drawn with characters, or as a table when it is too large for `width` columns."""
        from gatewise.picture import scene, text

        return text.plain(scene.scene_of(self), width)

    def svg(self, palette: str = "default") -> str:
        """The circuit as an SVG document; `palette` may be ``"colour-blind"``."""
        from gatewise.picture import scene, svg

        return svg.render(scene.scene_of(self), palette)

    def html(self, title: str = "circuit", palette: str = "default", language: str = "en") -> str:
        """The circuit as one self-contained HTML page, which needs no network: step through it, ask it, change it.

        `language` is ``"en"`` or ``"zh"``.

        Raises:
            InputError: There is no such palette or language.
        """
        from gatewise.picture import html, summary

        if language not in html.LANGUAGES:
            raise InputError(f"the page speaks {' and '.join(html.LANGUAGES)}, not {language!r}")
        with nothing_collected():
            return html.render(summary.page_scene(self, title, editable=True), title, palette, language)

    def json(self) -> str:
        """The scene as JSON, in the format that ``docs/scene.md`` documents."""
        from gatewise.picture import summary

        with nothing_collected():
            return summary.page_scene(self, editable=True).to_json()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the circuit to a file; the ending says how: .html, .svg, .json or .txt.

        The file is written whole or not at all.

        Raises:
            InputError: Another ending, or a place that cannot be written to.
        """
        target = Path(path)
        makers: dict[str, Callable[[], str]] = {
            ".html": lambda: self.html(target.stem),
            ".svg": self.svg,
            ".json": self.json,
            ".txt": self.text,
        }
        make = makers.get(target.suffix.lower())
        if make is None:
            raise InputError(f"{path}: a circuit is saved as .html, .svg, .json or .txt; got ending {target.suffix!r}")
        content = make()
        draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            draft.write_text(content, encoding="utf-8")
            os.replace(draft, target)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise InputError(f"{path} cannot be written: {error.strerror}") from None
        return target

    def widget(self, language: str = "en", palette: str = "default") -> Any:
        """The circuit as a live widget of a notebook: edits of arrays, too, are computed by this Python.

        Needs the package anywidget. The saved notebook shows the page that `html` makes.

        Raises:
            UnsupportedError: anywidget is not installed.
            InputError: There is no such language.
        """
        from gatewise.widget import circuit_widget

        return circuit_widget(self, language, palette)

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows."""
        from gatewise.picture.html import frame

        return {"text/html": frame(self.html()), "image/svg+xml": self.svg(), "text/plain": self.text()}


def trace(f: Any, *args: Any, upstream: Any = None, **options: Any) -> Circuit:
    """Run `f` on `args` and record the circuit: every gate with its value, its gradient and the line that made it.

    Args:
        f: A function of arrays, numbers, or nested structures of them; or, without `args`, a value computed from
            variables.
        args: Its arguments. Floating ones get gradients.
        upstream: The gradient that arrives at the result, of its shape; 1 for a single number when left out. A result
            with several entries has no gradients unless it is given.
        **options: Keyword arguments for `f`, passed on as they are.

    Raises:
        DTypeError: An argument is no array, or the result does not depend on the arguments.
        ShapeError: `upstream` does not fit the result.

    Example:
        >>> import gatewise as gw
        >>> circuit = gw.trace(lambda x, y, z: (x + y) * z, -2.0, 5.0, -4.0)
        >>> [(entry.name or entry.gate.name, float(entry.value), float(entry.gradient)) for entry in circuit]
        [('x', -2.0, -4.0), ('y', 5.0, -4.0), ('z', -4.0, 3.0), ('add', 3.0, -4.0), ('multiply', -12.0, 1.0)]
    """
    function = functools.partial(f, **options) if options else f
    recording = record(function, args, upstream)
    return Circuit(recording.entries, recording.outputs, recording.upstream)


def show(f: Any, *args: Any, upstream: Any = None, **options: Any) -> None:
    """Trace `f` on `args` and show the circuit: drawn in a notebook, printed anywhere else."""
    circuit = trace(f, *args, upstream=upstream, **options)
    from gatewise.picture import scene, text

    try:
        from IPython import get_ipython
        from IPython.display import display

        if get_ipython() is not None and "IPKernelApp" in get_ipython().config:
            display(circuit)
            return
    except ImportError:
        pass
    from rich.console import Console

    console = Console()
    console.print(text.render(scene.scene_of(circuit), console.width))
