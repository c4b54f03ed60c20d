"""``gatewise train`` as a user meets it: what it prints, what it writes, what it refuses, how it survives."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gatewise.training import descent, losses

pytest.importorskip("matplotlib")
PNG = b"\x89PNG\r\n\x1a\n"


def arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Everything in a file of arrays, and the file closed again."""
    with np.load(path) as file:
        return dict(file)


@pytest.fixture
def data(tmp_path, blobs) -> Path:
    np.savez(tmp_path / "blobs.npz", X=blobs[0], y=np.array(["ant", "bee", "cat"])[blobs[1]])
    return tmp_path / "blobs.npz"


@pytest.mark.parametrize(("name", "chance"), [("svm", "9.000000"), ("softmax", "2.302585")])
def test_digits(name, chance, gatewise_train, tmp_path):
    pytest.importorskip("sklearn")
    status, out, err = gatewise_train("--loss", name, "--epochs", 3)
    assert (status, err) == (0, "")
    assert "digits: 1797 examples, 64 features, 10 classes" in out
    assert f"loss at chance: expected {chance}, got {chance}" in out
    assert "epoch 3/3  loss" in out
    assert float(re.search(r"final accuracy: (\S+) on the test part", out)[1]) > 0.9
    assert sorted(os.listdir("gatewise-train")) == ["picture.png", "weights.npz"]
    assert Path("gatewise-train/picture.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("options", [(), ("--no-standardize",), ("--scale", 0.01)])
def test_the_saved_weights_classify_the_data_as_announced(options, gatewise_train, data, blobs):
    status, out, _ = gatewise_train(data, "--epochs", 20, "--output", "here", *options)
    assert status == 0
    assert "final accuracy: 1.0000 on the test part" in out
    saved = arrays("here/weights.npz")
    X = np.hstack([(blobs[0] - saved["mean"]) / saved["deviation"], np.ones((90, 1))]) * saved["scale"]
    predicted = saved["classes"][np.argmax(X @ saved["weights"], axis=1)]
    np.testing.assert_array_equal(predicted, np.array(["ant", "bee", "cat"])[blobs[1]])
    assert (saved["loss"], saved["epoch"]) == ("softmax", 20)


def test_two_runs_write_the_same_weights(gatewise_train, data):
    for name in ("one", "two"):
        assert gatewise_train(data, "--epochs", 2, "--output", name).status == 0
    one, two = (arrays(f"{name}/weights.npz") for name in ("one", "two"))
    assert all(one[key].tobytes() == two[key].tobytes() for key in one)


def test_the_lesson_on_scale(gatewise_train, data):
    status, out, _ = gatewise_train(data, "--scale", 1000, "--epochs", 5)
    assert status == 0
    assert re.search(r"norm (\S+) without the scale, (\S+) with it: × 1000$", out, re.MULTILINE)
    assert "with rate 5e-07 and regularisation 1e+03: rate / 1000² and λ × 1000²" in out
    plain = gatewise_train(data, "--epochs", 5).out
    final = [line for line in plain.splitlines() if line.startswith(("epoch", "final"))]
    assert len(final) == 6
    assert [line for line in out.splitlines() if line.startswith(("epoch", "final"))] == final


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.npz"], "There is no file gone.npz"),
        (["faces"], "Cannot read faces: the data is 'digits'"),
        (["text.csv"], "text.csv, row 2, column 1: 'x' is not a number"),
        (["digits", "--label", "kind"], "leave --label out"),
        (["digits", "--output", "text.csv"], "text.csv is a file, and the output needs a directory"),
        (["digits", "--output", "text.csv/deeper"], "text.csv"),
        (["digits", "--loss", "hinge"], "'hinge' is not one of"),
        (["digits", "--rate", "nan"], "nan is not a finite number"),
        (["digits", "--rate", "0"], "--rate"),
        (["digits", "--epochs", "0"], "--epochs"),
        (["digits", "--speed", "9"], "--speed"),
        (["digits", "--rate", "1e300"], "The loss is"),
    ],
)
def test_bad_input_exits_2_in_words_and_writes_nothing(arguments, message, gatewise_train, tmp_path):
    pytest.importorskip("sklearn")
    (tmp_path / "text.csv").write_text("1,2,0\nx,3,1\n" * 10)
    status, _, err = gatewise_train(*arguments)
    assert status == 2
    assert message in err
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == ["text.csv"]


