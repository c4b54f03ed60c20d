"""Special functions: the error function, gamma, Bessel, entropies; what `scipy.special` does on traced arrays.

SciPy is no dependency, so nothing here imports it before a gate runs that needs it. A ufunc of SciPy's that meets an
Array is found by its name (`of_scipy`). The error function and the entropies run without SciPy; the other gates say
that it is needed. `logsumexp` is in `reduction`, softmax in `smooth`, the sigmoid (SciPy's expit) in `exponential`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from math import cos, factorial, pi, sqrt
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise import samples as draw
from gatewise.errors import UnsupportedError
from gatewise.gate import Elementwise, Kink, implements
from gatewise.graph import Tracked, apply, arrayed
from gatewise.samples import Sample, sample, unary_samples

__all__ = [
    "bessel",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfinv",
    "gamma",
    "gammaln",
    "i0",
    "kl_div",
    "log_ndtr",
    "logit",
    "ndtr",
    "ndtri",
    "polygamma",
    "rel_entr",
    "xlog1py",
    "xlogy",
]

#: SciPy's ufuncs by name -> ours, which takes the same arguments.
SCIPY_FUNCTIONS: dict[str, Callable[..., Any]] = {}


def implements_scipy(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as what an Array does when it meets these ufuncs of `scipy.special`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            SCIPY_FUNCTIONS[name] = function
        return function

    return register


def of_scipy(ufunc: Any) -> Callable[..., Any] | None:
    """Our function for a ufunc of SciPy's; None for any other, and where there is none."""
    library = sys.modules.get("scipy.special")  # where it is not loaded, the ufunc cannot be SciPy's
    name: str = ufunc.__name__
    return SCIPY_FUNCTIONS.get(name) if getattr(library, name, None) is ufunc else None


@cache
def _scipy() -> Any:
    """SciPy's special functions; None where SciPy is not installed."""
    try:
        return import_module("scipy.special")
    except ImportError:
        return None


#: Where other libraries keep such functions, and under which name if it is another one.
_ELSEWHERE: dict[str, tuple[str, dict[str, str]]] = {
    "CuPy": ("cupyx.scipy.special", {}),
    "JAX": ("jax.scipy.special", {"psi": "digamma"}),
    "PyTorch": (
        "torch.special",
        {
            **{f"{kind}{order}": f"bessel_{kind}{order}" for kind in "jy" for order in (0, 1)},
            **{f"k{order}": f"modified_bessel_k{order}" for order in (0, 1)},
            **{f"k{order}e": f"scaled_modified_bessel_k{order}" for order in (0, 1)},
        },
    ),
}


def _by_scipy(name: str, xp: Any, *operands: Any) -> Any:
    """A value that SciPy computes, or the same function of another library.

    What that library has not is computed by SciPy in the host's memory and goes back to where it came from.
    """
    array = next((operand for operand in operands if hasattr(operand, "shape")), None)
    if hasattr(xp, "of_scipy"):
        return xp.of_scipy(name, *operands)
    if xp is not np:
        module, names = _ELSEWHERE.get(libraries.title(array), ("", {}))
        own = getattr(import_module(module), names.get(name, name), None) if module else None
        if own is not None:
            return own(*operands)
    library = _scipy()
    if library is None:
        raise UnsupportedError(f"{name} is computed by SciPy, which is not installed: pip install scipy")
    function = getattr(library, name)
    if xp is np or libraries.title(array) == "Dask":  # which takes NumPy's ufuncs piece by piece
        return function(*operands)
    values = [libraries.to_numpy(operand, name) if hasattr(operand, "shape") else operand for operand in operands]
    return libraries.placed(xp, function(*values), array)


def _pairs(first: Any, second: Any) -> tuple[Sample, ...]:
    """Inputs of a two-operand gate: equal shapes, broadcast both ways, 0-d, float32."""
    return (
        sample(first(3, 2), second(3, 2)),
        sample(first(3, 2), second(2)),
        sample(first(2, 1), second(3)),
        sample(first(), second(4)),
        sample(first(), second()),
        sample(first(0, 2), second(2)),
        sample(first(2, 2, dtype="float32"), second(2, dtype="float32")),
    )


def _probabilities(*shape: int, dtype: str = "float64") -> draw.Draw:
    """Entries well inside (0, 1)."""
    return draw.Draw(shape, 0.1, 0.9, dtype)


