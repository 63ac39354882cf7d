"""Diagnoses for the tests of what is shown of them, made once: a faulty recipe, a healthy one, one that diverges."""

from __future__ import annotations

from functools import cache

import numpy as np

from unstuck import SGD, Adam, Dense, Diagnosis, Recipe, diagnose

random = np.random.default_rng(0)
X = random.normal(size=(300, 2))
Y = X[:, 0] - 2 * X[:, 1]
LINE = Recipe([Dense(1)], "squared_error", optimizer=Adam(0.05), epochs=30)
"""A straight line, which is all there is to learn."""
RECIPES = {
    "learns": LINE,
    "too slow": LINE.replace(optimizer=SGD(1e-7)),
    "out of range": LINE.replace(layers=(Dense(8, "tanh"), Dense(1, "sigmoid"))),
    "diverges": LINE.replace(optimizer=SGD(1e4)),
    "no rate": LINE.replace(optimizer="lbfgs", batch_size="full"),
}


@cache
def diagnosed(name: str) -> Diagnosis:
    """Return the diagnosis of a recipe."""
    return diagnose(RECIPES[name], X, Y, budget=2.0)
