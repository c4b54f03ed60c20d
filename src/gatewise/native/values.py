"""The language of the compiler: a handful of array values from which native loops are made.

A program is a graph of values, each with shape and dtype, each made once: `Builder` returns the value it has already
made from the same parts, so common subexpressions are found as they are written. `View` is an affine index map and
moves nothing; `Reshape` reads a contiguous array in another shape. `check` says what holds for every value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from gatewise.graph import Spec

Shape = tuple[int, ...]

#: How one axis of a source is reached from the axes of a view: (view axis or -1, stride, offset).
AxisMap = tuple[int, int, int]


class Origin:
    """What values are made for: a gate or input of the user's function. Only what is told about a program reads it."""

    __slots__ = ("result", "symbol")

    def __init__(self, symbol: Any) -> None:
        self.symbol = symbol
        self.result: Value | None = None  # that of the values made here which is the gate's result

    @property
    def derived(self) -> bool:
        """Whether a sweep asked for the gate, on behalf of the gate whose place it tells."""
        return bool(self.symbol.instruction < 0)

    @property
    def name(self) -> str | None:
        """The variable that the user's line assigns the result to."""
        where = self.symbol.where
        return None if where is None else where.target


class Value:
    """An array that the program computes or is given."""

    __slots__ = ("dtype", "number", "origin", "shape")

    shape: Shape
    dtype: np.dtype[Any]
    number: int
    origin: Origin | None

    @property
    def operands(self) -> tuple[Value, ...]:
        """The values it is computed from."""
        return ()

    @property
    def size(self) -> int:
        """Number of entries."""
        return prod(self.shape)

    def details(self) -> str:
        """Its parts, for printing."""
        return ""

    def __repr__(self) -> str:
        numbers = ", ".join(f"%{operand.number}" for operand in self.operands)
        shape = ", ".join(map(str, self.shape))
        return f"%{self.number} = {type(self).__name__.lower()} {self.details()}({numbers}): {self.dtype}[{shape}]"


class Input(Value):
    """An argument of the program."""

    __slots__ = ("position",)
    position: int

    def details(self) -> str:
        return str(self.position)


class Constant(Value):
    """An array known when the program is made."""

    __slots__ = ("array",)
    array: Any

    def details(self) -> str:
        return f"{self.array!r:.30}" if self.size == 1 else ""


class Map(Value):
    """A scalar function applied entry by entry to operands of the same shape."""

    __slots__ = ("function", "parts")
    function: str
    parts: tuple[Value, ...]

    @property
    def operands(self) -> tuple[Value, ...]:
        return self.parts

    def details(self) -> str:
        return self.function


class View(Value):
    """Entries of a source at an affine function of the index."""

    __slots__ = ("axes", "source")
    source: Value
    axes: tuple[AxisMap, ...]

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.source,)

    def details(self) -> str:
        return (
            "["
            + ", ".join(f"i{axis}*{step}+{start}" if axis >= 0 else f"{start}" for axis, step, start in self.axes)
            + "]"
        )


class Reshape(Value):
    """The entries of a source, in order, in another shape."""

    __slots__ = ("source",)
    source: Value

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.source,)


class Iota(Value):
    """The index along one axis, as int64."""

    __slots__ = ("axis",)
    axis: int

    def details(self) -> str:
        return str(self.axis)


class Reduce(Value):
    """A source folded over some axes (sorted) with sum, prod, max, min, any or all."""

    __slots__ = ("axes", "function", "source")
    function: str
    source: Value
    axes: tuple[int, ...]

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.source,)

    def details(self) -> str:
        return f"{self.function}{list(self.axes)}"


class Accumulate(Value):
    """Running totals along one axis: each entry is a function of the one before it and of what comes in at its place.

    The first entry is the first of the source. After it, "sum" and "prod" add and multiply what comes in, "linear" adds
    it to the entry before times a factor of the same shape.
    """

    __slots__ = ("axis", "function", "parts")
    function: str
    parts: tuple[Value, ...]  # what comes in, and for "linear" the factors
    axis: int

    @property
    def operands(self) -> tuple[Value, ...]:
        return self.parts

    def details(self) -> str:
        return f"{self.function}[{self.axis}]"


class Product(Value):
    """The matrix product of (..., m, k) and (..., k, n), whose leading axes are equal."""

    __slots__ = ("left", "right")
    left: Value
    right: Value

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.left, self.right)


