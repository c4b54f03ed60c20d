"""Code for lesser processors than the one at hand: programs are made for them, and run, in a process of their own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

COMMON = {"64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2"}
AVX2 = COMMON | {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"}
SCRIPT = """
import sys
import llvmlite.binding as llvm
name, *known = sys.argv[1:]
features = llvm.get_host_cpu_features()
for feature in list(features):
    features[feature] = features[feature] and feature in known
llvm.get_host_cpu_features = lambda: features
llvm.get_host_cpu_name = lambda: name

import numpy as np
import gatewise as gw
from gatewise.native.tile import Machine

print(Machine.host().vector_bytes)

def recurrent(w, x):
    return np.sum(gw.scan(lambda h, row: (np.tanh(h @ w + row), None), np.zeros(w.shape[0], w.dtype), x)[0])

def convolved(k, x):
    return np.mean(np.maximum(gw.conv(x, k), 0) ** 2)

def softened(w, x):
    scores = x @ w
    scores = scores - np.max(scores, axis=1, keepdims=True)
    shares = np.exp(scores) / np.sum(np.exp(scores), axis=1, keepdims=True)
    return np.sum(np.sort(w, 0)[0]) - np.mean(np.log(shares)[:, 1])

random = np.random.default_rng(0)
for dtype, tolerance in (("float64", 1e-11), ("float32", 1e-4), ("float16", 2e-2)):
    array = lambda *shape: random.normal(size=shape).astype(dtype) / 4
    cases = [(recurrent, array(7, 7), array(5, 7)), (softened, array(19, 5), array(33, 19))]
    if dtype != "float16":
        cases.append((convolved, array(3, 2, 3, 3), array(2, 2, 9, 11)))
    for f, *given in cases:
        both = gw.value_and_grad(f, argnums=(0, 1))
        value, gradients = both(*given)
        compiled = gw.compile(both)
        found, others = compiled(*given)
        assert not compiled.report().fallbacks
        for one, other in zip((value, *gradients), (found, *others)):
            np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance)
"""


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="names features of x86-64")
@pytest.mark.parametrize(("name", "known", "width"), [("x86-64", COMMON, 16), ("haswell", AVX2, 32)])
def test_programs_for_lesser_processors_compute_the_same(name, known, width):
    done = subprocess.run([sys.executable, "-c", SCRIPT, name, *known], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) <= width
