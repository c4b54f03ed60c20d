"""The reverse sweep: gradients of an output with respect to leaves, by the chain rule, gate by gate.

This is the whole of backpropagation here; `docs/backpropagation.md` walks through it on the notes' first circuit.

1. `plan` reaches back from the outputs and sorts the nodes it finds by the order in which they were made. A node that
   depends on none of the wanted leaves is never visited.
2. `sweep` goes through them last to first. Each gate turns the gradient on its output wire (upstream) into gradients on
   its input wires (upstream × local); where a wire forks, what comes back adds up.

Everything that is the same for all gates happens here once: un-broadcasting, casting, conjugating for complex numbers,
and the strong zero. The same code computes on plain values or, when the gradient itself is to be differentiated (an
enclosing transform's leaf is within reach), on tracked ones, which adds the backward pass to the graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise.errors import DTypeError
from gatewise.gates.conversion import INPUT
from gatewise.graph import NUMPY_TYPES, Leaf, Node, Tracked, carrier_of, is_complex, namespace, untracked
from gatewise.source import origin

FLOAT64, FLOAT32 = np.dtype("float64"), np.dtype("float32")


class Plan:
    """The nodes between some outputs and some leaves, first to last, and whether anything beyond them is reached."""

    __slots__ = ("leaves", "nested", "nodes", "oldest")

    def __init__(self, nodes: list[Node], leaves: Sequence[Leaf], oldest: int, nested: bool) -> None:
        self.nodes = nodes
        self.leaves = leaves
        self.oldest = oldest  # only nodes that depend on a leaf at least this new take part
        self.nested = nested  # an enclosing transform, or a variable captured from outside, feeds in


def plan(outputs: Sequence[Node], leaves: Sequence[Leaf] | None = None) -> Plan:
    """Find the nodes through which a gradient can flow from `outputs` to `leaves`, by default to every variable."""
    oldest = 1 if leaves is None else min([leaf.order for leaf in leaves])
    nested = False
    seen: set[Node] = set(leaves or ())
    met: list[Leaf] = []
    found = []
    stack = []
    for leaf in leaves or ():
        if leaf.inputs and leaf.inputs[0] is not None and leaf.inputs[0].leaf:
            nested = True
    for node in outputs:
        if node.leaf >= oldest:
            stack.append(node)
        elif node.leaf:
            nested = True
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if not node.inputs:
            met.append(node)  # type: ignore[arg-type]  # only a leaf has no inputs
            continue
        found.append(node)
        for source in node.inputs:
            if source is not None:
                if source.leaf >= oldest:
                    stack.append(source)
                elif source.leaf:
                    nested = True
    found.sort(key=attrgetter("order"))
    return Plan(found, met if leaves is None else leaves, oldest, nested)


class Ledger:
    """All that a sweep brings: per gate what goes back over each of its input wires, and per node what arrived in all.

    A gate that no gradient reached has no row; in a row, None stands for a wire over which nothing goes back.
    """

    __slots__ = ("rows", "totals")

    def __init__(self) -> None:
        self.rows: dict[Node, list[Any]] = {}
        self.totals: dict[Node, Any] = {}

    def clear(self) -> None:
        """Begin again."""
        self.rows.clear()
        self.totals.clear()


def sweep(
    route: Plan,
    seeds: Sequence[tuple[Node, Any]],
    leaves: Sequence[Leaf],
    wrap: type[Tracked],
    *,
    ledger: Ledger | None = None,
) -> list[Any]:
    """Gradients of the seeded outputs with respect to `leaves`; None where no gradient arrives.

    Args:
        route: What `plan` found between the seeded nodes and the leaves.
        seeds: Pairs of an output node and the upstream gradient it starts with.
        leaves: Where gradients are wanted.
        wrap: The class that tracked values have, used when the sweep itself is recorded.
        ledger: Where every gradient is entered that goes back over a wire, and every sum of them.
    """
    before = origin.get()
    try:
        with np.errstate(all="ignore"):
            if route.nested:
                seeds = [(node, _carried(seed, wrap)) for node, seed in seeds]
            strong = any(libraries.is_lazy(untracked(seed)) for _, seed in seeds)
            if ledger is not None and (route.nested or any(type(seed) not in NUMPY_TYPES for _, seed in seeds)):
                strong = True  # whether all of it is finite could not be told
            gradients = _sweep(route, seeds, leaves, wrap, ledger, strong)
            # In a ledger what goes back over every wire is seen, also what no leaf is told of.
            suspect = any(map(has_nan, gradients)) if ledger is None else not _is_finite(ledger)
            if suspect and not strong:
                # Somewhere 0 met an infinite or undefined local gradient. Once more, keeping zeros zero.
                if ledger is not None:
                    ledger.clear()
                gradients = _sweep(route, seeds, leaves, wrap, ledger, strong=True)
    finally:
        origin.set(before)
    for leaf, gradient in zip(leaves, gradients, strict=True):
        if type(gradient) not in NUMPY_TYPES:
            _require_home(leaf, gradient)
    return _own(gradients, [seed for _, seed in seeds])


def _carried(seed: Any, wrap: type[Tracked]) -> Any:
    """A seed of a recorded sweep, as a traced constant where plain arrays do not compute with traced ones."""
    if (
        type(seed) in NUMPY_TYPES
        or isinstance(seed, Tracked)
        or hasattr(type(seed), "carrier")
        or libraries.defers(seed)
    ):
        return seed
    return wrap.of(Leaf(INPUT, seed, wanted=False), seed)


def _require_home(leaf: Leaf, gradient: Any) -> None:
    """Raise a DTypeError if a gradient is of another array library than the value it belongs to."""
    value = untracked(gradient)
    if value is None or hasattr(type(value), "carrier") or hasattr(type(leaf.value), "carrier"):
        return
    if libraries.title(value) != libraries.title(leaf.value):
        raise DTypeError(
            f"{f'input {leaf.name!r}' if leaf.name else 'an input'} is {libraries.described(leaf.value)}, but was "
            f"computed with by {libraries.title(value)}, so its gradient is {libraries.described(value)}: "
            f"convert the input first"
        )


def _sweep(
    route: Plan,
    seeds: Sequence[tuple[Node, Any]],
    leaves: Sequence[Leaf],
    wrap: type[Tracked],
    ledger: Ledger | None,
    strong: bool,
) -> list[Any]:
    oldest, nested = route.oldest, route.nested
    written = any(hasattr(type(untracked(leaf.value)), "carrier") for leaf in leaves)
    gradients: dict[Node, Any] = {} if ledger is None else ledger.totals
    take: Callable[..., Any] = gradients.pop if ledger is None else gradients.get
    row: list[Any] | None = None
    for node, seed in seeds:
        prior = gradients.get(node)
        gradients[node] = seed if prior is None else prior + seed
    for node in reversed(route.nodes):
        upstream = take(node, None)
        if upstream is None:
            continue
        gate = node.gate
        saved = node.saved
        if nested or written:
            place = node.instruction
            origin.set((node.code, place if place < 0 else ~place))
        if nested:
            saved = tracked(node, wrap)
        shape, dtype = node.shape, node.dtype
        if strong:
            saved = gate.cleaned(upstream, saved)
        mirrored = not (dtype is FLOAT64 or dtype is FLOAT32) and is_complex(dtype) and gate.holomorphic
        # Then a gradient fits its wire unless shape or dtype differ; a constant may have widened it.
        exact = gate.elementwise and node.constants is None and not strong
        if mirrored:
            upstream = gates.conj(upstream)
        if ledger is not None:
            ledger.rows[node] = row = [None] * len(node.inputs)
        wire = -1
        for source, rule in zip(node.inputs, gate.rules):  # noqa: B905  (a variadic gate has a rule for every wire)
            wire += 1
            if source is None or rule is None or source.leaf < oldest:
                continue
            gradient = rule(gate, upstream, *saved)
            if gradient is None:
                continue
            if mirrored:
                gradient = gates.conj(gradient)
            if strong:
                gradient = quieted(gate, upstream, gradient)
            if not exact or source.dtype is not dtype or not (source.shape is shape or source.shape == shape):
                gradient = fit(gradient, source)
            if row is not None:
                row[wire] = gradient
            prior = gradients.get(source)
            gradients[source] = total = gradient if prior is None else prior + gradient
            if written:
                _note(total, prior, source)
    return [gradients.get(leaf) for leaf in leaves]


def _is_finite(ledger: Ledger) -> bool:
    """Whether every sum is of finite numbers: then all that was added is. Of others than NumPy's nobody knows."""
    for total in ledger.totals.values():
        if type(total) is np.float64:
            if not math.isfinite(total):
                return False
        elif not isinstance(total, np.ndarray | np.generic) or not np.isfinite(total).all():
            return False
    return True


