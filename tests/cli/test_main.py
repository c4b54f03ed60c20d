"""The program itself: exit statuses, what it imports, how fast it starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

import gatewise as gw
from gatewise import cli

FIRST = ("show", "(x+y)*z", "x=-2", "y=5", "z=-4")


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gatewise", *arguments], capture_output=True, encoding="utf-8", check=False
    )


def test_version(gatewise):
    assert gatewise("--version") == (0, f"gatewise {gw.__version__}\n", "")


@pytest.mark.parametrize("arguments", [("shwo",), ("show",), ("show", "x", "x=1", "--digits", "0"), ("--no",)])
def test_misuse(gatewise, arguments):
    status, out, err = gatewise(*arguments)
    assert (status, out) == (2, "")
    assert "Usage: gatewise" in err


def test_help_names_the_commands(gatewise):
    status, out, _ = gatewise("--help")
    assert status == 0
    assert all(f"\n  {name} " in out for name in ("show", "check", "train"))


def test_memory_that_runs_out_is_told(gatewise, monkeypatch):
    monkeypatch.setattr("gatewise.typed.running.trace", lambda *args, **kwargs: (_ for _ in ()).throw(MemoryError))
    status, _, err = gatewise(*FIRST)
    assert status == 2
    assert "not enough memory" in err


def test_as_a_module():
    done = program(*FIRST)
    assert (done.returncode, done.stderr) == (0, "")
    assert "f = -12\n" in done.stdout
    refused = program("show", "exq(x)", "x=1")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == ("Error: exq is not a function of expressions: did you mean exp?\n  exq(x)\n  ^^^\n")


def test_imports_only_what_it_needs():
    code = (
        "import sys; sys.argv = ['gatewise', *sys.argv[1:]]\nfrom gatewise.cli import main\n"
        "heavy = {'rich', 'scipy', 'sklearn', 'matplotlib', 'llvmlite', 'textual', 'starlette'}\n"
        "try:\n    main()\nfinally:\n    print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *FIRST], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.endswith("[]\n")


def test_main_takes_its_arguments_from_the_command_line(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gatewise", "--version"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert capsys.readouterr().out.startswith("gatewise ")
