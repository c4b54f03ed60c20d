"""`Array`: what functions under a transform receive. It behaves as a NumPy array does, and every operation adds a gate.

An Array is a name for a node. Assignment (``x[i] = v``, ``x += v``) rebinds the name to a new node, so what was
computed before keeps the old value, and a slice is a copy in meaning. Gates live in `gates`; here is only how Python's
operators, NumPy's functions and the array methods reach them.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from gatewise import functions, gates, libraries, ufuncs
from gatewise.backward import plan, sweep
from gatewise.errors import CodeError, DTypeError, ShapeError, TracedValueError, UnsupportedError
from gatewise.functions import values_of
from gatewise.gate import NUMPY_FUNCTIONS
from gatewise.gates.arithmetic import ADD, DIVIDE, FLOOR_DIVIDE, MULTIPLY, POWER, REMAINDER, SUBTRACT
from gatewise.gates.contraction import MATMUL
from gatewise.gates.conversion import INPUT
from gatewise.gates.selection import (
    AND,
    EQUAL,
    GREATER,
    GREATER_EQUAL,
    LESS,
    LESS_EQUAL,
    NOT_EQUAL,
    OR,
    XOR,
)
from gatewise.graph import (
    Leaf,
    Tracked,
    carrier_of,
    dtype_name,
    filled,
    is_complex,
    is_operand,
    namespace,
    operator_method,
    plain,
    surfaced,
    untracked,
)
from gatewise.methods import NOT_HERE, Methods
from gatewise.source import library_caller, outside

#: The versions of the Array API standard that `gatewise` follows as a namespace.
STANDARD_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")


def _shift(operation: Callable[[Any, Any], Any], reflected: bool = False) -> Callable[[Any, Any], Any]:
    """The method of << or >>: integers, so the answer is a constant."""

    def method(self: Array, other: Any) -> Any:
        if not is_operand(other) and not isinstance(other, Tracked):
            return NotImplemented
        x, y = self.value, other.value if isinstance(other, Tracked) else plain(other)
        try:
            return constant(operation(y, x) if reflected else operation(x, y))
        except TypeError as error:
            raise DTypeError(f"<< and >> take integers: {error}") from None

    return method


class Array(Methods):
    """A traced array: value, shape and dtype of a NumPy array, and the node it came from.

    Made by the transforms (``gw.grad`` hands them to your function) and by `variable`. Operators, array methods and
    NumPy functions take it; results are Arrays.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> x = gw.variable([1.0, 2.0, 3.0])
        >>> y = np.sum(np.exp(x)[1:] * 2)
        >>> y.backward()
        >>> x.grad.round(3).tolist()
        [0.0, 14.778, 40.171]
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # equality is element-wise

    # ------------------------------------------------------------------------------------------------ what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(self.value.shape)

    @property
    def dtype(self) -> Any:
        """Kind of its numbers."""
        return self.value.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return int(self.value.ndim)

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(np.prod(self.value.shape))

    @property
    def itemsize(self) -> int:
        """Bytes of one entry."""
        return int(np.dtype(dtype_name(self.dtype)).itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all entries."""
        return self.size * self.itemsize

    @property
    def device(self) -> Any:
        """Where the value lies; "cpu" for NumPy."""
        return getattr(self.value, "device", "cpu")

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """This array, if it lies on `device` already; a circuit stays on one device.

        Raises:
            UnsupportedError: It lies elsewhere.
        """
        if device != self.device or stream is not None:
            raise UnsupportedError(f"a circuit stays on its device, {self.device!r}: move the inputs to {device!r}")
        return self

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        if api_version is not None and api_version not in STANDARD_VERSIONS:
            raise ValueError(
                f"the versions of the Array API standard are {', '.join(STANDARD_VERSIONS)}; got {api_version!r}"
            )
        return sys.modules["gatewise"]

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        if self.node.leaf:
            self._leaving("x.__dlpack__()")
        value: Any = np.asarray(self.value) if isinstance(self.value, np.generic) else self.value
        return value.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> Any:
        value = np.asarray(self.value) if isinstance(self.value, np.generic) else self.value
        return value.__dlpack_device__()

    @property
    def T(self) -> Any:  # noqa: N802  (NumPy's name)
        """Axes reversed."""
        return gates.permute_dims(self)

    @property
    def mT(self) -> Any:  # noqa: N802  (the standard's name)
        """The last two axes exchanged."""
        return gates.swapaxes(self, -1, -2)

    @property
    def real(self) -> Any:
        """Real part."""
        return gates.real(self)

    @property
    def imag(self) -> Any:
        """Imaginary part."""
        return gates.imag(self)

    def __repr__(self) -> str:
        if libraries.is_lazy(self.value):
            return f"Array(<{libraries.described(self.value)}>)"
        value = libraries.to_numpy(self.value) if not hasattr(type(self.value), "carrier") else np.asarray(self.value)
        body = np.array2string(value, separator=", ", prefix="Array(", threshold=50)
        return f"Array({body}, dtype={self.dtype})" if self.dtype != np.float64 else f"Array({body})"

    def __format__(self, spec: str) -> str:
        return format(self.value if self.shape else self.value[()], spec)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d Array: it is a single number")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("a 0-d Array cannot be iterated over: it is a single number")
        return (self[i] for i in range(self.shape[0]))

    # ------------------------------------------------------------------------------------------------- operators

    __add__, __radd__ = operator_method(ADD), operator_method(ADD, reflected=True)
    __sub__, __rsub__ = operator_method(SUBTRACT), operator_method(SUBTRACT, reflected=True)
    __mul__, __rmul__ = operator_method(MULTIPLY), operator_method(MULTIPLY, reflected=True)
    __truediv__, __rtruediv__ = operator_method(DIVIDE), operator_method(DIVIDE, reflected=True)
    __floordiv__, __rfloordiv__ = operator_method(FLOOR_DIVIDE), operator_method(FLOOR_DIVIDE, reflected=True)
    __mod__, __rmod__ = operator_method(REMAINDER), operator_method(REMAINDER, reflected=True)
    __pow__, __rpow__ = operator_method(POWER), operator_method(POWER, reflected=True)
    __matmul__, __rmatmul__ = operator_method(MATMUL), operator_method(MATMUL, reflected=True)
    __and__, __rand__ = operator_method(AND), operator_method(AND, reflected=True)
    __or__, __ror__ = operator_method(OR), operator_method(OR, reflected=True)
    __xor__, __rxor__ = operator_method(XOR), operator_method(XOR, reflected=True)
    __lshift__, __rlshift__ = _shift(operator.lshift), _shift(operator.lshift, reflected=True)
    __rshift__, __rrshift__ = _shift(operator.rshift), _shift(operator.rshift, reflected=True)
    __lt__ = operator_method(LESS)
    __le__ = operator_method(LESS_EQUAL)
    __gt__ = operator_method(GREATER)
    __ge__ = operator_method(GREATER_EQUAL)
    __eq__ = operator_method(EQUAL)
    __ne__ = operator_method(NOT_EQUAL)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __round__(self, digits: int = 0) -> Any:
        scale = 10.0**digits
        return gates.round(self * scale) / scale if digits else gates.round(self)

    def __neg__(self) -> Any:
        return gates.negative(self)

    def __pos__(self) -> Any:
        return gates.positive(self)

    def __abs__(self) -> Any:
        return gates.abs(self)

    def __invert__(self) -> Any:
        return gates.bitwise_invert(self)

    # ---------------------------------------------------------------------------------- assignment: a name rebound

    def _update(self, result: Any, symbol: str) -> Any:
        """What ``x += v`` does: NumPy's rules on shape and dtype, then the name stands for the result."""
        if not hasattr(type(self.value), "__iadd__"):
            return result  # of NumPy scalars and JAX's arrays: Python binds the left-hand name to the result
        if result.shape != self.shape:
            raise ShapeError(
                f"x {symbol} v keeps the shape of x, {self.shape}, but the result has shape {result.shape}; "
                f"write x = x {symbol[:-1]} v"
            )
        if not np.can_cast(dtype_name(result.dtype), dtype_name(self.dtype), casting="same_kind"):
            raise DTypeError(
                f"x {symbol} v keeps the dtype of x, {self.dtype}, and cannot hold {result.dtype}; "
                f"write x = x {symbol[:-1]} v"
            )
        self._rebind(gates.astype(result, self.dtype))
        return self

    def __iadd__(self, other: Any) -> Any:
        return self._update(self + other, "+=")

    def __isub__(self, other: Any) -> Any:
        return self._update(self - other, "-=")

    def __imul__(self, other: Any) -> Any:
        return self._update(self * other, "*=")

    def __itruediv__(self, other: Any) -> Any:
        return self._update(self / other, "/=")

    def __ifloordiv__(self, other: Any) -> Any:
        return self._update(self // other, "//=")

    def __imod__(self, other: Any) -> Any:
        return self._update(self % other, "%=")

    def __ipow__(self, other: Any) -> Any:
        return self._update(self**other, "**=")

    def __imatmul__(self, other: Any) -> Any:
        return self._update(self @ other, "@=")

    def __ilshift__(self, other: Any) -> Any:
        return self._update(self << other, "<<=")

    def __irshift__(self, other: Any) -> Any:
        return self._update(self >> other, ">>=")

    def __iand__(self, other: Any) -> Any:
        return self._update(self & other, "&=")

    def __ior__(self, other: Any) -> Any:
        return self._update(self | other, "|=")

    def __ixor__(self, other: Any) -> Any:
        return self._update(self ^ other, "^=")

    def __contains__(self, entry: Any) -> bool:
        return bool((self == entry).value.any())

    def __getitem__(self, key: Any) -> Any:
        return gates.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._rebind(gates.setitem(self, key, value))

    # ------------------------------------------------------------------------------------------ leaving the circuit

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        if self.node.leaf:
            self._leaving("float(x)")
        return float(self.value)

    def __complex__(self) -> complex:
        if self.node.leaf:
            self._leaving("complex(x)")
        return complex(self.value)

    def __int__(self) -> int:
        if self.node.leaf:
            self._leaving("int(x)")
        return int(self.value)

    def __index__(self) -> int:
        if not hasattr(self.value, "__index__") or np.dtype(dtype_name(self.dtype)).kind not in "iub":
            raise DTypeError(
                f"an index or a length is a whole number, and this traced value is {dtype_name(self.dtype)}: "
                "use int(x.item()) to take the number out on purpose"
            )
        return int(self.value.__index__())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.node.leaf:
            self._leaving("np.asarray(x)")
        return np.array(self.value, dtype=dtype, copy=copy)

    def _leaving(self, how: str) -> NoReturn:
        caller, place = library_caller(sys._getframe(2))
        if caller:
            name = caller.rpartition(".")[2]
            instead = f" gw.{name} does the same and keeps the gradient." if hasattr(gates, name) else ""
            how = f"{caller} makes plain arrays of what it is given.{instead} Its {how}"
        raise TracedValueError(
            f"{how} would take a traced value out of the circuit, and its gradient would be lost silently. "
            f"To keep the gradient, keep the Array (write into gw or np.zeros_like(x) arrays, np.stack for lists, "
            f"gw.full for np.full); to take the number out on purpose, use x.value, x.item() or gw.stop_gradient(x)",
            place,
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        instead = NOT_HERE.get(
            name, "what it has is in docs/functions.md; x.value is the plain value, without gradient"
        )
        raise AttributeError(f"a traced Array has no attribute {name!r}: {instead}")

    def item(self) -> Any:
        """The single entry as a Python number, without gradient, on purpose.

        Raises:
            ShapeError: There is more than one entry.
        """
        if self.size != 1:
            raise ShapeError(f"item() is for arrays with one entry; this one has shape {self.shape}")
        return self.value.item()

    def tolist(self) -> Any:
        """The entries as nested lists of Python numbers, without gradient, on purpose."""
        return self.value.tolist()

    # ------------------------------------------------------------------------------------------------------ gradient

    def backward(self, upstream: Any = None) -> None:
        """Find the gradient of this value with respect to every variable it depends on, and add it to their ``grad``.

        Args:
            upstream: The gradient that arrives at this value, of its shape. May be left out for a single number: 1.

        Raises:
            ShapeError: The value is not a single number and no `upstream` is given, or that has another shape.
            DTypeError: The value depends on no variable, or is an integer.

        Example:
            >>> import gatewise as gw
            >>> x, y, z = gw.variable(-2.0), gw.variable(5.0), gw.variable(-4.0)
            >>> f = (x + y) * z
            >>> f.backward()
            >>> float(x.grad), float(y.grad), float(z.grad)
            (-4.0, -4.0, 3.0)
        """
        if not self.node.leaf:
            raise DTypeError(
                "backward: this value depends on no variable in a differentiable way; make inputs with gw.variable(...)"
            )
        if upstream is None:
            if is_complex(self.dtype):
                raise DTypeError("backward starts from a real number; this value is complex: take .real or abs()")
            if self.shape:
                raise ShapeError(
                    f"backward starts from a single number; this value has shape {self.shape}. Sum it, or give the "
                    f"gradient that arrives at it: y.backward(upstream)"
                )
            upstream = filled(self.value, 1)
        else:
            upstream = seed(upstream, self.value, "the upstream gradient")
        route = plan([self.node])
        gradients = sweep(route, [(self.node, upstream)], route.leaves, type(self))
        for leaf, gradient in zip(route.leaves, gradients, strict=True):
            if gradient is not None:
                leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient

    @property
    def grad(self) -> Any:
        """The gradient found by ``backward()``: an array like this one; None before, or when none arrived.

        Gradients of further ``backward()`` calls are added; set ``x.grad = None`` to start afresh.
        """
        return self._leaf("grad").grad

    @grad.setter
    def grad(self, gradient: Any) -> None:
        self._leaf("grad").grad = gradient

    def _leaf(self, what: str) -> Leaf:
        if isinstance(self.node, Leaf):
            return self.node
        raise UnsupportedError(
            f"x.{what} belongs to variables; this Array was computed (by {self.node.gate.name} at {self.node.where}). "
            f"gw.trace(f) keeps the gradient of every wire"
        )

    # ------------------------------------------------------------------------------------------------ NumPy protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__" and not options:
            function = NUMPY_FUNCTIONS.get(ufunc) or functions.of_numpy(ufunc)
            if function is not None:
                try:
                    return function(*inputs)
                except CodeError as error:
                    raise functions.naming(error, ufunc) from error.__cause__
        return ufuncs.call(ufunc, method, inputs, options)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return functions.of_torch(function, args, kwargs or {})

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return functions.call(function, args, kwargs)


def variable(value: Any, name: str | None = None) -> Array:
    """A leaf that wants a gradient: the start of a circuit built step by step.

    Args:
        value: A number, a nested list or an array; copied. Integers are refused, they carry no gradient.
        name: What pictures and explanations call it.

    Raises:
        DTypeError: The value is not floating or complex, or it is a PyTorch tensor with requires_grad=True.

    Example:
        >>> import gatewise as gw
        >>> x = gw.variable(3.0, name="x")
        >>> (x * x).backward()
        >>> float(x.grad)
        6.0
    """
    if isinstance(value, Tracked):
        value = value.value
    value = plain(value)
    if isinstance(value, np.ndarray | np.generic | float | int | complex):
        array = np.array(value)[()]
    else:
        libraries.refuse_recorded(value, f"variable {name!r}" if name else "a variable")
        array = namespace((value,)).asarray(value, copy=True)
    require_differentiable(array, f"variable {name!r}" if name else "a variable")
    return Array.of(Leaf(INPUT, array, name, place=outside(sys._getframe(1))), array)


def seed(upstream: Any, value: Any, what: str) -> Any:
    """An upstream gradient as the sweep takes it: an array of the shape and dtype of `value`.

    Raises:
        ShapeError: It has another shape.
        DTypeError: It is of another array library.
    """
    array = upstream
    if not hasattr(upstream, "shape"):
        array = np.asarray(plain(upstream))[()]
        if not isinstance(value, np.ndarray | np.generic):
            array = libraries.placed(namespace((value,)), array, value)
    elif not isinstance(upstream, np.ndarray | np.generic | Tracked):
        libraries.refuse_recorded(upstream, what)
    if tuple(array.shape) != tuple(value.shape):
        raise ShapeError(f"{what} has shape {tuple(array.shape)}, the value has shape {tuple(value.shape)}")
    if not isinstance(value, np.ndarray | np.generic):
        libraries.require_alike(what, (untracked(array), value))
    return gates.astype(array, value.dtype)


def constant(value: Any) -> Array:
    """An Array of any library that wants no gradient, but into which traced values can be written."""
    carrier: type[Any] = carrier_of(value, Array)
    array: Array = carrier.of(Leaf(INPUT, value, wanted=False), value)
    return array


def stop_gradient(x: Any) -> Any:
    """The value of `x`, cut off from what it was computed from: no gradient flows back through it.

    Example:
        >>> import gatewise as gw
        >>> float(gw.grad(lambda x: x * gw.stop_gradient(x))(3.0))
        3.0
    """
    if not isinstance(x, Tracked):
        return x
    return x.value.copy() if type(x.value) is np.ndarray else surfaced(x.value)  # yours to write into


_FLOATING = frozenset("fc")


def require_differentiable(value: Any, what: str) -> None:
    """Raise a DTypeError unless `value` has a dtype that carries gradients."""
    dtype = getattr(value, "dtype", None)
    if getattr(dtype, "kind", None) in _FLOATING:
        return
    kind = str(dtype or type(value).__name__).rpartition(".")[2]
    if not kind.startswith(("float", "complex", "bfloat")):
        raise DTypeError(
            f"{what} is {kind}, and only floating and complex numbers carry a gradient: write 3.0 instead of 3, or "
            f"convert with x.astype(float)"
        )


def _like(function: Callable[..., Any]) -> Callable[..., Any]:
    """zeros_like and its kin give Arrays, so that traced values can be written into them."""

    def like(x: Any, *args: Any, **kwargs: Any) -> Any:
        value = x.value if isinstance(x, Tracked) else x
        if isinstance(value, np.ndarray | np.generic):
            return constant(function(value, *values_of(args), **values_of(kwargs)))
        return constant(getattr(namespace((value,)), function.__name__)(value, *args, **kwargs))

    return like


def _full_like(x: Any, fill_value: Any, dtype: Any = None, *args: Any, shape: Any = None, **kwargs: Any) -> Any:
    """np.full_like: a traced value that is filled in keeps its gradient."""
    if not isinstance(fill_value, Tracked) or not fill_value.node.leaf:
        return _like(np.full_like)(x, untracked(fill_value), dtype, *args, shape=shape, **kwargs)
    lengths = np.shape(untracked(x)) if shape is None else shape
    return gates.astype(gates.broadcast_to(fill_value, lengths), untracked(x).dtype if dtype is None else dtype)


def _made_like(function: Callable[..., Any]) -> Callable[..., Any]:
    """np.zeros and its kin with ``like=x`` give Arrays too."""
    return lambda *args, **kwargs: constant(function(*args, **kwargs))


def _full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None) -> Any:
    """np.full with ``like=x``."""
    if not isinstance(fill_value, Tracked):
        return constant(np.full(shape, fill_value, dtype))
    return gates.broadcast_to(fill_value if dtype is None else gates.astype(fill_value, dtype), shape)


def _gathered(entries: Any, dtype: Any = None, *others: Any, **options: Any) -> Any:
    """np.array with ``like=x``: nested lists that hold traced values become an Array."""

    def joined(part: Any) -> Any:
        return gates.stack([joined(one) for one in part]) if isinstance(part, list | tuple) and part else part

    array = joined(entries)
    spare = options.get("ndmin", 0) - len(np.shape(array))
    if spare > 0:
        array = gates.reshape(array, (1,) * spare + np.shape(array))
    if not isinstance(array, Tracked):
        array = constant(np.array(array))
    return array.copy() if dtype is None else gates.astype(array, dtype)


for _function in (np.zeros_like, np.ones_like, np.empty_like):
    NUMPY_FUNCTIONS[_function] = _like(_function)
NUMPY_FUNCTIONS[np.full_like] = _full_like
for _maker in (np.zeros, np.ones, np.empty):
    NUMPY_FUNCTIONS[_maker] = _made_like(_maker)
NUMPY_FUNCTIONS[np.full] = _full
for _gatherer in (np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.require):
    NUMPY_FUNCTIONS[_gatherer] = _gathered
NUMPY_FUNCTIONS[np.astype] = gates.astype
NUMPY_FUNCTIONS[np.copy] = lambda x, **_: x.copy()
