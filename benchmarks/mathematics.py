"""The elementary functions of the native compiler: how far off, how fast, how long to compile.

    python benchmarks/mathematics.py                        # every function: about a minute
    python benchmarks/mathematics.py --function exp --points 100000

Errors are in units in the last place, against `numpy.longdouble` (64 bits of significand, with x87) or, where NumPy
lacks the function, mpmath; over all magnitudes, both signs, and densely around 0, ±1 and multiples of π/4. Those of
logaddexp, whose terms may cancel, are relative to the larger operand. Throughput is of one thread on 10⁴ numbers in
cache, the best of interleaved repeats; of NumPy's function (SciPy's for erf, erfc and the sigmoid) on the same array.
Compiling is processor time of one loop with the function, optimised and made machine code.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import mpmath
import numpy as np
from llvmlite import ir

from gatewise.native import mathematics

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

ENTRIES = {"float32": (ir.FloatType(), 16), "float64": (ir.DoubleType(), 8)}
SIZE = 9984
BINARY = ("atan2", "pow", "hypot", "logaddexp", "fmod", "remainder", "floor_divide")
RANGES = {
    "acosh": (1, 100),
    **dict.fromkeys(("asin", "acos", "atanh"), (-1, 1)),
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "rsqrt", "pow"), (1e-3, 100)),
    "log1p": (-0.9, 100),
    **dict.fromkeys(("erf", "erfc"), (-4, 4)),
}


def by_mpmath(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of mpmath's on an array, as longdouble; slow."""

    def evaluate(x: Any) -> Any:
        out = []
        with mpmath.workprec(140):
            for each in x:
                value = function(mpmath.mpf(float(each))) if np.isfinite(each) else mpmath.nan
                high = float(value)
                out.append(np.longdouble(high) + np.longdouble(float(value - high)))
        return np.array(out)

    return evaluate


def sigmoid(x: Any) -> Any:
    """In the precision of x, without overflow."""
    power = np.exp(-np.abs(x))
    return np.where(x < 0, power, 1) / (1 + power)


NAMES = "exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh sqrt cbrt hypot fmod remainder floor_divide"
TRUTH: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in NAMES.split()},
    **{name: getattr(np, f"arc{name[1:]}") for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh", "atan2")},
    "pow": np.power,
    "logaddexp": np.logaddexp,
    "sigmoid": sigmoid,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "erf": by_mpmath(mpmath.erf),
    "erfc": by_mpmath(lambda x: mpmath.erfc(x) if x < 110 else mpmath.mpf(0)),
}


def rival(name: str) -> Callable[..., Any]:
    """What NumPy's users call."""
    if name in ("erf", "erfc", "sigmoid"):
        from scipy import special

        function: Callable[..., Any] = getattr(special, {"sigmoid": "expit"}.get(name, name))
        return function
    return TRUTH[name]


def build(names: list[str], dtype: str) -> tuple[Callable[..., None], float]:
    """A loop that adds up the functions of its inputs, and the seconds it took to compile."""
    entry, lanes = ENTRIES[dtype]
    kind, size, module = ir.VectorType(entry, lanes), ir.IntType(64), ir.Module()
    count = 1 + (names[0] in BINARY)
    arguments = [size, *[entry.as_pointer()] * (count + 1)]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), "loop")
    builder = ir.IRBuilder(function.append_basic_block())
    start, body, end = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.branch(body)
    builder.position_at_end(body)
    index = builder.phi(size)

    def place(pointer: ir.Value) -> ir.Value:
        return builder.bitcast(builder.gep(pointer, [index], source_etype=entry), kind.as_pointer())

    operands = [builder.load(place(pointer), align=4, typ=kind) for pointer in function.args[1:-1]]
    total = None
    for name in names:
        out = mathematics.emit(name, builder, *operands)
        total = out if total is None else builder.fadd(total, out)
    builder.store(total, place(function.args[-1]), align=4)
    following = builder.add(index, ir.Constant(size, lanes))
    index.add_incoming(ir.Constant(size, 0), start)
    index.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, function.args[0]), body, end)
    builder.position_at_end(end)
    builder.ret_void()
    return compiled(str(module), len(arguments))


def compiled(text: str, arity: int) -> tuple[Callable[..., None], float]:
    """Machine code of a module, and the processor time it took."""
    started = time.process_time()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )
    module = llvm.parse_assembly(text)
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    elapsed = time.process_time() - started
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (arity - 1))
    function = prototype(engine.get_function_address("loop"))

    def run(*arrays: Any) -> None:
        assert engine
        function(len(arrays[0]), *(array.ctypes.data for array in arrays))

    run.function = function  # type: ignore[attr-defined]
    return run, elapsed


