"""What the tests of training share: the command run as a user runs it, and small data that a line separates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def gatewise_train(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run ``gatewise train ...`` in an empty directory, in this process."""
    from gatewise.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["gatewise", "train", *map(str, arguments)])
        status = 0
        try:
            status = main() or 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Three well separated clouds: 90 examples, 4 features."""
    generator = np.random.default_rng(7)
    y = np.repeat([0, 1, 2], 30)
    return generator.normal(size=(90, 4)) + 6 * np.eye(3, 4)[y], y
