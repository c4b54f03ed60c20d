"""What a compiled program consists of, and how far from the machine's limits it runs.

Bytes are what each step must at least read and write: every entry once, though it may come from a cache. FLOPs count
every function of an entry as one, a matrix product as two per multiplication and addition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from time import perf_counter
from typing import Any

import numpy as np

from gatewise.native.nest import Address, Nest
from gatewise.native.schedule import Again, Leave, Loop, Multiply
from gatewise.native.slices import Slices
from gatewise.native.values import Accumulate, Convolve, Map, Value

#: Functions that no arithmetic is done for.
_FREE = frozenset({"cast", "where"})

#: Seconds over which a program is timed.
PATIENCE = 0.2


@dataclass(frozen=True)
class Step:
    """One loop, product, call or inner loop of a program.

    Attributes:
        kind: "loop", "product", "convolution", "call", "repeat", "branch" or "slices".
        what: The functions that a loop computes together, the sizes of a product or layer, the gate of a call.
        domain: The shape that a loop runs over; of a product (..., m, k, n).
        results: Shapes and dtypes of what it leaves in memory.
        bytes_read: Compulsory traffic: every entry that it needs, once.
        bytes_written: Likewise.
        flops: Arithmetic per call.
        parts: Among how many threads it is divided.
        times: How often it is run in one call; None inside a `while_loop`.
        reason: Why Python runs it; empty for native steps.
        inner: The steps inside a loop or branch, or those that are run slice by slice.
        lines: The user's lines that it comes from.
    """

    kind: str
    what: str
    domain: tuple[int, ...]
    results: tuple[str, ...]
    bytes_read: int
    bytes_written: int
    flops: int
    parts: int = 1
    times: int | None = 1
    reason: str = ""
    inner: tuple[Step, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Machine:
    """What the machine was measured to reach, with this many threads: bytes and FLOPs per second."""

    bandwidth: float
    flops: float
    threads: int


@dataclass(frozen=True)
class Report:
    """What `Compiled.report` returns; as text, a table.

    Attributes:
        name: The function.
        arguments: Shapes and dtypes of the arguments that are part of a call.
        programs: How many programs of the function there are.
        steps: What is run, in order.
        arena_bytes: Memory for what lives between steps.
        careful_calls: Calls so far in which a NaN arrived among gradients, which a second, careful program computed.
        fallbacks: Calls so far that were left to the function itself: an index was out of bounds, or a gate that
            Python runs refused its operands.
        seconds: How long each stage of compiling took: trace, roll, lower, build, LLVM.
        seconds_per_call: The best time of a call, if it was measured.
        machine: What the machine reaches, if it was measured.
    """

    name: str
    arguments: tuple[str, ...]
    programs: int
    steps: tuple[Step, ...]
    arena_bytes: int
    careful_calls: int
    fallbacks: int
    seconds: dict[str, float]
    seconds_per_call: float | None = None
    machine: Machine | None = None

    def _total(self, field: str) -> int:
        """A number of all steps, those in loops as often as they are run (once, where nobody knows)."""

        def total(steps: Sequence[Step]) -> int:
            return sum((step.times or 1) * (getattr(step, field) + total(step.inner)) for step in steps)

        return total(self.steps)

    @property
    def bytes_read(self) -> int:
        """Compulsory reads of all steps."""
        return self._total("bytes_read")

    @property
    def bytes_written(self) -> int:
        """Compulsory writes of all steps."""
        return self._total("bytes_written")

    @property
    def flops(self) -> int:
        """Arithmetic of a call."""
        return self._total("flops")

    @property
    def in_python(self) -> list[tuple[str, str]]:
        """The gates that Python runs, and why."""
        return list(dict.fromkeys((step.what, step.reason) for step in self.steps if step.kind == "call"))

    def __str__(self) -> str:
        others = f", one of {self.programs} programs" if self.programs > 1 else ""
        lines = [f"{self.name}({', '.join(self.arguments)}){others}"]
        rows: list[tuple[str, ...]] = [
            ("step", "", "over", "reads", "writes", "FLOPs", "threads", "lines", "leaves in memory")
        ]
        rows += _rows(self.steps, "")
        total = ("all", "", "", _bytes(self.bytes_read), _bytes(self.bytes_written), _count(self.flops), "", "", "")
        lines += _table([*rows, total])
        so_far = f"careful calls so far {self.careful_calls}, fallbacks {self.fallbacks}"
        lines.append(f"memory between steps {_bytes(self.arena_bytes)}, {so_far}")
        for what, reason in self.in_python:
            lines.append(f"in Python: {what}, which has no native form here: {reason}")
        if not self.in_python:
            lines.append("in Python: nothing")
        stages = ", ".join(f"{stage} {1e3 * time:.1f} ms" for stage, time in self.seconds.items())
        lines.append(f"compiled in {1e3 * sum(self.seconds.values()):.1f} ms: {stages}")
        if self.seconds_per_call is not None and self.machine is not None:
            lines += _distances(self, self.seconds_per_call, self.machine)
        return "\n".join(lines)


def report_of(executable: Any, programs: int, measure: bool) -> Report:
    """What is told about an executable."""
    report = Report(
        name=getattr(executable.f, "__name__", "function"),
        arguments=tuple(map(_spec, executable.program.arguments)),
        programs=programs,
        steps=tuple(map(_step, executable.built.steps)),
        arena_bytes=executable.built.arena_bytes,
        careful_calls=executable.careful_calls,
        fallbacks=executable.fallbacks,
        seconds=executable.seconds,
    )
    if not measure:
        return report
    leaves = executable.examples()
    time = best_time(lambda: executable(leaves))
    return Report(**{**vars(report), "seconds_per_call": time, "machine": measured_machine()})


def best_time(call: Callable[[], Any]) -> float:
    """The shortest of many calls, in seconds."""
    start = perf_counter()
    best = float("inf")
    repeats = 1
    while perf_counter() - start < PATIENCE:
        before = perf_counter()
        for _ in range(repeats):
            call()
        best = min(best, (perf_counter() - before) / repeats)
        repeats = max(repeats, min(1000, int(2e-4 / best)))
    return best


@cache
def measured_machine() -> Machine:
    """Bandwidth by a + 3 b over arrays that no cache holds, and arithmetic by a product of 512 × 512 matrices.

    Both are compiled as any function is, and measured once per process.
    """
    from gatewise.native import pool
    from gatewise.native.compiled import compile

    one, two = np.ones(1 << 23), np.ones(1 << 23)
    out = compile(lambda a, b: np.sum(a + 3.0 * b))
    moved = one.nbytes + two.nbytes
    left, right = np.ones((512, 512), np.float32), np.ones((512, 512), np.float32)
    product = compile(lambda a, b: a @ b)
    return Machine(
        bandwidth=moved / best_time(lambda: out(one, two)),
        flops=2 * 512**3 / best_time(lambda: product(left, right)),
        threads=pool.threads(),
    )


# ---------------------------------------------------------------------------------------------------------------- steps


def _step(planned: Any) -> Step:
    step = planned.step
    results = tuple(_spec(value) for value in dict.fromkeys(planned.writes))
    lines = _lines(planned)
    if isinstance(step, Loop):
        assert planned.nest is not None
        reads, writes = _traffic(planned.nest)
        what = _functions(planned.nest)
        return Step("loop", what, step.domain, results, reads, writes, _flops(planned.nest), planned.parts, lines=lines)
    if isinstance(step, Slices):
        inner = tuple(replace(_step(member), parts=planned.parts) for member in planned.members)
        at_once = f", {step.block} at a time" if step.block > 1 else ""
        return Step("slices", f"{step.length} slices{at_once}", (), results, 0, 0, 0, inner=inner, lines=lines)
    value = step.value
    reads = sum(_size(operand) for operand in dict.fromkeys(value.operands))
    if isinstance(step, Multiply) and isinstance(step.value, Convolve):
        spec = step.value.spec
        window = f"{spec.kernels} kernels {'×'.join(map(str, spec.window))} on {spec.channels} channels"
        what = f"{spec.direction}: {window}" if spec.direction != "forward" else window
        taken = spec.examples * spec.kernels * prod(spec.counts)  # entries of the layer's results
        flops = 2 * taken * spec.channels // spec.groups * prod(spec.window)
        return Step("convolution", what, value.shape, results, reads, _size(value), flops, planned.parts, lines=lines)
    if isinstance(step, Multiply):
        *batch, m, k = step.value.left.shape
        n = step.value.right.shape[-1]
        what = f"{m}×{k} @ {k}×{n}" + (f", {prod(batch)} times" if batch else "")
        flops = 2 * prod(batch) * m * k * n
        return Step("product", what, (*batch, m, k, n), results, reads, _size(value), flops, planned.parts, lines=lines)
    if isinstance(step, Leave):
        call = step.value
        return Step(
            "call",
            call.details(),
            (),
            results,
            reads,
            _size(call),
            0,
            reason=call.reason.partition("\n")[0],
            lines=lines,
        )
    if isinstance(step, Again):
        return _again(planned, step, results, lines)
    raise AssertionError(f"nothing to tell about {step}")


def _again(planned: Any, step: Again, results: tuple[str, ...], lines: tuple[str, ...]) -> Step:
    """A loop or branch: its own traffic is that of its inner steps; of a branch, the longer one's."""
    value = step.value
    inner = [tuple(map(_step, inside.built.steps)) for inside in planned.inner]
    if value.otherwise is not None:
        chosen = max(inner, key=lambda steps: sum(s.flops + s.bytes_read + s.bytes_written for s in steps))
        return Step("branch", "one of two programs", (), results, 0, 0, 0, inner=chosen, lines=lines)
    steps = tuple(one for steps in inner for one in steps)
    times = value.length if value.condition is None else None
    what = f"{value.length} times" if value.condition is None else "while"
    return Step("repeat", what, (), results, 0, 0, 0, times=times, inner=steps, lines=lines)