def test_a_missing_library_is_named_with_the_way_to_install_it(gatewise_train, data, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, _, err = gatewise_train(data)
    assert status == 2
    assert 'needs matplotlib, which is not installed: pip install "gatewise[train]"' in err
    assert os.listdir(tmp_path) == ["blobs.npz"]


def test_divergence_keeps_the_epochs_before_it(gatewise_train, data):
    options = ("--regularization", 5, "--rate", 1e30, "--schedule", "constant", "--batch-size", 100)
    status, _, err = gatewise_train(data, "--epochs", 100, *options)
    assert status == 2
    kept = re.search(r"at epoch (\d+).*The weights of epoch (\d+) are in gatewise-train/weights.npz", err)
    assert int(kept[1]) == int(kept[2]) + 1
    assert arrays("gatewise-train/weights.npz")["epoch"] == int(kept[2])


@pytest.mark.parametrize("complete", [0, 3])
def test_ctrl_c_keeps_the_last_complete_epoch(complete, gatewise_train, data, monkeypatch, tmp_path):
    """54 examples in batches of 10 make 6 steps an epoch; the interrupt comes in the middle of one."""
    steps = iter(range(6 * complete + 3))
    honest = descent.value_and_grad

    def interrupted(loss):
        step = honest(loss)

        def run(*arguments):
            if next(steps, None) is None:
                raise KeyboardInterrupt
            return step(*arguments)

        return run

    monkeypatch.setattr(descent, "value_and_grad", interrupted)
    status, _, err = gatewise_train(data, "--batch-size", 10)
    assert status == 130
    if complete == 0:
        assert "no epoch was complete" in err
        assert os.listdir(tmp_path) == ["blobs.npz"]
    else:
        assert "the weights of epoch 3 are kept" in err
        assert arrays("gatewise-train/weights.npz")["epoch"] == 3
        assert sorted(os.listdir("gatewise-train")) == ["picture.png", "weights.npz"]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_leaves_whole_weights(end, data, tmp_path):
    command = [sys.executable, "-m", "gatewise", "train", str(data), "--epochs", "1000000"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    weights = tmp_path / "gatewise-train" / "weights.npz"
    try:
        seen = 0
        deadline = time.monotonic() + 30
        while seen < 20 and time.monotonic() < deadline:
            if weights.exists():
                seen = int(arrays(weights)["epoch"])  # whole at any moment, also while being replaced
    finally:
        process.send_signal(end)
        error = process.communicate(timeout=30)[1].decode()
    saved = arrays(weights)
    assert saved["epoch"] >= seen >= 20
    assert saved["weights"].shape == (5, 3)
    assert np.isfinite(saved["weights"]).all()
    if end == signal.SIGINT:
        assert process.returncode == 130
        told = int(re.search(r"the weights of epoch (\d+) are kept", error)[1])
        assert told in (saved["epoch"], saved["epoch"] - 1)  # the signal may come right after the file took its name


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    from gatewise.training.output import save_weights

    save_weights(tmp_path / "weights.npz", weights=np.ones(3))

    class Unwritable:
        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_weights(tmp_path / "weights.npz", first=np.zeros(3), second=Unwritable())
    assert os.listdir(tmp_path) == ["weights.npz"]
    np.testing.assert_array_equal(arrays(tmp_path / "weights.npz")["weights"], 1)


def test_a_terminal_gets_a_progress_bar(gatewise_train, data, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "150")
    out = gatewise_train(data, "--epochs", 3).out
    assert "3/3" in out
    assert re.search(r"loss 0\.\d{4}  accuracy [01]\.\d{4}", out)
    assert "epoch 1/3" not in out


def test_importing_the_command_is_cheap():
    heavy = "['sklearn', 'matplotlib', 'rich', 'scipy']"
    code = f"import sys, gatewise.cli.train; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_loss_has_defaults():
    from gatewise.cli.train import DEFAULTS, train

    choices = next(option for option in train.params if option.name == "loss_name").type.choices
    assert set(DEFAULTS) == set(choices) == set(losses.LOSSES)
