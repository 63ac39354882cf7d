from __future__ import annotations

import math

import numpy as np
import pytest
from tests.diagnosis.faulty import NUMBERS, quadrants, started, waves

from unstuck import LBFGS, SGD, Adam, Constant, CosineDecay, train
from unstuck.diagnosis.updates import update_ratios
from unstuck.training.prepare import prepare


@pytest.mark.parametrize("optimizer", [Adam(0.01), SGD(0.1)])
@pytest.mark.parametrize("schedule", ["constant", CosineDecay()])
def test_ratios_are_those_the_training_records_of_each_of_its_first_updates(optimizer, schedule):
    recipe = NUMBERS.replace(optimizer=optimizer, schedule=schedule, batch_size="full", epochs=20)
    history = train(recipe, *waves(), progress=False, signals=True).history
    expected = [np.median(history[f"update_ratio_{k}"][:10]) for k in (1, 2, 3)]
    assert update_ratios(prepare(recipe, *waves())) == pytest.approx(expected, rel=1e-4)


def test_a_line_search_has_no_rate():
    assert update_ratios(prepare(NUMBERS.replace(optimizer=LBFGS(), batch_size="full"), *waves())) is None


def test_what_starts_at_zero_or_overflows_has_no_finite_ratio():
    zero = update_ratios(prepare(started(NUMBERS, Constant(0.0)), *waves()))
    assert zero[-1] == math.inf
    overflowing = NUMBERS.replace(optimizer=SGD(1e30))
    assert update_ratios(prepare(overflowing, 1e20 * quadrants()[0], quadrants()[1])) == (math.inf,) * 3
