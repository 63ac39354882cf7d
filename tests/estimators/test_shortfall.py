"""A stop on a plateau is said where the network could do better, and only there."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import scale

from unstuck import MLPClassifier, MLPRegressor
from unstuck.data import xor
from unstuck.estimators.shortfall import leave_one_out

POINTS, LABEL = xor()


def said_of(model, X, y):
    """Fit, and return the warnings."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert all(one.category is ConvergenceWarning for one in said)
    return [str(one.message) for one in said]


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("activation", ["relu", "logistic", "tanh"])
@pytest.mark.parametrize("units", [2, 4])
def test_every_stop_short_of_xor_is_said_and_no_other(units, activation, solver):
    ended = {True: 0, False: 0}
    for seed in range(12):
        model = MLPClassifier(units, activation=activation, solver=solver, random_state=seed, max_iter=10_000)
        said = said_of(model, POINTS, LABEL)
        learned = model.score(POINTS, LABEL) == 1
        ended[learned] += 1
        assert bool(said) is not learned, (seed, model.loss_, model.stopped_, said)
    assert sum(ended.values()) == 12


def test_the_saddle_of_xor_is_said_with_its_numbers():
    model = MLPClassifier(2, activation="logistic", solver="sgd", random_state=0, max_iter=10_000)
    (said,) = said_of(model, POINTS, LABEL)
    assert model.stopped_ == "plateau"
    assert f"stopped after {model.n_iter_} epochs, because its loss did not fall by tol=0.0001 in 10 epochs" in said
    assert "one constant for every row has 0.6931: the network has learned next to nothing" in said


def test_three_of_four_is_said_with_its_numbers():
    settings = {"hidden_layer_sizes": 2, "solver": "sgd", "learning_rate_init": 0.5, "max_iter": 10_000}
    found = []
    for seed in range(20):
        model = MLPClassifier(**settings, random_state=seed)
        said = said_of(model, POINTS, LABEL)
        if abs(model.loss_ - 0.4774) < 0.005:
            found += said
    assert found
    assert all("It scores 0.75 on its 4 different rows, where knowing them by heart scores 1" in said for said in found)


@pytest.mark.parametrize("copies", [1, 30])
def test_rows_that_come_again_and_again_are_few_rows(copies):
    X, y = np.tile(POINTS, (copies, 1)), np.tile(LABEL, copies)
    model = MLPClassifier(2, solver="lbfgs", random_state=1, max_iter=10_000)
    assert said_of(model, X, y)
    assert model.score(X, y) < 1


def test_rows_that_contradict_each_other_cannot_be_known_by_heart():
    X = np.repeat(np.eye(4), 10, axis=0)
    y = np.tile([0, 0, 0, 0, 0, 0, 0, 0, 1, 1], 4) ^ np.repeat([0, 0, 1, 1], 10)
    model = MLPClassifier(8, solver="lbfgs", random_state=0, max_iter=1000)
    assert not said_of(model, X, y)
    assert model.stopped_ == "converged"
    assert model.score(X, y) == 0.8


def test_a_network_that_a_linear_model_beats_is_said():
    X, y = load_wine(return_X_y=True)  # its columns are not scaled
    model = MLPClassifier(solver="sgd", random_state=1)
    (said,) = said_of(model, X, y)
    assert model.stopped_ == "plateau"
    assert "It scores 0.663 on the rows it was trained on, where a linear model scores 0.989" in said
    x = np.linspace(-1, 1, 200).reshape(-1, 1)
    model = MLPRegressor(output_activation="relu", solver="lbfgs", random_state=0, max_iter=1000)
    (said,) = said_of(model, x, x[:, 0])
    assert model.stopped_ == "converged"
    assert "It scores 0.5 on the rows it was trained on, where a linear model scores 1" in said


@pytest.mark.parametrize(
    ("load", "kind"),
    [
        (load_iris, MLPClassifier),
        (load_wine, MLPClassifier),
        (load_breast_cancer, MLPClassifier),
        (load_digits, MLPClassifier),
        (load_diabetes, MLPRegressor),
    ],
)
def test_an_ordinary_end_is_not_said(load, kind):
    X, y = load(return_X_y=True)
    for solver in ("adam", "lbfgs"):
        model = kind(solver=solver, random_state=0, max_iter=3000)
        said = said_of(model, scale(X), y)
        assert model.stopped_ in ("plateau", "converged")
        assert not said


def test_noise_is_nothing_that_a_linear_model_could_do_better():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(60, 40)), random.normal(size=60)
    model = MLPRegressor(hidden_layer_sizes=3, solver="lbfgs", alpha=10, random_state=0, max_iter=3000)
    assert not [said for said in said_of(model, X, y) if "linear" in said]


@pytest.mark.parametrize("mean", [0.5, 30])  # the loss a - y log a is negative where the mean is large
def test_a_poisson_loss_at_its_constant_is_said_and_a_lower_one_is_not(mean):
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, size=(400, 2))
    y = random.poisson(mean * np.exp(X[:, 0]))
    settings = {"loss": "poisson", "hidden_layer_sizes": 8, "solver": "lbfgs", "random_state": 0, "max_iter": 2000}
    (said,) = said_of(MLPRegressor(**settings, alpha=1e5), X, y)
    assert "learned next to nothing" in said
    assert not said_of(MLPRegressor(**settings), X, y)


def test_weighted_rows_and_robust_losses_are_not_judged_by_accuracy_and_r2():
    x = np.linspace(-1, 1, 100).reshape(-1, 1)
    y = x[:, 0].copy()
    y[::10] += 30
    model = MLPRegressor("absolute_error", (), learning_rate_init=0.01, random_state=0, max_iter=3000)
    assert not [said for said in said_of(model, x, y) if "linear" in said]
    model = MLPClassifier(2, solver="lbfgs", random_state=1, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(POINTS, LABEL, sample_weight=[1, 1, 1, 0])


@pytest.mark.parametrize("columns", [1, 5, 40])
def test_each_row_is_predicted_from_all_the_others(columns):
    random = np.random.default_rng(0)
    X = scale(random.normal(size=(30, columns)))
    Y = np.column_stack([X[:, 0] + random.normal(size=30), random.normal(size=30)])
    naive = cross_val_predict(Ridge(1.0), X, Y, cv=LeaveOneOut())
    np.testing.assert_allclose(leave_one_out(X, Y), naive, rtol=1e-8, atol=1e-8)
