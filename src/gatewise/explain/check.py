"""The gradient check: central differences against backpropagation, with the verdict in the words of the CS231n notes.

Source of the method and of the thresholds: CS231n notes, "Neural Networks Part 3", section "Gradient Checks".
A difference is forgiven only when it says nothing: a kink lies between the two points it is taken from (some gate
decided differently at them), or it is smaller than the rounding noise of the function's own values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from gatewise import libraries, tree
from gatewise.errors import DTypeError, InputError
from gatewise.gate import Gate
from gatewise.graph import Tracked, arrayed, dtype_name, namespace
from gatewise.recording import Recording, record
from gatewise.source import here
from gatewise.transforms import argument_name, grad, jvp

#: Above this many entries, random directions are probed instead of single entries.
ENTRIES_AT_MOST = 200
DIRECTIONS = 12


@dataclass(frozen=True)
class Comparison:
    """One comparison of an analytic derivative with its central difference."""

    name: str
    order: int
    analytic: float
    numerical: float
    noise: float
    kink: str | None

    @property
    def error(self) -> float:
        """Relative error |a - n| / max(|a|, |n|); 0 where the two are equal."""
        if self.analytic == self.numerical:
            return 0.0
        difference = abs(self.analytic - self.numerical)
        return difference / max(abs(self.analytic), abs(self.numerical)) if np.isfinite(difference) else float("inf")

    @property
    def is_noise(self) -> bool:
        """Whether the difference is no larger than the rounding of the function's own values makes it."""
        return abs(self.analytic - self.numerical) <= self.noise

    @property
    def verdict(self) -> str:
        """What the relative error says: "happy", "fine", "uncomfortable" or "wrong".

        "kink" where a difference says nothing, "undefined" where the function is not finite on both sides.
        """
        if self.kink is not None:
            return "kink"
        if not np.isfinite(self.numerical):
            return "undefined"
        return "happy" if self.is_noise else next(word for word, bound in _VERDICTS if self.error <= bound)


_VERDICTS = (("happy", 1e-7), ("fine", 1e-4), ("uncomfortable", 1e-2), ("wrong", float("inf")))
_MEANING = {
    "happy": "at most 1e-7: be happy",
    "fine": "at most 1e-4: fine for a function with kinks, too much for a smooth one unless its values are large",
    "uncomfortable": "above 1e-4: be uncomfortable, the gradient is probably wrong somewhere",
    "wrong": "above 1e-2: the gradient is wrong",
    "undefined": "the function is not finite on both sides of this point: there is nothing to compare",
}


_NOISE = "no difference beyond the rounding of the function's values: be happy"


def _badness(comparison: Comparison) -> tuple[bool, float]:
    """Orders comparisons from good to bad: rounding noise is better than any error that is not."""
    return not comparison.is_noise, comparison.error


