"""``gatewise step`` as an application of the whole terminal: the circuit as a list, its steps, a gate's panel.

What the steps are is `picture.stepping`'s; here is how they are shown and which keys take them.
"""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import DataTable, Footer, Input, Static

from gatewise.picture.quantity import Quantity
from gatewise.picture.scene import Scene, SceneNode
from gatewise.picture.stepping import Stepper, breakpoint_of
from gatewise.picture.words import exact_text, explanation, number_text

VALUE, GRADIENT, FAINT = "green", "red", "dim"
PLAY_SECONDS = 0.7


class Stepping(App[None]):
    """Step through a scene, forward and back.

    Args:
        scene: What `scene_of` makes of a circuit.
    """

    CSS = """
    DataTable { width: 3fr; }
    #panel { width: 2fr; padding: 0 1; border-left: solid $secondary; }
    #reason { height: auto; min-height: 2; padding: 0 1; background: $surface; }
    Input { dock: bottom; margin-bottom: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "step(1)", "step on", priority=True),
        Binding("left", "step(-1)", "step back", priority=True),
        Binding("home", "go(0)", "start", priority=True),
        Binding("end", "go(-1)", "end", priority=True),
        Binding("space", "play", "play"),
        Binding("b", "ask", "breakpoint"),
        Binding("n", "run(1)", "run on"),
        Binding("p", "run(-1)", "run back"),
        Binding("q,ctrl+c", "quit", "quit"),
    ]

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.stepper = Stepper(scene)
        self.stepper.go(0)
        self.breakpoint = ""
        self._drawn = [node for node in scene.nodes if node.kind != "output"]

    def compose(self) -> ComposeResult:
        """The list of gates beside the panel, the reason below them."""
        with Horizontal():
            yield DataTable[Text](cursor_type="row")
            with VerticalScroll(id="panel"):
                yield Static(id="told")
        yield Static(id="reason")
        yield Footer()

    def on_mount(self) -> None:
        """Fill the list."""
        table = self._table
        for name in ("wire", "gate", "from", "value", "gradient"):
            table.add_column(name, key=name)
        scene = self.stepper.scene
        names = {node.identifier: node.name or f"#{node.identifier}" for node in scene.nodes}
        for node in self._drawn:
            feeding = ", ".join(names[edge.source] for edge in scene.incoming(node))
            gate = node.label if node.kind == "gate" else node.kind
            table.add_row(
                Text(names[node.identifier]), Text(gate), Text(feeding), Text(), Text(), key=str(node.identifier)
            )
        self._playing = self.set_interval(PLAY_SECONDS, self._play_on, pause=True)
        self._is_playing = False
        table.focus()
        self._show(self._drawn)

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one(DataTable)

    # --- what the keys do ---------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a breakpoint is typed, keys belong to its field."""
        return not (action in ("step", "go", "play", "ask", "run") and isinstance(self.focused, Input))

    def action_step(self, by: int) -> None:
        """Take a step, or take one back."""
        self._go(self.stepper.position + by)

    def action_go(self, position: int) -> None:
        """Go to the start, or with -1 to the end."""
        self._go(len(self.stepper) if position < 0 else position)

    def action_play(self) -> None:
        """Play, or pause."""
        self._is_playing = not self._is_playing
        if self._is_playing:
            self._playing.resume()
        else:
            self._playing.pause()

    def _play_on(self) -> None:
        self._go(self.stepper.position + 1)
        if self.stepper.position == len(self.stepper):
            self.action_play()

    def action_ask(self) -> None:
        """Ask for a breakpoint."""
        field = Input(self.breakpoint, placeholder="gate, name, line 12, not finite, norm > 100")
        self.mount(field)
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """A breakpoint was typed: run to it."""
        self.breakpoint = event.value
        event.input.remove()
        self._table.focus()
        self.action_run(1)

    def action_run(self, direction: int) -> None:
        """Run on, or back, to where the breakpoint holds."""
        before = self.stepper.position
        try:
            found = self.stepper.run(breakpoint_of(self.breakpoint), direction)
        except ValueError as error:
            self._say(str(error))
            return
        if not found:
            self._say(f"nothing stops at {self.breakpoint}")
            return
        after = self.stepper.position
        self.stepper.go(before)
        self._go(after)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Tell of the gate under the cursor."""
        if event.row_key is not None and event.row_key.value is not None:
            self._tell(self.stepper.scene.node(int(event.row_key.value)))

    # --- what is shown ------------------------------------------------------------------------------------------------

    def _go(self, position: int) -> None:
        before = self.stepper.position
        after = self.stepper.go(position)
        touched: dict[int, SceneNode] = {}
        for place in range(min(before, after), max(before, after)):
            touched |= {node.identifier: node for node in self.stepper.touched(place)}
        self._show(list(touched.values()))
        if self.stepper.position:
            node = self.stepper.steps[self.stepper.position - 1].node
            self._table.move_cursor(row=self._table.get_row_index(str(node.identifier)))
            self._tell(node)

    def _show(self, nodes: list[SceneNode]) -> None:
        table = self._table
        for node in nodes:
            value = _label(node.value) if self.stepper.taken("forward", node) else ""
            table.update_cell(str(node.identifier), "value", Text(value, _style(node.value, VALUE)), update_width=True)
            gradient = Text(self._gradient(node), _style(node.gradient, GRADIENT))
            table.update_cell(str(node.identifier), "gradient", gradient, update_width=True)
        self._say(self.stepper.reason())

    def _gradient(self, node: SceneNode) -> str:
        parts, complete = self.stepper.arrived(node)
        if complete:
            return _label(node.gradient)
        numbers = [part.number for part in parts if part.number is not None]
        if not parts:
            return ""
        return f"{number_text(sum(numbers))} + …" if len(numbers) == len(parts) else "+ …"

    def _say(self, reason: str) -> None:
        place = Text(f"{self.stepper.position} / {len(self.stepper)}  ", FAINT)
        self.query_one("#reason", Static).update(place + Text(reason))

    def _tell(self, node: SceneNode) -> None:
        lines = explanation(self.stepper.scene, node)
        told = Text("\n".join(lines[1:]))
        force = _force(node)
        self.query_one("#told", Static).update(Text(f"{lines[0]}\n", "bold") + told + Text(force))


def _label(quantity: Quantity | None) -> str:
    if quantity is None:
        return ""
    return quantity.text if quantity.number is not None else exact_text(quantity)


def _style(quantity: Quantity | None, colour: str) -> str:
    return f"bold reverse {colour}" if quantity is not None and quantity.alarming else colour


def _force(node: SceneNode) -> str:
    """The gradient as a force on an input or a wire of a single number."""
    gradient = node.gradient
    if gradient is None or not gradient.number or gradient.alarming:
        return ""
    move = 0.1 / gradient.number
    return f"\nTo raise the result by 0.1, {'raise' if move > 0 else 'lower'} {node.name or 'this'} by {abs(move):.6g}."
