"""The forward sweep: tangents of an output, pushed from leaves to outputs, derived from the same local gradients.

There is no second table of rules. An element-wise gate's local gradient is a factor, so the rule itself scales a
tangent; a linear gate pushes a tangent as it pushes a value, and so does one that is linear in each of its inputs, with
the others held; for every other gate the rule, which is linear in the upstream gradient, is transposed by a backward
sweep over it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise.backward import Plan, fit, has_nan, plan, quieted, sweep, tracked
from gatewise.gate import Contraction
from gatewise.gates.conversion import INPUT
from gatewise.graph import Leaf, Node, Tracked, apply, dtype_name, is_complex, namespace, untracked


def push(route: Plan, tangents: Mapping[Node, Any], outputs: Sequence[Node], wrap: type[Tracked]) -> dict[Node, Any]:
    """Tangents of `outputs`, given those of the leaves of `route`. Outputs that no tangent reaches are left out.

    As in the backward sweep, zeros are kept zero with care only after a NaN arrived at one of them.
    """
    with np.errstate(all="ignore"):
        if not any(libraries.is_lazy(untracked(tangent)) for tangent in tangents.values()):
            known = _push(route, tangents, outputs, wrap, strong=False)
            if not any(map(has_nan, known.values())):
                return known
        return _push(route, tangents, outputs, wrap, strong=True)


def _push(
    route: Plan, tangents: Mapping[Node, Any], outputs: Sequence[Node], wrap: type[Tracked], strong: bool
) -> dict[Node, Any]:
    known = dict(tangents)
    kept = set(outputs)
    last_use = {source: node for node in route.nodes for source in node.inputs}
    for node in route.nodes:
        total = None
        if node.gate.jointly_linear:
            total = _push_together(node, known)
        else:
            for wire, (source, rule) in enumerate(zip(node.inputs, node.gate.rules)):  # noqa: B905
                tangent = None if source is None or rule is None else known.get(source)
                if tangent is not None:
                    part = _push_through(node, wire, rule, tangent, wrap, route.nested, strong)
                    total = part if total is None else total + part
        if total is not None:
            known[node] = total
        for source in node.inputs:
            if source is not None and last_use[source] is node and source not in kept:
                known.pop(source, None)  # frees memory that the next tangents find warm
    return {node: known[node] for node in outputs if node in known}


def _push_together(node: Node, known: Mapping[Node, Any]) -> Any:
    """The tangent on the output of a gate that is linear in all its inputs together; None if none arrives there."""
    arrived = [None if source is None else known.get(source) for source in node.inputs]
    some = next((tangent for tangent in arrived if tangent is not None), None)
    if some is None:
        return None
    shapes = [
        np.shape(node.constants[wire]) if source is None and node.constants is not None else source.shape  # type: ignore[union-attr]
        for wire, source in enumerate(node.inputs)
    ]
    tangents = [
        _zeros(shape, node.dtype, some) if tangent is None else tangent
        for shape, tangent in zip(shapes, arrived, strict=True)
    ]
    return apply(node.gate, *tangents)


def _push_through(
    node: Node, wire: int, rule: Any, tangent: Any, wrap: type[Tracked], nested: bool, strong: bool
) -> Any:
    """The tangent on `node`'s output caused by the tangent on one input wire."""
    gate = node.gate
    if gate.elementwise and (gate.holomorphic or not is_complex(node.dtype)):
        source = node.inputs[wire]
        if gate.holomorphic or (source is not None and not is_complex(source.dtype)):
            stretched = gates.broadcast_to(tangent, node.shape) if tangent.shape != node.shape else tangent
            pushed = rule(gate, stretched, *(tracked(node, wrap) if nested else node.saved))
            if strong:
                pushed = quieted(gate, stretched, pushed)
            return pushed if pushed.dtype == node.dtype else gates.astype(pushed, node.dtype)
    if gate.linear:  # linear in its first input; the others, if any, are constants
        return apply(gate, tangent, *(node.constants or ())[1:])
    if isinstance(gate, Contraction) and not strong:
        operands = _operands(node, wrap, nested)
        operands[wire] = tangent
        if not any(operand is None for operand in operands):
            return apply(gate, *operands)
    return _transpose(node, wire, rule, tangent, wrap, nested)


def _operands(node: Node, wrap: type[Tracked], nested: bool) -> list[Any]:
    """What fed `node`, as far as its rules read it; None for what they do not."""
    saved = dict(zip(node.gate.reads, tracked(node, wrap) if nested else node.saved, strict=True))
    if node.gate.variadic:
        return list(saved[node.gate.wires[-1]])
    return [saved.get(name) for name in node.gate.wires]


def _transpose(node: Node, wire: int, rule: Any, tangent: Any, wrap: type[Tracked], nested: bool) -> Any:
    """Push through any gate: the rule maps an upstream gradient to the input; its transpose maps tangents back."""
    source = node.inputs[wire]
    assert source is not None
    probe = _zeros(node.shape, node.dtype, tangent)
    leaf = Leaf(INPUT, probe)
    upstream = wrap.of(leaf, probe)
    mirrored = is_complex(node.dtype) and node.gate.holomorphic
    saved = tracked(node, wrap) if nested else node.saved
    gradient = rule(node.gate, gates.conj(upstream) if mirrored else upstream, *saved)
    gradient = fit(gates.conj(gradient) if mirrored else gradient, source)
    if not isinstance(gradient, Tracked):
        return probe
    route = plan([gradient.node], [leaf])
    (pushed,) = sweep(route, [(gradient.node, tangent)], [leaf], wrap)
    return probe if pushed is None else pushed


def _zeros(shape: tuple[int, ...], dtype: Any, tangent: Any) -> Any:
    """Zeros where a tangent lies."""
    value = untracked(tangent)
    if isinstance(value, np.ndarray | np.generic) or hasattr(type(value), "carrier"):
        return np.zeros(shape, dtype_name(dtype))[()]
    return libraries.zeros(namespace((value,)), shape, value, dtype)
