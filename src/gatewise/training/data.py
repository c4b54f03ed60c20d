"""The data a classifier learns from: reading it, checking it, splitting it, bringing it to one scale.

Three sources: the handwritten digits that ship with scikit-learn, a ``.npz`` with the arrays ``X`` and ``y``, and a
``.csv`` with one example per row. What cannot be learned from is refused here, with the file, the row and the column,
before anything is computed or written.
"""

from __future__ import annotations

import csv
import difflib
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatewise.errors import InputError
from gatewise.training.optional import load_optional

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SMALLEST = 10  # examples; below this the three parts of the split mean nothing


@dataclass(frozen=True)
class Dataset:
    """Examples as they were read: ``features`` (n, d), and for each the index of its class in ``classes``."""

    name: str
    features: Floats
    labels: Integers
    classes: NDArray[Any]
    feature_names: tuple[str, ...]


class Part(NamedTuple):
    """One part of a split, ready for a loss: ``X`` with its constant last column, and the labels ``y``."""

    X: Floats
    y: Integers


@dataclass(frozen=True)
class Preparation:
    """How raw features become the matrix the loss sees: ``[(features − mean) / deviation, 1] × scale``."""

    mean: Floats
    deviation: Floats
    scale: float

    def __call__(self, features: Floats) -> Floats:
        """The matrix of shape (n, d + 1) for features of shape (n, d)."""
        standard = (features - self.mean) / self.deviation
        return np.hstack([standard, np.ones((len(features), 1))]) * self.scale


def prepare(features: Floats, *, standardize: bool = True, scale: float = 1.0) -> Preparation:
    """Measure the mean and the standard deviation of each feature, over the training part alone.

    A feature that is constant there has no deviation to divide by: it is centred only. The scale multiplies what
    standardisation gives, the constant column of the bias included, so that it is not undone.

    >>> prepare(np.array([[1.0, 7.0], [3.0, 7.0]]))(np.array([[5.0, 8.0]]))
    array([[3., 1., 1.]])
    """
    count = features.shape[1]
    if not standardize:
        return Preparation(np.zeros(count), np.ones(count), scale)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = features.mean(axis=0), features.std(axis=0)
    if not np.isfinite(deviation).all():
        column = int(np.argmin(np.isfinite(deviation)))
        raise InputError(
            f"Feature {column} (counted from 0) has values too large to standardise, up to "
            f"{np.abs(features[:, column]).max():.3g}: divide that column by a constant first."
        )
    constant = features.max(axis=0) == features.min(axis=0)
    return Preparation(mean, np.where(constant | (deviation == 0), 1.0, deviation), scale)


def split(count: int, seed: int) -> tuple[Integers, Integers, Integers]:
    """The rows to train on, to validate on and to test on: a seeded shuffle, cut at 60 % and 80 %.

    >>> [len(part) for part in split(10, seed=0)]
    [6, 2, 2]
    """
    order = np.random.default_rng(seed).permutation(count)
    fifth = round(count / 5)
    return order[2 * fifth :], order[fifth : 2 * fifth], order[:fifth]


def load(source: str, label: str | None = None) -> Dataset:
    """Read ``digits``, or the ``.npz`` or ``.csv`` file at the path ``source``.

    ``label`` names the column of a ``.csv`` that holds the classes; without it, the last column does.
    """
    path = Path(source)
    suffix = path.suffix.lower()
    if label is not None and suffix != ".csv":
        raise InputError(f"--label names a column of a .csv, and {source} is not one: leave --label out.")
    if source == "digits":
        return load_digits()
    if suffix not in (".npz", ".csv"):
        raise InputError(
            f"Cannot read {source}: the data is 'digits', a .npz file with arrays X and y, or a .csv file with one "
            f"example per row."
        )
    if not path.exists():
        similar = _similar(path.name, _siblings(path))
        raise InputError(f"There is no file {source}{similar}. Relative paths start at {Path.cwd()}: check the name.")
    try:
        return load_npz(path) if suffix == ".npz" else load_csv(path, label)
    except OSError as error:
        raise InputError(f"Cannot read {source}: {error.strerror or error}. Check its name and permissions.") from error


