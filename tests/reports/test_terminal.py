from __future__ import annotations

import numpy as np
import pytest

from unstuck.history import History
from unstuck.reports.terminal import loss_curve


def height_of(curve, mark):
    """The line, counted from the bottom, in which a mark stands first."""
    lines = curve.splitlines()[::-1]
    return next(number for number, line in enumerate(lines) if mark in line)


def test_a_falling_loss_falls():
    curve = loss_curve(History({"epoch": [1, 2, 3], "loss": [4.0, 4.0, 4.0], "validation_loss": [4.0, 2.0, 1.0]}))
    lines = curve.splitlines()
    assert "training loss" in curve
    assert "validation loss" in curve
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in curve
    first, last = (
        max(n for n, line in enumerate(lines) if line[6:70].find("•", start, end) >= 0)
        for start, end in ((0, 10), (54, 64))
    )
    assert first < last


def test_zero_is_on_the_axis():
    assert any(
        line.startswith("0.00") for line in loss_curve(History({"epoch": [1, 2], "loss": [9.0, 8.0]})).splitlines()
    )
    negative = loss_curve(History({"epoch": [1, 2, 3], "loss": [-1.0, -3.0, -4.0]}))
    assert "-4.2" in negative


@pytest.mark.parametrize(
    "values",
    [[1.0, 1e300, 1.7e308], [1.0, np.nan, np.inf], [np.nan] * 3, [0.0] * 3, [-1.0, -1e308, 0.0], [1e-300, 1e-320, 0.0]],
)
def test_any_history_can_be_drawn(values):
    history = History({"epoch": [1, 2, 3], "loss": values, "validation_loss": values})
    assert "epoch" in loss_curve(history)
