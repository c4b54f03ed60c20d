"""What is put into memory is what was written, and mistakes in it are exceptions."""

from __future__ import annotations

import ctypes
import gc
import math
import pickle
import subprocess
import sys

import pytest

from gatewise.native.machine import Library, function_at, machine_code, processor

CALLS_OUT = """
@table = external global i64
declare i64 @other(i64)
define i64 @both(i64 %x) {
  %entry = load i64, ptr @table
  %twice = call i64 @other(i64 %x)
  %sum = add i64 %entry, %twice
  ret i64 %sum
}
define internal i64 @hidden() {
  ret i64 1
}
"""


def outside(factor: int, entry: int):
    """A function and a variable for `CALLS_OUT`, with what must be kept while they are used."""
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: factor * x)
    variable = ctypes.c_int64(entry)
    symbols = {"other": ctypes.cast(function, ctypes.c_void_p).value, "table": ctypes.addressof(variable)}
    return symbols, (function, variable)


def test_names_from_outside_are_connected():
    symbols, _kept = outside(2, 100)
    library = Library(CALLS_OUT, symbols)
    assert function_at(library.address("both"), ctypes.c_int64, ctypes.c_int64)(7) == 114


def test_kept_code_serves_other_addresses_in_another_process():
    code = pickle.loads(pickle.dumps(machine_code(CALLS_OUT)))
    one, _kept_one = outside(2, 100)
    two, _kept_two = outside(5, 1000)
    libraries = [Library(code, one), Library(code, two)]
    run = [function_at(library.address("both"), ctypes.c_int64, ctypes.c_int64) for library in libraries]
    assert [f(7) for f in run] == [114, 1035]
    script = (
        "import ctypes, pickle, sys\n"
        "from gatewise.native.machine import Library, function_at\n"
        "code = pickle.loads(sys.stdin.buffer.read())\n"
        "library = Library(code, {})\n"
        "remainder = function_at(library.address('remainder_of'), *[ctypes.c_double] * 3)\n"
        "print(remainder(7.5, 2))\n"
    )
    text = "define double @remainder_of(double %x, double %y) { %r = frem double %x, %y ret double %r }"
    told = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(machine_code(text)), capture_output=True)
    assert float(told.stdout) == math.fmod(7.5, 2), told.stderr.decode()


def test_only_what_is_defined_for_others_has_an_address():
    symbols, _kept = outside(2, 100)
    library = Library(CALLS_OUT, symbols)
    assert [library.has(name) for name in ("both", "other", "hidden", "nothing")] == [True, False, False, False]
    with pytest.raises(KeyError):
        library.address("hidden")


@pytest.mark.parametrize(
    "text",
    [
        "define i64 @f( {",
        "define i64 @f() { ret double 1.0 }",
        "define i64 @f(i1 %c) {\n br i1 %c, label %a, label %b\n"
        "a:\n %x = add i64 1, 1\n br label %b\nb:\n ret i64 %x\n}",
    ],
    ids=["no language", "wrong type", "used where it is not known"],
)
def test_a_malformed_module_is_an_exception(text):
    with pytest.raises(RuntimeError):
        Library(text, {})


def test_a_name_without_an_address_is_an_exception_that_says_which():
    symbols, _kept = outside(2, 100)
    del symbols["other"]
    with pytest.raises(RuntimeError, match="uses other,"):
        Library(CALLS_OUT, symbols)


def test_assembly_names_the_functions():
    assert "both" in Library(CALLS_OUT, outside(1, 1)[0]).assembly()


def test_processor_names_what_code_depends_on():
    import llvmlite.binding as llvm

    assert llvm.get_host_cpu_name() in processor()
    assert llvm.get_default_triple() in processor()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_code_is_freed_with_its_library():
    def mappings() -> int:
        gc.collect()
        with open("/proc/self/maps") as lines:
            return sum(" r-xp " in line for line in lines)

    code = machine_code("define i64 @f(i64 %x) { ret i64 %x }")
    Library(code, {})
    before = mappings()
    for _ in range(50):
        Library(code, {})
    assert mappings() <= before + 2
    held = [Library(code, {}) for _ in range(50)]
    assert mappings() >= before + 25, "the count of mappings shows code that is held"
    del held


def test_code_that_is_made_quickly_does_the_same():
    text = "define i64 @square(i64 %x) {\n  %y = mul i64 %x, %x\n  ret i64 %y\n}\n"
    library = Library(machine_code(text, quickly=True), {})
    assert function_at(library.address("square"), ctypes.c_int64, ctypes.c_int64)(12) == 144
