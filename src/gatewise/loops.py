"""Loops and branches as gates: `scan`, `fori_loop`, `while_loop` and `cond`.

The function that is repeated is written down once, as a `Body`; on the circuit the whole loop is one gate. The gradient
of a `scan` is a `scan` of the backward step, and so is the gradient of that: there is no second rule, and no order at
which it ends. Why the gates are as they are is told in `docs/decisions/loops.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from gatewise import gates, tree
from gatewise.backward import has_nan
from gatewise.batching import Batched
from gatewise.bodies import Backward, Body, by_examples, closed, written_body
from gatewise.errors import DTypeError, ShapeError, UnsupportedError
from gatewise.graph import NUMPY_TYPES, Spec, Tracked, apply, dtype_name, filled, namespace, plain, untracked
from gatewise.records import (
    Part,
    Unlisted,
    arrives,
    laid,
    numpy_record,
    parts_of,
    pick,
    record_of,
    spec_of,
)
from gatewise.symbolic import Script, Symbol, written
from gatewise.transforms import vjp

# ---------------------------------------------------------------------------------------------------------- the gates


class _Loop(Unlisted, called="loop"):
    """What the gates of this file share: several results in a record, gradients of all inputs found together."""

    holomorphic = False  # the rules say themselves what a complex gradient is

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Where the results stand in the record."""
        return parts_of(self.results())

    def results(self) -> list[Spec]:
        """Shapes and dtypes of the results."""
        raise NotImplementedError

    def infer(self, *specs: Spec) -> Spec:
        return spec_of(self.parts)

    @cached_property
    def _latest(self) -> list[Any]:
        return [None]

    def once(self, g: Any, inputs: tuple[Any, ...], find: Callable[[], Any]) -> Any:
        """What `find` gives; computed once for all input wires of a node."""
        seen, of, found = self._latest[0] or (None, None, None)
        if seen is not g or of is not inputs:
            found = find()
            self._latest[0] = (g, inputs, found)
        return found

    def without_nan(self, find: Callable[[bool], list[Any]]) -> list[Any]:
        """Gradients found the quick way, or the careful way if one is NaN: zeros stay zeros, as in every sweep."""
        gradients = find(False)
        return find(True) if any(has_nan(gradient) for gradient in gradients if gradient is not None) else gradients


def _require_library(xp: Any, name: str) -> None:
    """Raise for a namespace that is not that of an array library, but writes down what it is asked."""
    if not isinstance(xp, ModuleType):
        raise UnsupportedError(f"{name} has no form in {getattr(xp, '__name__', type(xp).__name__)}: it runs as a gate")


