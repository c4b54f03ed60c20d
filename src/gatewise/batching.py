"""`vmap`: a function of one example applied to many at once, without a loop.

Inside the mapped function every traced value stands for one example, but carries all of them: its value is a
`Batched`, an array with a hidden leading axis. A `Batched` is one more array library: it has a namespace of its own, in
which every function of the standard that a gate's forward uses acts on the examples' axes and leaves the hidden one
alone. So gates, local gradients and sweeps work on it as they are, and gradients per example come out of one ordinary
sweep. Functions that the namespace does not know are applied example by example, which is right, if slow.

What the mapped function captured from outside stays what it is: an Array of an enclosing transform is handed to the
namespace whole, whose functions are the catalogue's own, so it is differentiated as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from types import SimpleNamespace
from typing import Any

import numpy as np

from gatewise import gates, tree
from gatewise.array import Array
from gatewise.errors import CodeError, ShapeError, TracedValueError
from gatewise.gates.conversion import INPUT
from gatewise.graph import NUMPY_TYPES, Leaf, Node, Tracked, apply, arrayed, captured, dtype_name, now


class Batched:
    """Many examples as one: `inner` has a leading axis of examples that `shape` does not tell of."""

    __slots__ = ("inner", "level")

    def __init__(self, inner: Any, level: int) -> None:
        self.inner = inner
        self.level = level  # nodes made before this order belong to enclosing transforms

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(self.inner.shape[1:])

    @property
    def ndim(self) -> int:
        """The number of axes of one example."""
        return len(self.inner.shape) - 1

    @property
    def dtype(self) -> Any:
        """The dtype of the examples."""
        return self.inner.dtype

    @property
    def count(self) -> int:
        """How many examples there are."""
        return int(self.inner.shape[0])

    def carried(self) -> BatchArray:
        """An Array with this value, that wants no gradient of its own."""
        return carried(self)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return BATCHED

    def __getitem__(self, key: Any) -> Batched:
        return BATCHED.getitem(self, key if isinstance(key, tuple) else (key,))

    def __bool__(self) -> bool:
        raise TracedValueError(
            "inside vmap a value stands for many examples at once, so Python cannot branch on it: use np.where, or map "
            "with a loop"
        )

    __array_ufunc__ = None  # NumPy's operators leave the work to ours

    def __repr__(self) -> str:
        return f"Batched({self.count} examples of {dtype_name(self.dtype)}{list(self.shape)})"


def _level(*operands: Any) -> int:
    """The innermost of the operands' maps."""
    return max(operand.level for operand in operands if isinstance(operand, Batched))


def _aligned(operands: Sequence[Any]) -> list[Any]:
    """The operands' inner arrays with their examples' axes lined up at the last one, as broadcasting wants them."""
    level = _level(*operands)
    ndim = max(len(getattr(operand, "shape", ())) for operand in operands)
    inner = []
    for operand in operands:
        if not isinstance(operand, Batched) or operand.level < level:
            inner.append(operand)
        elif operand.ndim < ndim:
            missing = (1,) * (ndim - operand.ndim)
            inner.append(gates.reshape(operand.inner, (operand.count, *missing, *operand.shape)))
        else:
            inner.append(operand.inner)
    return inner


def _elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    """An element-wise function of the catalogue, for examples."""

    def mapped(*operands: Any) -> Batched:
        return Batched(function(*_aligned(operands)), _level(*operands))

    return mapped


def _operator(function: Callable[..., Any]) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """The operator methods of a function; a traced operand of the same map, or of one inside, goes first."""
    mapped = _elementwise(function)

    def forward(x: Batched, y: Any) -> Any:
        return NotImplemented if _is_outranked(x, y) else (function if _is_inside(x, y) else mapped)(x, y)

    def reflected(x: Batched, y: Any) -> Any:
        return NotImplemented if _is_outranked(x, y) else (function if _is_inside(x, y) else mapped)(y, x)

    return forward, reflected


