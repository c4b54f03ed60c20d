"""The file of a recording: SQLite, its schema and its version, how it is opened, and what can be wrong with it.

``docs/live.md`` documents the schema for other programs. The file is in WAL mode: one process writes while any number
read, and what was committed survives the writer's sudden end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from gatewise.errors import InputError

#: "GWRN", in the header of the file: what tells a recording from any other SQLite file.
APPLICATION = 0x4757524E
VERSION = 1
PATIENCE = 10.0  # seconds for which one writer waits for another

SCHEMA = """
CREATE TABLE runs (
    identifier INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    settings   TEXT NOT NULL,             -- a JSON object of what the user noted down
    state      TEXT NOT NULL,             -- running, finished, stopped or failed
    reason     TEXT NOT NULL DEFAULT '',  -- why it stopped or failed
    started    REAL NOT NULL,             -- seconds since 1970
    updated    REAL NOT NULL,             -- of the last commit
    step       INTEGER NOT NULL,          -- the last step; -1 before the first
    stride     INTEGER NOT NULL           -- how many steps a bucket holds
);
CREATE TABLE series (
    run        INTEGER NOT NULL REFERENCES runs,
    identifier INTEGER NOT NULL,
    kind       TEXT NOT NULL,             -- metric; gradient, weight (norms) or ratio (update:weight) of a parameter
    name       TEXT NOT NULL,
    latest     REAL,                      -- the last value; NULL is NaN
    PRIMARY KEY (run, identifier)
) WITHOUT ROWID;
CREATE TABLE points (
    run        INTEGER NOT NULL,
    series     INTEGER NOT NULL,
    bucket     INTEGER NOT NULL,          -- step / stride, rounded down
    step       INTEGER NOT NULL,          -- the last step in the bucket
    count      INTEGER NOT NULL,          -- how many values
    broken     INTEGER NOT NULL,          -- how many of them were not finite
    mean       REAL,                      -- of the finite ones; NULL where there is none
    low        REAL,
    high       REAL,
    PRIMARY KEY (run, series, bucket)
) WITHOUT ROWID;
CREATE TABLE images (
    run        INTEGER NOT NULL REFERENCES runs,
    name       TEXT NOT NULL,
    step       INTEGER NOT NULL,
    shape      TEXT NOT NULL,             -- of the array, a JSON list
    tiles      INTEGER NOT NULL,
    height     INTEGER NOT NULL,
    width      INTEGER NOT NULL,
    low        REAL NOT NULL,             -- the smallest and the largest finite cell
    high       REAL NOT NULL,
    cells      BLOB NOT NULL,             -- a byte each: 0 to 252 from low to high, 253 -inf, 254 inf, 255 NaN
    PRIMARY KEY (run, name)
);
CREATE TABLE circuits (
    run        INTEGER PRIMARY KEY REFERENCES runs,
    step       INTEGER NOT NULL,
    scene      TEXT NOT NULL              -- JSON, see scene.md
);
"""


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open a recording, or make one.

    Raises:
        InputError: There is no such folder, the file is something else, or it cannot be written.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder, and a recording is a file: choose a name in it, {path / 'run.sqlite'}")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be made: there is no folder {path.parent}. Make it first, or choose another.")
    try:
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise InputError(f"{path} cannot be opened: {error}") from None
    try:
        _prepare(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise InputError(_complaint(path, error)) from None
    except InputError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if _number(connection, "application_id") != APPLICATION and not _is_empty(connection):
        raise InputError(_stranger(path))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")  # two writers may be making it at once
    if _is_empty(connection):
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement)
    connection.execute("COMMIT")
    _check(connection, path)


@contextmanager
def open_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a recording for as long as one answer takes; all that is read is of one moment.

    Raises:
        InputError: There is no such file, it is something else, or it cannot be read.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    connection = None
    try:
        connection = _reader(path)
        _check(connection, path)
        connection.execute("BEGIN")
        yield connection
    except sqlite3.DatabaseError as error:
        raise InputError(_complaint(path, error)) from None
    finally:
        if connection is not None:
            connection.close()


def _reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads; where not even the files that readers share can be made, one that shares none."""
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    for also in ("", "&immutable=1"):
        connection = sqlite3.connect(
            address + also, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            if also or "locked" in str(error):
                raise
        except sqlite3.DatabaseError:
            connection.close()
            raise
        else:
            return connection
    raise AssertionError("unreachable")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if _number(connection, "application_id") != APPLICATION:
        raise InputError(_stranger(path))
    version = _number(connection, "user_version")
    if version != VERSION:
        raise InputError(
            f"{path} is a recording of format {version}, and this Gatewise knows format {VERSION}: "
            f"update Gatewise, or record anew"
        )


def _number(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _is_empty(connection: sqlite3.Connection) -> bool:
    return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _stranger(path: Path) -> str:
    return f"{path} is no recording of a training, and is left alone: choose another file"


def _complaint(path: Path, error: sqlite3.Error) -> str:
    said = str(error)
    if "not a database" in said:
        return _stranger(path)
    if "readonly" in said or "unable to open" in said:
        return f"{path} cannot be written: check the permissions of the file and of its folder"
    return f"{path}: {said}"
