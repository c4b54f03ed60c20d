"""From a script of gates to a program of few kinds of values: each gate's own forward is run on handles to values.

`Lowering` is one more array library. Its functions write values down with a `Builder`; so a gate whose forward uses
only these functions has a native form without another line. A gate that asks for anything else is left to Python.

Values are real. A complex number is a `Complex`, a pair of handles; what is linear is done to both, other functions are
formulas (`complexes`). In memory an array of complex numbers is one of reals with a further axis, of length 2.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from functools import reduce, wraps
from math import prod
from typing import Any, Concatenate, ParamSpec

import numpy as np

from gatewise.errors import CodeError
from gatewise.gate import broadcast_shapes, normalize_axes, normalize_axis
from gatewise.graph import PYTHON_NUMBERS, Spec, dtype_name
from gatewise.native import complexes
from gatewise.native.convolution import ConvolutionSpec
from gatewise.native.scans import relieved
from gatewise.native.tile import Machine
from gatewise.native.values import (
    AxisMap,
    Builder,
    Call,
    Constant,
    Gradient,
    Origin,
    Program,
    Value,
    number_of,
    result_dtype,
)
from gatewise.records import HALF, Part, spec_of
from gatewise.source import resolve
from gatewise.symbolic import Script, Symbol

#: Element-wise functions of the standard with a native form, by NumPy's names.
ELEMENTWISE = frozenset(
    [
        *("add", "subtract", "multiply", "divide", "pow", "remainder", "floor_divide", "negative", "positive", "abs"),
        *("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sqrt", "square", "reciprocal", "cbrt", "logaddexp"),
        *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
        *("maximum", "minimum", "sign", "floor", "ceil", "round", "trunc", "copysign", "hypot", "nextafter"),
        *(
            "equal",
            "not_equal",
            "less",
            "less_equal",
            "greater",
            "greater_equal",
            "isfinite",
            "isnan",
            "isinf",
            "signbit",
        ),
        *("logical_and", "logical_or", "logical_xor", "logical_not"),
        *("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert"),
    ]
)

#: Lines are sorted by comparing each entry with every other: those of up to so many entries, or if there are no more
#: comparisons than this. With more, NumPy is quicker in spite of the call; but that makes the whole of a loop Python's.
SORTED_UP_TO, COMPARED, COMPARED_IN_LOOPS = 8, 1 << 14, 1 << 20

#: Functions of SciPy's with a native form.
OF_SCIPY = frozenset(
    [
        *("erf", "erfc", "erfinv", "erfcinv", "ndtr", "ndtri", "log_ndtr"),
        *("gamma", "gammaln", "psi", "trigamma", "i0", "i1", "i0e", "i1e"),
    ]
)

_SAME_ON_BOOLEANS = {
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
    "maximum": "logical_or",
    "minimum": "logical_and",
    "add": "logical_or",
    "multiply": "logical_and",
}


P = ParamSpec("P")


class NotNative(AttributeError):  # noqa: N818  (it is caught where gates are lowered, and never seen)
    """A gate asks for something that has no native form."""


def _operators(function: str) -> tuple[Callable[[Handle, Any], Handle], Callable[[Handle, Any], Handle]]:
    """An operator of handles, and the same with its operands in the other order."""

    def method(self: Handle, other: Any) -> Handle:
        return self.library.elementwise(function, self, other)

    def reflected(self: Handle, other: Any) -> Handle:
        return self.library.elementwise(function, other, self)

    return method, reflected


class Handle:
    """A value as a gate's forward handles it: with operators, and knowing whether it is a Python number."""

    __slots__ = ("library", "value", "weak")
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, library: Lowering, value: Value, weak: bool = False) -> None:
        self.library, self.value, self.weak = library, value, weak

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        """Kind of its numbers."""
        return self.value.dtype

    @property
    def device(self) -> str:
        """Native code runs on the processor."""
        return "cpu"

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return self.library

    def __getitem__(self, key: Any) -> Handle:
        return self.library.getitem(self, key if isinstance(key, tuple) else (key,))

    def __bool__(self) -> bool:
        raise NotNative("it looks at a value to decide what to do")

    def __matmul__(self, other: Any) -> Handle:
        return self.library.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Handle:
        return self.library.matmul(other, self)

    def __neg__(self) -> Handle:
        return self.library.elementwise("negative", self)

    def __pos__(self) -> Handle:
        return self

    def __abs__(self) -> Handle:
        return self.library.elementwise("abs", self)

    def __invert__(self) -> Handle:
        return self.library.elementwise("bitwise_invert", self)

    __add__, __radd__ = _operators("add")
    __sub__, __rsub__ = _operators("subtract")
    __mul__, __rmul__ = _operators("multiply")
    __truediv__, __rtruediv__ = _operators("divide")
    __floordiv__, __rfloordiv__ = _operators("floor_divide")
    __mod__, __rmod__ = _operators("remainder")
    __pow__, __rpow__ = _operators("pow")
    __and__, __rand__ = _operators("bitwise_and")
    __or__, __ror__ = _operators("bitwise_or")
    __xor__, __rxor__ = _operators("bitwise_xor")
    __eq__ = _operators("equal")[0]  # type: ignore[assignment]
    __ne__ = _operators("not_equal")[0]  # type: ignore[assignment]
    __lt__ = _operators("less")[0]
    __le__ = _operators("less_equal")[0]
    __gt__ = _operators("greater")[0]
    __ge__ = _operators("greater_equal")[0]


class Complex(Handle):
    """A complex array: two handles to real ones, and where it was read from memory, the value that stands there."""

    __slots__ = ("imag", "real", "stored")

    def __init__(self, real: Handle, imag: Handle, *, weak: bool = False, stored: Value | None = None) -> None:
        self.library, self.real, self.imag, self.weak, self.stored = real.library, real, imag, weak, stored

    @property
    def value(self) -> Value:  # type: ignore[override]
        """There is none: whoever asks for it cannot do with a pair."""
        raise NotNative("complex numbers, where only real ones have a native form")

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.real.shape

    @property
    def dtype(self) -> Any:
        """Kind of its numbers."""
        return np.result_type(self.real.dtype, np.complex64)


def _by_parts(
    method: Callable[Concatenate[Lowering, Any, P], Handle],
) -> Callable[Concatenate[Lowering, Any, P], Handle]:
    """A linear function of its first operand: of a complex one, the function of each part."""

    @wraps(method)
    def both(self: Lowering, x: Any, /, *others: P.args, **options: P.kwargs) -> Handle:
        handle = self.handle(x)
        if not isinstance(handle, Complex):
            return method(self, handle, *others, **options)
        return Complex(method(self, handle.real, *others, **options), method(self, handle.imag, *others, **options))

    return both


class Record(Handle):
    """The several results of a loop or a branch, by where they would stand in its record, and what is added to them.

    Whoever asks for its value as such gets the record as the one row that it is.
    """

    __slots__ = ("rest", "results", "spec")

    def __init__(
        self,
        library: Lowering,
        results: dict[Part, Handle],
        spec: tuple[int, np.dtype[Any]],
        rest: Handle | None = None,
    ) -> None:
        self.library, self.weak = library, False
        self.results, self.spec, self.rest = results, spec, rest

    @property
    def value(self) -> Value:  # type: ignore[override]
        """As one row."""
        return self.library.in_a_row(self).value

    @property
    def shape(self) -> tuple[int, ...]:
        """As one row."""
        return (self.spec[0],)

    @property
    def ndim(self) -> int:
        """As one row."""
        return 1

    @property
    def dtype(self) -> Any:
        """Kind of its numbers."""
        return self.spec[1]


