"""The graph: a node per gate that was run, and `apply`, which runs a gate and adds its node.

A node knows its gate, the nodes that feed it and those values that the gate's local gradients will read; it never knows
its users, so a branch that nobody keeps is freed at once. What users hold is a `Tracked`: a value together with the
node it came from. How gradients flow over nodes is told in `backward`; what an array can do, in `array`.
"""

from __future__ import annotations

import operator
import sys
from itertools import count
from types import ModuleType, NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from gatewise import libraries
from gatewise.errors import (
    CodeError,
    DTypeError,
    GatewiseError,
    IndexingError,
    ShapeError,
    TracedValueError,
    UnsupportedError,
)
from gatewise.source import INTERNAL, Where, outside, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType

_next_order = count(1).__next__
_getframe = sys._getframe

#: Constant arrays of up to this many bytes are copied into the circuit, larger ones are referenced.
COPIED_AT_MOST = 1 << 16

PYTHON_NUMBERS = frozenset({bool, int, float, complex})

#: What array libraries raise for operands that do not fit; PyTorch's errors are RuntimeErrors.
FAILURES = (ValueError, TypeError, IndexError, ArithmeticError, RuntimeError)

#: What has said already what went wrong, or has nothing to do with the operands.
PASSED_ON = (GatewiseError, RecursionError)

#: Types that NumPy computes with as they are.
NUMPY_TYPES = PYTHON_NUMBERS | {np.ndarray, *np.sctypeDict.values()}

#: Those of them that have shape and dtype.
ARRAY_TYPES = NUMPY_TYPES - PYTHON_NUMBERS


def dtype_name(dtype: Any) -> str:
    """The name of a dtype of any array library: ``"float64"``."""
    return str(getattr(dtype, "name", None) or dtype).rpartition(".")[2]


def is_complex(dtype: Any) -> bool:
    """Whether a dtype of any array library is complex."""
    return dtype_name(dtype).startswith("complex")


def filled(value: Any, number: int) -> Any:
    """An array like `value`, of its library, shape and dtype, filled with 0 or 1; a scalar where that is a scalar."""
    if isinstance(value, np.ndarray | np.generic):
        return (np.ones if number else np.zeros)(value.shape, value.dtype)[()]
    xp = namespace((value,))
    return xp.ones_like(value) if number else xp.zeros_like(value)


def pointing(like: Any, index: tuple[int, ...]) -> Any:
    """An array like `like`, of its library, shape and dtype, with a 1 at `index` and zeros elsewhere.

    For examples of a map and symbols of a script, NumPy's: it is the same for all, and known.
    """
    if isinstance(like, np.ndarray | np.generic) or hasattr(type(like), "carrier"):
        out = np.zeros(like.shape, dtype_name(like.dtype))
        out[index] = 1
        return out[()]
    return libraries.written(namespace((like,)), filled(like, 0), index, 1)