def _lines(planned: Any) -> tuple[str, ...]:
    """The user's lines behind what a step computes."""
    values = (
        [*planned.writes, *(item.value for item in planned.nest.items if not item.address)]
        if planned.nest
        else planned.writes
    )
    places = [value.origin.symbol.where for value in values if value.origin is not None]
    found = {(place.line, str(place)): None for place in places if place is not None}
    return tuple(place for _, place in sorted(found))


def _size(value: Value) -> int:
    return value.size * value.dtype.itemsize


def _spec(value: Any) -> str:
    return f"{value.dtype}[{', '.join(map(str, value.shape))}]"


def _entries(address: Address, extents: Sequence[int]) -> int:
    """At most so many entries of its base does an address reach."""
    reached = prod(n for n, stride in zip(extents, address.strides, strict=True) if stride)
    if address.dynamic:
        reached = prod(extents)
    return min(reached, address.base.size)


def _traffic(nest: Nest) -> tuple[int, int]:
    """Bytes that a loop must read and write."""
    reads: Counter[Value] = Counter()
    writes: Counter[Value] = Counter()
    for item in nest.items:
        if item.address is not None:
            reads[item.address.base] += _entries(item.address, nest.extents)
    for write in nest.writes:
        writes[write.address.base] += _entries(write.address, nest.extents)

    def total(found: Counter[Value]) -> int:
        return sum(min(entries, base.size) * base.dtype.itemsize for base, entries in found.items())

    own = set(writes)
    return total(Counter({base: n for base, n in reads.items() if base not in own})), total(writes)


