"""The values that a user types after an expression or a function: ``x=3``, ``x=[[1,2],[3,4]]``, ``x=@data.npy``."""

from __future__ import annotations

import keyword
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.errors import InputError
from gatewise.typed.wording import marked

MOST_ENTRIES = 10**7
DEEPEST = 32
TOKEN = re.compile(r"\s*([\[\](),]|[^\s\[\](),]+)")
CLOSING = {"[": "]", "(": ")"}


def parse_arguments(texts: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value`` arguments: each value a float64 number or array.

    Raises:
        InputError: One is not of this form, a name comes twice, or a value or file cannot be used.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals:
            raise InputError(f"{text!r:.80} gives no value: write name=value, as in x=3 or x=[1,2,3] or x=@file.npy")
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            raise InputError(f"{text!r:.80}: {name!r:.40} is not a name that a value can be given to")
        if name in values:
            raise InputError(f"{name} is given two values: leave one out")
        values[name] = parse_value(value, name)
    return values


def parse_value(text: str, name: str) -> Any:
    """Read one value: a number, nested lists of numbers, or ``@`` and the file that holds them.

    Example:
        >>> parse_value("[[1, 2], [3, 4e-1]]", "x").tolist()
        [[1.0, 2.0], [3.0, 0.4]]
    """
    if text.strip().startswith("@"):
        return read_file(Path(text.strip()[1:]).expanduser(), name)
    return parse_numbers(text, name)


def parse_numbers(text: str, name: str) -> Any:
    """Read a number, or nested lists of numbers; no file is ever opened."""
    return _Numbers(text, name).read()


class _Numbers:
    """A reader of nested lists of numbers, which keeps the lists that are open on a stack."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name

    def fault(self, column: int, message: str) -> InputError:
        line = f"{self.name}={self.text}"
        return InputError(marked(f"{self.name}: {message}", line, len(self.name) + 1 + column))

    def read(self) -> Any:
        outermost: list[Any] = []
        stack: list[tuple[str, list[Any]]] = [("", outermost)]
        expected = True  # whether a number or a list may come now
        for match in TOKEN.finditer(self.text):
            token, column = match[1], match.start(1)
            bracket, items = stack[-1]
            if token == "," and bracket and not expected:
                expected = True
            elif token in CLOSING and expected and len(stack) <= DEEPEST:
                stack.append((token, []))
            elif bracket and token == CLOSING[bracket] and (not expected or self.text[:column].rstrip()[-1] in ",[("):
                stack.pop()
                stack[-1][1].append(self.row(items, column))
                expected = False
            elif expected and token not in ",[]()":
                items.append(self.number(token, column))
                expected = False
            else:
                raise self.fault(
                    column, f"{token!r:.40} does not belong here; write x=3 or x=[1,2,3] or x=[[1,2],[3,4]]"
                )
        if len(stack) > 1:
            raise self.fault(len(self.text), f"a closing {CLOSING[stack[-1][0]]} is missing")
        if not outermost:
            raise self.fault(0, "there is no value; write x=3 or x=[1,2,3] or x=@file.npy")
        return outermost[0]

    def number(self, token: str, column: int) -> Any:
        try:
            return np.float64(float(token))
        except ValueError:
            raise self.fault(column, f"{token!r:.40} is not a number; write x=3 or x=[1,2,3] or x=@file.npy") from None

    def row(self, items: list[Any], column: int) -> Any:
        shapes = sorted({np.shape(item) for item in items})
        if len(shapes) > 1:
            lengths = " and ".join("a number" if not shape else f"shape {shape}" for shape in shapes[:2])
            raise self.fault(column, f"the entries of this list differ, {lengths}: an array has rows of one length")
        return np.array(items, dtype=np.float64)


def read_file(path: Path, name: str) -> Any:
    """The numbers in a .npy or .csv file, as float64.

    Raises:
        InputError: The file is missing, of another kind, damaged, too large, or holds something other than numbers.
    """
    readers = {".npy": _read_npy, ".csv": _read_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{name}=@{path}: arrays are read from .npy and .csv files")
    try:
        array = reader(path)
    except OSError as error:
        raise InputError(f"{name}=@{path}: the file cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged header fails in any of a parser's ways
        reason = str(error).splitlines()[0] if str(error) else "it is damaged"
        raise InputError(f"{name}=@{path}: the file holds no array of numbers: {reason}") from None
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}=@{path}: an array of real numbers is needed; this one has dtype {array.dtype}")
    if array.size > MOST_ENTRIES:
        raise InputError(f"{name}=@{path}: the array has {array.size:,} entries; at most {MOST_ENTRIES:,} are read")
    return np.array(array, dtype=np.float64)[()]


def _read_npy(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _read_csv(path: Path) -> Any:
    with path.open(encoding="utf-8-sig") as lines, warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # NumPy only warns of a file without numbers
        try:
            return np.loadtxt(lines, delimiter=",", dtype=np.float64)
        except UserWarning:
            raise ValueError("it is empty") from None