class Convolve(Value):
    """A convolutional layer or one of its gradients: a gate, and as `spec` (a ``convolution.ConvolutionSpec``) says."""

    __slots__ = ("gate", "left", "right", "spec")
    gate: Any
    left: Value
    right: Value
    spec: Any

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.left, self.right)

    def details(self) -> str:
        return str(self.spec.direction)


class Gather(Value):
    """Entries of a source at integer index arrays: per source axis an axis map of the result, or a number of an index.

    Index arrays are values of the result's shape (views that repeat them). An index from the end may be negative.
    """

    __slots__ = ("axes", "indices", "source")
    source: Value
    indices: tuple[Value, ...]
    axes: tuple[AxisMap | int, ...]

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.source, *self.indices)


class Assemble(Value):
    """A base (of this shape) into whose entries pieces are written, one after the other.

    Per piece: for each axis of the piece's shape ... `places` give, per axis of this value, how it is reached from the
    axes of the piece; `added`, whether the piece is added to what is there.
    """

    __slots__ = ("base", "pieces", "places")
    base: Value
    pieces: tuple[Value, ...]
    places: tuple[tuple[AxisMap, ...], ...]

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.base, *self.pieces)


class Scatter(Value):
    """A base into which entries of a piece are written or added at integer index arrays, one after the other."""

    __slots__ = ("added", "axes", "base", "indices", "piece")
    base: Value
    piece: Value
    indices: tuple[Value, ...]
    axes: tuple[AxisMap | int, ...]
    added: bool

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.base, self.piece, *self.indices)


class Call(Value):
    """A gate that is run by Python inside the program; `dtypes` are those of its operands and its result there."""

    __slots__ = ("arguments", "dtypes", "gate", "parts", "reason")
    gate: Any
    reason: str
    parts: tuple[Value, ...]
    dtypes: tuple[np.dtype[Any], ...]
    arguments: tuple[Any, ...]  # per operand of the gate None for the next of `parts`, else the constant in a 1-tuple

    @property
    def operands(self) -> tuple[Value, ...]:
        return self.parts

    def details(self) -> str:
        return str(self.gate.name or self.gate.label())

    def run(self, arrays: Iterable[Any]) -> Any:
        """What the gate gives for its operands as they lie in memory."""
        parts = (as_outside(array, dtype) for array, dtype in zip(arrays, self.dtypes, strict=False))
        operands = [next(parts)[()] if given is None else given[0] for given in self.arguments]
        return self.gate.forward(np, *operands)


class Repeat(Value):
    """A program run once for each step of a scan, or as long as a condition holds, or only if it does; no array itself.

    The body takes carries, then what changes from step to step (`scanned` arrays, read along their first axis), then
    what stays; it gives the new carries, then what is stacked. With `condition`, a program of carries and what stays,
    the body is repeated while that gives True; with `otherwise`, the first operand says which of the two is run once.
    """

    __slots__ = ("body", "carries", "condition", "length", "otherwise", "parts", "reverse", "scanned")
    body: Program
    carries: int
    scanned: int
    length: int
    reverse: bool
    condition: Program | None
    otherwise: Program | None
    parts: tuple[Value, ...]

    @property
    def operands(self) -> tuple[Value, ...]:
        return self.parts

    def details(self) -> str:
        return f"{self.length} times" if self.condition is None else "while"


class Result(Value):
    """One of the results of a `Repeat`: the last carries, then what is stacked."""

    __slots__ = ("place", "source")
    source: Repeat
    place: int

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.source,)

    def details(self) -> str:
        return str(self.place)


@dataclass(frozen=True)
class Gradient:
    """Whose gradient a value is: another value's, or a variable's. Only what is told about a program reads it."""

    value: Value
    whose: Value | str
    place: int  # how many values there were when a sweep found it


