"""Trained networks of every kind that an export has to carry over."""

from __future__ import annotations

import numpy as np
import polars as pl

from unstuck import Dense, Dropout, EarlyStopping, Inputs, Recipe, Targets, train
from unstuck.functions.activations import Activation

ACTIVATIONS = sorted(Activation.family)
random = np.random.default_rng(0)
X = random.normal([0, 100, -5], [1, 20, 0.1], size=(80, 3))
NUMBERS = 1000 + X @ [10.0, 1.0, 0.5]
TABLE = pl.DataFrame(
    {
        "age": [None if k % 7 == 0 else float(k) for k in range(80)],
        "town": [None if k % 11 == 0 else ["Łódź", '"quoted", \\ \n', "town"][k % 3] for k in range(80)],
        "income": random.normal(30_000, 5_000, size=80),
    }
)
QUOTED = np.array(["it's", '"so"', "\n\\"])[np.arange(80) % 3]


def of_activation(kind, precision):
    """A network whose hidden and output units are of one kind, as it starts, on pre-activations of both signs.

    The second layer's weights are small, lest exp(exp(z)) magnify the last digit of float32 to 1e-5.
    """
    first = Dense(7, kind, bias_start={"kind": "normal", "std": 1.0})
    layers = [first, Dense(4, kind, bias=False, weight_start={"kind": "normal", "std": 0.1})]
    recipe = Recipe(layers, "squared_error", inputs=Inputs(scaling="standard"), precision=precision)
    return train(recipe, X, random.normal(size=(80, 4)), time_budget=1e-9)


def classes(labels=QUOTED, **changes):
    recipe = Recipe([Dense(6, "tanh"), Dropout(0.3), Dense(3, "softmax")], "categorical_crossentropy", epochs=20)
    recipe = recipe.replace(inputs=Inputs(scaling="minmax"), optimizer={"kind": "adam", "learning_rate": 0.02})
    return train(recipe.replace(**changes), X, labels)


def two_classes(activation, loss):
    return classes(X[:, 0] > 0, layers=[Dense(4, "tanh"), Dense(1, activation)], loss=loss)


def numbers(y=NUMBERS, **changes):
    recipe = Recipe([Dense(6, "relu"), Dense(np.shape(y[0])[0] if np.ndim(y) > 1 else 1)], "squared_error", epochs=20)
    recipe = recipe.replace(
        inputs=Inputs(scaling="standard"),
        targets=Targets(scaling="standard"),
        validation_fraction=0.2,
        early_stopping=EarlyStopping(patience=2),
    )
    return train(recipe.replace(**changes), X, y)


def of_a_table(precision="float32"):
    recipe = Recipe([Dense(6, "relu"), Dense(1)], "squared_error", epochs=20, precision=precision)
    recipe = recipe.replace(inputs=Inputs(scaling="standard", missing="median", categories="one_hot"))
    return train(recipe, TABLE, NUMBERS / 1000)


PIPELINES = {
    "text labels": classes,
    "integer labels": lambda: classes(np.array([-3, 0, 2**53 + 1])[np.arange(80) % 3]),
    "float labels": lambda: classes(np.array([-1.0, 0.0, 5.0])[np.arange(80) % 3]),
    "two classes on one output": lambda: two_classes("sigmoid", "binary_crossentropy"),
    "two signed classes": lambda: two_classes("tanh", "hinge"),
    "numbers": numbers,
    "numbers unscaled": lambda: numbers(NUMBERS / 1000, inputs=Inputs(), targets=Targets()),
    "several numbers a row": lambda: numbers(np.column_stack([NUMBERS, -NUMBERS])),
    "missing values": lambda: numbers(inputs=Inputs(missing="mean")),
    "many weights": lambda: numbers(layers=[Dense(300, "relu"), Dense(1)]),
}
