"""Machine code on disk, in the user's own cache directory, so that a later process need not make it again.

An entry is found by the text of the module and by the processor, and only what is exactly as it was written is used:
a file that was cut short, altered, or is of another format, processor or owner counts as none. The directory must be
the user's alone (mode 0700), because what lies in it is run.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

from gatewise.native.machine import Code, processor

#: Where entries are kept, in place of the user's cache directory.
DIRECTORY = "GATEWISE_CACHE"

#: When all entries together take more bytes, those that were not used for longest are deleted.
MOST = 1 << 28

_FORMAT = b"gatewise machine code 1\n"


def directory() -> Path:
    """Where entries are kept: what GATEWISE_CACHE says, else a directory among the user's caches."""
    if told := os.environ.get(DIRECTORY):
        return Path(told)
    from platformdirs import user_cache_path

    return user_cache_path("gatewise", appauthor=False) / "code"


def found(text: str) -> Code | None:
    """The machine code of a module, if it is kept and is what was written.

    Example:
        >>> import os, tempfile
        >>> from gatewise.native.machine import machine_code
        >>> code = machine_code("define i64 @one() { ret i64 1 }")
        >>> before = os.environ.get("GATEWISE_CACHE")
        >>> with tempfile.TemporaryDirectory() as place:
        ...     os.environ["GATEWISE_CACHE"] = place + "/code"
        ...     keep(code)
        ...     found(code.text) == code, found("define i64 @two() { ret i64 2 }")
        (True, None)
        >>> _ = os.environ.pop("GATEWISE_CACHE") if before is None else os.environ.update(GATEWISE_CACHE=before)
    """
    place = directory()
    if not place.is_dir() or not _is_ours(place):
        return None
    path = place / _name(text)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    code = _read(content, text)
    if code is not None:
        with suppress(OSError):
            os.utime(path)
    return code


def keep(code: Code) -> None:
    """Write machine code down for later processes, whole or not at all; where that fails, a warning says why."""
    place = directory()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(place):
            return
        handle, temporary = tempfile.mkstemp(dir=place)  # readable by the user alone
        try:
            with open(handle, "wb") as file:
                file.write(_written(code))
            os.replace(temporary, place / _name(code.text))
        except BaseException:
            os.unlink(temporary)
            raise
        _make_room(place)
    except OSError as error:
        warnings.warn(f"machine code cannot be kept in {place}: {error}", RuntimeWarning, stacklevel=2)


def _is_ours(place: Path) -> bool:
    """Whether nobody else can write into a directory; if somebody can, a warning says so."""
    if not hasattr(os, "getuid"):  # on Windows a user's cache directory is the user's
        return True
    status = place.stat()
    if status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077:
        return True
    warnings.warn(
        f"the cache in {place} is not used, since other users can get at it: it must belong to you, with mode 0700",
        RuntimeWarning,
        stacklevel=3,
    )
    return False


def _name(text: str) -> str:
    return hashlib.sha256(f"{processor()}\n{text}".encode()).hexdigest() + ".code"


def _written(code: Code) -> bytes:
    head = {
        "processor": processor(),
        "text": hashlib.sha256(code.text.encode()).hexdigest(),
        "external": code.external,
        "defined": code.defined,
        "sizes": [len(data) for data in code.data],
    }
    body = json.dumps(head).encode() + b"\n" + b"".join(code.data)
    return _FORMAT + hashlib.sha256(body).digest() + body


def _read(content: bytes, text: str) -> Code | None:
    start = len(_FORMAT) + hashlib.sha256().digest_size
    body = content[start:]
    if content[:start] != _FORMAT + hashlib.sha256(body).digest():
        return None
    line, _, objects = body.partition(b"\n")
    head = json.loads(line)
    if head["processor"] != processor() or head["text"] != hashlib.sha256(text.encode()).hexdigest():
        return None
    data = []
    for size in head["sizes"]:
        data.append(objects[:size])
        objects = objects[size:]
    return Code(text, tuple(data), tuple(head["external"]), tuple(head["defined"]))


def _make_room(place: Path) -> None:
    entries = []
    for path in place.glob("*.code"):
        with suppress(OSError):  # another process may be making room, too
            status = path.stat()
            entries.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= MOST:
            break
        with suppress(OSError):
            path.unlink()
        total -= size