@dataclass(frozen=True)
class Scan(_Loop, called="scan"):
    """A step repeated over the leading axis of arrays, with a carry from each to the next"""

    symbol = "scan"
    story = "repeats: the upstream gradient goes back through the steps, last to first, each run again on its carry"

    body: Body
    length: int
    reverse: bool = False
    #: Carries that are kept for every step, since the backward steps will read them.
    kept: tuple[int, ...] = ()
    #: Inputs whose gradients are asked for.
    wanted: frozenset[int] = field(default=frozenset())

    @cached_property
    def step(self) -> Body:
        """The body, giving what is kept too."""
        return self.body.keeping(self.kept)

    def results(self) -> list[Spec]:
        return self.step.stacked(self.length)

    def forward(self, xp: Any, *inputs: Any) -> Any:
        if hasattr(xp, "repeated"):
            return xp.repeated(self, inputs)
        if xp is np:
            record, views = numpy_record(self.parts)
            n = self.step.carries
            values = _numpy_loop(self.step, inputs, self.length, self.reverse, views[n:])
            for value, part, view in zip(values, self.parts, [*[None] * n, *views[n:]], strict=True):
                if view is None:
                    record[part.place] = laid(value, part)
            return record
        if hasattr(xp, "run"):
            return self._examples(inputs)
        _require_library(xp, self.name)
        return record_of(_library_loop(xp, self.step, inputs, self.length, self.reverse), self.parts)

    def local(self, index: int, g: Any, inputs: Any, out: Any) -> Any:
        wanted = self.wanted if index in self.wanted else self.body.floating
        if index not in wanted:
            return None

        def find() -> list[Any]:
            return self.without_nan(lambda strong: self._gradients(g, inputs, out, wanted, strong))

        return self.once(g, inputs, find)[index]

    def _gradients(self, g: Any, inputs: Any, out: Any, wanted: frozenset[int], strong: bool) -> list[Any]:
        """One gradient per input, None where none was asked for: a scan of the backward step, the other way round."""
        n = self.body.carries
        parts = self.parts
        arriving = tuple(i for i in range(n, len(parts)) if parts[i].floating and arrives(g, parts[i]))
        back = self.step.backward(wanted, arriving, strong)
        starts = self._starts(back, inputs, out)
        of_steps = [starts[i] if i < n else inputs[i] for i in back.read if i < n + self.body.scanned]
        operands = [
            *[pick(g, parts[i]) for i in back.live],
            *[filled(untracked(inputs[i]), 0) for i in back.shared],
            *of_steps,
            *[pick(g, parts[i]) for i in arriving],
            *[inputs[i] for i in back.read if i >= n + self.body.scanned],
        ]
        found = run(back.body, operands, self.length, not self.reverse)
        gradients = dict(zip((*back.live, *back.shared, *back.sliced), found, strict=True))
        return [gradients.get(i) for i in range(len(inputs))]

    def _starts(self, back: Backward, inputs: Any, out: Any) -> dict[int, Any]:
        """The carries that the backward steps read, stacked: kept ones, or computed again if one was not kept."""
        needed = tuple(i for i in back.read if i < self.body.carries)
        if set(needed) <= set(self.kept):
            places = {i: len(self.parts) - len(self.kept) + place for place, i in enumerate(self.kept)}
            return {i: pick(out, self.parts[places[i]]) for i in needed}
        again = run(self.body.keeping(needed), inputs, self.length, self.reverse)
        return dict(zip(needed, again[len(again) - len(needed) :], strict=True))

    def _examples(self, inputs: tuple[Any, ...]) -> Batched:
        """The loop for the examples of a map: a loop of the step for all examples."""
        level = max(x.level for x in inputs if isinstance(x, Batched))
        mapped = {i for i, x in enumerate(inputs) if isinstance(x, Batched) and x.level == level}
        count = next(inputs[i].count for i in mapped)
        flags, outputs = self.step.reached(mapped, by_gradients=False)
        n, first_shared = self.step.carries, self.step.carries + self.step.scanned
        operands = []
        for i, x in enumerate(inputs):
            if i in mapped:
                operands.append(gates.moveaxis(x.inner, 1, 0) if n <= i < first_shared else x.inner)
            else:
                operands.append(gates.broadcast_to(x, (count, *np.shape(untracked(x)))) if i in flags else x)
        results = run(self.step.mapped(flags, count), operands, self.length, self.reverse)
        for i, part in enumerate(self.parts):
            if i not in outputs:
                results[i] = gates.broadcast_to(results[i], (count, *part.shape))
            elif i >= n:
                results[i] = gates.moveaxis(results[i], 1, 0)
        return Batched(record_of(results, self.parts, (count,)), level)


