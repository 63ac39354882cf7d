from __future__ import annotations

import numpy as np
import pytest

from unstuck.history import History
from unstuck.reports.terminal import loss_curve


def ticks(curve):
    """The numbers on the y axis, from the top to the bottom."""
    return [float(line.split("┤")[0]) for line in curve.splitlines() if "┤" in line]


def test_a_curve_goes_down_with_the_loss():
    curve = loss_curve(History({"epoch": [1, 2, 3], "loss": [4.0, 4.0, 4.0], "validation_loss": [4.0, 2.0, 1.0]}))
    lines = curve.splitlines()
    assert "training loss" in curve
    assert "validation loss" in curve
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in curve
    heights = [next(n for n, line in enumerate(lines) if line.find("•", *part) > 0) for part in ((4, 12), (65, 75))]
    assert heights[0] < heights[1]


def test_zero_is_on_the_axis():
    positive = ticks(loss_curve(History({"epoch": [1, 2], "loss": [9.0, 8.0]})))
    assert (positive[-1], positive[0]) == (0, pytest.approx(9.45, abs=0.06))
    negative = ticks(loss_curve(History({"epoch": [1, 2], "loss": [-1.0, -4.0]})))
    assert (negative[-1], negative[0]) == (pytest.approx(-4.2), 0)


@pytest.mark.parametrize(
    "values",
    [[1.0, 1e300, 1.7e308], [1.0, np.nan, np.inf], [np.nan] * 3, [0.0] * 3, [-1.0, -1e308, 0.0], [1e-300, 1e-320, 0.0]],
)
def test_any_history_can_be_drawn(values):
    history = History({"epoch": [1, 2, 3], "loss": values, "validation_loss": values})
    assert "epoch" in loss_curve(history)