def load_digits() -> Dataset:
    """The 1797 handwritten digits of 8 × 8 pixels that ship with scikit-learn."""
    bunch = load_optional("sklearn.datasets", "Loading the handwritten digits").load_digits()
    return Dataset("digits", bunch.data, bunch.target.astype(np.int64), bunch.target_names, tuple(bunch.feature_names))


def load_npz(path: Path) -> Dataset:
    """A ``.npz`` with ``X`` of shape (examples, features) and ``y`` of shape (examples,)."""
    X, y = _npz_arrays(path)
    if X.dtype.kind not in "buif":
        raise InputError(f"{path}: X has dtype {X.dtype}; it must hold real numbers. Convert it, then save it again.")
    if X.ndim != 2:
        fix = ": save X.reshape(len(X), -1)" if X.ndim > 2 else ""
        raise InputError(f"{path}: X has shape {X.shape}; it must be (examples, features){fix}.")
    if y.ndim != 1:
        fix = ": save y.argmax(axis=1) if it is one-hot" if y.ndim == 2 else ""
        raise InputError(f"{path}: y has shape {y.shape}; it must be one label per row of X, ({len(X)},){fix}.")
    if len(X) != len(y):
        raise InputError(f"{path}: X has {len(X)} rows and y has {len(y)} labels; each row of X needs its label.")

    def place(row: int, column: int | None) -> str:
        where = f"y, row {row}" if column is None else f"X, row {row}, column {column}"
        return f"{path}, {where} (counted from 0)"

    names = tuple(f"feature {column}" for column in range(X.shape[1]))
    return _dataset(path, X.astype(np.float64), y, names, place)