class Spec:
    """Shape and dtype of an array, without its entries.

    Example:
        >>> Spec((2, 3), np.dtype("float64"))
        float64[2, 3]
    """

    __slots__ = ("dtype", "mask", "shape", "weak")

    def __init__(self, shape: tuple[int, ...], dtype: Any, weak: bool = False, mask: Any = None) -> None:
        self.shape = shape
        self.dtype = dtype
        self.weak = weak  # a Python number: its dtype yields to that of the arrays it meets
        self.mask = mask  # of a constant boolean array the entries, which decide how many a boolean index picks

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

    `inputs` holds the feeding node per input wire, None for a constant, which then stands in `constants`. `order`
    counts nodes as they are made, so it is a topological order. `leaf` is the order of the newest leaf this node's
    value depends on differentiably, 0 for none: it tells in one comparison whether a gradient could ever flow through.
    """

    __slots__ = ("code", "constants", "dtype", "gate", "inputs", "instruction", "leaf", "order", "saved", "shape")

    # No __init__: whoever makes a node sets its ten fields one by one, which takes half the time of a call.
    gate: Any
    inputs: tuple[Node | None, ...]
    constants: tuple[Any, ...] | None
    saved: tuple[Any, ...]
    shape: tuple[int, ...]
    dtype: Any
    order: int
    leaf: int
    code: CodeType | Where | None
    instruction: int

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
        self.gate = gate
        self.inputs = () if source is None else (source,)
        self.constants = None
        self.saved = ()
        self.shape = value.shape
        self.dtype = value.dtype
        self.order = _next_order()
        self.leaf = self.order if wanted else 0
        self.code, self.instruction = place
        self.value = value
        self.name = name
        self.grad: Any = None


class Tracked:
    """A value and the node it came from. `Array` gives it the behaviour of an array."""

    __slots__ = ("node", "value")

    node: Node
    value: Any

    #: How operands are sorted out when one is of this class; None for the usual way.
    _sorting: ClassVar[Any] = None

    @classmethod
    def of(cls, node: Node, value: Any) -> Self:
        """Tie `value` to the node it came from."""
        tracked = cls()
        tracked.node = node
        tracked.value = value
        return tracked


def now() -> int:
    """A point in the order of nodes: what is made later has a larger order."""
    return _next_order()


def carrier_of(value: Any, default: type[Tracked]) -> type[Tracked]:
    """The class of tracked values that carry `value`: libraries may name their own."""
    return default if type(value) in NUMPY_TYPES else getattr(value, "carrier", default)


def surfaced(value: Any) -> Any:
    """`value` as a user may handle it: what only a carrier gives the behaviour of an array is put into one."""
    if type(value) in NUMPY_TYPES or isinstance(value, Tracked) or not hasattr(value, "carrier"):
        return value
    return value.carried()


def namespace(values: Sequence[Any]) -> Any:
    """The Array API namespace of `values`: that of the first array which is not NumPy's, else NumPy.

    Of examples and symbols it is the innermost one's.
    """
    for value in values:
        kind = type(value)
        if kind in NUMPY_TYPES or value is None:
            continue
        if hasattr(kind, "carrier"):
            if len(values) == 1:
                return value.__array_namespace__()
            level = value.level
            for v in values:
                if v is not value and type(v) not in PYTHON_NUMBERS and (type(v) is not kind or v.level != level):
                    break
            else:
                return value.__array_namespace__()  # the usual case
            inner = [v for v in values if hasattr(type(v), "carrier") and not isinstance(v, Tracked)]
            return max(inner, key=operator.attrgetter("level")).__array_namespace__()
        if isinstance(value, Tracked | np.ndarray | np.generic):
            continue
        from array_api_compat import array_namespace

        return array_namespace(value)
    return np


def compute(gate: Any, values: Sequence[Any]) -> Any:
    """The forward of a gate, on whatever library the values are of.

    Raises:
        DTypeError: The values are of libraries that do not compute with each other.
        UnsupportedError: Their library lacks a function that the gate needs.
    """
    xp = namespace(values)
    if xp is np:
        return gate.forward(xp, *values)
    if hasattr(xp, "run"):
        return xp.run(gate, values)
    if gate.wires[-1:] == ("indices",):  # any library's array of integers may be an index
        libraries.require_alike(gate.name, values[: len(gate.wires) - 1])
    else:
        libraries.require_alike(gate.name, values)
    try:
        return gate.forward(xp, *values)
    except AttributeError as error:
        if not isinstance(error.obj, ModuleType):
            raise
        raise UnsupportedError(_missing(gate, xp, error.name)) from None
    except NotImplementedError as error:
        if isinstance(error, GatewiseError):
            raise
        raise UnsupportedError(f"{gate.name}: {_library(xp)} does not do this: {error}") from error


def _library(xp: Any) -> str:
    """The name of a namespace's library for messages."""
    parts = str(xp.__name__).replace("array_api_compat.", "").split(".")
    return libraries.TITLES.get(parts[0], parts[0])


