"""`Array`: what functions under a transform receive. It behaves as a NumPy array does, and every operation adds a gate.

An Array is a name for a node. Assignment (``x[i] = v``, ``x += v``) rebinds the name to a new node, so what was
computed before keeps the old value, and a slice is a copy in meaning. Gates live in `gates`; here is only how Python's
operators, NumPy's functions and the array methods reach them.
"""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from gatewise import gates
from gatewise.backward import plan, sweep
from gatewise.errors import CodeError, DTypeError, ShapeError, TracedValueError, UnsupportedError
from gatewise.gate import NUMPY_FUNCTIONS, refuse
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
from gatewise.gates.special import of_scipy
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
from gatewise.source import outside

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


class Array(Tracked):
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
        body = np.array2string(np.asarray(self.value), separator=", ", prefix="Array(", threshold=50)
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
        return self

    def __abs__(self) -> Any:
        return gates.abs(self)

    def __invert__(self) -> Any:
        return gates.bitwise_invert(self)

    # ---------------------------------------------------------------------------------- assignment: a name rebound

    def _update(self, result: Any, symbol: str) -> Any:
        """What ``x += v`` does: NumPy's rules on shape and dtype, then the name stands for the result."""
        if not isinstance(self.value, np.ndarray):
            return result  # a NumPy scalar is immutable: Python binds the left-hand name to the result
        if result.shape != self.shape:
            raise ShapeError(
                f"x {symbol} v keeps the shape of x, {self.shape}, but the result has shape {result.shape}; "
                f"write x = x {symbol[:-1]} v"
            )
        if not np.can_cast(result.dtype, self.dtype, casting="same_kind"):
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
        raise TracedValueError(
            f"{how} would take a traced value out of the circuit, and its gradient would be lost silently. "
            f"To keep the gradient, keep the Array (write into gw or np.zeros_like(x) arrays, use np.stack for lists); "
            f"to take the number out on purpose, use x.value, x.item() or gw.stop_gradient(x)"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"a traced Array has no attribute {name!r}; what it has is in docs/gates.md. To work on the plain value, "
            f"without gradient, use x.value"
        )

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
        function = (NUMPY_FUNCTIONS.get(ufunc) or of_scipy(ufunc)) if method == "__call__" else None
        if function is not None and not options:
            return function(*inputs)
        if function is not None:
            if any(place is not None for place in options.get("out", ())):
                raise UnsupportedError(
                    f"np.{ufunc.__name__} with out=, or an operator like a += x on a plain array, would write a traced "
                    f"value into memory that has no gradient: write a = a + x, or start from gw-made arrays such as "
                    f"np.zeros_like(x)"
                )
            refuse(f"np.{ufunc.__name__}", {k: v for k, v in options.items() if k != "out"})
            return function(*inputs)
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        if name in _VALUES_ONLY and not options:
            return surfaced(on_values(name, *inputs))
        family = "np." if hasattr(np, ufunc.__name__) else "the ufunc "
        raise UnsupportedError(f"{family}{name} has no gradient rule here{_nearest(name)}")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        ours = NUMPY_FUNCTIONS.get(function)
        if ours is not None:
            try:
                return ours(*args, **kwargs)
            except TypeError as error:
                if isinstance(error, CodeError) or _takes(ours, args, kwargs):
                    raise
                raise UnsupportedError(f"np.{function.__name__}: {error}") from None
        if function.__name__ in _VALUES_ONLY:
            return function(*_values(args), **_values(kwargs))
        name = f"{function.__module__}.{function.__name__}".replace("numpy.", "np.", 1)
        raise UnsupportedError(f"{name} has no gradient rule here{_nearest(function.__name__)}")

    # ------------------------------------------------------------------------------------------------- array methods

    def sum(self, axis: Any = None, **options: Any) -> Any:
        """Sum over `axis`."""
        return gates.sum(self, axis, **options)

    def mean(self, axis: Any = None, **options: Any) -> Any:
        """Mean over `axis`."""
        return gates.mean(self, axis, **options)

    def prod(self, axis: Any = None, **options: Any) -> Any:
        """Product over `axis`."""
        return gates.prod(self, axis, **options)

    def max(self, axis: Any = None, **options: Any) -> Any:
        """Largest entry over `axis`."""
        return gates.max(self, axis, **options)

    def min(self, axis: Any = None, **options: Any) -> Any:
        """Smallest entry over `axis`."""
        return gates.min(self, axis, **options)

    def reshape(self, *shape: Any) -> Any:
        """The same entries in another shape."""
        return gates.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order; none given: reversed."""
        return gates.permute_dims(self, (axes[0] if len(axes) == 1 else axes) if axes else None)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two axes exchanged."""
        return gates.swapaxes(self, axis1, axis2)

    def ravel(self) -> Any:
        """All entries in a row."""
        return gates.ravel(self)

    flatten = ravel

    def squeeze(self, axis: Any = None) -> Any:
        """Axes of length 1 removed."""
        return gates.squeeze(self, axis)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """At least `min`, at most `max`."""
        return gates.clip(self, min, max)

    def dot(self, other: Any) -> Any:
        """NumPy's dot product."""
        return gates.dot(self, other)

    def take(self, indices: Any, axis: int | None = None) -> Any:
        """Entries at integer indices along an axis."""
        return gates.take(self, indices, axis=axis)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """In another dtype."""
        return gates.astype(self, dtype)

    def conj(self) -> Any:
        """Complex conjugate."""
        return gates.conj(self)

    def copy(self) -> Any:
        """Another name for the same node: writing into one does not show in the other."""
        return type(self).of(self.node, self.value)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def all(self, axis: Any = None, **options: Any) -> Any:
        """Whether all entries along `axis` are true; a boolean, so it carries no gradient."""
        return self.value.all(axis, **options)

    def any(self, axis: Any = None, **options: Any) -> Any:
        """Whether an entry along `axis` is true; a boolean, so it carries no gradient."""
        return self.value.any(axis, **options)

    def argmax(self, axis: Any = None) -> Any:
        """Index of the largest entry; an integer, so it carries no gradient."""
        return self.value.argmax(axis)

    def argmin(self, axis: Any = None) -> Any:
        """Index of the smallest entry; an integer, so it carries no gradient."""
        return self.value.argmin(axis)

    def argsort(self, axis: Any = -1, **options: Any) -> Any:
        """Indices that would sort; integers, so they carry no gradient."""
        return gates.argsort(self, axis, **options)

    def argpartition(self, kth: Any, axis: Any = -1, **options: Any) -> Any:
        """Indices that would partition; integers, so they carry no gradient."""
        return gates.argpartition(self, kth, axis, **options)

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Any:
        """Where `v` would go in this sorted array; integers, so they carry no gradient."""
        return gates.searchsorted(self, v, side, sorter)

    def nonzero(self) -> Any:
        """Indices of the entries that are not zero, per axis."""
        return self.value.nonzero()

    def var(self, axis: Any = None, *others: Any, **options: Any) -> Any:
        """Mean squared distance from the mean over `axis`."""
        return gates.var(self, axis, *others, **options)

    def std(self, axis: Any = None, *others: Any, **options: Any) -> Any:
        """Root of the mean squared distance from the mean over `axis`."""
        return gates.std(self, axis, *others, **options)

    def cumsum(self, axis: Any = None, *others: Any, **options: Any) -> Any:
        """Running sum along `axis`."""
        return gates.cumsum(self, axis, *others, **options)

    def cumprod(self, axis: Any = None, *others: Any, **options: Any) -> Any:
        """Running product along `axis`."""
        return gates.cumprod(self, axis, *others, **options)

    def compress(self, condition: Any, axis: Any = None) -> Any:
        """The slices along `axis` for which `condition` holds."""
        return gates.compress(condition, self, axis)

    def choose(self, choices: Any, *others: Any, **options: Any) -> Any:
        """For each of these integers the entry of the choice of that number."""
        return gates.choose(self, choices, *others, **options)

    def sort(self, axis: int = -1, **options: Any) -> None:
        """Sort along `axis` in place, as NumPy's method does: this name now stands for the sorted array."""
        self._rebind(gates.sort(self, axis, **options))

    def partition(self, kth: Any, axis: int = -1, **options: Any) -> None:
        """Partition along `axis` in place, as NumPy's method does: this name now stands for the result."""
        self._rebind(gates.partition(self, kth, axis, **options))

    def _rebind(self, result: Any) -> None:
        """Make this name stand for `result`, which inside a map may be an Array of another class."""
        self.node, self.value = result.node, result.value
        if type(result) is not type(self):
            self.__class__ = type(result)


