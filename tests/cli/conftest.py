"""What the tests of the command line share: running it in this process as a user does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gatewise.cli import main


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def gatewise(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run ``gatewise ...`` in an empty directory, and give back exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["gatewise", *map(str, arguments)])
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        assert isinstance(status, int)
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture
def show(gatewise: Command) -> Callable[..., str]:
    """The output of ``gatewise show ...``, which must succeed."""

    def run(*arguments: object) -> str:
        status, out, err = gatewise("show", *arguments)
        assert (status, err) == (0, "")
        return out

    return run


@pytest.fixture
def refused(gatewise: Command) -> Callable[..., str]:
    """What ``gatewise show ...`` says when it refuses its input: a few lines, status 2, nothing on the output."""

    def run(*arguments: object, command: str = "show") -> str:
        status, out, err = gatewise(command, *arguments)
        assert (status, out) == (2, "")
        assert "Traceback" not in err
        assert err.startswith(("Error: ", "Usage: "))
        assert len(err.splitlines()) <= 5
        return err

    return run
