"""The forward sweep: tangents of an output, pushed from leaves to outputs, derived from the same local gradients.

There is no second table of rules. An element-wise gate's local gradient is a factor, so the rule itself scales a
tangent; a linear gate pushes a tangent as it pushes a value; for every other gate the rule, which is linear in the
upstream gradient, is transposed by a backward sweep over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise.backward import Plan, fit, plan, quieted, sweep, tracked
from gatewise.gates.conversion import INPUT
from gatewise.graph import Leaf, Node, Tracked, apply, dtype_name, is_complex, namespace, untracked


def push(route: Plan, tangents: Mapping[Node, Any], wrap: type[Tracked]) -> dict[Node, Any]:
    """Tangents of all nodes on `route`, given those of the leaves. Nodes that no tangent reaches are left out."""
    known = dict(tangents)
    with np.errstate(all="ignore"):
        for node in route.nodes:
            total = None
            for wire, (source, rule) in enumerate(zip(node.inputs, node.gate.rules)):  # noqa: B905
                tangent = None if source is None or rule is None else known.get(source)
                if tangent is None:
                    continue
                part = _push_through(node, wire, rule, tangent, wrap, route.nested)
                total = part if total is None else total + part
            if total is not None:
                known[node] = total
    return known


def _push_through(node: Node, wire: int, rule: Any, tangent: Any, wrap: type[Tracked], nested: bool) -> Any:
    """The tangent on `node`'s output caused by the tangent on one input wire."""
    gate = node.gate
    if gate.elementwise and (gate.holomorphic or not is_complex(node.dtype)):
        source = node.inputs[wire]
        if gate.holomorphic or (source is not None and not is_complex(source.dtype)):
            stretched = gates.broadcast_to(tangent, node.shape) if tangent.shape != node.shape else tangent
            pushed = rule(gate, stretched, *(tracked(node, wrap) if nested else node.saved))
            pushed = quieted(gate, stretched, pushed)
            return pushed if pushed.dtype == node.dtype else gates.astype(pushed, node.dtype)
    if gate.linear:  # linear in its first input; the others, if any, are constants
        return apply(gate, tangent, *(node.constants or ())[1:])
    return _transpose(node, wire, rule, tangent, wrap, nested)


def _transpose(node: Node, wire: int, rule: Any, tangent: Any, wrap: type[Tracked], nested: bool) -> Any:
    """Push through any gate: the rule maps an upstream gradient to the input; its transpose maps tangents back."""
    source = node.inputs[wire]
    assert source is not None
    probe = _zeros(node, tangent)
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


def _zeros(node: Node, tangent: Any) -> Any:
    """Zeros of a node's shape and dtype, where its tangent lies."""
    value = untracked(tangent)
    if isinstance(value, np.ndarray | np.generic) or hasattr(type(value), "carrier"):
        return np.zeros(node.shape, dtype_name(node.dtype))[()]
    return libraries.zeros(namespace((value,)), node.shape, value, node.dtype)
