"""Many networks at once: each the one that `train` returns."""

from __future__ import annotations

import signal
import sys
import threading
import time

import numpy as np
import pytest

from unstuck import (
    LBFGS,
    SGD,
    Adam,
    DataError,
    Dense,
    Dropout,
    EarlyStopping,
    Given,
    Inputs,
    OptionError,
    Recipe,
    RecipeError,
    ReduceOnPlateau,
    Targets,
    train,
    train_many,
)
from unstuck.engines import ENGINES
from unstuck.training import many, prepare
from unstuck.training.session import Session

random = np.random.default_rng(0)
X = random.normal(size=(60, 3))
NUMBERS = X @ [1.0, -2.0, 0.5] + 0.3 * random.normal(size=60)
LABELS = np.where(np.sin(3 * X[:, 0]) + X[:, 1] > 0, "up", "down")

CLASSES = Recipe(
    [Dense(8, "relu"), Dense(2, "softmax")], loss="categorical_crossentropy", optimizer="adam", batch_size=7, epochs=12
)
LINEAR = Recipe([Dense(4, "tanh"), Dense(1)], loss="squared_error", optimizer=SGD(0.05), batch_size=16, epochs=5)
ENDLESS = CLASSES.replace(epochs=10**9)


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def outcome(run):
    """All but the seconds, to the bit."""
    columns = {name: values.tobytes() for name, values in run.history.arrays().items() if name != "seconds"}
    arrays = (run.final_parameters.tobytes(), run.best_parameters.tobytes())
    facts = (run.recipe, run.inputs, run.targets, run.engine)
    return arrays, columns, run.best_epoch, run.stopped, run.failure, facts


def assert_as_alone(runs, recipes, *data, **options):
    __tracebackhide__ = True
    assert [outcome(run) for run in runs] == [outcome(train(recipe, *data, **options)) for recipe in recipes]


# Identity -----------------------------------------------------------------------------------------------------------

