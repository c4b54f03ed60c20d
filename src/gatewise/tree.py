"""Nested arguments and results: dicts, lists, tuples, dataclasses as flat lists of arrays and back again.

The walking itself is optree's; it is imported only when something nested comes along, so that plain arrays stay fast.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise.graph import NUMPY_TYPES, Tracked

NAMESPACE = "gatewise"

#: Containers whose parts are told apart by an index in brackets.
INDEXED = frozenset({list, tuple, dict})


def is_leaf(value: Any) -> bool:
    """Whether `value` is an array or a number rather than a container of them."""
    return type(value) in NUMPY_TYPES or isinstance(value, Tracked | np.ndarray | np.generic)


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Leaves of `tree` in order, and the function that builds the same structure from new leaves.

    Example:
        >>> leaves, rebuild = flatten({"b": 1.0, "W": [2.0, 3.0]})
        >>> leaves
        [2.0, 3.0, 1.0]
        >>> rebuild([20.0, 30.0, 10.0])
        {'b': 10.0, 'W': [20.0, 30.0]}
    """
    if is_leaf(tree):
        return [tree], _only
    optree = _optree(tree)
    leaves, structure = optree.tree_flatten(tree, is_leaf=is_leaf, namespace=NAMESPACE)
    return leaves, lambda new: optree.tree_unflatten(structure, new)


def same_structure(one: Any, other: Any) -> bool:
    """Whether two trees are nested alike; their leaves may differ.

    Example:
        >>> same_structure({"a": 1.0}, {"a": [2.0]}), same_structure((1.0, 2.0), (3.0, 4.0))
        (False, True)
    """
    if is_leaf(one) and is_leaf(other):
        return True
    optree = _optree((one, other))
    first, second = (optree.tree_structure(t, is_leaf=is_leaf, namespace=NAMESPACE) for t in (one, other))
    return bool(first == second)


def copied(tree: Any) -> Any:
    """The same tree with its NumPy arrays copied, so that nobody writes into them."""
    leaves, rebuild = flatten(tree)
    return rebuild([leaf.copy() if type(leaf) is np.ndarray else leaf for leaf in leaves])


def names(tree: Any, root: str) -> list[str]:
    """A name for each leaf of `tree`, as Python would spell it.

    Example:
        >>> names({"W": [1.0, 2.0]}, "params")
        ["params['W'][0]", "params['W'][1]"]
    """
    if is_leaf(tree):
        return [root]
    optree = _optree(tree)
    _, structure = optree.tree_flatten(tree, is_leaf=is_leaf, namespace=NAMESPACE)
    known: dict[Any, tuple[Any, str]] = {(): (tree, root)}
    found = []
    for path in structure.paths():
        spelled = _spelled(path[:-1], known)
        if spelled is None:  # a container that says itself how it is spelled
            return [accessor.codify(root) for accessor in structure.accessors()]
        found.append(f"{spelled}[{path[-1]!r}]")
    return found


def _spelled(path: Any, known: dict[Any, tuple[Any, str]]) -> str | None:
    """How the container at `path` is spelled where it and all around it are Python's own; None for others.

    `known` holds containers and their spelling by path, the outermost at first.
    """
    start = len(path)
    while path[:start] not in known:
        start -= 1
    inner, text = known[path[:start]]
    for depth in range(start, len(path)):
        if type(inner) not in INDEXED:
            return None
        inner, text = inner[path[depth]], f"{text}[{path[depth]!r}]"
        known[path[: depth + 1]] = inner, text
    return text if type(inner) in INDEXED else None


def _only(leaves: list[Any]) -> Any:
    return leaves[0]


def _optree(tree: Any) -> Any:
    """The optree module, taught the dataclasses that `tree` holds."""
    import optree

    pending = [tree]
    while pending:
        leaves = optree.tree_leaves(pending.pop(), is_leaf=is_leaf, namespace=NAMESPACE)
        for leaf in leaves:
            if dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
                _register(optree, type(leaf))
                pending.append(leaf)
    return optree


def _register(optree: Any, kind: type[Any]) -> None:
    """Teach optree to walk a dataclass, field by field. Twice is harmless: another thread may have been faster."""
    fields = tuple(field.name for field in dataclasses.fields(kind))

    def take_apart(instance: Any) -> tuple[tuple[Any, ...], None, tuple[str, ...]]:
        return tuple(getattr(instance, name) for name in fields), None, fields

    def put_together(_: None, values: Any) -> Any:
        instance = object.__new__(kind)
        for name, value in zip(fields, values, strict=True):
            object.__setattr__(instance, name, value)
        return instance

    with contextlib.suppress(ValueError):
        optree.register_pytree_node(
            kind, take_apart, put_together, path_entry_type=optree.DataclassEntry, namespace=NAMESPACE
        )


def structure(tree: Any) -> Any:
    """How `tree` is nested, as a hashable object: equal for trees that are nested alike.

    Example:
        >>> structure({"a": 1.0}) == structure({"a": 2.0}), structure([1.0]) == structure((1.0,))
        (True, False)
    """
    return _optree(tree).tree_structure(tree, is_leaf=is_leaf, namespace=NAMESPACE)


def sorted_keys(mapping: dict[Any, Any]) -> list[Any]:
    """A dict's keys in the order in which its leaves are flattened: sorted where they can be, else as inserted.

    Example:
        >>> sorted_keys({"b": 1.0, "W": 2.0})
        ['W', 'b']
    """
    try:
        return sorted(mapping)
    except TypeError:
        return list(mapping)