def _is_inside(x: Batched, other: Any) -> bool:
    """Whether `other` was computed from a leaf made inside the mapped function, if the same for every example."""
    return isinstance(other, Tracked) and other.node.leaf > x.level


def _is_outranked(x: Batched, other: Any) -> bool:
    """Whether `other` belongs to the same map as a traced value, or to one inside it: then it computes."""
    level = getattr(other.value if isinstance(other, Tracked) else other, "level", 0)
    return bool(level >= x.level if isinstance(other, Tracked) else level > x.level and not isinstance(other, Batched))


def _reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction of the catalogue over the examples' axes."""

    def mapped(x: Batched, axis: Any = None, keepdims: bool = False, **options: Any) -> Batched:
        axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        shifted = tuple(a % x.ndim + 1 for a in axes)
        return Batched(function(x.inner, axis=shifted, keepdims=keepdims, **options), x.level)

    return mapped


_ELEMENTWISE = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "pow",
    "remainder",
    "floor_divide",
    "negative",
    "exp",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "sqrt",
    "sigmoid",
    "relu",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "atan2",
    "sinh",
    "cosh",
    "tanh",
    "maximum",
    "minimum",
    "sign",
    "floor",
    "ceil",
    "round",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "bitwise_invert",
    "real",
    "imag",
    "conj",
    "abs",
    "where",
]
_REDUCTIONS = ["sum", "mean", "prod", "max", "min"]


