from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error
from tests.diagnosis.faulty import NUMBERS, THREE, TWO, many_columns, output, quadrants, three_blobs, waves

from unstuck import (
    AbsoluteError,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Dense,
    Hinge,
    Huber,
    Poisson,
    SquaredError,
    Targets,
    train,
)
from unstuck.data import parabola, xor
from unstuck.diagnosis.floors import Floor, best_constant, best_linear, flat_at, floors
from unstuck.diagnosis.problem import Problem
from unstuck.training.prepare import prepare

RANDOM = np.random.default_rng(0)
SKEWED = RANDOM.exponential(size=(60, 2)) ** 2
CODES = RANDOM.integers(0, 3, 60)
TWO_CODES = (RANDOM.random(60) < 0.3).astype(float)
COUNTS = RANDOM.poisson(3.0, 60).astype(float)
NOTHING = np.zeros((60, 1))


def floors_of(recipe, X, y):
    problem = Problem.of(recipe, X, y)
    return {floor.name: floor.loss for floor in floors(recipe, prepare(recipe, problem.X, problem.y), problem)}


def linear_of(recipe, X, y):
    return best_linear(recipe, prepare(recipe, X, y))


def test_the_best_constant_of_classes_is_their_shares():
    dummy = DummyClassifier(strategy="prior").fit(NOTHING, CODES)
    loss, value = best_constant(CategoricalCrossEntropy(), np.eye(3)[CODES])
    assert loss == pytest.approx(log_loss(CODES, dummy.predict_proba(NOTHING)))
    assert value == pytest.approx(dummy.class_prior_)
    two = DummyClassifier(strategy="prior").fit(NOTHING, TWO_CODES)
    loss, value = best_constant(BinaryCrossEntropy(), TWO_CODES[:, None])
    assert loss == pytest.approx(log_loss(TWO_CODES, two.predict_proba(NOTHING)))
    assert value == pytest.approx(two.class_prior_[1:])


def test_the_best_constant_of_numbers_is_mean_or_median():
    mean, median = (DummyRegressor(strategy=name).fit(NOTHING, SKEWED).predict(NOTHING) for name in ("mean", "median"))
    assert best_constant(SquaredError(), SKEWED)[0] == pytest.approx(mean_squared_error(SKEWED, mean))
    assert best_constant(AbsoluteError(), SKEWED)[0] == pytest.approx(mean_absolute_error(SKEWED, median))
    loss, value = best_constant(Poisson(), COUNTS[:, None])
    assert value == pytest.approx(COUNTS.mean())
    assert loss == pytest.approx(value[0] - COUNTS.mean() * math.log(value[0]))


def test_the_best_constants_have_their_closed_forms():
    for classes in (2, 3, 10):
        balanced = np.eye(classes)[np.arange(10 * classes) % classes]
        assert best_constant(CategoricalCrossEntropy(), balanced)[0] == pytest.approx(math.log(classes))
    p = TWO_CODES.mean()
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    assert best_constant(BinaryCrossEntropy(), TWO_CODES[:, None])[0] == pytest.approx(entropy)
    assert best_constant(SquaredError(), SKEWED)[0] == pytest.approx(SKEWED.var(axis=0).mean())
    halved = best_constant(SquaredError(half=True, outputs="sum", rows="sum"), SKEWED)[0]
    assert halved == pytest.approx(60 * SKEWED.var(axis=0).sum() / 2)
    assert best_constant(Hinge(), 2 * TWO_CODES[:, None] - 1)[0] == pytest.approx(2 * min(p, 1 - p), rel=1e-4)