# --------------------------------------------------------------------------------- error function, normal distribution


def _where(xp: Any, condition: Any, x: Any, y: Any) -> Any:
    """One or the other; for single numbers a NumPy scalar, as NumPy's own ufuncs give."""
    out = xp.where(condition, x, y)
    return out[()] if xp is np else out


class Erf(Elementwise):
    """Error function, 2/√π times the integral of e ** -t² from 0 to x"""

    name = "erf"
    symbol = "erf"
    story = "squashes: the input receives upstream · 2/√π · e^(-x²), almost nothing far from zero"
    samples = (*unary_samples(), sample([-9.0, -3.0, 1e-9, 5.0]))

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is np and _scipy():
            return _scipy().erf(x)
        if hasattr(xp, "of_scipy"):
            return xp.of_scipy("erf", x)
        return _where(xp, abs(x) < 1, _erf_near(xp, x), xp.sign(x) * (1 - _erfc_far(xp, abs(x))))

    def local_x(self, g: Any, x: Any) -> Any:
        return g * (2 / sqrt(pi)) * gates.exp(-(x * x))


class Erfc(Elementwise):
    """1 - erf(x), accurate where that is near 0"""

    name = "erfc"
    symbol = "erfc"
    story = "squashes, falling: the input receives minus upstream · 2/√π · e^(-x²), almost nothing far from zero"
    samples = (*unary_samples(), sample([-9.0, -3.0, 1e-9, 5.0, 12.0]))

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is np and _scipy():
            return _scipy().erfc(x)
        if hasattr(xp, "of_scipy"):
            return xp.of_scipy("erfc", x)
        far = _erfc_far(xp, abs(x))
        return _where(xp, abs(x) < 1, 1 - _erf_near(xp, x), _where(xp, x > 0, far, 2 - far))

    def local_x(self, g: Any, x: Any) -> Any:
        return g * (-2 / sqrt(pi)) * gates.exp(-(x * x))


def _ratio(x: Any, above: tuple[float, ...], below: tuple[float, ...]) -> Any:
    """A quotient of two polynomials, coefficients from the highest power down."""
    numerator: Any = 0.0
    for coefficient in above:
        numerator = numerator * x + coefficient
    denominator: Any = 0.0
    for coefficient in below:
        denominator = denominator * x + coefficient
    return numerator / denominator


def _erf_near(xp: Any, x: Any) -> Any:
    """erf(x) for |x| < 1: the rational approximation of Moshier's Cephes library (ndtr.c), which SciPy uses too."""
    x = _where(xp, abs(x) > 1, 0.0, x)
    above = (9.60497373987051638749, 9.00260197203842689217e1, 2.23200534594684319226e3, 7.00332514112805075473e3,
             5.55923013010394962768e4)  # fmt: skip
    below = (1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3,
             2.26290000613890934246e4, 4.92673942608635921086e4)  # fmt: skip
    return x * _ratio(x * x, above, below)


def _erfc_far(xp: Any, x: Any) -> Any:
    """erfc(x) for x ≥ 1, from the same source; 27 and above the result is 0."""
    x = _where(xp, x < 1, 1.0, x)
    x = _where(xp, x > 28, 28.0, x)
    above = (2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687, 4.86371970985681366614e1,
             1.96520832956077098242e2, 5.26445194995477358631e2, 9.34528527171957607540e2, 1.02755188689515710272e3,
             5.57535335369399327526e2)  # fmt: skip
    below = (1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2,
             9.75708501743205489753e2, 1.82390916687909736289e3, 2.24633760818710981792e3, 1.65666309194161350182e3,
             5.57535340817727675546e2)  # fmt: skip
    above_8 = (5.64189583547755073984e-1, 1.27536670759978104416, 5.01905042251180477414, 6.16021097993053585195,
               7.40974269950448939160, 2.97886665372100240670)  # fmt: skip
    below_8 = (1.0, 2.26052863220117276590, 9.39603524938001434673, 1.20489539808096656605e1,
               1.70814450747565897222e1, 9.60896809063285878198, 3.36907645100081516050)  # fmt: skip
    return xp.exp(-x * x) * _where(xp, x < 8, _ratio(x, above, below), _ratio(x, above_8, below_8))


