"""The notes' lesson on input scale, measured: what data × s does to the gradient and to the learning rate.

The notes: data × 1000 makes the weight gradient × 1000, so the learning rate must come down as much. With
scores = (sX) W two things grow by s: the gradient, and then the effect of a change of W on the scores. A step that is
no larger *in W* needs rate / s; a step that is the same *in the scores* needs rate / s². Without regularisation the
latter gives back the very trajectory, with W smaller by s throughout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gatewise.training.data import Floats, Part
from gatewise.training.descent import DivergedError, Epoch, Settings, descend
from gatewise.training.losses import Loss
from gatewise.transforms import value_and_grad

EPOCHS = 5


@dataclass(frozen=True)
class Trial:
    """One short training: its records, and how it broke off if it did."""

    scale: float
    rate: float
    epochs: tuple[Epoch, ...]
    failure: str | None


@dataclass(frozen=True)
class Lesson:
    """Gradient norms at W = 0 over the training part, and the same descent at four combinations of scale and rate."""

    plain_norm: float
    scaled_norm: float
    trials: tuple[Trial, ...]

    @property
    def ratio(self) -> float:
        """How many times larger the gradient is on the scaled data."""
        return self.scaled_norm / self.plain_norm

    @property
    def loss_difference(self) -> float:
        """The largest relative difference between the losses of the unscaled trial and of the one at rate / s²."""
        plain, scaled = ([epoch.training_loss for epoch in self.trials[i].epochs] for i in (0, -1))
        gaps = [abs(a - b) / max(a, b) if a != b else 0.0 for a, b in zip(plain, scaled, strict=False)]
        return max(gaps, default=float("nan"))


def measure_scale(
    loss: Loss, start: Floats, training: Part, validation: Part, scale: float, settings: Settings
) -> Lesson:
    """Measure the lesson on unscaled parts, from W = ``start``, which is zero.

    The gradient with and without the scale, then four short trainings that differ in nothing but scale and rate: a
    constant rate, no regularisation, the same batches.
    """
    gradient = value_and_grad(loss)
    with np.errstate(all="ignore"):
        plain = gradient(start, training.X, training.y)[1]
        scaled = gradient(start, training.X * scale, training.y)[1]
    short = replace(settings, epochs=min(EPOCHS, settings.epochs), schedule="constant", regularization=0.0)
    rates = [(1.0, 1.0), (scale, 1.0), (scale, 1 / scale), (scale, 1 / scale**2)]
    trials = []
    for factor, share in rates:
        training_part, validation_part = (Part(part.X * factor, part.y) for part in (training, validation))
        epochs, failure = [], None
        try:
            for epoch in descend(loss, start, training_part, validation_part, replace(short, rate=short.rate * share)):
                epochs.append(epoch)
        except DivergedError as error:
            failure = str(error)
        trials.append(Trial(factor, short.rate * share, tuple(epochs), failure))
    return Lesson(float(np.linalg.norm(plain)), float(np.linalg.norm(scaled)), tuple(trials))
