"""Bodies: one step of a loop, written down once, and the other steps that are made from it.

A `Body` is a script with its inputs sorted into carries, slices and what is the same in every step. From it come the
step of the backward loop (`backward`), of the loop over many examples (`mapped`), and the Python function that runs
all steps on NumPy arrays without making a node (`staged`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gatewise import gates
from gatewise.array import Array
from gatewise.backward import plan, sweep
from gatewise.batching import Batched, carried
from gatewise.gates.conversion import INPUT
from gatewise.graph import Spec, Tracked, now, untracked
from gatewise.symbolic import Script, Symbol, Tape, written
from gatewise.transforms import track


class Backward(NamedTuple):
    """A backward step, and where its operands come from.

    Its carries are the gradients of the carries `live` and the sums of the gradients of the inputs `shared`. Its slices
    are those of the inputs `read` that change from step to step, then the gradients that arrive at the outputs
    `arriving`; the rest of `read` is the same in every step. It gives, per step, the gradients of the inputs `sliced`.
    """

    body: Body
    live: tuple[int, ...]
    shared: tuple[int, ...]
    sliced: tuple[int, ...]
    read: tuple[int, ...]
    arriving: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Body:
    """One step: a script whose inputs are `carries` carries, `scanned` slices, and what every step reads.

    Its outputs are the new carries and then what the step gives.
    """

    script: Script
    carries: int
    scanned: int = 0

    def __repr__(self) -> str:
        return f"<body of {len(self.script.symbols)} gates>"

    @cached_property
    def _made(self) -> dict[Any, Any]:
        """What was made from this body, by what was asked."""
        return {}

    @cached_property
    def inputs(self) -> tuple[Spec, ...]:
        """Shape and dtype of each input."""
        return tuple(Spec(symbol.shape, symbol.dtype) for symbol in self.script.inputs)

    @cached_property
    def outputs(self) -> tuple[Spec, ...]:
        """Shape and dtype of each output."""
        return tuple(Spec(tuple(o.shape), np.dtype(o.dtype)) for o in self.script.outputs)

    def stacked(self, length: int) -> list[Spec]:
        """Shapes and dtypes of a loop's results: the last carries, and what `length` steps give, stacked."""
        n = self.carries
        return [*self.outputs[:n], *[Spec((length, *spec.shape), spec.dtype) for spec in self.outputs[n:]]]

    @cached_property
    def quiet(self) -> bool:
        """Whether sweeps are part of the step, which do not warn."""
        return any(symbol.tape.strong for symbol in self.script.symbols[:1])

    @cached_property
    def floating(self) -> frozenset[int]:
        """The inputs that can carry a gradient."""
        return frozenset(i for i, spec in enumerate(self.inputs) if spec.dtype.kind in "fc")

    def keeping(self, kept: tuple[int, ...]) -> Body:
        """This step, giving also the carries of these numbers that it starts with."""
        if not kept:
            return self
        made = self._made.get(kept)
        if made is None:
            outputs = (*self.script.outputs, *[self.script.inputs[i] for i in kept])
            made = self._made[kept] = replace(self, script=replace(self.script, outputs=outputs))
        return made

    def reached(self, start: Iterable[int], by_gradients: bool) -> tuple[frozenset[int], frozenset[int]]:
        """The inputs and outputs that depend, over any number of steps, on the inputs `start`.

        With `by_gradients` only through gates that let gradients pass.
        """
        found = set(start)
        while True:
            known = {self.script.inputs[i] for i in found}
            for symbol in self.script.symbols:
                passes = not by_gradients or (symbol.gate.differentiable and symbol.dtype.kind in "fc")
                if passes and any(isinstance(o, Symbol) and o in known for o in symbol.operands):
                    known.add(symbol)
            outputs = {i for i, o in enumerate(self.script.outputs) if isinstance(o, Symbol) and o in known}
            further = {i for i in outputs if i < self.carries} - found
            if not further:
                return frozenset(found), frozenset(outputs)
            found |= further

    def needed(self, wanted: frozenset[int]) -> tuple[int, ...]:
        """The carries that the backward step reads, when gradients of the inputs `wanted` are asked for."""
        arriving = [i for i in range(self.carries, len(self.outputs)) if self.outputs[i].dtype.kind in "fc"]
        read = self.backward(wanted, tuple(arriving), strong=False).read
        return tuple(i for i in read if i < self.carries)

    def backward(self, wanted: frozenset[int], arriving: tuple[int, ...], strong: bool) -> Backward:
        """The step of the backward loop: the step again, and the gradients on its outputs sent back through it."""
        key = (wanted, arriving, strong)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._backward(wanted, arriving, strong)
        return made

    def _backward(self, wanted: frozenset[int], arriving: tuple[int, ...], strong: bool) -> Backward:
        first_shared = self.carries + self.scanned
        live, _ = self.reached(wanted, by_gradients=True)
        places = sorted(live)
        carried_back = tuple(i for i in places if i < self.carries)
        sliced = tuple(i for i in places if self.carries <= i < first_shared)
        shared = tuple(i for i in places if i >= first_shared)
        primal = len(self.inputs)

        def step(*values: Any) -> list[Any]:
            back, sums = values[: len(carried_back)], values[len(carried_back) : len(carried_back) + len(shared)]
            values = values[len(back) + len(sums) :]
            upstream = dict(zip(carried_back, back, strict=True))
            upstream.update(zip(arriving, values[primal:], strict=True))
            gradients = self.pulled(values[:primal], places, upstream)
            found = dict(zip(places, gradients, strict=True))
            return [
                *[self._or_zeros(found[i], i) for i in carried_back],
                *[s if found[i] is None else s + found[i] for s, i in zip(sums, shared, strict=True)],
                *[self._or_zeros(found[i], i) for i in sliced],
            ]

        specs = [
            *[self.inputs[i] for i in (*carried_back, *shared)],
            *self.inputs,
            *[self.outputs[i] for i in arriving],
        ]
        script = written(step, specs, strong).trusting()  # whoever reads the gradients looks for NaN
        sums = len(carried_back) + len(shared)
        read, kept = [], list(script.inputs[:sums])
        reading = {operand for symbol in script.symbols for operand in symbol.operands if isinstance(operand, Symbol)}
        reading |= {output for output in script.outputs if isinstance(output, Symbol)}
        of_steps: list[Symbol] = []
        of_all: list[Symbol] = []
        for i, symbol in enumerate(script.inputs[sums : sums + primal]):
            if symbol in reading:
                read.append(i)
                (of_steps if i < first_shared else of_all).append(symbol)
        of_steps += script.inputs[sums + primal :]
        script = replace(script, inputs=(*kept, *of_steps, *of_all))
        return Backward(Body(script, sums, len(of_steps)), carried_back, shared, sliced, tuple(read), arriving)

    def gradients(self, places: Sequence[int], arriving: tuple[int, ...], strong: bool) -> Body:
        """The function from inputs, and gradients on the outputs `arriving`, to gradients of the inputs `places`."""
        number = len(self.inputs)

        def back(*values: Any) -> list[Any]:
            found = self.pulled(values[:number], places, dict(zip(arriving, values[number:], strict=True)))
            return [self._or_zeros(gradient, i) for gradient, i in zip(found, places, strict=True)]

        script = written(back, [*self.inputs, *[self.outputs[i] for i in arriving]], strong).trusting()
        return Body(script, 0)

    def pulled(self, values: Sequence[Any], places: Sequence[int], upstream: dict[int, Any]) -> list[Any]:
        """The gradients of the inputs `places` at `values`, for `upstream` gradients by output; None where none."""
        arrays = list(values)
        for i in places:
            arrays[i] = track(values[i])
        leaves = [arrays[i].node for i in places]
        if not leaves:
            return []
        outputs = self.script.run(arrays)
        seeds = [
            (outputs[i].node, untracked(g))
            for i, g in upstream.items()
            if isinstance(outputs[i], Tracked) and outputs[i].node.leaf >= leaves[0].order
        ]
        return sweep(plan([node for node, _ in seeds], leaves), seeds, leaves, Array)

    def _or_zeros(self, gradient: Any, i: int) -> Any:
        return np.zeros(self.inputs[i].shape, self.inputs[i].dtype)[()] if gradient is None else gradient

    def mapped(self, flags: frozenset[int], count: int) -> Body:
        """The step for `count` examples at once; the inputs `flags` have one more axis, in front.

        So do the outputs that depend on them.
        """
        key = (flags, count)
        made = self._made.get(key)
        if made is None:
            _, outputs = self.reached(flags, by_gradients=False)
            specs = [
                Spec((count, *spec.shape), spec.dtype) if i in flags else spec for i, spec in enumerate(self.inputs)
            ]
            script = written(lambda *values: by_examples(self.script, values, flags, outputs, count), specs, self.quiet)
            made = self._made[key] = replace(self, script=script)
        return made

    @cached_property
    def staged(self) -> Callable[..., Any]:
        """All steps as a function of Python, for NumPy arrays: (steps, carries, stacks, shared, results) -> carries.

        `stacks` hold the slices, `results` are written into.
        """
        code = Staging()
        names = [code.name(symbol) for symbol in self.script.inputs]
        carries, shared = names[: self.carries], names[self.carries + self.scanned :]
        slices = names[self.carries : self.carries + self.scanned]
        stacks, results = [f"s{i}" for i in range(len(slices))], [f"r{i}" for i in range(len(self.outputs))]
        code.unpack(carries, "carries")
        code.unpack(stacks, "stacks")
        code.unpack(shared, "shared")
        code.unpack(results[self.carries :], "results")
        code.line("for t in steps:")
        code.indent += 1
        for name, stack in zip(slices, stacks, strict=True):
            code.line(f"{name} = {stack}[t]")
        code.script(self.script)
        made = [code.name(output) for output in self.script.outputs]
        for name, result in zip(made[self.carries :], results[self.carries :], strict=True):
            code.line(f"{result}[t] = {name}")
        code.assign(carries, made[: self.carries])
        code.line("pass")
        code.indent -= 1
        code.line(f"return [{', '.join(carries)}]")
        return code.function("steps, carries, stacks, shared, results")

    @cached_property
    def once(self) -> Callable[..., Any]:
        """One step as a function of Python, for NumPy arrays: from a list of the inputs to one of the outputs."""
        code = Staging()
        code.unpack([code.name(symbol) for symbol in self.script.inputs], "inputs")
        code.script(self.script)
        code.line(f"return [{', '.join([code.name(output) for output in self.script.outputs])}]")
        return code.function("inputs")


