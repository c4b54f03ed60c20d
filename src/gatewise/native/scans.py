"""What a scan need not do in every step, because it can be kept from another scan or done for all steps at once.

The step of a backward loop computes the forward step again, and adds up gradients of what all steps share. Two rewrites
of a lowered program follow from that:

- *Kept, not computed again.* Where a loop computes what an earlier loop of the same length computed from the same
  carries, slices and shared values, the earlier one gives it as one more stack, if it costs more than reading it.
- *Added up at once.* A carry that is only ever added to, ``total + left @ right``, becomes a product of the stacks of
  left and right after the loop: the same sum as one long product, without going over `total` in each step.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from gatewise.native.schedule import CHEAP, COSTS
from gatewise.native.values import (
    Builder,
    Convolve,
    Gather,
    Input,
    Map,
    Product,
    Program,
    Reduce,
    Repeat,
    Result,
    Value,
    View,
    reachable,
)

#: A loop keeps at most so many times the bytes of its carries and slices for another loop.
MOST = 8


@dataclass
class _Changes:
    """What becomes of one scan."""

    given: list[Value] = field(default_factory=list)  # values of its body that it gives as further stacks
    kept: dict[Value, tuple[Repeat, Value]] = field(default_factory=dict)  # values of its body, and whose given ones
    sums: dict[int, Product] = field(default_factory=dict)  # carries that are added up after the loop

    def give(self, repeat: Repeat, value: Value) -> int:
        """The number of the stack of a value of the body, which is given from now on."""
        outputs = repeat.body.outputs[repeat.carries :]
        if value in outputs:
            return repeat.carries + outputs.index(value)
        if value not in self.given:
            self.given.append(value)
        return len(repeat.body.outputs) + self.given.index(value)


def relieved(program: Program) -> Program:
    """The same program, whose scans do less in each step."""
    values = program.values()
    repeats = [value for value in values if isinstance(value, Repeat)]
    scans = [each for each in repeats if each.condition is None and each.otherwise is None and each.length > 1]
    changes = {scan: _Changes() for scan in scans}
    for number, scan in enumerate(scans):
        for earlier in scans[:number]:
            if earlier.length == scan.length:
                _keep(earlier, scan, changes)
        _add_up(scan, changes[scan])
    if not any(change.given or change.kept or change.sums for change in changes.values()):
        return program
    return _Rewriting(program, changes).program()


# ------------------------------------------------------------------------------------------------- kept from before


def _keep(earlier: Repeat, later: Repeat, changes: dict[Repeat, _Changes]) -> None:
    """Have `earlier` give what `later` would compute again at a cost."""
    images = _images(earlier, later)
    costs = _costs(later.body)
    wanted: list[Value] = []
    seen: set[Value] = set()

    def want(value: Value) -> None:
        """Keep `value`, or, where that is as cheap as reading it, compute it from what is kept."""
        if value in seen or isinstance(value, Input) or costs[value] <= CHEAP:
            return
        seen.add(value)
        if isinstance(value, View) or (isinstance(value, Map) and COSTS.get(value.function, 1) <= CHEAP):
            for operand in value.operands:
                want(operand)
        else:
            wanted.append(value)

    values = later.body.values()
    for value in values:
        if value not in images:
            for operand in value.operands:
                if operand in images:
                    want(operand)
    for output in later.body.outputs:
        if output in images:
            want(output)
    room = MOST * sum(_bytes(value) for value in earlier.body.inputs[: earlier.carries + earlier.scanned])
    wanted = [value for value in wanted if value not in changes[later].kept]
    if sum(map(_bytes, wanted)) > room:
        return
    for value in wanted:
        changes[earlier].give(earlier, images[value])
        changes[later].kept[value] = earlier, images[value]


def _images(earlier: Repeat, later: Repeat) -> dict[Value, Value]:
    """For values of the body of `later` those of the body of `earlier` that are the same in each step."""
    n, outputs = earlier.carries, earlier.body.outputs
    first_shared = n + earlier.scanned
    found: dict[Value, Value] = {}
    for given, part in zip(later.body.inputs, later.parts, strict=True):
        if given.position < later.carries:
            continue
        sliced = given.position < later.carries + later.scanned
        if sliced and isinstance(part, Result) and part.source is earlier and part.place >= n:
            found[given] = outputs[part.place]
        elif part in (earlier.parts[n:first_shared] if sliced else earlier.parts[first_shared:]):
            found[given] = earlier.body.inputs[earlier.parts.index(part, n if sliced else first_shared)]
    known = {_key(value, {}): value for value in earlier.body.values()}
    for value in later.body.values():  # operands first
        if isinstance(value, Input) or not all(operand in found for operand in value.operands):
            continue
        image = known.get(_key(value, found))
        if image is not None:
            found[value] = image
    return found


def _key(value: Value, operands: dict[Value, Value]) -> Any:
    """What a value is, with its operands replaced: equal for values that are the same."""
    if isinstance(value, Input | Repeat):
        return value

    def part(name: str) -> Any:
        this = getattr(value, name)
        if isinstance(this, Value):
            return operands.get(this, this)
        if isinstance(this, tuple):
            return tuple([operands.get(item, item) if isinstance(item, Value) else item for item in this])
        return (this.dtype.str, this.tobytes()) if name == "array" else this

    return (type(value), value.shape, value.dtype, *map(part, type(value).__slots__))


def _costs(body: Program) -> dict[Value, float]:
    """What it costs to compute an entry of each value from the inputs, in additions."""
    costs: dict[Value, float] = {}
    for value in body.values():
        if isinstance(value, Map):
            own: float = COSTS.get(value.function, 1)
        elif isinstance(value, Product):
            own = value.left.shape[-1]
        elif isinstance(value, Reduce):
            own = value.source.size / max(value.size, 1)
        else:
            own = CHEAP + 1 if isinstance(value, Gather | Convolve | Repeat) else 0
        costs[value] = own + sum(costs[operand] for operand in value.operands)
    return costs


def _bytes(value: Value) -> int:
    return int(value.size * value.dtype.itemsize)


# --------------------------------------------------------------------------------------------- added up afterwards


def _add_up(scan: Repeat, change: _Changes) -> None:
    """Find carries to which each step adds a product, and which it reads for nothing else."""
    uses = Counter(operand for value in scan.body.values() for operand in value.operands)
    uses.update(scan.body.outputs)
    for number, output in enumerate(scan.body.outputs[: scan.carries]):
        carry = scan.body.inputs[number]
        if not (isinstance(output, Map) and output.function == "add" and carry in output.parts and uses[carry] == 1):
            continue
        (term,) = [part for part in output.parts if part is not carry]
        if not isinstance(term, Product) or len(term.shape) != 2 or uses[term] > 1 or uses[output] > 1:
            continue
        operands = [_base(operand) for operand in (term.left, term.right)]
        first_shared = scan.carries + scan.scanned
        if any(isinstance(base, Input) and base.position >= first_shared for base in operands):
            continue
        given = [base for base in operands if not _has_stack(scan, base)]
        if sum(base.size for base in given) <= 2 * term.size:
            change.sums[number] = term


def _base(value: Value) -> Value:
    return value.source if isinstance(value, View) else value


def _has_stack(scan: Repeat, value: Value) -> bool:
    """Whether a value of the body is there for all steps, before or after the loop."""
    sliced = isinstance(value, Input) and scan.carries <= value.position < scan.carries + scan.scanned
    return sliced or value in scan.body.outputs[scan.carries :]


# -------------------------------------------------------------------------------------------------------- rewriting


class _Rewriting:
    """A program written anew, with changed scans."""

    def __init__(self, program: Program, changes: dict[Repeat, _Changes]) -> None:
        self.old, self.changes = program, changes
        self.builder = Builder()
        self.new: dict[Value, Value] = {}
        self.results: dict[Repeat, list[Value]] = {}  # of the new scans, one after the other
        self.places: dict[Repeat, dict[int, int]] = {}  # where the results of the old ones are among them

    def program(self) -> Program:
        """The new program."""
        numbers: list[tuple[int, int]] = []
        for value in reachable((*self.old.inputs, *self.old.outputs, *self.old.assumptions)):
            numbers.append((value.number, self.builder.count))
            self.builder.origin = value.origin
            if isinstance(value, Repeat) and value in self.changes:
                self._scan(value)
            elif isinstance(value, Result) and value.source in self.results:
                if value not in self.new:
                    self.new[value] = self.results[value.source][self.places[value.source][value.place]]
            else:
                self.new[value] = self.builder.remade(value, self.new)
        self.builder.origin = None

        def moved(place: int) -> int:
            return next((new for old, new in numbers if old >= place), self.builder.count)

        return replace(
            self.old,
            inputs=tuple(self.new[value] for value in self.old.inputs),  # type: ignore[misc]  # inputs become inputs
            outputs=tuple(self.new[value] for value in self.old.outputs),
            assumptions=tuple(dict.fromkeys(self.new[value] for value in self.old.assumptions)),
            gradients=tuple(
                replace(
                    gradient,
                    value=self.new[gradient.value],
                    whose=gradient.whose if isinstance(gradient.whose, str) else self.new[gradient.whose],
                    place=moved(gradient.place),
                )
                for gradient in self.old.gradients
                if gradient.value in self.new and (isinstance(gradient.whose, str) or gradient.whose in self.new)
            ),
        )

    def _scan(self, scan: Repeat) -> None:
        """A scan with its changes, and what is added up after it."""
        change, body = self.changes[scan], scan.body
        n, first_shared = scan.carries, scan.carries + scan.scanned
        for term in change.sums.values():
            for operand in (term.left, term.right):
                if not _has_stack(scan, _base(operand)):
                    change.give(scan, _base(operand))
        carried = [number for number in range(n) if number not in change.sums]
        outputs = [body.outputs[number] for number in carried] + [*body.outputs[n:], *change.given]
        inputs = [*[body.inputs[number] for number in carried], *body.inputs[n:first_shared]]
        parts = [*[scan.parts[number] for number in carried], *scan.parts[n:first_shared]]
        stacks = {value: self._result(earlier, image) for value, (earlier, image) in change.kept.items()}
        new = _Body(body).with_inputs([*inputs, *change.kept, *body.inputs[first_shared:]], outputs)
        results = self.builder.repeat(
            new,
            (*[self.new[part] for part in parts], *stacks.values(), *[self.new[p] for p in scan.parts[first_shared:]]),
            len(carried),
            scan.scanned + len(stacks),
            scan.length,
            scan.reverse,
        )
        self.results[scan] = results
        shift = n - len(carried)
        self.places[scan] = {number: place for place, number in enumerate(carried)}
        self.places[scan] |= {number: number - shift for number in range(n, len(body.outputs) + len(change.given))}
        for number, term in change.sums.items():
            left, right = (self._stack(scan, operand, stacks) for operand in (term.left, term.right))
            total = self.builder.reduce("sum", self.builder.product(left, right), (0,))
            start = self.new[scan.parts[number]]
            total = self.builder.map("add", start, total, dtype=total.dtype)
            results.append(total)
            self.places[scan][number] = len(results) - 1

    def _result(self, scan: Repeat, value: Value) -> Value:
        """The stack of a value of the body of a scan that was written before."""
        return self.results[scan][self.places[scan][self.changes[scan].give(scan, value)]]

    def _stack(self, scan: Repeat, value: Value, kept: dict[Value, Value]) -> Value:
        """The values that one of the body takes in all steps."""
        base = _base(value)
        if base in kept:
            stack = kept[base]
        elif isinstance(base, Input) and scan.carries <= base.position < scan.carries + scan.scanned:
            stack = self.new[scan.parts[base.position]]
        else:
            stack = self._result(scan, base)
        if base is value:
            return stack
        assert isinstance(value, View)
        axes = [(axis + 1 if axis >= 0 else -1, step, start) for axis, step, start in value.axes]
        return self.builder.view(stack, (scan.length, *value.shape), [(0, 1, 0), *axes])


class _Body:
    """The body of a scan written anew, with other inputs."""

    def __init__(self, body: Program) -> None:
        self.body = body
        self.builder = Builder()

    def with_inputs(self, inputs: list[Value], outputs: list[Value]) -> Program:
        """The program from `inputs`, any values of the old one, to `outputs`."""
        new: dict[Value, Value] = {}
        made = []
        for position, value in enumerate(inputs):
            self.builder.origin = value.origin
            new[value] = self.builder.input(position, value.shape, value.dtype)
            made.append(new[value])
        for value in reachable([*outputs, *self.body.assumptions]):
            if value not in new and all(operand in new for operand in value.operands):
                self.builder.origin = value.origin
                new[value] = self.builder.remade(value, new)
        return Program(
            tuple(made),  # type: ignore[arg-type]  # inputs, all of them
            tuple(new[value] for value in outputs),
            tuple(new[value] for value in self.body.assumptions),
        )
