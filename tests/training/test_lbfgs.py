from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import scale

from unstuck.functions.optimizers import LBFGS
from unstuck.functions.penalties import L1, L2
from unstuck.recipe import Dense, Recipe
from unstuck.training import train


def minimum(layers, loss, X, y, **changes):
    settings = {"optimizer": "lbfgs", "batch_size": "full", "epochs": 5000, "precision": "float64"}
    return train(Recipe(layers, loss=loss, **{**settings, **changes}), X, y, progress=False)


@pytest.mark.parametrize("strength", [0.001, 0.1])
def test_binary_logistic_regression_is_scikit_learns(strength):
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    run = minimum([Dense(1, "sigmoid")], "binary_crossentropy", X, y, penalties=[L2(strength)])
    twin = LogisticRegression(C=1 / (strength * len(X)), tol=1e-10, max_iter=10_000).fit(X, y)
    assert run.stopped == "converged"
    np.testing.assert_allclose(run.weights["W1"].T, twin.coef_, atol=1e-5)
    np.testing.assert_allclose(run.weights["b1"], twin.intercept_, atol=1e-5)


def test_softmax_regression_is_scikit_learns():
    X, y = load_iris(return_X_y=True)
    X = scale(X)
    run = minimum([Dense(3, "softmax")], "categorical_crossentropy", X, y, penalties=[L2(0.01)])
    twin = LogisticRegression(C=1 / (0.01 * len(X)), tol=1e-10, max_iter=10_000).fit(X, y)
    assert run.stopped == "converged"
    np.testing.assert_allclose(run.weights["W1"].T, twin.coef_, atol=1e-5)
    np.testing.assert_allclose(run.predict_proba(X), twin.predict_proba(X), atol=1e-5)


def test_least_squares_is_numpys():
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), scale(y)
    run = minimum([Dense(1)], "squared_error", X, y)
    expected, residual, _, _ = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y)
    assert run.stopped == "converged"
    np.testing.assert_allclose(run.final_parameters, expected, atol=1e-5)
    assert run.history["loss"][-1] == pytest.approx(residual.item() / len(X), rel=1e-10)


def test_least_squares_with_row_weights_and_l2_is_scikit_learns_ridge():
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), scale(y)
    sample_weight = np.linspace(0.1, 2, len(X))
    recipe = Recipe([Dense(1)], "squared_error", optimizer="lbfgs", batch_size="full", epochs=500, precision="float64")
    run = train(recipe.replace(penalties=[L2(0.2)]), X, y, sample_weight=sample_weight, progress=False)
    twin = Ridge(alpha=0.1 * sample_weight.sum(), tol=1e-12).fit(X, y, sample_weight)
    np.testing.assert_allclose(run.weights["W1"][:, 0], twin.coef_, atol=1e-6)
    np.testing.assert_allclose(run.weights["b1"], twin.intercept_, atol=1e-6)


def test_every_iteration_is_an_epoch_and_lowers_the_cost():
    X, y = load_iris(return_X_y=True)
    run = minimum([Dense(4, "tanh"), Dense(3, "softmax")], "categorical_crossentropy", X, y, epochs=30)
    assert run.stopped == "all epochs"
    assert run.history["epoch"].tolist() == list(range(1, 31))
    assert (np.diff(run.history["loss"]) < 0).all()


def test_the_last_iteration_is_recorded_whatever_the_interval():
    X, y = load_iris(return_X_y=True)
    whole = minimum([Dense(3, "softmax")], "categorical_crossentropy", X, y, penalties=[L2(0.1)])
    run = minimum([Dense(3, "softmax")], "categorical_crossentropy", X, y, penalties=[L2(0.1)], record_every=7)
    last = int(whole.history["epoch"][-1])
    assert run.history["epoch"].tolist() == [*range(7, last, 7), last]


def test_a_start_at_the_minimum_is_recorded_too():
    run = minimum([Dense(1, weight_start="zeros")], "squared_error", np.ones((4, 1)), np.zeros(4))
    assert run.stopped == "converged"
    assert run.history["loss"].tolist() == [0]


def test_memory_and_tolerance_are_those_of_the_recipe():
    X, y = load_iris(return_X_y=True)
    layers = [Dense(3, "softmax")]
    loose = LBFGS(gradient_tolerance=0.1)
    early = minimum(layers, "categorical_crossentropy", X, y, optimizer=loose)
    late = minimum(layers, "categorical_crossentropy", X, y, optimizer=LBFGS(gradient_tolerance=0.01))
    forgetful = minimum(layers, "categorical_crossentropy", X, y, optimizer=LBFGS(history=1, gradient_tolerance=0.01))
    assert len(early.history) < len(late.history) < len(forgetful.history)


def test_in_float32_it_ends_where_rounding_does():
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), scale(y)
    run = minimum([Dense(1)], "squared_error", X, y, precision="float32")
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y)[1].item() / len(X)
    assert run.stopped in ("line search", "converged")  # rounding may leave a gradient of exactly zero
    assert run.history["loss"][-1] == pytest.approx(expected, rel=1e-5)


def test_a_cost_that_is_not_finite_ends_it():
    run = minimum([Dense(1, "exponential")], "squared_error", np.full((2, 1), 1e4), np.array([1.0, 2.0]))
    assert run.stopped == "diverged"
    assert run.failure
    assert np.isfinite(run.final_parameters).all()


def test_l1_is_part_of_the_cost():
    X, y = load_diabetes(return_X_y=True)
    run = minimum([Dense(1)], "squared_error", scale(X), scale(y), penalties=[L1(5)], epochs=300)
    assert np.abs(run.weights["W1"]).max() < 0.05


def test_the_costs_computed_can_be_limited():
    X, y = load_iris(return_X_y=True)
    run = minimum([Dense(8, "tanh"), Dense(3, "softmax")], "categorical_crossentropy", X, y, optimizer=LBFGS(calls=20))
    assert run.stopped == "call budget"
    assert 0 < len(run.history) <= 20


def test_it_converges_when_an_iteration_lowers_the_cost_by_too_small_a_share():
    X, y = load_iris(return_X_y=True)
    layers = [Dense(8, "tanh"), Dense(3, "softmax")]
    fine = minimum(layers, "categorical_crossentropy", X, y, epochs=200)
    coarse = minimum(layers, "categorical_crossentropy", X, y, epochs=200, optimizer=LBFGS(cost_tolerance=1e-2))
    assert coarse.stopped == "converged"
    assert len(coarse.history) < len(fine.history)
    losses = coarse.history["loss"]
    assert losses[-2] - losses[-1] <= 1e-2 < losses[0] - losses[1]
