"""What ``gatewise show`` says about a circuit: a line for each gate and each of its wires, and the reading at the end.

The words are those of the CS231n notes: upstream × local on every wire, gradients that add up at forks, and the
gradient as a force on each input. Lines are runs of styled text; how they reach the screen is `show`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import basename
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewise.picture.text import Span
from gatewise.picture.words import number_text, shape_text, shorten

if TYPE_CHECKING:
    from gatewise.circuit import Circuit
    from gatewise.recording import Entry

GATES_AT_MOST = 200
IN_FULL = 6
TERMS = 6
LONGEST_HEADING = 36
SHARE = 0.01  # the reading raises the result by one percent of itself
NEXT_TO_NOTHING = 1e6  # a move longer than so many times the input is not worth telling

Line = list[Span]


@dataclass(frozen=True)
class Figures:
    """How numbers are written: compactly, or with so many significant digits."""

    digits: int | None = None

    def number(self, number: Any) -> str:
        """One number, as the notes write it."""
        if isinstance(number, bool | np.bool_):
            return str(bool(number)).lower()
        if isinstance(number, complex | np.complexfloating):
            return f"{complex(number):.{self.digits or 3}g}"
        if self.digits is None:
            return number_text(float(number))
        return f"{float(number) + 0.0:.{self.digits}g}"

    def exact(self, number: float) -> str:
        """One number in a sentence: six significant digits, or as many as were asked for."""
        return f"{number + 0.0:.{self.digits or 6}g}"

    def value(self, value: Any) -> str:
        """A number, a small array in full, or the shape and the norm of a larger one."""
        array = np.asarray(value)
        if not array.ndim:
            return self.number(array.item())
        if array.size <= IN_FULL and array.ndim < 3:
            return self._row(array)
        if array.dtype.kind == "b":
            return f"{shape_text(array.shape)}, {int(array.sum())} true"
        with np.errstate(all="ignore"):
            return f"{shape_text(array.shape)}, norm {self.number(np.linalg.norm(array))}"

    def _row(self, array: Any) -> str:
        if array.ndim == 0:
            return self.number(array.item())
        return f"[{', '.join(self._row(item) for item in array)}]"


# --- the gates --------------------------------------------------------------------------------------------------------


def gate_lines(circuit: Circuit, figures: Figures) -> Iterator[Line]:
    """Each gate from the result back, with upstream × local on each wire, and the sum wherever a wire forks."""
    users = _users(circuit)
    gates = [entry for entry in reversed(circuit.entries) if entry.operands]
    heads = {entry.index: _head(entry, figures) for entry in gates[:GATES_AT_MOST]}
    widths = [max(map(len, column)) for column in zip(*heads.values(), strict=True)]
    for entry in gates[:GATES_AT_MOST]:
        heading, gate, value, upstream = heads[entry.index]
        yield [
            ("  " + heading.ljust(widths[0]), "gate"),
            ("  " + gate.ljust(widths[1]) + "  ", ""),
            (value.rjust(widths[2]), "value"),
            ("   upstream " if upstream else "   no gradient arrives", "faint"),
            (upstream, "gradient"),
            (_place(entry), "faint"),
        ]
        yield from _wire_lines(circuit, entry, figures)
        if entry.gate.story:
            yield [(f"      {entry.gate.story}", "faint")]
        for operand in dict.fromkeys(entry.operands):
            if operand is not None and len(users[operand]) > 1 and users[operand][0][0] == entry.index:
                yield _fork_line(circuit, operand, users[operand], figures)
        yield [("", "")]
    if len(gates) > GATES_AT_MOST:
        yield [
            (f"  ... and {len(gates) - GATES_AT_MOST:,} gates before these; --save circuit.html draws more", "faint")
        ]


def _place(entry: Entry) -> str:
    """The line of the user's file that made a gate; an expression needs none."""
    where = entry.where
    return "" if where is None or where.file.startswith("<") else f"   {basename(where.file)}:{where.line}"


def _users(circuit: Circuit) -> list[list[tuple[int, Any]]]:
    """Of every entry: who uses it, in order, and the gradient that comes back from there."""
    users: list[list[tuple[int, Any]]] = [[] for _ in circuit.entries]
    for entry in circuit.entries:
        for operand, part in zip(entry.operands, entry.parts, strict=True):
            if operand is not None and part is not None:
                users[operand].append((entry.index, part))
    return users


def _head(entry: Entry, figures: Figures) -> tuple[str, str, str, str]:
    """The heading of a gate: expression, gate, value and upstream gradient."""
    written = (entry.where.expression if entry.where else None) or entry.gate.symbol or entry.gate.name
    named = f"{entry.name} = " if entry.name and entry.name != written else ""
    upstream = "" if entry.gradient is None else figures.value(entry.gradient)
    return shorten(named + written, LONGEST_HEADING), entry.gate.name, figures.value(entry.value), upstream


def wire_name(entry: Entry) -> str:
    """What feeds a wire: the variable, or the expression it comes from."""
    written = entry.where.expression if entry.where else None
    return entry.name or (shorten(written, 24) if written else "") or entry.gate.name


