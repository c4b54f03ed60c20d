"""The graph: a node per gate that was run, and `apply`, which runs a gate and adds its node.

A node knows its gate, the nodes that feed it and those values that the gate's local gradients will read; it never knows
its users, so a branch that nobody keeps is freed at once. What users hold is a `Tracked`: a value together with the
node it came from. How gradients flow over nodes is told in `backward`; what an array can do, in `array`.
"""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewise.errors import DTypeError, GatewiseError, IndexingError, ShapeError, TracedValueError
from gatewise.source import INTERNAL, Where, here, outside, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType

_next_order = count(1).__next__
_getframe = sys._getframe

PYTHON_NUMBERS = frozenset({bool, int, float, complex})

#: Types that NumPy computes with as they are.
NUMPY_TYPES = PYTHON_NUMBERS | {np.ndarray, *np.sctypeDict.values()}


class Spec:
    """Shape and dtype of an array, without its entries.

    Example:
        >>> Spec((2, 3), np.dtype("float64"))
        float64[2, 3]
    """

    __slots__ = ("dtype", "shape", "weak")

    def __init__(self, shape: tuple[int, ...], dtype: Any, weak: bool = False) -> None:
        self.shape = shape
        self.dtype = dtype
        self.weak = weak  # a Python number: its dtype yields to that of the arrays it meets

    @classmethod
    def of(cls, value: Any) -> Spec:
        """The spec of an array, a NumPy scalar or a Python number."""
        if type(value) in (bool, int, float, complex):
            return cls((), np.dtype(type(value)), weak=True)
        return cls(tuple(value.shape), value.dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


class Node:
    """One gate that was run: the gate, what fed it, what its local gradients will read, and where it happened.

    `inputs` holds the feeding node per input wire, None for a constant, which then stands in `constants`. `order` counts
    nodes as they are made, so it is a topological order. `leaf` is the order of the newest leaf this node's value
    depends on differentiably, 0 for none: it tells in one comparison whether a gradient could ever flow through.
    """

    __slots__ = ("code", "constants", "dtype", "gate", "inputs", "instruction", "leaf", "order", "saved", "shape")

    def __init__(
        self,
        gate: Any,
        inputs: tuple[Node | None, ...],
        constants: tuple[Any, ...] | None,
        saved: tuple[Any, ...],
        shape: tuple[int, ...],
        dtype: Any,
        order: int,
        leaf: int,
        code: CodeType | Where | None,
        instruction: int,
    ) -> None:
        self.gate = gate
        self.inputs = inputs
        self.constants = constants
        self.saved = saved
        self.shape = shape
        self.dtype = dtype
        self.order = order
        self.leaf = leaf
        self.code = code
        self.instruction = instruction

    @property
    def where(self) -> Where | None:
        """The user's line that made this node."""
        return resolve(self.code, self.instruction)

    def __repr__(self) -> str:
        return f"<{self.gate.name} #{self.order} {self.dtype}{list(self.shape)}>"


class Leaf(Node):
    """Where a circuit begins: a value that came from outside, with a name and, after ``backward()``, its gradient.

    A leaf may stand for a value of an enclosing transform (its one input); then it lets gradients through to it.
    """

    __slots__ = ("grad", "name", "value")

    def __init__(
        self,
        gate: Any,
        value: Any,
        name: str | None = None,
        source: Node | None = None,
        wanted: bool = True,
        place: tuple[CodeType | Where | None, int] = (None, 0),
    ) -> None:
        order = _next_order()
        super().__init__(
            gate,
            () if source is None else (source,),
            None,
            (),
            value.shape,
            value.dtype,
            order,
            order if wanted else 0,
            *place,
        )
        self.value = value
        self.name = name
        self.grad: Any = None


class Tracked:
    """A value and the node it came from. `Array` gives it the behaviour of an array."""

    __slots__ = ("node", "value")

    def __init__(self, node: Node, value: Any) -> None:
        self.node = node
        self.value = value


def namespace(values: Sequence[Any]) -> Any:
    """The Array API namespace of the first array among `values`; NumPy when there are only Python numbers."""
    for value in values:
        if type(value) in PYTHON_NUMBERS or value is None:
            continue
        if type(value) in NUMPY_TYPES or isinstance(value, np.ndarray | np.generic):
            return np
        from array_api_compat import array_namespace

        return array_namespace(value)
    return np


def plain(value: Any) -> Any:
    """Make an operand of `value`: arrays of any library stay, lists become arrays, anything else is refused.

    Raises:
        DTypeError: The value is not numeric, or it is a list that holds traced values.
    """
    if value is None or type(value) in PYTHON_NUMBERS:
        return value
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "__array_namespace__"):
        if getattr(getattr(value, "dtype", None), "kind", "f") not in "biufc":
            raise DTypeError(f"gates compute with numbers; got an array of dtype {value.dtype}{here()}")
        return value
    if isinstance(value, list | tuple | range):
        try:
            array = np.asarray(value)
        except TracedValueError:
            raise DTypeError(
                "a list that holds traced values is not an array: write gw.stack([...]) or np.stack([...]) instead"
                + here()
            ) from None
        if array.dtype.kind in "biufc":
            return array
    if hasattr(value, "__dlpack__") or hasattr(value, "__array__"):
        return value
    raise DTypeError(f"gates compute with numbers and arrays; got {type(value).__name__}: {value!r:.60}{here()}")


