"""The picture of a trained classifier: what each class looks for, and how the loss came down.

Matplotlib is loaded here when a picture is drawn, not before, and without its global state: a figure is made, written
and forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewise.training.data import Floats
from gatewise.training.descent import Epoch
from gatewise.training.optional import load_optional
from gatewise.training.output import whole_file

SHOWN_CLASSES = 20
SHOWN_FEATURES = 20
SMALLEST_SIDE = 4  # fewer than 4 × 4 features are a table, not an image

RAISES, LOWERS = "#b2182b", "#2166ac"  # the ends of matplotlib's RdBu, told apart by colour-blind readers


@dataclass(frozen=True)
class Portrait:
    """What the picture shows. ``weights`` is (features + 1, classes); its last row, the bias, is not drawn."""

    title: str
    weights: Floats
    classes: NDArray[Any]
    feature_names: Sequence[str]
    epochs: Sequence[Epoch]
    chance: float


def draw(path: Path, portrait: Portrait) -> None:
    """Write the picture to ``path`` as PNG, whole or not at all."""
    figure = load_optional("matplotlib.figure", "Drawing the picture").Figure(figsize=(13.5, 5.2), layout="constrained")
    figure.suptitle(portrait.title, fontsize=15)
    left, right = figure.subfigures(1, 2, width_ratios=(1.75, 1))
    _draw_weights(left, portrait)
    _draw_loss(right.subplots(), portrait)
    with whole_file(path) as stream:
        figure.savefig(stream, format="png", dpi=110)


def _draw_weights(figure: Any, portrait: Portrait) -> None:
    count = min(len(portrait.classes), SHOWN_CLASSES)
    names = [str(name) for name in portrait.classes[:count]]
    weights = portrait.weights[:-1]
    side = isqrt(len(weights))
    square = side * side == len(weights) and side >= SMALLEST_SIDE
    columns = min(5 if square else 3, count)
    axes = figure.subplots(-(-count // columns), columns, squeeze=False, sharey=True, sharex=True)
    limit = float(np.abs(weights[:, :count]).max()) or 1.0
    for axis, name, column in zip(axes.flat, names, weights.T, strict=False):
        axis.set_title(f"class {name}", fontsize=11)
        if square:
            image = axis.imshow(column.reshape(side, side), cmap="RdBu_r", vmin=-limit, vmax=limit)
            axis.set(xticks=[], yticks=[])
        else:
            _draw_bars(axis, column, portrait.feature_names, limit)
    for axis in axes.flat[count:]:
        axis.set_axis_off()
    if square:
        figure.colorbar(image, ax=axes, shrink=0.8, label="weight")
    what = "pixel" if square else "bar to the right"
    heading = "One weight image per class" if square else "The weights of each class"
    if count < len(portrait.classes):
        heading += f" (the first {count} of {len(portrait.classes)})"
    other = "blue pixel" if square else "blue bar to the left"
    figure.suptitle(f"{heading}\nA red {what} raises the class's score, a {other} lowers it.", fontsize=11)


def _draw_bars(axis: Any, column: Floats, names: Sequence[str], limit: float) -> None:
    positions = np.arange(len(column))
    axis.barh(positions, column, color=np.where(column > 0, RAISES, LOWERS))
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set(xlim=(-1.05 * limit, 1.05 * limit), ylim=(len(column) - 0.5, -0.5))
    if len(column) <= SHOWN_FEATURES:
        axis.set_yticks(positions, labels=list(names), fontsize=9)
    else:
        axis.set_ylabel("feature, from first to last", fontsize=9)


def _draw_loss(axis: Any, portrait: Portrait) -> None:
    numbers = [0, *(epoch.number for epoch in portrait.epochs)]
    training = [portrait.chance, *(epoch.training_loss for epoch in portrait.epochs)]
    validation = [portrait.chance, *(epoch.validation_loss for epoch in portrait.epochs)]
    axis.set_title("The loss while training", fontsize=11)
    axis.plot(numbers, training, color="black", label=f"training part: {training[-1]:.3g} at the end")
    axis.plot(numbers, validation, "--", color="#d95f02", label=f"validation part: {validation[-1]:.3g} at the end")
    axis.axhline(portrait.chance, color="grey", linestyle=":", label=f"at chance (W = 0): {portrait.chance:.4g}")
    axis.set(xlabel="epoch (one pass over the training part)", ylabel="mean loss of an example, without regularisation")
    if min(training + validation) > 0:  # it falls by powers of ten, most of it in the first epoch
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
    else:
        axis.set_ylim(bottom=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