def _missing(gate: Any, xp: Any, function: str | None) -> str:
    return f"{gate.name}: {_library(xp)} has no function {function}, which this gate needs; convert to NumPy for it"


def plain(value: Any) -> Any:
    """Make an operand of `value`: arrays of any library stay, lists become arrays, anything else is refused.

    Raises:
        DTypeError: The value is not numeric, or it is a list that holds traced values.
    """
    if value is None or type(value) in PYTHON_NUMBERS:
        return value
    if isinstance(value, np.ndarray) and type(value) is not np.ndarray:
        if isinstance(value, np.matrix | np.ma.MaskedArray):
            raise DTypeError(
                f"a {type(value).__name__} has its own rules for * and for missing entries: "
                "convert it with np.asarray(x) or x.filled(...) first"
            )
        value = np.asarray(value)
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "__array_namespace__"):
        if getattr(getattr(value, "dtype", None), "kind", "f") not in "biufc":
            raise DTypeError(f"gates compute with numbers; got an array of dtype {value.dtype}")
        return value
    if isinstance(value, list | tuple | range):
        try:
            array = np.asarray(value)
        except TracedValueError:
            raise DTypeError(
                "a list that holds traced values is not an array: write gw.stack([...]) or np.stack([...]) instead"
            ) from None
        if array.dtype.kind in "biufc":
            return array
    if hasattr(value, "__dlpack__") or hasattr(value, "__array__"):
        return value
    raise DTypeError(f"gates compute with numbers and arrays; got {type(value).__name__}: {value!r:.60}")


def is_operand(value: Any) -> bool:
    """Whether an operator can take `value` at all: a number, an array of some library, or a list of numbers."""
    return (
        type(value) in NUMPY_TYPES
        or isinstance(value, list | tuple | range | np.ndarray | np.generic)
        or hasattr(value, "__array_namespace__")
        or hasattr(value, "__array__")
        or hasattr(value, "__dlpack__")
    )


def untracked(value: Any) -> Any:
    """The value behind a tracked one; anything else as it is."""
    return value.value if isinstance(value, Tracked) else value


def captured(value: Any) -> Any:
    """A constant operand as the circuit keeps it: small arrays are copied, so that they may be changed afterwards.

    Larger ones are kept by reference, since a copy would double the memory of a data set that is used once.
    """
    if type(value) is np.ndarray:
        if value.dtype.kind not in "biufc":
            return plain(value)
        return value.copy() if value.nbytes <= COPIED_AT_MOST else value
    if type(value) in NUMPY_TYPES:
        return value
    libraries.refuse_recorded(value, "a constant")
    return plain(value)


def arrayed(value: Any) -> Any:
    """`value` with a shape: lists and numbers become arrays."""
    return value if hasattr(value, "shape") else np.asarray(plain(value))


def apply(gate: Any, *operands: Any) -> Any:
    """Run `gate` on `operands`; the result is tracked when any operand is, and plain otherwise.

    Raises:
        ShapeError, DTypeError, IndexingError: The gate cannot take these operands; names gate, shapes, dtypes and line.
    """
    if len(operands) == 1 and isinstance(operands[0], Tracked):  # the usual case, kept short
        (operand,) = operands
        wrap: type[Tracked] = operand.__class__
        inputs: tuple[Node | None, ...] = (operand.node,)
        values: tuple[Any, ...] = (operand.value,)
        constants = None
        leaf = operand.node.leaf
        plainly = type(operand.value) in NUMPY_TYPES
    else:
        for operand in operands:
            if isinstance(operand, Tracked):
                break
        else:
            return _untracked(gate, operands)
        plainly = False
        wrap, inputs, values, constants, leaf = _sorted_out(operands)
        if wrap is None:
            return compute(gate, values)
    try:
        value = gate.forward(np, *values) if plainly else compute(gate, values)
    except PASSED_ON:
        raise
    except FAILURES as error:
        raise failure(gate, values, error) from error
    node = Node()
    node.gate = gate
    node.inputs = inputs
    node.constants = constants
    save = gate.save
    if save is not None and constants is not None and not gate.variadic:
        save = gate.saver_for(tuple([source is not None for source in inputs]))
    node.saved = () if save is None else save(values, value)
    node.shape = value.shape
    node.dtype = value.dtype
    node.order = _next_order()
    node.leaf = leaf if gate.differentiable else 0
    frame = _getframe(2)
    node.code = code = frame.f_code
    node.instruction = frame.f_lasti
    if INTERNAL[code.co_filename]:
        node.code, node.instruction = outside(frame)
    result = wrap()
    result.node = node
    result.value = value
    return result