def _wire_lines(circuit: Circuit, entry: Entry, figures: Figures) -> Iterator[Line]:
    """A gate's wires: upstream × local = gradient, where the local gradient is a plain factor."""
    if entry.gradient is None:
        return
    wires = [
        (wire_name(circuit.entries[operand]), part, local)
        for operand, part, local in zip(entry.operands, entry.parts, entry.local, strict=True)
        if operand is not None
    ]
    width = max((len(name) for name, _, _ in wires), default=0)
    upstream = figures.value(entry.gradient)
    products = [
        (upstream, " × ", figures.value(local), " = ", figures.value(part))
        for _, part, local in wires
        if part is not None and local is not None
    ]
    columns = [max(map(len, column)) for column in zip(*products, strict=True)]
    for name, part, local in wires:
        line: Line = [(f"      {name.ljust(width)}  ", "")]
        if part is None:
            line.append(("no gradient passes", "faint"))
        elif local is None:
            line += [("upstream ", "faint"), (upstream, "gradient"), (" → ", "faint")]
            line.append((figures.value(part), "gradient"))
        else:
            styles = ("gradient", "faint", "", "faint", "gradient")
            for text, room, style in zip(products.pop(0), columns, styles, strict=True):
                line.append((text.rjust(room), style))
            line.append((_remark(entry, part, local), "faint"))
        yield line


def _remark(entry: Entry, part: Any, local: Any) -> str:
    """What keeps upstream × local from being the gradient as it stands."""
    if np.shape(part) != np.broadcast_shapes(np.shape(entry.gradient), np.shape(local)):
        return "   summed over the copies that broadcasting made"
    if np.any((np.asarray(entry.gradient) == 0) & ~np.isfinite(local)):
        return "   a zero upstream gradient stays zero"
    return ""


def _fork_line(circuit: Circuit, index: int, users: Sequence[tuple[int, Any]], figures: Figures) -> Line:
    """How the gradients of a fork add up."""
    entry = circuit.entries[index]
    texts = [figures.value(part) for _, part in reversed(users)]
    terms = " + ".join(texts) if len(texts) <= TERMS else f"the sum of {len(texts)} gradients"
    total = figures.value(entry.gradient)
    return [("      gradients add up: ", "faint"), (f"{wire_name(entry)} receives {terms} = ", ""), (total, "gradient")]


# --- the reading ------------------------------------------------------------------------------------------------------


def reading(circuit: Circuit, name: str, value: float, figures: Figures) -> Iterator[str]:
    """What the gradients say about each input: the force on it, and the move that raises the result.

    `name` and `value` are those of the single number that is raised.
    """
    if not np.isfinite(value):
        trouble = _origin_of_trouble(circuit, figures)
        yield f"{name} is {value:g} here, so no move of the inputs can be read off.{trouble}"
        return
    yield f"{name} = {figures.exact(value)}"
    aim = SHARE * abs(value) or SHARE
    for entry in circuit.inputs:
        if entry.gradient is not None:
            yield _force(entry, name, aim, figures)


def _force(entry: Entry, name: str, aim: float, figures: Figures) -> str:
    """The sentence for one input; of an array, for the entry with the largest gradient."""
    gradients = np.asarray(entry.gradient)
    wire = entry.name or "the input"
    broken = gradients[~np.isfinite(gradients)]
    if broken.size:
        some = "" if not gradients.ndim else f" in {broken.size} of {gradients.size} entries"
        return f"The gradient of {wire} is {broken[0]:g}{some}: {name} has no finite slope here."
    if not gradients.any():
        return f"Moving {wire} does nothing to {name} here: its gradient is 0."
    place = np.unravel_index(np.argmax(np.abs(gradients)), gradients.shape)
    gradient = float(gradients[place])
    if gradients.ndim:
        wire += f"[{', '.join(map(str, place))}]"
    if aim / abs(gradient) > NEXT_TO_NOTHING * max(1.0, float(np.abs(entry.value).max())):
        return f"Moving {wire} does next to nothing to {name} here: its gradient is {figures.exact(gradient)}."
    largest = f", the largest of {gradients.size}" if gradients.size > 1 else ""
    return (
        f"To raise {name} by {_move(aim)}, {'raise' if gradient > 0 else 'lower'} {wire} by "
        f"{_move(aim / abs(gradient))} (gradient {figures.exact(gradient)}{largest}: "
        f"each unit of {wire} moves {name} by {figures.exact(gradient)})."
    )


def _move(size: float) -> str:
    """The size of a move: three digits say enough of it."""
    return f"{size:.3g}"


def _origin_of_trouble(circuit: Circuit, figures: Figures) -> str:
    """The first wire whose value is not finite, and what fed it."""
    for entry in circuit.entries:
        values = np.asarray(entry.value)
        if values.dtype.kind not in "fc" or np.isfinite(values).all():
            continue
        kind = "nan" if np.isnan(values).any() else "inf"
        if entry.is_input:
            return f" The {kind} comes in with {wire_name(entry)}."
        feeding = [circuit.entries[operand] for operand in dict.fromkeys(entry.operands) if operand is not None]
        given = ", ".join(f"{wire_name(source)} = {figures.value(source.value)}" for source in feeding)
        return f" The first {kind} comes out of the {entry.gate.name} gate, {wire_name(entry)}, at {given}."
    return ""
