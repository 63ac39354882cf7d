"""A process that does the same over and over and prints its memory in bytes after each time: see test_growth.py.

`python repeated.py TIMES LEAK`: so many rounds, each of which keeps LEAK bytes for ever.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from unstuck import Dense, Dropout, Inputs, MLPClassifier, Recipe, Run, check_gradient, train, train_many

X = np.random.default_rng(0).normal(size=(120, 4))
LABELS = np.where(np.sin(3 * X[:, 0]) + X[:, 1] > 0, "up", "down")
TABLE = {"a": X[:, 0].tolist(), "b": ["x", "y", None] * 40}
RECIPES = {
    "panels": Recipe(
        [Dense(40, "relu"), Dropout(0.2), Dense(2, "softmax")], "categorical_crossentropy", batch_size=40, epochs=3
    ),
    "single rows": Recipe([Dense(5, "relu"), Dense(1, "sigmoid")], "binary_crossentropy", batch_size=1, epochs=3),
    "row lanes": Recipe([Dense(5, "tanh"), Dense(1)], "squared_error", "adam", batch_size="full", epochs=20),
    "lbfgs": Recipe([Dense(5, "tanh"), Dense(1)], "squared_error", "lbfgs", batch_size="full", epochs=5),
}


def trainings(folder: Path) -> int:
    """Train, predict, save and load, once each; return how many trainings these were."""
    state, count = folder / "state", 0
    for name, recipe in RECIPES.items():
        y = X[:, 1] if recipe.loss.kind == "squared_error" else LABELS
        for engine in ("native", "reference") if name != "lbfgs" else ("native",):
            run = train(recipe, X, y, engine=engine, progress=False, validation=(X[:20], y[:20]))
            run.predict(X)
            count += 1
    train(RECIPES["panels"], X, LABELS, progress=False, checkpoint=state, checkpoint_seconds=0)
    state.unlink()
    run = train(RECIPES["row lanes"].replace(inputs=Inputs("standard", "mean", "one_hot")), TABLE, X[:, 1])
    run.predict(TABLE)
    run.save(folder / "run")
    Run.load(folder / "run").score(TABLE, X[:, 1])
    for file in (folder / "run").iterdir():
        file.unlink()
    (folder / "run").rmdir()
    train_many([RECIPES["row lanes"].replace(seed=seed) for seed in range(4)], X, X[:, 1])
    MLPClassifier(hidden_layer_sizes=(5,), max_iter=3, tol=0, random_state=0).fit(X, LABELS).predict(X)
    check_gradient(RECIPES["row lanes"], X, X[:, 1])
    return count + 7


def resident() -> int:
    """Return the bytes of memory that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def repeat(times: int, leak: int) -> None:
    """Print the trainings of a round, and then a number for each round."""
    kept = []
    with TemporaryDirectory() as folder:
        for k in range(times):
            count = trainings(Path(folder))
            if leak:
                kept.append(bytes(leak * count))
            gc.collect()
            if k == 0:
                print(count)
            print(resident(), flush=True)


if __name__ == "__main__":
    repeat(*map(int, sys.argv[1:]))