class Lowering:
    """The array library whose functions write values down."""

    __name__ = "native"

    complex64, complex128 = "complex64", "complex128"
    float16, float32, float64, int64, int32, int16, int8 = (
        "float16",
        "float32",
        "float64",
        "int64",
        "int32",
        "int16",
        "int8",
    )
    uint64, uint32, uint16, uint8, bool = "uint64", "uint32", "uint16", "uint8", "bool"
    inf, nan, pi, e, newaxis = np.inf, np.nan, np.pi, math.e, None

    def __init__(self, builder: Builder, inside: builtins.bool = False) -> None:
        self.builder = builder
        self.inside = inside  # whether the program is a loop's or a branch's
        self.assumptions: list[Value] = []

    # ------------------------------------------------------------------------------------------------ making handles

    def handle(self, x: Any) -> Handle:
        """x, a handle, an array or a number, as a handle."""
        if isinstance(x, Handle):
            return x
        array = np.asarray(x)
        if not _is_native(array.dtype):
            raise NotNative(f"dtype {array.dtype}")
        weak = type(x) in PYTHON_NUMBERS
        if array.dtype.kind == "c":
            real, imag = (Handle(self, self.builder.constant(part.copy()), weak) for part in (array.real, array.imag))
            return Complex(real, imag, weak=weak)
        return Handle(self, self.builder.constant(array), weak)

    def given(self, value: Value, spec: Any) -> Handle:
        """A handle to a value in memory that is an array of this shape and dtype outside."""
        if spec.dtype.kind != "c":
            return Handle(self, value, spec.weak)
        shape = value.shape[:-1]
        axes = [(i, 1, 0) for i in range(len(shape))]
        real, imag = (self.made(self.builder.view(value, shape, [*axes, (-1, 0, part)])) for part in range(2))
        return Complex(real, imag, weak=spec.weak, stored=value)

    def in_memory(self, handle: Handle) -> Value:
        """The value that stands in memory for a handle: of complex numbers, their parts side by side."""
        if isinstance(handle, Record):
            return self.in_memory(self.in_a_row(handle))
        if not isinstance(handle, Complex):
            return handle.value
        if handle.stored is None:
            axes = [(i, 1, 0) for i in range(handle.ndim)]
            parts = ((part.value, (*axes, (-1, 0, i))) for i, part in enumerate((handle.real, handle.imag)))
            laid = self._assembled((*handle.shape, 2), handle.real.dtype, [part for part in parts if part[0].size])
            handle.stored = laid.value
        return handle.stored

    def made(self, value: Value) -> Handle:
        """A handle to a new value."""
        return Handle(self, value)

    def elementwise(self, function: str, *operands: Any) -> Handle:
        """A function of operands that broadcast and promote as NumPy's do."""
        handles = [self.handle(x) for x in operands]
        if function == "add" and any(isinstance(h, Record) for h in handles):
            return self._added_records(*handles)
        # a type, as the numbers 1, 1.0 and True are equal to whoever remembers what came of them
        kinds = tuple(type(h.dtype.type(1).item()) if h.weak else h.dtype for h in handles)
        if any(isinstance(h, Complex) for h in handles):
            return self._of_complexes(function, handles, kinds)
        common, result = result_dtype(function, kinds)
        if function == "nextafter" and common == np.float16:
            raise NotNative("the next float16")
        if result.kind == "b":
            function = _SAME_ON_BOOLEANS.get(function, function)
            function = "logical_not" if function == "bitwise_invert" else function
            if function.startswith("logical"):
                common = np.dtype(bool)
        if function == "positive":
            return handles[0]
        shape = broadcast_shapes(*(h.shape for h in handles))
        parts = [self.builder.broadcast(self._as(h, common), shape) for h in handles]
        value = self.builder.map(function, *parts, dtype=result)
        return Handle(self, value, weak=all(h.weak for h in handles))

    def _added_records(self, one: Handle, other: Handle) -> Handle:
        """Records are added part by part, and what is no record to all of it."""
        if not isinstance(one, Record):
            one, other = other, one
        assert isinstance(one, Record)
        if not isinstance(other, Record):
            other = Record(self, {}, one.spec, self.broadcast_to(other, one.shape))
        merged = dict(one.results)
        for part, handle in other.results.items():
            merged[part] = self.elementwise("add", merged[part], handle) if part in merged else handle
        rests = [record.rest for record in (one, other) if record.rest is not None]
        rest = reduce(lambda x, y: self.elementwise("add", x, y), rests) if rests else None
        return Record(self, merged, one.spec, rest)

    def in_a_row(self, record: Record) -> Handle:
        """A record as the row of numbers that it is: each result at its place, zeros where there is none."""
        total, dtype = record.spec
        pieces, end = [], 0
        for part in sorted(record.results, key=lambda part: part.start):
            row = self.reshape(record.results[part], (-1,))
            if part.halved:
                high, low = self.elementwise("floor_divide", row, HALF), self.elementwise("remainder", row, HALF)
                row = self.concat([high, low])
            pieces += [self.zeros(part.start - end, dtype), self.astype(row, dtype.name)]
            end = part.start + part.size
        row = self.concat([*pieces, self.zeros(total - end, dtype)])
        return row if record.rest is None else self.elementwise("add", row, record.rest)

    def _of_complexes(self, function: str, handles: list[Handle], kinds: tuple[Any, ...]) -> Handle:
        """A function of complex numbers, by its formula."""
        if function == "positive":
            return handles[0]
        if function.startswith("logical"):
            return self.elementwise(function, *(self.astype(h, np.dtype(bool)) for h in handles))
        formula = complexes.FORMULAS.get(function)
        if formula is None:
            raise NotNative(f"the function {function} of complex numbers")
        common, _ = result_dtype(function, kinds)
        shape = broadcast_shapes(*(h.shape for h in handles))
        pairs = [self._pair_of(h, common) for h in handles]
        pairs = [(self.broadcast_to(real, shape), self.broadcast_to(imag, shape)) for real, imag in pairs]
        known = [number_of(part.value) for part in pairs[-1]]
        few = known[0] is not None and known[1] == 0 and known[0] in range(1, 100)
        if function == "pow" and few:
            return Complex(*complexes.whole_power(self, pairs[0], int(known[0])))
        out = formula(self, *pairs)
        return Complex(*out, weak=all(h.weak for h in handles)) if isinstance(out, tuple) else out

    def _pair_of(self, handle: Handle, dtype: Any) -> tuple[Handle, Handle]:
        """The parts of numbers in a complex dtype."""
        part = np.zeros((), dtype).real.dtype
        if isinstance(handle, Complex):
            return self.astype(handle.real, part), self.astype(handle.imag, part)
        return self.astype(handle, part), self.zeros(handle.shape, part)

    def _all_complex(self, *handles: Handle) -> list[Complex] | None:
        """The handles with one complex dtype, if one of them is complex."""
        if not any(isinstance(h, Complex) for h in handles):
            return None
        kinds = [h.dtype.type(1).item() if h.weak else h.dtype for h in handles]
        return [Complex(*self._pair_of(h, np.result_type(*kinds))) for h in handles]

    def _as(self, handle: Handle, dtype: Any) -> Value:
        """A handle's value in a dtype; a number is made of that dtype at once, as NumPy does."""
        if dtype == np.bool_ and handle.dtype != np.bool_:
            return self.builder.map(
                "not_equal", handle.value, self._number(0, handle.dtype, handle.shape), dtype=np.dtype(bool)
            )
        return self.builder.cast(handle.value, dtype)

    def _number(self, number: Any, dtype: Any, shape: tuple[int, ...]) -> Value:
        return self.builder.broadcast(self.builder.constant(np.asarray(number, dtype)), shape)

    # ---------------------------------------------------------------------------------------- element-wise functions

    def __getattr__(self, name: str) -> Any:
        if name in ELEMENTWISE:
            return lambda *operands: self.elementwise(name, *operands)
        if name.startswith("_"):
            raise AttributeError(name)
        raise NotNative(f"the function {name}")

    def where(self, condition: Any, x: Any, y: Any) -> Handle:
        """x where the condition holds, else y."""
        test, one, two = (self.handle(operand) for operand in (condition, x, y))
        if isinstance(test, Complex):
            test = self.astype(test, np.dtype(bool))
        pairs = self._all_complex(one, two)
        if pairs is not None:
            (a, b), (c, d) = ((pair.real, pair.imag) for pair in pairs)
            return Complex(self.where(test, a, c), self.where(test, b, d), weak=one.weak and two.weak)
        kinds = [h.value.dtype.type(1).item() if h.weak else h.value.dtype for h in (one, two)]
        dtype = np.result_type(*kinds)
        shape = broadcast_shapes(test.shape, one.shape, two.shape)
        parts = [self._as(test, np.dtype(bool)), self._as(one, dtype), self._as(two, dtype)]
        value = self.builder.map("where", *[self.builder.broadcast(part, shape) for part in parts], dtype=dtype)
        return Handle(self, value, weak=one.weak and two.weak)

    def sigmoid(self, x: Any) -> Handle:
        """1 / (1 + exp(-x)) in one function."""
        return self.elementwise("sigmoid", x)

    def of_scipy(self, name: str, *operands: Any) -> Handle:
        """A function of ``scipy.special``; of Hurwitz's zeta that of order 2, which is trigamma."""
        if name == "zeta" and operands[0] == 2:
            name, operands = "trigamma", operands[1:]
        handles = [self.handle(x) for x in operands]
        if name not in OF_SCIPY or any(h.dtype not in (np.float32, np.float64) for h in handles):
            raise NotNative(f"SciPy's {name} of {', '.join(str(h.dtype) for h in handles)}")
        return self.elementwise(name, *handles)

    def real(self, x: Any) -> Handle:
        """The real part."""
        handle = self.handle(x)
        return handle.real if isinstance(handle, Complex) else handle

    def imag(self, x: Any) -> Handle:
        """The imaginary part."""
        handle = self.handle(x)
        return handle.imag if isinstance(handle, Complex) else self.zeros_like(handle)

    def conj(self, x: Any) -> Handle:
        """The imaginary part turned round."""
        handle = self.handle(x)
        return Complex(handle.real, -handle.imag, weak=handle.weak) if isinstance(handle, Complex) else handle

    def astype(self, x: Any, dtype: Any, copy: builtins.bool = True) -> Handle:
        """x in another dtype."""
        handle, target = self.handle(x), np.dtype(dtype_name(dtype) if not isinstance(dtype, str) else dtype)
        if not _is_native(target):
            raise NotNative(f"dtype {target}")
        if target.kind == "c":
            return Complex(*self._pair_of(handle, target))
        if isinstance(handle, Complex):
            if target.kind == "b":
                return complexes.not_equal(self, (handle.real, handle.imag), (0, 0))  # type: ignore[no-any-return]
            handle = handle.real
        return self.made(self._as(handle, target))

    def asarray(self, x: Any, dtype: Any = None, copy: Any = None, device: Any = None) -> Handle:
        """x as an array."""
        return self.handle(x) if dtype is None else self.astype(self.handle(x), dtype)

    def copysign(self, x: Any, y: Any) -> Handle:
        """|x| with y's sign."""
        return self.elementwise("copysign", x, y)

    # ---------------------------------------------------------------------------------------------------- reductions

    def _reduce(self, function: str, x: Any, axis: Any, keepdims: builtins.bool, dtype: Any = None) -> Handle:
        handle = self.handle(x)
        value = handle.value if dtype is None else self._as(handle, dtype)
        if value.dtype == np.float16 and function in ("sum", "prod"):  # rounded at the end
            return self.astype(self._reduce(function, handle, axis, keepdims, np.dtype("float32")), "float16")
        axes = normalize_axes(axis, len(value.shape), function)
        if function in ("max", "min") and not prod(value.shape[i] for i in axes):
            raise NotNative("an empty maximum, which has no value")
        kept = tuple(1 if i in axes else n for i, n in enumerate(value.shape))
        reduced = self.builder.reduce(function, value, axes)
        return self.made(self.builder.reshape(reduced, kept) if keepdims else reduced)

    @_by_parts
    def sum(self, x: Any, axis: Any = None, keepdims: builtins.bool = False, dtype: Any = None) -> Handle:
        """Sum over axes, in the dtype that NumPy sums in."""
        return self._reduce("sum", x, axis, keepdims, dtype or np.sum(np.ones(1, self.handle(x).dtype)).dtype)

    def prod(self, x: Any, axis: Any = None, keepdims: builtins.bool = False, dtype: Any = None) -> Handle:
        """Product over axes, in the dtype that NumPy multiplies in."""
        return self._reduce("prod", x, axis, keepdims, dtype or np.prod(np.ones(1, self.handle(x).dtype)).dtype)

    def max(self, x: Any, axis: Any = None, keepdims: builtins.bool = False) -> Handle:
        """Largest entry over axes; NaN wins."""
        return self._reduce("max", x, axis, keepdims)

    def min(self, x: Any, axis: Any = None, keepdims: builtins.bool = False) -> Handle:
        """Smallest entry over axes; NaN wins."""
        return self._reduce("min", x, axis, keepdims)

    def any(self, x: Any, axis: Any = None, keepdims: builtins.bool = False) -> Handle:
        """Whether an entry over axes holds."""
        return self._reduce("any", x, axis, keepdims, np.dtype(bool))

    def all(self, x: Any, axis: Any = None, keepdims: builtins.bool = False) -> Handle:
        """Whether all entries over axes hold."""
        return self._reduce("all", x, axis, keepdims, np.dtype(bool))

    @_by_parts
    def mean(self, x: Any, axis: Any = None, keepdims: builtins.bool = False) -> Handle:
        """Sum over axes, divided by the number of entries."""
        handle = self.handle(x)
        if handle.dtype == np.float16:
            return self.astype(self.mean(self.astype(handle, "float32"), axis, keepdims), "float16")
        axes = normalize_axes(axis, handle.ndim, "mean")
        total = self.sum(handle, axes, keepdims, handle.dtype if handle.dtype.kind == "f" else np.dtype(float))
        return self.elementwise("divide", total, total.dtype.type(prod(handle.shape[i] for i in axes)))

    def var(self, x: Any, axis: Any = None, correction: float = 0, keepdims: builtins.bool = False) -> Handle:
        """Mean squared distance from the mean over axes, with `correction` taken off the number of entries."""
        handle = self.handle(x)
        if handle.dtype == np.float16:
            return self.astype(self.var(self.astype(handle, "float32"), axis, correction, keepdims), "float16")
        handle = handle if handle.dtype.kind == "f" else self.astype(handle, np.dtype(float))
        axes = normalize_axes(axis, handle.ndim, "var")
        centred = handle - self.mean(handle, axes, keepdims=True)
        freedom = builtins.max(prod(handle.shape[i] for i in axes) - correction, 0)
        return self.sum(centred * centred, axes, keepdims) / self.handle(handle.dtype.type(freedom))

    def vector_norm(
        self, x: Any, axis: tuple[int, ...] | None = None, ord: float = 2, keepdims: builtins.bool = False
    ) -> Handle:
        """The norm of vectors along axes; of integers in float64."""
        handle = self.handle(x)
        handle = handle if handle.dtype.kind in "fc" else self.astype(handle, np.dtype(float))
        if ord == 2:
            parts = [handle.real, handle.imag] if isinstance(handle, Complex) else [handle]
            squares = [part * part for part in parts]
            return self.elementwise("sqrt", self.sum(builtins.sum(squares[1:], squares[0]), axis, keepdims))
        powers = self.sum(abs(handle) ** self.handle(handle.dtype.type(ord)), axis, keepdims)
        return powers ** self.handle(powers.dtype.type(1 / ord))

    @property
    def linalg(self) -> Linalg:
        """What there is of linear algebra."""
        return Linalg(self)

    # ------------------------------------------------------------------------------------------------ running totals

    def _accumulated(self, function: str, x: Any, axis: int) -> Handle:
        handle = self.handle(x)
        numpys: Any = {"sum": np.cumsum, "prod": np.cumprod}[function]
        value = self._as(handle, numpys(np.ones(1, handle.dtype)).dtype)
        return self.made(self.builder.accumulate(function, (value,), axis % handle.ndim))

    @_by_parts
    def cumulative_sum(self, x: Any, axis: int = 0) -> Handle:
        """Running sum along an axis, in the dtype that NumPy sums in."""
        return self._accumulated("sum", x, axis)

    def cumulative_prod(self, x: Any, axis: int = 0) -> Handle:
        """Running product along an axis, in the dtype that NumPy multiplies in."""
        handle = self.handle(x)
        if isinstance(handle, Complex):
            place = axis % handle.ndim
            others = tuple(i for i in range(handle.ndim) if i != place)
            made = self._step_by_step(lambda before, row: before * row, self.permute_dims(handle, (place, *others)))
            return self.permute_dims(made, (*range(1, place + 1), 0, *range(place + 1, handle.ndim)))
        return self._accumulated("prod", handle, axis)

    def _step_by_step(self, step: Callable[..., Handle], *rows: Handle) -> Handle:
        """Running totals of complex numbers along the first axis: a loop of which `step` is the body."""
        pairs = self._all_complex(*rows)
        assert pairs is not None
        first, length = pairs[0], pairs[0].shape[0]
        if length < 2 or not first.real.value.size:
            return first
        body = Lowering(Builder(), inside=True)
        shape, dtype = first.shape[1:], first.real.dtype
        inputs = tuple(body.builder.input(place, shape, dtype) for place in range(2 + 2 * len(pairs)))
        parts = [body.made(value) for value in inputs]
        made = step(*(Complex(parts[i], parts[i + 1]) for i in range(0, len(parts), 2)))
        assert isinstance(made, Complex)
        after = (made.real.value, made.imag.value)
        halves = [half for pair in pairs for half in (pair.real, pair.imag)]
        given = [*(half[0] for half in halves[:2]), *(half[1:] for half in halves)]
        results = self.builder.repeat(
            Program(inputs, (*after, *after), ()), tuple(half.value for half in given), 2, len(halves), length - 1
        )
        return self.concat([first[:1], Complex(self.made(results[2]), self.made(results[3]))])

    def recurred(self, x: Any, factor: Any) -> Handle:
        """y[i] = x[i] + factor[i] · y[i-1] along the last axis."""
        one, two = self.handle(x), self.handle(factor)
        if isinstance(one, Complex) or isinstance(two, Complex):
            axes = (one.ndim - 1, *range(one.ndim - 1))
            rows = [self.permute_dims(each, axes) for each in (one, two)]
            made = self._step_by_step(lambda before, row, factor: row + factor * before, *rows)
            return self.permute_dims(made, (*range(1, one.ndim), 0))
        dtype = np.result_type(one.dtype, two.dtype)
        return self.made(self.builder.accumulate("linear", (self._as(one, dtype), self._as(two, dtype)), one.ndim - 1))

    # ------------------------------------------------------------------------------------------------------ movement

    @_by_parts
    def reshape(self, x: Any, shape: tuple[int, ...]) -> Handle:
        """The entries of x in another shape; one length may be -1."""
        handle = self.handle(x)
        if -1 in shape:
            rest = prod(n for n in shape if n != -1)
            shape = tuple(prod(handle.shape) // rest if n == -1 else n for n in shape)
        return self.made(self.builder.reshape(handle.value, tuple(shape)))

    @_by_parts
    def broadcast_to(self, x: Any, shape: tuple[int, ...]) -> Handle:
        """x repeated to a shape."""
        return self.made(self.builder.broadcast(self.handle(x).value, tuple(shape)))

    @_by_parts
    def permute_dims(self, x: Any, axes: tuple[int, ...]) -> Handle:
        """Axes in another order."""
        value = self.handle(x).value
        shape = tuple(value.shape[axis] for axis in axes)
        return self.made(self.builder.view(value, shape, [(axes.index(i), 1, 0) for i in range(len(axes))]))

    @_by_parts
    def expand_dims(self, x: Any, axis: int) -> Handle:
        """x with a new axis of length 1."""
        value = self.handle(x).value
        place = normalize_axis(axis, len(value.shape) + 1, "expand_dims")
        return self.reshape(x, (*value.shape[:place], 1, *value.shape[place:]))

    @_by_parts
    def squeeze(self, x: Any, axis: Any) -> Handle:
        """x without axes of length 1."""
        shape = self.handle(x).shape
        axes = normalize_axes(axis, len(shape), "squeeze")
        return self.reshape(x, tuple(n for i, n in enumerate(shape) if i not in axes))

    @_by_parts
    def flip(self, x: Any, axis: Any = None) -> Handle:
        """x reversed along axes."""
        value = self.handle(x).value
        axes = normalize_axes(axis, len(value.shape), "flip")
        maps = [(i, -1, n - 1) if i in axes and n else (i, 1, 0) for i, n in enumerate(value.shape)]
        return self.made(self.builder.view(value, value.shape, maps))

    @_by_parts
    def roll(self, x: Any, shift: Any, axis: Any = None) -> Handle:
        """x turned along axes."""
        if axis is None:
            raise NotNative("roll of a flattened array")
        handle = self.handle(x)
        shifts, axes = (shift, axis) if isinstance(shift, tuple) else ((shift,), (axis,))
        for step, place in zip(shifts, axes, strict=True):
            n = handle.shape[place]
            if n and step % n:
                lead = (slice(None),) * (place % handle.ndim)
                cut = n - step % n
                handle = self.concat([handle[(*lead, slice(cut, None))], handle[(*lead, slice(None, cut))]], place)
        return handle

    def concat(self, arrays: Sequence[Any], axis: int = 0) -> Handle:
        """Arrays joined along an axis."""
        handles = [self.handle(array) for array in arrays]
        pairs = self._all_complex(*handles)
        if pairs is not None:
            return Complex(
                *(self.concat(parts, axis) for parts in zip(*((p.real, p.imag) for p in pairs), strict=True))
            )
        dtype = np.result_type(*[h.dtype for h in handles])
        place = axis % handles[0].ndim
        shape = list(handles[0].shape)
        shape[place] = sum(h.shape[place] for h in handles)
        pieces, start = [], 0
        for handle in handles:
            maps = [(i, 1, start if i == place else 0) for i in range(len(shape))]
            if handle.value.size:
                pieces.append((self._as(handle, dtype), tuple(maps)))
            start += handle.shape[place]
        return self._assembled(tuple(shape), dtype, pieces)

    def stack(self, arrays: Sequence[Any], axis: int = 0) -> Handle:
        """Arrays side by side along a new axis."""
        handles = [self.handle(array) for array in arrays]
        place = axis % (handles[0].ndim + 1)
        return self.concat([self.expand_dims(handle, place) for handle in handles], place)

    def _assembled(self, shape: tuple[int, ...], dtype: Any, pieces: list[Any]) -> Handle:
        base = self._number(0, dtype, shape)
        return self.made(self.builder.assemble(base, pieces) if pieces else base)

    def full(self, shape: Any, fill: Any, dtype: Any = None, device: Any = None) -> Handle:
        """One number everywhere."""
        lengths = shape if isinstance(shape, tuple) else (shape,)
        handle = self.handle(fill)
        if dtype is not None and np.dtype(dtype).kind == "c":
            handle = self.astype(handle, np.dtype(dtype))
        if isinstance(handle, Complex):
            return self.broadcast_to(handle, lengths)
        return self.made(
            self.builder.broadcast(handle.value if dtype is None else self._as(handle, np.dtype(dtype)), lengths)
        )

    def zeros(self, shape: Any, dtype: Any = None, device: Any = None) -> Handle:
        """Zeros."""
        return self.full(shape, 0, np.dtype(dtype or float))

    def ones(self, shape: Any, dtype: Any = None, device: Any = None) -> Handle:
        """Ones."""
        return self.full(shape, 1, np.dtype(dtype or float))

    def zeros_like(self, x: Any, dtype: Any = None) -> Handle:
        """Zeros of x's shape."""
        return self.zeros(x.shape, dtype or x.dtype)

    def ones_like(self, x: Any, dtype: Any = None) -> Handle:
        """Ones of x's shape."""
        return self.ones(x.shape, dtype or x.dtype)

    # ------------------------------------------------------------------------------------------------------ indexing

    @_by_parts
    def getitem(self, x: Any, key: tuple[Any, ...]) -> Handle:
        """x[key]."""
        value = self.handle(x).value
        axes, shape, indices = self._places(value.shape, key)
        if indices is None:
            return self.made(self.builder.view(value, shape, axes))
        return self.made(self.builder.gather(value, shape, tuple(axes), indices))

    def setitem(self, x: Any, key: tuple[Any, ...], new: Any) -> Handle:
        """x with `new` written at the key."""
        pairs = self._all_complex(self.handle(x), self.handle(new))
        if pairs is not None:
            (a, b), (c, d) = ((pair.real, pair.imag) for pair in pairs)
            return Complex(self.setitem(a, key, c), self.setitem(b, key, d))
        value = self.handle(x).value
        axes, shape, indices = self._places(value.shape, key)
        piece = self.builder.broadcast(self._as(self.handle(new), value.dtype), shape)
        if not piece.size:
            return self.made(value)
        if indices is None:
            return self.made(self.builder.assemble(value, [(piece, tuple(axes))]))
        return self._scattered(value, piece, axes, indices, added=False)

    def scatter(self, gate: Any, g: Any, indices: tuple[Any, ...]) -> Handle:
        """Zeros to which g is added at the key of `gate`: the gradient of getitem."""
        if isinstance(g, Complex):
            return Complex(self.scatter(gate, g.real, indices), self.scatter(gate, g.imag, indices))
        piece = self.handle(g).value
        axes, shape, arrays = self._places(gate.shape, gate.key(np, len(gate.shape), indices))
        base = self._number(0, piece.dtype, gate.shape)
        piece = self.builder.broadcast(piece, shape)
        if not piece.size:
            return self.made(base)
        if arrays is None:
            return self.made(self.builder.assemble(base, [(piece, tuple(axes))]))
        return self._scattered(base, piece, axes, arrays, added=True)

    def _scattered(
        self, base: Value, piece: Value, axes: list[Any], indices: tuple[Value, ...], added: builtins.bool
    ) -> Handle:
        """A piece written at index arrays. Where no two of its entries meet, every entry asks whether it is written."""
        kept = [axis_map[0] for axis_map in axes if not isinstance(axis_map, int)]
        if (
            len(indices) == 1
            and sorted(kept) == list(range(len(piece.shape)))
            and all(
                isinstance(m, int)
                or (
                    abs(m[1]) == 1
                    and m[2] == (0 if m[1] == 1 else base.shape[i] - 1)
                    and base.shape[i] == piece.shape[m[0]]
                )
                for i, m in enumerate(axes)
            )
        ):
            place = next(i for i, m in enumerate(axes) if isinstance(m, int))
            back: list[AxisMap] = [(-1, 0, 0)] * len(piece.shape)
            for i, m in enumerate(axes):
                if not isinstance(m, int):
                    back[m[0]] = (i, m[1], m[2])
            chosen, new = (self.made(self.builder.view(v, base.shape, back)) for v in (indices[0], piece))
            here = self.made(self.builder.iota(base.shape, place))
            old = self.made(base)
            return self.where(here == chosen, self._plus(old, new) if added else new, old)
        return self.made(self.builder.scatter(base, piece, tuple(axes), indices, added=added))

    def _plus(self, old: Handle, new: Handle) -> Handle:
        return new if number_of(old.value) == 0 else self.elementwise("add", old, new)

    def _places(
        self, shape: tuple[int, ...], key: tuple[Any, ...]
    ) -> tuple[list[Any], tuple[int, ...], tuple[Value, ...] | None]:
        """How an index reaches entries: per axis of the array a map from the result's axes or the number of an index
        array; the result's shape; and the index arrays, as values of that shape."""
        items: list[Any] = []
        for item in key:
            array = (
                item if isinstance(item, Handle) else np.asarray(item) if isinstance(item, list | np.ndarray) else None
            )
            if isinstance(array, np.ndarray) and array.dtype == bool:
                items.extend(np.nonzero(array))
            else:
                items.append(item if array is None else array)
        named = sum(item is not None and item is not Ellipsis for item in items)
        if Ellipsis not in [item if item is Ellipsis else None for item in items]:
            items.append(Ellipsis)
        place = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[place : place + 1] = [slice(None)] * (len(shape) - named)
        arrays = [self.handle(item) for item in items if isinstance(item, Handle | np.ndarray)]
        if any(a.dtype.kind == "b" for a in arrays):
            raise NotNative("a boolean index, whose number of entries depends on values")
        common = broadcast_shapes(*(a.shape for a in arrays)) if arrays else ()
        spots = [i for i, item in enumerate(items) if isinstance(item, Handle | np.ndarray)]
        together = not spots or all(
            isinstance(item, Handle | np.ndarray | int) for item in items[spots[0] : spots[-1] + 1]
        )
        # NumPy: axes of index arrays that stand together take their place, else they come first.
        lengths: list[int] = [] if together else list(common)
        first = None if together else 0
        axes: list[Any] = []
        number, axis = 0, 0
        for item in items:
            if item is None:
                lengths.append(1)
                continue
            n = shape[axis]
            axis += 1
            if isinstance(item, slice):
                start, stop, step = item.indices(n)
                count = len(range(start, stop, step))
                axes.append((len(lengths), step, start if count else 0))
                lengths.append(count)
            elif isinstance(item, Handle | np.ndarray):
                if first is None:
                    first = len(lengths)
                    lengths.extend(common)
                axes.append(number)
                number += 1
            else:
                axes.append((-1, 0, item + n if item < 0 else item))
        result = tuple(lengths)
        if not arrays:
            return axes, result, None
        assert first is not None
        values: list[Value] = []
        for place, axis_map in enumerate(axes):
            if not isinstance(axis_map, int):
                continue
            handle = arrays[axis_map]
            steady = _progression(handle.value, shape[place], common, first)
            if steady is not None:
                axes[place] = steady
                continue
            axes[place] = len(values)
            index = self._index(handle.value, shape[place])
            index = self.builder.broadcast(index, common)
            values.append(self.builder.view(index, result, [(first + i, 1, 0) for i in range(len(common))]))
        return axes, result, tuple(values) or None

    def _index(self, index: Value, length: int) -> Value:
        """An index array counted from the start and within bounds; an entry out of range spoils the assumptions."""
        x = self.made(self.builder.cast(index, np.dtype(np.int64)))
        below, above = self.elementwise("less", x, -length), self.elementwise("greater_equal", x, length)
        self.assumptions.append(self.any(self.elementwise("logical_or", below, above)).value)
        wrapped = self.where(self.elementwise("less", x, 0), self.elementwise("add", x, length), x)
        return self.elementwise("minimum", self.elementwise("maximum", wrapped, 0), length - 1).value

    @_by_parts
    def take(self, x: Any, indices: Any, axis: int) -> Handle:
        """Entries at integer indices along an axis."""
        return self.getitem(x, (*(slice(None),) * (axis % x.ndim), self.handle(indices)))

    def _lines(self, x: Any, axis: int, what: str) -> Handle:
        """x with an axis at the end; it must be short enough for every entry to be compared with every other."""
        handle = self.handle(x)
        place = axis % handle.ndim
        n = handle.shape[place]
        if n > SORTED_UP_TO and handle.value.size * n > (COMPARED_IN_LOOPS if self.inside else COMPARED):
            raise NotNative(f"{what} an array of shape {handle.shape} along axis {place}, which NumPy does quicker")
        return self.permute_dims(handle, (*(i for i in range(handle.ndim) if i != place), place))

    def _from_lines(self, x: Handle, axis: int) -> Handle:
        place, order = axis % x.ndim, list(range(x.ndim - 1))
        order.insert(place, x.ndim - 1)
        return self.permute_dims(x, tuple(order))

    def _placed(self, lines: Handle) -> tuple[Handle, Handle]:
        """For every entry of a line (the last axis but one) and every place, whether it is sorted there; the entries.

        Its place is the number of entries before it: the smaller ones, and of equal ones those that stand before it;
        NaN is larger than numbers.
        """
        n = lines.shape[-1]
        one, other = self.expand_dims(lines, -1), self.expand_dims(lines, -2)
        missing, there = self.elementwise("isnan", one), self.elementwise("isnan", other)
        alike = (one == other) | (missing & there)
        stands = self.handle(np.arange(n)[None, :] < np.arange(n)[:, None])
        before = (other < one) | (missing & ~there) | (alike & stands)
        places = self.sum(self.astype(before, "int64"), -1, keepdims=True)
        return places == self.handle(np.arange(n)), one

    def sort(self, x: Any, axis: int = -1) -> Handle:
        """Short lines in increasing order, NaN last."""
        lines = self._lines(x, axis, "sorting")
        if not lines.value.size:
            return self.handle(x)
        here, entries = self._placed(lines)
        kind = lines.dtype.kind
        least = -np.inf if kind == "f" else False if kind == "b" else np.iinfo(lines.dtype).min
        chosen = self.where(here, entries, self.handle(np.asarray(least, lines.dtype)))
        return self._from_lines(self.max(chosen, -2), axis)

    def argsort(
        self, x: Any, axis: int = -1, descending: builtins.bool = False, stable: builtins.bool = True
    ) -> Handle:
        """Where the entries of short lines stand that come first, second, ... in increasing order."""
        if descending:
            raise NotNative("sorting from the largest down")
        lines = self._lines(x, axis, "sorting")
        if not lines.value.size:
            return self.zeros(lines.shape, "int64")
        here, _ = self._placed(lines)
        own = self.expand_dims(self.handle(np.arange(lines.shape[-1])), -1)
        return self._from_lines(self.sum(self.where(here, own, 0), -2), axis)

    @_by_parts
    def rearranged(self, x: Any, before: Any, after: Any, axis: int) -> Handle:
        """x as its owners moved from their places in `before` to those in `after`; equal ones share evenly."""
        lines, old, new = (self._lines(each, axis, "rearranging") for each in (x, before, after))
        if not lines.value.size:
            return self.handle(x)

        def spread(keys: Handle, place: int) -> tuple[Handle, Handle, Handle]:
            """The keys, which are NaN, and the how manieth NaN that is."""
            missing = self.elementwise("isnan", keys)
            parts = keys, missing, self.cumulative_sum(self.astype(missing, "int64"), -1)
            one, two, three = (self.expand_dims(part, place) for part in parts)
            return one, two, three

        (owner, gone, count), (wanted, lost, number) = spread(old, -2), spread(new, -1)
        same = (owner == wanted) | (gone & lost & (count == number))
        total = self.sum(self.where(same, self.expand_dims(lines, -2), lines.dtype.type(-0.0)), -1)
        shares = self.sum(self.astype(same, lines.dtype), -1)
        return self._from_lines(total / shares, axis)

    def searchsorted(self, points: Any, x: Any, side: str = "left") -> Handle:
        """How many of sorted points lie before x, NaN last: the number found from its highest bit down."""
        row, x = self.handle(points), self.handle(x)
        n = row.shape[0]
        before = self._number(0, np.int64, x.shape)
        for bit in reversed(range(n.bit_length())):
            further = self.made(before) + 2**bit
            index = self.elementwise("minimum", further, n) - 1
            point = self.made(self.builder.gather(row.value, x.shape, (0,), (index.value,)))
            nan, end = self.elementwise("isnan", x), self.elementwise("isnan", point)
            passed = ~((x < point) | (end & ~nan)) if side == "right" else (point < x) | (nan & ~end)
            before = self.where(passed & (further <= n), further, self.made(before)).value
        return self.made(before)

    # --------------------------------------------------------------------------------------------- loops and branches

    def repeated(self, gate: Any, inputs: Sequence[Any]) -> Handle:
        """A step repeated over the leading axis of arrays."""
        body = _closed(gate.step.script)
        parts = self._arguments(body, inputs, gate.step.carries, gate.step.scanned)
        results = self.builder.repeat(body, parts, gate.step.carries, gate.step.scanned, gate.length, gate.reverse)
        return self._record(results, body.results, gate.parts)

    def repeated_while(self, gate: Any, inputs: Sequence[Any]) -> Handle:
        """A step repeated while a condition holds."""
        body, condition = _closed(gate.body.script), _closed(gate.condition.script)
        parts = self._arguments(body, inputs, gate.body.carries, 0)
        results = self.builder.repeat(body, parts, gate.body.carries, condition=condition)
        return self._record(results, body.results, gate.parts)

    def branched(self, gate: Any, chosen: Any, inputs: Sequence[Any]) -> Handle:
        """One of two programs."""
        first, second = _closed(gate.if_true.script), _closed(gate.if_false.script)
        parts = (self._as(self.handle(chosen), np.dtype(bool)), *self._arguments(first, inputs, len(inputs), 0))
        return self._record(self.builder.repeat(first, parts, 0, otherwise=second), first.results, gate.parts)

    def _arguments(self, body: Program, inputs: Sequence[Any], carries: int, scanned: int) -> tuple[Value, ...]:
        """Operands in the dtypes of the body's inputs."""
        parts = []
        for x, spec in zip(inputs, body.arguments, strict=True):
            handle = self.handle(x)
            parts.append(self.in_memory(handle if handle.dtype == spec.dtype else self.astype(handle, spec.dtype)))
        return tuple(parts)

    def _record(self, results: list[Value], specs: Sequence[Spec], parts: Sequence[Part]) -> Handle:
        handles = [
            self.astype(self.given(value, spec), part.dtype)
            for value, spec, part in zip(results, specs, parts, strict=True)
        ]
        spec = spec_of(parts)
        return Record(self, dict(zip(parts, handles, strict=True)), (prod(spec.shape), spec.dtype))

    def picked(self, record: Any, part: Part) -> Handle:
        """One of the results in a record, which may also be an array that was never taken apart."""
        found, rest = None, record
        if isinstance(record, Record):
            found, rest = record.results.get(part), record.rest
        if rest is not None:
            row = self.getitem(rest, (part.place,))
            if part.halved:
                count = prod(part.shape)
                high, low = (self.astype(row[half], part.dtype) for half in (slice(0, count), slice(count, 2 * count)))
                row = self.elementwise("add", self.elementwise("multiply", high, HALF), low)
            more = self.astype(self.reshape(row, part.shape), part.dtype)
            found = more if found is None else self.elementwise("add", found, more)
        return self.zeros(part.shape, part.dtype) if found is None else found

    def laid(self, x: Any, part: Part) -> Handle:
        """A record of zeros but for one part."""
        return Record(self, {part: self.handle(x)}, (part.total, np.dtype(part.record)))

    # ------------------------------------------------------------------------------------------------------ products

    def matmul(self, x: Any, y: Any) -> Handle:
        """The matrix product, stacked over leading axes."""
        one, two = self.handle(x), self.handle(y)
        pairs = self._all_complex(one, two)
        if pairs is not None:
            return self._bilinear(self.matmul, *pairs)
        dtype = np.result_type(one.dtype, two.dtype)
        if dtype == np.float16:
            return self.astype(self.matmul(self.astype(one, "float32"), self.astype(two, "float32")), "float16")
        if dtype.kind != "f":
            raise NotNative(f"a matrix product of {dtype}")
        left, right = self._as(one, dtype), self._as(two, dtype)
        rows, columns = len(left.shape) == 1, len(right.shape) == 1
        if rows or columns:
            return self._matrix_vector(left, right)
        batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])
        left = self.builder.broadcast(left, (*batch, *left.shape[-2:]))
        right = self.builder.broadcast(right, (*batch, *right.shape[-2:]))
        return self.made(self._contracted(left, right))

    @staticmethod
    def _bilinear(product: Callable[[Handle, Handle], Handle], x: Complex, y: Complex) -> Handle:
        """A product of complex numbers by four of real ones."""
        real = product(x.real, y.real) - product(x.imag, y.imag)
        return Complex(real, product(x.real, y.imag) + product(x.imag, y.real))

    def _matrix_vector(self, left: Value, right: Value) -> Handle:
        """A product in which an operand has one axis: multiplied and summed."""
        if len(left.shape) == 1 and len(right.shape) > 1:  # (k) @ (..., k, n)
            left = self.builder.view(left, (*left.shape, 1), [(0, 1, 0)])
            axis = len(right.shape) - 2
        else:
            axis = len(left.shape) - 1
        product = self.elementwise("multiply", self.made(left), self.made(right))
        return self._reduce("sum", product, axis, keepdims=False)

    def _contracted(self, left: Value, right: Value) -> Value:
        """A matrix product, by the cheapest kind of value that is one."""
        if left.shape[-1] == 1:  # an outer product: nothing to sum
            return self.elementwise("multiply", self.made(left), self.made(right)).value
        if not left.size or not right.size:
            return self._number(0, left.dtype, (*left.shape[:-1], right.shape[-1]))
        for place, operand in ((-2, left), (-1, right)):  # one number everywhere stands nowhere in memory
            if operand.shape[place] > 1 and number_of(operand) is not None:
                parts = [self.made(left), self.made(right)]
                parts[place + 2] = parts[place + 2][
                    (..., slice(0, 1), slice(None)) if place == -2 else (..., slice(0, 1))
                ]
                line = self._contracted(parts[0].value, parts[1].value)
                return self.builder.broadcast(line, (*left.shape[:-1], right.shape[-1]))
        if left.shape[-2] == 1 or right.shape[-1] == 1:
            m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
            batch = left.shape[:-2]
            last = len(batch)
            spread = tuple(range(last))
            if n == 1:
                other = self.builder.view(
                    right, (*batch, m, k), [*[(i, 1, 0) for i in spread], (last + 1, 1, 0), (-1, 0, 0)]
                )
                total = self._reduce("sum", self.elementwise("multiply", self.made(left), self.made(other)), -1, False)
                return self.builder.reshape(total.value, (*batch, m, 1))
            wide = self.builder.view(left, (*batch, k, n), [*[(i, 1, 0) for i in spread], (-1, 0, 0), (last, 1, 0)])
            total = self._reduce("sum", self.elementwise("multiply", self.made(wide), self.made(right)), last, False)
            return self.builder.reshape(total.value, (*batch, 1, n))
        return self.builder.product(left, right)

    def convolved(self, gate: Any, direction: Any, x: Any, y: Any, shape: tuple[int, ...]) -> Handle:
        """A convolutional layer, or the gradient with respect to its images or kernels."""
        one, two = self.handle(x), self.handle(y)
        dtype = np.result_type(one.dtype, two.dtype)
        if dtype not in (np.float32, np.float64) or not all(one.shape + two.shape + shape):
            raise NotNative(f"a convolution of {dtype} or of nothing")
        before, after = zip(*gate.sides, strict=True)
        spec = ConvolutionSpec(
            *(gate.images[0], gate.images[1], gate.kernels[0], gate.images[2:], gate.kernels[2:], gate.stride),
            *(before, after, gate.dilation, gate.groups, dtype.name, direction),
        )
        return self.made(self.builder.convolve(gate, self._as(one, dtype), self._as(two, dtype), spec, shape))

    def einsum(self, formula: str, *operands: Any) -> Handle:
        """A contraction of one or two operands; more are contracted from the left."""
        left, _, output = formula.replace(" ", "").partition("->")
        terms = left.split(",")
        handles = [self.handle(operand) for operand in operands]
        while len(terms) > 2:
            rest = set("".join(terms[2:])) | set(output)
            kept = "".join(letter for letter in dict.fromkeys(terms[0] + terms[1]) if letter in rest)
            handles = [self.einsum(f"{terms[0]},{terms[1]}->{kept}", *handles[:2]), *handles[2:]]
            terms = [kept, *terms[2:]]
        return self._pair(terms, output, handles)

    def _pair(self, terms: list[str], output: str, handles: list[Handle]) -> Handle:
        pairs = self._all_complex(*handles)
        if pairs is not None and len(pairs) == 1:
            return Complex(self._pair(terms, output, [pairs[0].real]), self._pair(terms, output, [pairs[0].imag]))
        if pairs is not None:
            return self._bilinear(lambda *both: self._pair(terms, output, list(both)), *pairs)
        sizes = {
            letter: n for term, h in zip(terms, handles, strict=True) for letter, n in zip(term, h.shape, strict=True)
        }
        dtype = np.result_type(*[h.dtype for h in handles])
        if dtype == np.float16:
            wide = self._pair(terms, output, [self.astype(h, "float32") for h in handles])
            return self.astype(wide, "float16")
        values = []
        for index, (term, handle) in enumerate(zip(terms, handles, strict=True)):
            distinct = "".join(dict.fromkeys(term))  # a letter twice in one operand is its diagonal
            value = self.builder.view(
                self._as(handle, dtype), tuple(sizes[c] for c in distinct), [(distinct.index(c), 1, 0) for c in term]
            )
            others = set(output) | set("".join(terms[:index] + terms[index + 1 :]))
            alone = tuple(i for i, c in enumerate(distinct) if c not in others)
            values.append((self.builder.reduce("sum", value, alone), "".join(c for c in distinct if c in others)))
        if len(values) == 1:
            value, term = values[0]
            return self.permute_dims(self.made(value), tuple(term.index(c) for c in output))
        (one, first), (two, second) = values
        shared = [c for c in first if c in second]
        batch = [c for c in shared if c in output]
        summed = [c for c in shared if c not in output]
        rows, columns = [c for c in first if c not in second], [c for c in second if c not in first]

        def arranged(value: Value, term: str, order: list[str], groups: list[list[str]]) -> Value:
            moved = self.permute_dims(self.made(value), tuple(term.index(c) for c in order)).value
            lengths = tuple(prod(sizes[c] for c in group) for group in groups)
            return self.builder.reshape(moved, (*(sizes[c] for c in batch), *lengths))

        if not summed:
            order = batch + rows + columns
            spread = [
                self.builder.view(v, tuple(sizes[c] for c in order), [(order.index(c), 1, 0) for c in term])
                for v, term in values
            ]
            product = self.elementwise("multiply", *[self.made(v) for v in spread])
        else:
            left = arranged(one, first, batch + rows + summed, [rows, summed])
            right = arranged(two, second, batch + summed + columns, [summed, columns])
            flat = self._contracted(left, right)
            order = batch + rows + columns
            product = self.made(self.builder.reshape(flat, tuple(sizes[c] for c in order)))
        return self.permute_dims(product, tuple(order.index(c) for c in output))