class _BatchedNamespace:
    """The functions of the Array API standard that gates use, for `Batched` arrays."""

    __name__ = "batched"

    float32, float64, complex64, complex128 = "float32", "float64", "complex64", "complex128"
    int64, int32, bool = "int64", "int32", "bool"

    def __init__(self) -> None:
        for name in _ELEMENTWISE:
            setattr(self, name, _elementwise(getattr(gates, name)))
        for name in _REDUCTIONS:
            setattr(self, name, _reduction(getattr(gates, name)))

    def run(self, gate: Any, values: Sequence[Any]) -> Any:
        """A gate on examples: at once where its forward finds everything here, else example by example."""
        try:
            return gate.forward(self, *values)
        except (CodeError, AttributeError, TypeError, ValueError, IndexError):
            return self._each(lambda *operands: apply(gate, *operands), *values)

    def asarray(self, x: Any, dtype: Any = None, copy: Any = None) -> Any:
        """x, which is an array already; plain numbers and lists as NumPy has them."""
        return x if isinstance(x, Batched) else np.asarray(x, dtype=dtype)

    def astype(self, x: Batched, dtype: Any) -> Batched:
        """The examples in another dtype."""
        return Batched(gates.astype(x.inner, dtype), x.level)

    def isfinite(self, x: Batched) -> Batched:
        """Where the examples are neither infinite nor NaN."""
        return Batched(np.isfinite(_plain(x)), x.level)

    def any(self, x: Any) -> Any:
        """Whether anything is true, in all examples together."""
        return np.any(_plain(x))

    def isnan(self, x: Any) -> Any:
        """Where a value is NaN."""
        return np.isnan(_plain(x))

    def zeros(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Zeros that are the same for every example."""
        return np.zeros(shape, dtype_name(dtype) if dtype is not None else None)

    def ones(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Ones that are the same for every example."""
        return np.ones(shape, dtype_name(dtype) if dtype is not None else None)

    def eye(self, n: int, dtype: Any = None) -> Any:
        """The unit matrix, the same for every example."""
        return np.eye(n, dtype=dtype_name(dtype))

    def zeros_like(self, x: Batched) -> Any:
        """Zeros for every example."""
        return Batched(np.zeros((x.count, *x.shape), dtype_name(x.dtype)), x.level)

    def ones_like(self, x: Batched) -> Any:
        """Ones for every example."""
        return Batched(np.ones((x.count, *x.shape), dtype_name(x.dtype)), x.level)

    def full(self, shape: tuple[int, ...], fill: Any, dtype: Any = None) -> Any:
        """One number everywhere, the same for every example."""
        return np.full(shape, fill, dtype=dtype)

    def reshape(self, x: Batched, shape: tuple[int, ...]) -> Batched:
        """The examples in another shape."""
        return Batched(gates.reshape(x.inner, (x.count, *shape)), x.level)

    def permute_dims(self, x: Batched, axes: tuple[int, ...]) -> Batched:
        """The examples' axes in another order."""
        return Batched(gates.permute_dims(x.inner, (0, *(axis + 1 for axis in axes))), x.level)

    def broadcast_to(self, x: Batched, shape: tuple[int, ...]) -> Batched:
        """The examples repeated to a shape."""
        missing = (1,) * (len(shape) - x.ndim)
        lined = gates.reshape(x.inner, (x.count, *missing, *x.shape)) if missing else x.inner
        return Batched(gates.broadcast_to(lined, (x.count, *shape)), x.level)

    def flip(self, x: Batched, axis: tuple[int, ...]) -> Batched:
        """The examples reversed along axes."""
        return Batched(gates.flip(x.inner, axis=tuple(a % x.ndim + 1 for a in axis)), x.level)

    def squeeze(self, x: Batched, axis: tuple[int, ...]) -> Batched:
        """The examples without some axes of length 1."""
        return self.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axis))

    def concat(self, arrays: Sequence[Any], axis: int = 0) -> Batched:
        """The examples joined along an axis."""
        return Batched(gates.concat(self._filled_out(arrays), axis=axis if axis < 0 else axis + 1), _level(*arrays))

    def stack(self, arrays: Sequence[Any], axis: int = 0) -> Batched:
        """The examples side by side along a new axis."""
        return Batched(gates.stack(self._filled_out(arrays), axis=axis if axis < 0 else axis + 1), _level(*arrays))

    def _filled_out(self, arrays: Sequence[Any]) -> list[Any]:
        """Inner arrays, with what is the same for every example repeated."""
        level = _level(*arrays)
        count = next(a.count for a in arrays if isinstance(a, Batched) and a.level == level)
        return [
            array.inner
            if isinstance(array, Batched) and array.level == level
            else gates.broadcast_to(array, (count, *np.shape(array)))
            for array in arrays
        ]

    def matmul(self, x: Any, y: Any) -> Any:
        """The matrix product of each example."""
        level = _level(x, y)
        x, y = arrayed(x), arrayed(y)
        rows, columns = len(x.shape) == 1, len(y.shape) == 1
        if rows and len(y.shape) == 2 and not (isinstance(y, Batched) and y.level == level):
            return Batched(gates.matmul(x.inner, y), level)  # the examples are the rows of one product
        if not rows and not columns and x.shape[-1] == 1 == y.shape[-2]:
            return self.multiply(x, y)  # an outer product: nothing to sum
        if rows and columns:
            for many, one in ((x, y), (y, x)):
                if not (isinstance(one, Batched) and one.level == level):  # the same for every example: one product
                    return Batched(gates.matmul(many.inner, one), level)
            return self.sum(self.multiply(x, y))
        one = gates.expand_dims(x, -2) if rows and not isinstance(x, Batched) else x
        two = gates.expand_dims(y, -1) if columns and not isinstance(y, Batched) else y
        if isinstance(x, Batched) and rows:
            one = self.reshape(x, (1, *x.shape))
        if isinstance(y, Batched) and columns:
            two = self.reshape(y, (*y.shape, 1))
        product = Batched(gates.matmul(*_aligned([one, two])), level)
        shape = product.shape[:-2] + (() if rows else product.shape[-2:-1]) + (() if columns else product.shape[-1:])
        return self.reshape(product, shape) if rows or columns else product

    def einsum(self, formula: str, *operands: Any) -> Batched:
        """Einsum of each example: one more letter for the examples."""
        level = _level(*operands)
        left, _, right = formula.partition("->")
        letter = next(c for c in "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in formula)
        mapped = [isinstance(operand, Batched) and operand.level == level for operand in operands]
        terms = [letter + term if m else term for term, m in zip(left.split(","), mapped, strict=True)]
        inner = [operand.inner if m else operand for operand, m in zip(operands, mapped, strict=True)]
        return Batched(gates.einsum(f"{','.join(terms)}->{letter}{right}", *inner), level)

    def getitem(self, x: Any, key: tuple[Any, ...]) -> Batched:
        """Part of each example; index arrays may differ from example to example."""
        if not any(isinstance(item, Batched) for item in key) and _adjacent(key):
            return Batched(gates.getitem(x.inner, (slice(None), *key)), x.level)
        return self._each(lambda array, *items: gates.getitem(array, items), x, *key)

    def setitem(self, x: Any, key: tuple[Any, ...], value: Any) -> Batched:
        """Each example with a value written into it."""
        return self._each(lambda array, v, *items: gates.setitem(array, items, v), x, value, *key)

    def scatter(self, gate: Any, g: Any, indices: tuple[Any, ...]) -> Batched:
        """The gradient of `getitem`."""
        mapped = any(isinstance(index, Batched) for index in indices)
        if isinstance(g, Batched) and not mapped:
            lifted = type(gate)((("slice", None, None, None), *gate.pattern), (g.count, *gate.shape))
            return Batched(apply(lifted, g.inner, *indices), g.level)
        return self._each(lambda *operands: apply(gate, *operands), g, *indices)

    def _each(self, function: Callable[..., Any], *operands: Any) -> Batched:
        """A function applied example by example, and the results stacked."""
        level = _level(*operands)
        mapped = [isinstance(operand, Batched) and operand.level == level for operand in operands]
        count = next(operand.count for operand, m in zip(operands, mapped, strict=True) if m)
        results = [
            function(*[operand.inner[i] if m else operand for operand, m in zip(operands, mapped, strict=True)])
            for i in range(count)
        ]
        return Batched(gates.stack(results), level)

    def __getattr__(self, name: str) -> Any:
        """Any other function of NumPy's, example by example."""
        return self._looped(np, name)

    def by_example(self, name: str) -> Any:
        """A function of NumPy's without gradient, example by example."""
        return self._looped(np, name)

    def _looped(self, module: Any, name: str) -> Any:
        """A function of a NumPy module, applied example by example."""
        known = getattr(module, name, None)
        if name.startswith("_") or known is None:
            raise AttributeError(name)
        if not callable(known):
            return SimpleNamespace(**{f: self._looped(known, f) for f in getattr(known, "__all__", ())})
        return lambda *operands, **options: self._each(lambda *rows: known(*rows, **options), *operands)


def _adjacent(key: tuple[Any, ...]) -> bool:
    """Whether the index arrays of a key stand together, so that NumPy leaves their axes in place."""
    places = [
        i for i, item in enumerate(key) if not isinstance(item, slice) and item is not None and item is not Ellipsis
    ]
    arrays = [i for i in places if np.ndim(key[i])]
    return not arrays or places == list(range(places[0], places[-1] + 1))


def _plain(x: Any) -> Any:
    """The NumPy array behind any number of maps and transforms."""
    while isinstance(x, Batched | Tracked):
        x = x.inner if isinstance(x, Batched) else x.value
    return x


BATCHED = _BatchedNamespace()


def _matrix_product(one: Any, two: Any, x: Batched, other: Any) -> Any:
    if _is_outranked(x, other):
        return NotImplemented
    return gates.matmul(one, two) if _is_inside(x, other) else BATCHED.matmul(one, two)


for _name, _function in (
    ("add", gates.add),
    ("sub", gates.subtract),
    ("mul", gates.multiply),
    ("truediv", gates.divide),
    ("floordiv", gates.floor_divide),
    ("mod", gates.remainder),
    ("pow", gates.pow),
    ("and", gates.bitwise_and),
    ("or", gates.bitwise_or),
    ("xor", gates.bitwise_xor),
):
    _forward, _backward = _operator(_function)
    setattr(Batched, f"__{_name}__", _forward)
    setattr(Batched, f"__r{_name}__", _backward)
for _name, _function in (
    ("lt", gates.less),
    ("le", gates.less_equal),
    ("gt", gates.greater),
    ("ge", gates.greater_equal),
    ("eq", gates.equal),
    ("ne", gates.not_equal),
):
    setattr(Batched, f"__{_name}__", _operator(_function)[0])
for _name, _function in (("neg", gates.negative), ("abs", gates.abs), ("invert", gates.bitwise_invert)):
    setattr(Batched, f"__{_name}__", _elementwise(_function))
for _name, _method in (
    ("__matmul__", lambda x, y: _matrix_product(x, y, x, y)),
    ("__rmatmul__", lambda x, y: _matrix_product(y, x, x, y)),
):
    setattr(Batched, _name, _method)


class BatchArray(Array):
    """An Array inside a mapped function: its value is a `Batched`."""

    __slots__ = ()

    @classmethod
    def _sorting(cls, operands: tuple[Any, ...]) -> tuple[Any, ...]:
        """What `apply` needs to know of operands; Arrays of enclosing transforms are constants, and stay Arrays."""
        values = [operand.value if isinstance(operand, Tracked) else operand for operand in operands]
        level = _level(*values)
        inputs: list[Node | None] = []
        kept: list[Any] = []
        leaf = 0
        for operand, value in zip(operands, values, strict=True):
            inside = isinstance(value, Batched) and value.level == level
            if isinstance(operand, Tracked) and (inside or operand.node.leaf > level):
                inputs.append(operand.node)
                kept.append(value)
                leaf = max(leaf, operand.node.leaf)
            else:
                outside = isinstance(operand, Tracked) and (operand.node.leaf or isinstance(value, Batched))
                inputs.append(None)
                kept.append(operand if outside else captured(value))
        if not any(inputs):
            return None, (), operands, None, 0
        constants = tuple(value if source is None else None for source, value in zip(inputs, kept, strict=True))
        return cls, tuple(inputs), tuple(kept), constants if None in inputs else None, leaf


def _batch_operator(gate: Any, reflected: bool) -> Callable[[Any, Any], Any]:
    """An operator of `BatchArray`; to the examples of a map inside, it leaves the work."""

    def method(self: BatchArray, other: Any) -> Any:
        if isinstance(other, Batched) and isinstance(self.value, Batched) and other.level > self.value.level:
            return NotImplemented
        return apply(gate, other, self) if reflected else apply(gate, self, other)

    return method


for _name in dir(Array):
    _method = getattr(Array, _name)
    if getattr(_method, "gate", None) is not None:
        setattr(BatchArray, _name, _batch_operator(_method.gate, _method.reflected))

# Set here because the two classes need each other.
Batched.carrier = BatchArray  # type: ignore[attr-defined]


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: int = 0) -> Callable[..., Any]:
    """The function that applies `f` to every example along an axis of its arguments, at once.

    Args:
        f: A function of one example; it may call `grad`, `jacobian` and the other transforms.
        in_axes: The axis of the examples in each argument: one integer for all, or one entry per argument; None for an
            argument that is the same for every example. An argument may be nested; its axis holds for all it contains.
        out_axes: Where the axis of the examples goes in the results.

    Returns:
        A function with the arguments of `f`, each of the mapped ones with one more axis, and so its results.

    Raises:
        ShapeError: The arguments do not agree on the number of examples, or none is mapped.

    Example:
        Gradients per example, in one pass:

        >>> import gatewise as gw, numpy as np
        >>> loss = lambda w, x: (x @ w) ** 2
        >>> w, X = np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> gw.vmap(gw.grad(loss), in_axes=(None, 0))(w, X).tolist()
        [[2.0, 0.0], [0.0, 4.0], [6.0, 6.0]]
    """

    @wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        axes = list(in_axes) if isinstance(in_axes, tuple | list) else [in_axes] * len(args)
        if len(axes) != len(args):
            raise ShapeError(f"vmap: in_axes names {len(axes)} axes, {len(args)} arguments were given")
        if any(
            _is_foreign(leaf) for a, axis in zip(args, axes, strict=True) if axis is not None for leaf in _leaves(a)
        ):
            return _one_by_one(f, args, axes, kwargs, out_axes)
        level = now()
        counts: dict[int, str] = {}
        examples = [
            _mapped_argument(a, axis, level, counts, i) for i, (a, axis) in enumerate(zip(args, axes, strict=True))
        ]
        _require_one_count(counts)
        results, rebuild = tree.flatten(f(*examples, **kwargs))
        return rebuild([gathered(result, level, next(iter(counts)), out_axes) for result in results])

    return mapped


