"""What the compiled functions refuse: each of these was a read or write beyond an array, or ended the process."""

import threading

import numpy as np
import pytest

from unstuck import Dense, Dropout, Recipe, _native
from unstuck.engines.native import plan
from unstuck.network import Network

RECIPE = Recipe([Dense(4, "relu"), Dropout(0.2), Dense(2)], "squared_error", "adam", batch_size=5)
NETWORK = Network(RECIPE, inputs=3)
X, Y = np.ones((10, 3)), np.ones((10, 2))
STEPS = {
    "batch_size": 5,
    "shuffled": True,
    "t": 0,
    "earlier": 0,
    "rates": np.full(3, 0.1),
    "cost_sum": 0.0,
    "rows_seen": 0,
    "target": -np.inf,
    "seconds": np.inf,
    "threads": 1,
}


def trainer(changes=(), level="baseline"):
    described = {**plan(NETWORK, len(X)), "tiny": True}
    for place, value in changes:
        *outer, name = place
        part = described
        for key in outer:
            part = part[key]
        part[name] = value
    return _native.TrainerFloat64(described, level)


def test_a_plan_as_it_should_be_trains():
    assert trainer().steps(X, Y, None, **STEPS).steps == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((["settings"], [0.9]), "lacks settings"),
        ((["slots"], 0), "another memory"),
        ((["slots"], 3), "another memory"),
        ((["layers"], []), "last layer"),
        ((["layers", 0, "inputs"], 30), "the one before"),
        ((["layers", 2, "outputs"], 50), "biases"),
        ((["layers", 2, "outputs"], -1), "the one before"),
        ((["layers", 0, "outputs"], 2**62), "the one before"),
        ((["layers", 2, "weights"], 0), "weights"),
        ((["layers", 2, "biases"], 2**40), "biases"),
        ((["layers", 1, "outputs"], 9), "dropout"),
        ((["layers", 1, "rate"], 1.0), "dropout"),
        ((["layers", 1, "rate"], float("nan")), "dropout"),
        ((["layers", 2, "is_dense"], False), "last layer"),
        ((["outputs"], 7), "sizes"),
        ((["size"], 1000), "sizes"),
        ((["size"], 0), "out of range"),
        ((["rows"], -1), "rows"),
        ((["batch_rows"], 0), "rows"),
    ],
)
def test_a_plan_whose_parts_do_not_agree_is_refused(change, message):
    with pytest.raises(ValueError, match=f"no plan of a training: .*{message}"):
        trainer([change])


def test_a_level_that_the_processor_does_not_have_is_refused():
    with pytest.raises(ValueError, match="not of level x86-64-v9"):
        trainer(level="x86-64-v9")


@pytest.mark.parametrize("threads", [0, -1, 1025, 2**31 - 1])
def test_threads_that_cannot_be_are_refused(threads):
    with pytest.raises(ValueError, match="1 to 1024"):
        trainer().steps(X, Y, None, **{**STEPS, "threads": threads})


@pytest.mark.parametrize("arrays", [(X[:, :2], Y), (X, Y[:9]), (X, Y[:, :1]), (X[:0], Y[:0])])
def test_rows_that_do_not_fit_are_refused(arrays):
    with pytest.raises(ValueError, match=r"do not fit|no rows"):
        trainer().steps(*(np.ascontiguousarray(array) for array in arrays), None, **STEPS)


def test_a_second_thread_in_one_trainer_is_refused():
    one, refused = trainer(), []
    many = {**STEPS, "rates": np.full(200_000, 1e-9), "seconds": 20.0}
    worker = threading.Thread(target=one.steps, args=(X, Y, None), kwargs=many)
    worker.start()
    while worker.is_alive() and not refused:
        try:
            one.steps(X, Y, None, **{**STEPS, "rates": np.zeros(0)})
        except RuntimeError as error:
            refused.append(str(error))
    worker.join()
    assert refused == ["this trainer is at work in another thread"]