class Linalg:
    """The functions of the standard's `linalg` that are made of others."""

    def __init__(self, library: Lowering) -> None:
        self.vector_norm = library.vector_norm

    def __getattr__(self, name: str) -> Any:
        raise NotNative(f"the function linalg.{name}")


def _progression(index: Value, length: int, common: tuple[int, ...], first: int) -> AxisMap | None:
    """An index array that is known and counts evenly along one axis, such as np.arange(n), as an axis map."""
    if not isinstance(index, Constant):
        return None
    array = index.array
    if not array.size or array.min() < -length or array.max() >= length:
        return None
    array = np.where(array < 0, array + length, array)
    long = [i for i, n in enumerate(array.shape) if n > 1]
    start = int(array.reshape(-1)[0])
    if not long:
        return (-1, 0, start)
    if len(long) > 1:
        return None
    steps = np.diff(array.reshape(-1))
    if (steps != steps[0]).any():
        return None
    return (first + len(common) - array.ndim + long[0], int(steps[0]), start)


def _closed(script: Script) -> Program:
    """The program of a loop's step, which captures nothing and is wholly native."""
    if script.captured:
        raise NotNative("a step that reads what is not among its arguments")
    program = lowered(script, inside=True)
    for value in program.values():
        if isinstance(value, Call):
            raise NotNative(f"a step with a gate that has no native form, {value.details()}")
    return program