@dataclass(frozen=True)
class Program:
    """What is to be compiled: inputs, and the values that are results or must turn out False (`assumptions`).

    `arguments` and `results` are what inputs and outputs are outside, where pairs of reals are complex numbers.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Value, ...]
    assumptions: tuple[Value, ...]
    gradients: tuple[Gradient, ...] = ()
    arguments: tuple[Spec, ...] = ()
    results: tuple[Spec, ...] = ()

    def values(self) -> list[Value]:
        """Every value that is needed, operands before users."""
        return reachable((*self.outputs, *self.assumptions))


def as_outside(array: Any, dtype: Any) -> Any:
    """An array in memory with the dtype that it has outside: pairs of reals as complex numbers."""
    return np.ascontiguousarray(array).view(dtype)[..., 0] if dtype.kind == "c" else array


def as_inside(array: Any, dtype: Any) -> Any:
    """An array as it lies in memory: complex numbers as pairs of reals."""
    array = np.asarray(array, dtype)
    return np.stack([array.real, array.imag], axis=-1) if dtype.kind == "c" else array


def reachable(outputs: Iterable[Value]) -> list[Value]:
    """The values that outputs are computed from, themselves included, operands before users."""
    found: set[Value] = set()
    stack = list(outputs)
    while stack:
        value = stack.pop()
        if value not in found:
            found.add(value)
            stack.extend(value.operands)
    return sorted(found, key=lambda value: value.number)


class Builder:
    """Makes values, each once."""

    def __init__(self) -> None:
        self.known: dict[Any, Value] = {}
        self.owned: list[Any] = []
        self.count = 0
        self.origin: Origin | None = None

    def _make(self, kind: type[Value], shape: Shape, dtype: Any, **parts: Any) -> Any:
        key = (kind, shape, dtype, *[parts[name] for name in sorted(parts)])
        value = self.known.get(key)
        if value is None:
            value = kind()
            value.shape, value.dtype, value.number, value.origin = shape, dtype, self.count, self.origin
            self.count += 1
            for name, part in parts.items():
                setattr(value, name, part)
            self.known[key] = value
        return value

    def remade(self, value: Value, operands: Mapping[Value, Value]) -> Value:
        """The same value, made by another builder, from operands that stand here for its own."""

        def moved(part: Any) -> Any:
            if isinstance(part, Value):
                return operands[part]
            if isinstance(part, tuple):
                return tuple([operands[item] if isinstance(item, Value) else item for item in part])
            return part

        parts = {name: moved(getattr(value, name)) for name in type(value).__slots__}
        if not isinstance(value, Call | Repeat | Constant):
            made: Value = self._make(type(value), value.shape, value.dtype, **parts)
            return made
        fresh: Value = _fresh(self, type(value)(), value.shape, value.dtype)
        for name, part in parts.items():
            setattr(fresh, name, part)
        return fresh

    def input(self, position: int, shape: Shape, dtype: Any) -> Input:
        """Argument number `position`."""
        made: Input = self._make(Input, shape, np.dtype(dtype), position=position)
        return made

    def constant(self, array: Any) -> Value:
        """A known array; one number repeated becomes a view of that number."""
        array = np.asarray(array)
        if array.size and array.shape and not any(array.strides):
            return self.broadcast(self.constant(array[(0,) * array.ndim]), array.shape)
        if array.size > 1:
            first = array[(0,) * array.ndim]
            if array.size <= 1 << 16 and array.tobytes() == first.tobytes() * array.size:
                return self.broadcast(self.constant(first), array.shape)
            key = (Constant, array.shape, array.dtype, array.tobytes() if array.nbytes <= 1 << 12 else id(array))
        else:
            key = (Constant, array.shape, array.dtype, array.tobytes())
        known = self.known.get(key)
        if known is None:
            known = Constant()
            known.shape, known.dtype, known.number, known.origin = array.shape, array.dtype, self.count, self.origin
            known.array = array.copy()  # its owner may write into it
            self.count += 1
            self.known[key] = known
            self.owned.append(array)  # and while it is here, no other array has its id
        return known

    def map(self, function: str, *parts: Value, dtype: Any) -> Value:
        """`function` of parts of one shape, dtypes as the function wants them."""
        if function in COMMUTATIVE and parts[0].number > parts[1].number:
            parts = parts[::-1]
        simple = simplified(self, function, parts, dtype)
        if simple is None and function == "add":
            simple = self._added(*parts)
        if simple is not None:
            return simple
        made: Value = self._make(Map, parts[0].shape, np.dtype(dtype), function=function, parts=parts)
        return made

    def cast(self, value: Value, dtype: Any) -> Value:
        """The same numbers in another dtype."""
        dtype = np.dtype(dtype)
        if value.dtype == dtype:
            return value
        if isinstance(value, Constant):
            return self.constant(value.array.astype(dtype))
        if isinstance(value, View) and value.source.size <= value.size:
            return self.view(self.cast(value.source, dtype), value.shape, value.axes)
        made: Value = self._make(Map, value.shape, dtype, function="cast", parts=(value,))
        return made

    def view(self, source: Value, shape: Shape, axes: Sequence[AxisMap]) -> Value:
        """Entries of `source` where `axes` say."""
        axes = tuple((a, s, o) if a >= 0 and shape[a] != 1 else (-1, 0, o) for a, s, o in axes)
        if shape == source.shape and all(
            axis == (i, 1, 0) or (n == 1 and axis == (-1, 0, 0))
            for i, (axis, n) in enumerate(zip(axes, shape, strict=True))
        ):
            return source
        if isinstance(source, View):
            composed = []
            for axis, step, start in source.axes:
                if axis < 0:
                    composed.append((-1, 0, start))
                else:
                    outer, outer_step, outer_start = axes[axis]
                    composed.append((outer, step * outer_step, start + step * outer_start))
            return self.view(source.source, shape, composed)
        made: Value = self._make(View, shape, source.dtype, source=source, axes=axes)
        return made

    def broadcast(self, source: Value, shape: Shape) -> Value:
        """`source` repeated to `shape`, as NumPy broadcasts."""
        extra = len(shape) - len(source.shape)
        axes = [(extra + i, 1, 0) if n == shape[extra + i] else (-1, 0, 0) for i, n in enumerate(source.shape)]
        return self.view(source, shape, axes)

    def reshape(self, source: Value, shape: Shape) -> Value:
        """The entries of `source`, in order, in another shape."""
        if shape == source.shape:
            return source
        if [n for n in shape if n != 1] == [n for n in source.shape if n != 1]:  # only axes of length 1 come and go
            places = [i for i, n in enumerate(shape) if n != 1]
            rest = iter(places)
            return self.view(source, shape, [(next(rest), 1, 0) if n != 1 else (-1, 0, 0) for n in source.shape])
        if isinstance(source, View) and not isinstance(source.source, View) and source.source.size == 1:
            return self.broadcast(self.view(source.source, (), [(-1, 0, o) for _, _, o in source.axes]), shape)
        if isinstance(source, Reshape):
            return self.reshape(source.source, shape)
        if isinstance(source, Constant):
            return self.constant(source.array.reshape(shape))
        made: Value = self._make(Reshape, shape, source.dtype, source=source)
        return made

    def iota(self, shape: Shape, axis: int) -> Value:
        """The index along `axis`."""
        made: Value = self._make(Iota, shape, np.dtype(np.int64), axis=axis)
        return made

    def reduce(self, function: str, source: Value, axes: tuple[int, ...]) -> Value:
        """`source` folded over `axes`, which disappear."""
        if not axes:
            return source
        if function == "any" and len(axes) == len(source.shape):
            found = self._any_of_pieces(source)
            if found is not None:
                return found
        if function == "sum" and isinstance(source, Product):
            summed = self._sum_of_products(source, axes)
            if summed is not None:
                return summed
        if function == "sum" and isinstance(source, Map) and source.function == "negative":
            (negated,) = source.parts
            if isinstance(negated, Product):
                return self.map("negative", self.reduce("sum", negated, axes), dtype=source.dtype)
        shape = tuple(n for i, n in enumerate(source.shape) if i not in axes)
        made: Value = self._make(Reduce, shape, source.dtype, function=function, source=source, axes=axes)
        return made

    def _sum_of_products(self, source: Product, axes: tuple[int, ...]) -> Value | None:
        """The sum of a product's entries as a product of less: None where something would have to be copied for that.

        The sum of its rows is the product of the sum of the left operand's rows, likewise for columns; and the sum over
        a leading axis is a product with a longer inner axis.
        """
        batch = len(source.shape) - 2
        left, right = source.left, source.right
        if batch in axes:
            left = self._summed(left, batch)
        if batch + 1 in axes:
            right = self._summed(right, batch + 1)
        for axis in reversed([axis for axis in axes if axis < batch]):
            longer = _merged(self, left, axis, len(left.shape) - 1)
            deeper = _merged(self, right, axis, len(right.shape) - 2)
            if longer is None or deeper is None:
                return None
            left, right = longer, deeper
        made = self.product(left, right)
        return self.reshape(made, tuple(n for i, n in enumerate(source.shape) if i not in axes))

    def _summed(self, value: Value, axis: int) -> Value:
        """The sum over an axis, which stays with length 1."""
        shape = tuple(1 if i == axis else n for i, n in enumerate(value.shape))
        return self.reshape(self.reduce("sum", value, (axis,)), shape)

    def _any_of_pieces(self, source: Value) -> Value | None:
        """Whether NaN stands anywhere in pieces laid into zeros: in one of the pieces."""
        if not (isinstance(source, Map) and source.function == "isnan"):
            return None
        whole = source.parts[0]
        if not isinstance(whole, Assemble):
            return None
        if number_of(whole.base) is None:
            return None
        total: Value | None = None
        for piece in whole.pieces:
            test = self.map("isnan", piece, dtype=source.dtype)
            found = self.reduce("any", test, tuple(range(len(piece.shape))))
            total = found if total is None else self.map("logical_or", total, found, dtype=source.dtype)
        return total

    def accumulate(self, function: str, parts: tuple[Value, ...], axis: int) -> Value:
        """Running totals along an axis."""
        source = parts[0]
        if source.shape[axis] < 2 or not source.size:
            return source
        made: Value = self._make(Accumulate, source.shape, source.dtype, function=function, parts=parts, axis=axis)
        return made

    def product(self, left: Value, right: Value) -> Value:
        """Matrix product of the last two axes; leading axes equal."""
        shape = (*left.shape[:-1], right.shape[-1])
        made: Value = self._make(Product, shape, left.dtype, left=left, right=right)
        return made

    def convolve(self, gate: Any, left: Value, right: Value, spec: Any, shape: Shape) -> Value:
        """A convolutional layer or one of its gradients."""
        made: Value = self._make(Convolve, shape, left.dtype, gate=gate, left=left, right=right, spec=spec)
        return made

    def gather(self, source: Value, shape: Shape, axes: tuple[AxisMap | int, ...], indices: tuple[Value, ...]) -> Value:
        """Entries of `source` at index arrays."""
        made: Value = self._make(Gather, shape, source.dtype, source=source, indices=indices, axes=axes)
        return made

    def assemble(self, base: Value, pieces: Sequence[tuple[Value, tuple[AxisMap, ...]]]) -> Value:
        """`base` with pieces written into it."""
        if len(pieces) == 1 and pieces[0][0].size == base.size:  # one piece that covers all: its entries elsewhere
            piece, place = pieces[0]
            back = {axis: (i, step, -start * step) for i, (axis, step, start) in enumerate(place) if axis >= 0}
            if all(abs(step) == 1 for axis, step, _ in place if axis >= 0):
                return self.view(piece, base.shape, [back.get(i, (-1, 0, 0)) for i in range(len(piece.shape))])
        pieces = [_narrowed(self, *part) for laid in pieces for part in _unfolded(self, *laid)]
        values, places = tuple(piece for piece, _ in pieces), tuple(place for _, place in pieces)
        if isinstance(base, Assemble):
            values, places = base.pieces + values, base.places + places
            base = base.base
        made: Value = self._make(Assemble, base.shape, base.dtype, base=base, pieces=values, places=places)
        return made

    def _added(self, one: Value, other: Value) -> Value | None:
        """The sum of two values made of pieces laid into zeros, as pieces laid into zeros; None for other values.

        So the gradients of many slices of one array become one array that is written once.
        """
        if not (isinstance(one, Assemble) and isinstance(other, Assemble) and one.dtype.kind == "f"):
            return None
        if number_of(one.base) != 0 or number_of(other.base) != 0:
            return None
        merged = dict(zip(one.places, one.pieces, strict=True))
        alone = set(merged)
        if len(merged) != len(one.pieces) or len(set(other.places)) != len(other.pieces):
            return None
        for places, piece in zip(other.places, other.pieces, strict=True):
            if places in merged and merged[places].shape == piece.shape:
                merged[places] = self.map("add", merged[places], piece, dtype=piece.dtype)
                alone.discard(places)
            elif all(are_apart((places, piece), (p, merged[p])) for p in merged):
                merged[places] = piece
                alone.add(places)
            else:
                return None
        zero = self.constant(np.zeros((), one.dtype))
        pieces = [  # adding the zero that stands there in the other array makes 0 of -0
            (
                self.map("add", piece, self.broadcast(zero, piece.shape), dtype=piece.dtype)
                if places in alone
                else piece,
                places,
            )
            for places, piece in merged.items()
        ]
        return self.assemble(one.base, pieces)

    def scatter(
        self, base: Value, piece: Value, axes: tuple[AxisMap | int, ...], indices: tuple[Value, ...], added: bool
    ) -> Value:
        """`base` with a piece written or added at index arrays."""
        made: Value = self._make(
            Scatter, base.shape, base.dtype, base=base, piece=piece, indices=indices, axes=axes, added=added
        )
        return made

    def call(self, gate: Any, arguments: tuple[Any, ...], parts: tuple[Value, ...], shape: Shape, dtype: Any) -> Value:
        """A gate left to Python."""
        value: Call = _fresh(self, Call(), shape, dtype)
        value.gate, value.arguments, value.parts = gate, arguments, parts
        return value

    def repeat(
        self,
        body: Program,
        parts: tuple[Value, ...],
        carries: int,
        scanned: int = 0,
        length: int = 0,
        reverse: bool = False,
        condition: Program | None = None,
        otherwise: Program | None = None,
    ) -> list[Value]:
        """The results of a program that is repeated, or chosen."""
        made: Repeat = _fresh(self, Repeat(), (0,), np.dtype(bool))
        made.body, made.parts, made.carries, made.scanned = body, parts, carries, scanned
        made.length, made.reverse, made.condition, made.otherwise = length, reverse, condition, otherwise
        results: list[Value] = []
        for place, output in enumerate(body.outputs):
            shape = output.shape if place < carries or otherwise is not None else (length, *output.shape)
            results.append(self._make(Result, shape, output.dtype, source=made, place=place))
        return results


#: Functions whose operands may change places without a bit of difference.
COMMUTATIVE = frozenset({"add", "multiply", "equal", "not_equal", "logical_and", "logical_or", "logical_xor"})


#: Pieces from which on only neighbours are compared.
MANY = 64

Laid = tuple[tuple[AxisMap, ...], Value]


def are_apart(one: Laid, other: Laid) -> bool:
    """Whether two pieces, laid at their places, have no entry in common."""
    for (axis, step, start), (axis2, step2, start2) in zip(one[0], other[0], strict=True):
        n = one[1].shape[axis] if axis >= 0 else 1
        n2 = other[1].shape[axis2] if axis2 >= 0 else 1
        ends, ends2 = (start, start + step * (n - 1)), (start2, start2 + step2 * (n2 - 1))
        if max(ends) < min(ends2) or max(ends2) < min(ends):
            return True
        if abs(step) == abs(step2) > 1 and (start - start2) % step:
            return True
    return False


def _rest_of(builder: Builder, whole: Assemble) -> list[tuple[tuple[AxisMap, ...], Value]]:
    """What pieces that are slabs across one axis leave of a base that is one number, as further pieces."""
    number = number_of(whole.base)
    across = {
        axis
        for place, piece in zip(whole.places, whole.pieces, strict=True)
        for axis in range(len(place))
        if _extent(place[axis], piece) != whole.shape[axis]
    }
    if number is None or len(across) != 1:
        return []
    (axis,) = across
    taken: set[int] = set()
    for place, piece in zip(whole.places, whole.pieces, strict=True):
        step, start, n = place[axis][1], place[axis][2], _extent(place[axis], piece)
        taken |= {start + step * i for i in range(n)}
    free = [i for i in range(whole.shape[axis]) if i not in taken]
    shape = tuple(1 if i == axis else n for i, n in enumerate(whole.shape))
    filling = builder.broadcast(builder.constant(np.asarray(number, whole.dtype)), shape)
    return [
        (tuple((-1, 0, i) if a == axis else (a, 1, 0) for a in range(len(shape))), filling) for i in free[: MANY + 1]
    ]


def _extent(axis_map: AxisMap, piece: Value) -> int:
    """How far a piece reaches along an axis."""
    return piece.shape[axis_map[0]] if axis_map[0] >= 0 else 1


def _unfolded(builder: Builder, piece: Value, places: tuple[AxisMap, ...]) -> list[tuple[Value, tuple[AxisMap, ...]]]:
    """A piece that is wholly assembled of pieces itself, as those, at the places where they come to lie."""
    axes: Sequence[AxisMap] = [(i, 1, 0) for i in range(len(piece.shape))]
    whole = piece
    if isinstance(piece, View) and all(step == 1 and start == 0 for axis, step, start in piece.axes if axis >= 0):
        whole, axes = piece.source, piece.axes
    if not isinstance(whole, Assemble) or whole.size != piece.size:
        return [(piece, places)]
    laid = list(zip(whole.places, whole.pieces, strict=True))
    if sum(p.size for p in whole.pieces) != whole.size:
        laid += _rest_of(builder, whole)
    if sum(p.size for _, p in laid) != whole.size or len(laid) > MANY:
        return [(piece, places)]
    if not all(are_apart(one, other) for i, one in enumerate(laid) for other in laid[i + 1 :]):
        return [(piece, places)]
    source_of = {axis: i for i, (axis, _, _) in enumerate(axes) if axis >= 0}
    found = []
    for inner, small in laid:
        composed: list[AxisMap] = []
        for axis, step, start in places:
            if axis < 0 or axis not in source_of:
                composed.append((-1, 0, start))
            else:
                place, inner_step, inner_start = inner[source_of[axis]]
                composed.append((place, step * inner_step, start + step * inner_start))
        found.append((small, tuple(composed)))
    return found


def _merged(builder: Builder, value: Value, axis: int, inner: int) -> Value | None:
    """`value` without `axis`, which goes into the axis `inner` behind it; None where that would take a copy."""
    source = value.source if isinstance(value, View) else value
    axes = list(value.axes) if isinstance(value, View) else [(i, 1, 0) for i in range(len(value.shape))]
    length, depth = value.shape[axis], value.shape[inner]
    outer = [place for place, axis_map in enumerate(axes) if axis_map[0] == axis]
    within = [place for place, axis_map in enumerate(axes) if axis_map[0] == inner]
    if len(outer) > 1 or (depth > 1 and len(within) != 1):
        return None
    if depth > 1 and length > 1:
        if not outer or within[0] != outer[0] + 1:
            return None
        place = outer[0]
        if axes[place][1:] != (1, 0) or axes[place + 1][1:] != (1, 0):
            return None
        if source.shape[place : place + 2] != (length, depth):
            return None
        source = builder.reshape(source, (*source.shape[:place], length * depth, *source.shape[place + 2 :]))
        axes[place : place + 2] = [(inner, 1, 0)]
    elif outer:
        axes[outer[0]] = (inner, *axes[outer[0]][1:])
    elif length > 1:
        return None  # the same entry again and again: its sum is no product of entries that lie in a row
    shape = list(value.shape)
    shape[inner] = length * depth
    del shape[axis]
    return builder.view(source, tuple(shape), [(a - (a > axis), s, o) if a >= 0 else (a, s, o) for a, s, o in axes])


def _narrowed(builder: Builder, piece: Value, places: tuple[AxisMap, ...]) -> tuple[Value, tuple[AxisMap, ...]]:
    """A piece without its axes of length 1, so that pieces of as many entries can be written by one loop."""
    kept = [axis for axis, length in enumerate(piece.shape) if length != 1]
    number = {axis: i for i, axis in enumerate(kept)}
    shape = tuple(piece.shape[axis] for axis in kept)
    at = [(number[axis], step, start) if axis in number else (-1, 0, start) for axis, step, start in places]
    return builder.reshape(piece, shape), tuple(at)


def _fresh(builder: Builder, value: Any, shape: Shape, dtype: Any) -> Any:
    value.shape, value.dtype, value.number, value.origin = shape, np.dtype(dtype), builder.count, builder.origin
    builder.count += 1
    return value


def number_of(value: Value) -> Any:
    """The one number that a value is everywhere, if that is known; else None."""
    while isinstance(value, View):
        value = value.source
    known = isinstance(value, Constant) and value.size == 1 and value.dtype.kind in "biuf"
    return value.array.reshape(())[()] if known else None  # type: ignore[attr-defined]


def simplified(builder: Builder, function: str, parts: tuple[Value, ...], dtype: Any) -> Value | None:
    """A simpler value that is equal to ``function(*parts)`` to the last bit, signed zeros and NaN included, or None."""
    numbers = [number_of(part) for part in parts]
    if len(parts) == 2 and parts[0].dtype == dtype:
        x, y = parts
        a, b = numbers
        if function == "multiply" and b == 1:
            return x
        if function == "multiply" and a == 1:
            return y
        if function == "divide" and b == 1:
            return x
        if function == "subtract" and b == 0 and not np.signbit(b):
            return x
        if function == "add" and b == 0 and (np.dtype(dtype).kind != "f" or np.signbit(b)):
            return x
        if function == "add" and a == 0 and (np.dtype(dtype).kind != "f" or np.signbit(a)):
            return y
        if function == "pow" and b is not None and np.dtype(dtype).kind == "f":
            if b == 2:
                return builder.map("multiply", x, x, dtype=dtype)
            if b == 1:
                return x
            if b == 0.5:
                return builder.map("sqrt", x, dtype=dtype)
            if b == -1:
                one = builder.broadcast(builder.constant(np.ones((), dtype)), x.shape)
                return builder.map("divide", one, x, dtype=dtype)
    if function == "where" and numbers[0] is not None:
        return parts[1] if numbers[0] else parts[2]
    if function == "where" and parts[1] is parts[2]:
        return parts[1]
    if function == "negative" and isinstance(parts[0], Map) and parts[0].function == "negative":
        return parts[0].parts[0]
    if all(number is not None for number in numbers) and function in FOLDED:
        with np.errstate(all="ignore"):
            known = np.asarray(getattr(np, FOLDED[function])(*numbers)).astype(dtype)
        return builder.broadcast(builder.constant(known), parts[0].shape)
    return None


#: Functions that NumPy computes exactly as native code does, so that known operands give a known result.
FOLDED = {
    name: name
    for name in (
        *("add", "subtract", "multiply", "divide", "negative", "sqrt", "abs", "maximum", "minimum", "where"),
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isfinite", "isnan", "isinf"),
        *("logical_and", "logical_or", "logical_not", "sign"),
    )
}


#: Functions that NumPy lacks, and one of the same dtypes.
PROMOTED_AS = dict.fromkeys(
    [
        *("sigmoid", "erf", "erfc", "erfinv", "erfcinv", "ndtr", "ndtri", "log_ndtr"),
        *("gamma", "gammaln", "psi", "trigamma", "i0", "i1", "i0e", "i1e"),
    ],
    "exp",
)


def of_numpy_or_scipy(function: str) -> Any:
    """NumPy's function of a name, or SciPy's where NumPy has none."""
    if function == "trigamma":
        return partial(import_module("scipy.special").zeta, 2.0)
    own = None if function == "i0" else getattr(np, function, None)  # of which NumPy's always gives an array of doubles
    return own or getattr(import_module("scipy.special"), function)


@lru_cache(maxsize=4096)
def result_dtype(function: str, kinds: tuple[Any, ...]) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """What NumPy makes of dtypes, or of Python's types of numbers: the operands' common dtype and the result's."""
    operands = [np.ones((0,), kind) if isinstance(kind, np.dtype) else kind(1) for kind in kinds]
    with np.errstate(all="ignore"):
        result = np.asarray(getattr(np, PROMOTED_AS.get(function, function))(*operands)).dtype
    common = np.result_type(*[o.dtype if isinstance(o, np.ndarray) else o for o in operands])
    if result.kind in "fc" and (common.kind in "iub" or common.itemsize < result.itemsize):
        common = result
    return common, result


