"""Files that are written whole or not at all, so that a killed training leaves the last complete weights.

What goes into the picture lives in :mod:`gatewise.training.picture`; here is only how a file reaches the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gatewise.errors import InputError


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a draft next to ``path``, which takes the name ``path`` only when it is complete and on the disk.

    A reader of ``path`` finds the old content or the new, never a part, whenever the process ends. When writing
    fails the draft is removed and ``path`` is as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(draft, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}. Choose another directory with --output."
        ) from error
    finally:
        remove_if_there(draft)


def remove_if_there(path: Path) -> None:
    """Remove a draft; one that cannot even be looked up was never made."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def save_weights(path: Path, **arrays: Any) -> None:
    """Write ``arrays`` to ``path`` as one ``.npz``, whole or not at all."""
    with whole_file(path) as stream:
        np.savez(stream, **arrays)
