"""The table of slopes: each is what small steps say, and so are the slopes of the slopes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import gatewise as gw
from gatewise import gates

TABLE = gates.later("tabulated")
COMPOSED = {"nrdtrimn": (0.3, 1.2, 0.7), "nrdtrisd": (0.2, 0.3, 0.7), "voigt_profile": (0.7, 1.2, 0.4)}
EXAMPLES = {**TABLE.EXAMPLES, **COMPOSED}


def results(function, *operands):
    found = getattr(special, function)(*operands)
    return found if isinstance(found, tuple) else (found,)


def smooth(function, x, step):
    """The slope of a function of one number, by Richardson's extrapolation of central differences."""
    ends = [(function(x + h) - function(x - h)) / (2 * h) for h in (step, step / 2)]
    return (4 * ends[1] - ends[0]) / 3


@pytest.mark.parametrize("function", EXAMPLES)
def test_slopes(function):
    operands = EXAMPLES[function]
    slopes = TABLE.SLOPES.get(function) or ((True,) * len(operands),)
    for output, rules in enumerate(slopes):
        for place, rule in enumerate(rules):
            if rule is None:
                continue

            def f(x, place=place, output=output):
                value = results(function, *operands[:place], x, *operands[place + 1 :])[output]
                return np.real(value) + 0.5 * np.imag(value)

            x = operands[place]
            first = gw.grad(f)(x)
            value = gw.value_and_grad(f)(x)[0]
            np.testing.assert_allclose(value, f(x), rtol=1e-13)
            step = 3e-3 * max(1.0, abs(x))
            if isinstance(x, complex):
                slope = smooth(f, x, step) + 1j * smooth(lambda h, f=f, x=x: f(x + 1j * h), 0.0, step)
                np.testing.assert_allclose(first, slope, rtol=1e-7)
                continue
            np.testing.assert_allclose(first, smooth(f, x, step), rtol=1e-7, atol=1e-9)
            np.testing.assert_allclose(gw.grad(gw.grad(f))(x), smooth(gw.grad(f), x, step), rtol=1e-6, atol=1e-8)


def test_slopes_at_their_limits():
    assert gw.grad(special.exprel)(0.0) == pytest.approx(0.5)
    assert gw.grad(special.spence)(1.0) == pytest.approx(-1.0)
    assert gw.grad(special.ellipk)(0.0) == pytest.approx(np.pi / 8)
    assert gw.grad(special.ellipe)(0.0) == pytest.approx(-np.pi / 8)
    assert gw.grad(lambda m: special.ellipkinc(0.7, m))(0.0) == pytest.approx((1.4 - np.sin(1.4)) / 8)
    assert gw.grad(lambda power: special.boxcox(1.7, power))(0.0) == pytest.approx(np.log(1.7) ** 2 / 2)
    assert gw.grad(lambda x: special.sici(x)[0])(0.0) == pytest.approx(1.0)
    assert gw.grad(lambda x: special.eval_legendre(0, x))(0.3) == 0.0
    assert gw.grad(lambda r: special.huber(1.0, r))(0.4) == pytest.approx(0.4)


def test_an_operand_without_a_slope_is_refused_when_it_is_traced():
    with pytest.raises(gw.UnsupportedError, match="gammainc has no slope with respect to its operand number 1"):
        gw.grad(lambda a: special.gammainc(a, 0.7))(1.5)


def test_broadcasting_and_single_precision():
    x = np.array([[0.3], [0.9]], np.float32)
    gradient = gw.grad(lambda x: np.sum(special.gammainc(np.array([1.0, 2.0, 3.0], np.float32), x)))(x)
    assert gradient.dtype == np.float32
    expected = sum(x ** (a - 1) * np.exp(-x) / special.gamma(a) for a in (1, 2, 3))
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_the_table_is_reached_per_example():
    x = np.array([0.3, 0.9, 1.4])
    np.testing.assert_allclose(gw.vmap(gw.grad(special.dawsn))(x), 1 - 2 * x * special.dawsn(x), rtol=1e-12)