def check(program: Program) -> None:
    """Raise AssertionError unless every value is as it should be; run after each pass."""
    for value in program.values():
        for operand in value.operands:
            assert operand.number < value.number or isinstance(value, Call), (
                f"{value} comes before its operand {operand}"
            )
        if isinstance(value, Map | Accumulate):
            assert all(part.shape == value.shape for part in value.parts), f"{value}: operands differ in shape"
        elif isinstance(value, View):
            assert len(value.axes) == len(value.source.shape), f"{value}: an axis map per source axis"
            for (axis, step, start), n in zip(value.axes, value.source.shape, strict=True):
                last = start + (step * (value.shape[axis] - 1) if axis >= 0 else 0)
                assert not value.size or (0 <= start < n and 0 <= last < n), f"{value} leaves its source {value.source}"
        elif isinstance(value, Reshape):
            assert value.size == value.source.size, f"{value}: the number of entries changes"
        elif isinstance(value, Reduce):
            kept = tuple(n for i, n in enumerate(value.source.shape) if i not in value.axes)
            assert value.shape == kept, f"{value}: its shape is not what is left of its source"
        elif isinstance(value, Product):
            left, right = value.left.shape, value.right.shape
            assert (*left[:-2], left[-1]) == (*right[:-2], right[-2]), f"{value}: {left} @ {right}"
