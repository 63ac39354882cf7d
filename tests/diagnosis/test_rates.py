from __future__ import annotations

import math

import numpy as np
import pytest
from tests.diagnosis.faulty import NUMBERS, THREE, TWO, hidden, quadrants, three_blobs, waves

from unstuck import LBFGS, SGD, Adam, Dense, Dropout, Momentum, train
from unstuck.diagnosis.rates import RATES, RateSweep, sweep
from unstuck.training.prepare import prepare

FEW = (1e-4, 1e-2, 1.0)


def loss_after(recipe, X, y, rate, updates):
    """What `train` records after so many updates, of ten an epoch."""
    recipe = recipe.replace(optimizer=recipe.optimizer.replace(learning_rate=rate), epochs=updates // 10)
    return train(recipe, X, y, progress=False).history["training_loss"][-1]


@pytest.mark.parametrize(
    ("recipe", "data"),
    [
        (TWO.replace(optimizer=SGD()), quadrants()),
        (TWO.replace(optimizer=Adam(), precision="float64"), quadrants()),
        (THREE.replace(optimizer=Momentum()), three_blobs()),
        (hidden(NUMBERS, Dense(16, "relu"), Dropout(0.3)), waves()),
        (TWO.replace(shuffle=False, clip_norm=0.1, class_weights={0: 1, 1: 5}), quadrants()),
    ],
)
def test_the_sweep_ends_where_a_training_of_as_many_updates_ends(recipe, data):
    found = sweep(prepare(recipe, *data), FEW, updates=60)
    expected = [loss_after(recipe, *data, rate, 60) for rate in FEW]
    assert found.losses == pytest.approx(expected, rel=1e-4)
    assert found.updates == 60
    assert found.rates == FEW


def test_the_loss_after_one_update_is_that_of_one_full_batch():
    recipe = TWO.replace(batch_size="full", optimizer=SGD())
    X, y = quadrants()
    found = sweep(prepare(recipe, X, y), FEW)
    trained = [recipe.replace(optimizer=SGD(rate), epochs=1) for rate in FEW]
    once = [train(one, X, y, progress=False).history["training_loss"][0] for one in trained]
    assert found.first == pytest.approx(once, rel=1e-5)


def test_the_start_is_the_loss_before_any_update():
    recipe = TWO.replace(optimizer=SGD())
    X, y = quadrants()
    frozen = train(recipe.replace(optimizer=SGD(1e-30), epochs=1), X, y, progress=False)
    assert sweep(prepare(recipe, X, y), FEW).start == pytest.approx(frozen.history["training_loss"][0], rel=1e-6)


def test_a_rate_that_trains_to_no_number_has_an_infinite_loss():
    recipe = NUMBERS.replace(optimizer=SGD())
    X, y = waves()
    found = sweep(prepare(recipe, X, y), (1e-3, 1e3))
    assert train(recipe.replace(optimizer=SGD(1e3)), X, y, progress=False).stopped == "diverged"
    assert found.losses[1] == math.inf
    assert found.best == 1e-3
    assert found.largest_stable == 1e-3


def test_a_target_loss_does_not_end_the_sweep():
    X, y = quadrants()
    unhindered, stopping = (sweep(prepare(TWO.replace(stop_at_loss=loss), X, y), FEW) for loss in (None, 100.0))
    assert stopping == unhindered


def test_the_sweep_leaves_the_rows_and_their_order_alone():
    X, y = quadrants()
    prepared = prepare(TWO, X, y)
    before = prepared.fingerprint()
    assert sweep(prepared, FEW) == sweep(prepared, FEW)
    assert prepared.fingerprint() == before


def test_lbfgs_has_no_rate():
    assert sweep(prepare(TWO.replace(optimizer=LBFGS(), batch_size="full"), *quadrants())) is None


def test_the_best_rate_of_a_quadratic_is_below_its_stability_limit():
    """One weight, y = 2 x with mean x^2 = 1: gradient descent is stable below 1, and done in one step at 1/2."""
    x = np.tile([-1.0, 1.0], 20)
    line = NUMBERS.replace(layers=[Dense(1, bias=False)], batch_size="full", optimizer=SGD())
    found = sweep(prepare(line, x[:, None], 2 * x), (0.01, 0.1, 0.5, 0.9, 0.99, 1.05, 2.0))
    assert found.best == 0.5
    assert found.largest_stable == 0.99
    assert found.fall == pytest.approx(1)
    assert found.first[2] == pytest.approx(0, abs=1e-9)


SWEPT = RateSweep(
    rates=(0.01, 0.1, 1.0, 10.0), losses=(0.9, 0.3, 2.0, math.inf), first=(1.0, 0.9, 1.0, 9.0), start=1.0, updates=60
)


def test_the_three_parts_of_a_sweep():
    assert SWEPT.best == 0.1
    assert SWEPT.fall == pytest.approx(0.7)
    assert SWEPT.largest_stable == 0.1


def test_a_rate_between_two_has_the_worse_ones_loss():
    assert [SWEPT.loss_at(rate) for rate in SWEPT.rates] == list(SWEPT.losses)
    assert SWEPT.loss_at(0.05) == 0.9
    assert SWEPT.loss_at(0.5) == 2.0
    assert SWEPT.loss_at(5.0) == math.inf
    assert SWEPT.loss_at(1e-9) == 0.9
    assert SWEPT.loss_at(1e9) == math.inf


def test_rates_run_over_eight_decades():
    assert RATES[0] == pytest.approx(1e-6)
    assert RATES[-1] == pytest.approx(100)
    assert np.diff(np.log10(RATES)) == pytest.approx(0.5)


def test_a_sweep_in_which_nothing_falls_says_so():
    flat = RateSweep((0.1, 1.0), (1.0, 1.0), (1.0, 1.0), 1.0, 60)
    assert flat.fall == 0
    assert flat.largest_stable == 1.0
    wild = RateSweep((0.1, 1.0), (math.inf, math.inf), (math.inf, math.inf), 1.0, 60)
    assert wild.largest_stable == 0
