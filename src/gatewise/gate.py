"""The gate contract and its families.

A gate is one class in one file: its name, symbol and story, its forward, one local gradient per input wire, its shape
rule, its kinks and its sample inputs. It sees its inputs, its output and the upstream gradient, never the graph.

How a local gradient is written: a method ``local_x`` for the input that `forward` calls ``x``. Its parameters say what
it reads: ``g`` (the upstream gradient) and then any of the inputs' names, ``out``, or ``x_shape``. Only what some local
gradient reads is kept alive between forward and backward. Local gradients are written with operators and gates, so they
compute on plain arrays during an ordinary sweep and add gates to the circuit when a gradient is differentiated again.
The sweep multiplies nothing, un-broadcasts, conjugates and casts; a local gradient does none of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from itertools import count
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gatewise.errors import AxisError, DTypeError, ShapeError, UnsupportedError
from gatewise.graph import PYTHON_NUMBERS, Spec, Tracked, dtype_name, namespace, plain

if TYPE_CHECKING:
    from gatewise.samples import Sample

#: A local gradient as the sweep calls it: (gate, upstream gradient, *saved values) -> gradient on that input wire.
Rule = Callable[..., Any]

#: Every gate class by name.
REGISTRY: dict[str, type[Gate]] = {}

#: What Array does for a NumPy function: NumPy's function or ufunc -> ours, which takes NumPy's arguments.
NUMPY_FUNCTIONS: dict[Any, Callable[..., Any]] = {}


def implements(*numpy_functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as what an Array does when it meets these NumPy functions."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for numpy_function in numpy_functions:
            NUMPY_FUNCTIONS[numpy_function] = function
        return function

    return register


@dataclass(frozen=True)
class Kink:
    """A point where the slope is a choice: the inputs, and the local gradients Gatewise chooses there.

    `inputs` and `gradients` are numbers or nested lists, one per input wire; `why` is for the docs.
    """

    inputs: tuple[Any, ...]
    gradients: tuple[Any, ...]
    why: str
    static: tuple[tuple[str, Any], ...] = ()


class Gate:
    """Base of all gates. Subclasses with static parameters are frozen dataclasses, so they compare, hash and print."""

    name: ClassVar[str] = ""
    symbol: ClassVar[str] = ""
    story: ClassVar[str] = ""
    kinks: ClassVar[tuple[Kink, ...]] = ()
    samples: ClassVar[tuple[Sample, ...]] = ()

    #: The output entry at an index depends on the inputs' entries at that index alone (after broadcasting).
    elementwise: ClassVar[bool] = False
    #: Linear in its single input, so that its forward is also its push-forward.
    linear: ClassVar[bool] = False
    #: Linear in all of its inputs together, so that its forward pushes their tangents at once.
    jointly_linear: ClassVar[bool] = False
    #: Complex-differentiable; a gate that is not writes its local gradients for complex inputs itself.
    holomorphic: ClassVar[bool] = True

    def silent(self, upstream: Any, shape: tuple[int, ...]) -> Any:
        """Where a gradient of `shape` must be exactly zero because `upstream` is, whatever the local gradient says.

        None for gates whose inputs' entries each reach several outputs through sums.
        """
        return None

    def cleaned(self, upstream: Any, saved: tuple[Any, ...]) -> tuple[Any, ...]:
        """`saved` without infinities and NaNs that only ever meet zeros of `upstream`, for gates that sum products."""
        return saved

    def decision(self, out: Any, *inputs: Any) -> Any:
        """What the gate chose, as an array or None: it changes exactly where one of the gate's kinks is crossed."""
        return None

    #: The input wires' names, read off `forward`; of a variadic gate the last one is shared by all further inputs.
    wires: ClassVar[tuple[str, ...]] = ()
    variadic: ClassVar[bool] = False
    #: One rule per input wire, None where no gradient passes.
    rules: ClassVar[Any] = ()
    #: What the rules read: names of inputs, "out", or "x_shape".
    reads: ClassVar[tuple[str, ...]] = ()
    save: ClassVar[Callable[[tuple[Any, ...], Any], tuple[Any, ...]] | None] = None
    differentiable: ClassVar[bool] = False
    #: What each wire's rule reads, and the savers already made for runs in which some wires are constants.
    asked: ClassVar[tuple[tuple[str, ...], ...]] = ()
    partial_savers: ClassVar[dict[tuple[bool, ...], Any]] = {}

    def __init_subclass__(cls) -> None:
        if "forward" in cls.__dict__:
            code = cls.__dict__["forward"].__code__
            cls.variadic = bool(code.co_flags & 0x04)  # CO_VARARGS
            names = code.co_varnames
            cls.wires = names[2 : code.co_argcount + cls.variadic]  # after self and xp; a *name comes last
        _bind_rules(cls)
        if "name" in cls.__dict__:
            known = REGISTRY.get(cls.name)
            if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise TypeError(f"there is a gate called {cls.name!r} already, {known.__module__}.{known.__qualname__}")
            REGISTRY[cls.name] = cls

    def forward(self, xp: Any, *inputs: Any) -> Any:
        """The value, computed with operators and functions of the Array API namespace `xp`."""
        raise NotImplementedError

    def infer(self, *specs: Spec) -> Spec:
        """Shape and dtype of the output, without computing it; raises a teaching error for what does not fit."""
        raise NotImplementedError

    def on_numpy(self) -> Callable[..., Any]:
        """The forward for NumPy arrays, as whoever calls it many times wants it."""
        return partial(self.forward, np)

    @classmethod
    def saver_for(cls, traced: tuple[bool, ...]) -> Any:
        """Like `save`, for a run in which only some wires are traced: what only the others' rules read is left out."""
        saver = cls.partial_savers.get(traced)
        if saver is None:
            needed = {name for names, live in zip(cls.asked, traced, strict=True) if live for name in names}
            kept = tuple(name if name in needed else "" for name in cls.reads)
            cls.partial_savers[traced] = saver = _saver(kept, cls.wires, cls.variadic)
        return saver

    def label(self, constants: tuple[Any, ...] = ()) -> str:
        """What a picture writes into the circle; `constants` are the operands that are not wires."""
        return self.symbol or self.name

    @property
    def parameters(self) -> dict[str, Any]:
        """The static parameters by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)} if is_dataclass(self) else {}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def wire_names(self, number: int) -> tuple[str, ...]:
        """A name for each of the `number` input wires."""
        if not self.variadic:
            return self.wires
        fixed = self.wires[:-1]
        return fixed + tuple(f"{self.wires[-1]}[{i}]" for i in range(number - len(fixed)))


def _bind_rules(cls: type[Gate]) -> None:
    """Collect the local gradients of `cls`, note what they read, and give each the uniform call (gate, g, *saved)."""
    if cls.variadic:
        functions = [cls.__dict__.get("local") or getattr(cls, "local", None)]
        skip = 3  # self, index, g
    else:
        functions = [getattr(cls, f"local_{wire}", None) for wire in cls.wires]
        skip = 2  # self, g
    asked = [f.__code__.co_varnames[skip : f.__code__.co_argcount] if f else () for f in functions]
    order = [*cls.wires, "out", *(f"{wire}_shape" for wire in cls.wires)]
    for name in {name for names in asked for name in names} - set(order):
        raise TypeError(f"{cls.__name__}: a local gradient reads {name!r}, which is none of {order}")
    cls.reads = tuple(name for name in order if any(name in names for names in asked))
    places = [tuple(cls.reads.index(name) for name in names) for names in asked]
    if cls.variadic:
        cls.rules = _VariadicRules(functions[0], places[0]) if functions[0] else ()
    else:
        rules = [_uniform(f, place, len(cls.reads)) if f else None for f, place in zip(functions, places, strict=True)]
        cls.rules = tuple(rules) if any(rules) else ()
    cls.differentiable = bool(cls.rules)
    cls.save = staticmethod(_saver(cls.reads, cls.wires, cls.variadic)) if cls.reads else None
    cls.asked = tuple(asked)
    cls.partial_savers = {}


def _uniform(function: Callable[..., Any], places: tuple[int, ...], number: int) -> Rule:
    """The rule that hands `function` what it reads out of the `number` saved values."""
    if places == tuple(range(number)):
        return function
    if number == 2 and len(places) == 1:
        if places == (0,):
            return lambda gate, g, a, b: function(gate, g, a)
        return lambda gate, g, a, b: function(gate, g, b)
    return lambda gate, g, *saved: function(gate, g, *[saved[place] for place in places])


class _VariadicRules:
    """The rules of a gate with any number of inputs: rule number i calls ``local(i, g, ...)``."""

    def __init__(self, function: Callable[..., Any], places: tuple[int, ...]) -> None:
        self.function = function
        self.places = places

    def __getitem__(self, index: int) -> Rule:
        def rule(gate: Any, g: Any, *saved: Any) -> Any:
            return self.function(gate, index, g, *[saved[place] for place in self.places])

        return rule

    def __iter__(self) -> Iterator[Rule]:
        return (self[index] for index in count())


def _saver(
    reads: tuple[str, ...], wires: tuple[str, ...], variadic: bool
) -> Callable[[tuple[Any, ...], Any], tuple[Any, ...]]:
    """A function from (input values, output value) to the tuple of what the rules read."""
    if reads == wires and not variadic:
        return lambda values, out: values
    if reads == ("out",):
        return lambda values, out: (out,)
    picks = [_picker(name, wires, variadic) for name in reads]
    return lambda values, out: tuple([pick(values, out) for pick in picks])


def _picker(name: str, wires: tuple[str, ...], variadic: bool) -> Callable[[tuple[Any, ...], Any], Any]:
    """How one of the things that rules read is found among the input values and the output; "" is left out."""
    if not name:
        return lambda values, out: None
    if name == "out":
        return lambda values, out: out
    if name not in wires:
        place = wires.index(name.removesuffix("_shape"))
        return lambda values, out: values[place].shape
    place = wires.index(name)
    if variadic and place == len(wires) - 1:
        return lambda values, out: values[place:]
    return lambda values, out: values[place]


# ---------------------------------------------------------------------------------------------------------- families


class Elementwise(Gate):
    """Gates that act entry by entry, after broadcasting: the local gradient is a factor for each entry."""

    elementwise = True

    def silent(self, upstream: Any, shape: tuple[int, ...]) -> Any:
        return upstream == 0

    def infer(self, *specs: Spec) -> Spec:
        shape = broadcast_shapes(*(spec.shape for spec in specs))
        with np.errstate(all="ignore"):
            probe = self.forward(np, *[_probe(spec) for spec in specs])
        return Spec(shape, np.asarray(probe).dtype, weak=type(probe) in PYTHON_NUMBERS)


class Operator(Elementwise):
    """Element-wise gates of two operands that one of Python's operators computes, for arrays of any library."""

    compute: ClassVar[Callable[[Any, Any], Any]]

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return type(self).compute(x, y)

    def on_numpy(self) -> Callable[..., Any]:
        return type(self).compute