def _sorted_by_innermost(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands as the carrier of the innermost of them sorts them out, where maps and scripts are nested."""
    kinds = [value for value in map(untracked, operands) if _sorts(value)]
    innermost: type[Tracked] = max(kinds, key=operator.attrgetter("level")).carrier
    return tuple(innermost._sorting(operands))


def _sorts(value: Any) -> bool:
    """Whether a value of an own library wants its operands sorted out by its own carrier."""
    return getattr(value, "carrier", Tracked)._sorting is not None


def _untracked(gate: Any, operands: tuple[Any, ...]) -> Any:
    """Run a gate on plain operands: most of what a backward sweep does."""
    for operand in operands:
        if type(operand) not in NUMPY_TYPES and not hasattr(type(operand), "carrier"):
            operands = tuple([plain(operand) for operand in operands])
            break
    try:
        return compute(gate, operands)
    except PASSED_ON:
        raise
    except FAILURES as error:
        raise failure(gate, operands, error) from error


def _sorted_out(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of some operands: the class of the tracked ones, feeding nodes, values, constants, and the newest leaf."""
    wrap: Any = None
    leaf = 0
    inputs: list[Node | None] = []
    values: list[Any] = []
    constants: list[Any] = []
    for operand in operands:
        if isinstance(operand, Tracked):
            wrap = operand.__class__
            if wrap._sorting is not None:
                for other in operands:
                    if type(other) is not wrap and type(other) not in PYTHON_NUMBERS:
                        return _sorted_by_innermost(operands)
                return tuple(wrap._sorting(operands))
            node = operand.node
            inputs.append(node)
            values.append(operand.value)
            constants.append(None)
            if node.leaf > leaf:
                leaf = node.leaf
        else:
            value = captured(operand)
            if type(value) not in NUMPY_TYPES and _sorts(value):  # examples outrank what is captured
                return _sorted_by_innermost(operands)
            inputs.append(None)
            values.append(value)
            constants.append(value)
    return wrap, tuple(inputs), tuple(values), tuple(constants) if None in inputs else None, leaf


def operator_method(gate: Any, reflected: bool = False) -> Callable[[Any, Any], Any]:
    """The method that a two-operand operator of a tracked value is; `reflected`, the tracked value stands on the right.

    It does what `apply` does, written out for two operands, because most gates of most circuits are made here. The gate
    says with ``compute`` which of Python's operators it is.
    """
    operation, differentiable = type(gate).compute, gate.differentiable
    save_both = gate.save
    compare = operation in (operator.eq, operator.ne)
    save_one = save_both and gate.saver_for((not reflected, reflected))

    def method(self: Tracked, other: Any) -> Any:
        source = self.node
        leaf = source.leaf
        x = self.value
        node = Node()
        if isinstance(other, Tracked):
            second = other.node
            y = other.value
            node.inputs = (source, second)
            node.constants = None
            save = save_both
            if second.leaf > leaf:
                leaf = second.leaf
        else:
            if not is_operand(other) and (compare or not isinstance(other, str | bytes | NoneType)):
                return NotImplemented  # Python asks the other side; == and != answer by identity
            y = captured(other)
            kind = type(y)
            if kind not in PYTHON_NUMBERS and (kind is not type(x) or kind not in NUMPY_TYPES):
                if _sorts(y):
                    return NotImplemented
                _require_alike(gate, x, y)
            save = save_one
            if reflected:
                x, y = y, x
                node.inputs = (None, source)
                node.constants = (x, None)
            else:
                node.inputs = (source, None)
                node.constants = (None, y)
        try:
            value = operation(x, y)
        except PASSED_ON:
            raise
        except FAILURES as error:
            raise failure(gate, (x, y), error) from error
        if type(value) not in ARRAY_TYPES:
            value = _settled(gate, x, y, value)
        node.gate = gate
        node.saved = () if save is None else save((x, y), value)
        # Sharing the input's tuple saves memory, and shows the sweep at a glance that nothing was broadcast.
        node.shape = source.shape if value.shape == source.shape else value.shape
        node.dtype = value.dtype
        node.order = _next_order()
        node.leaf = leaf if differentiable else 0
        frame = _getframe(1)
        node.code = code = frame.f_code
        node.instruction = frame.f_lasti
        if INTERNAL[code.co_filename]:
            node.code, node.instruction = outside(frame)
        result = self.__class__()
        result.node = node
        result.value = value
        return result

    method.gate, method.reflected = gate, reflected  # type: ignore[attr-defined]
    return method


def _settled(gate: Any, x: Any, y: Any, value: Any) -> Any:
    """The result of an operator that is no array of NumPy's, after a look at what it was made of."""
    if type(value) is complex:  # what Python makes of 1j * np.float64(2)
        return np.complex128(value)
    libraries.require_alike(gate.name, (x, y))
    return value


def _require_alike(gate: Any, x: Any, y: Any) -> None:
    """Refuse a traced value x and a constant y of libraries that do not compute with each other."""
    if type(y) in NUMPY_TYPES and type(x) in NUMPY_TYPES:
        return
    if isinstance(x, np.ndarray | np.generic) and not hasattr(type(y), "carrier"):
        raise DTypeError(
            f"{gate.name}: the traced value is {libraries.described(x)}, so its gradient would be NumPy's too, and it "
            f"meets a constant that is {libraries.described(y)}: convert one of them first"
        )
    libraries.require_alike(gate.name, (x, y))


def failure(gate: Any, values: Sequence[Any], error: Exception) -> GatewiseError:
    """The error to raise when `gate` could not compute `values`: what, with which shapes, where, and why."""
    kinds: dict[type[Exception], type[CodeError]] = {
        IndexError: IndexingError,
        TypeError: DTypeError,
        RuntimeError: UnsupportedError,
    }
    kind = next((ours for theirs, ours in kinds.items() if isinstance(error, theirs)), ShapeError)
    reason = str(error)
    try:
        specs = [_foretold(value) for value in values if value is not None]
        foreign = any(type(value) not in NUMPY_TYPES for value in values)
        operands = " and ".join(
            libraries.described(value) if foreign and hasattr(value, "shape") else repr(spec)
            for value, spec in zip([value for value in values if value is not None], specs, strict=True)
        )
        gate.infer(*specs)
    except CodeError as taught:
        kind, reason = type(taught), taught.reason
    except (ValueError, TypeError, IndexError, AttributeError):
        operands = " and ".join(type(value).__name__ for value in values)
    return kind(f"{gate.name} cannot take {operands}: {reason}")


def _foretold(value: Any) -> Spec:
    """The spec of a value of any library, with NumPy's dtype, as the rules about shapes read it."""
    spec = Spec.of(value)
    return spec if isinstance(spec.dtype, np.dtype) else Spec(spec.shape, np.dtype(dtype_name(spec.dtype)))
