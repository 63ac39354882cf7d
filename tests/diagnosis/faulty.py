"""A recipe for every fault of the catalogue, and healthy ones of many kinds, on data that train in a blink."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, make_blobs, make_moons

from unstuck import (
    L2,
    LBFGS,
    SGD,
    Adam,
    Constant,
    CosineDecay,
    Dense,
    Dropout,
    EarlyStopping,
    ExponentialDecay,
    Given,
    GlorotUniform,
    Inputs,
    Momentum,
    Normal,
    Recipe,
    Targets,
)
from unstuck.data import parabola, spiral, xor
from unstuck.diagnosis.diagnose import diagnose
from unstuck.diagnosis.verdict import Diagnosis

BUDGET = 30.0
"""Seconds: far more than any of these takes, so that a busy machine changes nothing."""


@dataclass(frozen=True, eq=False)
class Case:
    """A recipe and its data; `first` are the faults that may be named first where a cure is expected."""

    recipe: Recipe
    X: Any
    y: Any
    first: tuple[str, ...] = ()


def quadrants(rows=320):
    """Two classes that no straight line parts."""
    X = np.random.default_rng(0).normal(size=(rows, 2))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def waves(rows=320):
    X = np.random.default_rng(0).normal(size=(rows, 3))
    return X, np.sin(2 * X[:, 0]) + X[:, 1]


def moons(noise=0.1):
    return make_moons(320, noise=noise, random_state=0)


def three_blobs():
    return make_blobs(320, centers=3, cluster_std=0.6, random_state=0)


def digits(rows=500):
    X, y = load_digits(return_X_y=True)
    return X[:rows] / 16, y[:rows]


def many_columns(rows=300):
    """Sixty columns, of which two say it all."""
    X = np.random.default_rng(0).normal(size=(rows, 60))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


HIDDEN = Dense(16, "relu")
TWO = Recipe([HIDDEN, HIDDEN, Dense(1, "sigmoid")], loss="binary_crossentropy", optimizer=Adam(0.01), epochs=60)
THREE = TWO.replace(layers=(HIDDEN, HIDDEN, Dense(3, "softmax")), loss="categorical_crossentropy")
TEN = TWO.replace(layers=(Dense(32, "relu"), Dense(10, "softmax")), loss="categorical_crossentropy", epochs=40)
NUMBERS = TWO.replace(layers=(HIDDEN, HIDDEN, Dense(1)), loss="squared_error")


def hidden(recipe, *layers):
    return recipe.replace(layers=(*layers, recipe.layers[-1]))


def started(recipe, start, **more):
    return recipe.replace(layers=tuple(layer.replace(weight_start=start, **more) for layer in recipe.layers))


def output(recipe, last, **changes):
    return recipe.replace(layers=(*recipe.layers[:-1], last), **changes)


DEAD_OUTPUT = Dense(1, "relu", weight_start=Given(((-0.5,),) * 16))
NO_BIAS = NUMBERS.replace(layers=tuple(layer.replace(bias=False) for layer in NUMBERS.layers))
X_SORTED, Y_SORTED = (part[np.argsort(digits()[1], kind="stable")] for part in digits())

FAULTY = {
    "class_numbers": Case(
        output(TWO, Dense(1, "sigmoid"), loss="squared_error"), *three_blobs(), ("class_numbers", "output_range")
    ),
    "single_softmax": Case(output(TWO, Dense(1, "softmax")), *moons()),
    "loss_mismatch": Case(output(THREE, Dense(3, "sigmoid")), *three_blobs()),
    "output_range": Case(output(NUMBERS, Dense(1, "sigmoid")), waves()[0], 3 * waves()[1]),
    "output_activation": Case(output(NUMBERS, DEAD_OUTPUT), waves()[0], 3 + waves()[1] - waves()[1].min()),
    "constant_inputs": Case(TWO, np.zeros((320, 4)), moons()[1]),
    "unscaled_inputs": Case(hidden(TWO, Dense(16, "tanh")).replace(optimizer=SGD(0.1)), 3000 * moons()[0], moons()[1]),
    "unscaled_targets": Case(NUMBERS, waves()[0], 1e4 * waves()[1] + 5e4),
    "hidden_activation": Case(hidden(NUMBERS, *[Dense(16, "exponential")] * 2), 3 * waves()[0], waves()[1]),
    "linear_network": Case(hidden(TWO, Dense(16), Dense(16)), *quadrants()),
    "vanishing_gradient": Case(hidden(TWO, *[Dense(16, "sigmoid")] * 6), *quadrants()),
    "dead_units": Case(
        hidden(TWO, Dense(16, "relu", bias_start=Constant(-15)), HIDDEN), *moons(), ("dead_units", "one_sided_start")
    ),
    "too_small": Case(hidden(TWO, Dense(1, "relu")).replace(epochs=150), *quadrants()),
    "seed_luck": Case(
        hidden(TWO, Dense(2, "tanh")).replace(epochs=600, optimizer=Adam(0.03), batch_size="full"),
        *xor(),
        ("seed_luck", "too_small"),
    ),
    "constant_start": Case(started(TWO, Constant(0.1)), *quadrants()),
    "small_start": Case(
        started(hidden(TWO, *[Dense(16, "tanh")] * 3), Normal(1e-4)).replace(optimizer=SGD(0.1)), *quadrants()
    ),
    "large_start": Case(
        started(hidden(TWO, *[Dense(16, "tanh")] * 2), Normal(50.0)).replace(optimizer=SGD(0.01)), *quadrants()
    ),
    "one_sided_start": Case(hidden(TWO, *[Dense(16, "sigmoid", bias_start=Constant(-20))] * 2), *quadrants()),
    "no_bias": Case(NO_BIAS, np.linspace(0, 1, 300)[:, None], np.cos(3 * np.pi * np.linspace(0, 1, 300))),
    "dropout": Case(hidden(TWO, HIDDEN, Dropout(0.95), HIDDEN, Dropout(0.95)), *quadrants()),
    "penalty": Case(TWO.replace(penalties=(L2(1.0),)), *quadrants()),
    "class_weights": Case(TWO.replace(class_weights={0: 1, 1: 300}), *moons(0.35)),
    "clipping": Case(TWO.replace(optimizer=SGD(0.1), clip_norm=1e-5), *quadrants()),
    "no_shuffle": Case(TEN.replace(shuffle=False, optimizer=SGD(1.0), epochs=10, batch_size=16), X_SORTED, Y_SORTED),
    "overfitting": Case(
        hidden(TWO, Dense(32, "relu"), Dense(32, "relu")).replace(epochs=30, batch_size=64), *many_columns()
    ),
    "rate_decay": Case(TWO.replace(schedule=ExponentialDecay(0.2)), *quadrants()),
    "early_stop": Case(TWO.replace(stop_at_loss=0.66), *quadrants()),
    "batch_size": Case(
        TWO.replace(batch_size="full", optimizer=Adam(0.003), epochs=8),
        *quadrants(1200),
        ("batch_size", "too_few_steps"),
    ),
    "optimizer": Case(TWO.replace(optimizer=Adam(0.003, epsilon=10.0)), *quadrants()),
    "rate_too_high": Case(TWO.replace(optimizer=SGD(300.0)), *quadrants()),
    "rate_too_low": Case(TWO.replace(optimizer=SGD(1e-6)), *quadrants()),
    "too_few_steps": Case(TWO.replace(epochs=1, optimizer=Adam(0.003)), *quadrants()),
}
"""Each named for the fault that is in it."""

INCURABLE = {"constant_inputs"}

HEALTHY = {
    "two classes": Case(TWO, *quadrants()),
    "three classes": Case(THREE, *three_blobs()),
    "ten classes": Case(TEN, *digits()),
    "numbers": Case(NUMBERS, *waves()),
    "ordinary settings of everything": Case(
        hidden(TWO, Dense(64, "relu"), Dropout(0.1), HIDDEN).replace(
            inputs=Inputs(scaling="standard"),
            penalties=(L2(1e-5),),
            clip_norm=5.0,
            class_weights="balanced",
            schedule=CosineDecay(),
            validation_fraction=0.1,
            early_stopping=EarlyStopping(patience=100),
        ),
        *moons(),
    ),
    "several numbers": Case(
        output(NUMBERS, Dense(2)), waves()[0], np.column_stack([waves()[1], waves()[0][:, 2] ** 2])
    ),
    "a parabola by L-BFGS": Case(
        hidden(NUMBERS, Dense(8, "tanh")).replace(optimizer=LBFGS(), batch_size="full", epochs=100), *parabola()
    ),
    "a truth table": Case(
        hidden(TWO, Dense(16, "tanh")).replace(batch_size="full", epochs=400, optimizer=Adam(0.03)), *xor()
    ),
    "text labels": Case(
        THREE.replace(inputs=Inputs(scaling="standard")), load_iris().data, load_iris().target_names[load_iris().target]
    ),
    "momentum on scaled columns": Case(
        TWO.replace(inputs=Inputs(scaling="standard"), optimizer=Momentum(0.03)), *load_breast_cancer(return_X_y=True)
    ),
    "some dropout": Case(hidden(TWO, Dense(64, "relu"), Dropout(0.2)), *moons()),
    "scaled targets": Case(NUMBERS.replace(targets=Targets(scaling="standard")), waves()[0], 1e4 * waves()[1]),
    "a deep tanh network": Case(
        hidden(TWO, *[Dense(24, "tanh", weight_start=GlorotUniform())] * 6).replace(optimizer=Adam(0.003)), *quadrants()
    ),
    "a spiral": Case(
        hidden(THREE, Dense(64, "relu"), Dense(64, "relu")).replace(inputs=Inputs(scaling="standard")), *spiral(600)
    ),
}


@cache
def diagnosis_of(name: str) -> Diagnosis:
    """Return the diagnosis of a case; every case is diagnosed once a session."""
    case = FAULTY.get(name) or HEALTHY[name]
    return diagnose(case.recipe, case.X, case.y, budget=BUDGET, progress=False)
