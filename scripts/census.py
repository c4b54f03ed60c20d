"""How Gatewise answers to every function of NumPy's that can be overridden, and to SciPy's special functions.

Found out by running: each function is called with typical arguments that NumPy itself takes, then with one of them
traced. A gradient is compared with central differences; without one, what the answer is or why there is none is told.
"""

import sys
import types
import warnings
from itertools import product

import numpy as np
import scipy.special
from numpy.testing.overrides import get_overridable_numpy_array_functions, get_overridable_numpy_ufuncs

import gatewise as gw
from gatewise import functions, gates

GRADIENT, FLAT, VALUES, REFUSED, MISSING = "gradient", "flat", "values", "no", "not yet"

ROW = np.array([0.31, 0.74, 0.55, 0.92])
SQUARE = np.array([[2.1, 0.3, 0.4], [0.35, 1.6, 0.2], [0.45, 0.25, 1.9]])
PLACES = np.array([0, 2, 1, 2])
POSITIVE = SQUARE @ SQUARE.T

#: Typical arguments; the first that NumPy itself takes are used. A function of x stands for what depends on it.
TYPICAL = [
    lambda x: (x,),
    lambda x: (x, x + 0.1),
    lambda x: (x, 2),
    lambda x: ([x, 2 * x],),
    lambda x: (x, 1, 0),
    lambda x: (x, x + 0.1, x + 0.2),
]

#: Arguments of functions for which the typical ones mean nothing, by name or spelling.
ARGUMENTS = {
    "can_cast": lambda x: (np.float64, x.dtype) if isinstance(x, np.ndarray) else (x.dtype, np.float64),
    "dsplit": lambda x: (x.reshape(1, 1, 4), 2),
    "imag": lambda x: (x * (1 + 2j),),
    "unpackbits": lambda x: (((x > 0.5) * 1).astype(np.uint8),),
    "unravel_index": lambda x: ((x > 0.5) * 1, (9,)),
    "vsplit": lambda x: (x.reshape(2, 2), 2),
    "np.linalg.tensordot": lambda x: (x, x),
    "append": lambda x: (x, x),
    "apply_along_axis": lambda x: (np.sum, 0, x),
    "apply_over_axes": lambda x: (np.sum, x, [0]),
    "array_split": lambda x: (x, 2),
    "astype": lambda x: (x, np.float64),
    "bincount": lambda x: (PLACES, x),
    "broadcast_to": lambda x: (x, (2, 4)),
    "choose": lambda x: (PLACES, [x, x, 2 * x]),
    "cholesky": lambda x: (x @ x.T + np.eye(3),),
    "clip": lambda x: (x, 0.4, 0.8),
    "compress": lambda x: ([True, False, True], x),
    "copyto": lambda x: (x, x[::-1] * 2),
    "cross": lambda x: (x[:3], x[1:]),
    "delete": lambda x: (x, 1),
    "digitize": lambda x: (x, [0.4, 0.6]),
    "einsum": lambda x: ("i,i", x, x),
    "einsum_path": lambda x: ("i,i", x, x),
    "expand_dims": lambda x: (x, 0),
    "extract": lambda x: ([True, False, True, False], x),
    "fill_diagonal": lambda x: (x, 2.0),
    "full_like": lambda x: (x, x[0]),
    "geomspace": lambda x: (x[0], x[1], 4),
    "histogram": lambda x: (x, 3, None, True),
    "histogram2d": lambda x: (x, x[::-1], 2, None, True),
    "histogram_bin_edges": lambda x: (x, 3),
    "histogramdd": lambda x: ((x,), 3, None, True),
    "insert": lambda x: (x, 1, x[0]),
    "interp": lambda x: (x, [0.0, 0.5, 1.0], [1.0, 3.0, 2.0]),
    "irfft": lambda x: (x,),
    "ldexp": lambda x: (x, 2),
    "linspace": lambda x: (x[0], x[1], 4),
    "logspace": lambda x: (x[0], x[1], 4),
    "lexsort": lambda x: (x,),
    "matrix_power": lambda x: (x, 2),
    "moveaxis": lambda x: (x, 0, 0),
    "multi_dot": lambda x: ([x, x],),
    "pad": lambda x: (x, 1),
    "partition": lambda x: (x, 2),
    "argpartition": lambda x: (x, 2),
    "percentile": lambda x: (x, 30.0),
    "nanpercentile": lambda x: (x, 30.0),
    "quantile": lambda x: (x, 0.3),
    "nanquantile": lambda x: (x, 0.3),
    "piecewise": lambda x: (x, [np.array([True, False, True, False])], [lambda x: x * x, 1.0]),
    "place": lambda x: (x, np.array([True, False, True, False]), x[:1] * 2),
    "polyfit": lambda x: (x, x[::-1], 1),
    "polygrid2d": lambda x: (x, x, np.ones((2, 2))),
    "polyval2d": lambda x: (x, x, np.ones((2, 2))),
    "put": lambda x: (x, [0, 1], x[2:] * 2),
    "put_along_axis": lambda x: (x, np.array([0, 1]), x[:2] * 2, 0),
    "putmask": lambda x: (x, np.array([True, False, True, False]), x * 2),
    "repeat": lambda x: (x, 2),
    "reshape": lambda x: (x, (2, 2)),
    "resize": lambda x: (x, (3, 3)),
    "roll": lambda x: (x, 1),
    "rollaxis": lambda x: (x, 0),
    "select": lambda x: ([np.array([True, False, True, False])], [x]),
    "sliding_window_view": lambda x: (x, 2),
    "solve": lambda x: (x, x[0]),
    "split": lambda x: (x, 2),
    "swapaxes": lambda x: (x, 0, 0),
    "take": lambda x: (x, [0, 2]),
    "take_along_axis": lambda x: (x, np.array([0, 2]), 0),
    "tensordot": lambda x: (x, x, 1),
    "tensorinv": lambda x: (x, 1),
    "tensorsolve": lambda x: (x, x[0]),
    "tile": lambda x: (x, 2),
    "trace": lambda x: (x,),
    "transpose": lambda x: (x,),
    "trapezoid": lambda x: (x,),
    "unstack": lambda x: (x,),
    "vander": lambda x: (x,),
    "where": lambda x: (np.array([True, False, True, False]), x, 2 * x),
    "ravel_multi_index": lambda x: ((x,), (9,)),
    "logn": lambda x: (2.0, x),
    "matvec": lambda x: (np.ones((2, 4)), x),
    "vecmat": lambda x: (x, np.ones((4, 2))),
    "vecdot": lambda x: (x, x),
    "matmul": lambda x: (x, x),
    "heaviside": lambda x: (x, x),
}