def _note(total: Any, prior: Any, source: Node) -> None:
    """Write on the symbol of a gradient whose it is, for the names in what is written of it."""
    symbol = total.value if isinstance(total, Tracked) else total
    noted = getattr(symbol, "gradient_of", None)
    if noted is None:
        return
    whose = untracked(source.value) if isinstance(source, Leaf) else (source.code, source.instruction)
    symbol.gradient_of = (*noted, whose)
    if prior is not None:
        before = untracked(prior)
        if hasattr(before, "gradient_of"):
            before.gradient_of = tuple([found for found in before.gradient_of if not _is_same_place(found, whose)])


def _is_same_place(one: Any, other: Any) -> bool:
    """Whether two notes are of one leaf or one line; a comparison of symbols would be written down."""
    return one is other or (type(one) is tuple and type(other) is tuple and one == other)


def fit(gradient: Any, source: Node) -> Any:
    """Give a gradient the shape and dtype of the wire it arrives on: sum what was broadcast, undo what was cast."""
    if gradient.shape != source.shape:
        extra = len(gradient.shape) - len(source.shape)
        stretched = tuple(
            i for i, n in enumerate(gradient.shape) if i < extra or (source.shape[i - extra] == 1 and n != 1)
        )
        gradient = gates.sum(gradient, axis=stretched, keepdims=extra == 0)
        if gradient.shape != source.shape:
            gradient = gates.reshape(gradient, source.shape)
    if gradient.dtype != source.dtype:
        if not is_complex(source.dtype):
            gradient = gates.real(gradient)
        gradient = gates.astype(gradient, source.dtype)
    return gradient