@dataclass(frozen=True)
class GradientReport:
    """The outcome of `check_grads`: every comparison made, and what they amount to."""

    comparisons: tuple[Comparison, ...]

    @property
    def passed(self) -> bool:
        """Whether no comparison is worse than "fine", kinks set apart; False where kinks left nothing to compare.

        Of arguments without entries there is nothing to be wrong, so they pass.
        """
        if self.worst is None and self.comparisons:
            return False
        return all(comparison.verdict in ("happy", "fine", "kink") for comparison in self.comparisons)

    @property
    def kinks(self) -> tuple[Comparison, ...]:
        """The comparisons across a kink: a difference there says nothing."""
        return tuple(comparison for comparison in self.comparisons if comparison.kink is not None)

    @property
    def worst(self) -> Comparison | None:
        """The comparison with the largest relative error, kinks set apart."""
        return max((c for c in self.comparisons if c.verdict != "kink"), key=_badness, default=None)

    def text(self) -> str:
        """The report in a few lines: per order and argument the worst relative error, the verdict, and kinks apart."""
        lines = []
        for order, words in ((1, "gradient"), (2, "second derivative")):
            telling = [c for c in self.comparisons if c.order == order and c.verdict != "kink"]
            if not telling:
                continue
            worst = max(telling, key=_badness)
            number = f"{len(telling)} comparison{'s' if len(telling) > 1 else ''}"
            lines.append(f"{words}: {number}, largest relative error {worst.error:.1e} at {worst.name}")
            lines.append(f"  analytic {worst.analytic:.9g}, numerical {worst.numerical:.9g}")
            lines.append(f"  {_NOISE if worst.is_noise and worst.error > 1e-7 else _MEANING[worst.verdict]}")
        for comparison in self.kinks:
            lines.append(
                f"kink at {comparison.name}: {comparison.kink}; the numerical value "
                f"{comparison.numerical:.6g} says nothing about the gradient {comparison.analytic:.6g}"
            )
        if not self.comparisons:
            lines.append("the arguments have no entries: there is nothing to check")
        elif self.worst is None:
            lines.append("nothing could be checked: every comparison crosses a kink; move the point a little")
        else:
            lines.append("the gradient check passed" if self.passed else "the gradient check FAILED")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.text()

    def __bool__(self) -> bool:
        return self.passed


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    *,
    mode: str = "auto",
    step: float = 1e-5,
    seed: int = 0,
) -> GradientReport:
    """Compare the gradients of `f` at `args` with central differences, in float64.

    Args:
        f: A function of arrays or nested structures of arrays. If it returns several entries, a random weighted sum of
            them is checked.
        args: Its arguments; integer and boolean ones are held fixed.
        order: 1 for gradients, 2 for second derivatives as well.
        mode: ``"entries"`` moves one entry at a time, ``"directions"`` moves all along random directions,
            ``"auto"`` picks entries for up to 200 of them.
        step: Distance of the two points from the middle, times max(1, |x|).
        seed: Of the random weights and directions.

    Returns:
        A report: ``bool(report)`` tells whether the check passed, ``print(report)`` what was found. Where every
        comparison crosses a kink nothing was checked, so it did not pass, and the report says so.

    Raises:
        DTypeError: No argument is floating.
        InputError: `mode` or `order` is none of the above.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> report = gw.check_grads(lambda w: np.sum(np.tanh(w)), (np.array([0.5, -1.0]),))
        >>> report.passed, report.worst.verdict
        (True, 'happy')
    """
    if mode not in ("auto", "entries", "directions") or order not in (1, 2):
        raise InputError(
            f"check_grads: mode is 'auto', 'entries' or 'directions' and order is 1 or 2; "
            f"got {mode!r} and {order!r}{here()}"
        )
    point = _Point(f, args, seed)
    entries = mode == "entries" or (mode == "auto" and point.size <= ENTRIES_AT_MOST)
    rng = np.random.default_rng(seed + 1)
    moves = list(point.entries(step)) if entries else list(point.directions(rng, step))
    comparisons = [point.compare(name, direction) for name, direction in moves]
    if not entries and all(comparison.verdict == "kink" for comparison in comparisons):
        # A random direction moves everything, so a single kink spoils them all; single entries are told apart.
        single = islice(point.entries(step), ENTRIES_AT_MOST)
        comparisons = [point.compare(name, direction) for name, direction in single]
    if order == 2:
        some = moves if len(moves) <= DIRECTIONS else list(point.directions(rng, step))
        comparisons += [point.compare_second(name, direction, rng) for name, direction in some]
    return GradientReport(tuple(comparisons))