#: Functions that make arrays, with ``like=x``.
MAKERS = {
    **dict.fromkeys(["eye", "identity", "tri", "zeros", "ones", "empty"], lambda make, x: make(3, like=x)),
    **dict.fromkeys(
        ["array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"],
        lambda make, x: make([x[0], 2.0, x[1]], like=x),
    ),
    "full": lambda make, x: make((2,), x[0], like=x),
    "require": lambda make, x: make([x[0], 2.0], float, like=x),
}

#: Arrays of which one is the argument called x above, tried in turn.
STARTS = (ROW, SQUARE, ROW + 1.0, np.array([1, 2, 3, 4]))

#: Operands at which functions of SciPy's are smooth.
SPECIAL = {
    **gates.later("tabulated").EXAMPLES,
    "nrdtrimn": (0.3, 1.2, 0.7),
    "nrdtrisd": (0.2, 0.3, 0.7),
    "voigt_profile": (0.7, 1.2, 0.4),
}
OPERANDS = [(0.37,), (2, 0.37), (1.37,), (0.4, 0.37), (1.2, 0.37), (3, 1, 0.37), (2, 1, 0.3, 0.37)]


def row_of(result):
    """The numbers of a result, which may be nested, as one real row; None where there are none."""
    if isinstance(result, dict | str | bytes | type) or result is None:
        return None
    if isinstance(result, list | tuple):
        parts = [part for part in map(row_of, result) if part is not None]
        return np.concatenate(parts) if parts else None
    if not hasattr(result, "dtype") or np.dtype(str(result.dtype)).kind not in "fc":
        return None
    if np.dtype(str(result.dtype)).kind == "c":
        return np.concatenate([np.ravel(np.real(result)), np.ravel(np.imag(result))])
    return np.ravel(result)


def computed(function, arguments, x):
    """The row of what a function gives; of one that writes into its argument, that argument."""
    x = x * 1.0 if x.dtype.kind == "f" else x
    given = arguments(x)
    result = function(*given)
    return x if result is None else result


def traced(result):
    """Whether anything in a result carries a gradient."""
    if isinstance(result, list | tuple):
        return any(map(traced, result))
    return isinstance(result, gw.Array) and bool(result.node.leaf)


def differences(f, x, step=1e-6):
    """The gradient of a function by central differences."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[index] += sign * step
            ends.append(f(moved))
        gradient[index] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def weighted(f):
    """A single number out of a function's row."""

    def loss(x):
        row = row_of(f(x))
        return np.sum(np.cos(1.0 + np.arange(row.shape[0])) * row)

    return loss