LOSSES = {
    "squared": (SquaredError(), SKEWED),
    "absolute": (AbsoluteError(), SKEWED),
    "huber": (Huber(threshold=0.5), SKEWED),
    "hinge": (Hinge(), 2 * np.column_stack([TWO_CODES, 1 - TWO_CODES]) - 1),
    "poisson": (Poisson(), np.column_stack([COUNTS, COUNTS])),
    "binary": (BinaryCrossEntropy(), np.column_stack([TWO_CODES, 1 - TWO_CODES])),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
@given(st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)))
def test_no_constant_has_a_lower_loss_than_the_best(name, weighted, place):
    loss, Y = LOSSES[name]
    weights = np.arange(1.0, 61.0) if weighted else None
    other = np.broadcast_to(np.quantile(Y, place[0], axis=0) * place[1] * 2, Y.shape).copy()
    value = loss.value(Y, other, weights)  # that of counts may be negative
    assert best_constant(loss, Y, weights)[0] <= value + 1e-5 * abs(value)


def test_rows_of_twice_the_weight_count_as_two_rows():
    weights = RANDOM.integers(1, 4, 60)
    for loss, Y in LOSSES.values():
        repeated = np.repeat(Y, weights, axis=0)
        assert best_constant(loss, Y, weights.astype(float))[0] == pytest.approx(best_constant(loss, repeated)[0], 1e-6)


def test_a_constant_may_be_held_to_a_range():
    Y = np.array([[3.0], [5.0]])
    assert best_constant(SquaredError(), Y, None, 0, 1) == (pytest.approx((4 + 16) / 2), pytest.approx([1.0]))


@pytest.mark.parametrize(
    ("recipe", "data", "loss"),
    [
        (TWO, xor(2), math.log(2)),
        (THREE, (np.arange(9.0)[:, None], np.arange(9) % 3), math.log(3)),
        (NUMBERS, (np.arange(9.0)[:, None], np.arange(9.0)), 60 / 9),
        (output(NUMBERS, Dense(1), targets=Targets(scaling="standard")), (np.arange(9.0)[:, None], np.arange(9.0)), 1),
    ],
)
def test_a_network_without_inputs_is_flat_at_the_best_constant(recipe, data, loss):
    X, y = data
    assert floors_of(recipe, X, y)["best constant"] == pytest.approx(loss)
    blind = train(recipe.replace(batch_size="full", epochs=1500), np.zeros_like(X), y, progress=False)
    assert blind.history["training_loss"][-1] == pytest.approx(loss, rel=1e-3)


def test_floors_are_in_the_units_of_a_training_with_class_weights():
    X, y = np.zeros((60, 1)), np.where(TWO_CODES, "rare", "usual")
    recipe = TWO.replace(class_weights="balanced", batch_size="full", epochs=400)
    flat = train(recipe, X, y, progress=False).history["training_loss"][-1]
    assert floors_of(recipe, X, y)["best constant"] == pytest.approx(math.log(2))
    assert flat == pytest.approx(math.log(2), rel=1e-3)


def logistic(X, y):
    model = LogisticRegression(C=np.inf, max_iter=2000).fit(X, y)
    return log_loss(y, model.predict_proba(X))


def close_above(loss, optimum, within=0.01):
    return optimum * (1 - 1e-3) <= loss <= optimum * (1 + within) + 1e-4


def test_the_best_linear_model_of_classes_is_logistic_regression():
    assert close_above(linear_of(TWO, *quadrants()), logistic(*quadrants()))
    overlapping = three_blobs()[0] + np.random.default_rng(1).normal(size=(320, 2)), three_blobs()[1]
    assert close_above(linear_of(THREE, *overlapping), logistic(*overlapping))


def test_the_best_linear_model_of_numbers_is_least_squares():
    for X, y in (waves(), parabola()):
        line = LinearRegression().fit(X, y).predict(X)
        assert close_above(linear_of(NUMBERS, X, y), mean_squared_error(y, line))


def test_scale_and_place_of_the_data_do_not_keep_the_linear_model_from_its_optimum():
    X, y = waves()
    line = mean_squared_error(y, LinearRegression().fit(X, y).predict(X))
    assert close_above(linear_of(NUMBERS, X * [1e-3, 1, 1e3] + 50, y), line)
    assert close_above(linear_of(NUMBERS, X, 1000 * y), 1e6 * line)


