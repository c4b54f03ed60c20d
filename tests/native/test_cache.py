"""Machine code on disk: found again by the next process, and never used when it is not exactly what was written."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import warnings

import pytest

from gatewise.native import cache
from gatewise.native.machine import machine_code

CODE = machine_code("define i64 @answer() { ret i64 42 }")

SCRIPT = """
import json, time
import numpy as np
import gatewise as gw
from gatewise.native import compiled

made = []
original = compiled.machine_code
compiled.machine_code = lambda *arguments: made.append(1) or original(*arguments)

def loss(p, x, mode):
    return np.sum(np.tanh(x @ p["W"] + p["b"]) ** 2)

f = gw.compile(gw.value_and_grad(loss), cache=True)
x = np.linspace(0, 1, 12).reshape(4, 3)
value, gradient = f({"W": np.ones((3, 2)), "b": np.zeros(2)}, x, "mode")
print(json.dumps([len(made), float(value).hex(), gradient["W"].tolist(), sorted(gradient)]))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty cache."""
    place = tmp_path / "code"
    monkeypatch.setenv(cache.DIRECTORY, str(place))
    return place


def entries(place):
    return sorted(place.glob("*.code"))


def test_a_second_process_makes_no_machine_code_and_gets_the_same_bits(place):
    def told():
        done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    first, second = told(), told()
    assert first[0] > 0
    assert second[0] == 0
    assert first[1:] == second[1:]


def test_the_directory_is_the_users_alone(place):
    cache.keep(CODE)
    assert cache.found(CODE.text) == CODE
    if hasattr(os, "getuid"):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in entries(place))


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="modes are those of Unix")
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o755])
def test_a_directory_that_others_can_get_at_is_not_used(place, mode):
    cache.keep(CODE)
    place.chmod(mode)
    with pytest.warns(RuntimeWarning, match="mode 0700"):
        assert cache.found(CODE.text) is None
    with pytest.warns(RuntimeWarning, match="mode 0700"):
        cache.keep(machine_code("define i64 @other() { ret i64 1 }"))
    assert len(entries(place)) == 1


@pytest.mark.parametrize("part", ["start", "middle", "end"])
def test_an_altered_entry_is_none(place, part):
    cache.keep(CODE)
    (path,) = entries(place)
    content = bytearray(path.read_bytes())
    content[{"start": 0, "middle": len(content) // 2, "end": -1}[part]] ^= 1
    path.write_bytes(content)
    assert cache.found(CODE.text) is None
    cache.keep(CODE)
    assert cache.found(CODE.text) == CODE


@pytest.mark.parametrize("kept", [0, 10, 60, 200])
def test_an_entry_cut_short_is_none(place, kept):
    cache.keep(CODE)
    (path,) = entries(place)
    path.write_bytes(path.read_bytes()[:kept])
    assert cache.found(CODE.text) is None


def test_code_for_another_processor_or_module_is_none(place, monkeypatch):
    cache.keep(CODE)
    (path,) = entries(place)
    monkeypatch.setattr(cache, "processor", lambda: "some other processor")
    assert cache.found(CODE.text) is None
    path.rename(place / cache._name(CODE.text))  # in the place of an entry for that one
    assert cache.found(CODE.text) is None
    monkeypatch.undo()
    monkeypatch.setenv(cache.DIRECTORY, str(place))
    (path,) = entries(place)
    path.rename(place / cache._name("another module"))
    assert cache.found("another module") is None


def test_where_nothing_can_be_written_a_warning_says_so(place):
    place.write_text("a file, where the directory should be")
    with pytest.warns(RuntimeWarning, match="cannot be kept"):
        cache.keep(CODE)
    assert cache.found(CODE.text) is None


def test_what_was_not_used_for_longest_makes_room(place, monkeypatch):
    codes = [machine_code(f"define i64 @f{i}() {{ ret i64 {i} }}") for i in range(4)]
    for age, code in enumerate(codes[:3]):
        cache.keep(code)
        os.utime(place / cache._name(code.text), (1_000_000 + age, 1_000_000 + age))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.found(codes[0].text) == codes[0]  # so that it is the one used last
    monkeypatch.setattr(cache, "MOST", sum(path.stat().st_size for path in entries(place)))
    cache.keep(codes[3])
    assert [cache.found(code.text) is not None for code in codes] == [True, False, True, True]