def points(dtype: str, count: int, generator: np.random.Generator) -> Any:
    """Numbers of all magnitudes, and of those where functions change; a multiple of 16 in all."""
    unsigned = np.dtype(f"u{np.dtype(dtype).itemsize}")
    parts = [generator.integers(0, np.iinfo(unsigned).max, count, dtype=unsigned, endpoint=True).view(dtype)]
    parts += [generator.uniform(-width, width, count) for width in (1e-3, 0.1, 1, 3, 10, 100, 1000)]
    parts += [side + generator.uniform(-0.5, 0.5, count) ** 5 for side in (1, -1)]
    parts += [generator.integers(-5000, 5000, count) * (np.pi / 4), 10 ** generator.uniform(0, 12, count)]
    with np.errstate(all="ignore"):
        out = np.concatenate([part.astype(dtype) for part in parts])
    return out[: len(out) // 16 * 16]


def largest_error(name: str, dtype: str, run: Callable[..., None], count: int) -> float:
    """In units in the last place; infinite if one is NaN, infinite or finite and the other is not."""
    generator, info = np.random.default_rng(0), np.finfo(dtype)
    inputs = [points(dtype, min(count, 100) if name in ("erf", "erfc") else count, generator) for _ in range(2)]
    generator.shuffle(inputs[1])
    inputs = inputs[: 1 + (name in BINARY)]
    if name == "pow":
        inputs = [np.abs(inputs[0]), np.where(np.abs(inputs[1]) < 1e3, inputs[1], 3)]
    out = np.empty_like(inputs[0])
    run(*inputs, out)
    exact = name in ("fmod", "remainder", "floor_divide")
    with np.errstate(all="ignore"):
        truth = TRUTH[name](*(each if exact else each.astype(np.longdouble) for each in inputs)).astype(np.longdouble)
        if name in ("erf", "erfc"):
            limit = np.sign(inputs[0]) if name == "erf" else 1 - np.sign(inputs[0])
            truth = np.where(np.isfinite(inputs[0]), truth, limit)
        expected = truth.astype(dtype)
        size = np.max(np.abs([truth, *inputs]), axis=0) if name == "logaddexp" else truth
        exponent = np.maximum(np.frexp(np.where(np.isfinite(size), size, 1))[1], info.minexp + 1)
        error = np.abs(out.astype(np.longdouble) - truth) / np.ldexp(np.longdouble(1), exponent - 1 - info.nmant)
    plain = np.isfinite(expected) & np.isfinite(out)
    same = (np.isnan(out) & np.isnan(expected)) | (out == expected)
    return float(np.max(np.where(plain, error, np.where(same, 0, np.inf))))


def best(*runs: Callable[[], Any], repeats: int = 12) -> list[float]:
    """Seconds of each, the best of batches that take turns."""
    found = [np.inf] * len(runs)
    for _ in range(repeats):
        for place, run in enumerate(runs):
            started = time.perf_counter()
            calls = 0
            while time.perf_counter() - started < 2e-3:
                run()
                calls += 1
            found[place] = min(found[place], (time.perf_counter() - started) / calls)
    return found


def speeds(name: str, dtype: str, run: Callable[..., None]) -> tuple[float, float]:
    """Numbers per nanosecond: ours and NumPy's."""
    generator = np.random.default_rng(0)
    inputs = [generator.uniform(*RANGES.get(name, (-10, 10)), SIZE).astype(dtype)]
    if name in BINARY:
        inputs.append(generator.uniform(-3, 3, SIZE).astype(dtype))
    out = np.empty(SIZE, dtype)
    addresses = [array.ctypes.data for array in (*inputs, out)]
    function, other = run.function, rival(name)  # type: ignore[attr-defined]
    with np.errstate(all="ignore"):
        ours, theirs = best(lambda: function(SIZE, *addresses), lambda: other(*inputs))
    return SIZE / ours / 1e9, SIZE / theirs / 1e9


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--function", action="append", choices=list(TRUTH), help="only this one; may be repeated")
    parser.add_argument("--points", type=int, default=20000, help="how many of each kind of number are tried")
    options = parser.parse_args()
    print(f"{llvm.get_host_cpu_name()}; NumPy {np.__version__}; LLVM {'.'.join(map(str, llvm.llvm_version_info))}\n")
    print("| function | dtype | max ulp | numbers/ns | NumPy | Gatewise is | compile |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for name in options.function or TRUTH:
        for dtype in ENTRIES:
            run, elapsed = build([name], dtype)
            error = largest_error(name, dtype, run, options.points)
            ours, theirs = speeds(name, dtype, run)
            ratio = f"{ours / theirs:.1f} × faster" if ours >= theirs else f"**{theirs / ours:.1f} × slower**"
            cells = f"{error:.2f} | {ours:.2f} | {theirs:.2f} | {ratio} | {elapsed * 1e3:.0f} ms |"
            print(f"| {name} | {dtype} | {cells}", flush=True)
    together = ["exp", "log", "tanh", "sin"]
    for dtype in ENTRIES:
        elapsed = min(build(together, dtype)[1] for _ in range(5))
        print(f"\nA {dtype} loop with {', '.join(together)} compiles in {elapsed * 1e3:.0f} ms.")


if __name__ == "__main__":
    main()