def _npz_arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    remedy = f'Save plain arrays with np.savez("{path}", X=X, y=y).'
    try:
        with open(path, "rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            arrays = {} if isinstance(archive, np.ndarray) else {name: archive[name] for name in archive}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        objects = str(error).startswith("Object arrays")
        reason = "it holds Python objects" if objects else "it is damaged, or no .npz at all"
        raise InputError(f"Cannot read {path}: {reason}. {remedy}") from error
    missing = [name for name in ("X", "y") if name not in arrays]
    if missing:
        found = ", ".join(arrays) or "no named array"
        raise InputError(f"{path} has no array {' and no array '.join(missing)}; it holds {found}. {remedy}")
    return arrays["X"], arrays["y"]


def load_csv(path: Path, label: str | None = None) -> Dataset:
    """A ``.csv`` with one example per row: numbers, and one column of labels (numbers or names).

    The first row is a header when none of its cells is a number, or when one of them is ``label``. Rows are counted
    from 1 in messages, header included, as an editor counts them.
    """
    rows = _csv_rows(path)
    first = [cell.strip() for cell in rows[0][1]]
    header = label in first or not any(_is_number(cell) for cell in first)
    if header:
        rows = rows[1:]
    if label is None:
        position = len(first) - 1
    elif label in first:
        position = first.index(label)
    elif header:
        raise InputError(f"{path} has no column {label!r}{_similar(label, first)}; its columns: {', '.join(first)}.")
    else:
        raise InputError(
            f"{path} has no header row, so no column is called {label!r}: add one, or put the labels last."
        )
    columns = [column for column in range(len(first)) if column != position]

    def place(row: int, column: int | None) -> str:
        column = position if column is None else columns[column]
        name = f" ({first[column]!r})" if header else ""
        return f"{path}, row {rows[row][0]}, column {column + 1}{name}"

    features = _csv_features(rows, columns, place)
    labels = _csv_labels([cells[position].strip() for _, cells in rows], place)
    names = tuple(first[column] if header else f"column {column + 1}" for column in columns)
    return _dataset(path, features, labels, names, place)


def _csv_rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a text file in UTF-8 ({error}): export it again as CSV, UTF-8.") from error
    if not rows:
        raise InputError(f"{path} is empty: it needs one row per example, the label in the last column.")
    start, width = rows[0][0], len(rows[0][1])
    if width < 2:
        raise InputError(
            f"{path}, row {start} has a single cell {rows[0][1][0]!r}: each row needs features and a label, "
            f"separated by commas (not by semicolons or tabs)."
        )
    for line, cells in rows:
        if len(cells) != width:
            raise InputError(
                f"{path}, row {line} has {len(cells)} cells where row {start} has {width}: every row needs the same."
            )
    return rows


def _csv_features(
    rows: list[tuple[int, list[str]]], columns: list[int], place: Callable[[int, int | None], str]
) -> Floats:
    features = np.empty((len(rows), len(columns)))
    for row, (_, cells) in enumerate(rows):
        try:
            features[row] = [float(cells[column]) for column in columns]
        except ValueError:
            column = next(column for column in range(len(columns)) if not _is_number(cells[columns[column]]))
            content = cells[columns[column]].strip()
            found = f"{content!r} is not a number" if content else "the cell is empty"
            raise InputError(
                f"{place(row, column)}: {found}. Correct it, remove the row or the column, "
                f"or say with --label which column holds the labels."
            ) from None
    return features


def _csv_labels(cells: list[str], place: Callable[[int, int | None], str]) -> NDArray[Any]:
    """Numbers when all are numbers, names when all are names; a mixture is a slip of the pen."""
    numbers = np.array([_is_number(cell) for cell in cells])
    if "" in cells:
        raise InputError(f"{place(cells.index(''), None)}: the label is missing. Fill it in, or remove the row.")
    if numbers.all():
        return np.array([float(cell) for cell in cells])
    if not numbers.any():
        return np.array(cells)
    odd = int(np.argmax(numbers != (numbers.mean() > 0.5)))
    raise InputError(
        f"{place(odd, None)}: the label {cells[odd]!r} is {'a number' if numbers[odd] else 'text'}, most others are "
        f"{'text' if numbers[odd] else 'numbers'}. Correct it; if row 1 is a header, name the label's column with "
        f"--label."
    )


def _dataset(
    path: Path,
    features: Floats,
    labels: NDArray[Any],
    names: tuple[str, ...],
    place: Callable[[int, int | None], str],
) -> Dataset:
    if len(features) < SMALLEST or features.shape[1] < 1:
        raise InputError(
            f"{path} has {len(features)} examples of {features.shape[1]} features; "
            f"training needs {SMALLEST} examples of 1 feature at least."
        )
    finite = np.isfinite(features)
    if not finite.all():
        row, column = (int(index) for index in np.argwhere(~finite)[0])
        raise InputError(
            f"{place(row, column)}: the value is {features[row, column]}, one of {np.sum(~finite)} that are not "
            f"finite. Fill these in (with the column's mean, say) or remove their rows."
        )
    classes, indices = _encode(path, labels, place)
    return Dataset(path.name, features, indices, classes, names)


def _encode(path: Path, labels: NDArray[Any], place: Callable[[int, int | None], str]) -> tuple[NDArray[Any], Integers]:
    """The classes in order, and each label as an index into them."""
    if labels.dtype.kind == "f":
        whole = (labels == np.round(labels)) & (np.abs(labels) < 2**53)  # false for NaN
        if not whole.all():
            row = int(np.argmin(whole))
            raise InputError(
                f"{place(row, None)}: the label is {labels[row]}; a class is a whole number or a name. "
                f"For a .csv, --label says which column holds the classes."
            )
        labels = labels.astype(np.int64)
    elif labels.dtype.kind not in "buiU":
        raise InputError(f"{path}: y has dtype {labels.dtype}; save the labels as integers or strings.")
    classes, indices = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"{path}: every label is {classes[0]}; a classifier needs two classes at least.")
    if 2 * len(classes) > len(labels):
        raise InputError(
            f"{path}: {len(classes)} different labels in {len(labels)} rows look like a measurement, not like classes. "
            f"For a .csv, --label says which column holds the classes."
        )
    return classes, indices.astype(np.int64)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _siblings(path: Path) -> list[str]:
    return [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []


def _similar(name: str, candidates: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, candidates, n=1)
    return f" (is it {close[0]!r}?)" if close else ""
