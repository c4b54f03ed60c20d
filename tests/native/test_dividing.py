"""A module that is divided does what it did, to the last bit, wherever the cut goes."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

import gatewise as gw
from gatewise.native import machine
from gatewise.native.dividing import divided
from gatewise.native.machine import Library, function_at, machine_code

TEXT = """
@"table" = internal constant [2 x i64] [i64 5, i64 7]
@counter = internal global i64 0, align 8
declare i64 @outside(i64)
define internal i64 @"plus one"(i64 %"x") alwaysinline
{
  %"y" = add i64 %"x", 1
  ret i64 %"y"
}
define internal i64 @seven() noinline {
  %place = getelementptr i64, ptr @"table", i64 1
  %seven = load i64, ptr %place
  %old = load i64, ptr @counter
  %new = add i64 %old, 1
  store i64 %new, ptr @counter
  ret i64 %seven
}
define i64 @"first"(i64 noalias %"x")
{
  %"y" = call i64 @"plus_one"(i64 %"x")
  %seven = call i64 @seven()
  %z = add i64 %y, %seven
  ret i64 %z
}
define i64 @second(i64 %x) {
  %y = call i64 @plus_one(i64 %x)
  %z = call i64 @outside(i64 %y)
  ret i64 %z
}
define i64 @count() {
  %now = load i64, ptr @counter
  ret i64 %now
}
""".replace("plus one", "plus_one").replace("i64 noalias", "i64")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_parts_work_together(count, monkeypatch):
    monkeypatch.setattr(machine, "WORTH_A_THREAD", 1)
    outside = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: 100 * x)
    code = machine_code(TEXT, threads=count)
    assert len(code.data) == min(count, 4)
    assert sorted(code.defined) == ["count", "first", "second"]
    library = Library(code, {"outside": ctypes.cast(outside, ctypes.c_void_p).value})
    one, two, count_of = (
        function_at(library.address(name), ctypes.c_int64, *[ctypes.c_int64] * many)
        for name, many in (("first", 1), ("second", 1), ("count", 0))
    )
    assert [one(1), two(1), one(2), count_of()] == [9, 200, 10, 2]


def test_lengths_are_about_equal():
    functions = [f"define i64 @f{i}() {{\n" + "  %x = add i64 0, 1\n" * (5 * i) + "  ret i64 0\n}\n" for i in range(20)]
    lengths = [len(part) for part in divided("".join(functions), 3)]
    assert max(lengths) < 1.1 * min(lengths)


def test_a_malformed_part_is_an_exception(monkeypatch):
    monkeypatch.setattr(machine, "WORTH_A_THREAD", 1)
    for wrong in ("ret double 1.0", "ret i64 %nowhere"):
        with pytest.raises(RuntimeError):
            machine_code(f"define i64 @f() {{\n ret i64 0\n}}\ndefine i64 @g() {{\n {wrong}\n}}\n", threads=2)


def test_a_program_gives_the_same_bits_in_one_part_and_in_many(monkeypatch):
    def loss(W, V, x):
        hidden = np.tanh(x @ W)
        return np.sum(np.log1p(np.exp(hidden @ V)))

    rng = np.random.default_rng(0)
    arguments = rng.standard_normal((9, 17)), rng.standard_normal((17, 5)), rng.standard_normal((33, 9))
    results = []
    for worth in (10**9, 1000):
        monkeypatch.setattr(machine, "WORTH_A_THREAD", worth)
        f = gw.compile(gw.value_and_grad(loss, argnums=(0, 1, 2)))
        results.append(f(*arguments))
        assert (len(f._program((), {}).library.code.data) > 1) == (worth == 1000)
    (value, gradients), (again, others) = results
    assert value == again
    for one, other in zip(gradients, others, strict=True):
        np.testing.assert_array_equal(one, other)