@dataclass(frozen=True)
class While(_Loop, called="while"):
    """A step repeated as long as a condition holds"""

    symbol = "while"
    story = "repeats: the upstream gradient goes back through as many steps as were taken, last to first"

    condition: Body
    body: Body

    def results(self) -> list[Spec]:
        return list(self.body.outputs)

    def forward(self, xp: Any, *inputs: Any) -> Any:
        if hasattr(xp, "repeated_while"):
            return xp.repeated_while(self, inputs)
        if xp is np:
            return record_of(self._run(inputs)[0], self.parts)
        if hasattr(xp, "run"):
            whole, operands, level, count = self._unfolded(inputs)
            return Batched(record_of(whole.on(operands), self.parts, (count,)), level)
        _require_library(xp, self.name)
        return record_of(self._run(inputs)[0], self.parts)

    def _run(self, inputs: Sequence[Any]) -> tuple[list[Any], int]:
        """The last carry and the number of steps taken."""
        carry, shared = list(inputs[: self.body.carries]), list(inputs[self.body.carries :])
        steps = 0
        numpy = all(type(x) in NUMPY_TYPES for x in inputs)
        holds = self.condition.once if numpy else self.condition.script.run
        step = self.body.once if numpy else self.body.script.run
        while holds([*carry, *shared])[0]:
            carry = step([*carry, *shared])
            steps += 1
        return carry, steps

    def local(self, index: int, g: Any, inputs: Any) -> Any:
        if index not in self.body.floating:
            return None
        return self.once(g, inputs, lambda: self._gradients(g, inputs))[index]

    def _gradients(self, g: Any, inputs: tuple[Any, ...]) -> list[Any]:
        """A loop whose number of steps is known is a scan: its gradients are."""
        if any(isinstance(untracked(x), Symbol) for x in inputs):
            raise UnsupportedError(
                "the gradient of a while_loop needs the number of steps, which nobody knows while the function is "
                "written down for compiling or looping: use gw.scan with the largest number of steps and keep the "
                "carry with gw.where once the loop is over, or differentiate without compiling"
            )
        values = [untracked(x) for x in inputs]
        if any(isinstance(x, Batched) for x in values):
            whole, operands, _, _ = self._unfolded(values)
            steps, body = whole._run([untracked(x) for x in operands])[1], self.masked
        else:
            steps, body = self._run(values)[1], self.body
        places = sorted(body.floating)

        def again(*floating: Any) -> list[Any]:
            operands = list(inputs)
            for i, x in zip(places, floating, strict=True):
                operands[i] = x
            return run(body, operands, steps)

        pullback = vjp(again, *[inputs[i] for i in places])[1]
        gradients = dict(zip(places, pullback([pick(g, part) for part in self.parts]), strict=True))
        return [gradients.get(i) for i in range(len(inputs))]

    @cached_property
    def masked(self) -> Body:
        """The step that leaves the carry as it is once the condition no longer holds."""

        def step(*values: Any) -> list[Any]:
            (goes_on,) = self.condition.script.run(values)
            return [
                gates.where(goes_on, new, old) for new, old in zip(self.body.script.run(values), values, strict=False)
            ]

        return Body(written(step, self.body.inputs), self.body.carries)

    def _unfolded(self, inputs: Sequence[Any]) -> tuple[While, list[Any], int, int]:
        """The loop for all examples of a map, its operands, and the map's level and number of examples.

        It goes on while any example does; the others keep their carries.
        """
        level = max(x.level for x in inputs if isinstance(x, Batched))
        count = next(x.count for x in inputs if isinstance(x, Batched) and x.level == level)
        everything = frozenset(range(len(inputs)))
        condition, body = self.condition.script, self.body.script
        n = self.body.carries
        specs = [Spec((count, *spec.shape), spec.dtype) for spec in self.body.inputs]

        def holds(*values: Any) -> list[Any]:
            return by_examples(condition, values, everything, frozenset([0]), count)

        def step(*values: Any) -> list[Any]:
            (goes_on,) = holds(*values)
            new = by_examples(body, values, everything, frozenset(range(n)), count)
            return [
                gates.where(gates.reshape(goes_on, (count,) + (1,) * (len(value.shape) - 1)), value, old)
                for value, old in zip(new, values[:n], strict=True)
            ]

        whole = While(Body(written(lambda *values: [np.any(*holds(*values))], specs), n), Body(written(step, specs), n))
        operands = [
            x.inner
            if isinstance(x, Batched) and x.level == level
            else gates.broadcast_to(x, (count, *np.shape(untracked(x))))
            for x in inputs
        ]
        return whole, operands, level, count

    def on(self, operands: Sequence[Any]) -> list[Any]:
        """The last carry of the loop on these operands."""
        if not _recorded(operands):
            return self._run(operands)[0]
        record = apply(self, *operands)
        return [pick(record, part) for part in self.parts]