class _Point:
    """The function around the point at which it is checked, as a scalar function of one flat vector."""

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], seed: int) -> None:
        self.f = f
        self.leaves, self.rebuild = tree.flatten(tuple(args))
        self.names = [
            name for position, argument in enumerate(args) for name in tree.names(argument, argument_name(f, position))
        ]
        kinds = [np.dtype(dtype_name(arrayed(leaf).dtype)).kind for leaf in self.leaves]
        if "c" in kinds:
            raise DTypeError("check_grads takes real arguments: give real and imaginary parts separately")
        self.moving = [i for i, kind in enumerate(kinds) if kind == "f"]
        if not self.moving:
            raise DTypeError(
                f"check_grads: none of {', '.join(self.names)} is floating, so there is no gradient to check; "
                f"write 3.0 instead of 3"
            )
        self.start = [np.array(_numbers(self.leaves[i]), dtype=np.float64) for i in self.moving]
        self.size = sum(array.size for array in self.start)
        value = f(*self.arguments(self.home(self.start)))
        rng = np.random.default_rng(seed)
        outputs = [arrayed(output) for output in tree.flatten(value)[0]]
        drawn = [rng.uniform(0.5, 1.5, output.shape) if output.shape else 1.0 for output in outputs]
        self.weights = [_beside(weight, output) for weight, output in zip(drawn, outputs, strict=True)]
        self.differentiated = grad(self.loss)
        self.analytic = self.gradient(self.start)
        self.decides = any(True for _ in _decisions(self.recorded(self.home(self.start))))

    def home(self, arrays: Sequence[Any]) -> list[Any]:
        """Arrays of NumPy's as arrays of the libraries that the arguments are of."""
        return [_beside(array, self.leaves[i]) for i, array in zip(self.moving, arrays, strict=True)]

    def gradient(self, moved: Sequence[Any]) -> list[Any]:
        """The gradient there, for NumPy."""
        return [_numbers(gradient) for gradient in self.differentiated(self.home(moved))]

    def arguments(self, moved: Sequence[Any]) -> Any:
        """The function's arguments with the floating ones replaced."""
        leaves = list(self.leaves)
        for position, value in zip(self.moving, moved, strict=True):
            leaves[position] = value.copy()[()] if type(value) is np.ndarray else value
        return self.rebuild(leaves)

    def loss(self, moved: Sequence[Any]) -> Any:
        """The scalar that is checked: the function's value, or a weighted sum of its entries."""
        outputs, _ = tree.flatten(self.f(*self.arguments(moved)))
        if [np.shape(_value(output)) for output in outputs] != [np.shape(weight) for weight in self.weights]:
            raise _OtherShapeError
        terms = [_total(output * weight) for output, weight in zip(outputs, self.weights, strict=True)]
        return sum(terms[1:], terms[0])

    def entries(self, step: float) -> Iterator[tuple[str, list[Any]]]:
        """A move of each single entry."""
        for which, array in enumerate(self.start):
            name = self.names[self.moving[which]]
            for index in np.ndindex(array.shape):
                direction = [np.zeros_like(other) for other in self.start]
                direction[which][index] = step * max(1.0, abs(float(array[index])))
                yield name + (str(list(index)) if index else ""), direction

    def directions(self, rng: np.random.Generator, step: float) -> Iterator[tuple[str, list[Any]]]:
        """Random moves of all entries at once."""
        for number in range(DIRECTIONS):
            yield (
                f"random direction {number}",
                [step * np.maximum(1.0, abs(array)) * rng.standard_normal(array.shape) for array in self.start],
            )

    def ends(self, direction: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The two points of a central difference."""
        # two points, though mypy sees a tuple of any length
        return tuple([x + sign * d for x, d in zip(self.start, direction, strict=True)] for sign in (1, -1))  # type: ignore[return-value]

    def compare(self, name: str, direction: Sequence[Any]) -> Comparison:
        """The gradient along a move, against the difference of the function's values."""
        length = _length(direction)
        with np.errstate(all="ignore"):
            ahead, behind = self.ends(direction)
            analytic = sum(float(np.vdot(g, d)) for g, d in zip(self.analytic, direction, strict=True)) / length
            try:
                one, other = (float(_numbers(_value(self.loss(self.home(end))))) for end in (ahead, behind))
            except _OtherShapeError:
                return Comparison(name, 1, analytic, float("nan"), 0.0, _OtherShapeError.words)
            noise = 8 * np.finfo(float).eps * max(abs(one), abs(other)) / (2 * length)
            return self._judged(name, 1, analytic, (one - other) / (2 * length), noise, ahead, behind)

    def compare_second(self, name: str, direction: Sequence[Any], rng: np.random.Generator) -> Comparison:
        """The derivative of the gradient along a move, weighted at random, against the difference of gradients."""
        length = _length(direction)
        weights = [rng.standard_normal(array.shape) for array in self.start]
        with np.errstate(all="ignore"):
            ahead, behind = self.ends(direction)
            along = self.home([d / length for d in direction])
            _, moved = jvp(self.differentiated, (self.home(self.start),), (along,))
            analytic = _weighted(list(map(_numbers, moved)), weights)
            try:
                front, back = self.gradient(ahead), self.gradient(behind)
            except _OtherShapeError:
                return Comparison(name, 2, analytic, float("nan"), 0.0, _OtherShapeError.words)
            one, other = _weighted(front, weights), _weighted(back, weights)
            scale = _weighted([abs(g) for g in front], [abs(w) for w in weights])
            noise = 64 * np.finfo(float).eps * scale / (2 * length)
            return self._judged(name, 2, analytic, (one - other) / (2 * length), noise, ahead, behind)

    def _judged(
        self, name: str, order: int, analytic: float, numerical: float, noise: float, ahead: Any, behind: Any
    ) -> Comparison:
        plain = Comparison(name, order, analytic, numerical, noise, None)
        if plain.verdict == "happy" and not self.decides:
            return plain  # no kink to look for
        return replace(plain, kink=self.kink_between(ahead, behind))

    def kink_between(self, ahead: Any, behind: Any) -> str | None:
        """Which gate decided differently at the two points, if any did."""
        front, back = (self.recorded(self.home(point)) for point in (ahead, behind))
        ours, theirs = ([entry.gate.name for entry in side.entries] for side in (front, back))
        if ours != theirs:
            only = sorted(set(ours) ^ set(theirs)) or ["another number of gates"]
            return f"a branch in Python runs other gates on the two sides ({', '.join(only)})"
        for (gate, where, one), (_, _, other) in zip(_decisions(front), _decisions(back), strict=True):
            if np.shape(one) != np.shape(other) or not np.array_equal(one, other):
                place = f" at {where}" if where else ""
                return f"{gate.name}{place} decides differently on the two sides"
        return None

    def recorded(self, point: Sequence[Any]) -> Recording:
        """The circuit at a point."""
        return record(lambda *moved: self.loss(moved), point)


def _decisions(recording: Recording) -> Iterator[tuple[Gate, Any, Any]]:
    """What each gate with kinks chose."""
    for entry in recording.entries:
        operands = [
            constant if source is None else recording.entries[source].value
            for source, constant in zip(entry.operands, entry.constants, strict=True)
        ]
        choice = None if entry.is_input else entry.gate.decision(*map(_numbers, (entry.value, *operands)))
        if choice is not None:
            yield entry.gate, entry.where, choice


class _OtherShapeError(Exception):
    """The function returned another shape than at the point that is checked."""

    words = "the shape of the result changes on the way"


def _value(result: Any) -> Any:
    return result.value if isinstance(result, Tracked) else result


def _is_foreign(value: Any) -> bool:
    """Whether a value is an array of another library than NumPy."""
    return hasattr(value, "shape") and not isinstance(value, np.ndarray | np.generic | Tracked)


def _numbers(value: Any) -> Any:
    """The numbers of an array of any library, for NumPy."""
    return libraries.to_numpy(value, "check_grads") if _is_foreign(value) else value


def _beside(array: Any, like: Any) -> Any:
    """An array of NumPy's in the library of `like`."""
    value = _value(like)
    return libraries.placed(namespace((value,)), array, value) if _is_foreign(value) else array


def _total(array: Any) -> Any:
    """The sum of all entries, of a traced array or one of any library."""
    return namespace((array,)).sum(array) if _is_foreign(array) else np.sum(array)


def _length(direction: Sequence[Any]) -> float:
    return float(np.sqrt(sum(float(np.vdot(d, d)) for d in direction)))


def _weighted(arrays: Sequence[Any], weights: Sequence[Any]) -> float:
    return float(sum(np.sum(a * w) for a, w in zip(arrays, weights, strict=True)))
