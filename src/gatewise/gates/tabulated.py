"""Functions of ``scipy.special`` whose slopes are formulas of other functions: one gate, and a table of the formulas.

A row of the table names SciPy's function and gives, for each operand, its slope as a formula of the operands and the
output. Operands without one (the order of a polynomial, the degrees of freedom) must be plain numbers; the error says
so. Functions with gates of their own are in `special`. Formulas: NIST Digital Library of Mathematical Functions
(dlmf.nist.gov), by the name of the function; distributions: their densities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from math import pi, sqrt
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise import samples as draw
from gatewise.errors import UnsupportedError
from gatewise.gate import Elementwise
from gatewise.graph import Tracked, apply, arrayed, untracked
from gatewise.samples import sample

__all__: list[str] = []

#: A slope as a formula of the operands and the output; None where there is none.
Slope = Callable[..., Any] | None

#: For each output of each function the slopes with respect to the operands.
SLOPES: dict[str, tuple[tuple[Slope, ...], ...]] = {}

#: Operands at which each function is smooth, for tests.
EXAMPLES: dict[str, tuple[float, ...]] = {}


@dataclass(frozen=True)
class Tabulated(Elementwise):
    """A function of ``scipy.special`` by its name; of one with several outputs, one of them"""

    name = "tabulated"
    symbol = "special"
    story = "scales: each input receives the upstream gradient times a slope out of a table"
    samples = (
        sample([0.7, 1.3], function="dawsn", output=0),
        sample([1.5, 2.0], [0.7, 1.3], function="beta", output=0),
        sample([[1.5], [2.0]], [0.7, 1.3], function="pseudo_huber", output=0),
        sample([0.7, 1.3], function="sici", output=1),
        sample(draw.positive(), draw.positive(), function="agm", output=0),
    )

    function: str
    output: int

    def forward(self, xp: Any, *xs: Any) -> Any:
        if xp is not np:
            array = next(x for x in xs if hasattr(x, "shape"))
            if libraries.title(array) != "Dask":  # which takes SciPy's ufuncs piece by piece
                values = [libraries.to_numpy(x, self.function) if hasattr(x, "shape") else x for x in xs]
                return libraries.placed(xp, self.forward(np, *values), array)
        found = getattr(import_module("scipy.special"), self.function)(*xs)
        return found[self.output] if isinstance(found, tuple) else found

    def local(self, index: int, g: Any, xs: Any, out: Any) -> Any:
        slope = SLOPES[self.function][self.output][index]
        return None if slope is None else g * slope(*xs, out)

    def label(self, constants: tuple[Any, ...] = ()) -> str:
        return self.function


def _f(function: str, *operands: Any, output: int = 0) -> Any:
    """A function of the table."""
    return apply(Tabulated(function, output), *operands)


def _row(function: str, example: tuple[float, ...], *slopes: Slope) -> None:
    """A function with one output."""
    _rows(function, example, slopes)


def _rows(function: str, example: tuple[float, ...], *outputs: tuple[Slope, ...]) -> None:
    """A function with several outputs, a tuple of slopes for each."""
    SLOPES[function], EXAMPLES[function] = outputs, example
    differentiable = [any(slopes[i] is not None for slopes in outputs) for i in range(len(example))]

    def call(*operands: Any) -> Any:
        for place, (operand, has_slope) in enumerate(zip(operands, differentiable, strict=True)):
            if not has_slope and isinstance(operand, Tracked) and operand.node.leaf:
                raise UnsupportedError(
                    f"scipy.special.{function} has no slope with respect to its operand number {place + 1} here: give "
                    f"that as a plain number, or gw.stop_gradient(x)"
                )
        found = tuple(_f(function, *map(arrayed, operands), output=place) for place in range(len(outputs)))
        return found if len(outputs) > 1 else found[0]

    call.__name__ = function
    gates.special.SCIPY_FUNCTIONS[function] = call


def _composed(function: str, composition: Callable[..., Any]) -> None:
    """A function that is made of others."""
    gates.special.SCIPY_FUNCTIONS[function] = composition


def _over(numerator: Any, x: Any, at_zero: float) -> Any:
    """A quotient that has a limit where x is 0."""
    zero = x == 0
    return gates.where(zero, at_zero, numerator / gates.where(zero, 1.0, x))


# ----------------------------------------------------------------------------------------- error function and integrals

_row("dawsn", (0.7,), lambda x, out: 1 - 2 * x * out)
_row("erfcx", (0.7,), lambda x, out: 2 * x * out - 2 / sqrt(pi))
_row("erfi", (0.7,), lambda x, out: (2 / sqrt(pi)) * gates.exp(x * x))
_row("wofz", (0.7 + 0.4j,), lambda x, out: -2 * x * out + 2j / sqrt(pi))  # type: ignore[arg-type]
_row("ndtri_exp", (-0.7,), lambda x, out: sqrt(2 * pi) * gates.exp(x + 0.5 * out * out))
_row(
    "owens_t",
    (0.7, 1.2),
    lambda h, a, out: gates.exp(-0.5 * h * h) * gates.erf(a * h / sqrt(2)) * (-0.5 / sqrt(2 * pi)),
    lambda h, a, out: gates.exp(-0.5 * h * h * (1 + a * a)) / (2 * pi * (1 + a * a)),
)
_row("exp1", (0.7,), lambda x, out: -gates.exp(-x) / x)
_row("expi", (0.7,), lambda x, out: gates.exp(x) / x)
_row(
    "expn",
    (2, 0.7),
    None,
    lambda n, x, out: -gates.where(n >= 1, _f("expn", gates.maximum(n - 1, 0), x), (gates.exp(-x) - (n - 1) * out) / x),
)
_row("exprel", (0.7,), lambda x, out: 0.5 * _f("hyp1f1", 2.0, 3.0, x))
_row("spence", (0.7,), lambda x, out: -_over(gates.log1p(x - 1), x - 1, 1.0))
_rows("fresnel", (0.7,), (lambda x, out: gates.sin(0.5 * pi * x * x),), (lambda x, out: gates.cos(0.5 * pi * x * x),))
_rows("sici", (0.7,), (lambda x, out: _over(gates.sin(x), x, 1.0),), (lambda x, out: gates.cos(x) / x,))
_rows("shichi", (0.7,), (lambda x, out: _over(gates.sinh(x), x, 1.0),), (lambda x, out: gates.cosh(x) / x,))
_rows(
    "modfresnelp",
    (0.7,),
    (lambda x, out: -gates.exp(1j * x * x),),
    (lambda x, out: -2j * x * out - np.exp(-0.25j * pi) / sqrt(pi),),
)
_rows(
    "modfresnelm",
    (0.7,),
    (lambda x, out: -gates.exp(-1j * x * x),),
    (lambda x, out: 2j * x * out - np.exp(0.25j * pi) / sqrt(pi),),
)

# ------------------------------------------------------------------------------------------------------- gamma and beta

_row("loggamma", (0.7,), lambda x, out: gates.digamma(x))
_row("rgamma", (0.7,), lambda x, out: -gates.digamma(x) * out)
_row(
    "beta",
    (1.5, 0.7),
    lambda a, b, out: out * (gates.digamma(a) - gates.digamma(a + b)),
    lambda a, b, out: out * (gates.digamma(b) - gates.digamma(a + b)),
)
_row(
    "betaln",
    (1.5, 0.7),
    lambda a, b, out: gates.digamma(a) - gates.digamma(a + b),
    lambda a, b, out: gates.digamma(b) - gates.digamma(a + b),
)
_row(
    "binom",
    (5.3, 2.1),
    lambda n, k, out: out * (gates.digamma(n + 1) - gates.digamma(n - k + 1)),
    lambda n, k, out: out * (gates.digamma(n - k + 1) - gates.digamma(k + 1)),
)
_row(
    "poch",
    (1.5, 0.7),
    lambda z, m, out: out * (gates.digamma(z + m) - gates.digamma(z)),
    lambda z, m, out: out * gates.digamma(z + m),
)


def _gamma_density(a: Any, x: Any) -> Any:
    return gates.exp(gates.xlogy(a - 1, x) - x - gates.gammaln(a))


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    return gates.exp(gates.xlogy(a - 1, x) + gates.xlog1py(b - 1, -x) - _f("betaln", a, b))


def _student_density(df: Any, t: Any) -> Any:
    scale = gates.exp(gates.gammaln(0.5 * (df + 1)) - gates.gammaln(0.5 * df)) / gates.sqrt(df * pi)
    return scale * gates.pow(1 + t * t / df, -0.5 * (df + 1))


def _fisher_density(n: Any, d: Any, x: Any) -> Any:
    whole = d + n * x
    return _beta_density(0.5 * n, 0.5 * d, n * x / whole) * n * d / (whole * whole)


_row("gammainc", (1.5, 0.7), None, lambda a, x, out: _gamma_density(a, x))
_row("gammaincc", (1.5, 0.7), None, lambda a, x, out: -_gamma_density(a, x))
_row("gammaincinv", (1.5, 0.7), None, lambda a, y, out: 1 / _gamma_density(a, out))
_row("gammainccinv", (1.5, 0.7), None, lambda a, y, out: -1 / _gamma_density(a, out))
_row("betainc", (1.5, 2.0, 0.7), None, None, lambda a, b, x, out: _beta_density(a, b, x))
_row("betaincc", (1.5, 2.0, 0.7), None, None, lambda a, b, x, out: -_beta_density(a, b, x))
_row("betaincinv", (1.5, 2.0, 0.7), None, None, lambda a, b, y, out: 1 / _beta_density(a, b, out))
_row("betainccinv", (1.5, 2.0, 0.7), None, None, lambda a, b, y, out: -1 / _beta_density(a, b, out))

# -------------------------------------------------------------------------------------------------------- distributions

_row("chdtr", (3.0, 1.7), None, lambda v, x, out: 0.5 * _gamma_density(0.5 * v, 0.5 * x))
_row("chdtrc", (3.0, 1.7), None, lambda v, x, out: -0.5 * _gamma_density(0.5 * v, 0.5 * x))
_row("chdtri", (3.0, 0.3), None, lambda v, p, out: -2 / _gamma_density(0.5 * v, 0.5 * out))
_row("pdtr", (2.0, 1.7), None, lambda k, m, out: -_gamma_density(gates.floor(k) + 1, m))
_row("pdtrc", (2.0, 1.7), None, lambda k, m, out: _gamma_density(gates.floor(k) + 1, m))
_row("pdtri", (2, 0.3), None, lambda k, y, out: -1 / _gamma_density(k + 1, out))
_row("stdtr", (3.0, 0.7), None, lambda df, t, out: _student_density(df, t))
_row("stdtrit", (3.0, 0.3), None, lambda df, p, out: 1 / _student_density(df, out))
_row("bdtr", (2.0, 5, 0.3), None, None, lambda k, n, p, out: -_beta_density(n - k, k + 1, 1 - p))
_row("bdtrc", (2.0, 5, 0.3), None, None, lambda k, n, p, out: _beta_density(n - k, k + 1, 1 - p))
_row("bdtri", (2.0, 5, 0.3), None, None, lambda k, n, y, out: -1 / _beta_density(n - k, k + 1, 1 - out))
_row("nbdtr", (2, 5, 0.3), None, None, lambda k, n, p, out: _beta_density(n, k + 1, p))
_row("nbdtrc", (2, 5, 0.3), None, None, lambda k, n, p, out: -_beta_density(n, k + 1, p))
_row("nbdtri", (2, 5, 0.3), None, None, lambda k, n, y, out: 1 / _beta_density(n, k + 1, out))
_row("fdtr", (3.0, 4.0, 0.7), None, None, lambda n, d, x, out: _fisher_density(n, d, x))
_row("fdtrc", (3.0, 4.0, 0.7), None, None, lambda n, d, x, out: -_fisher_density(n, d, x))
_row("fdtri", (3.0, 4.0, 0.3), None, None, lambda n, d, p, out: 1 / _fisher_density(n, d, out))
_row(
    "gdtr",
    (1.2, 1.5, 0.7),
    lambda a, b, x, out: x * _gamma_density(b, a * x),
    None,
    lambda a, b, x, out: a * _gamma_density(b, a * x),
)
_row(
    "gdtrc",
    (1.2, 1.5, 0.7),
    lambda a, b, x, out: -x * _gamma_density(b, a * x),
    None,
    lambda a, b, x, out: -a * _gamma_density(b, a * x),
)
_row(
    "gdtrix",
    (1.2, 1.5, 0.3),
    lambda a, b, p, out: -out / a,
    None,
    lambda a, b, p, out: 1 / (a * _gamma_density(b, a * out)),
)
_row(
    "gdtria",
    (0.3, 1.5, 0.7),
    lambda p, b, x, out: 1 / (x * _gamma_density(b, out * x)),
    None,
    lambda p, b, x, out: -out / x,
)
_row(
    "tklmbda",
    (0.7, 0.5),
    lambda x, shape, out: 1 / (gates.pow(out, shape - 1) + gates.pow(1 - out, shape - 1)),
    None,
)
_composed("nrdtrimn", lambda p, std, x: arrayed(x) - std * gates.ndtri(p))
_composed("nrdtrisd", lambda mn, p, x: (arrayed(x) - mn) / gates.ndtri(p))


def _voigt(x: Any, sigma: Any, gamma: Any) -> Any:
    """The convolution of a normal density with a Cauchy density, by the Faddeeva function."""
    width = arrayed(sigma) * sqrt(2)
    return gates.real(_f("wofz", (arrayed(x) + 1j * arrayed(gamma)) / width)) / (width * sqrt(pi))


_composed("voigt_profile", _voigt)

# ------------------------------------------------------------------------------------ transformations and small helpers


def _box_cox_slope(log: Any, power: Any) -> Any:
    """The slope of (e^(power · log) - 1) / power with respect to the power, also where that is 0."""
    return 0.5 * log * log * _f("hyp1f1", 2.0, 3.0, power * log)


_row(
    "boxcox",
    (1.7, 0.4),
    lambda x, power, out: gates.pow(x, power - 1),
    lambda x, power, out: _box_cox_slope(gates.log(x), power),
)
_row(
    "boxcox1p",
    (0.7, 0.4),
    lambda x, power, out: gates.pow(1 + x, power - 1),
    lambda x, power, out: _box_cox_slope(gates.log1p(x), power),
)
_row(
    "inv_boxcox",
    (0.7, 0.4),
    lambda y, power, out: gates.pow(out, 1 - power),
    lambda y, power, out: -_box_cox_slope(gates.log(out), power) * gates.pow(out, 1 - power),
)
_row(
    "inv_boxcox1p",
    (0.7, 0.4),
    lambda y, power, out: gates.pow(1 + out, 1 - power),
    lambda y, power, out: -_box_cox_slope(gates.log1p(out), power) * gates.pow(1 + out, 1 - power),
)
_row(
    "powm1",
    (1.7, 0.4),
    lambda x, y, out: y * gates.pow(x, y - 1),
    lambda x, y, out: gates.log(x) * (out + 1),
)
_row(
    "huber",
    (1.2, 2.7),
    lambda delta, r, out: gates.maximum(gates.abs(r) - delta, 0.0),
    lambda delta, r, out: gates.clip(r, -delta, delta),
)
_row(
    "pseudo_huber",
    (1.2, 2.7),
    lambda delta, r, out: 2 * out / delta - r * r / (delta * gates.hypot(1.0, r / delta)),
    lambda delta, r, out: r / gates.hypot(1.0, r / delta),
)
_row("cosm1", (0.7,), lambda x, out: -gates.sin(x))
_row("sindg", (25.0,), lambda x, out: (pi / 180) * _f("cosdg", x))
_row("cosdg", (25.0,), lambda x, out: (-pi / 180) * _f("sindg", x))
_row("tandg", (25.0,), lambda x, out: (pi / 180) * (1 + out * out))
_row("cotdg", (25.0,), lambda x, out: (-pi / 180) * (1 + out * out))
_row(
    "radian",
    (25.0, 30.0, 10.0),
    lambda d, m, s, out: d * 0 + pi / 180,
    lambda d, m, s, out: m * 0 + pi / 10800,
    lambda d, m, s, out: s * 0 + pi / 648000,
)
_row("wrightomega", (0.7,), lambda x, out: out / (1 + out))
_composed("gammasgn", lambda x: _f("gammasgn", untracked(x)))
_composed("round", lambda x: gates.round(x))

# --------------------------------------------------------------------------------------------------- elliptic integrals


def _complete_slope(m: Any) -> Any:
    """The slope of the complete integral of the first kind."""
    return (pi / 8) * _f("hyp2f1", 1.5, 1.5, 2.0, m)


def _incomplete_slope(phi: Any, m: Any, first: Any) -> Any:
    """The slope of the incomplete integral of the first kind, which is `first`, with respect to m."""
    sine = gates.sin(phi)
    rest = _f("ellipeinc", phi, m) - (1 - m) * first
    end = m * gates.sin(2 * phi) / (2 * gates.sqrt(1 - m * sine * sine))
    limit = (2 * phi - gates.sin(2 * phi)) / 8
    zero = m == 0
    return gates.where(zero, limit, (rest - end) / gates.where(zero, 1.0, 2 * m * (1 - m)))


_row("ellipk", (0.7,), lambda m, out: _complete_slope(m))
_row("ellipkm1", (0.7,), lambda p, out: -_complete_slope(1 - p))
_row("ellipe", (0.7,), lambda m, out: (-pi / 8) * _f("hyp2f1", 0.5, 1.5, 2.0, m))
_row(
    "ellipkinc",
    (0.7, 0.4),
    lambda phi, m, out: 1 / gates.sqrt(1 - m * gates.sin(phi) ** 2),
    lambda phi, m, out: _incomplete_slope(phi, m, out),
)
_row(
    "ellipeinc",
    (0.7, 0.4),
    lambda phi, m, out: gates.sqrt(1 - m * gates.sin(phi) ** 2),
    lambda phi, m, out: gates.where(
        m == 0,
        (gates.sin(2 * phi) - 2 * phi) / 8,
        (out - _f("ellipkinc", phi, m)) / gates.where(m == 0, 1.0, 2 * m),
    ),
)


def _degenerate_slope(x: Any, y: Any, rest: Any, share: int) -> Any:
    """A slope of the degenerate integral of the first kind, with its limit where x is y."""
    same = x == y
    return gates.where(same, -gates.pow(y, -1.5) / share, rest / gates.where(same, 1.0, 2 * (y - x)))


_row(
    "elliprc",
    (0.7, 1.2),
    lambda x, y, out: _degenerate_slope(x, y, out - 1 / gates.sqrt(x), 6),
    lambda x, y, out: _degenerate_slope(x, y, gates.sqrt(x) / y - out, 3),
)
_row(
    "elliprf",
    (0.7, 1.2, 1.9),
    lambda x, y, z, out: _f("elliprd", y, z, x) / -6,
    lambda x, y, z, out: _f("elliprd", z, x, y) / -6,
    lambda x, y, z, out: _f("elliprd", x, y, z) / -6,
)


def _carlson_g(x: Any, y: Any, z: Any) -> Any:
    """The slope of the symmetric integral of the second kind with respect to x."""
    return (_f("elliprf", x, y, z) - x * _f("elliprd", y, z, x) / 3) / 4


_row(
    "elliprg",
    (0.7, 1.2, 1.9),
    lambda x, y, z, out: _carlson_g(x, y, z),
    lambda x, y, z, out: _carlson_g(y, z, x),
    lambda x, y, z, out: _carlson_g(z, x, y),
)


def _carlson_d(x: Any, z: Any, one: Any, other: Any) -> Any:
    """The slope of the degenerate integral of the third kind with respect to x, by the Euler-Poisson-Darboux equation.

    `one` is the integral with z last, `other` that with x last; where x and z meet the equation has no answer.
    """
    return (one - other) / (2 * (z - x))


_row(
    "elliprd",
    (0.7, 1.2, 1.9),
    lambda x, y, z, out: _carlson_d(x, z, out, _f("elliprd", y, z, x)),
    lambda x, y, z, out: _carlson_d(y, z, out, _f("elliprd", z, x, y)),
    lambda x, y, z, out: (
        (
            -1.5 * out
            - x * _carlson_d(x, z, out, _f("elliprd", y, z, x))
            - y * _carlson_d(y, z, out, _f("elliprd", z, x, y))
        )
        / z
    ),
)


def _jacobi(u: Any, m: Any, output: int) -> Any:
    return _f("ellipj", u, m, output=output)


def _amplitude_slope(u: Any, m: Any) -> Any:
    """The slope of the amplitude with respect to m."""
    return -_jacobi(u, m, 2) * _incomplete_slope(_jacobi(u, m, 3), m, u)


_rows(
    "ellipj",
    (0.7, 0.4),
    (
        lambda u, m, out: _jacobi(u, m, 1) * _jacobi(u, m, 2),
        lambda u, m, out: _jacobi(u, m, 1) * _amplitude_slope(u, m),
    ),
    (
        lambda u, m, out: -_jacobi(u, m, 0) * _jacobi(u, m, 2),
        lambda u, m, out: -_jacobi(u, m, 0) * _amplitude_slope(u, m),
    ),
    (
        lambda u, m, out: -m * _jacobi(u, m, 0) * _jacobi(u, m, 1),
        lambda u, m, out: (
            -_jacobi(u, m, 0) * (0.5 * _jacobi(u, m, 0) + m * _jacobi(u, m, 1) * _amplitude_slope(u, m)) / out
        ),
    ),
    (lambda u, m, out: _jacobi(u, m, 2), lambda u, m, out: _amplitude_slope(u, m)),
)


def _mean_slope(a: Any, b: Any, out: Any) -> Any:
    """The slope of the arithmetic-geometric mean, π/4 · (a + b) / K(m), with respect to a."""
    whole = a + b
    part = (a - b) / whole
    square = part * part
    return out / whole - out * _complete_slope(square) / _f("ellipk", square) * 4 * part * b / (whole * whole)


_row("agm", (0.7, 1.2), _mean_slope, lambda a, b, out: _mean_slope(b, a, out))

# --------------------------------------------------------------------------------------------- hypergeometric functions

_row("hyp0f1", (1.5, 0.7), None, lambda v, x, out: _f("hyp0f1", v + 1, x) / v)
_row("hyp1f1", (1.2, 1.5, 0.7), None, None, lambda a, b, x, out: a / b * _f("hyp1f1", a + 1, b + 1, x))
_row(
    "hyp2f1",
    (1.2, 0.6, 1.5, 0.4),
    None,
    None,
    None,
    lambda a, b, c, x, out: a * b / c * _f("hyp2f1", a + 1, b + 1, c + 1, x),
)
_row("hyperu", (1.2, 1.5, 0.7), None, None, lambda a, b, x, out: -a * _f("hyperu", a + 1, b + 1, x))
_row("wright_bessel", (1.2, 1.5, 0.7), None, None, lambda a, b, x, out: _f("wright_bessel", a, a + b, x))
_row(
    "log_wright_bessel",
    (1.2, 1.5, 0.7),
    None,
    None,
    lambda a, b, x, out: gates.exp(_f("log_wright_bessel", a, a + b, x) - out),
)

# ----------------------------------------------------------------------------------------------- orthogonal polynomials


def _below(function: str, n: Any, *operands: Any) -> Any:
    """The polynomial of the next smaller order; 0 for order 0."""
    return gates.where(n == 0, 0.0, _f(function, gates.where(n == 0, 0, n - 1), *operands))


_row("eval_chebyt", (3, 0.4), None, lambda n, x, out: n * _below("eval_chebyu", n, x))
_row("eval_chebyu", (3, 0.4), None, lambda n, x, out: 2 * _below("eval_gegenbauer", n, 2.0, x))
_row("eval_chebyc", (3, 0.4), None, lambda n, x, out: n * _below("eval_chebyu", n, x / 2))
_row("eval_chebys", (3, 0.4), None, lambda n, x, out: _below("eval_gegenbauer", n, 2.0, x / 2))
_row("eval_sh_chebyt", (3, 0.4), None, lambda n, x, out: 2 * n * _below("eval_chebyu", n, 2 * x - 1))
_row("eval_sh_chebyu", (3, 0.4), None, lambda n, x, out: 4 * _below("eval_gegenbauer", n, 2.0, 2 * x - 1))
_row("eval_legendre", (3, 0.4), None, lambda n, x, out: _below("eval_gegenbauer", n, 1.5, x))
_row("eval_sh_legendre", (3, 0.4), None, lambda n, x, out: 2 * _below("eval_gegenbauer", n, 1.5, 2 * x - 1))
_row("eval_gegenbauer", (3, 1.2, 0.4), None, None, lambda n, a, x, out: 2 * a * _below("eval_gegenbauer", n, a + 1, x))
_row("eval_laguerre", (3, 0.4), None, lambda n, x, out: -_below("eval_genlaguerre", n, 1.0, x))
_row("eval_genlaguerre", (3, 1.2, 0.4), None, None, lambda n, a, x, out: -_below("eval_genlaguerre", n, a + 1, x))
_row("eval_hermite", (3, 0.4), None, lambda n, x, out: 2 * n * _below("eval_hermite", n, x))
_row("eval_hermitenorm", (3, 0.4), None, lambda n, x, out: n * _below("eval_hermitenorm", n, x))
_row(
    "eval_jacobi",
    (3, 1.2, 0.6, 0.4),
    None,
    None,
    None,
    lambda n, a, b, x, out: 0.5 * (n + a + b + 1) * _below("eval_jacobi", n, a + 1, b + 1, x),
)
_row(
    "eval_sh_jacobi",
    (3, 1.2, 0.6, 0.4),
    None,
    None,
    None,
    lambda n, p, q, x, out: (n + p) / _f("binom", 2 * n + p - 1, n) * _below("eval_jacobi", n, p - q + 1, q, 2 * x - 1),
)
_row(
    "lpmv",
    (1, 3, 0.4),
    None,
    None,
    lambda m, v, x, out: (v * x * out - (v + m) * _f("lpmv", m, v - 1, x)) / (x * x - 1),
)

# -------------------------------------------------------------------------------------- Airy, Kelvin, Struve, cylinders


def _turning(function: str, place: int, factor: Callable[..., Any]) -> tuple[tuple[Slope, ...], tuple[Slope, ...]]:
    """The slopes of a solution of y'' = factor · y and of its slope, which are two outputs next to each other."""
    return (
        (lambda x, out: _f(function, x, output=place + 1),),
        (lambda x, out: factor(x) * _f(function, x, output=place),),
    )


_rows("airy", (0.7,), *_turning("airy", 0, lambda x: x), *_turning("airy", 2, lambda x: x))
_rows(
    "itairy",
    (0.7,),
    (lambda x, out: _f("airy", x),),
    (lambda x, out: _f("airy", x, output=2),),
    (lambda x, out: _f("airy", -x),),
    (lambda x, out: _f("airy", -x, output=2),),
)


def _cylinder(function: str, factor: Callable[..., Any]) -> tuple[tuple[Slope, ...], tuple[Slope, ...]]:
    return (
        (None, lambda v, x, out: _f(function, v, x, output=1)),
        (None, lambda v, x, out: factor(v, x) * _f(function, v, x)),
    )


_rows("pbdv", (1.5, 0.7), *_cylinder("pbdv", lambda v, x: x * x / 4 - v - 0.5))
_rows("pbvv", (1.5, 0.7), *_cylinder("pbvv", lambda v, x: x * x / 4 - v - 0.5))
_rows("pbwa", (1.5, 0.7), *_cylinder("pbwa", lambda v, x: v - x * x / 4))

for _real, _imaginary in (("ber", "bei"), ("ker", "kei")):
    _row(_real, (0.7,), lambda x, out, name=_real: _f(name + "p", x))
    _row(_imaginary, (0.7,), lambda x, out, name=_imaginary: _f(name + "p", x))
    _row(_real + "p", (0.7,), lambda x, out, name=_imaginary: -_f(name, x) - out / x)
    _row(_imaginary + "p", (0.7,), lambda x, out, name=_real: _f(name, x) - out / x)
_rows(
    "kelvin",
    (0.7,),
    (lambda x, out: _f("kelvin", x, output=2),),
    (lambda x, out: _f("kelvin", x, output=3),),
    (lambda x, out: 1j * _f("kelvin", x) - out / x,),
    (lambda x, out: 1j * _f("kelvin", x, output=1) - out / x,),
)


def _struve_end(v: Any, x: Any) -> Any:
    return gates.pow(x / 2, v) / (sqrt(pi) * gates.gamma(v + 1.5))


_row(
    "struve",
    (1.5, 0.7),
    None,
    lambda v, x, out: 0.5 * (_f("struve", v - 1, x) - _f("struve", v + 1, x) + _struve_end(v, x)),
)
_row(
    "modstruve",
    (1.5, 0.7),
    None,
    lambda v, x, out: 0.5 * (_f("modstruve", v - 1, x) + _f("modstruve", v + 1, x) + _struve_end(v, x)),
)
_row("itstruve0", (0.7,), lambda x, out: _f("struve", 0.0, x))
_row("it2struve0", (0.7,), lambda x, out: -_f("struve", 0.0, x) / x)
_row("itmodstruve0", (0.7,), lambda x, out: _f("modstruve", 0.0, x))

# ----------------------------------------------------------------------------------------------------- Bessel functions


def _bessel(kind: str, x: Any) -> Any:
    return gates.bessel(kind, 0, x)


_rows("iti0k0", (0.7,), (lambda x, out: _bessel("i", x),), (lambda x, out: _bessel("k", x),))
_rows("itj0y0", (0.7,), (lambda x, out: _bessel("j", x),), (lambda x, out: _bessel("y", x),))
_rows("it2i0k0", (0.7,), (lambda x, out: (_bessel("i", x) - 1) / x,), (lambda x, out: -_bessel("k", x) / x,))
_rows("it2j0y0", (0.7,), (lambda x, out: (1 - _bessel("j", x)) / x,), (lambda x, out: -_bessel("y", x) / x,))


def _hankel(function: str, scaled: complex) -> None:
    """Hankel functions, and those times e^(scaled · x)."""
    _row(
        function,
        (1.5, 0.7),
        None,
        lambda v, x, out: 0.5 * (_f(function, v - 1, x) - _f(function, v + 1, x)) + scaled * out,
    )


for _name, _scaled in (("hankel1", 0), ("hankel2", 0), ("hankel1e", -1j), ("hankel2e", 1j), ("jve", 0), ("yve", 0)):
    _hankel(_name, _scaled)
