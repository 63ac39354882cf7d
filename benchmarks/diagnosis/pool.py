"""The data that healthy recipes are drawn on, real and made up, and what can be learned from each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_blobs,
    make_circles,
    make_friedman1,
    make_friedman2,
    make_friedman3,
    make_moons,
)
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from threadpoolctl import threadpool_limits

from benchmarks.diagnosis.problem import DATA, Problem
from unstuck import Adam, CosineDecay, Dense, Inputs, Recipe, Targets
from unstuck.data import parabola, read_features_and_target, spiral, xor

Array = npt.NDArray[Any]
Make = Callable[[int], Problem]
VARIANTS = 4
"""So many draws of the made-up data, and splits of the real ones: what can be learned is measured once for each."""
ROWS = 1_500
NEIGHBOURS = (1, 5, 15, 45)
TABLE = Inputs(scaling="standard", categories="one_hot", missing="most_frequent")


@dataclass(frozen=True, eq=False)
class Known:
    """A problem, and the score that can be reached on it."""

    problem: Problem
    best: float


def bundled(name: str, load: Callable[..., Any], classes: bool, factor: float = 1.0) -> Make:
    """Return the maker of one of scikit-learn's own sets."""

    def make(seed: int) -> Problem:
        X, y = load(return_X_y=True)
        return Problem.split(name, factor * X, y, classes, seed)

    return make


def in_file(name: str, target: str, factor: float = 1.0, classes: bool = False) -> Make:
    """Return the maker of a sample of a file of the shared data."""

    def make(seed: int) -> Problem:
        X, y = read_features_and_target(DATA / f"{name}.csv.gz", target)
        y = np.unique(y, return_inverse=True)[1] if classes else factor * y
        return Problem.split(name, X, y, classes, seed, rows=ROWS)

    return make


def made(name: str, draw: Callable[[int], tuple[Array, Array]], classes: bool) -> Make:
    """Return the maker of made-up data, a third of them to train on."""

    def make(seed: int) -> Problem:
        X, y = draw(seed)
        return Problem.split(name, X, y, classes, seed, rows=len(y) // 3)

    return make


def noisy_labels(seed: int) -> tuple[Array, Array]:
    """Return a curved border with a fifth of the labels flipped: no predictor is right more often than 0.8."""
    random = np.random.default_rng(seed)
    X = random.uniform(-1, 1, (3_000, 2))
    return X, (X[:, 1] > np.sin(3 * X[:, 0]) / 2) ^ (random.random(3_000) < 0.2)


def one_in_twenty(seed: int) -> tuple[Array, Array]:
    """Return a class of 5 % in a corner of its own."""
    random = np.random.default_rng(seed)
    y = random.random(3_000) < 0.05
    return random.normal(size=(3_000, 4)) + 3.0 * y[:, None], y


def waves(seed: int) -> tuple[Array, Array]:
    """Return a sum of sines."""
    random = np.random.default_rng(seed)
    X = random.uniform(-1, 1, (1_500, 3))
    return X, np.sin(3 * X[:, 0]) + np.sin(2 * X[:, 1]) * X[:, 2] + 0.1 * random.normal(size=1_500)


def clouds(seed: int) -> tuple[Array, Array]:
    """Return five blobs."""
    X, y, *_ = make_blobs(1_500, centers=5, n_features=3, cluster_std=1.5, center_box=(-5, 5), random_state=seed)
    return X, y


def of_classes(draw: Callable[..., Any], n: int, **options: Any) -> Callable[[int], tuple[Array, Array]]:
    return lambda seed: draw(n, random_state=seed, **options)


def bent(seed: int) -> Problem:
    """Return the parabola, where a straight line counts for nothing."""
    return replace(Problem.whole("parabola", *parabola(), classes=False), floor=0.93)


POOL: dict[str, Make] = {
    "digits": bundled("digits", load_digits, classes=True, factor=1 / 16),
    "breast_cancer": bundled("breast_cancer", load_breast_cancer, classes=True),
    "iris": bundled("iris", load_iris, classes=True),
    "wine": bundled("wine", load_wine, classes=True),
    "diabetes": bundled("diabetes", load_diabetes, classes=False),
    "spiral": made("spiral", lambda seed: spiral(1_500, seed), classes=True),
    "circles": made("circles", of_classes(make_circles, 1_500, noise=0.1, factor=0.5), classes=True),
    "moons": made("moons", of_classes(make_moons, 1_500, noise=0.15), classes=True),
    "blobs": made("blobs", clouds, classes=True),
    "xor": lambda seed: Problem.whole("xor", *xor(), classes=True),
    "parabola": bent,
    "friedman1": made("friedman1", of_classes(make_friedman1, 2_000, noise=1.0), classes=False),
    "friedman2": made("friedman2", of_classes(make_friedman2, 1_500, noise=10.0), classes=False),
    "friedman3": made("friedman3", of_classes(make_friedman3, 1_500, noise=0.05), classes=False),
    "waves": made("waves", waves, classes=False),
    "noisy labels": made("noisy labels", noisy_labels, classes=True),
    "one in twenty": made("one in twenty", one_in_twenty, classes=True),
}
SHARED: dict[str, Make] = {
    "california_housing": in_file("california_housing", "median_house_value", factor=1e-5),
    "wine_quality": in_file("wine_quality", "quality"),
    "adult_train": in_file("adult_train", "income", classes=True),
}
POOL |= {name: make for name, make in SHARED.items() if (DATA / f"{name}.csv.gz").is_file()}


@lru_cache
def known(name: str, variant: int) -> Known:
    """Return a problem of the pool, and what can be reached on it."""
    problem = POOL[name](variant)
    if problem.classes and problem.y.dtype == bool:
        problem = problem.with_targets(lambda y: y.astype(int))
    return Known(problem, reachable(problem))


def reachable(problem: Problem) -> float:
    """Return the best score of boosting, nearest neighbours and a large, careful network."""
    best = max(problem.levels(careful(problem), range(3)))
    if problem.X is problem.X_held:  # the others only look their training rows up
        return best
    fitted = TABLE.fit(problem.X)
    X, X_held = fitted.transform(problem.X), fitted.transform(problem.X_held)
    boosting = HistGradientBoostingClassifier if problem.classes else HistGradientBoostingRegressor
    neighbours = KNeighborsClassifier if problem.classes else KNeighborsRegressor
    # one thread: the OpenMP threads of boosting get in each other's way on a busy machine
    models = [boosting(max_iter=60, early_stopping=False, random_state=0), *(neighbours(k) for k in NEIGHBOURS)]
    with threadpool_limits(1):
        return max(best, *(problem.score(model.fit(X, problem.y).predict(X_held)) for model in models))


def careful(problem: Problem) -> Recipe:
    """Return a recipe that does well on everything in the pool."""
    classes = len(np.unique(problem.y)) if problem.classes else 0
    outputs = Dense(classes, "softmax") if classes else Dense(problem.y[0].size)
    tiny = len(problem.y) < 300
    return Recipe(
        [Dense(64, "gelu"), Dense(64, "gelu"), outputs],
        loss="categorical_crossentropy" if classes else "squared_error",
        optimizer=Adam(0.003),
        schedule=CosineDecay(),
        inputs=TABLE,
        targets=Targets() if classes else Targets(scaling="standard"),
        batch_size="full" if tiny else 32,
        epochs=300 if tiny else 40,
    )
