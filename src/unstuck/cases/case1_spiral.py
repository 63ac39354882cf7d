"""Case 1: three classes of a spiral out of one sigmoid, whose output never reaches the third."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.cases.case import Case, Outcome
from unstuck.data.generators import spiral
from unstuck.data.inputs import Inputs
from unstuck.functions.activations import ReLU, Sigmoid, Softmax
from unstuck.functions.initializers import Normal
from unstuck.functions.losses import CategoricalCrossEntropy, SquaredError
from unstuck.functions.optimizers import SGD, Adam
from unstuck.functions.schedules import CosineDecay
from unstuck.recipe import Dense, Recipe
from unstuck.run import Run
from unstuck.training.train import train

AS_WAS = Recipe(
    [
        Dense(5, Sigmoid(), weight_start=Normal(1.0), bias_start=Normal(1.0)),
        Dense(1, Sigmoid(), weight_start=Normal(1.0), bias_start=Normal(1.0)),
    ],
    loss=SquaredError(half=True),
    optimizer=SGD(learning_rate=0.1),  # 0.2, of a gradient halved once more
    batch_size="full",
    epochs=1000,
    stop_at_loss=0.2,
    record_every=10,
    precision="float64",
)

CURED = Recipe(
    [Dense(64, ReLU()), Dense(64, ReLU()), Dense(3, Softmax())],
    loss=CategoricalCrossEntropy(),
    optimizer=Adam(learning_rate=0.01),
    schedule=CosineDecay(),
    inputs=Inputs(scaling="standard"),
    epochs=200,
)


def as_was() -> Outcome:
    """Train 2-5-1 on the class numbers 0, 1, 2."""
    X, y = spiral()
    run = train(AS_WAS, X, y)
    classes = np.rint(run.predict(X)).astype(int)
    return _outcome(run, classes, X, y)


def cured() -> Outcome:
    """Train one softmax unit a class, with cross-entropy."""
    X, y = spiral()
    run = train(CURED, X, y)
    return _outcome(run, run.predict(X), X, y)


def _outcome(run: Run, classes: npt.NDArray[Any], X: Array, y: npt.NDArray[Any]) -> Outcome:
    accuracy = float(np.mean(classes == y))
    predicted = {f"predicted_as_class_{k}": float(np.mean(classes == k)) for k in range(3)}
    return Outcome(
        loss=run.history["loss"][-1],
        metrics={"accuracy": accuracy, **predicted},
        iterations=run.history["step"],
        costs=run.history["loss"],
        summary=f"{accuracy:.1%} right, class 2 predicted for {predicted['predicted_as_class_2']:.1%} of rows",
        recipe=run.recipe,
        shown={"predict": run.predict, "X": X, "y": y},
    )


OFFERED = {
    "one softmax unit a class, cross-entropy": lambda recipe: recipe.replace(
        layers=(recipe.layers[0], Dense(3, Softmax())), loss=CategoricalCrossEntropy(), stop_at_loss=None
    ),
    "one sigmoid a class": lambda recipe: recipe.replace(
        layers=(recipe.layers[0], Dense(3, Sigmoid())), stop_at_loss=None
    ),
    "scaled inputs": lambda recipe: recipe.replace(inputs=Inputs(scaling="standard")),
    "64 hidden units": lambda recipe: recipe.with_settings({"layers.0.units": 64}),
    "a rate of 0.4, nothing halved": lambda recipe: recipe.replace(optimizer=SGD(learning_rate=0.4)),
}

CASE = Case(
    id=1,
    title="spiral: three classes, one sigmoid",
    fault="target 2 is outside the sigmoid's range (0, 1)",
    trainings={"as_was": as_was, "cured": cured},
    subject=lambda: (AS_WAS, *spiral()),
    offered=OFFERED,
)
