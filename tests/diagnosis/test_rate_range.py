from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, make_friedman1
from sklearn.model_selection import train_test_split

from unstuck import Custom, Dense, Dropout, Inputs, OptionError, Recipe, Targets, find_learning_rate, train_many
from unstuck.data import spiral
from unstuck.diagnosis.rate_range import _range_test, _smoothed
from unstuck.engines.reference import ReferenceEngine
from unstuck.training.prepare import prepare
from unstuck.training.state import State

GRID = [10.0**power for power in np.arange(-4, 0.01, 0.5)]
CLASSES = Recipe(
    [Dense(32, "relu"), Dense(32, "relu"), Dense(10, "softmax")],
    "categorical_crossentropy",
    inputs=Inputs(scaling="standard"),
    batch_size=32,
    epochs=40,
)
NUMBERS = CLASSES.replace(
    layers=[Dense(32, "tanh"), Dense(1)], loss="squared_error", targets=Targets(scaling="standard")
)


def with_outputs(units):
    return CLASSES.replace(layers=[*CLASSES.layers[:-1], Dense(units, "softmax")])


DATA = {
    "digits": (CLASSES, lambda: load_digits(return_X_y=True)),
    "breast cancer": (with_outputs(2), lambda: load_breast_cancer(return_X_y=True)),
    "spiral": (with_outputs(3).replace(epochs=100), lambda: spiral(rows=1000)),
    "friedman": (NUMBERS, lambda: make_friedman1(1500, noise=0.5, random_state=0)),
}


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "nesterov"])
@pytest.mark.parametrize("name", DATA)
def test_the_suggestion_reaches_what_the_best_of_nine_rates_reaches(name, optimizer):
    recipe, load = DATA[name]
    recipe = recipe.replace(optimizer=optimizer)
    X, held, y, held_y = train_test_split(*load(), test_size=0.3, random_state=0)
    found = find_learning_rate(recipe, X, y)
    recipes = [recipe.with_settings({"optimizer.learning_rate": rate}) for rate in [*GRID, found.suggestion]]
    *others, reached = (run.score(held, held_y) for run in train_many(recipes, X, y, progress=False))
    assert reached >= 0.95 * max(others)
    assert min(others) < 0.95 * max(others)  # which not every rate does


def test_the_losses_are_those_of_the_mini_batches_before_their_updates():
    X, y = spiral(rows=100)
    data = prepare(with_outputs(3).replace(precision="float64"), X, y)
    rates, losses = _range_test(data.network, data.rows)
    assert np.allclose(np.diff(np.log(rates)), np.log(rates[1] / rates[0]))
    engine = ReferenceEngine(data.network, data.rows)
    descent = State.at_start(data.network).descent
    for k in range(20):  # 100 rows are 4 mini-batches, the last of them smaller
        batch = engine.batches.of_update(k)
        assert losses[k] == pytest.approx(engine.evaluate(descent.w, batch)[0], rel=1e-9)
        engine.steps(descent, rates[k : k + 1], lambda done: False)


def test_it_ends_where_the_loss_explodes():
    X, y = make_friedman1(300, random_state=0)
    found = find_learning_rate(NUMBERS.replace(optimizer="sgd"), X, y)
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 300
    assert np.isfinite(found.losses).all()
    assert found.suggestion < found.rates[-1]


def test_of_rates_that_come_as_low_the_least_is_suggested():
    X, y = np.eye(2).repeat(20, axis=0), np.repeat(["a", "b"], 20)
    found = find_learning_rate(with_outputs(2).replace(optimizer="adam"), X, y)
    learned = [rate for rate, loss in zip(found.trials.rates, found.trials.losses, strict=True) if loss < 1e-3]
    assert len(learned) > 2
    assert found.suggestion < max(learned) / 2


def test_smoothing_leaves_a_constant_and_evens_out_noise():
    places = np.linspace(-6, 1, 300)
    np.testing.assert_allclose(_smoothed(places, np.full(300, 3.0)), 3.0)
    noise = np.random.default_rng(0).normal(size=300)
    assert _smoothed(places, noise).std() < 0.4


def test_dropout_and_functions_of_ones_own_are_no_obstacle():
    X, y = spiral(rows=200)
    layers = [Dense(16, Custom(np.tanh, lambda z: 1 - np.tanh(z) ** 2)), Dropout(0.2), Dense(3, "softmax")]
    found = find_learning_rate(with_outputs(3).replace(layers=layers, batch_size=50), X, y)
    assert 1e-4 < found.suggestion < 1


def test_nothing_else_of_the_recipe_has_a_say():
    X, y = spiral(rows=300)
    recipe = with_outputs(3)
    found = find_learning_rate(recipe, X, y)
    other = recipe.replace(epochs=3, schedule="cosine", stop_at_loss=5.0, validation_fraction=0.3)
    again = find_learning_rate(other.with_settings({"optimizer.learning_rate": 7.0}), X, y)
    np.testing.assert_array_equal(again.losses, found.losses)
    assert again.suggestion == found.suggestion


def test_it_can_be_seen(tmp_path):
    X, y = spiral(rows=200)
    found = find_learning_rate(with_outputs(3), X, y)
    found.plot().savefig(tmp_path / "rates.png")
    assert (tmp_path / "rates.png").stat().st_size > 5000
    assert f"suggestion={found.suggestion:.2g}" in repr(found)


def test_the_recipe_comes_first():
    with pytest.raises(OptionError, match=r"the recipe comes first: find_learning_rate\(recipe, X, y\)"):
        find_learning_rate([[1.0]], [1.0], NUMBERS)


def test_what_has_no_rate_to_find():
    X, y = spiral(rows=200)
    with pytest.raises(OptionError, match="L-BFGS"):
        find_learning_rate(with_outputs(3).replace(optimizer="lbfgs", batch_size="full"), X, y)
    wild = NUMBERS.replace(inputs=Inputs(), targets=Targets(), precision="float32")
    with pytest.raises(OptionError, match=r"no number any more after 0 updates.*scale the data"):
        find_learning_rate(wild, X * 1e30, X[:, 0] * 1e30)
