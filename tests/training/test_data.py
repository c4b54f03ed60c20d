"""Reading, refusing, splitting and standardising data."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gatewise.errors import InputError
from gatewise.training.data import load, prepare, split


def write_csv(path, rows, header=None):
    lines = ([",".join(header)] if header else []) + [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def rows_of(blobs):
    return [[*map(repr, map(float, row)), str(label)] for row, label in zip(*blobs, strict=True)]


def test_digits_are_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    X, y = datasets.load_digits(return_X_y=True)
    dataset = load("digits")
    np.testing.assert_array_equal(dataset.features, X)
    np.testing.assert_array_equal(dataset.labels, y)
    assert len(dataset.feature_names) == 64


@pytest.mark.parametrize("labels", [[10, 20, 30], ["ant", "bee", "cat"], [0.0, 1.0, 2.0], [False, True, True]])
def test_npz_round_trip(tmp_path, blobs, labels):
    X, y = blobs
    np.savez(tmp_path / "data.npz", X=X, y=np.array(labels)[y])
    dataset = load(str(tmp_path / "data.npz"))
    np.testing.assert_array_equal(dataset.features, X)
    np.testing.assert_array_equal(dataset.classes[dataset.labels], np.array(labels)[y])


@pytest.mark.parametrize("header", [None, ["a", "b", "c", "d", "kind"]])
@pytest.mark.parametrize("names", [["0", "1", "2"], ["ant", "bee", "cat"]])
def test_csv_round_trip(tmp_path, blobs, header, names):
    X, y = blobs
    rows = [[*row[:-1], names[int(row[-1])]] for row in rows_of(blobs)]
    dataset = load(write_csv(tmp_path / "data.csv", rows, header))
    np.testing.assert_array_equal(dataset.features, X)
    np.testing.assert_array_equal(dataset.classes[dataset.labels].astype(str), np.array(names)[y])
    assert dataset.feature_names[0] == ("a" if header else "column 1")


def test_csv_label_column_by_name_under_a_header_of_numbers(tmp_path, blobs):
    rows = [[row[-1], *row[:-1]] for row in rows_of(blobs)]
    dataset = load(write_csv(tmp_path / "data.csv", rows, ["kind", "0", "1", "2", "3"]), "kind")
    np.testing.assert_array_equal(dataset.features, blobs[0])
    np.testing.assert_array_equal(dataset.labels, blobs[1])
    assert dataset.feature_names == ("0", "1", "2", "3")


def test_csv_with_byte_order_mark_blank_lines_and_spaces(tmp_path, blobs):
    text = "\ufeffa, b, c, d, kind\r\n\r\n" + "\r\n".join(" , ".join(row) for row in rows_of(blobs)) + "\r\n\r\n"
    (tmp_path / "data.csv").write_bytes(text.encode())
    dataset = load(str(tmp_path / "data.csv"))
    np.testing.assert_array_equal(dataset.features, blobs[0])
    assert dataset.feature_names == ("a", "b", "c", "d")


BAD_CSV = {
    "text in a cell": (
        lambda rows: rows[3].__setitem__(1, "oops"),
        r"row 4, column 2: 'oops' is not a number\. Correct",
    ),
    "an empty cell": (lambda rows: rows[3].__setitem__(1, ""), r"row 4, column 2: the cell is empty\. Correct it"),
    "nan": (lambda rows: rows[5].__setitem__(0, "nan"), r"row 6, column 1: the value is nan, one of 1 that"),
    "infinity": (lambda rows: rows[5].__setitem__(0, "-inf"), r"row 6, column 1: the value is -inf"),
    "a short row": (lambda rows: rows[8].pop(), r"row 9 has 4 cells where row 1 has 5"),
    "a label that is text": (lambda rows: rows[2].__setitem__(4, "two"), r"row 3, column 5: the label 'two' is text"),
    "a label that is missing": (lambda rows: rows[2].__setitem__(4, " "), r"row 3, column 5: the label is missing"),
    "a label that is nan": (lambda rows: rows[2].__setitem__(4, "nan"), r"row 3, column 5: the label is nan"),
    "a fraction as label": (
        lambda rows: rows[2].__setitem__(4, "1.5"),
        r"row 3, column 5: the label is 1.5; a class is",
    ),
    "a single class": (lambda rows: [row.__setitem__(4, "1") for row in rows], r"every label is 1"),
    "a measurement": (lambda rows: [row.__setitem__(4, i) for i, row in enumerate(rows)], r"90 different labels"),
    "too few rows": (lambda rows: rows.__delitem__(slice(9, None)), r"has 9 examples of 4 features"),
    "no rows": (lambda rows: rows.clear(), r"is empty"),
    "semicolons": (lambda rows: rows.__setitem__(slice(None), [["1;2;3"]]), r"row 1 has a single cell '1;2;3'"),
}


@pytest.mark.parametrize("name", BAD_CSV)
def test_bad_csv_is_refused_with_the_place(name, tmp_path, blobs):
    spoil, message = BAD_CSV[name]
    rows = rows_of(blobs)
    spoil(rows)
    path = write_csv(tmp_path / "data.csv", rows)
    with pytest.raises(InputError, match=f"^{re.escape(path)}.*{message}"):
        load(path)


def test_rows_are_counted_as_an_editor_counts_them_and_columns_named(tmp_path, blobs):
    rows = rows_of(blobs)
    rows[3][1] = "oops"
    path = write_csv(tmp_path / "data.csv", rows, ["a", "b", "c", "d", "kind"])
    with pytest.raises(InputError, match=r"row 5, column 2 \('b'\): 'oops'"):
        load(path)


def test_a_header_of_numbers_is_told_how_to_be_one(tmp_path, blobs):
    path = write_csv(tmp_path / "data.csv", rows_of(blobs), ["0", "1", "2", "3", "kind"])
    with pytest.raises(InputError, match=r"row 1, column 5: the label 'kind' is text.* if row 1 is a header, name"):
        load(path)


def test_unknown_label_names_the_columns(tmp_path, blobs):
    path = write_csv(tmp_path / "data.csv", rows_of(blobs), ["a", "b", "c", "d", "kind"])
    with pytest.raises(InputError, match=r"no column 'kid' \(is it 'kind'\?\); its columns: a, b, c, d, kind"):
        load(path, "kid")
    bare = write_csv(tmp_path / "bare.csv", rows_of(blobs))
    with pytest.raises(InputError, match="has no header row"):
        load(bare, "kind")


def test_csv_that_is_not_text(tmp_path):
    (tmp_path / "data.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="not a text file in UTF-8"):
        load(str(tmp_path / "data.csv"))


BAD_NPZ = {
    "no y": (
        lambda X, y: {"X": X, "labels": y},
        r"has no array y; it holds X, labels\. Save plain arrays with np\.savez",
    ),
    "no arrays": (lambda X, y: {}, r"no array X and no array y; it holds no named array"),
    "images": (lambda X, y: {"X": X.reshape(90, 2, 2), "y": y}, r"X has shape \(90, 2, 2\).*save X\.reshape"),
    "a flat X": (lambda X, y: {"X": X[:, 0], "y": y}, r"X has shape \(90,\); it must be \(examples, features\)\.$"),
    "one-hot labels": (lambda X, y: {"X": X, "y": np.eye(3)[y]}, r"y has shape \(90, 3\).*argmax"),
    "lengths": (lambda X, y: {"X": X, "y": y[:-1]}, r"X has 90 rows and y has 89 labels"),
    "complex": (lambda X, y: {"X": X + 0j, "y": y}, r"X has dtype complex128"),
    "text": (lambda X, y: {"X": X.astype(str), "y": y}, r"X has dtype <U\d+; it must hold real numbers"),
    "objects": (lambda X, y: {"X": X.astype(object), "y": y}, r"it holds Python objects"),
    "nan": (lambda X, y: {"X": np.where(X[17, 3] == X, np.nan, X), "y": y}, r"X, row 17, column 3 \(counted from 0\)"),
    "nan label": (lambda X, y: {"X": X, "y": np.where(np.arange(90) == 4, np.nan, y)}, r"y, row 4 \(counted from 0\)"),
    "no features": (lambda X, y: {"X": X[:, :0], "y": y}, r"90 examples of 0 features"),
}


@pytest.mark.parametrize("name", BAD_NPZ)
def test_bad_npz_is_refused_with_the_place(name, tmp_path, blobs):
    spoil, message = BAD_NPZ[name]
    path = tmp_path / "data.npz"
    np.savez(path, **spoil(*blobs))
    with pytest.raises(InputError, match=f"{re.escape(str(path))}.*{message}"):
        load(str(path))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_damaged_npz(content, tmp_path):
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        load(str(path))


def test_npz_cut_short(tmp_path, blobs):
    path = tmp_path / "data.npz"
    np.savez(path, X=blobs[0], y=blobs[1])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="damaged"):
        load(str(path))


def test_unknown_sources(tmp_path):
    (tmp_path / "flowers.csv").touch()
    with pytest.raises(InputError, match=r"There is no file .*flower\.csv \(is it 'flowers\.csv'\?\)"):
        load(str(tmp_path / "flower.csv"))
    with pytest.raises(InputError, match=r"Cannot read mnist: the data is 'digits', a \.npz file"):
        load("mnist")
    with pytest.raises(InputError, match=r"--label names a column of a \.csv, and digits is not one"):
        load("digits", "kind")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"Cannot read .*folder\.csv: Is a directory"):
        load(str(tmp_path / "folder.csv"))


@pytest.mark.parametrize("count", [10, 11, 12, 13, 1797])
def test_the_split_is_a_partition_and_depends_on_the_seed_alone(count):
    parts = split(count, seed=3)
    assert sorted(np.concatenate(parts)) == list(range(count))
    assert all(len(part) for part in parts)
    assert all(np.array_equal(a, b) for a, b in zip(parts, split(count, seed=3), strict=True))
    assert not np.array_equal(parts[0], split(count, seed=4)[0])


def test_standardisation_uses_the_training_part_and_leaves_constants():
    generator = np.random.default_rng(0)
    training = generator.normal(5, 3, size=(50, 4))
    training[:, 2] = 0.1
    X = prepare(training)(training)
    np.testing.assert_allclose(X[:, :-1].mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(X[:, :-1].std(axis=0), [1, 1, 0, 1], atol=1e-14)
    np.testing.assert_array_equal(X[:, -1], 1)
    np.testing.assert_allclose(prepare(training, scale=1000)(training), 1000 * X)
    plain = prepare(training, standardize=False)(training)
    np.testing.assert_array_equal(plain[:, :-1], training)


def test_values_too_large_to_standardise():
    with pytest.raises(InputError, match=r"Feature 1 .* too large to standardise, up to 1e"):
        prepare(np.array([[0.0, 1e300], [1.0, -1e300]]))