def _leaves(argument: Any) -> list[Any]:
    return tree.flatten(argument)[0]


def _is_foreign(leaf: Any) -> bool:
    """Whether an argument is an array of another library than NumPy."""
    value = leaf.value if isinstance(leaf, Tracked) else leaf
    return type(value) not in NUMPY_TYPES and hasattr(value, "shape") and not hasattr(type(value), "carrier")


def _one_by_one(f: Callable[..., Any], args: Any, axes: list[Any], kwargs: dict[str, Any], out_axes: int) -> Any:
    """The map of arrays of other libraries: one run for each example, whose results are stacked."""
    counts: dict[int, str] = {}
    for position, (argument, axis) in enumerate(zip(args, axes, strict=True)):
        for leaf in _leaves(argument) if axis is not None else ():
            _require_axis(leaf, axis, position)
            counts.setdefault(int(leaf.shape[axis]), f"argument {position}")
    _require_one_count(counts)

    def example(argument: Any, axis: int | None, number: int) -> Any:
        if axis is None:
            return argument
        leaves, rebuild = tree.flatten(argument)
        return rebuild([gates.getitem(leaf, (slice(None),) * (axis % len(leaf.shape)) + (number,)) for leaf in leaves])

    results = []
    for number in range(next(iter(counts))):
        examples = [example(argument, axis, number) for argument, axis in zip(args, axes, strict=True)]
        leaves, rebuild = tree.flatten(f(*examples, **kwargs))
        results.append(leaves)
    if not results:
        raise ShapeError("vmap: there are no examples, so the shape of the result is not known")
    return rebuild([gates.stack(column, axis=out_axes) for column in zip(*results, strict=True)])


