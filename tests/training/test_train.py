"""What train() does, each time recomputed by hand from the recipe's definitions."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from unstuck import (
    SGD,
    Adam,
    DataError,
    Dense,
    Dropout,
    EarlyStopping,
    Inputs,
    Momentum,
    Network,
    OptionError,
    Recipe,
    RecipeError,
    ReduceOnPlateau,
    Targets,
    WarmUp,
    check_gradient,
    train,
    train_many,
)
from unstuck.data import sparse
from unstuck.engines import ENGINES, backprop
from unstuck.engines.engine import Descent
from unstuck.random import batch_order

random = np.random.default_rng(0)
X = random.normal(size=(50, 3))
NUMBERS = X @ [1.0, -2.0, 0.5] + 0.3 * random.normal(size=50)
LABELS = np.array(["no", "yes"])[(NUMBERS > 0.4).astype(int)]

LINEAR = Recipe([Dense(1)], loss="squared_error", optimizer=SGD(0.05), batch_size=16, epochs=4, precision="float64")
CLASSES = Recipe(
    [Dense(6, "tanh"), Dense(2, "softmax")],
    loss="categorical_crossentropy",
    optimizer=SGD(0.1),
    batch_size=16,
    epochs=4,
    precision="float64",
)


def by_hand(recipe, X, Y, weights=None):
    """Plain stochastic gradient descent; return the parameters after, and the costs of, every update by epoch."""
    network = Network(recipe, X.shape[1])
    w = network.start()
    n = len(X)
    size = n if recipe.batch_size == "full" else min(n, recipe.batch_size)
    epochs, t = [], 0
    for epoch in range(recipe.epochs):
        order = batch_order(recipe.seed, epoch, n) if recipe.shuffle and size < n else np.arange(n)
        updates = []
        for rows in (order[k : k + size] for k in range(0, n, size)):
            of_rows = None if weights is None else weights[rows]
            cost, g = backprop.cost_and_gradient(network, w, X[rows], Y[rows], of_rows, t)
            w = w - recipe.optimizer.learning_rate * g
            updates.append((cost, len(rows), w))
            t += 1
        epochs.append(updates)
    return epochs


def loss_of_epoch(updates):
    return sum(cost * rows for cost, rows, _ in updates) / sum(rows for _, rows, _ in updates)


def test_history_has_one_row_an_epoch_and_the_columns_it_documents():
    run = train(CLASSES.replace(metrics=("accuracy", "roc_auc"), validation_fraction=0.2), X, LABELS)
    assert run.history.columns == (
        *("epoch", "step", "loss", "learning_rate", "seconds", "training_loss", "accuracy", "roc_auc"),
        *("validation_loss", "validation_accuracy", "validation_roc_auc"),
    )
    assert run.history["epoch"].tolist() == [1, 2, 3, 4]
    assert run.history["step"].tolist() == [3, 6, 9, 12]
    assert run.history["learning_rate"].tolist() == [0.1] * 4
    assert (np.diff(run.history["seconds"]) > 0).all()
    assert run.stopped == "all epochs"
    assert run.failure == ""


@pytest.mark.parametrize("batch_size", [1, 7, 16, 50, 1000, "full"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
def test_parameters_and_losses_are_those_of_the_definition(batch_size, shuffle, engine):
    recipe = LINEAR.replace(batch_size=batch_size, shuffle=shuffle)
    run = train(recipe, X, NUMBERS, engine=engine)
    epochs = by_hand(recipe, X, NUMBERS[:, None])
    assert np.allclose(run.final_parameters, epochs[-1][-1][-1], rtol=1e-12)
    assert np.allclose(run.history["loss"], [loss_of_epoch(updates) for updates in epochs], rtol=1e-12)


def test_a_full_batch_is_never_shuffled():
    batches = [LINEAR.replace(batch_size="full", shuffle=shuffle, seed=5) for shuffle in (True, False)]
    first, second = (train(recipe, X, NUMBERS).final_parameters for recipe in batches)
    assert (first == second).all()


def test_dropout_counts_in_the_loss_but_not_in_metrics_and_predictions():
    recipe = CLASSES.replace(layers=[Dense(6, "tanh"), Dropout(0.5), Dense(2, "softmax")])
    run = train(recipe, X, LABELS)
    epochs = by_hand(recipe, X, np.eye(2)[(LABELS == "yes").astype(int)])
    assert np.allclose(run.final_parameters, epochs[-1][-1][-1], rtol=1e-12)
    assert np.allclose(run.history["loss"], [loss_of_epoch(updates) for updates in epochs], rtol=1e-12)
    assert run.history["accuracy"][-1] == np.mean(run.predict(X) == LABELS) == run.score(X, LABELS)


def test_record_every():
    every, third = (train(LINEAR.replace(epochs=10, record_every=k), X, NUMBERS) for k in (1, 4))
    assert third.history["epoch"].tolist() == [4, 8, 10]
    assert third.history["loss"].tolist() == every.history["loss"][[3, 7, 9]].tolist()


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_precision(precision):
    run = train(CLASSES.replace(precision=precision, optimizer="adam"), X, LABELS)
    assert run.final_parameters.dtype == run.best_parameters.dtype == precision
    assert run.outputs(X).dtype == precision


def test_one_row_and_one_unit():
    run = train(LINEAR.replace(epochs=200, optimizer=SGD(0.1)), [[2.0]], [3.0])
    assert run.predict([[2.0]]) == pytest.approx([3.0])
    assert np.isnan(run.history["r2"]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_engine_by_name(engine):
    assert train(LINEAR, X, NUMBERS, engine=engine).engine == engine
    with pytest.raises(OptionError, match=f"did you mean '{engine}'"):
        train(LINEAR, X, NUMBERS, engine=engine[:-1])


# Validation ---------------------------------------------------------------------------------------------------------


def test_scaling_is_fitted_on_the_training_part_only():
    recipe = LINEAR.replace(
        inputs=Inputs(scaling="standard"), targets=Targets(scaling="minmax"), validation_fraction=0.3
    )
    features, numbers = X.copy(), NUMBERS.copy()
    whole = train(recipe, features, numbers)
    held = {tuple(row) for row in X} - {tuple(row) for row in _rows_in(whole, X)}
    assert len(held) == 15
    spoiled = np.array([tuple(row) in held for row in X])
    features[spoiled] += 1000
    numbers[spoiled] *= 50
    again = train(recipe, features, numbers)
    assert again.inputs == whole.inputs
    assert again.targets == whole.targets
    assert again.final_parameters.tolist() == whole.final_parameters.tolist()
    assert again.history["validation_loss"][-1] != whole.history["validation_loss"][-1]


def _rows_in(run, X):
    """The 35 rows whose mean and deviation are those the run was scaled by."""
    from unstuck.data.splits import hold_out

    kept, _ = hold_out(NUMBERS, 0.3, run.recipe.seed, stratify=False)
    assert np.allclose(run.inputs.shift, X[kept].mean(axis=0))
    assert np.allclose(run.inputs.scale, X[kept].std(axis=0))
    return X[kept]


def test_validation_loss_and_metrics_are_those_of_the_validation_rows():
    weights = random.uniform(0.5, 2, 20)
    run = train(LINEAR, X[:30], NUMBERS[:30], validation=(X[30:], NUMBERS[30:], weights))
    errors = (run.predict(X[30:]) - NUMBERS[30:]) ** 2
    assert run.history["validation_loss"][-1] == pytest.approx(np.average(errors, weights=weights))
    assert run.history["validation_r2"][-1] == pytest.approx(run.score(X[30:], NUMBERS[30:]))
    assert run.final_parameters.tolist() == train(LINEAR, X[:30], NUMBERS[:30]).final_parameters.tolist()


def test_own_validation_rows_take_the_place_of_the_fraction():
    recipe = LINEAR.replace(validation_fraction=0.5)
    run = train(recipe, X, NUMBERS, validation=(X, NUMBERS))
    assert run.final_parameters.tolist() == train(LINEAR, X, NUMBERS).final_parameters.tolist()


def test_weights_follow_their_rows_into_the_held_out_part():
    weights = random.uniform(0.1, 3, 50)
    recipe = CLASSES.replace(validation_fraction=0.2)
    table = pl.DataFrame(X, schema=["a", "b", "c"])
    runs = [train(recipe, features, LABELS, sample_weight=weights) for features in (X, table, X.tolist())]
    assert len({run.final_parameters.tobytes() for run in runs}) == 1
    from unstuck.data.splits import hold_out

    kept, held = hold_out(LABELS, 0.2, recipe.seed, stratify=True)
    own = train(
        recipe, X[kept], LABELS[kept], validation=(X[held], LABELS[held], weights[held]), sample_weight=weights[kept]
    )
    assert own.history["validation_loss"].tolist() == runs[0].history["validation_loss"].tolist()


# Weights ------------------------------------------------------------------------------------------------------------


def test_balanced_class_weights_are_those_of_scikit_learn_and_equal_to_row_weights():
    from sklearn.utils.class_weight import compute_class_weight

    uneven = np.array(["a", "b", "c"])[np.repeat([0, 1, 2], [30, 15, 5])]
    recipe = CLASSES.replace(layers=[Dense(3, "softmax")])
    classes = np.unique(uneven)
    factors = dict(zip(classes.tolist(), compute_class_weight("balanced", classes=classes, y=uneven), strict=True))
    runs = [
        train(recipe.replace(class_weights="balanced"), X, uneven),
        train(recipe.replace(class_weights=factors), X, uneven),
        train(recipe, X, uneven, sample_weight=[factors[label] for label in uneven]),
    ]
    assert np.ptp([run.final_parameters for run in runs], axis=0).max() < 1e-15
    assert not np.allclose(runs[0].final_parameters, train(recipe, X, uneven).final_parameters)


def test_class_and_row_weights_multiply_and_classes_left_out_weigh_one():
    weights = random.uniform(0.5, 2, 50)
    both = train(CLASSES.replace(class_weights={"yes": 3.0}), X, LABELS, sample_weight=weights)
    rows = train(CLASSES, X, LABELS, sample_weight=np.where(LABELS == "yes", 3.0, 1.0) * weights)
    assert both.final_parameters.tolist() == rows.final_parameters.tolist()


def test_a_row_of_weight_zero_is_a_row_left_out():
    recipe = LINEAR.replace(batch_size="full")
    weights = np.where(np.arange(50) % 3, 1.0, 0.0)
    weighted = train(recipe, X, NUMBERS, sample_weight=weights)
    without = train(recipe, X[weights > 0], NUMBERS[weights > 0])
    assert np.allclose(weighted.final_parameters, without.final_parameters, rtol=1e-12)


def test_a_mini_batch_of_weight_zero_changes_nothing():
    recipe = LINEAR.replace(batch_size=10, shuffle=False, epochs=1)
    weights = np.where(np.arange(50) < 40, 1.0, 0.0)
    weighted = train(recipe, X, NUMBERS, sample_weight=weights)
    assert np.allclose(weighted.final_parameters, train(recipe, X[:40], NUMBERS[:40]).final_parameters, rtol=1e-12)


# Stopping -----------------------------------------------------------------------------------------------------------


def parameters_by_epoch(recipe, *data, **options):
    kept = []
    run = train(recipe, *data, callbacks=[lambda row, w: kept.append(w)], **options)
    return run, np.array(kept)


OVERFITTING = CLASSES.replace(layers=[Dense(40, "tanh"), Dense(2, "softmax")], optimizer=Adam(0.05), epochs=80)


def test_early_stopping_restores_the_best_parameters():
    recipe = OVERFITTING.replace(early_stopping=EarlyStopping(patience=5))
    run, by_epoch = parameters_by_epoch(recipe, X[:30], LABELS[:30], validation=(X[30:], LABELS[30:]))
    network, held = run.network, np.eye(2)[(LABELS[30:] == "yes").astype(int)]
    losses = [backprop.cost(network, w, X[30:], held) for w in by_epoch]
    best = int(np.argmin(losses))
    assert run.stopped == "early stopping"
    assert len(losses) == best + 1 + 5 < 80
    assert run.best_epoch == best + 1
    assert (run.parameters == by_epoch[best]).all()
    assert (run.parameters == run.best_parameters).all()
    assert (run.final_parameters == by_epoch[-1]).all()
    outputs = backprop.forward(network, by_epoch[best], X)[-1].a
    np.testing.assert_allclose(run.outputs(X), outputs, rtol=1e-12)


def test_the_last_parameters_predict_unless_the_best_are_to_be_restored():
    stopping = EarlyStopping(patience=5, restore_best=False)
    run = train(OVERFITTING.replace(early_stopping=stopping), X[:30], LABELS[:30], validation=(X[30:], LABELS[30:]))
    assert (run.parameters == run.final_parameters).all()
    assert (run.parameters != run.best_parameters).any()


def test_min_delta_decides_when_to_stop_but_not_which_parameters_are_best():
    free = train(LINEAR.replace(epochs=200), X, NUMBERS).history["training_loss"]
    to_beat, waited, stop = np.inf, 0, 0
    while waited < 3:
        to_beat, waited = (free[stop], 0) if free[stop] < to_beat - 0.01 else (to_beat, waited + 1)
        stop += 1
    run = train(LINEAR.replace(epochs=200, early_stopping=EarlyStopping(patience=3, min_delta=0.01)), X, NUMBERS)
    assert run.stopped == "early stopping"
    assert run.history["training_loss"].tolist() == free[:stop].tolist()
    assert run.best_epoch == np.argmin(free[:stop]) + 1 > stop - 3


def test_stop_at_loss():
    free = train(LINEAR.replace(epochs=30), X, NUMBERS)
    goal = float(free.history["loss"][7])
    run = train(LINEAR.replace(epochs=30, stop_at_loss=goal, record_every=5), X, NUMBERS)
    first = int(np.flatnonzero(free.history["loss"] <= goal)[0]) + 1
    assert run.stopped == "target loss"
    assert run.history["epoch"].tolist() == [*range(5, first, 5), first]


def test_time_budget_stops_between_two_updates():
    run = train(LINEAR.replace(epochs=1_000_000_000), X, NUMBERS, time_budget=0.05)
    assert run.stopped == "time budget"
    assert len(run.history) > 1
    assert 0.05 <= run.seconds < 5


def test_a_training_that_ends_before_its_first_record():
    run = train(LINEAR, X, NUMBERS, time_budget=1e-9)
    assert run.stopped == "time budget"
    assert len(run.history) == 0
    assert repr(run) == "Run(stopped='time budget')"
    assert run.parameters.tolist() == run.network.start().tolist()
    assert run.best_epoch == 0
    assert run.plot().axes
    with pytest.raises(OptionError, match="the history is empty"):
        run.history["loss"]


@pytest.mark.parametrize("budget", [0, -1, float("nan")])
def test_time_budget_must_be_positive(budget):
    with pytest.raises(OptionError, match="time_budget"):
        train(LINEAR, X, NUMBERS, time_budget=budget)


def test_callbacks_see_each_record_and_can_stop():
    seen = []

    def stop_at_three(row, w):
        seen.append(dict(row))
        return row["epoch"] == 3

    run = train(LINEAR, X, NUMBERS, callbacks=[lambda row, w: None, stop_at_three])
    assert run.stopped == "callback"
    assert len(run.history) == 3
    assert seen == run.history.frame().to_dicts()


def test_a_callback_cannot_change_the_parameters():
    def spoil(row, w):
        w[:] = 0

    assert (train(LINEAR, X, NUMBERS, callbacks=[spoil]).parameters == train(LINEAR, X, NUMBERS).parameters).all()


def test_the_exception_of_a_callback_reaches_the_user():
    with pytest.raises(ZeroDivisionError):
        train(LINEAR, X, NUMBERS, callbacks=[lambda row, w: 1 / 0])


def test_a_reason_of_the_recipe_comes_before_the_wish_of_a_callback():
    run = train(LINEAR, X, NUMBERS, callbacks=[lambda row, w: row["epoch"] == 4])
    assert run.stopped == "all epochs"


@pytest.mark.parametrize("warm_up", [False, True])
def test_reduce_on_plateau_divides_the_rate_when_the_loss_does_not_fall(warm_up):
    reduce = ReduceOnPlateau(drop=0.5, patience=2, threshold=0.0, lowest=0.1)
    recipe = LINEAR.replace(schedule=WarmUp(1, then=reduce) if warm_up else reduce, epochs=60, optimizer=Momentum(0.15))
    run = train(recipe, X, NUMBERS)
    losses, rate, best, waited, expected = run.history["training_loss"], 0.15, np.inf, 0, []
    for loss in losses:
        expected.append(rate)
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited > 2:
            rate, waited = max(rate / 2, 0.015), 0
    assert len(set(expected)) > 2
    assert np.allclose(run.history["learning_rate"], expected)


# Numbers that are not finite ----------------------------------------------------------------------------------------


def assert_diverged_but_finite(run, X, Y):
    assert run.stopped == "diverged"
    for w in (run.final_parameters, run.best_parameters):
        assert np.isfinite(w).all()
        rows = _rows_of_the_last_update(run) if w is run.final_parameters else np.arange(len(X))
        assert np.isfinite(backprop.cost(run.network, w, X[rows], Y[rows]))
    assert all(np.isfinite(run.history[name]).all() for name in run.history.columns)
    assert run.plot().axes


def _rows_of_the_last_update(run):
    size = 50 if run.recipe.batch_size == "full" else run.recipe.batch_size
    epoch, number = divmod(int(run.failure.split("at step ")[1]) - 1, -(-50 // size))
    order = batch_order(run.recipe.seed, epoch, 50) if size < 50 else np.arange(50)
    return order[number * size : (number + 1) * size]


EXPLOSIVE = Recipe(
    [Dense(4, "exponential"), Dense(4, "exponential"), Dense(1)],
    loss="squared_error",
    optimizer=SGD(0.3),
    epochs=50,
    precision="float64",
)


@pytest.mark.parametrize("batch_size", [1, 16, 50, "full"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_loss_that_explodes_ends_the_training_with_its_last_finite_parameters(batch_size, precision, engine):
    run = train(EXPLOSIVE.replace(batch_size=batch_size, precision=precision), X, NUMBERS, engine=engine)
    assert_diverged_but_finite(run, X.astype(precision), NUMBERS[:, None].astype(precision))
    assert run.failure.startswith(("activations of layer", "pre-activations of layer", "loss on the outputs of layer"))
    assert "exponential" in run.failure or "identity" in run.failure
    step = int(run.failure.split("at step ")[1])
    assert step >= 1
    rows = 50 if batch_size == "full" else batch_size
    epochs_before = step // -(-50 // rows)
    recipe = EXPLOSIVE.replace(batch_size=batch_size, precision=precision, epochs=step)
    same = train(recipe, X, NUMBERS, engine=engine)
    assert same.failure == run.failure
    assert len(run.history) in (epochs_before, epochs_before - 1)


def test_the_parameters_kept_are_those_before_the_update_that_broke():
    recipe = LINEAR.replace(optimizer=SGD(1e60), batch_size="full", epochs=9)
    run = train(recipe, X, NUMBERS)
    with np.errstate(all="ignore"):
        epochs = by_hand(recipe, X, NUMBERS[:, None])
    network = run.network
    with np.errstate(all="ignore"):
        finite = [np.isfinite(backprop.cost(network, w, X, NUMBERS[:, None])) for ((_, _, w),) in epochs]
    last = finite.index(False) - 1
    assert last >= 0
    np.testing.assert_allclose(run.final_parameters, epochs[last][0][2], rtol=1e-12)
    assert run.failure == f"loss on the outputs of layer 1 (1 units, identity) not finite at step {last + 2}"


@given(
    rate=st.floats(0, 300).map(lambda exponent: 10.0**exponent),
    batch_size=st.sampled_from([13, "full"]),
    epochs=st.integers(1, 4),
    hidden=st.sampled_from(["relu", "sigmoid", "exponential"]),
    kind=st.sampled_from(["sgd", "momentum", "adam", "rprop"]),
    engine=st.sampled_from(sorted(ENGINES)),
)
@settings(max_examples=150, deadline=None)
def test_whatever_the_rate_a_run_is_finite(rate, batch_size, epochs, hidden, kind, engine):
    optimizer = {"kind": kind, "learning_rate": rate}
    layers = [Dense(3, hidden), Dense(1)]
    recipe = LINEAR.replace(layers=layers, batch_size=batch_size, epochs=epochs, optimizer=optimizer)
    run = train(recipe, X, NUMBERS, engine=engine)
    assert run.stopped in ("all epochs", "diverged")
    assert bool(run.failure) == (run.stopped == "diverged")
    assert np.isfinite(run.final_parameters).all()
    assert np.isfinite(run.best_parameters).all()
    if len(run.history):
        assert np.isfinite(run.outputs(X)).all()


def test_a_gradient_that_is_not_finite_while_the_loss_is():
    recipe = Recipe(
        [Dense(1, bias=False, weight_start="zeros"), Dense(1, "exponential", bias=False)],
        loss="squared_error",
        optimizer=SGD(1.0),
        batch_size="full",
        precision="float32",
    )
    run = train(recipe, [[3e38], [3e38], [3e38]], [1e5, 1e5, 1e5])
    assert run.stopped == "diverged"
    assert run.failure == "gradient of layer 1 (1 units, identity) not finite at step 0"
    assert run.parameters.tolist() == run.network.start().tolist()


def test_infinite_weights_behind_a_saturated_unit_are_noticed():
    recipe = LINEAR.replace(layers=[Dense(1, "sigmoid")], optimizer=SGD(1e308), batch_size="full", epochs=1)
    run = train(recipe, X, NUMBERS * 1e3)
    assert run.failure == "pre-activations of layer 1 (1 units, sigmoid) not finite at step 1"
    assert_diverged_but_finite(run, X, NUMBERS[:, None] * 1e3)


# Bad input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad_X", "message"),
    [
        (None, "array of objects"),
        (5, "shape"),
        (X[:, 0], "reshape"),
        (X[:10], "10 rows of features and 50 targets"),
        (X.T, "pass X.T"),
        ([[1.0], [1.0, 2.0]] * 25, "differ in length"),
        (np.where(X > 2, np.nan, X), "missing values"),
        (np.where(X > 2, np.inf, X), "infinite"),
    ],
)
def test_bad_features(bad_X, message):
    with pytest.raises(DataError, match=message):
        train(LINEAR.replace(validation_fraction=0.2), bad_X, NUMBERS)


@pytest.mark.parametrize("fraction", [0.0, 0.2])
@pytest.mark.parametrize(("value", "what"), [(np.nan, "missing values"), (np.inf, "infinite values")])
def test_bad_rows_are_counted_as_they_were_given(fraction, value, what):
    one_bad = X.copy()
    one_bad[37, 1] = value
    with pytest.raises(DataError, match=f"{what}: 1 in column 'x1', first in row 37 "):
        train(LINEAR.replace(validation_fraction=fraction), one_bad, NUMBERS)
    names = ["1"] * 37 + ["x"] + ["2"] * 12
    with pytest.raises(DataError, match="column 'name' of X holds text, 'x' in row 37 "):
        train(LINEAR.replace(validation_fraction=fraction), {"name": names}, NUMBERS)


def test_targets_are_counted_as_they_were_given():
    held = CLASSES.replace(validation_fraction=0.4)
    with pytest.raises(DataError, match="all 50 targets are 'yes'"):
        train(held, X, ["yes"] * 50)
    with pytest.raises(
        DataError, match=r"holding out 0.4 of 3 rows leaves 1 to train on, and none of class '(yes|no)'"
    ):
        train(held, X[:3], ["no", "yes", "yes"])


def test_sparse_features():
    run, dense = (train(LINEAR, rows, NUMBERS, progress=False) for rows in (csr_array(X), X))
    assert (run.final_parameters == dense.final_parameters).all()
    np.testing.assert_array_equal(run.predict(csr_array(X)), dense.predict(X))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("changes", [{}, {"shuffle": False}, {"stop_at_loss": 0.8}, {"optimizer": SGD(1e9)}])
def test_sparse_features_too_large_for_an_array_give_the_same(engine, weighted, changes, monkeypatch):
    recipe = LINEAR.replace(layers=[Dense(5, "tanh"), Dropout(0.2), Dense(1)], validation_fraction=0.2, **changes)
    options = {"sample_weight": random.uniform(0, 2, 50) if weighted else None, "engine": engine, "progress": False}
    dense = train(recipe, X, NUMBERS, **options)
    monkeypatch.setattr(sparse, "DENSE_BYTES", 400)  # 16 rows
    run = train(recipe, csr_array(X), NUMBERS, **options)
    assert (run.stopped, run.failure) == (dense.stopped, dense.failure)
    np.testing.assert_allclose(run.final_parameters, dense.final_parameters, rtol=1e-12)
    assert len(run.history) == len(dense.history)
    for column in set(run.history.columns) - {"seconds"} if len(run.history) else ():
        np.testing.assert_allclose(run.history[column], dense.history[column], rtol=1e-9)
    np.testing.assert_allclose(run.outputs(csr_array(X)), run.outputs(X), rtol=1e-12)


@pytest.mark.parametrize(
    ("bad_y", "message"),
    [
        (None, "y is missing"),
        (5, "shape"),
        ([], "shape"),
        (np.where(NUMBERS > 1, np.nan, NUMBERS), "NaN or infinite"),
        (LABELS, "holds text"),
        (np.ones((50, 2)), "2 numbers a row"),
    ],
)
def test_bad_targets(bad_y, message):
    with pytest.raises(DataError, match=message):
        train(LINEAR, X, bad_y)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("heavy", "numbers"),
        ([1.0, 2.0], "shape"),
        (-np.ones(50), "negative"),
        (np.zeros(50), "all zero"),
        (np.full(50, np.nan), "finite"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(DataError, match=message):
        train(LINEAR, X, NUMBERS, sample_weight=weights)


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        (X, "pair"),
        ((X,), "pair"),
        ((X, NUMBERS[:3]), "the validation data have 50 rows of features and 3 targets"),
        ((X[:, :2], NUMBERS), "2 columns"),
        ((X, NUMBERS, [1.0]), "sample_weight"),
    ],
)
def test_bad_validation(validation, message):
    with pytest.raises(DataError, match=message):
        train(LINEAR, X, NUMBERS, validation=validation)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"layers": []}, X, NUMBERS), r"a Recipe is needed, .*; got a dict: Recipe.from_data\(...\) makes"),
        (("adam", X, NUMBERS), "got a str"),
        ((None, X, NUMBERS), "got None"),
        ((X, NUMBERS, LINEAR), r"the recipe comes first: train\(recipe, X, y\); got a ndarray"),
        ((X, LINEAR, NUMBERS), "the recipe comes first"),
    ],
)
def test_what_is_no_recipe_is_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        train(*arguments)
    with pytest.raises(OptionError, match=message.replace(r"train\(recipe, X, y\)", r"train_many\(recipe, .*")):
        train_many(*arguments)


def test_labels_that_training_did_not_have():
    with pytest.raises(DataError, match="'maybe'"):
        train(CLASSES, X, LABELS, validation=(X[:2], ["yes", "maybe"]))


@pytest.mark.parametrize(("recipe", "y"), [(LINEAR, NUMBERS), (CLASSES, LABELS)])
def test_metrics_of_the_other_task_are_refused(recipe, y):
    with pytest.raises(RecipeError, match="cannot be measured on"):
        train(recipe.replace(metrics=("accuracy", "rmse")), X, y)


def test_class_weights_must_name_classes():
    with pytest.raises(DataError, match="maybe"):
        train(CLASSES.replace(class_weights={"maybe": 2.0}), X, LABELS)
    with pytest.raises(DataError, match="need classes"):
        train(LINEAR.replace(class_weights="balanced"), X, NUMBERS)


def test_the_user_s_arrays_are_left_alone():
    features, numbers = X.copy(), NUMBERS.copy()
    train(LINEAR.replace(inputs=Inputs(scaling="standard"), targets=Targets(scaling="standard")), features, numbers)
    check_gradient(LINEAR, features, numbers)
    assert (features == X).all()
    assert (numbers == NUMBERS).all()


def test_values_that_do_not_fit_into_float32_are_refused():
    large = np.full((4, 1), 1e39)
    recipe = Recipe([Dense(1)], loss="squared_error", epochs=1)
    with pytest.raises(DataError, match=r"as large as 1e\+39 do not fit into float32"):
        train(recipe, large, [1.0, 2.0, 3.0, 4.0])
    assert train(recipe.replace(precision="float64"), large, [1.0, 2.0, 3.0, 4.0]).stopped


def test_a_callback_can_change_the_learning_rate():
    run = train(LINEAR, X, NUMBERS, callbacks=[lambda row, w: 0.5 if row["epoch"] == 2 else None], progress=False)
    np.testing.assert_allclose(run.history["learning_rate"], [0.05, 0.05, 0.025, 0.025])
    assert run.stopped == "all epochs"


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (print, r"callbacks is a list; write callbacks=\[print\]"),
        (["print"], "a callback is a function, called with each record and the parameters; got 'print'"),
    ],
)
def test_bad_callbacks(callbacks, message):
    with pytest.raises(OptionError, match=message):
        train(LINEAR, X, NUMBERS, callbacks=callbacks)


def test_training_rows_need_not_be_measured():
    recipe = LINEAR.replace(validation_fraction=0.2)
    measured, plain = (train(recipe.replace(measure_training=measure), X, NUMBERS) for measure in (True, False))
    assert (measured.final_parameters == plain.final_parameters).all()
    assert set(measured.history.columns) - set(plain.history.columns) == {"training_loss", "r2"}
    assert measured.best_epoch == plain.best_epoch  # by the validation loss


def test_without_any_measured_loss_the_cost_of_the_updates_is_monitored():
    run = train(LINEAR.replace(measure_training=False, epochs=9, optimizer=SGD(0.5)), X, NUMBERS)
    assert run.best_epoch == 1 + run.history["loss"].argmin()


@pytest.mark.parametrize("changes", [{"layers": [Dense(2), Dense(1)]}, {"precision": "float32"}])
def test_a_start_of_another_network_is_refused(changes):
    w = Network(LINEAR, 3).start()
    with pytest.raises(OptionError, match=r"start has parameters of shape \(4,\) and float64"):
        train(LINEAR.replace(**changes), X, NUMBERS, start=Descent(w, {}, previous=w.copy()))