class ErfInv(Elementwise):
    """The x with erf(x) equal to the input"""

    name = "erfinv"
    symbol = "erf⁻¹"
    story = "stretches: the input receives upstream · √π/2 · e^(out²), ever more towards ±1"
    samples = unary_samples(draw.unit)
    kinks = (Kink((1.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return _by_scipy("erfinv", xp, x)

    def local_x(self, g: Any, out: Any) -> Any:
        return g * (sqrt(pi) / 2) * gates.exp(out * out)


class ErfcInv(Elementwise):
    """The x with erfc(x) equal to the input"""

    name = "erfcinv"
    symbol = "erfc⁻¹"
    story = "stretches, falling: the input receives minus upstream · √π/2 · e^(out²), ever more towards 0 and 2"
    samples = unary_samples(lambda *shape, dtype="float64": draw.Draw(shape, 0.1, 1.9, dtype))
    kinks = (Kink((0.0,), (-np.inf,), "the slope grows without bound; it is infinite, not a choice"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return _by_scipy("erfcinv", xp, x)

    def local_x(self, g: Any, out: Any) -> Any:
        return g * (-sqrt(pi) / 2) * gates.exp(out * out)


class Ndtr(Elementwise):
    """The probability that a standard normal number is below x"""

    name = "ndtr"
    symbol = "Φ"
    story = "squashes: the input receives the upstream gradient times the normal density, 0.4 at most"
    samples = unary_samples()

    def forward(self, xp: Any, x: Any) -> Any:
        return _by_scipy("ndtr", xp, x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g * (1 / sqrt(2 * pi)) * gates.exp(-0.5 * (x * x))


class LogNdtr(Elementwise):
    """The logarithm of the probability that a standard normal number is below x"""

    name = "log_ndtr"
    symbol = "log Φ"
    story = "scales: the input receives the upstream gradient times density over probability, about -x far to the left"
    samples = (*unary_samples(), sample([-30.0, 6.0]))

    def forward(self, xp: Any, x: Any) -> Any:
        return _by_scipy("log_ndtr", xp, x)

    def local_x(self, g: Any, x: Any, out: Any) -> Any:
        return g * (1 / sqrt(2 * pi)) * gates.exp(-0.5 * (x * x) - out)


class Ndtri(Elementwise):
    """The number below which a standard normal number lies with the probability x"""

    name = "ndtri"
    symbol = "Φ⁻¹"
    story = "stretches: the input receives the upstream gradient over the normal density at the output"
    samples = unary_samples(_probabilities)
    kinks = (Kink((0.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return _by_scipy("ndtri", xp, x)

    def local_x(self, g: Any, out: Any) -> Any:
        return g * sqrt(2 * pi) * gates.exp(0.5 * (out * out))


# ------------------------------------------------------------------------------------------------------- gamma function


class Gamma(Elementwise):
    """Gamma function, which continues the factorial: (x - 1)!"""

    name = "gamma"
    symbol = "Γ"
    story = "scales: the input receives the upstream gradient times Γ(x) · digamma(x)"
    samples = (*unary_samples(draw.positive), sample([-2.5, -0.3]))

    def forward(self, xp: Any, x: Any) -> Any:
        return _by_scipy("gamma", xp, x)

    def local_x(self, g: Any, x: Any, out: Any) -> Any:
        return g * (out * digamma(x))


class GammaLn(Elementwise):
    """The logarithm of the absolute value of the gamma function"""

    name = "gammaln"
    symbol = "log Γ"
    story = "scales: the input receives the upstream gradient times digamma(x)"
    samples = (*unary_samples(draw.positive), sample([-2.5, -0.3, 200.0]))

    def forward(self, xp: Any, x: Any) -> Any:
        return _by_scipy("gammaln", xp, x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g * digamma(x)


@dataclass(frozen=True)
class Polygamma(Elementwise):
    """A derivative of digamma, the logarithmic derivative of the gamma function; of `order` 0 digamma itself"""

    name = "polygamma"
    symbol = "ψ"
    story = "scales: the input receives the upstream gradient times the next polygamma function of it"
    samples = (
        *(sample(*case.inputs, order=0) for case in unary_samples(draw.positive)),
        sample([-2.5, -0.3, 20.0], order=0),
        sample(draw.positive(3), order=1),
        sample(draw.positive(3), order=3),
    )

    order: int

    def forward(self, xp: Any, x: Any) -> Any:
        if self.order == 0:
            return _by_scipy("psi", xp, x)
        return (-1) ** (self.order + 1) * factorial(self.order) * _by_scipy("zeta", xp, self.order + 1.0, x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g * apply(Polygamma(self.order + 1), x)

    def label(self, constants: tuple[Any, ...] = ()) -> str:
        return "ψ" + "′" * self.order if self.order < 4 else f"ψ^({self.order})"


# ----------------------------------------------------------------------------------------------------- Bessel functions

#: Per kind of Bessel function C of order n: SciPy's function, its quicker ones for orders 0 and 1, and
#: a, b, c in C' = (a C of order n-1 + b C of order n+1) / 2 + c C; c is multiplied by the sign of x for "ie".
_BESSEL: dict[str, tuple[str, tuple[str, ...], tuple[int, int, int]]] = {
    "j": ("jv", ("j0", "j1"), (1, -1, 0)),
    "y": ("yv", ("y0", "y1"), (1, -1, 0)),
    "i": ("iv", ("i0", "i1"), (1, 1, 0)),
    "k": ("kv", ("k0", "k1"), (-1, -1, 0)),
    "ie": ("ive", ("i0e", "i1e"), (1, 1, -1)),
    "ke": ("kve", ("k0e", "k1e"), (-1, -1, 1)),
}


@dataclass(frozen=True)
class Bessel(Elementwise):
    """Bessel function of a `kind` (j, y, modified i, k, or scaled ie, ke) and an `order`"""

    name = "bessel"
    symbol = "Bessel"
    story = "scales: the input receives the upstream gradient times half a difference of the two neighbouring orders"
    samples = (
        *(sample(*case.inputs, kind="j", order=0) for case in unary_samples()),
        sample(draw.normal(3), kind="j", order=1),
        sample(draw.positive(3), kind="j", order=2.5),
        sample(draw.positive(3), kind="y", order=0),
        sample(draw.normal(3), kind="i", order=0),
        sample(draw.normal(3), kind="i", order=1),
        sample(draw.positive(3), kind="k", order=1),
        sample(draw.normal(3), kind="ie", order=0),
        sample(draw.positive(3), kind="ke", order=0),
    )
    kinks = (Kink((0.0,), (0.0,), "a peak: slopes 1 and -1 meet, the smallest is 0", (("kind", "ie"), ("order", 0))),)

    kind: str
    order: float

    def forward(self, xp: Any, x: Any) -> Any:
        if self.kind == "i" and isinstance(self.order, int) and not _scipy():
            return _modified_bessel(xp, self.order, x)
        function, quick, _ = _BESSEL[self.kind]
        if self.order in (0, 1):
            return _by_scipy(quick[int(self.order)], xp, x)
        return _by_scipy(function, xp, self.order, x)

    def local_x(self, g: Any, x: Any, out: Any) -> Any:
        below, above, same = _BESSEL[self.kind][2]
        if self.order == 0:  # orders -1 and 1 are equal but for the sign that makes the two terms add up
            slope = above * apply(Bessel(self.kind, 1), x)
        else:
            slope = 0.5 * (
                below * apply(Bessel(self.kind, self.order - 1), x)
                + above * apply(Bessel(self.kind, self.order + 1), x)
            )
        if same:
            slope = slope + same * (gates.sign(x) * out if self.kind == "ie" else out)
        return g * slope

    def label(self, constants: tuple[Any, ...] = ()) -> str:
        return f"{self.kind.upper()}{self.order}"


def _modified_bessel(xp: Any, order: int, x: Any) -> Any:
    """The modified Bessel function of the first kind as the mean of e^(x cos t) cos(nt) over a circle.

    The rule of equal steps is exact to the last digits for a periodic function, here up to where e ** x overflows.
    """
    if xp is np and order == 0:
        return np.i0(x)[()]
    steps = 128
    total: Any = 0.0
    for step in range(steps):
        angle = pi * (step + 0.5) / steps
        total = total + xp.exp(x * cos(angle)) * cos(order * angle)
    return total / steps


# ------------------------------------------------------------------------------------------- logarithms and entropies


class Logit(Elementwise):
    """log(x / (1 - x)), the inverse of the sigmoid"""

    name = "logit"
    symbol = "logit"
    story = "stretches: the input receives the upstream gradient over x(1-x), ever more towards 0 and 1"
    samples = unary_samples(_probabilities)
    kinks = (
        Kink((0.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),
        Kink((1.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        with np.errstate(all="ignore"):  # the branch not taken, and infinity at the ends is the right answer
            return _where(xp, x < 0.3, xp.log(x / (1 - x)), xp.log1p((2 * x - 1) / (1 - x)))

    def local_x(self, g: Any, x: Any) -> Any:
        return g / (x * (1 - x))


class XLogY(Elementwise):
    """x * log(y), and 0 where x is 0"""

    name = "xlogy"
    symbol = "x log y"
    story = "weighs: x receives the upstream gradient times log y, y that times x / y"
    samples = _pairs(draw.normal, draw.positive)
    kinks = (
        Kink((0.0, 0.0), (0.0, 0.0), "0 whatever x times log y is near there: both slopes are taken as 0"),
        Kink((0.0, 2.0), (float(np.log(2.0)), 0.0), "no kink: the logarithm is the slope"),
    )

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        with np.errstate(all="ignore"):
            return _where(xp, (x == 0) & (y == y), 0.0, x * xp.log(y))

    def local_x(self, g: Any, x: Any, y: Any) -> Any:
        return g * gates.log(gates.where((x == 0) & (y == 0), 1.0, y))

    def local_y(self, g: Any, x: Any, y: Any) -> Any:
        return g * (x / gates.where((x == 0) & (y == 0), 1.0, y))


class XLog1pY(Elementwise):
    """x * log(1 + y), and 0 where x is 0"""

    name = "xlog1py"
    symbol = "x log 1+y"
    story = "weighs: x receives the upstream gradient times log(1 + y), y that times x / (1 + y)"
    samples = _pairs(draw.normal, draw.positive)
    kinks = (Kink((0.0, -1.0), (0.0, 0.0), "0 whatever x times log(1 + y) is near there: both slopes are taken as 0"),)

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        with np.errstate(all="ignore"):
            return _where(xp, (x == 0) & (y == y), 0.0, x * xp.log1p(y))

    def local_x(self, g: Any, x: Any, y: Any) -> Any:
        return g * gates.log1p(gates.where((x == 0) & (y == -1), 0.0, y))

    def local_y(self, g: Any, x: Any, y: Any) -> Any:
        return g * (x / (1 + gates.where((x == 0) & (y == -1), 0.0, y)))


class Entropy(Elementwise):
    """-x * log(x): 0 at 0, -∞ below"""

    name = "entr"
    symbol = "-x log x"
    story = "weighs: the input receives minus upstream · (1 + log x), so small shares receive large gradients"
    samples = unary_samples(draw.positive)
    kinks = (Kink((0.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return _where(xp, x < 0, -np.inf, -x * xp.log(_where(xp, x <= 0, 1.0, x)))

    def local_x(self, g: Any, x: Any) -> Any:
        return -(g * (1 + gates.log(x)))


def _relative_entropy(xp: Any, x: Any, y: Any, more: Any, at_zero: Any) -> Any:
    """x log(x / y) + `more` of positive numbers, `at_zero` where x is 0 and y is not negative, ∞ elsewhere."""
    ratio = x / y
    exact = (ratio > 0) & (ratio < np.inf)
    logarithm = xp.where(exact, xp.log(ratio), xp.log(x) - xp.log(y))
    logarithm = xp.where((ratio > 0.5) & (ratio < 2), xp.log1p((x - y) / y), logarithm)
    inside = xp.where((x > 0) & (y > 0), x * logarithm + more, xp.where((x == 0) & (y >= 0), at_zero, np.inf))
    return xp.where((x != x) | (y != y), np.nan, inside)


class RelativeEntropy(Elementwise):
    """x * log(x / y): 0 where x is 0 and y is not negative, ∞ where it is not defined"""

    name = "rel_entr"
    symbol = "x log x/y"
    story = "compares: x receives upstream · (1 + log(x/y)), y minus upstream · x/y"
    samples = _pairs(draw.positive, draw.positive)
    kinks = (
        Kink((0.0, 0.0), (0.0, 0.0), "the value is 0 and its slopes depend on the direction: 0 is taken"),
        Kink((0.0, 1.0), (-np.inf, 0.0), "the slope of x log x grows without bound; it is infinite, not a choice"),
    )

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        if hasattr(xp, "of_scipy"):
            return _relative_entropy(xp, x, y, 0.0, 0.0)
        return _by_scipy("rel_entr", xp, x, y)

    def local_x(self, g: Any, x: Any, y: Any) -> Any:
        origin = (x == 0) & (y == 0)
        slope = 1 + gates.log(gates.where(origin, 1.0, x / y))
        return g * gates.where(origin, 0.0, slope)

    def local_y(self, g: Any, x: Any, y: Any) -> Any:
        return -(g * (x / gates.where((x == 0) & (y == 0), 1.0, y)))


class KullbackLeibler(Elementwise):
    """x * log(x / y) - x + y: y where x is 0 and y is not negative, ∞ where it is not defined"""

    name = "kl_div"
    symbol = "KL"
    story = "compares: x receives upstream · log(x/y), y upstream · (1 - x/y), both nothing where the two are equal"
    samples = _pairs(draw.positive, draw.positive)
    kinks = (
        Kink((0.0, 0.0), (0.0, 1.0), "along y the slope is 1; along x it depends on the direction: 0 is taken"),
        Kink((0.0, 1.0), (-np.inf, 1.0), "the slope of x log x grows without bound; it is infinite, not a choice"),
    )

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        if hasattr(xp, "of_scipy"):
            return _relative_entropy(xp, x, y, y - x, y)
        return _by_scipy("kl_div", xp, x, y)

    def local_x(self, g: Any, x: Any, y: Any) -> Any:
        return g * gates.log(gates.where((x == 0) & (y == 0), 1.0, x / y))

    def local_y(self, g: Any, x: Any, y: Any) -> Any:
        return g * (1 - x / gates.where((x == 0) & (y == 0), 1.0, y))


ERF = Erf()
ERFC = Erfc()
ERFINV = ErfInv()
ERFCINV = ErfcInv()
NDTR = Ndtr()
LOG_NDTR = LogNdtr()
NDTRI = Ndtri()
GAMMA = Gamma()
GAMMALN = GammaLn()
LOGIT = Logit()
XLOGY = XLogY()
XLOG1PY = XLog1pY()
ENTR = Entropy()
REL_ENTR = RelativeEntropy()
KL_DIV = KullbackLeibler()


@implements_scipy("erf")
def erf(x: Any, /) -> Any:
    """Error function; runs without SciPy too.

    Example:
        >>> import gatewise as gw
        >>> round(float(gw.erf(0.5)), 6), round(float(gw.grad(gw.erf)(0.0)), 6)
        (0.5205, 1.128379)
    """
    return apply(ERF, arrayed(x))


@implements_scipy("erfc")
def erfc(x: Any, /) -> Any:
    """1 - erf(x), accurate where that is near 0; runs without SciPy too."""
    return apply(ERFC, arrayed(x))


@implements_scipy("erfinv")
def erfinv(x: Any, /) -> Any:
    """The y with erf(y) == x."""
    return apply(ERFINV, x)


@implements_scipy("erfcinv")
def erfcinv(x: Any, /) -> Any:
    """The y with erfc(y) == x."""
    return apply(ERFCINV, x)


@implements_scipy("ndtr")
def ndtr(x: Any, /) -> Any:
    """The probability that a standard normal number is below x."""
    return apply(NDTR, x)


@implements_scipy("log_ndtr")
def log_ndtr(x: Any, /) -> Any:
    """The logarithm of `ndtr`, right where that is too small for a float."""
    return apply(LOG_NDTR, x)


@implements_scipy("ndtri")
def ndtri(p: Any, /) -> Any:
    """The number below which a standard normal number lies with probability p."""
    return apply(NDTRI, p)


@implements_scipy("gamma")
def gamma(x: Any, /) -> Any:
    """Gamma function.

    Example:
        >>> import gatewise as gw
        >>> float(gw.gamma(5.0)), round(float(gw.grad(gw.gamma)(1.0)), 6)
        (24.0, -0.577216)
    """
    return apply(GAMMA, x)


@implements_scipy("gammaln")
def gammaln(x: Any, /) -> Any:
    """The logarithm of the absolute value of the gamma function."""
    return apply(GAMMALN, x)


@implements_scipy("psi", "digamma")
def digamma(x: Any, /) -> Any:
    """The logarithmic derivative of the gamma function."""
    return apply(Polygamma(0), x)


def polygamma(order: int, x: Any, /) -> Any:
    """The derivative of `digamma` of an order, a plain integer from 0 on.

    Example:
        >>> import gatewise as gw
        >>> round(float(gw.polygamma(1, 1.0)), 6)  # π² / 6
        1.644934
    """
    if not isinstance(order, int | np.integer) or order < 0:
        raise UnsupportedError(f"polygamma: the order is a plain integer, 0 or more; got {order!r}")
    return apply(Polygamma(int(order)), x)


def bessel(kind: str, order: float, x: Any, /) -> Any:
    """Bessel function of x: of kind "j", "y", modified "i", "k", or these scaled as SciPy has them, "ie", "ke".

    Raises:
        UnsupportedError: There is no such kind, or the order is an array.

    Example:
        >>> import gatewise as gw
        >>> round(float(gw.bessel("j", 0, 1.0)), 6)
        0.765198
    """
    if kind not in _BESSEL:
        raise UnsupportedError(f"bessel: the kind is one of {', '.join(_BESSEL)}; got {kind!r}")
    if isinstance(order, Tracked) or np.ndim(order):
        raise UnsupportedError("Bessel functions have no gradient with respect to their order: give it as one number")
    return apply(Bessel(kind, int(order) if order == int(order) else float(order)), x)


@implements(np.i0)
def i0(x: Any, /) -> Any:
    """The modified Bessel function of order 0; runs without SciPy too."""
    return bessel("i", 0, x)


@implements_scipy("logit")
def logit(x: Any, /) -> Any:
    """log(x / (1 - x)), the inverse of the sigmoid."""
    return apply(LOGIT, arrayed(x))


@implements_scipy("xlogy")
def xlogy(x: Any, y: Any, /) -> Any:
    """x * log(y), and 0 where x is 0, with a finite gradient there.

    Example:
        >>> import gatewise as gw
        >>> float(gw.xlogy(0.0, 0.0)), [float(g) for g in gw.grad(gw.xlogy, argnums=(0, 1))(0.0, 0.0)]
        (0.0, [0.0, 0.0])
    """
    return apply(XLOGY, arrayed(x), arrayed(y))


@implements_scipy("xlog1py")
def xlog1py(x: Any, y: Any, /) -> Any:
    """x * log(1 + y), and 0 where x is 0, with a finite gradient there."""
    return apply(XLOG1PY, arrayed(x), arrayed(y))


@implements_scipy("entr")
def entr(x: Any, /) -> Any:
    """-x * log(x): 0 at 0, -∞ below."""
    return apply(ENTR, arrayed(x))


@implements_scipy("rel_entr")
def rel_entr(x: Any, y: Any, /) -> Any:
    """x * log(x / y): 0 where x is 0 and y is not negative, ∞ where it is not defined."""
    return apply(REL_ENTR, x, y)


@implements_scipy("kl_div")
def kl_div(x: Any, y: Any, /) -> Any:
    """x * log(x / y) - x + y, the Kullback-Leibler divergence entry by entry."""
    return apply(KL_DIV, x, y)


@implements_scipy("expit")
def _expit(x: Any, /) -> Any:
    return gates.sigmoid(x)


@implements_scipy("log_expit")
def _log_expit(x: Any, /) -> Any:
    return gates.log_sigmoid(x)


@implements_scipy("exp10")
def _exp10(x: Any, /) -> Any:
    return gates.pow(10.0, x)


def _register() -> None:
    """SciPy's other ufuncs: those that NumPy has too, and the many names of Bessel functions."""

    def named(name: str) -> Callable[..., Any]:
        return lambda x: getattr(gates, name)(x)

    for name in ("cbrt", "exp2", "expm1", "log1p"):
        SCIPY_FUNCTIONS[name] = named(name)

    def of_order(kind: str) -> Callable[..., Any]:
        return lambda order, x: bessel(kind, order, x)

    def fixed(kind: str, order: int) -> Callable[..., Any]:
        return lambda x: bessel(kind, order, x)

    for kind, (function, quick, _) in _BESSEL.items():
        SCIPY_FUNCTIONS[function] = of_order(kind)
        for order, name in enumerate(quick):
            SCIPY_FUNCTIONS[name] = fixed(kind, order)
    SCIPY_FUNCTIONS["jn"] = of_order("j")
    for kind in "yk":  # these two cut the order to a whole number
        SCIPY_FUNCTIONS[f"{kind}n"] = lambda order, x, kind=kind: bessel(kind, np.trunc(order), x)


_register()