def test_the_best_linear_model_under_other_losses():
    X, y = waves()
    A = np.column_stack([X, np.ones(len(X))])

    def lowest(loss, Y, f=lambda z: z):
        best = minimize(
            lambda w: loss.value(Y[:, None], f(A @ w)[:, None]), np.zeros(4), method="Powell", options={"ftol": 1e-10}
        )
        return best.fun

    assert close_above(linear_of(NUMBERS.replace(loss="absolute_error"), X, y), lowest(AbsoluteError(), y))
    assert close_above(linear_of(NUMBERS.replace(loss="huber"), X, y), lowest(Huber(), y))
    sigmoid = output(NUMBERS, Dense(1, "sigmoid"))
    squeezed = 0.5 + y / 10
    lost = lowest(SquaredError(), squeezed, lambda z: 1 / (1 + np.exp(-z)))
    assert close_above(linear_of(sigmoid, X, squeezed), lost)


def test_the_best_linear_model_of_counts_is_poisson_regression():
    X, _ = waves()
    counts = np.random.default_rng(0).poisson(np.exp(0.4 * X[:, 0]))
    said = PoissonRegressor(alpha=0, max_iter=1000).fit(X, counts).predict(X)
    recipe = output(NUMBERS, Dense(1, "exponential"), loss="poisson")
    assert linear_of(recipe, X, counts) == pytest.approx(np.mean(said - counts * np.log(said)), abs=2e-3)


def test_the_linear_floor_of_many_rows_is_that_of_all_of_them():
    X, y = waves(5000)
    line = LinearRegression().fit(X, y).predict(X)
    assert close_above(linear_of(NUMBERS, X, y), mean_squared_error(y, line))
    summed = SquaredError(rows="sum")
    assert close_above(linear_of(NUMBERS.replace(loss=summed), X, y), 5000 * mean_squared_error(y, line))


def test_linearly_separable_classes_have_a_linear_floor_near_0():
    assert linear_of(TWO, *many_columns()) < 0.01


def test_constant_columns_do_not_disturb_the_linear_model():
    X, y = waves()
    with_constant = np.column_stack([X, np.full(len(X), 7.0)])
    assert close_above(linear_of(NUMBERS, with_constant, y), linear_of(NUMBERS, X, y))


def test_targets_out_of_range_leave_a_loss_that_no_weights_can_mend():
    X = np.arange(8.0)[:, None]
    y = np.array([-1.0, 0.5, 0.5, 2, 3, 0, 1, 1])
    found = floors_of(output(NUMBERS, Dense(1, "sigmoid")), X, y)
    assert found["best in range"] == pytest.approx((1 + 1 + 4) / 8)
    assert found["best constant"] == pytest.approx(y.var())
    assert "best constant in range" not in found  # the mean is in range


def test_a_mean_out_of_range_has_a_worse_constant_within():
    X, y = np.arange(4.0)[:, None], np.array([2.0, 3, 4, 5])
    found = floors_of(output(NUMBERS, Dense(1, "sigmoid")), X, y)
    assert found["best constant in range"] == pytest.approx(((y - 1) ** 2).mean())
    assert found["best in range"] == pytest.approx(((y - 1) ** 2).mean(), rel=1e-5)
    assert list(found) == sorted(found, key=lambda name: -found[name])


def test_targets_in_range_have_no_floor_of_the_range():
    assert set(floors_of(output(NUMBERS, Dense(1, "sigmoid")), *parabola())) == {"best constant", "best linear model"}


def test_a_loss_is_flat_at_the_nearest_floor_within_two_percent():
    a, b = Floor("a", 1.0, ""), Floor("b", 0.99, "")
    assert flat_at(1.001, (a, b)) is a
    assert flat_at(0.992, (a, b)) is b
    assert flat_at(1.03, (a, b)) is None
    assert flat_at(0.9, (a, b)) is None
    assert flat_at(math.inf, (a, b)) is None
    assert flat_at(math.nan, (a, b)) is None
    assert flat_at(0.5, ()) is None