def lowered(script: Script, inside: bool = False) -> Program:
    """The program that computes what `script` says; `inside`, as part of a loop or branch."""
    builder = Builder()
    library = Lowering(builder, inside)
    handles: dict[Symbol, Handle] = {}
    inputs = []
    for position, symbol in enumerate((*script.inputs, *script.captured)):
        value = builder.input(position, *_layout(symbol))
        inputs.append(value)
        handles[symbol] = library.given(value, symbol)
    places: dict[Any, list[Value]] = {}
    gradients: list[Gradient] = []
    for symbol in script.symbols:
        operands = [handles[o] if isinstance(o, Symbol) else o for o in symbol.operands]
        builder.origin = origin = Origin(symbol)
        handles[symbol] = made = _lower(library, symbol, operands)
        if isinstance(made, Record):
            continue
        result = library.in_memory(made)
        if result.origin is origin:
            origin.result = result
        places.setdefault((symbol.code, symbol.instruction), []).append(result)
        found = [_whose(library, one, handles, places) for one in symbol.gradient_of]
        gradients += [Gradient(result, whose, builder.count) for whose in found if whose is not None]
    builder.origin = None
    results = [handles[o] if isinstance(o, Symbol) else library.handle(np.asarray(o)) for o in script.outputs]
    assumptions = [*(handles[a].value for a in script.assumptions), *library.assumptions]
    program = Program(
        tuple(inputs),
        tuple(library.in_memory(result) for result in results),
        tuple(dict.fromkeys(assumptions)),
        tuple(gradients),
        tuple(Spec(symbol.shape, symbol.dtype) for symbol in (*script.inputs, *script.captured)),
        tuple(Spec(result.shape, result.dtype) for result in results),
    )
    return relieved(program)