def _probe(spec: Spec) -> Any:
    """An operand without entries that promotes as `spec` does."""
    return spec.dtype.type(1).item() if spec.weak else np.ones((0,), spec.dtype)


@dataclass(frozen=True)
class Reduction(Gate):
    """Gates that fold entries along `axis` (a sorted tuple of non-negative axes) into one."""

    axis: tuple[int, ...]
    keepdims: bool

    def silent(self, upstream: Any, shape: tuple[int, ...]) -> Any:
        return namespace((upstream,)).reshape(upstream == 0, self.kept_shape(shape))

    def infer(self, *specs: Spec) -> Spec:
        (spec,) = specs
        if self.keepdims:
            shape = tuple(1 if i in self.axis else n for i, n in enumerate(spec.shape))
        else:
            shape = tuple(n for i, n in enumerate(spec.shape) if i not in self.axis)
        probe = self.forward(np, np.ones((1,) * len(spec.shape), spec.dtype))
        return Spec(shape, probe.dtype)

    def kept_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """`shape` with the folded axes kept as 1, so that the result broadcasts against the input."""
        return tuple(1 if i in self.axis else n for i, n in enumerate(shape))

    def count(self, shape: tuple[int, ...]) -> int:
        """How many entries are folded into one."""
        return prod(shape[i] for i in self.axis)


