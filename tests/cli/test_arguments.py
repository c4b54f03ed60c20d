"""The values typed after an expression: numbers, lists, files, and what is wrong with them."""

from __future__ import annotations

import contextlib
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import array_shapes, arrays

from gatewise.errors import InputError
from gatewise.typed.arguments import parse_arguments, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3.0),
        ("-2.5e-3", -0.0025),
        (" .5 ", 0.5),
        ("inf", np.inf),
        ("-inf", -np.inf),
        ("[1,2,3]", [1.0, 2.0, 3.0]),
        ("[[1, 2], [3, 4e-1]]", [[1.0, 2.0], [3.0, 0.4]]),
        ("(1, 2,)", [1.0, 2.0]),
        ("[]", []),
        ("[[],[]]", [[], []]),
    ],
)
def test_values(text, value):
    parsed = parse_value(text, "x")
    assert parsed.dtype == np.float64
    np.testing.assert_array_equal(parsed, np.array(value, dtype=float))
    assert np.shape(parsed) == np.shape(value)


def test_nan():
    assert np.isnan(parse_value("nan", "x"))


@given(arrays(np.float64, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
def test_what_is_printed_can_be_typed(array):
    if 0 in array.shape[:-1]:
        return
    np.testing.assert_array_equal(parse_value(str(array.tolist()), "x"), array)


@given(some.text())
def test_any_text_is_a_value_or_an_input_error(text):
    with contextlib.suppress(InputError):
        assert parse_value(text.replace("@", ""), "x").dtype == np.float64


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("three", "'three' is not a number", 2),
        ("[1,2", "a closing ] is missing", 6),
        ("[1,2)", "')' does not belong here", 6),
        ("[1,,2]", "',' does not belong here", 5),
        ("[1 2]", "'2' does not belong here", 5),
        ("1,2", "',' does not belong here", 3),
        ("[[1,2],[3]]", "the entries of this list differ, shape (1,) and shape (2,)", 12),
        ("[1,[2]]", "the entries of this list differ, a number and shape (1,)", 8),
        ("[True]", "'True' is not a number", 3),
        ("", "there is no value", 2),
        ("__import__('os')", "'__import__' is not a number", 2),
    ],
)
def test_what_is_wrong_with_a_value(text, message, column):
    with pytest.raises(InputError) as caught:
        parse_value(text, "x")
    first, shown, caret = str(caught.value).splitlines()
    assert message in first
    assert shown == f"  x={text}"
    assert caret.index("^") - 2 == column


def test_very_deep_lists_are_refused():
    with pytest.raises(InputError, match="does not belong here"):
        parse_value("[" * 5000 + "]" * 5000, "x")


@pytest.mark.parametrize("text", ["3", "x", "=3", "1x=3", "_x=3", "lambda=3", "x.y=3", "x y=3"])
def test_what_is_no_argument(text):
    with pytest.raises(InputError, match="name"):
        parse_arguments([text])


def test_two_values():
    with pytest.raises(InputError, match="x is given two values"):
        parse_arguments(["x=1", "x=2"])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
def test_npy_files_become_real_numbers(tmp_path, dtype):
    array = np.array([[1, 0], [1, 1]], dtype=dtype)
    np.save(tmp_path / "x.npy", array)
    values = parse_arguments([f"x=@{tmp_path}/x.npy"])
    assert values["x"].dtype == np.float64
    np.testing.assert_array_equal(values["x"], array)


def test_a_single_number_in_a_file(tmp_path):
    np.save(tmp_path / "x.npy", 2.5)
    assert parse_value(f"@{tmp_path}/x.npy", "x") == 2.5


def test_csv_files(tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n3,-4e1\n")
    np.testing.assert_array_equal(parse_value(f"@{tmp_path}/x.csv", "x"), [[1, 2], [3, -40]])


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def _write(path, content):
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.npy", None, "No such file"),
        ("x.txt", b"1", "arrays are read from .npy and .csv files"),
        ("x.npz", b"1", "arrays are read from .npy and .csv files"),
        ("x.npy", b"rubbish", "the file holds no array of numbers"),
        ("x.npy", b"", "the file holds no array of numbers"),
        ("x.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': 'rubbi", "the file holds no array of numbers"),
        ("x.npy", np.array([Trap], dtype=object), "the file holds no array of numbers"),
        ("x.npy", pickle.dumps(Trap()), "the file holds no array of numbers"),
        ("x.npy", np.array(["a"]), "has dtype <U1"),
        ("x.npy", np.array([1j]), "has dtype complex128"),
        ("x.csv", b"a,b\n1,2\n", "could not convert string 'a'"),
        ("x.csv", b"1,2\n3\n", "the file holds no array of numbers"),
        ("x.csv", b"", "it is empty"),
        ("x.csv", b"\xff\xfe\x00", "the file holds no array of numbers"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, message):
    _write(tmp_path / name, content)
    with pytest.raises(InputError) as caught:
        parse_value(f"@{tmp_path / name}", "x")
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"x=@{tmp_path / name}: ")


def test_a_directory_is_no_file(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        parse_value(f"@{tmp_path}/x.csv", "x")


def test_a_file_that_is_too_large_is_not_read_into_memory(tmp_path):
    np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.uint8, shape=(10**7 + 1,)).flush()
    with pytest.raises(InputError, match="10,000,001 entries; at most 10,000,000"):
        parse_value(f"@{tmp_path}/x.npy", "x")