def tracked(node: Node, wrap: type[Tracked]) -> tuple[Any, ...]:
    """What `node` saved for its rules, each value tied to the node it came from, so that rules add to the graph."""
    gate = node.gate
    last = len(gate.wires) - 1

    def tie(source: Node | None, value: Any) -> Any:
        return value if source is None else carrier_of(value, wrap).of(source, value)

    tied: list[Any] = []
    for name, value in zip(gate.reads, node.saved, strict=True):
        if name == "out":
            tied.append(carrier_of(value, wrap).of(node, value))
        elif name.endswith("_shape") and name not in gate.wires:
            tied.append(value)
        elif gate.variadic and name == gate.wires[last]:
            tied.append(tuple(map(tie, node.inputs[last:], value)))
        else:
            tied.append(tie(node.inputs[gate.wires.index(name)], value))
    return tuple(tied)


def _own(gradients: list[Any], seeds: list[Any]) -> list[Any]:
    """Give every leaf an array of its own, which its owner may write into: no view, and nobody else's."""
    taken = {id(seed) for seed in seeds}
    for place, gradient in enumerate(gradients):
        if type(gradient) is np.ndarray:
            if gradient.base is not None or id(gradient) in taken:
                gradients[place] = gradient = gradient.copy()
            taken.add(id(gradient))
    return gradients


def quieted(gate: Any, upstream: Any, gradient: Any) -> Any:
    """`gradient` with zeros where it is infinite or NaN although `upstream` is zero.

    Entries that came out finite are left alone: they are zero already, and stay connected for a next derivative.
    """
    value = untracked(gradient)
    if type(value) is np.float64 and math.isfinite(value):
        return gradient
    wild = (abs(value) < np.inf) == False  # noqa: E712  (NaN is not below infinity either)
    some = namespace((value,)).any(wild)
    if not hasattr(some, "assumed_false") and not libraries.is_lazy(some) and not bool(some):
        return gradient
    arrived = untracked(upstream)
    zero = gate.silent(arrived, value.shape)
    if zero is None:
        zero = namespace((arrived,)).all(arrived == 0)
    return gates.where(wild & zero, 0.0, gradient)


def has_nan(gradient: Any) -> bool:
    """Whether any entry is NaN, in one pass without a temporary array."""
    if type(gradient) is np.float64:
        return bool(gradient != gradient)
    value = untracked(gradient)
    while hasattr(type(value), "carrier") and hasattr(type(value), "inner"):  # of examples, all of them
        value = untracked(value.inner)
    if value is None:
        return False
    if isinstance(value, np.ndarray) and value.ndim:
        if value.dtype.kind == "c":  # whose squares may overflow to inf - inf
            return bool(np.isnan(value).any())
        total = np.vdot(value, value)  # a sum of squares is NaN exactly when an entry is
        return bool(total != total)
    if isinstance(value, np.ndarray | np.generic):
        return bool(value != value)
    if libraries.is_lazy(value):
        return False  # nobody can know yet
    xp = namespace((value,))
    found = xp.any(xp.isnan(value))
    return bool(found.assumed_false() if hasattr(found, "assumed_false") else found)