class Movement(Gate):
    """Gates that only move entries, or repeat or drop them: linear, and their local gradient moves them back."""

    linear = True


class Contraction(Gate):
    """Gates that multiply and sum over shared axes: linear in each input with the others held."""

    def letters(self, *ndims: int) -> tuple[tuple[str, ...], str] | None:
        """The product as einsum writes it, for operands of so many axes: letters per operand, and of the output.

        None where letters cannot say it.
        """
        return None


# ------------------------------------------------------------------------------------------------ helpers for gates


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape, or a ShapeError that says which axis disagrees."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        texts = " and ".join(map(str, shapes))
        raise ShapeError(
            f"shapes {texts} do not broadcast: aligned at the last axis, lengths must be equal or 1; "
            "use reshape, or x[:, None], to line the axes up"
        ) from None


def normalize_axes(axis: Any, ndim: int, gate: str) -> tuple[int, ...]:
    """Turn NumPy's `axis` (None, an int, a tuple, negative allowed) into a sorted tuple of non-negative axes.

    Raises:
        AxisError: An axis is out of range.
        ShapeError: An axis is named twice.
        DTypeError: An axis is not an integer.
    """
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple | list) else (axis,)
    axes = [normalize_axis(a, ndim, gate) for a in given]
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{gate}: axis {axis} names an axis twice")
    return tuple(sorted(axes))


