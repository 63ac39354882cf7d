from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from unstuck.drawing import decision_regions, history_figure, image_mosaic, save_figure
from unstuck.history import History

ODD = {
    "huge": [1.0, 1e300, 1.7e308],
    "not finite": [1.0, np.nan, np.inf],
    "nothing finite": [np.nan, np.inf, -np.inf],
    "zero": [0.0, 0.0, 0.0],
    "negative": [-1.0, -2.0, -1e308],
    "tiny": [1e-300, 1e-320, 0.0],
}


@pytest.mark.parametrize("name", ODD)
def test_any_history_can_be_drawn(name):
    history = History({"epoch": [1, 2, 3], "loss": ODD[name], "validation_loss": ODD[name], "r2": ODD[name]})
    figure = history_figure(history, "title", best_epoch=2)
    figure.savefig(io.BytesIO())
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "r2"]


def test_a_loss_is_drawn_from_zero_and_a_metric_is_not():
    history = History({"epoch": [1, 2, 3], "loss": [5.0, 4.0, 4.5], "accuracy": [0.8, 0.9, 0.85]})
    loss, accuracy = history_figure(history, "title", best_epoch=2).axes
    assert loss.get_ylim()[0] == 0
    assert accuracy.get_ylim()[0] > 0.5
    assert [line.get_label() for line in loss.get_lines()] == ["training", "lowest loss (epoch 2)"]


def test_nothing_to_draw():
    (axes,) = history_figure(History(), "title", best_epoch=0).axes
    assert not axes.get_lines()


def test_a_picture_is_a_whole_png(tmp_path):
    save_figure(history_figure(History(), "title", best_epoch=0), tmp_path / "new" / "curve.png")
    content = (tmp_path / "new" / "curve.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content.endswith(b"IEND\xaeB`\x82")


def test_decision_regions_cover_the_points():
    X = np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, 1.0]])
    axes = Figure().subplots()
    decision_regions(axes, lambda grid: (grid[:, 0] > 0).astype(int), X, np.array([0, 1, 0]))
    (image,) = axes.get_images()
    regions = np.asarray(image.get_array())
    assert (regions[:, 0] == 0).all()
    assert (regions[:, -1] == 1).all()
    left, right, bottom, top = image.get_extent()
    assert left < X[:, 0].min() < X[:, 0].max() < right
    assert bottom < X[:, 1].min() < X[:, 1].max() < top


@pytest.mark.parametrize("count", [0, 3, 60])
def test_a_mosaic_of_as_many_images_as_there_are(count):
    axes = Figure().subplots()
    image_mosaic(axes, np.ones((count, 64)), np.arange(count))
    assert len(axes.texts) == min(count, 40)
    assert np.asarray(axes.get_images()[0].get_array()).sum() == 64 * min(count, 40)
