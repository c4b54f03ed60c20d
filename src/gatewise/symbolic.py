"""Values without numbers: what a function computes, written down instead of computed.

A `Symbol` has shape and dtype, and knows the gate and the operands it comes from. It is one more array library: gates
applied to symbols give symbols, so a function that is called with them, transforms and all, leaves behind the list of
everything it would compute. `written` makes that list, a `Script`: the compiler turns it into native code and loops
replay it. Whatever does not depend on the inputs is computed at once, by NumPy, and stands in the script as a constant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from operator import attrgetter
from types import FrameType
from typing import Any, ClassVar, NoReturn

import numpy as np

from gatewise import gates
from gatewise.array import Array
from gatewise.errors import ShapeError, TracedValueError
from gatewise.gate import NUMPY_FUNCTIONS, Gate
from gatewise.gates.conversion import IDENTITY, INPUT
from gatewise.graph import (
    NUMPY_TYPES,
    PYTHON_NUMBERS,
    Leaf,
    Node,
    Spec,
    Tracked,
    apply,
    captured,
    dtype_name,
    is_operand,
    now,
    untracked,
)
from gatewise.source import INTERNAL, Where, outside, resolve

_getframe = sys._getframe

#: Functions of NumPy that make arrays of nothing but a shape and a dtype; they are computed at once.
_CREATION = frozenset({"zeros", "ones", "full", "empty", "eye", "arange", "linspace"})


class Tape:
    """What is written while a function runs on symbols: every symbol in order, and what was assumed on the way."""

    def __init__(self, strong: bool = False, capture: bool = False) -> None:
        self.symbols: list[Symbol] = []
        self.captures: dict[Any, tuple[Symbol, Any]] = {}
        self.capture = capture  # traced arrays that are no arguments become further inputs, in place of an error
        self.assumptions: list[Symbol] = []
        self.strong = strong  # sweeps keep zeros zero at once, instead of looking for NaN first
        self.order = now()  # an inner script is written after the outer one was begun
        self.specs: dict[Any, Spec] = {}
        self.kinds: dict[tuple[Any, ...], Kind] = {}
        #: What a gate makes of symbols of which kind and of numbers of which type: id(gate), then one for each operand.
        self.made: dict[tuple[Any, ...], Kind] = {}

    def symbol(self, gate: Any, operands: tuple[Any, ...], spec: Spec) -> Symbol:
        """A new symbol at the end of the tape."""
        return self.add(self.kind(gate, spec), operands, *_place(_getframe(2)))

    def kind(self, gate: Any, spec: Spec) -> Kind:
        """The kind of what `gate` makes, where that has this shape and dtype."""
        key = (id(gate), spec.shape, spec.dtype, spec.weak)  # which stays its own, as the tape keeps the gate
        kind = self.kinds.get(key)
        if kind is None:
            kind = self.kinds[key] = Kind(gate, spec)
        return kind

    def add(self, kind: Kind, operands: tuple[Any, ...], code: Any, instruction: int) -> Symbol:
        """A new symbol of a known kind, asked for at a known place."""
        symbol = Symbol()
        symbol.kind = kind
        symbol.operands = operands
        symbol.tape = self
        symbols = self.symbols
        symbol.index = len(symbols)
        symbol.gradient_of = ()
        symbol.code = code
        symbol.instruction = instruction
        symbols.append(symbol)
        return symbol

    def clear(self) -> None:
        """Let go of the symbols, which know their tape, so that they are freed as soon as nobody wants them."""
        self.symbols, self.assumptions, self.captures = [], [], {}

    def captured(self, value: Any) -> Symbol:
        """The input that stands for `value`, which is traced or belongs to an enclosing script or map.

        Raises:
            TracedValueError: It would want a gradient, and this script takes nothing but its arguments.
        """
        key = value.node if isinstance(value, Tracked) and value.node.leaf else id(untracked(value))
        known = self.captures.get(key)
        if known is None:
            if isinstance(value, Tracked) and value.node.leaf and not self.capture:
                raise TracedValueError(
                    "a compiled function uses a traced array that is not among its arguments: pass it as one, so that "
                    "its gradient can be found"
                )
            plainly = untracked(value)
            spec = Spec(tuple(plainly.shape), np.dtype(dtype_name(plainly.dtype)))
            known = self.captures[key] = (self.symbol(INPUT, (), spec), value)
        return known[0]

    def own(self, value: Any) -> Any:
        """`value`, or what stands for it here if it comes from outside."""
        plainly = untracked(value)
        level = getattr(plainly, "level", None)
        if level == self.order:
            return plainly
        traced = isinstance(value, Tracked) and self.reaches_out(value.node)
        return plainly if level is None and not traced else self.captured(value)

    def reaches_out(self, node: Node) -> bool:
        """Whether a gradient could flow from `node` to a leaf that was there before this tape."""
        seen, stack = set(), [node]
        while stack:
            node = stack.pop()
            if 0 < node.leaf <= self.order:
                return True
            if node.leaf and node not in seen:
                seen.add(node)
                stack.extend(source for source in node.inputs if source is not None)
        return False

    def infer(self, gate: Any, operands: Sequence[Any]) -> Spec:
        """Shape and dtype of what `gate` makes of `operands`."""
        specs = tuple([_spec(operand) for operand in operands])
        if any(spec.mask is not None for spec in specs):
            return gate.infer(*specs)  # type: ignore[no-any-return]
        key = (gate, *[(spec.shape, spec.dtype, spec.weak) for spec in specs])
        known = self.specs.get(key)
        if known is None:
            known = self.specs[key] = gate.infer(*specs)
        return known


class Kind:
    """What the symbols of a tape have in common that come from the same gate, with the same shape and dtype.

    There are few kinds of symbols, and many of each: so a symbol is small, and what a gate makes of others is found by
    the operands' kinds.
    """

    __slots__ = ("dtype", "gate", "shape", "weak")

    def __init__(self, gate: Any, spec: Spec) -> None:
        self.gate = gate
        self.shape = spec.shape
        self.dtype = spec.dtype
        self.weak = spec.weak


class Symbol:
    """A value that has shape and dtype but no numbers yet: the result of a gate, or an input of the script."""

    __slots__ = ("code", "gradient_of", "index", "instruction", "kind", "operands", "tape")

    # No __init__: see `Tape.add`.
    kind: Kind
    operands: tuple[Any, ...]
    tape: Tape
    index: int
    code: Any
    instruction: int
    gradient_of: tuple[Any, ...]  # the symbols, or places in the user's code, whose gradient a sweep found this to be

    gate = property(attrgetter("kind.gate"), doc="The gate it comes from.")
    shape = property(attrgetter("kind.shape"), doc="Length of each axis.")
    dtype = property(attrgetter("kind.dtype"), doc="Kind of its numbers.")
    weak = property(attrgetter("kind.weak"), doc="Whether it is a Python number, whose dtype yields to others.")

    carrier: ClassVar[type[Tracked]]

    __hash__ = object.__hash__

    @property
    def level(self) -> int:
        """Nodes made before this order belong to enclosing transforms."""
        return self.tape.order

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(np.prod(self.shape))

    @property
    def where(self) -> Where | None:
        """The user's line that asked for this value."""
        return resolve(self.code, self.instruction)

    def carried(self) -> Array:
        """An Array with this value, that wants no gradient of its own."""
        return SymbolArray.of(Leaf(INPUT, self, wanted=False), self)

    def strengthened(self) -> Symbol:
        """This Python number as a NumPy scalar, whose dtype does not yield to that of the arrays it meets."""
        return self.tape.symbol(IDENTITY, (self,), Spec(self.shape, self.dtype))

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return SYMBOLIC

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options or any(isinstance(operand, Tracked) for operand in inputs):
            return NotImplemented
        return (NUMPY_FUNCTIONS.get(ufunc) or SYMBOLIC.by_example(ufunc.__name__))(*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return (NUMPY_FUNCTIONS.get(function) or SYMBOLIC.by_example(function.__name__))(*args, **options)

    def __repr__(self) -> str:
        return f"%{self.index}: {Spec(self.shape, self.dtype)!r}"

    def __getitem__(self, key: Any) -> Any:
        return gates.getitem(self, key)

    def __neg__(self) -> Any:
        return gates.negative(self)

    def __abs__(self) -> Any:
        return gates.abs(self)

    def __invert__(self) -> Any:
        return gates.bitwise_invert(self)

    def __bool__(self) -> bool:
        self._refuse("a branch of Python (if, while, and, or, assert) depends on", "gw.where, gw.cond or gw.while_loop")

    def __float__(self) -> float:
        self._refuse("float(x) asks for", "the array itself in place of the Python number")

    def __int__(self) -> int:
        self._refuse("int(x) asks for", "the array itself in place of the Python number")

    __index__ = __int__

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        self._refuse("np.asarray(x) asks for", "the array itself in place of the plain one")

    def __iter__(self) -> NoReturn:
        self._refuse("an iteration asks for", "x[i]")

    def item(self) -> Any:
        """Refused: there are no numbers yet."""
        self._refuse("x.item() asks for", "the array itself in place of the Python number")

    def tolist(self) -> Any:
        """Refused: there are no numbers yet."""
        self._refuse("x.tolist() asks for", "the array itself in place of the list")

    def assumed_false(self) -> bool:
        """Take this boolean for False, and note that whoever runs the script must check; on a strong tape, for True."""
        if not self.tape.strong:
            self.tape.assumptions.append(self)
        return self.tape.strong

    def _refuse(self, what: str, instead: str) -> NoReturn:
        raise TracedValueError(
            f"{what} the numbers of a {Spec(self.shape, self.dtype)!r} while the function is being written down for "
            f"compiling or looping, before there are any: use {instead}, or leave this function uncompiled"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        return lambda *args, **options: getattr(SYMBOLIC, name)(self, *args, **options)


def _operator(gate: Any, reflected: bool) -> Callable[[Any, Any], Any]:
    number = id(gate)

    def method(self: Symbol, other: Any) -> Any:
        tape, kind = self.tape, None
        if type(other) is Symbol:
            if tape is other.tape and not reflected:
                kind = tape.made.get((number, self.kind, other.kind))
        elif type(other) in PYTHON_NUMBERS:
            of = type(other)
            kind = tape.made.get((number, of, self.kind) if reflected else (number, self.kind, of))
        if kind is not None:  # the usual case, kept short
            frame = _getframe(1)
            code: Any = frame.f_code
            instruction = frame.f_lasti
            if INTERNAL[code.co_filename]:
                code, instruction = outside(frame)
            return tape.add(kind, (other, self) if reflected else (self, other), code, instruction)
        if isinstance(other, Tracked):
            if getattr(other.value, "level", 0) >= self.level:
                return NotImplemented
            return apply(gate, other, self) if reflected else apply(gate, self, other)
        if getattr(other, "level", 0) > self.level:
            return NotImplemented
        return SYMBOLIC.run(gate, (other, self) if reflected else (self, other))

    return method


for _name in dir(Array):
    _method = getattr(Array, _name)
    if getattr(_method, "gate", None) is not None:
        setattr(Symbol, _name, _operator(_method.gate, _method.reflected))


@dataclass(frozen=True)
class ValueFunction(Gate):
    """A function of NumPy's that is no gate because it has no gradient: argmax, isnan, any, ..."""

    function: str
    options: tuple[tuple[str, Any], ...]

    def label(self, constants: tuple[Any, ...] = ()) -> str:
        return self.function

    def forward(self, xp: Any, *inputs: Any) -> Any:
        return getattr(xp, self.function)(*inputs, **dict(self.options))

    def infer(self, *specs: Spec) -> Spec:
        """Shape and dtype, found by trying on arrays of zeros and ones."""
        found = [self.forward(np, *[_dummy(spec, number) for spec in specs]) for number in (0, 1)]
        if not all(hasattr(value, "shape") for value in found) or found[0].shape != found[1].shape:
            raise ShapeError(
                f"the shape of {self.function}'s result depends on the numbers in its argument, and a compiled or "
                f"looped function has fixed shapes: use a mask with gw.where instead"
            )
        return Spec(found[0].shape, found[0].dtype)


class _SymbolicNamespace:
    """The array library of symbols: whatever is asked of it, the gate or function is written down."""

    __name__ = "symbolic"

    float32, float64, complex64, complex128 = "float32", "float64", "complex64", "complex128"
    int64, int32, int16, int8, uint64, uint32, uint16, uint8, bool = (
        *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"),
        "bool",
    )
    inf, nan, pi = np.inf, np.nan, np.pi

    def run(self, gate: Any, values: Sequence[Any]) -> Any:
        """Write down that `gate` is applied to `values`."""
        tape: Any = None
        key: list[Any] = [id(gate)]
        for value in values:  # the usual case: symbols of one tape, and numbers
            kind = type(value)
            if kind is Symbol:
                if tape is not value.tape:
                    if tape is not None:
                        break
                    tape = value.tape
                key.append(value.kind)
            elif kind in PYTHON_NUMBERS:
                key.append(kind)
            else:
                break
        else:
            made = tape.made.get(tuple(key))
            if made is None:
                made = tape.made[tuple(key)] = tape.kind(gate, tape.infer(gate, values))
            return tape.add(made, tuple(values), *_place(_getframe(1)))
        tape = _newest(values)
        values = tuple([value if type(value) in NUMPY_TYPES else tape.own(value) for value in values])
        return tape.symbol(gate, values, tape.infer(gate, values))

    def asarray(self, x: Any, dtype: Any = None, copy: Any = None) -> Any:
        """x, which is an array already; numbers and lists as NumPy has them."""
        if isinstance(x, Symbol):
            return x if dtype is None else gates.astype(x, dtype)
        return np.asarray(x, dtype=None if dtype is None else dtype_name(dtype))

    def zeros_like(self, x: Any, dtype: Any = None) -> Any:
        """Zeros of x's shape."""
        return np.zeros(x.shape, dtype_name(dtype or x.dtype))[()]

    def ones_like(self, x: Any, dtype: Any = None) -> Any:
        """Ones of x's shape."""
        return np.ones(x.shape, dtype_name(dtype or x.dtype))[()]

    def full_like(self, x: Any, fill_value: Any, dtype: Any = None) -> Any:
        """One number in x's shape."""
        return np.full(x.shape, fill_value, dtype_name(dtype or x.dtype))[()]

    def by_example(self, name: str) -> Any:
        """A function without gradient."""
        return self._function(name)

    def __getattr__(self, name: str) -> Any:
        if name in gates.__all__:
            return getattr(gates, name)
        return self._function(name)

    def _function(self, name: str) -> Any:
        known = getattr(np, name, None)
        if name in ("linalg", "fft"):
            raise TracedValueError(
                "this gate's gradient looks at values to choose its way, which a compiled or looped function cannot: "
                "leave this function uncompiled"
            )
        if name.startswith("_") or not callable(known):
            raise AttributeError(name)
        if name in _CREATION:
            return lambda *args, dtype=None, **options: known(
                *args, dtype=None if dtype is None else dtype_name(dtype), **options
            )

        if name in _OF_SPECS:
            return lambda *operands: known(*[_dummy(_spec(o), 0) if isinstance(o, Symbol) else o for o in operands])

        def function(*operands: Any, **options: Any) -> Any:
            arrays = 1 if name in _LAST_OPERAND_IS_AXIS and len(operands) > 1 else len(operands)
            if arrays < len(operands):
                options["axis"] = operands[1]
            static = tuple(sorted((key, value) for key, value in options.items()))
            return apply(ValueFunction(name, static), *operands[:arrays])

        return function


#: Functions whose second positional argument is an axis.
_LAST_OPERAND_IS_AXIS = frozenset({"argmax", "argmin", "all", "any", "count_nonzero", "argsort"})

#: Functions that only look at shapes and dtypes.
_OF_SPECS = frozenset({"shape", "ndim", "size", "result_type", "iscomplexobj", "isrealobj", "can_cast"})

SYMBOLIC = _SymbolicNamespace()


def _place(frame: FrameType) -> tuple[Any, int]:
    """The place in the user's code at or above `frame`, unresolved."""
    code = frame.f_code
    return outside(frame) if INTERNAL[code.co_filename] else (code, frame.f_lasti)


def _newest(values: Sequence[Any]) -> Tape:
    """The tape of the symbols among `values`: where scripts are nested, the innermost one's."""
    return max([value.tape for value in values if isinstance(value, Symbol)], key=attrgetter("order"))


def _spec(value: Any) -> Spec:
    if isinstance(value, Symbol):
        return Spec(value.shape, value.dtype, value.weak)
    spec = Spec.of(value)
    if spec.dtype == bool and spec.shape:
        spec.mask = value
    return spec


def _dummy(spec: Spec, number: int) -> Any:
    return spec.dtype.type(number).item() if spec.weak else np.full(spec.shape, number, spec.dtype)


class Columns:
    """A script as arrays, for those who compare many of its symbols: per slot what it comes from.

    Attributes:
        first: The slot of the first symbol; before it come the inputs.
        slots: By a symbol's index its slot.
        kinds: Per slot a number, the same for equal gates that give the same shape and dtype.
        examples: Per number a kind that has it.
        distinct: All kinds, with their numbers.
        starts: Per slot where its operands begin in `read`, and at last where they end.
        read: The slots of all operands, -1 for constants.
        readers: Per operand the slot that reads it.
        constants: The operands that are constants, in their order.
    """

    def __init__(self, inputs: Sequence[Symbol], symbols: Sequence[Symbol]) -> None:
        values = (*inputs, *symbols)
        number = len(values)
        self.first = len(inputs)
        indices = np.fromiter(map(attrgetter("index"), values), np.int64, number)
        self.slots = np.full(indices.max(initial=-1) + 2, -1)  # the last one for what is no symbol, index -1
        self.slots[indices] = np.arange(number)
        kinds = [symbol.kind for symbol in values]
        numbers: dict[Any, int] = {}
        self.distinct = dict.fromkeys(kinds, 0)
        self.examples: list[Kind] = []
        for kind in self.distinct:
            found = self.distinct[kind] = numbers.setdefault((kind.gate, kind.shape, kind.dtype), len(numbers))
            if found == len(self.examples):
                self.examples.append(kind)
        self.kinds = np.fromiter(map(self.distinct.__getitem__, kinds), np.int64, number)
        operands = [symbol.operands for symbol in values]
        counts = np.fromiter(map(len, operands), np.int64, number)
        self.starts = np.concatenate([[0], counts.cumsum()])
        self.readers = np.repeat(np.arange(number), counts)
        flat = list(chain.from_iterable(operands))
        self.read = self.slots[np.array([o.index if type(o) is Symbol else -1 for o in flat], np.int64)]
        self.constants = [flat[place] for place in np.flatnonzero(self.read < 0).tolist()]

    def yields(self, scalars: bool = False) -> bool:
        """Whether a Python number's dtype yields somewhere to that of an array; of scalars and inputs, or of all."""
        kinds = {
            (kind.dtype, kind.weak)
            for kind in self.distinct
            if kind.dtype.kind != "b" and not (scalars and kind.shape and kind.gate is not INPUT)
        }
        return any(weak for _, weak in kinds) and {dtype for dtype, _ in kinds} != {np.dtype(float)}

    def slot(self, symbol: Symbol) -> int:
        """The slot of a symbol of the script."""
        return int(self.slots[symbol.index])


@dataclass(frozen=True, eq=False)
class Script:
    """What a function computes: inputs, then symbols each from earlier ones, and which of them are the results.

    A result that does not depend on the inputs is a plain value. `captured` are further inputs, for what the function
    used without getting it as an argument: `outside` holds the traced arrays, examples of a map and symbols of an
    enclosing script that they stand for. `assumptions` are single booleans: only as long as all are False are the
    outputs right.
    """

    inputs: tuple[Symbol, ...]
    symbols: tuple[Symbol, ...]
    outputs: tuple[Any, ...]
    captured: tuple[Symbol, ...]
    assumptions: tuple[Symbol, ...]
    outside: tuple[Any, ...] = ()

    @cached_property
    def columns(self) -> Columns:
        """The script as arrays."""
        return Columns((*self.inputs, *self.captured), self.symbols)

    @cached_property
    def _slots(self) -> dict[Symbol, int]:
        return {symbol: slot for slot, symbol in enumerate((*self.inputs, *self.captured, *self.symbols))}

    @cached_property
    def _steps(self) -> list[tuple[Any, tuple[tuple[bool, Any], ...]]]:
        """Per symbol its gate and, per operand, whether it is a slot, and the slot or the constant."""
        slots = self._slots
        return [
            (symbol.gate, tuple((True, slots[o]) if isinstance(o, Symbol) else (False, o) for o in symbol.operands))
            for symbol in self.symbols
        ]

    def trusting(self) -> Script:
        """The same script without its assumptions: somebody else makes sure of them."""
        kept = _behind(self.symbols, self.outputs)[0]
        return replace(self, symbols=kept, assumptions=())

    def run(self, values: Sequence[Any], captured: Sequence[Any] = ()) -> list[Any]:
        """The outputs for these inputs, gate by gate: what compiled code must agree with.

        Values may be of any library, traced, or symbols of another script; each gate is applied to them as usual.
        """
        slots = [*values, *(captured or self.outside)]
        for gate, operands in self._steps:
            slots.append(apply(gate, *[slots[item] if is_slot else item for is_slot, item in operands]))
        places = self._slots
        return [slots[places[output]] if isinstance(output, Symbol) else output for output in self.outputs]


def written(f: Callable[..., Any], specs: Sequence[Spec], strong: bool = False, capture: bool = False) -> Script:
    """Write down what `f` computes.

    Args:
        f: Takes one Array per spec and returns a list or tuple of arrays and numbers.
        specs: Shape and dtype of each argument.
        strong: Let sweeps keep zeros zero from the start, in place of assuming that no gradient is NaN.
        capture: Let traced arrays that `f` uses without getting them as arguments become further inputs.

    Raises:
        TracedValueError: `f` asks for the numbers of its arguments, or uses a traced array that is not among them.
    """
    tape = Tape(strong, capture)
    inputs = tuple([tape.symbol(INPUT, (), spec) for spec in specs])
    results = f(*[symbol.carried() for symbol in inputs])
    outputs = tuple([tape.own(result) for result in results])
    script = _pruned(tape, inputs, outputs)
    tape.clear()
    return script


def _pruned(tape: Tape, inputs: tuple[Symbol, ...], outputs: tuple[Any, ...]) -> Script:
    """The script of a tape without the symbols that no result reads."""
    assumed = tuple(dict.fromkeys(tape.assumptions))
    kept, wanted = _behind(tape.symbols, (*outputs, *assumed))
    captured = [pair for pair in tape.captures.values() if wanted[pair[0].index]]
    return Script(
        inputs,
        kept,
        outputs,
        tuple([symbol for symbol, _ in captured]),
        assumed,
        tuple([value for _, value in captured]),
    )


def _behind(symbols: Sequence[Symbol], results: Sequence[Any]) -> tuple[tuple[Symbol, ...], bytearray]:
    """Those of `symbols` that `results` are computed from, in order; and by index whether, of inputs too."""
    found = [result for result in results if isinstance(result, Symbol)]
    wanted = bytearray(1 + max([symbol.index for symbol in (*symbols[-1:], *found)], default=-1))
    for symbol in found:
        wanted[symbol.index] = True
    kept = []
    for symbol in reversed(symbols):
        if wanted[symbol.index]:
            operands = symbol.operands
            if operands or symbol.gate is not INPUT:
                kept.append(symbol)
                for operand in operands:
                    if type(operand) is Symbol:
                        wanted[operand.index] = True
    kept.reverse()
    return tuple(kept), wanted


class SymbolArray(Array):
    """An Array of a function that is being written down: its value is a `Symbol`."""

    __slots__ = ()

    @classmethod
    def _sorting(cls, operands: tuple[Any, ...]) -> tuple[Any, ...]:
        """What `apply` needs to know of operands; what comes from outside the script is captured by it."""
        if len(operands) == 2:
            one, other = operands
            if type(one) is type(other) is SymbolArray:
                x, y = one.value, other.value
                if type(x) is type(y) is Symbol and x.tape is y.tape:  # the usual case, kept short
                    return cls, (one.node, other.node), (x, y), None, max(one.node.leaf, other.node.leaf)
            elif type(one) is SymbolArray and type(other) in PYTHON_NUMBERS:
                return cls, (one.node, None), (one.value, other), (None, other), one.node.leaf
            elif type(other) is SymbolArray and type(one) in PYTHON_NUMBERS:
                return cls, (None, other.node), (one, other.value), (one, None), other.node.leaf
        values = [operand.value if isinstance(operand, Tracked) else captured(operand) for operand in operands]
        tape = _newest(values)
        inputs: list[Node | None] = []
        leaf = 0
        for place, operand in enumerate(operands):
            source = None
            if isinstance(operand, Tracked):
                value, node = operand.value, operand.node
                if isinstance(value, Symbol) and value.tape is tape:
                    source = node
                else:
                    values[place] = tape.own(operand)
                    if node.leaf > tape.order:
                        source = node
            else:
                values[place] = tape.own(values[place])
            if source is not None:
                leaf = max(leaf, source.leaf)
            inputs.append(source)
        if not any(inputs):
            return None, (), tuple(values), None, 0
        constants = tuple([value if source is None else None for source, value in zip(inputs, values, strict=True)])
        return cls, tuple(inputs), tuple(values), constants if None in inputs else None, leaf


def _array_operator(gate: Any, reflected: bool) -> Callable[[Any, Any], Any]:
    """An operator of `SymbolArray`; to what belongs to a map or script inside, it leaves the work.

    What was written down before for operands of the same kinds is what `apply` does, written out, as of such gates a
    script may have a million.
    """
    number, differentiable = id(gate), gate.differentiable
    save_both = gate.save
    save_one = save_both and gate.saver_for((not reflected, reflected))

    def method(self: SymbolArray, other: Any) -> Any:
        x, source = self.value, self.node
        kind: Kind | None = None
        if type(x) is not Symbol:
            pass
        elif type(other) is SymbolArray:
            y = other.value
            if type(y) is Symbol and y.tape is x.tape:
                kind = x.tape.made.get((number, x.kind, y.kind))
                operands: tuple[Any, ...] = (x, y)
                inputs: tuple[Node | None, ...] = (source, other.node)
                constants, save = None, save_both
                leaf = max(source.leaf, other.node.leaf)
        elif type(other) in PYTHON_NUMBERS:
            if reflected:
                kind = x.tape.made.get((number, type(other), x.kind))
                operands, inputs, constants = (other, x), (None, source), (other, None)
            else:
                kind = x.tape.made.get((number, x.kind, type(other)))
                operands, inputs, constants = (x, other), (source, None), (None, other)
            save, leaf = save_one, source.leaf
        if kind is not None:
            frame = _getframe(1)
            code: Any = frame.f_code
            instruction = frame.f_lasti
            if INTERNAL[code.co_filename]:
                code, instruction = outside(frame)
            result = SymbolArray()
            result.value = symbol = x.tape.add(kind, operands, code, instruction)
            result.node = node = Node()
            node.gate = gate
            node.inputs = inputs
            node.constants = constants
            node.saved = () if save is None else save(operands, symbol)
            node.shape = kind.shape
            node.dtype = kind.dtype
            node.order = now()
            node.leaf = leaf if differentiable else 0
            node.code = code
            node.instruction = instruction
            return result
        if not isinstance(other, Tracked) and not is_operand(other):
            return NotImplemented
        if not isinstance(other, Tracked) and getattr(other, "level", 0) > self.value.level:
            return NotImplemented
        return apply(gate, other, self) if reflected else apply(gate, self, other)

    return method


for _name in dir(Array):
    _method = getattr(Array, _name)
    if getattr(_method, "gate", None) is not None:
        setattr(SymbolArray, _name, _array_operator(_method.gate, _method.reflected))

# Set here because the two classes need each other.
Symbol.carrier = SymbolArray