def examined(function, f, x):
    """The class of a function that NumPy computes at x, and a word on it.

    Raises:
        AssertionError: Its gradient is not its slope, so that no table should say that it has one.
    """
    if x.dtype.kind != "f":
        return VALUES, "takes integers, which carry no gradient"
    try:
        result = f(gw.variable(x))
    except gw.GatewiseError as error:
        why = functions.reason(function)
        message = getattr(error, "reason", str(error))
        if why or isinstance(error, gw.DTypeError):
            return REFUSED, why or message
        return MISSING, "the nearest" + message.partition("the nearest")[2] if "the nearest" in message else message
    if not traced(result) or row_of(result) is None:
        kept = result if isinstance(result, gw.Array) else None
        kind = FLAT if kept is not None and np.dtype(kept.dtype).kind in "fc" else VALUES
        return kind, ""
    loss = weighted(f)
    found, expected = gw.grad(loss)(x), differences(loss, x)
    if not np.allclose(found, expected, rtol=1e-4, atol=1e-5):
        raise AssertionError(f"{function.__name__}: the gradient {found} is not the slope {expected}")
    return GRADIENT, ""


def attempts(function):
    """Ways to call a function of NumPy's, with the array that they start from."""
    if function.__name__ in MAKERS:
        yield (lambda x: MAKERS[function.__name__](function, x)), ROW
        return
    special = ARGUMENTS.get(functions.spelling(function)) or ARGUMENTS.get(function.__name__)
    for arguments, x in product([special] if special else TYPICAL, STARTS):
        yield (lambda x, arguments=arguments: computed(function, arguments, x)), x


def classified(function):
    """The class of a function of NumPy's and a word on it."""
    why = functions.reason(function)
    if why:
        return REFUSED, why
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for f, x in attempts(function):
            try:
                row = row_of(f(x))
            except Exception:
                continue
            if row is None or np.all(np.isfinite(row)):
                return examined(function, f, x)
    raise LookupError(f"{functions.spelling(function)}: say in ARGUMENTS what it takes")


def classified_special(ufunc):
    """The class of one of SciPy's ufuncs, with the operands that carry a gradient."""
    if functions.of_numpy(ufunc) is None:
        return MISSING, functions.nearest(ufunc).removeprefix("; ")
    found = {}
    name = ufunc.__name__
    candidates = [SPECIAL[name]] if name in SPECIAL else [one for one in OPERANDS if len(one) == ufunc.nin]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for operands in candidates:
            for place, operand in enumerate(operands):
                f = _at(ufunc, operands, place)
                if isinstance(operand, float) and np.all(np.isfinite(row_of(f(np.array([operand]))))):
                    kind, _ = examined(ufunc, f, np.array([operand]))
                    found.setdefault(kind, []).append(place + 1)
    if GRADIENT not in found:
        if any(isinstance(operand, complex) for operand in candidates[0]):
            return GRADIENT, "of complex numbers"
        return FLAT, ""
    without = sorted({*range(1, ufunc.nin + 1)} - set(found[GRADIENT]))
    return GRADIENT, f"not with respect to operand {' and '.join(map(str, without))}" if without else ""


def _at(ufunc, operands, place):
    return lambda x: ufunc(*operands[:place], x, *operands[place + 1 :])


def numpy_functions():
    """NumPy's functions and ufuncs by the name that users write, without private and repeated ones."""
    found = {}
    for function in get_overridable_numpy_array_functions():
        if not function.__name__.startswith("_"):
            found.setdefault(functions.spelling(function), function)
    for ufunc in get_overridable_numpy_ufuncs():
        public = getattr(np, ufunc.__name__, None) is ufunc or getattr(np.strings, ufunc.__name__, None) is ufunc
        if public:
            found.setdefault(functions.spelling(ufunc), ufunc)
    for name, function in list(found.items()):  # public ones rather than makers of arrays behind like=
        public = getattr(np, function.__name__, None)
        if name == f"np.{function.__name__}" and isinstance(public, types.FunctionType):
            found[name] = public
    return dict(sorted(found.items()))


def special_functions():
    """SciPy's special ufuncs by name."""
    named = {name: getattr(scipy.special, name) for name in dir(scipy.special)}
    return {f"special.{name}": f for name, f in sorted(named.items()) if isinstance(f, np.ufunc)}


def main():
    """Print the classes, for a look without writing the page."""
    for name, function in numpy_functions().items():
        print(name, *classified(function), sep=" | ")
    for name, function in special_functions().items():
        print(name, *classified_special(function), sep=" | ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
