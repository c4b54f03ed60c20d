"""What the tests of NumPy's functions compare: values with NumPy's own, gradients with central differences."""

from __future__ import annotations

import numpy as np

import gatewise as gw


def traced(argument):
    """The argument with its floating arrays traced; in a list, those in the list."""
    if isinstance(argument, list | tuple) and any(isinstance(entry, np.ndarray) for entry in argument):
        return [traced(entry) for entry in argument]
    return gw.variable(argument) if isinstance(argument, np.ndarray) and argument.dtype.kind in "fc" else argument


def same(function, *args, **options):
    """`function` on traced arrays has NumPy's value, shape and dtype."""
    expected = function(*args, **options)
    found = function(*map(traced, args), **{name: traced(option) for name, option in options.items()})
    many = isinstance(expected, tuple | list)
    for one, other in zip(found if many else [found], expected if many else [expected], strict=True):
        value = one.value if isinstance(one, gw.Array) else one
        assert np.shape(value) == np.shape(other)
        assert value.dtype == other.dtype
        np.testing.assert_allclose(value, other, rtol=3e-6 if other.dtype.itemsize < 8 else 1e-12, atol=1e-13)


def right(f, *args, tolerance=1e-4):
    """The first and second derivatives of f equal central differences, none of them taken across a kink."""
    report = gw.check_grads(f, args, order=2)
    assert report.passed, str(report)
    assert not any(c.kink for c in report.comparisons), str(report)
    beyond_rounding = [c.error for c in report.comparisons if abs(c.analytic - c.numerical) > c.noise]
    assert max(beyond_rounding, default=0) < tolerance, str(report)
