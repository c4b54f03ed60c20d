"""The picture: one weight image per class and the loss curve, for images and for tables."""

from __future__ import annotations

import numpy as np
import pytest

from gatewise.training import picture
from gatewise.training.descent import Epoch

pytest.importorskip("matplotlib")


def portrait(features: int, classes: int) -> picture.Portrait:
    weights = np.random.default_rng(0).normal(size=(features + 1, classes))
    epochs = [Epoch(number, weights, 1 / number, 2 / number, 0.9, 0.8, 1e-3) for number in (1, 2, 3)]
    names = [f"feature {number}" for number in range(features)]
    return picture.Portrait("Title", weights, np.arange(classes), names, epochs, float(np.log(classes)))


def drawn(monkeypatch, tmp_path, subject):
    """Draw, and look at the figure that was written."""
    from matplotlib.figure import Figure

    figures = []
    save = Figure.savefig

    def remember(figure, *arguments, **options):
        figures.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", remember)
    picture.draw(tmp_path / "picture.png", subject)
    assert [file.name for file in tmp_path.iterdir()] == ["picture.png"]
    (figure,) = figures
    weights, loss = figure.subfigs
    return [axis for axis in weights.axes if axis.get_title()], loss.axes[0]


def test_square_features_become_one_image_per_class(monkeypatch, tmp_path):
    subject = portrait(64, 10)
    images, loss = drawn(monkeypatch, tmp_path, subject)
    assert [axis.get_title() for axis in images] == [f"class {digit}" for digit in range(10)]
    for digit, axis in enumerate(images):
        np.testing.assert_array_equal(axis.images[0].get_array(), subject.weights[:-1, digit].reshape(8, 8))
        assert axis.images[0].get_clim() == images[0].images[0].get_clim()  # one scale for all
    training, validation, chance = loss.lines
    np.testing.assert_allclose(training.get_ydata(), [np.log(10), 1, 1 / 2, 1 / 3])
    np.testing.assert_allclose(validation.get_ydata(), [np.log(10), 2, 1, 2 / 3])
    np.testing.assert_allclose(chance.get_ydata(), np.log(10))


@pytest.mark.parametrize("features", [1, 4, 7, 40])
def test_other_features_become_bars(features, monkeypatch, tmp_path):
    subject = portrait(features, 2)
    axes, _ = drawn(monkeypatch, tmp_path, subject)
    assert len(axes) == 2
    for column, axis in enumerate(axes):
        np.testing.assert_array_equal([bar.get_width() for bar in axis.patches], subject.weights[:-1, column])


def test_many_classes_are_cut_and_said_so(monkeypatch, tmp_path):
    images, _ = drawn(monkeypatch, tmp_path, portrait(16, 37))
    assert len(images) == 20
    assert "(the first 20 of 37)" in images[0].figure.get_suptitle()