def _require_axis(array: Any, axis: int, position: int) -> None:
    if not -len(array.shape) <= axis < len(array.shape):
        raise ShapeError(f"vmap: argument {position} has shape {tuple(array.shape)}, so there is no axis {axis} to map")


def _require_one_count(counts: dict[int, str]) -> None:
    if len(counts) != 1:
        found = ", ".join(f"{count} in {name}" for count, name in counts.items()) or "no argument is mapped"
        raise ShapeError(f"vmap: the arguments must have one number of examples; found {found}")


def _mapped_argument(argument: Any, axis: int | None, level: int, counts: dict[int, str], position: int) -> Any:
    """An argument as the mapped function receives it."""
    if axis is None:
        return argument
    leaves, rebuild = tree.flatten(argument)
    mapped = []
    for leaf in leaves:
        array: Any = arrayed(leaf)
        _require_axis(array, axis, position)
        counts.setdefault(int(array.shape[axis]), f"argument {position}")
        mapped.append(carried(Batched(gates.moveaxis(array, axis, 0) if axis else array, level)))
    return rebuild(mapped)


def carried(value: Batched) -> BatchArray:
    """A `Batched` as an Array that wants no gradient of its own."""
    return BatchArray.of(Leaf(INPUT, value, wanted=False), value)


def gathered(result: Any, level: int, count: int, axis: int) -> Any:
    """A result of the mapped function with its examples along an axis."""
    value = result.value if isinstance(result, BatchArray) else result
    if isinstance(value, Batched) and value.level == level:
        inner = value.inner
    else:
        inner = gates.broadcast_to(result, (count, *np.shape(_plain(result))))
    return gates.moveaxis(inner, 0, axis) if axis else inner
