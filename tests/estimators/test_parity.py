"""The same numbers as scikit-learn's MLP: with equal parameters and rows in the same order, every weight agrees."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import load_iris, make_multilabel_classification, make_regression
from sklearn.preprocessing import scale

import unstuck

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS = load_iris(return_X_y=True)
TWO = IRIS[0][:100], np.array(["setosa", "other"])[IRIS[1][:100]]
LABELS = make_multilabel_classification(n_samples=90, n_features=6, random_state=0)
NUMBERS = make_regression(n_samples=90, n_features=5, noise=5, random_state=0)
PAIRS = make_regression(n_samples=90, n_features=5, n_targets=2, random_state=0)
COUNTS = IRIS[0], np.random.default_rng(0).poisson(2, 150)
WEIGHTS = np.random.default_rng(1).uniform(0.1, 3, 150)
SAME = {"random_state": 3, "shuffle": False, "max_iter": 25}
CURVES = ("loss_curve_", "validation_scores_")
FACTS = ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "_no_improvement_count")


def twins(kind, **parameters):
    return [getattr(module, f"MLP{kind}")(**{**SAME, **parameters}) for module in (neural_network, unstuck)]


def assert_same(theirs, ours, rtol=1e-9):
    for a, b in zip(theirs.coefs_ + theirs.intercepts_, ours.coefs_ + ours.intercepts_, strict=True):
        np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol)
    assert [getattr(ours, name) for name in FACTS] == [getattr(theirs, name) for name in FACTS]
    for name in CURVES:
        if getattr(theirs, name) is not None:
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=rtol)
        else:
            assert getattr(ours, name) is None
    assert ours.best_loss_ == (None if theirs.best_loss_ is None else pytest.approx(theirs.best_loss_))
    assert ours._optimizer.learning_rate == pytest.approx(theirs._optimizer.learning_rate) or theirs.solver == "adam"


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"batch_size": 40},
        {"hidden_layer_sizes": (7, 5), "activation": "tanh", "alpha": 0.5, "batch_size": 64},
        {"hidden_layer_sizes": 3, "activation": "logistic", "beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1},
        {"hidden_layer_sizes": (), "learning_rate_init": 0.1},
        {"solver": "sgd", "learning_rate_init": 0.05, "batch_size": 40},
        {"solver": "sgd", "learning_rate_init": 0.05, "nesterovs_momentum": False, "activation": "identity"},
        {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0, "learning_rate": "invscaling", "power_t": 0.3},
        {"solver": "sgd", "momentum": 0, "learning_rate": "adaptive", "n_iter_no_change": 2, "tol": 0.1},
        {"n_iter_no_change": 3, "tol": 0.05, "max_iter": 200},
        {"early_stopping": True, "batch_size": 30},
        {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 4, "max_iter": 200},
    ],
    ids=lambda parameters: "-".join(parameters) or "plain",
)
@pytest.mark.parametrize("data", [IRIS, TWO], ids=["three classes", "two classes"])
@pytest.mark.parametrize("weighted", [False, True])
def test_classes(parameters, data, weighted):
    theirs, ours = twins("Classifier", **parameters)
    weights = WEIGHTS[: len(data[0])] if weighted else None
    assert_same(theirs.fit(*data, sample_weight=weights), ours.fit(*data, sample_weight=weights))
    np.testing.assert_allclose(ours.predict_proba(data[0]), theirs.predict_proba(data[0]), rtol=1e-9)
    np.testing.assert_array_equal(ours.predict(data[0]), theirs.predict(data[0]))
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    assert ours.score(*data, sample_weight=weights) == theirs.score(*data, sample_weight=weights)


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"solver": "sgd", "batch_size": 20}])
def test_several_labels_a_row(parameters):
    theirs, ours = (twin.fit(*LABELS) for twin in twins("Classifier", **parameters))
    assert_same(theirs, ours)
    np.testing.assert_array_equal(ours.predict(LABELS[0]), theirs.predict(LABELS[0]))
    np.testing.assert_allclose(ours.predict_proba(LABELS[0]), theirs.predict_proba(LABELS[0]))


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_numbers(loss, early):
    X, y = COUNTS if loss == "poisson" else (NUMBERS[0], scale(NUMBERS[1]))
    theirs, ours = (twin.fit(X, y) for twin in twins("Regressor", loss=loss, early_stopping=early, batch_size=32))
    assert_same(theirs, ours)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X))
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y))


def test_several_numbers_a_row_have_the_same_weights():
    theirs, ours = (twin.fit(*PAIRS) for twin in twins("Regressor", tol=0))
    for a, b in zip(theirs.coefs_, ours.coefs_, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9)
    assert ours.predict(PAIRS[0]).shape == theirs.predict(PAIRS[0]).shape


@pytest.mark.parametrize(("kind", "data"), [("Classifier", IRIS), ("Regressor", (NUMBERS[0], scale(NUMBERS[1])))])
def test_lbfgs_comes_to_the_same_network(kind, data):
    theirs, ours = (twin.fit(*data) for twin in twins(kind, solver="lbfgs", max_iter=30))
    assert ours.n_iter_ == theirs.n_iter_ == 30
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-5)
    for a, b in zip(theirs.coefs_, ours.coefs_, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-3)  # rounding grows from step to step


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_goes_on_alike_over_chunks_of_any_size(solver):
    theirs, ours = twins("Classifier", solver=solver, batch_size=20)
    X, y = IRIS
    for rows in (slice(0, 150), slice(20, 130), slice(60, 81), slice(40, 110)):
        for twin in (theirs, ours):
            twin.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    assert_same(theirs, ours)


@pytest.mark.parametrize("parameters", [{}, {"solver": "sgd"}])
def test_a_warm_start_goes_on_alike(parameters):
    theirs, ours = twins("Classifier", warm_start=True, **parameters)
    for _ in range(3):
        theirs.fit(*IRIS)
        ours.fit(*IRIS)
    assert_same(theirs, ours)


def test_float32_stays_float32():
    X, y = IRIS[0].astype(np.float32), IRIS[1]
    theirs, ours = (twin.fit(X, y) for twin in twins("Classifier"))
    assert {W.dtype for W in ours.coefs_} == {W.dtype for W in theirs.coefs_} == {np.dtype(np.float32)}
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)


def test_shuffled_rows_come_in_another_order_to_as_good_an_end():
    seeds = range(8)
    scores = [
        [
            twin.fit(*IRIS).score(*IRIS)
            for twin in twins("Classifier", shuffle=True, random_state=seed, batch_size=30, max_iter=100)
        ]
        for seed in seeds
    ]
    theirs, ours = np.mean(scores, axis=0)
    assert ours == pytest.approx(theirs, abs=0.02)


@pytest.mark.parametrize("kind", ["Classifier", "Regressor"])
def test_the_parameters_are_scikit_learns_in_its_order_and_more_behind_them(kind):
    theirs, ours = (inspect.signature(getattr(module, f"MLP{kind}")).parameters for module in (neural_network, unstuck))
    assert list(ours)[: len(theirs)] == list(theirs)
    assert all((ours[name].kind, ours[name].default) == (one.kind, one.default) for name, one in theirs.items())
    assert {one.kind for name, one in ours.items() if name not in theirs} == {inspect.Parameter.KEYWORD_ONLY}