@dataclass(frozen=True)
class Branch(_Loop, called="cond"):
    """One of two functions, as a condition says"""

    symbol = "cond"
    story = "branches: the upstream gradient goes back through the function that was chosen, and not the other"

    if_true: Body
    if_false: Body

    def results(self) -> list[Spec]:
        return list(self.if_true.outputs)

    def forward(self, xp: Any, chosen: Any, *inputs: Any) -> Any:
        if hasattr(xp, "branched"):
            return xp.branched(self, chosen, inputs)
        if hasattr(xp, "run"):
            pairs = zip(self.if_true.script.run(inputs), self.if_false.script.run(inputs), strict=True)
            return record_of([gates.where(chosen, one, other) for one, other in pairs], self.parts)
        if xp is not np:
            _require_library(xp, self.name)
        body = self.if_true if chosen else self.if_false
        return record_of(body.once(inputs) if xp is np else body.script.run(inputs), self.parts)

    def local(self, index: int, g: Any, chosen: Any, inputs: Any) -> Any:
        if index == 0 or index - 1 not in self.if_true.floating:
            return None

        def find() -> list[Any]:
            return self.without_nan(lambda strong: self._gradients(g, chosen, inputs, strong))

        return self.once(g, inputs, find)[index - 1]

    def _gradients(self, g: Any, chosen: Any, inputs: Any, strong: bool) -> list[Any]:
        """One gradient per input: a branch again, between the gradients of both functions."""
        places = sorted(self.if_true.floating)
        arriving = tuple(i for i, part in enumerate(self.parts) if part.floating and arrives(g, part))
        branches = [body.gradients(places, arriving, strong) for body in (self.if_true, self.if_false)]
        operands = [*inputs, *[pick(g, self.parts[i]) for i in arriving]]
        found = Branch(*branches).on(chosen, operands)
        gradients = dict(zip(places, found, strict=True))
        return [gradients.get(i) for i in range(len(inputs))]

    def on(self, chosen: Any, operands: Sequence[Any]) -> list[Any]:
        """The results for these operands."""
        record = apply(self, chosen, *operands)
        return [pick(record, part) for part in self.parts]


# ----------------------------------------------------------------------------------------------------------- running


def _recorded(operands: Sequence[Any]) -> bool:
    """Whether any operand is traced, an example or a symbol."""
    return any(isinstance(x, Tracked) or hasattr(type(x), "carrier") for x in operands)


def run(body: Body, operands: Sequence[Any], length: int, reverse: bool = False) -> list[Any]:
    """The last carries, and what the steps give, stacked; one gate on the circuit if any operand is traced."""
    if not _recorded(operands):
        xp = namespace(operands)
        loop = _library_loop(xp, body, operands, length, reverse)
        return loop if xp is not np else [np.array(x)[()] for x in loop]
    wanted = frozenset(i for i, x in enumerate(operands) if isinstance(x, Tracked) and x.node.leaf)
    gate = Scan(body, length, reverse, body.needed(wanted) if wanted else (), wanted)
    record = apply(gate, *operands)
    return [pick(record, part) for part in gate.parts[: len(body.outputs)]]


def _numpy_loop(body: Body, operands: Sequence[Any], length: int, reverse: bool, given: Sequence[Any]) -> list[Any]:
    """The results for NumPy arrays; stacked ones are written into those arrays of `given` that are not None."""
    n, first_shared = body.carries, body.carries + body.scanned
    stacks = [
        np.empty((length, *spec.shape), spec.dtype) if array is None else array
        for array, spec in zip(given, body.outputs[n:], strict=True)
    ]
    steps = range(length - 1, -1, -1) if reverse else range(length)
    with np.errstate(all="ignore") if body.quiet else nullcontext():
        last = body.staged(steps, operands[:n], operands[n:first_shared], operands[first_shared:], stacks)
    return [*last, *stacks]


