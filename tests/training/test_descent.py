"""The descent: reproducible, honest about divergence, and as accurate as scikit-learn on the digits."""

from __future__ import annotations

import numpy as np
import pytest

from gatewise.cli.train import DEFAULTS, make_job
from gatewise.training.data import Part, load, split
from gatewise.training.descent import DivergedError, Settings, accuracy, descend
from gatewise.training.losses import LOSSES, softmax_loss
from gatewise.training.scale import measure_scale


@pytest.fixture
def part(blobs) -> Part:
    X, y = blobs
    return Part(np.hstack([X, np.ones((len(y), 1))]), y)


def test_a_full_batch_step_is_one_step_against_the_gradient(part):
    settings = Settings(epochs=1, batch_size=1000, rate=0.5, schedule="constant")
    (epoch,) = descend(softmax_loss, np.zeros((5, 3)), part, part, settings)
    gradient = part.X.T @ (1 / 3 - np.eye(3)[part.y]) / 90  # probabilities are 1/3 at W = 0
    np.testing.assert_allclose(epoch.weights, -0.5 * gradient, rtol=1e-12, atol=1e-15)
    assert epoch.update_ratio == pytest.approx(1)
    assert epoch.training_accuracy == np.mean(np.argmax(part.X @ epoch.weights, axis=1) == part.y)


def test_the_same_seed_gives_the_same_bits(part):
    def weights(seed):
        settings = Settings(epochs=3, batch_size=16, rate=0.1, seed=seed)
        return [epoch.weights.tobytes() for epoch in descend(softmax_loss, np.zeros((5, 3)), part, part, settings)]

    assert weights(1) == weights(1)
    assert weights(1) != weights(2)


def test_the_cosine_schedule_goes_from_the_rate_to_zero():
    settings = Settings(epochs=1, batch_size=1, rate=0.4)
    rates = [settings.rate_at(progress) for progress in (0, 0.5, 1)]
    np.testing.assert_allclose(rates, [0.4, 0.2, 0], atol=1e-16)
    assert Settings(epochs=1, batch_size=1, rate=0.4, schedule="constant").rate_at(0.7) == 0.4


def test_divergence_says_when_and_what_to_do(part):
    settings = Settings(epochs=50, batch_size=45, rate=1e160, schedule="constant", regularization=1.0)
    with pytest.raises(DivergedError, match=r"at epoch 1, batch 2: .* learning rate of 1e\+160\. Try --rate 1e\+159"):
        list(descend(softmax_loss, np.zeros((5, 3)), part, part, settings))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", ["svm", "softmax"])
def test_digits_are_learned_as_well_as_by_scikit_learn(name, seed):
    """The defaults, on the test part; scikit-learn gets the same training part, standardised the same way."""
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    job = make_job(load("digits"), name, seed, standardize=True)
    rate, regularization = DEFAULTS[name]
    settings = Settings(epochs=50, batch_size=64, rate=rate, regularization=regularization, seed=seed)
    *_, last = descend(LOSSES[name], job.start, job.training, job.validation, settings)
    ours = accuracy(last.weights, job.test)

    peer = LinearSVC(max_iter=100_000) if name == "svm" else LogisticRegression(max_iter=5000)
    X, y = load("digits").features, load("digits").labels
    training, _, test = split(len(y), seed)
    mean, deviation = X[training].mean(axis=0), X[training].std(axis=0)
    deviation[deviation == 0] = 1
    theirs = peer.fit((X[training] - mean) / deviation, y[training]).score((X[test] - mean) / deviation, y[test])
    assert ours >= theirs - 0.01
    if seed == 0:  # what the command does when it is not told otherwise
        assert abs(ours - theirs) <= 0.01


@pytest.mark.parametrize("name", ["svm", "softmax"])
def test_input_scale_moves_the_gradient_by_s_and_the_rate_by_s_squared(name):
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, size=200)  # in clouds that overlap, so that no W brings the loss to 0
    part = Part(np.hstack([generator.normal(size=(200, 4)) + np.eye(3, 4)[y], np.ones((200, 1))]), y)
    settings = Settings(epochs=5, batch_size=16, rate=0.1)
    lesson = measure_scale(LOSSES[name], np.zeros((5, 3)), part, part, 1000.0, settings)
    assert lesson.ratio == pytest.approx(1000, rel=1e-12)
    assert [trial.rate for trial in lesson.trials] == pytest.approx([0.1, 0.1, 1e-4, 1e-7])
    plain, old_rate, notes_rate, same = lesson.trials
    assert lesson.loss_difference < 1e-9
    for before, after in zip(plain.epochs, same.epochs, strict=True):
        np.testing.assert_allclose(1000 * after.weights, before.weights, rtol=1e-8, atol=1e-12)
    losses = [trial.epochs[0].training_loss for trial in (plain, notes_rate, old_rate)]
    assert losses[0] * 10 < losses[1] < losses[2]
