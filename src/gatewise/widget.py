"""A circuit as a live widget of a notebook: the viewer there, this Python behind it.

The viewer sends its edits as `docs/viewer.md` says, and the circuit is computed again here, arrays and all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from gatewise.editing import edited
from gatewise.errors import GatewiseError, InputError, UnsupportedError
from gatewise.picture import html, svg, viewer
from gatewise.picture.scene import Scene
from gatewise.picture.summary import page_scene
from gatewise.recording import Recording

RENDER = """
export default {
  render({ model, el }) {
    el.style.setProperty("--gatewise-height", "480px");
    const channel = { send: (message) => model.send(message), receive: null };
    model.on("msg:custom", (message) => { if (channel.receive) channel.receive(message); });
    const options = { language: model.get("language"), palette: model.get("palette"), channel };
    const shown = mount(el, JSON.parse(model.get("scene")), options);
    el.gatewise = shown;
    return () => shown.destroy();
  },
};
"""


def circuit_widget(circuit: Recording, language: str = "en", palette: str = "default") -> Any:
    """A widget that shows `circuit`; see `Circuit.widget`."""
    if language not in html.LANGUAGES:
        raise InputError(f"the widget speaks {' and '.join(html.LANGUAGES)}, not {language!r}")
    svg.check_palette(palette)
    scene = page_scene(circuit, editable=True)
    return _kind()(circuit, scene, palette, language)


def answer(circuit: Recording, message: object) -> dict[str, Any] | None:
    """What the program behind a viewer says to a message of its; None to what is no message."""
    if not isinstance(message, Mapping) or message.get("type") != "edit":
        return None
    number = message.get("number")
    try:
        edits = message.get("edits")
        if not isinstance(edits, list):
            raise InputError("a message of edits has a list of them")
        scene = page_scene(edited(circuit, edits), editable=True)
    except GatewiseError as error:
        return {"type": "error", "number": number, "message": str(error)}
    return {"type": "scene", "number": number, "scene": json.loads(scene.to_json())}


@cache
def _kind() -> Any:
    """The widget's class, made when it is wanted: anywidget takes a while to import."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise UnsupportedError("a circuit's widget needs anywidget: pip install 'gatewise[notebook]'") from None

    class CircuitWidget(anywidget.AnyWidget):  # type: ignore[misc]
        """The viewer on one circuit."""

        _esm = viewer.module() + RENDER
        _css = viewer.style()
        scene = traitlets.Unicode().tag(sync=True)
        palette = traitlets.Unicode("default").tag(sync=True)
        language = traitlets.Unicode("en").tag(sync=True)

        def __init__(self, circuit: Recording, scene: Scene, palette: str, language: str) -> None:
            super().__init__(scene=scene.to_json(), palette=palette, language=language)
            self._circuit = circuit
            self._scene = scene
            self.on_msg(self._told)

        def _told(self, _: object, message: object, __: object) -> None:
            said = answer(self._circuit, message)
            if said is not None:
                self.send(said)

        def _repr_mimebundle_(self, **options: Any) -> Any:
            """The widget, and for where there is no Python behind it any more the page."""
            made = super()._repr_mimebundle_(**options)
            if made is not None:
                data = made[0] if isinstance(made, tuple) else made
                data["text/html"] = html.frame(html.render(self._scene, palette=self.palette, language=self.language))
            return made

    return CircuitWidget