def normalize_axis(axis: Any, ndim: int, gate: str) -> int:
    """Turn one axis, negative allowed, into a non-negative one.

    Raises:
        AxisError: The axis is out of range.
        DTypeError: The axis is not an integer.
    """
    try:
        index: int = axis.__index__()
    except AttributeError:
        raise DTypeError(f"{gate}: an axis is an integer; got {axis!r}") from None
    if not -ndim <= index < ndim:
        reach = f"for an array of {ndim} axes (-{ndim} to {ndim - 1})" if ndim else "since a single number has no axes"
        raise AxisError(f"{gate}: axis {index} is out of range {reach}")
    return index % ndim


def loop_dtype(ufunc: np.ufunc, *operands: Any) -> np.dtype[Any]:
    """The dtype in which NumPy computes a ufunc for arrays like the operands: for integers often a floating one.

    Raises:
        DTypeError: NumPy has none for their dtypes.
    """
    for operand in operands:
        if not isinstance(operand, Tracked):
            plain(operand)
    names = [dtype_name(operand.dtype) for operand in operands]
    try:
        return ufunc.resolve_dtypes((*map(np.dtype, names), None))[0]
    except TypeError:
        raise DTypeError(
            f"{ufunc.__name__} is not defined for {' and '.join(names)}: convert first, or take x.real or abs(x)"
        ) from None


def refuse(function: str, options: dict[str, Any]) -> None:
    """Raise for options of a NumPy function that were given and are not supported."""
    for name, value in options.items():
        if value is None or value is np._NoValue or (name == "where" and value is True):
            continue
        raise UnsupportedError(f"{function}: the option {name}={value!r:.40} is not supported on traced arrays")