def _library_loop(xp: Any, body: Body, operands: Sequence[Any], length: int, reverse: bool) -> list[Any]:
    """The results for arrays of one library; for NumPy's staged, for others gate by gate."""
    n, first_shared = body.carries, body.carries + body.scanned
    if xp is np:
        return _numpy_loop(body, operands, length, reverse, [None] * (len(body.outputs) - n))
    carry = list(operands[:n])
    slices, shared = operands[n:first_shared], operands[first_shared:]
    given: list[list[Any]] = [[] for _ in body.outputs[n:]]
    for t in range(length - 1, -1, -1) if reverse else range(length):
        outputs = body.script.run([*carry, *[stack[t, ...] for stack in slices], *shared])
        carry = outputs[:n]
        for results, output in zip(given, outputs[n:], strict=True):
            results.append(xp.asarray(output))
    stacks = []
    for results, spec in zip(given, body.outputs[n:], strict=True):
        empty = None if results else xp.zeros((0, *spec.shape), dtype=getattr(xp, spec.dtype.name))
        stacks.append(gates.stack(results[::-1] if reverse else results) if results else empty)
    return [*carry, *stacks]


# --------------------------------------------------------------------------------------------------- for the user


def _operand(value: Any, what: str) -> Any:
    """A leaf of a carry as an operand: an array or a NumPy scalar.

    Raises:
        DTypeError: It is no number.
    """
    if isinstance(value, Tracked):
        return value
    try:
        value = plain(value)
    except DTypeError as error:
        raise DTypeError(f"{what}: {error.reason}") from None
    return value if hasattr(value, "shape") else np.asarray(value)[()]


def _spec(operand: Any, drop: int = 0) -> Spec:
    """Shape, without `drop` leading axes, and dtype of an operand of any library."""
    return Spec(tuple(operand.shape)[drop:], np.dtype(dtype_name(operand.dtype)))


class _Carry:
    """What a loop starts with: its leaves as operands, their specs, and how what a step returns is compared to it."""

    def __init__(self, init: Any, loop: str) -> None:
        self.init, self.loop = init, loop
        leaves, self.rebuild = tree.flatten(init)
        self.names = tree.names(init, "carry")
        self.operands = [_operand(leaf, f"{loop}: {name}") for leaf, name in zip(leaves, self.names, strict=True)]
        self.specs = [
            Spec.of(leaf) if type(leaf) in (bool, int, float, complex) else _spec(operand)
            for leaf, operand in zip(leaves, self.operands, strict=True)
        ]

    def leaves_of(self, new: Any) -> list[Any]:
        """The leaves of a carry that a step returned; Python numbers take the dtype of what they replace."""
        if not tree.same_structure(self.init, new):
            raise ShapeError(
                f"{self.loop}: the function must return a carry of the structure it was given (the same dicts, lists "
                f"and tuples); it was given {_outline(self.init)} and returned {_outline(new)}"
            )
        return [_number(leaf, spec) for leaf, spec in zip(tree.flatten(new)[0], self.specs, strict=True)]

    def yields(self, outputs: Sequence[Any]) -> bool:
        """Give carries that started as Python numbers the dtype of what they become; whether any did."""
        weak = [i for i, spec in enumerate(self.specs) if spec.weak]
        for i in weak:
            dtype = np.dtype(dtype_name(getattr(outputs[i], "dtype", self.specs[i].dtype)))
            self.specs[i] = Spec((), np.result_type(dtype, self.operands[i].item()))
            self.operands[i] = np.asarray(self.operands[i], self.specs[i].dtype)[()]
        return bool(weak)

    def require_same(self, outputs: Sequence[Any]) -> None:
        """Raise a ShapeError or DTypeError unless every leaf comes out of a step as it went in."""
        for name, before, output in zip(self.names, self.specs, outputs, strict=False):
            after = _spec(output)
            if after == before:
                continue
            what = f"{self.loop}: the carry must keep its shape and dtype, but {name} goes in as {before} and comes out"
            if after.shape != before.shape:
                raise ShapeError(
                    f"{what} as {after}: start with an array of shape {after.shape}, or reshape the result"
                )
            raise DTypeError(
                f"{what} as {after}: start with {name} as {after.dtype}, or end the step with astype({before.dtype})"
            )