def variable(value: Any, name: str | None = None) -> Array:
    """A leaf that wants a gradient: the start of a circuit built step by step.

    Args:
        value: A number, a nested list or an array; copied. Integers are refused, they carry no gradient.
        name: What pictures and explanations call it.

    Raises:
        DTypeError: The value is not floating or complex.

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
    array = np.array(value)[()] if isinstance(value, np.ndarray | np.generic | float | int | complex) else value
    require_differentiable(array, f"variable {name!r}" if name else "a variable")
    return Array.of(Leaf(INPUT, array, name, place=outside(sys._getframe(1))), array)


def seed(upstream: Any, value: Any, what: str) -> Any:
    """An upstream gradient as the sweep takes it: an array of the shape and dtype of `value`.

    Raises:
        ShapeError: It has another shape.
    """
    array = upstream if hasattr(upstream, "shape") else np.asarray(plain(upstream))[()]
    if tuple(array.shape) != tuple(value.shape):
        raise ShapeError(f"{what} has shape {tuple(array.shape)}, the value has shape {tuple(value.shape)}")
    return gates.astype(array, value.dtype)


def constant(value: Any) -> Array:
    """An Array of any library that wants no gradient, but into which traced values can be written."""
    carrier: type[Any] = carrier_of(value, Array)
    array: Array = carrier.of(Leaf(INPUT, value, wanted=False), value)
    return array


def on_values(name: str, *operands: Any, **options: Any) -> Any:
    """What the operands' own library answers to a function without gradient, given their values."""
    values = [plain(untracked(operand)) for operand in operands]
    xp = namespace(values)
    function = xp.by_example(name) if hasattr(xp, "by_example") else getattr(xp, name, None)
    if function is None:
        raise UnsupportedError(f"the array library {getattr(xp, '__name__', xp)} has no {name}")
    return function(*values, **options)


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