class Staging:
    """Scripts as lines of Python: no node is made, nothing looked up, a call per gate."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.indent = 1
        self.globals: dict[str, Any] = {}
        self.names: dict[Symbol, str] = {}

    def line(self, text: str) -> None:
        """A line more."""
        self.lines.append("    " * self.indent + text)

    def name(self, value: Any) -> str:
        """The variable that holds a symbol's value, or a constant."""
        if isinstance(value, Symbol):
            return self.names.setdefault(value, f"v{len(self.names)}")
        name = f"k{len(self.globals)}"
        self.globals[name] = value
        return name

    def unpack(self, names: Sequence[str], source: str) -> None:
        """A variable for each item."""
        if names:
            self.line(f"{', '.join(names)}, = {source}")

    def assign(self, names: Sequence[str], values: Sequence[str]) -> None:
        """All variables at once."""
        if names:
            self.line(f"{', '.join(names)} = {', '.join(values)}")

    def script(self, script: Script) -> None:
        """A line per gate."""
        for symbol in script.symbols:
            operands = [self.name(operand) for operand in symbol.operands]
            function = f"f{len(self.globals)}"
            self.globals[function] = symbol.gate.on_numpy()
            self.line(f"{self.name(symbol)} = {function}({', '.join(operands)})")

    def function(self, parameters: str) -> Callable[..., Any]:
        """The function with these lines."""
        source = "\n".join([f"def staged({parameters}):", *self.lines])
        exec(compile(source, "<staged>", "exec"), self.globals)
        made: Callable[..., Any] = self.globals["staged"]
        return made