def _number(leaf: Any, spec: Spec | None = None) -> Any:
    """A leaf that a function returned, as an array; a Python number in the dtype of `spec` if it fits that."""
    if type(leaf) not in (bool, int, float, complex):
        return leaf
    fits = spec is not None and not spec.weak and np.result_type(spec.dtype, leaf) == spec.dtype
    return np.asarray(leaf, spec.dtype if fits and spec is not None else None)[()]


def _outline(nested: Any) -> str:
    """The structure of a nested value, with specs for its arrays."""
    leaves, rebuild = tree.flatten(nested)
    return repr(rebuild([_Leaf(leaf) for leaf in leaves]))


class _Leaf:
    """Prints as the spec of an array."""

    def __init__(self, value: Any) -> None:
        self.text = repr(_spec(value)) if hasattr(value, "shape") else type(value).__name__

    def __repr__(self) -> str:
        return self.text


def _length(leaves: Sequence[Any], names: Sequence[str], length: int | None) -> int:
    """The number of steps that `xs` and `length` agree on."""
    found: dict[int, str] = {} if length is None else {int(length): "length"}
    for leaf, name in zip(leaves, names, strict=True):
        if not tuple(getattr(leaf, "shape", ())):
            raise ShapeError(f"scan goes over the first axis of xs, and {name} is a single number: give an array")
        found.setdefault(int(leaf.shape[0]), name)
    if len(found) > 1:
        raise ShapeError(
            f"scan: xs and length must agree on the number of steps; found "
            f"{', '.join(f'{n} in {name}' for n, name in found.items())}"
        )
    if not found:
        raise ShapeError("scan: without xs, length says how many steps to take: gw.scan(f, init, length=...)")
    if min(found) < 0:
        raise ShapeError(f"scan: length counts steps; got {length}")
    return next(iter(found))


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Repeat `f` over the first axis of `xs`, handing a carry from each step to the next.

    The same as a loop that calls ``carry, y = f(carry, x)`` and stacks the y, but one gate on the circuit: `f` is
    called once, to write down what it computes. The backward sweep keeps the carries and computes the rest of each step
    again.

    Args:
        f: Takes the carry and a slice of `xs`; returns the new carry, in structure, shapes and dtypes as it was, and
            what this step gives (None for nothing). Traced arrays that it uses besides get their gradients too.
        init: The first carry: an array, or a nested dict, list, tuple or dataclass of them.
        xs: An array or nested arrays of one length; None to repeat `length` times without.
        length: The number of steps, where there is no `xs`.
        reverse: Go through `xs` from its end; what the steps give is stacked in the order of `xs` all the same.

    Returns:
        (the last carry, what the steps gave, stacked along a new first axis).

    Raises:
        ShapeError, DTypeError: The carry changes structure, shape or dtype, or `xs` and `length` disagree.
        TracedValueError: `f` branches on, or takes out, a number that it computes from its arguments.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
        (np.float64(6.0), array([0., 2., 9.]))
        >>> def last(w, x):
        ...     return gw.scan(lambda h, x: (np.tanh(w * h + x), None), 0.0, x)[0]
        >>> float(gw.grad(last)(0.5, np.array([1.0, 1.0]))).__round__(4)
        0.1703

    Source:
        The semantics are those of ``jax.lax.scan``.
    """
    carry = _Carry(init, "scan")
    slices, rebuild = tree.flatten(xs)
    steps = _length(slices, tree.names(xs, "xs") if slices else [], length)
    n = len(carry.operands)
    given: list[Callable[[list[Any]], Any]] = []

    def step(*values: Any) -> list[Any]:
        result = f(carry.rebuild(list(values[:n])), rebuild(list(values[n:])))
        if not isinstance(result, tuple) or len(result) != 2:
            raise ShapeError(
                f"scan: the function must return a pair (carry, y), where y may be None; it returned "
                f"{type(result).__name__}"
            )
        leaves, rebuild_given = tree.flatten(result[1])
        given[:] = [rebuild_given]
        return [*carry.leaves_of(result[0]), *[_number(leaf) for leaf in leaves]]

    x_specs = [_spec(x, drop=1) for x in slices]
    script = written_body(step, [*carry.specs, *x_specs])
    if carry.yields(script.outputs):
        script = written_body(step, [*carry.specs, *x_specs])
    carry.require_same(script.outputs)
    operands = [*carry.operands, *slices, *script.outside]
    results = run(Body(closed(script), n, len(slices)), operands, steps, reverse)
    return carry.rebuild(results[:n]), given[0](results[n:])


def fori_loop(lower: int, upper: int, body_fun: Callable[[Any, Any], Any], init: Any) -> Any:
    """Repeat ``carry = body_fun(i, carry)`` for i from `lower` to `upper` - 1.

    Args:
        lower: The first i.
        upper: The i that is not reached. Both are integers; inside a function that is written down for compiling they
            may be computed, and then only the value can be, not its gradient.
        body_fun: Takes i and the carry and returns the new carry, in structure, shapes and dtypes as it was.
        init: The first carry.

    Returns:
        The last carry.

    Raises:
        ShapeError, DTypeError, TracedValueError: As for `scan`.

    Example:
        >>> import gatewise as gw
        >>> float(gw.grad(lambda x: gw.fori_loop(0, 5, lambda i, y: y * x, 1.0))(2.0))
        80.0
    """
    if any(hasattr(untracked(bound), "carrier") for bound in (lower, upper)):
        ends = while_loop(
            lambda state: state[0] < state[2],
            lambda state: (state[0] + 1, body_fun(state[0], state[1]), state[2]),
            (_whole(lower), init, _whole(upper)),
        )
        return ends[1]
    counts = np.arange(int(lower), int(upper))
    return scan(lambda carry, i: (body_fun(i, carry), None), init, counts)[0]


def _whole(bound: Any) -> Any:
    return gates.astype(bound, "int64") if hasattr(bound, "dtype") else np.int64(bound)


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init: Any) -> Any:
    """Repeat ``carry = body_fun(carry)`` as long as ``cond_fun(carry)`` holds.

    One gate on the circuit. The number of steps is not limited; for the gradient, which JAX refuses here, the steps are
    taken again as a `scan` of that many. Inside a function that is written down, for compiling or by an enclosing loop,
    that number is not known and a gradient is an error.

    Args:
        cond_fun: Takes the carry and returns a single boolean.
        body_fun: Takes the carry and returns the new one, in structure, shapes and dtypes as it was.
        init: The first carry: an array, or nested arrays.

    Returns:
        The last carry.

    Raises:
        ShapeError, DTypeError, TracedValueError: As for `scan`; or `cond_fun` returns no single boolean.
        UnsupportedError: A gradient is asked for where the number of steps is not known.

    Example:
        The square root by Newton's method, and its slope:

        >>> import gatewise as gw
        >>> def root(a):
        ...     return gw.while_loop(lambda x: abs(x * x - a) > 1e-15, lambda x: (x + a / x) / 2, a)
        >>> value, slope = gw.value_and_grad(root)(4.0)
        >>> float(value), float(slope)
        (2.0, 0.25)
    """
    carry = _Carry(init, "while_loop")
    n = len(carry.operands)

    def step(*values: Any) -> list[Any]:
        return carry.leaves_of(body_fun(carry.rebuild(list(values))))

    script = written_body(step, carry.specs)
    if carry.yields(script.outputs):
        script = written_body(step, carry.specs)
    carry.require_same(script.outputs)
    condition = written_body(lambda *values: [_answer(cond_fun(carry.rebuild(list(values))))], carry.specs)
    specs = [_spec(x) for x in (*script.outside, *condition.outside)]
    between = len(script.outside)
    gate = While(Body(closed(condition, specs[:between], between), n), Body(closed(script, specs[between:]), n))
    return carry.rebuild(gate.on([*carry.operands, *script.outside, *condition.outside]))


def _answer(value: Any) -> Any:
    """What a condition returned, checked to be a single boolean."""
    spec = Spec.of(value) if type(value) is bool or hasattr(value, "shape") else None
    if spec is None or tuple(spec.shape) or dtype_name(spec.dtype) != "bool":
        found = type(value).__name__ if spec is None else repr(spec)
        raise DTypeError(f"while_loop: the condition must be a single boolean, as x > 0 is; got {found}")
    return _number(value)


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """``true_fun(*operands)`` if `pred` holds, else ``false_fun(*operands)``.

    Where `pred` is known the function it names is simply called, and the circuit is that function's. While a function
    is written down, for compiling or by a loop, both are written down and the choice is one gate; for the examples of a
    `vmap` both are computed, and `where` chooses.

    Args:
        pred: A single boolean, or a number that is not zero.
        true_fun: A function of the operands; it may use other traced arrays too.
        false_fun: Another one, whose result has the same structure, shapes and dtypes.
        operands: Arrays or nested arrays.

    Raises:
        ShapeError, DTypeError: `pred` is not a single value, or the two results do not match.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> f = lambda x: gw.cond(x > 0, lambda x: x ** 2, lambda x: -x, x)
        >>> float(gw.grad(f)(3.0)), float(gw.grad(f)(-3.0))
        (6.0, -1.0)
        >>> gw.vmap(gw.grad(f))(np.array([3.0, -3.0])).tolist()
        [6.0, -1.0]
    """
    chosen = untracked(pred)
    if np.shape(chosen) != ():
        raise ShapeError(f"cond: pred must be a single boolean; got shape {np.shape(chosen)}: use gw.where for arrays")
    if isinstance(chosen, Symbol):
        return _branch(gates.not_equal(chosen, 0) if chosen.dtype != bool else chosen, true_fun, false_fun, operands)
    if not isinstance(chosen, Batched):
        return (true_fun if chosen else false_fun)(*operands)
    results = [tree.flatten(f(*operands)) for f in (true_fun, false_fun)]
    _require_alike(*[rebuild(leaves) for leaves, rebuild in results])
    picked = [gates.where(pred, one, other) for one, other in zip(results[0][0], results[1][0], strict=True)]
    return results[0][1](picked)


def _branch(chosen: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], operands: Any) -> Any:
    """A branch on a condition that is not known yet, as a gate."""
    leaves, rebuild = tree.flatten(operands)
    leaves = [_operand(leaf, "cond: an operand") for leaf in leaves]
    specs = [_spec(leaf) for leaf in leaves]
    returned: list[Any] = []

    def write(f: Callable[..., Any]) -> Script:
        def flat(*values: Any) -> list[Any]:
            result = f(*rebuild(list(values)))
            returned.append(result)
            return [_number(leaf) for leaf in tree.flatten(result)[0]]

        return written_body(flat, specs)

    one = write(true_fun)
    result = returned[-1]
    other = write(false_fun)
    _require_alike(result, returned[-1])
    between = len(one.outside)
    others = [_spec(x) for x in (*one.outside, *other.outside)]
    gate = Branch(Body(closed(one, others[between:]), 0), Body(closed(other, others[:between], between), 0))
    return tree.flatten(result)[1](gate.on(chosen, [*leaves, *one.outside, *other.outside]))


def _require_alike(one: Any, other: Any) -> None:
    """Raise unless the results of two branches have the same structure, shapes and dtypes."""
    pairs = zip(tree.flatten(one)[0], tree.flatten(other)[0], strict=False)
    alike = tree.same_structure(one, other) and all(_spec(_number(a)) == _spec(_number(b)) for a, b in pairs)
    if not alike:
        raise ShapeError(
            f"cond: both functions must return the same structure, shapes and dtypes; true_fun returned "
            f"{_outline(one)}, false_fun {_outline(other)}"
        )
