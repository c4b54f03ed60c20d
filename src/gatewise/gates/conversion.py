"""Gates that change the kind of number: another dtype, real and imaginary parts, the conjugate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import samples as draw
from gatewise.errors import UnsupportedError
from gatewise.gate import Elementwise, Gate, implements, loop_dtype
from gatewise.graph import Spec, Tracked, apply, arrayed, dtype_name, filled, untracked
from gatewise.samples import sample

__all__ = [
    "astype",
    "conj",
    "imag",
    "real",
]


@dataclass(frozen=True)
class AsType(Elementwise):
    """The same numbers in another floating dtype"""

    name = "astype"
    symbol = "cast"
    story = "converts: the upstream gradient takes the input's dtype again"
    samples = (sample(draw.normal(3, 2), dtype="float64"), sample(draw.normal(3, dtype="float32"), dtype="float64"))

    dtype: str

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is np:
            return np.asarray(x).astype(self.dtype)[()]
        return xp.astype(x, getattr(xp, self.dtype))

    def local_x(self, g: Any) -> Any:
        return g  # the sweep casts

    def infer(self, *specs: Spec) -> Spec:
        return Spec(specs[0].shape, np.dtype(self.dtype))


class Discretize(AsType):
    """The numbers cut to integers or booleans"""

    name = "discretize"
    symbol = "cast"
    story = "blocks: whole numbers do not change with small steps, so no gradient passes"
    samples = (sample(draw.normal(3, 2), dtype="int64"), sample(draw.normal(3, 2), dtype="bool"))
    local_x = None  # type: ignore[assignment]

    def decision(self, out: Any, *inputs: Any) -> Any:
        return out


class Real(Elementwise):
    """Real part"""

    name = "real"
    symbol = "Re"
    story = "passes: the upstream gradient becomes the real part's gradient"
    samples = (sample(draw.complexes(3)),)
    holomorphic = False

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.real(x)

    def local_x(self, g: Any) -> Any:
        return g


class Imag(Elementwise):
    """Imaginary part"""

    name = "imag"
    symbol = "Im"
    story = "turns: the upstream gradient becomes the imaginary part's gradient"
    samples = (sample(draw.complexes(3)),)
    holomorphic = False

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.imag(x)

    def local_x(self, g: Any) -> Any:
        return g * 1j


class Conj(Elementwise):
    """Complex conjugate"""

    name = "conj"
    symbol = "conj"
    story = "mirrors: the input receives the conjugate of the upstream gradient"
    samples = (sample(draw.complexes(3)),)
    holomorphic = False

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.conj(x)

    def local_x(self, g: Any) -> Any:
        return conj(g)


class Identity(Gate):
    """x, as an inner transform's own input"""

    name = "identity"
    symbol = "="
    story = "passes: the input receives the upstream gradient unchanged"
    samples = (sample(draw.normal(3, 2)), sample(draw.normal()))
    linear = True

    def forward(self, xp: Any, x: Any) -> Any:
        return x

    def local_x(self, g: Any) -> Any:
        return g

    def infer(self, *specs: Spec) -> Spec:
        return specs[0]


class Input(Gate):
    """Where a circuit begins: a value given from outside"""

    name = "input"
    story = "collects: what arrives here is the gradient of the output with respect to this input"

    def forward(self, xp: Any) -> Any:
        raise NotImplementedError("an input is given its value, it computes none")

    def infer(self, *specs: Spec) -> Spec:
        raise NotImplementedError("an input is given its value, it computes none")


REAL = Real()
IMAG = Imag()
CONJ = Conj()
IDENTITY = Identity()
INPUT = Input()


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """x in another dtype; to integers or booleans no gradient passes.

    An Array that has the dtype already is given another name, into which one can write, unless `copy` is False.

    Raises:
        UnsupportedError: The `device` is not the one on which x lies.
    """
    if device is not None and str(device) != str(here := getattr(x, "device", "cpu")):
        raise UnsupportedError(f"astype: a circuit stays on its device, {here!r}: move the inputs to {device!r}")
    target = np.dtype(dtype_name(dtype) if not isinstance(dtype, type | str) else dtype)
    if dtype_name(getattr(x, "dtype", "")) == target.name:
        return type(x).of(x.node, x.value) if copy and isinstance(x, Tracked) else x
    return apply((AsType if target.kind in "fc" else Discretize)(target.name), x)


@implements(np.real)
def real(x: Any, /) -> Any:
    """Real part; a real array is its own."""
    x = arrayed(x)
    return apply(REAL, x) if _is_complex(x) else x


@implements(np.imag)
def imag(x: Any, /) -> Any:
    """Imaginary part; zeros for a real array."""
    x = arrayed(x)
    return apply(IMAG, x) if _is_complex(x) else filled(untracked(x), 0)


@implements(np.conjugate)
def _conjugate(x: Any, /) -> Any:
    """Complex conjugate, of booleans as integers."""
    x = arrayed(x)
    return conj(x) if dtype_name(x.dtype) != "bool" else astype(x, loop_dtype(np.conjugate, x))


def conj(x: Any, /) -> Any:
    """Complex conjugate; a real array is its own, under another name."""
    x = arrayed(x)
    if _is_complex(x):
        return apply(CONJ, x)
    return type(x).of(x.node, x.value) if isinstance(x, Tracked) else x


def _is_complex(x: Any) -> bool:
    return dtype_name(getattr(x, "dtype", type(x).__name__)).startswith("complex")