def apply(gate: Any, *operands: Any) -> Any:
    """Run `gate` on `operands`; the result is tracked when any operand is, and plain otherwise.

    Raises:
        ShapeError, DTypeError, IndexingError: The gate cannot take these operands; names gate, shapes, dtypes and line.
    """
    inputs: list[Node | None] = []
    values: list[Any] = []
    leaf = 0
    wrap = None
    constant = False
    for operand in operands:
        if isinstance(operand, Tracked):
            node, wrap = operand.node, operand.__class__
            inputs.append(node)
            values.append(operand.value)
            if node.leaf > leaf:
                leaf = node.leaf
        else:
            inputs.append(None)
            values.append(operand if type(operand) in NUMPY_TYPES else plain(operand))
            constant = True
    try:
        value = gate.forward(namespace(values), *values)
    except (ValueError, TypeError, IndexError) as error:
        raise failure(gate, values, error) from error
    if wrap is None:
        return value
    frame = _getframe(2)
    code: Any = frame.f_code
    if INTERNAL[code.co_filename]:
        code, instruction = outside(frame)
    else:
        instruction = frame.f_lasti
    shape = value.shape
    first = inputs[0]
    if first is not None and shape == first.shape:
        shape = first.shape
    save = gate.save
    return wrap(
        Node(
            gate,
            tuple(inputs),
            tuple([v if n is None else None for n, v in zip(inputs, values, strict=True)]) if constant else None,
            () if save is None else save(tuple(values), value),
            shape,
            value.dtype,
            _next_order(),
            leaf if gate.differentiable else 0,
            code,
            instruction,
        ),
        value,
    )


def operator_method(gate: Any) -> Callable[[Any, Any], Any]:
    """The method that a two-operand operator of a tracked value is.

    It does what `apply` does, written out for two operands, because most gates of most circuits are made here. The gate
    says with ``compute`` which of Python's operators it is.
    """
    compute, save, differentiable = type(gate).compute, gate.save, gate.differentiable

    def method(self: Tracked, other: Any) -> Any:
        node = self.node
        leaf = node.leaf
        x = self.value
        if isinstance(other, Tracked):
            other_node = other.node
            y = other.value
            constants = None
            if other_node.leaf > leaf:
                leaf = other_node.leaf
        else:
            other_node = None
            y = other if type(other) in NUMPY_TYPES else plain(other)
            constants = (None, y)
        try:
            value = compute(x, y)
        except (ValueError, TypeError, IndexError) as error:
            raise failure(gate, (x, y), error) from error
        frame = _getframe(1)
        code: Any = frame.f_code
        if INTERNAL[code.co_filename]:
            code, instruction = outside(frame)
        else:
            instruction = frame.f_lasti
        shape = value.shape
        if shape == node.shape:
            shape = node.shape  # sharing the tuple saves memory, and shows the sweep that nothing was broadcast
        return self.__class__(
            Node(
                gate,
                (node, other_node),
                constants,
                () if save is None else save((x, y), value),
                shape,
                value.dtype,
                _next_order(),
                leaf if differentiable else 0,
                code,
                instruction,
            ),
            value,
        )

    return method


def failure(gate: Any, values: Sequence[Any], error: Exception) -> GatewiseError:
    """The error to raise when `gate` could not compute `values`: what, with which shapes, where, and why."""
    if isinstance(error, GatewiseError):
        return error
    kinds = {IndexError: IndexingError, TypeError: DTypeError}
    kind = next((ours for theirs, ours in kinds.items() if isinstance(error, theirs)), ShapeError)
    reason = str(error)
    try:
        specs = [Spec.of(value) for value in values if value is not None]
        operands = " and ".join(map(repr, specs))
        gate.infer(*specs)
    except GatewiseError as taught:
        kind, reason = type(taught), str(taught)
    except (ValueError, TypeError, IndexError, AttributeError):
        operands = " and ".join(type(value).__name__ for value in values)
    return kind(f"{gate.name} cannot take {operands}: {reason}{here()}")
