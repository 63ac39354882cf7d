"""Zeros are left out of products: rows mostly of zeros and what ReLU and Dropout leave train as in the reference."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from unstuck import L2, SGD, Adam, Dense, Dropout, Recipe, Run, train

RANDOM = np.random.default_rng(0)
ROWS, COLUMNS = 200, 500
ONE_HOT = np.eye(COLUMNS)[RANDOM.integers(0, COLUMNS, (ROWS, 20))].sum(axis=1)
HALF_DENSE = np.where(np.arange(ROWS)[:, None] < ROWS // 2, RANDOM.normal(size=(ROWS, COLUMNS)) / 9, ONE_HOT)
DENSE = RANDOM.normal(size=(ROWS, COLUMNS))
EMPTY_COLUMNS = np.where(np.arange(COLUMNS) % 3, 0, ONE_HOT)
y = np.sin(ONE_HOT @ RANDOM.normal(size=COLUMNS))

WIDE = [Dense(150, "relu"), Dense(1)]
DROPPED = [Dense(150, "relu"), Dropout(0.6), Dense(130, "relu"), Dropout(0.5), Dense(140, "tanh"), Dense(1)]
DROPPED_INPUT = [Dropout(0.8), Dense(150, "tanh"), Dropout(0.7), Dropout(0.2), Dense(150), Dense(1)]
SIGMOIDS = [Dense(150, "sigmoid"), Dropout(0.8), Dense(130, "sigmoid"), Dropout(0.7), Dense(140, "tanh"), Dense(1)]
OUTPUTS = [Dense(150, "relu"), Dropout(0.5), Dense(40)]
SHAPES = {"wide": WIDE, "dropped": DROPPED, "dropped input": DROPPED_INPUT, "sigmoids": SIGMOIDS}


def trained(engine: str, X: np.ndarray, layers: list, precision: str, **options: object) -> Run:
    recipe = Recipe(layers, loss="squared_error", epochs=3, precision=precision, optimizer=SGD(0.01))
    return train(recipe.replace(**options), X, y, engine=engine, progress=False)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("batch", [32, 199, "full"])
@pytest.mark.parametrize("layers", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("X", [ONE_HOT, HALF_DENSE, EMPTY_COLUMNS], ids=["one-hot", "half dense", "empty columns"])
def test_as_the_reference(X: np.ndarray, layers: list, batch: int | str, precision: str) -> None:
    reference, native = (trained(engine, X, layers, precision, batch_size=batch) for engine in ("reference", "native"))
    tolerance = 1e-9 if precision == "float64" else 5e-4
    scale = np.abs(reference.final_parameters).max()
    np.testing.assert_allclose(native.final_parameters, reference.final_parameters, rtol=0, atol=tolerance * scale)
    np.testing.assert_allclose(native.history["loss"], reference.history["loss"], rtol=tolerance)


@pytest.mark.parametrize("layers", [*SHAPES.values(), OUTPUTS], ids=[*SHAPES, "outputs"])
@pytest.mark.parametrize("X", [ONE_HOT, DENSE], ids=["one-hot", "dense"])
def test_threads_change_no_bit(X: np.ndarray, layers: list, monkeypatch: pytest.MonkeyPatch) -> None:
    target = y if layers[-1] == Dense(1) else np.outer(y, np.arange(40.0))
    for options in (
        {"batch_size": 128, "optimizer": Adam(), "penalties": [L2(0.01)]},
        {"batch_size": 48, "optimizer": Adam(), "clip_norm": 0.1},
        {"batch_size": "full", "optimizer": SGD(0.01) if any(isinstance(d, Dropout) for d in layers) else "lbfgs"},
    ):
        recipe = Recipe(layers, loss="squared_error", epochs=3, precision="float32", **options)
        found = []
        for threads in ("1", "2", "3", "4"):
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
            found.append(train(recipe, X, target, engine="native", progress=False).final_parameters)
        for other in found[1:]:
            np.testing.assert_array_equal(found[0], other)


def test_batches_in_slabs() -> None:
    X, target = np.tile(ONE_HOT, (30, 1)), np.tile(y, 30)  # 6,000 rows: two slabs
    recipe = Recipe(WIDE, loss="squared_error", epochs=3, precision="float64", batch_size="full", optimizer=SGD(0.01))
    runs = [train(recipe, X, target, engine=engine, progress=False) for engine in ("reference", "native")]
    np.testing.assert_allclose(runs[1].final_parameters, runs[0].final_parameters, rtol=0, atol=1e-11)


PEAK_OF_A_LARGE_BATCH = """
import numpy as np
from unstuck import SGD, Dense, Recipe
from unstuck.engines.engine import Descent, Rows
from unstuck.engines.native import NativeEngine
from unstuck.network import Network

def peak():  # kilobytes; ru_maxrss would begin with what the parent had
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

X = np.zeros((4096, 8192), np.float32)
X[:, ::20] = 1
recipe = Recipe([Dense(128, "relu"), Dense(1)], loss="squared_error", optimizer=SGD(1e-3), batch_size="full")
network = Network(recipe, X.shape[1])
w = network.start()
before = peak()
engine = NativeEngine(network, Rows(X, np.zeros((4096, 1), np.float32), None))
engine.steps(Descent(w, {}, w.copy()), np.full(1, 1e-3), lambda done: False)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_lists_take_no_more_memory_the_more_threads_there_are() -> None:
    def kilobytes(threads: int) -> int:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        program = [sys.executable, "-c", PEAK_OF_A_LARGE_BATCH]
        return int(subprocess.run(program, env=environment, check=True, capture_output=True, text=True).stdout)

    alone = kilobytes(1)
    assert alone > 0
    assert kilobytes(4) < 1.5 * alone


def test_a_number_beyond_the_range_is_still_noticed() -> None:
    run = trained("native", ONE_HOT, [Dense(150, "relu"), Dense(150, "relu"), Dense(1)], "float32", optimizer=SGD(1e20))
    assert run.stopped == "diverged"
    assert np.isfinite(run.final_parameters).all()
