"""Matrix products and layers of the native compiler against OpenBLAS (by NumPy) and PyTorch, in GFLOP/s.

    python benchmarks/product.py [--threads 1] [--only 64x64] [--rounds 7]

Each peer runs in rounds that take turns, and the median round counts. Native code is called as a compiled circuit
calls it, from a native loop, each thread with a range of units; NumPy and PyTorch are called from Python, so up to 1 µs
of theirs is the call. With one thread the processor's time is taken, so that other programs disturb less.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod
from statistics import median
from threading import Barrier, Thread
from typing import Any

ARGUMENTS = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
ARGUMENTS.add_argument("--threads", type=int, default=1)
ARGUMENTS.add_argument("--rounds", type=int, default=7)
ARGUMENTS.add_argument("--only", default="", help="rows whose name contains this")
OPTIONS = ARGUMENTS.parse_args() if __name__ == "__main__" else ARGUMENTS.parse_args([])
for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = str(OPTIONS.threads)  # read by the libraries when they are loaded, so it stands before them

import numpy as np  # noqa: E402
from llvmlite import binding, ir  # noqa: E402

from gatewise.native import convolution, product  # noqa: E402
from gatewise.native.convolution import ConvolutionSpec, emit_convolution  # noqa: E402
from gatewise.native.product import ProductSpec, emit_product  # noqa: E402
from gatewise.native.tile import I64, POINTER, Code, Machine  # noqa: E402

try:
    import torch
except ImportError:
    torch = None

Array = Any
clock = time.thread_time if OPTIONS.threads == 1 else time.perf_counter

#: m, k, n; which operands are transposed; what it is.
ROWS = [
    (1024, 1024, 1024, "", ()),
    (512, 512, 512, "", ()),
    (256, 256, 256, "", ()),
    (64, 64, 64, "", ()),
    (200, 3073, 10, "", ()),
    (3073, 200, 10, "a", ()),
    (5000, 3073, 10, "", ()),
    (3073, 5000, 10, "a", ()),
    (128, 784, 256, "", ()),
    (784, 128, 256, "a", ()),
    (128, 256, 128, "", ()),
    (256, 128, 128, "a", ()),
    (128, 128, 256, "b", ()),
    (128, 128, 10, "", ()),
    (128, 10, 128, "a", ()),
    (128, 10, 128, "b", ()),
    (16, 128, 512, "", ()),
    (64, 64, 64, "", (32,)),
    (64, 64, 64, "b", (32,)),
    (512, 512, 1, "", ()),
    (1, 512, 512, "", ()),
    (512, 512, 1, "a", ()),
    (1, 100000, 1, "", ()),
    (512, 1, 512, "", ()),
    (2, 16, 1, "", ()),
    (16, 16, 16, "", ()),
    (100, 16, 16, "", ()),
]

#: Examples, channels, kernels; width and height of images, of kernels; stride.
LAYERS = [
    (32, 3, 32, 32, 5, 1),
    (32, 32, 32, 16, 5, 1),
    (8, 64, 64, 28, 3, 1),
    (8, 128, 128, 7, 3, 1),
    (4, 3, 64, 112, 7, 2),
]

NAMES = ["native", "numpy", *(["torch"] if torch else [])]


def operand(rows: int, columns: int, batch: tuple[int, ...], transposed: bool, dtype: str) -> Array:
    """Normal numbers, stored by columns if `transposed`."""
    generator = np.random.default_rng(rows * columns)
    if transposed:
        return generator.standard_normal((*batch, columns, rows)).astype(dtype).swapaxes(-1, -2)
    return generator.standard_normal((*batch, rows, columns)).astype(dtype)


def native(spec: Any, a: Array, b: Array, c: Array) -> tuple[Callable[[int], None], float]:
    """A function that computes a product or layer so many times, and the seconds that it took to make it."""
    layer = isinstance(spec, ConvolutionSpec)
    source, emit = (convolution, emit_convolution) if layer else (product, emit_product)
    start = clock()
    module = ir.Module()
    function = emit(module, spec)
    kind = ir.FunctionType(ir.VoidType(), [*[POINTER] * 4, I64, I64, I64])
    driver = ir.Function(module, kind, "repeat")
    builder = ir.IRBuilder(driver.append_basic_block())
    code = Code(builder, "float32", Machine.host())
    code.loop(0, driver.args[6], 1, lambda _, __: builder.call(function, driver.args[:6]) and None)
    builder.ret_void()
    engine = compiled(str(module))
    made = clock() - start
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, *[ctypes.c_int64] * 3)
    call = kind(engine.get_function_address("repeat"))
    pointers = [array.ctypes.data for array in (a, b, c)]
    cuts = [source.units(spec) * i // spec.threads for i in range(spec.threads + 1)]
    rooms = [np.zeros(source.workspace_bytes(spec) + 64, np.uint8) for _ in range(spec.threads)]
    places = [room.ctypes.data + -room.ctypes.data % 64 for room in rooms]

    def run(times: int) -> None:
        if spec.threads == 1:
            call(*pointers, places[0], 0, cuts[1], times)
            return
        barrier = Barrier(spec.threads)

        def share(i: int) -> None:
            barrier.wait()
            call(*pointers, places[i], cuts[i], cuts[i + 1], times)

        threads = [Thread(target=share, args=(i,)) for i in range(spec.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    run.keep = engine, rooms  # type: ignore[attr-defined]
    return run, made


def compiled(text: str) -> Any:
    """The machine code of a module, held by its engine."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    module = binding.parse_assembly(text)
    features = binding.get_host_cpu_features().flatten()
    target = binding.Target.from_default_triple()
    machine = target.create_target_machine(cpu=binding.get_host_cpu_name(), features=features, opt=2)
    options = binding.create_pipeline_tuning_options(speed_level=2)
    options.loop_unrolling = options.loop_vectorization = options.slp_vectorization = False
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