VARIED = [
    CLASSES,
    CLASSES.replace(layers=[Dense(8, "relu"), Dropout(0.3), Dense(2, "softmax")], seed=5),
    CLASSES.replace(optimizer=Adam(0.05), early_stopping=EarlyStopping(patience=2), validation_fraction=0.2, epochs=90),
    CLASSES.replace(validation_fraction=0.2, seed=3),
    CLASSES.replace(optimizer=LBFGS(), batch_size="full", epochs=20),
    CLASSES.replace(schedule=ReduceOnPlateau(drop=0.5, patience=1), stop_at_loss=0.6, epochs=60),
    CLASSES.replace(optimizer=SGD(1e30), precision="float64"),
    CLASSES.replace(layers=[Dense(300, "relu"), Dense(300, "relu"), Dense(2, "softmax")], batch_size="full", epochs=3),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_each_is_the_network_that_train_returns(engine):
    runs = train_many(VARIED, X, LABELS, engine=engine)
    assert {run.stopped for run in runs} >= {"all epochs", "early stopping", "target loss", "diverged"}
    assert_as_alone(runs, VARIED, X, LABELS, engine=engine)


@pytest.mark.parametrize("threads", ["1", "2", "5", "40"])
def test_the_number_of_threads_makes_no_difference(monkeypatch, threads):
    recipe = VARIED[1]
    expected = [outcome(run) for run in train_many(recipe, X, LABELS, seeds=8)]
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert [outcome(run) for run in train_many(recipe, X, LABELS, seeds=8)] == expected


def test_recipes_that_prepare_the_data_differently():
    recipes = [
        CLASSES,
        CLASSES.replace(seed=1),
        CLASSES.replace(inputs=Inputs(scaling="standard")),
        CLASSES.replace(targets=Targets(coding="one_hot")),
        CLASSES.replace(layers=[Dense(1, "sigmoid")], loss="binary_crossentropy"),
        CLASSES.replace(layers=[Dense(1)], loss="hinge"),
        CLASSES.replace(layers=[Dense(2)], loss="hinge"),
        CLASSES.replace(class_weights="balanced"),
        CLASSES.replace(class_weights={"up": 3.0}),
        CLASSES.replace(metrics=("f1_macro", "roc_auc")),
        CLASSES.replace(precision="float64"),
        CLASSES.replace(validation_fraction=0.3),
        CLASSES.replace(validation_fraction=0.3, seed=1),
    ]
    assert_as_alone(train_many(recipes, X, LABELS), recipes, X, LABELS)
    weights = random.uniform(0.5, 2, 40)
    options = {"validation": (X[40:], LABELS[40:]), "sample_weight": weights}
    assert_as_alone(train_many(recipes, X[:40], LABELS[:40], **options), recipes, X[:40], LABELS[:40], **options)


def test_the_results_are_in_order_whichever_ends_first():
    recipes = [LINEAR.replace(epochs=epochs, record_every=epochs) for epochs in (3000, 1, 2, 500, 3)]
    runs = train_many(recipes, X, NUMBERS)
    assert [run.recipe for run in runs] == recipes
    assert [run.history["epoch"][-1] for run in runs] == [3000, 1, 2, 500, 3]


def test_seeds_by_number_or_one_by_one():
    recipe = LINEAR.replace(seed=7)
    runs = train_many(recipe, X, NUMBERS, seeds=3)
    assert_as_alone(runs, [recipe.replace(seed=seed) for seed in (7, 8, 9)], X, NUMBERS)
    assert len(train_many(recipe, X, NUMBERS, seeds=np.int64(4))) == 4
    for seeds in ([9, 7], range(9, 5, -2), np.array([9, 7])):
        chosen = train_many(recipe, X, NUMBERS, seeds=seeds)
        assert [outcome(run) for run in chosen] == [outcome(runs[2]), outcome(runs[0])]


def test_no_recipes_no_runs():
    assert train_many([], X, NUMBERS) == []


def test_a_thread_can_train_many():
    runs = []
    thread = threading.Thread(target=lambda: runs.extend(train_many(LINEAR, X, NUMBERS, seeds=3)))
    thread.start()
    thread.join()
    assert_as_alone(runs, [LINEAR.replace(seed=seed) for seed in range(3)], X, NUMBERS)


# How it is done -----------------------------------------------------------------------------------------------------


def test_data_are_prepared_once_for_all_seeds(monkeypatch):
    calls = []
    whole = prepare.prepare
    monkeypatch.setattr(prepare, "prepare", lambda recipe, *data: calls.append(recipe) or whole(recipe, *data))
    train_many(CLASSES, X, LABELS, seeds=5)
    assert len(calls) == 1


@pytest.mark.parametrize(("threads", "networks", "at_once", "each"), [(3, 7, 3, 1), (3, 2, 2, 1), (7, 3, 3, 2)])
def test_networks_share_the_threads(monkeypatch, threads, networks, at_once, each):
    """Each training waits for as many others as there should be at that time."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    met = threading.Barrier(at_once)
    first = threading.Semaphore(at_once)
    of_engines = []

    def carried_out(session, whole=many.carry_out):
        of_engines.append(session.engine._threads)
        if first.acquire(blocking=False):
            met.wait(timeout=60)
        whole(session)

    monkeypatch.setattr(many, "carry_out", carried_out)
    assert_as_alone(
        train_many(CLASSES, X, LABELS, seeds=networks),
        [CLASSES.replace(seed=seed) for seed in range(networks)],
        *(X, LABELS),
    )
    assert of_engines == [each] * networks


# Ending early -------------------------------------------------------------------------------------------------------


def assert_never_begun(run, stopped):
    assert run.stopped == stopped
    assert len(run.history) == run.best_epoch == 0
    assert run.final_parameters.tolist() == run.best_parameters.tolist() == run.network.start().tolist()


def test_the_time_budget_is_for_all_together():
    runs = train_many(ENDLESS, X, LABELS, seeds=6, time_budget=0.3)
    assert [run.stopped for run in runs] == ["time budget"] * 6
    assert len(runs[0].history) > 1
    for run in runs[2:]:
        assert_never_begun(run, "time budget")


def at_the_third_record_of_the_first(monkeypatch, action):
    whole = Session.record

    def record(session, epoch, *costs, **rate):
        whole(session, epoch, *costs, **rate)
        if session.recipe.seed == 0 and epoch == 3:
            action()

    monkeypatch.setattr(Session, "record", record)


def press_ctrl_c():
    usual = signal.default_int_handler
    signal.raise_signal(signal.SIGINT)
    while signal.getsignal(signal.SIGINT) is not usual:  # the main thread has not noticed yet
        time.sleep(0.001)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_ctrl_c_ends_all_and_returns_what_was_reached(monkeypatch, optimizer, engine):
    usual = signal.getsignal(signal.SIGINT)
    recipe = ENDLESS.replace(optimizer=optimizer, batch_size="full")
    slow = recipe.replace(optimizer="adam", seed=1)
    at_the_third_record_of_the_first(monkeypatch, press_ctrl_c)
    runs = train_many([recipe, slow, recipe.replace(seed=2), slow.replace(seed=3)], X, LABELS, engine=engine)
    assert signal.getsignal(signal.SIGINT) is usual
    assert [run.stopped for run in runs] == ["interrupted"] * 4
    for run in runs[2:]:
        assert_never_begun(run, "interrupted")
    three = train(recipe.replace(epochs=3), X, LABELS, engine=engine)
    assert runs[0].history["loss"].tolist() == three.history["loss"].tolist()
    assert runs[0].final_parameters.tolist() == three.final_parameters.tolist()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_second_ctrl_c_interrupts_as_usual(monkeypatch):
    usual = signal.getsignal(signal.SIGINT)

    def press_twice():
        press_ctrl_c()
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.2)

    at_the_third_record_of_the_first(monkeypatch, press_twice)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        train_many(ENDLESS, X, LABELS, seeds=6)
    assert signal.getsignal(signal.SIGINT) is usual
    assert threading.active_count() == before


def test_an_error_on_the_way_ends_all_and_reaches_the_user(monkeypatch):
    before = threading.active_count()
    at_the_third_record_of_the_first(monkeypatch, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_many(ENDLESS, X, LABELS, seeds=[4, 0, 2])
    assert threading.active_count() == before


# Bad arguments ------------------------------------------------------------------------------------------------------


@pytest.fixture
def untrained(monkeypatch):
    def fail(session):
        raise AssertionError("a training began")

    monkeypatch.setattr(many, "carry_out", fail)


@pytest.mark.usefixtures("untrained")
def test_all_recipes_that_do_not_fit_are_named_before_any_training():
    off = Dense(2, "softmax", weight_start=Given(np.ones((2, 2))))
    recipes = [CLASSES, CLASSES.replace(metrics=("r2",)), CLASSES, CLASSES.replace(layers=[Dense(5), off])]
    with pytest.raises(RecipeError) as caught:
        train_many(recipes, X, LABELS)
    assert [place for place, _ in caught.value.problems] == ["recipes.1.metrics", "recipes.3.layers.1.weight_start"]
    assert str(caught.value).startswith("2 problems in these recipes:\n  recipes.1.metrics: r2 cannot be measured")


@pytest.mark.usefixtures("untrained")
def test_data_that_do_not_fit_one_of_the_recipes():
    recipes = [CLASSES, CLASSES.replace(layers=[Dense(5, "softmax")])]
    with pytest.raises(DataError, match=r"^recipes\.1: y has 2 classes"):
        train_many(recipes, X, LABELS)


@pytest.mark.usefixtures("untrained")
def test_one_recipe_needs_no_name():
    with pytest.raises(DataError, match=r"^the training data have 60 rows of features and 59 targets"):
        train_many(CLASSES, X, LABELS[1:], seeds=3)
    with pytest.raises(RecipeError, match=r"in this recipe:\n  metrics: r2 cannot"):
        train_many(CLASSES.replace(metrics=("r2",)), X, LABELS, seeds=3)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("recipes", "options", "message"),
    [
        (CLASSES, {}, "say from how many seeds"),
        (CLASSES, {"seeds": 0}, "positive number of them.*got 0"),
        ([CLASSES], {"seeds": 2}, "seeds go with one recipe"),
        ([CLASSES, "adam"], {}, "recipes.1 must be a Recipe; got str"),
        (CLASSES, {"seeds": 2, "engine": "nativ"}, "did you mean 'native'"),
        (CLASSES, {"seeds": 2, "time_budget": 0}, "time_budget must be a positive number"),
    ],
)
def test_bad_arguments(recipes, options, message):
    with pytest.raises(OptionError, match=message):
        train_many(recipes, X, LABELS, **options)


@pytest.mark.usefixtures("untrained")
def test_a_seed_that_is_none():
    with pytest.raises(RecipeError, match=r"seed: .*got -1"):
        train_many(CLASSES, X, LABELS, seeds=[1, -1])