def _computed(nest: Nest) -> list[Any]:
    return [item for item in nest.items if isinstance(item.value, Map | Accumulate) and item.address is None]


def _functions(nest: Nest) -> str:
    """The functions that a loop computes, in order, each with how often it stands there."""
    names = [f"{'running ' if item.along is not None else ''}{item.value.function}" for item in _computed(nest)]
    names += [f"{'+' if not write.reduced else ''}{write.function}" for write in nest.writes if write.function]
    counts = Counter(names)
    return ", ".join(f"{count} {name}" if count > 1 else name for name, count in counts.items()) or "copy"


def _flops(nest: Nest) -> int:
    """Functions and additions of a loop, each as often as it is computed."""
    work = sum(prod(nest.extents[: item.depth]) for item in _computed(nest) if item.value.function not in _FREE)
    return work + sum(prod(nest.extents) for write in nest.writes if write.function)


# ----------------------------------------------------------------------------------------------------------------- text


def _rows(steps: Sequence[Step], indent: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for step in steps:
        over = "×".join(map(str, step.domain)) if step.kind == "loop" else ""
        left = ", ".join(step.results)
        cells = (_bytes(step.bytes_read), _bytes(step.bytes_written), _count(step.flops), str(step.parts))
        if step.inner:
            cells = ("", "", "", "")
        told = ", ".join(dict.fromkeys(place.rpartition(":")[2] for place in step.lines))
        left = left if len(left) < 60 else f"{left[:57]}..."
        rows.append((f"{indent}{step.kind}", step.what, over, *cells, told, left))
        rows += _rows(step.inner, f"{indent}  ")
    return rows


def _table(rows: Sequence[tuple[str, ...]], widest: int = 44) -> list[str]:
    """Rows in columns; what is long in the second goes on below."""
    cut = []
    for row in rows:
        parts = _wrapped(row[1], widest)
        cut.append((row[0], parts[0], *row[2:]))
        cut += [("", part, *("" for _ in row[2:])) for part in parts[1:]]
    widths = [max(len(row[i]) for row in cut) for i in range(len(rows[0]))]
    right = {3, 4, 5, 6}
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cut
    ]


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split(", "):
        longer = f"{lines[-1]}, {word}" if lines[-1] else word
        if len(longer) > width and lines[-1]:
            lines[-1] += ","
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _distances(report: Report, time: float, machine: Machine) -> list[str]:
    moved = report.bytes_read + report.bytes_written
    rate, speed = moved / time, report.flops / time
    called = f"a call takes {_seconds(time)}"
    return [
        f"{called}: {rate / 1e9:.2f} GB/s, {100 * rate / machine.bandwidth:.0f} % of the "
        f"{machine.bandwidth / 1e9:.1f} GB/s at which large arrays are read here; above 100 % caches helped",
        f"{' ' * len(called)}  {speed / 1e9:.2f} GFLOP/s, {100 * speed / machine.flops:.0f} % of the "
        f"{machine.flops / 1e9:.0f} GFLOP/s of a float32 product of 512 × 512 matrices "
        f"({_counted(machine.threads, 'thread')})",
    ]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _bytes(number: int) -> str:
    for size, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} B"


def _count(number: int) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return str(number)


def _seconds(time: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if time >= size:
            return f"{time / size:.3g} {unit}"
    return f"{time * 1e9:.0f} ns"


__all__ = ["Machine", "Report", "Step", "best_time", "measured_machine", "report_of"]
