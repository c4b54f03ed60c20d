"""`Compiled.report`: numbers that can be counted by hand, and what is said about them."""

import numpy as np
import pytest

import gatewise as gw


def loss(W, x, y):
    hidden = np.tanh(x @ W)
    return np.sum((hidden - y) ** 2)


W, x, y = np.ones((4, 3)), np.ones((5, 4)), np.ones((5, 3))


def test_bytes_and_flops_of_a_fused_loop():
    report = gw.compile(lambda x, y: np.sum(x * y + 1.0)).report(np.ones(1000), np.ones(1000))
    (step,) = report.steps
    assert (step.kind, step.what, step.domain) == ("loop", "multiply, add, sum", (1000,))
    assert (step.bytes_read, step.bytes_written) == (2 * 8000, 8)
    assert step.flops == 3 * 1000
    assert (report.bytes_read, report.bytes_written, report.flops) == (16000, 8, 3000)


def test_what_is_read_again_and_again_counts_once():
    outer = gw.compile(lambda x, y: x[:, None] * y).report(np.ones(10, np.float32), np.ones(20, np.float32))
    assert (outer.bytes_read, outer.bytes_written, outer.flops) == (4 * 30, 4 * 200, 200)
    part = gw.compile(lambda x: x[::2] + x[1::2]).report(np.ones(100))
    assert (part.bytes_read, part.bytes_written) == (800, 400)


def test_what_is_computed_outside_of_the_innermost_loop_counts_so():
    report = gw.compile(lambda x, y: np.exp(x)[:, None] + y).report(np.ones(8), np.ones((8, 50)))
    assert report.flops == 8 + 8 * 50


def test_products():
    report = gw.compile(gw.grad(loss)).report(W, x, y)
    products = [step for step in report.steps if step.kind == "product"]
    assert [step.domain for step in products] == [(5, 4, 3), (4, 5, 3)]
    assert [step.flops for step in products] == [120, 120]
    assert products[0].bytes_read == 8 * (5 * 4 + 4 * 3)
    assert products[0].bytes_written == 8 * 5 * 3
    batch = gw.compile(lambda a, b: a @ b).report(np.ones((7, 5, 4)), np.ones((7, 4, 3)))
    assert batch.flops == 7 * 120


def test_loops_count_as_often_as_they_run():
    def f(c, xs):
        return gw.scan(lambda c, x: (np.sin(c) * x, None), c, xs)[0]

    report = gw.compile(f).report(np.ones(16), np.ones(100))
    (repeat,) = [step for step in report.steps if step.kind == "repeat"]
    assert repeat.times == 100
    assert sum(step.flops for step in repeat.inner) == 2 * 16
    assert report.flops == 100 * 2 * 16


def test_gates_of_python_are_told_with_the_reason():
    report = gw.compile(lambda x: np.sum(np.linalg.inv(x))).report(np.eye(3))
    assert [gate for gate, _ in report.in_python] == ["inv"]
    assert "in Python: inv, which has no native form here: " in str(report)
    assert gw.compile(loss).report(W, x, y).in_python == []


def test_a_layer_counts_its_multiplications_forward_and_backward():
    rng = np.random.default_rng(0)
    images, kernels = rng.standard_normal((4, 3, 8, 8)), rng.standard_normal((5, 3, 3, 3))
    both = gw.compile(gw.value_and_grad(lambda x, w: np.sum(gw.conv(x, w, padding=1) ** 2), argnums=(0, 1)))
    steps = [step for step in both.report(images, kernels).steps if step.kind == "convolution"]
    assert [step.flops for step in steps] == 3 * [2 * 4 * 5 * 8 * 8 * 3 * 3 * 3]
    assert sorted(step.what.partition(":")[0] for step in steps)[1:] == ["images", "kernels"]
    assert any(step.what == "5 kernels 3×3 on 3 channels" for step in steps)


def test_fallbacks_are_counted():
    compiled = gw.compile(lambda x, i: x[i])
    x = np.arange(3.0)
    compiled(x, np.int64(2))
    assert compiled.report().fallbacks == 0
    with pytest.raises(IndexError):
        compiled(x, np.int64(3))
    assert compiled.report().fallbacks == 1


def test_calls_that_need_care_are_counted_apart():
    compiled = gw.compile(gw.grad(lambda x: np.sum(np.where(x > 0, np.log(x), 0.0))))
    for x in ([1.0, 2.0], [0.0, 2.0], [0.0, 4.0]):
        compiled(np.array(x))
    report = compiled.report()
    assert (report.careful_calls, report.fallbacks) == (2, 0)
    assert "careful calls so far 2, fallbacks 0" in str(report)


def test_measuring_writes_into_no_donated_array():
    compiled = gw.compile(lambda x: x + 1.0, donate_argnums=0)
    x = np.zeros(3)
    assert compiled(x) is x
    compiled.report(measure=True)
    np.testing.assert_array_equal(x, np.ones(3))


def test_programs_and_stages():
    compiled = gw.compile(loss)
    compiled(W, x, y)
    report = compiled.report(W, x[:2], y[:2])
    assert report.programs == 2
    assert list(report.seconds) == ["trace", "roll", "lower", "build", "LLVM"]
    assert all(time > 0 for time in report.seconds.values())
    assert report.arguments == ("float64[4, 3]", "float64[2, 4]", "float64[2, 3]")
    assert "one of 2 programs" in str(report)


def test_the_lines_behind_a_step():
    report = gw.compile(loss).report(W, x, y)
    first = loss.__code__.co_firstlineno
    lines = {line for step in report.steps for line in step.lines}
    assert lines == {f"{__file__}:{first + 1}", f"{__file__}:{first + 2}"}


def test_the_table_has_a_line_for_every_step():
    report = gw.compile(gw.grad(loss)).report(W, x, y)
    lines = str(report).splitlines()
    assert sum(line.startswith(("loop", "product")) for line in lines) == len(report.steps)
    assert any(line.startswith("all") for line in lines)


def test_a_measured_program_tells_its_distance_from_the_machine():
    report = gw.compile(loss).report(W, x, y, measure=True)
    assert report.seconds_per_call > 0
    assert report.machine.bandwidth > 1e8
    assert report.machine.flops > 1e8
    assert "GB/s" in str(report)
    assert "GFLOP/s" in str(report)
    assert gw.compile(loss).report(W, x, y).machine is None


def test_without_arguments_something_must_have_been_compiled():
    with pytest.raises(gw.errors.InputError, match=r"loss\(\) has not been compiled yet"):
        gw.compile(loss).report()