def _layout(spec: Any) -> tuple[tuple[int, ...], Any]:
    """The shape and dtype in memory of an array that has these outside."""
    return (
        ((*spec.shape, 2), np.zeros((), spec.dtype).real.dtype) if spec.dtype.kind == "c" else (spec.shape, spec.dtype)
    )


def _whose(
    library: Lowering, found: Any, handles: dict[Symbol, Handle], places: dict[Any, list[Value]]
) -> Value | str | None:
    """The value whose gradient a symbol is; the variable's name where its line was run several times."""
    if isinstance(found, Symbol):
        known = handles.get(found)
        return None if known is None or isinstance(known, Record) else library.in_memory(known)
    values = places.get(found, [])
    where = resolve(*found)
    return values[0] if len(values) == 1 else None if where is None else where.target


def _lower(library: Lowering, symbol: Symbol, operands: list[Any]) -> Handle:
    """A gate's value through its own forward, or through Python where that has no native form."""
    try:
        for dtype in (symbol.dtype, *(o.dtype for o in operands if isinstance(o, Handle))):
            if not _is_native(dtype):
                raise NotNative(f"dtype {dtype}")
        operands = [library.handle(o) if isinstance(o, np.ndarray | np.generic) else o for o in operands]
        made = library.handle(symbol.gate.forward(library, *operands))
        if made.shape != symbol.shape:
            raise NotNative(f"a result of shape {made.shape} in place of {symbol.shape}")
        if isinstance(made, Record):
            return made
        if made.dtype != symbol.dtype:
            made = library.astype(made, symbol.dtype)
        if isinstance(made, Complex):
            return Complex(made.real, made.imag, weak=symbol.weak, stored=made.stored)
        return Handle(library, made.value, symbol.weak)
    except (NotNative, CodeError, AttributeError, TypeError, ValueError, IndexError, NotImplementedError) as error:
        arguments = tuple(None if isinstance(o, Handle) else (o,) for o in operands)
        given = [o for o in operands if isinstance(o, Handle)]
        parts = tuple(map(library.in_memory, given))
        value = library.builder.call(symbol.gate, arguments, parts, *_layout(symbol))
        value.reason = str(error)  # type: ignore[attr-defined]
        value.dtypes = (*(handle.dtype for handle in given), symbol.dtype)  # type: ignore[attr-defined]
        return library.given(value, Spec(symbol.shape, symbol.dtype))


def _is_native(dtype: Any) -> bool:
    if dtype == np.float16:
        return Machine.host().has_halves
    return dtype.kind in "biufc" and dtype.itemsize <= (16 if dtype.kind == "c" else 8)
