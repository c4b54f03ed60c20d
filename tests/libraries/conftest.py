"""Array libraries as the tests meet them: how to make an array, and how to look at one.

Libraries that are not installed are skipped; ``pip install "gatewise[test,libraries]"`` brings them. JAX's and
array-api-strict's arrays lie on a second device, so that a constant put on the default one shows. PyTorch's do where
there is a GPU.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gatewise import libraries


@dataclass(frozen=True)
class Library:
    """One library: its module, what its arrays are called in messages, where they lie, and how many samples to try."""

    name: str
    title: str
    module: Any
    device: Any
    samples: int

    def array(self, value):
        """A NumPy array as one of this library's; anything else as it is."""
        if not isinstance(value, np.ndarray | np.generic):
            return value
        value = np.array(value)  # a copy: PyTorch would share the memory
        return self.module.asarray(value) if self.device is None else self.module.asarray(value, device=self.device)

    def numpy(self, array):
        """Back again, after a check that it is of this library and where it should be."""
        assert libraries.title(array) == self.title
        if self.device is not None and 0 not in array.shape:  # JAX puts what is empty anywhere
            assert array.device == self.device
        if self.name == "dask":
            return np.asarray(array.compute())
        return libraries.to_numpy(array)


def torch_library():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    return Library("torch", "PyTorch", torch, device, samples=20)


def jax_library():
    jax = pytest.importorskip("jax")
    if not jax.config.jax_enable_x64:
        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_num_cpu_devices", 2)
    return Library("jax", "JAX", jax.numpy, jax.devices()[-1], samples=1)


def strict_library():
    strict = pytest.importorskip("array_api_strict")
    return Library("strict", "array-api-strict", strict, strict.Device("device1"), samples=20)


def dask_library():
    pytest.importorskip("dask")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("dask.array")
    return Library("dask", "Dask", module, None, samples=1)


MAKERS = {"torch": torch_library, "jax": jax_library, "strict": strict_library, "dask": dask_library}


@pytest.fixture(params=["torch", "jax", "strict"])
def library(request):
    return MAKERS[request.param]()


@pytest.fixture(params=["torch", "jax", "strict", "dask"])
def any_library(request):
    return MAKERS[request.param]()


@pytest.fixture(params=["torch", "jax"])
def framework(request):
    return MAKERS[request.param]()


@pytest.fixture
def torch():
    return torch_library().module


@pytest.fixture
def dask():
    return dask_library()


@pytest.fixture
def jax():
    jax_library()
    return pytest.importorskip("jax")
