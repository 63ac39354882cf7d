"""What the estimators offer beyond scikit-learn's."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.metrics import log_loss
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from unstuck import (
    SGD,
    CosineDecay,
    Custom,
    Huber,
    MLPClassifier,
    MLPRegressor,
    OptionError,
    Recipe,
    train,
)
from unstuck.data import xor
from unstuck.estimators.recipes import ACTIVATIONS
from unstuck.functions.initializers import Initializer
from unstuck.functions.optimizers import Optimizer
from unstuck.functions.schedules import Schedule

quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
NUMBERS = X[:, 3] * 40 + 100
QUICK = {"hidden_layer_sizes": (8,), "max_iter": 40, "learning_rate_init": 0.02, "random_state": 0}


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.coefs_, other.coefs_, strict=True))


def fitted(y=Y, model=MLPClassifier, **parameters):
    return model(**{**QUICK, **parameters}).fit(X, y)


# ---- what is trained ---------------------------------------------------------------------------------------


@quiet
def test_the_recipe_of_a_fit_trains_a_network_as_good():
    model = fitted(max_iter=100)
    run = train(model.recipe_, X, Y, progress=False)
    assert abs(run.score(X, Y) - model.score(X, Y)) < 0.05
    assert Recipe.from_toml(model.recipe_.to_toml()) == model.recipe_


@quiet
def test_the_run_predicts_what_the_estimator_predicts():
    names = np.array(["a", "b", "c"])[Y]
    for y, model in ((names, fitted(names)), (names[:100], MLPClassifier(**QUICK).fit(X[:100], names[:100]))):
        np.testing.assert_array_equal(model.run_.predict(X[: len(y)]), model.predict(X[: len(y)]))
    regressor = fitted(NUMBERS, MLPRegressor, input_scaling="standard", target_scaling="minmax")
    np.testing.assert_allclose(regressor.run_.predict(X), regressor.predict(X))
    assert len(regressor.run_.history) == regressor.n_iter_


@quiet
def test_each_layer_may_have_its_own_activation_and_dropout():
    model = fitted(hidden_layer_sizes=(5, 4), activation=["tanh", "leaky_relu"], dropout=[0.0, 0.5])
    kinds = [layer.kind for layer in model.recipe_.layers]
    assert kinds == ["dense", "dense", "dropout", "dense"]
    assert model.transform(X, layer=0).min() < 0
    with pytest.raises(OptionError, match=r"activation names 1 layers, but there are 2 hidden layers"):
        fitted(hidden_layer_sizes=(5, 4), activation=["tanh"])


@quiet
def test_dropout_is_off_in_predictions_and_on_in_training():
    with_dropout = fitted(dropout=0.4)
    assert not same(with_dropout, fitted())
    np.testing.assert_array_equal(with_dropout.predict_proba(X), with_dropout.predict_proba(X))


@quiet
def test_a_function_of_ones_own_is_an_activation():
    model = fitted(activation=(np.tanh, lambda z: 1 - np.tanh(z) ** 2), batch_size=150)
    assert isinstance(model.recipe_.layers[0].activation, Custom)
    assert model.run_.engine == "reference"
    twin = fitted(activation="tanh", batch_size=150)
    np.testing.assert_allclose(model.coefs_[0], twin.coefs_[0], rtol=1e-6, atol=1e-9)


@quiet
def test_the_activations_of_a_layer_are_what_transform_returns():
    model = fitted(hidden_layer_sizes=(5, 4), activation="logistic")
    first = 1 / (1 + np.exp(-(X @ model.coefs_[0] + model.intercepts_[0])))
    np.testing.assert_allclose(model.transform(X, layer=0), first)
    assert model.transform(X).shape == (150, 4)
    with pytest.raises(OptionError, match=r"there is no hidden layer 2: there are 2"):
        model.transform(X, layer=2)


@quiet
@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"softmax"}))
def test_each_activation_is_one_of_a_hidden_layer(name):
    model = fitted(activation=name, input_scaling="standard", max_iter=200)
    assert model.recipe_.layers[0].activation.kind == ACTIVATIONS[name]
    assert model.score(X, Y) > 0.85


@quiet
def test_predictions_go_through_the_network_a_part_at_a_time():
    model = fitted(hidden_layer_sizes=500, max_iter=1)
    rows = np.tile(X, (400, 1))
    tracemalloc.start()
    many = model.predict_proba(rows)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < len(rows) * 500 * 8 / 3  # bytes of the hidden layer for all rows at once
    np.testing.assert_allclose(many, np.tile(model.predict_proba(X), (400, 1)), rtol=1e-12)


# ---- loss and weights --------------------------------------------------------------------------------------


@quiet
def test_class_weights_are_sample_weights():
    weights = {0: 1.0, 1: 5.0, 2: 0.5}
    weighted = MLPClassifier(**QUICK).fit(X, Y, sample_weight=np.vectorize(weights.get)(Y))
    assert same(fitted(class_weight=weights), weighted)
    uneven = np.r_[0:50, 50:60, 100:150]
    balanced = MLPClassifier(**QUICK, class_weight="balanced").fit(X[uneven], Y[uneven])
    by_hand = np.bincount(Y[uneven])
    weighted = MLPClassifier(**QUICK).fit(X[uneven], Y[uneven], sample_weight=(110 / (3 * by_hand))[Y[uneven]])
    assert same(balanced, weighted)


@quiet
def test_class_weights_of_several_labels_a_row():
    rows, labels = make_multilabel_classification(n_samples=150, n_features=4, n_classes=2, random_state=0)
    weights = [{0: 1.0, 1: 5.0}, {0: 2.0, 1: 0.5}]
    factors = np.prod([np.where(column == 1, one[1], one[0]) for column, one in zip(labels.T, weights, strict=True)], 0)
    weighted = MLPClassifier(**QUICK).fit(rows, labels, sample_weight=factors)
    assert same(MLPClassifier(**QUICK, class_weight=weights).fit(rows, labels), weighted)
    assert not same(MLPClassifier(**QUICK).fit(rows, labels), weighted)


@quiet
@pytest.mark.parametrize("loss", ["hinge", "squared_error", "log_loss"])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifier_learns_by_any_loss(loss, classes):
    rows = classes * 50
    model = MLPClassifier(**{**QUICK, "max_iter": 150}, loss=loss)
    model.fit(X[:rows:2], Y[:rows:2], validation=(X[1:rows:2], Y[1:rows:2]))
    assert model.score(X[1:rows:2], Y[1:rows:2]) == model.validation_scores_[-1] > 0.9
    assert model.out_activation_ == ("identity" if loss == "hinge" else "softmax" if classes == 3 else "logistic")


@quiet
def test_a_robust_loss_passes_outliers_by():
    wild = NUMBERS / 100
    wild[::15] += 50
    settings = {"model": MLPRegressor, "solver": "lbfgs", "hidden_layer_sizes": (), "max_iter": 500, "alpha": 0}
    plain, robust = fitted(wild, **settings), fitted(wild, **settings, loss=Huber(0.05))
    clean = np.delete(np.arange(150), np.s_[::15])
    errors = [abs(model.predict(X) - NUMBERS / 100)[clean].mean() for model in (plain, robust)]
    assert errors[1] < errors[0] / 5


@quiet
def test_the_output_activation_can_be_chosen():
    model = fitted(NUMBERS / 300, MLPRegressor, output_activation="logistic")
    assert model.out_activation_ == "logistic"
    assert 0 < model.predict(100 * X).min() <= model.predict(100 * X).max() <= 1


# ---- the optimization --------------------------------------------------------------------------------------


@quiet
def test_any_optimizer_and_schedule_may_take_the_place_of_the_solver():
    model = fitted(optimizer="nadam", schedule=CosineDecay())
    assert model.recipe_.optimizer.learning_rate == 0.02
    assert model.run_.history["learning_rate"][-1] < 0.001
    assert fitted(optimizer=SGD(0.3)).recipe_.optimizer == SGD(0.3)
    assert not hasattr(MLPClassifier(optimizer="lbfgs"), "partial_fit")


@quiet
@pytest.mark.parametrize("kind", sorted(Optimizer.family))
def test_each_optimizer_is_one_of_the_estimator(kind):
    full = {"batch_size": 150, "max_iter": 300} if kind in ("rprop", "lbfgs") else {"batch_size": 30, "max_iter": 60}
    model = fitted(optimizer=kind, input_scaling="standard", **full)
    assert model.recipe_.optimizer.kind == kind
    assert model.score(X, Y) > 0.85


@quiet
@pytest.mark.parametrize("kind", sorted(Schedule.family))
def test_each_schedule_is_one_of_the_estimator(kind):
    fields = {"inverse_scaling_by_rows": {"rows": 150}, "warm_up": {"epochs": 3}}.get(kind, {})
    model = fitted(schedule=Schedule.from_data({"kind": kind, **fields}), input_scaling="standard", batch_size=30)
    assert model.recipe_.schedule.kind == kind
    assert len(set(model.run_.history["learning_rate"])) > 1 or kind in ("constant", "reduce_on_plateau")


@quiet
@pytest.mark.parametrize("kind", sorted(set(Initializer.family) - {"given", "constant", "zeros"}))
def test_each_start_is_one_of_the_estimator(kind):
    fields = {"uniform": {"low": -0.5, "high": 0.5}}.get(kind, {})
    model = fitted(weight_start=Initializer.from_data({"kind": kind, **fields}), input_scaling="standard", max_iter=150)
    assert model.recipe_.layers[0].weight_start.kind == kind
    assert model.score(X, Y) > 0.85


@quiet
@pytest.mark.parametrize(("model", "y"), [(MLPClassifier, Y), (MLPRegressor, NUMBERS)])
def test_a_learning_rate_is_found_and_the_estimator_stays_as_it_is(model, y):
    settings = {"solver": "sgd", "input_scaling": "standard", "random_state": 0, "max_iter": 400}
    settings |= {"target_scaling": "standard"} if model is MLPRegressor else {"class_weight": "balanced"}
    estimator = model(**settings)
    before = dict(vars(estimator))
    found = estimator.find_learning_rate_(X, y)
    assert vars(estimator) == before
    scores = [model(**settings, learning_rate_init=rate).fit(X, y).score(X, y) for rate in np.logspace(-4, -1, 9)]
    reached = estimator.set_params(learning_rate_init=found.suggestion).fit(X, y).score(X, y)
    assert reached >= 0.95 * max(scores)
    with pytest.raises(OptionError, match="L-BFGS"):
        model(solver="lbfgs").find_learning_rate_(X, y)


@quiet
def test_decay_and_max_norm_bound_the_weights():
    assert np.linalg.norm(fitted(max_norm=0.5).coefs_[0], axis=0).max() <= 0.5 * (1 + 1e-12)
    assert abs(fitted(weight_decay=5.0).coefs_[0]).sum() < abs(fitted().coefs_[0]).sum()


@quiet
def test_given_weights_are_where_it_starts():
    W = [np.full((4, 8), 0.1), np.eye(8, 3)]
    model = fitted(initial_coefs=W, learning_rate_init=1e-12, max_iter=1)
    np.testing.assert_allclose(model.coefs_[0], W[0], atol=1e-9)
    zeros = fitted(weight_start="zeros", bias_start="zeros", learning_rate_init=1e-12, max_iter=1)
    np.testing.assert_allclose(zeros.coefs_[1], 0, atol=1e-9)
    with pytest.raises(OptionError, match=r"layer 1 has weights of shape \(3, 8\)"):
        fitted(initial_coefs=[W[0][:3], W[1]])


@quiet
def test_of_several_restarts_the_best_is_kept():
    settings = {"hidden_layer_sizes": 2, "max_iter": 300, "learning_rate_init": 0.1, "tol": 0}
    points, y = xor()
    once, best = (MLPClassifier(**settings, random_state=0, n_restarts=n).fit(points, y) for n in (1, 8))
    assert best.loss_ < once.loss_
    assert best.score(points, y) == 1


@quiet
def test_scaling_inside_is_scaling_outside():
    inside = fitted(input_scaling="standard")
    outside = MLPClassifier(**QUICK).fit(StandardScaler().fit_transform(X), Y)
    np.testing.assert_allclose(inside.coefs_[0], outside.coefs_[0], rtol=1e-6, atol=1e-9)
    inside.partial_fit(X[:60], Y[:60])  # the scales stay those of the first call
    outside.partial_fit(StandardScaler().fit(X).transform(X[:60]), Y[:60])
    np.testing.assert_allclose(inside.coefs_[0], outside.coefs_[0], rtol=1e-6, atol=1e-9)


@quiet
@pytest.mark.parametrize(("scaling", "scaler"), [("standard", StandardScaler()), ("minmax", MinMaxScaler())])
def test_scaling_of_targets_inside_is_scaling_outside(scaling, scaler):
    y = np.column_stack([NUMBERS, -3 * NUMBERS + X[:, 0]])
    inside = fitted(y, MLPRegressor, target_scaling=scaling)
    outside = MLPRegressor(**QUICK).fit(X, scaler.fit_transform(y))
    np.testing.assert_allclose(inside.coefs_[0], outside.coefs_[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(inside.predict(X), scaler.inverse_transform(outside.predict(X)), rtol=1e-6)


# ---- stopping ----------------------------------------------------------------------------------------------


def test_a_plateau_where_something_is_learned_only_stands_in_stopped(recwarn):
    model = fitted(max_iter=5000, learning_rate_init=0.05)
    assert model.stopped_ == "plateau"
    assert not recwarn.list


def test_a_plateau_is_printed_when_asked(capsys):
    model = fitted(max_iter=5000, learning_rate_init=0.05, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Iteration 1, loss = ")
    assert lines[-1] == "Training loss did not improve more than tol=0.000100 for 10 consecutive epochs. Stopping."
    assert len(lines) == model.n_iter_ + 1


@quiet
def test_the_best_epoch_is_restored_by_loss_or_by_score():
    wild = {"learning_rate_init": 0.3, "max_iter": 15, "batch_size": 10, "restore_best": True}
    held = X[::3], Y[::3]
    model = MLPClassifier(**{**QUICK, **wild}).fit(X, Y, validation=held)
    assert model.score(*held) == max(model.validation_scores_) == model.best_validation_score_
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == model.n_iter_
    by_loss = MLPClassifier(**{**QUICK, **wild}).fit(X, Y)
    last = MLPClassifier(**{**QUICK, **wild, "restore_best": False}).fit(X, Y)
    assert by_loss.loss_curve_ == last.loss_curve_
    assert not same(by_loss, last)
    with pytest.raises(AttributeError, match=r"no rows were held out"):
        by_loss.validation_loss_curve_  # noqa: B018


@quiet
def test_rows_of_ones_own_to_stop_by():
    model = MLPClassifier(**{**QUICK, "max_iter": 500}, early_stopping=True)
    model.fit(X[::2], Y[::2], validation=(X[1::2], Y[1::2]))
    assert model.stopped_ == "early stopping"
    assert model.t_ == model.n_iter_ * 75  # none of the training rows was set aside
    assert model.score(X[1::2], Y[1::2]) == model.best_validation_score_


@quiet
def test_the_validation_loss_is_that_of_the_held_rows():
    model = MLPClassifier(**QUICK, alpha=1.0).fit(X[::2], Y[::2], validation=(X[1::2], Y[1::2]))
    assert model.validation_loss_curve_[-1] == pytest.approx(log_loss(Y[1::2], model.predict_proba(X[1::2])))
    assert model.validation_scores_[-1] == model.score(X[1::2], Y[1::2])


@quiet
def test_several_labels_a_row_stop_early():
    rows, labels = make_multilabel_classification(n_samples=200, random_state=0)
    model = MLPClassifier(**{**QUICK, "max_iter": 500}, early_stopping=True, n_iter_no_change=5).fit(rows, labels)
    assert model.stopped_ == "early stopping"
    assert model.t_ == model.n_iter_ * 180  # a tenth was set aside
    assert len(model.validation_scores_) - 1 - int(np.argmax(model.validation_scores_)) > 5


def test_partial_fit_stops_by_rows_of_ones_own_and_restores_the_best():
    rows, labels = make_multilabel_classification(n_samples=200, random_state=0)
    model = MLPClassifier(**QUICK, early_stopping=True, n_iter_no_change=5)
    model.stopped_ = ""
    while not model.stopped_:
        model.partial_fit(rows[:100], labels[:100], classes=range(5), validation=(rows[100:], labels[100:]))
    assert model.stopped_ == "early stopping"
    assert len(model.validation_scores_) - 1 - int(np.argmax(model.validation_scores_)) > 5
    assert model.score(rows[100:], labels[100:]) == model.best_validation_score_


@quiet
def test_a_warm_start_restores_the_best_of_all_its_fits():
    model = MLPClassifier(**{**QUICK, "max_iter": 12}, early_stopping=True, warm_start=True)
    for seed in range(3):
        model.fit(X[::2], Y[::2], validation=(X[1::2], Y[1::2]))
        assert model.score(X[1::2], Y[1::2]) == model.best_validation_score_, seed


@quiet
def test_rows_to_score_need_not_show_every_class():
    model = MLPClassifier(**QUICK, warm_start=True)
    for _ in range(2):
        model.fit(X, Y, validation=(X[:60], Y[:60]))
    assert len(model.validation_scores_) == 2 * QUICK["max_iter"]
    with pytest.raises(ValueError, match=r"classes \[3 4\] that are not in"):
        model.fit(X, Y, validation=(X[:60], Y[:60] + 3))
    with pytest.raises(ValueError, match=r"\(X, y, sample_weight\); got ndarray"):
        model.fit(X, Y, validation=X)


@quiet
def test_callbacks_see_each_epoch_and_can_end_the_training():
    seen = []
    model = fitted(callbacks=[lambda row, w: seen.append(row["loss"]) or len(seen) == 7])
    assert model.stopped_ == "callback"
    assert seen == model.loss_curve_
    assert model.n_iter_ == 7


def test_a_divergence_says_where_and_what_to_do():
    with pytest.raises(ValueError, match=r"(?s)non-finite.*layer \d.*learning_rate_init=1e\+150"):
        fitted(NUMBERS, MLPRegressor, solver="sgd", learning_rate_init=1e150)


# ---- looking at it -----------------------------------------------------------------------------------------


@quiet
def test_a_fitted_model_is_diagnosed():
    points, y = xor()
    model = MLPClassifier(hidden_layer_sizes=4, max_iter=300, learning_rate_init=0.1, random_state=0, keep_data=True)
    diagnosis = model.fit(points, y).diagnose_(budget=2, progress=False)
    assert diagnosis.verdict
    with pytest.raises(OptionError, match=r"keep_data=True"):
        fitted().diagnose_()


@quiet
def test_the_precision_can_be_lowered():
    assert fitted(precision="float32").coefs_[0].dtype == np.float32


def test_going_on_with_other_layers_is_refused():
    model = fitted(max_iter=300, learning_rate_init=0.05)
    model.set_params(hidden_layer_sizes=(9,))
    with pytest.raises(OptionError, match=r"hidden_layer_sizes and y ask for \[9, 3\]"):
        model.partial_fit(X, Y)
