"""Minibatch gradient descent on a plain NumPy loss, one record per epoch.

The loop only computes: what is shown on the screen and written to disk is up to whoever reads its records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gatewise.errors import InputError
from gatewise.training.data import Floats, Integers, Part
from gatewise.training.losses import Loss
from gatewise.transforms import value_and_grad


@dataclass(frozen=True)
class Settings:
    """How to descend. The ``cosine`` schedule takes the rate from ``rate`` to 0 along half a cosine."""

    epochs: int
    batch_size: int
    rate: float
    regularization: float = 0.0
    schedule: str = "cosine"
    seed: int = 0

    def rate_at(self, progress: float) -> float:
        """The learning rate when this part (0 to 1) of all steps is done.

        >>> Settings(epochs=1, batch_size=1, rate=0.5).rate_at(0.5)
        0.25
        """
        return self.rate * (1 + float(np.cos(np.pi * progress))) / 2 if self.schedule == "cosine" else self.rate


@dataclass(frozen=True)
class Epoch:
    """The state after an epoch: losses without regularisation, over the whole of each part.

    ``update_ratio`` is ‖update‖ / ‖W‖, the mean over the epoch's steps: near 1e-3 is healthy while learning, say the
    notes.
    """

    number: int
    weights: Floats
    training_loss: float
    validation_loss: float
    training_accuracy: float
    validation_accuracy: float
    update_ratio: float


class DivergedError(InputError):
    """The loss is no longer a number."""


def accuracy(W: Floats, part: Part) -> float:
    """The share of examples whose highest score is that of the correct class."""
    return float(np.mean(np.argmax(part.X @ W, axis=1) == part.y))


#: Called at each step with the loss, the weights after it, the gradient, and the rows of the training part it saw.
Report = Callable[[float, Floats, Floats, Integers], None]


def descend(
    loss: Loss,
    weights: Floats,
    training: Part,
    validation: Part,
    settings: Settings,
    report: Report | None = None,
) -> Iterator[Epoch]:
    """Descend from ``weights``, and yield an :class:`Epoch` after each pass over the training part.

    ``report`` hears of every step, of one that diverged, too.

    The same arguments give the same bits. Raises :class:`DivergedError` as soon as the loss is not finite; the
    records that were yielded before stay valid.

    >>> from gatewise.training.losses import softmax_loss
    >>> part = Part(np.array([[-1.0, 1.0], [1.0, 1.0]]), np.array([0, 1]))
    >>> settings = Settings(epochs=20, batch_size=2, rate=1.0)
    >>> *_, last = descend(softmax_loss, np.zeros((2, 2)), part, part, settings)
    >>> last.number, last.training_accuracy, last.training_loss < 0.1
    (20, 1.0, True)
    """
    generator = np.random.default_rng(settings.seed)
    step = value_and_grad(loss)
    count = len(training.y)
    batches = -(-count // settings.batch_size)
    for epoch in range(settings.epochs):
        order = generator.permutation(count)
        ratios = []
        for batch in range(batches):
            rows = order[batch * settings.batch_size : (batch + 1) * settings.batch_size]
            rate = settings.rate_at((epoch * batches + batch) / (settings.epochs * batches))
            with np.errstate(all="ignore"):  # what overflows is reported by the two checks, in words
                value, gradient = step(weights, training.X[rows], training.y[rows], settings.regularization)
                update = rate * gradient
                weights = weights - update
                if report is not None:
                    report(value, weights, gradient, rows)
                _check(value, gradient, epoch + 1, batch + 1, rate)
                ratios.append(float(np.linalg.norm(update) / max(np.linalg.norm(weights), np.finfo(float).tiny)))
        yield _record(loss, weights, training, validation, epoch + 1, float(np.mean(ratios)))


def _check(value: float, gradient: Floats, epoch: int, batch: int, rate: float) -> None:
    if np.isfinite(value) and np.isfinite(gradient).all():
        return
    what = f"The loss is {value}" if not np.isfinite(value) else f"The loss is {value:.3g} and its gradient not finite"
    raise DivergedError(
        f"{what} at epoch {epoch}, batch {batch}: the steps are too large at a learning rate of {rate:.3g}. "
        f"Try --rate {rate / 10:.2g}, and leave the standardisation on."
    )


def _record(loss: Loss, W: Floats, training: Part, validation: Part, number: int, ratio: float) -> Epoch:
    with np.errstate(all="ignore"):
        training_loss, validation_loss = (float(loss(W, part.X, part.y)) for part in (training, validation))
    if not np.isfinite(training_loss):
        raise DivergedError(f"The loss is {training_loss} after epoch {number}: lower the learning rate with --rate.")
    accuracies = accuracy(W, training), accuracy(W, validation)
    return Epoch(number, W, training_loss, validation_loss, *accuracies, ratio)