def by_examples(
    script: Script, values: Sequence[Any], flags: frozenset[int], outputs: frozenset[int], count: int
) -> list[Any]:
    """Run `script` on inputs of which those in `flags` have an axis of examples in front, and so the given outputs."""
    level = now()
    found = script.run([carried(Batched(value, level)) if i in flags else value for i, value in enumerate(values)])
    results = []
    for i, result in enumerate(found):
        value = untracked(result)
        if isinstance(value, Batched) and value.level == level:
            results.append(value.inner)
        elif i in outputs:
            results.append(gates.broadcast_to(result, (count, *result.shape)))
        else:
            results.append(result)
    return results


def closed(script: Script, others: Sequence[Spec] = (), before: int = 0) -> Script:
    """`script` with what it captured as further inputs.

    Between its inputs and those, `before` of the `others` are added, and the rest after them; it reads none of these.
    """
    tape = Tape()
    added = [tape.symbol(INPUT, (), spec) for spec in others]
    inputs = (*script.inputs, *added[:before], *script.captured, *added[before:])
    return replace(script, inputs=inputs, captured=(), outside=())


def written_body(f: Callable[..., Any], specs: Sequence[Spec]) -> Script:
    """Write down a function that a loop or branch was given; traced arrays that it uses besides are captured.

    Sweeps inside it keep zeros zero from the start where, otherwise, somebody would have to look for NaN in each step.
    """
    script = written(f, specs, capture=True)
    return script if not script.assumptions else written(f, specs, strong=True, capture=True)