#: NumPy functions whose answers carry no gradient: they are computed on the values.
_VALUES_ONLY = frozenset(
    [
        "argmax",
        "argmin",
        "argpartition",
        "argsort",
        "argwhere",
        "nonzero",
        "flatnonzero",
        "count_nonzero",
        "searchsorted",
        "shape",
        "ndim",
        "size",
        "result_type",
        "isnan",
        "isinf",
        "isfinite",
        "signbit",
        "all",
        "any",
        "allclose",
        "isclose",
        "array_equal",
        "array_repr",
        "array_str",
        "array2string",
        "iscomplexobj",
        "isrealobj",
        "lexsort",
        "may_share_memory",
        "shares_memory",
        "can_cast",
        "gcd",
        "lcm",
        "left_shift",
        "right_shift",
        "bitwise_count",
        "spacing",
        "isin",
        "isreal",
        "iscomplex",
        "isposinf",
        "isneginf",
        "digitize",
    ]
)


def _like(function: Callable[..., Any]) -> Callable[..., Any]:
    """zeros_like and its kin give Arrays, so that traced values can be written into them."""

    def like(x: Any, *args: Any, **kwargs: Any) -> Any:
        value = x.value if isinstance(x, Tracked) else x
        if isinstance(value, np.ndarray | np.generic):
            return constant(function(value, *_values(args), **_values(kwargs)))
        return constant(getattr(namespace((value,)), function.__name__)(value, *args, **kwargs))

    return like


def _full_like(x: Any, fill_value: Any, dtype: Any = None, *args: Any, shape: Any = None, **kwargs: Any) -> Any:
    """np.full_like: a traced value that is filled in keeps its gradient."""
    if not isinstance(fill_value, Tracked) or not fill_value.node.leaf:
        return _like(np.full_like)(x, untracked(fill_value), dtype, *args, shape=shape, **kwargs)
    lengths = np.shape(untracked(x)) if shape is None else shape
    return gates.astype(gates.broadcast_to(fill_value, lengths), untracked(x).dtype if dtype is None else dtype)


for _function in (np.zeros_like, np.ones_like, np.empty_like):
    NUMPY_FUNCTIONS[_function] = _like(_function)
NUMPY_FUNCTIONS[np.full_like] = _full_like
NUMPY_FUNCTIONS[np.astype] = gates.astype
NUMPY_FUNCTIONS[np.copy] = lambda x, **_: x.copy()


def _takes(function: Callable[..., Any], args: Any, kwargs: Any) -> bool:
    """Whether a function has parameters for these arguments."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _values(arguments: Any) -> Any:
    """Arguments of a NumPy function with traced arrays replaced by their values."""
    if isinstance(arguments, Tracked):
        return arguments.value
    if isinstance(arguments, tuple | list):
        return type(arguments)(_values(a) for a in arguments)
    if isinstance(arguments, dict):
        return {key: _values(a) for key, a in arguments.items()}
    return arguments


def _nearest(name: str) -> str:
    """``; the nearest that has is np.…`` for a function name, or nothing."""
    import difflib

    names = sorted({function.__name__ for function in NUMPY_FUNCTIONS})
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return f"; the nearest that has one is np.{close[0]}" if close else ""