def from_python(call: Callable[[], Any]) -> Callable[[int], None]:
    """`call`, so many times."""

    def run(times: int) -> None:
        for _ in range(times):
            call()

    return run


def measured(peers: dict[str, Callable[[int], None]], rounds: int) -> dict[str, float]:
    """Seconds per call: the median of rounds in which the peers take turns."""
    counts = dict.fromkeys(peers, 1)
    for name, run in peers.items():
        run(1)
        taken = 0.0
        while taken < 0.02:
            start = time.perf_counter()
            run(counts[name])
            taken = time.perf_counter() - start
            counts[name] *= 1 if taken >= 0.02 else 4 if taken < 0.005 else 2
    times: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, run in peers.items():
            start = clock()
            run(counts[name])
            times[name].append((clock() - start) / counts[name])
    return {name: median(each) for name, each in times.items()}


def layer_peer(spec: ConvolutionSpec, x: Array, y: Array) -> Callable[[], Any]:
    """PyTorch's form of a layer or of one of its gradients."""
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    options = (list(spec.stride), list(spec.before), list(spec.dilation), False, [0] * len(spec.sizes), spec.groups)
    if spec.direction == "forward":
        return lambda: torch.convolution(x, y, None, *options)
    wanted = [spec.direction == "images", spec.direction == "kernels", False]
    index = wanted.index(True)
    images = torch.empty((spec.examples, spec.channels, *spec.sizes), dtype=x.dtype)
    kernels = torch.empty((spec.kernels, spec.channels // spec.groups, *spec.window), dtype=x.dtype)
    operands = (x, images, y) if spec.direction == "images" else (y, x, kernels)
    return lambda: torch.ops.aten.convolution_backward(*operands, None, *options, wanted)[index]


def report(title: str, dtype: str, work: float, peers: dict[str, Callable[[int], None]], made: float) -> None:
    """One row of the table."""
    seconds = measured(peers, OPTIONS.rounds)
    rates = "".join(f"{work / seconds[name]:9.1f}" if name in seconds else f"{'-':>9}" for name in NAMES)
    best = min((each for name, each in seconds.items() if name != "native"), default=float("nan"))
    print(f"{title:36}{dtype:>9}{rates}{best / seconds['native']:8.2f}{made * 1e3:10.0f}")
    sys.stdout.flush()


def products(dtype: str) -> None:
    """The rows of matrix products."""
    for m, k, n, transposed, batch in ROWS:
        title = f"{m}x{k}x{n}" + (f" {transposed} transposed" if transposed else "")
        title += f" batch {batch[0]}" if batch else ""
        if OPTIONS.only not in title:
            continue
        a, b = operand(m, k, batch, "a" in transposed, dtype), operand(k, n, batch, "b" in transposed, dtype)
        c, d = np.empty((*batch, m, n), dtype), np.empty((*batch, m, n), dtype)
        run, made = native(ProductSpec.of(a, b, c, threads=OPTIONS.threads), a, b, c)
        peers = {"native": run, "numpy": from_python(partial(np.matmul, a, b, out=d))}
        if torch:
            x, y, z = (torch.from_numpy(array) for array in (a, b, np.empty_like(d)))
            peers["torch"] = from_python(partial(torch.matmul, x, y, out=z))
        run(1)
        np.testing.assert_allclose(c, np.matmul(a, b), rtol=1e-3, atol=1e-3 * k**0.5)
        report(title, dtype, 2e-9 * m * n * k * prod(batch), peers, made)


def layers(dtype: str) -> None:
    """The rows of convolutional layers."""
    for examples, channels, kernels, size, window, stride in LAYERS:
        pad = window // 2
        both = [(each, each) for each in (size, window, stride, pad, pad, 1)]
        first = ConvolutionSpec(examples, channels, kernels, *both, dtype=dtype, threads=OPTIONS.threads)
        images = operand(examples * channels, size * size, (), False, dtype).reshape(examples, channels, size, size)
        weights = operand(kernels * channels, window**2, (), False, dtype).reshape(kernels, channels, window, window)
        upstream = operand(examples * kernels, prod(first.counts), (), False, dtype)
        upstream = upstream.reshape(examples, kernels, *first.counts)
        for direction, x, y, like in (
            ("forward", images, weights, upstream),
            ("images", upstream, weights, images),
            ("kernels", images, upstream, weights),
        ):
            title = f"conv {examples}x{channels}x{size}² {kernels}x{window}² /{stride} {direction}"
            if OPTIONS.only not in title:
                continue
            spec = replace(first, direction=direction)
            result = np.empty_like(like)
            run, made = native(spec, x, y, result)
            peers = {"native": run}
            if torch:
                peer = layer_peer(spec, x, y)
                run(1)
                np.testing.assert_allclose(result, peer().numpy(), rtol=1e-2, atol=1e-3 * np.abs(result).max())
                peers["torch"] = from_python(peer)
            report(title, dtype, 2e-9 * weights.size * examples * prod(first.counts), peers, made)


def main() -> None:
    """The table."""
    print(f"{'m × k × n':36}{'dtype':>9}" + "".join(f"{name:>9}" for name in NAMES) + f"{'ratio':>8}{'made, ms':>10}")
    if torch:
        torch.set_num_threads(OPTIONS.threads)
    for dtype in ("float32", "float64"):
        products(dtype)
        layers(dtype)


if __name__ == "__main__":
    main()
