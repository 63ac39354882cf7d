"""Case 3: x squared comes out as a straight line."""

from __future__ import annotations

import numpy as np

from unstuck.cases.case import Case, Outcome
from unstuck.data.generators import parabola
from unstuck.functions.activations import LeakyReLU
from unstuck.functions.losses import SquaredError
from unstuck.functions.optimizers import SGD, Adam
from unstuck.functions.penalties import L2
from unstuck.recipe import Dense, Recipe
from unstuck.run import Run
from unstuck.training.train import train

ROWS = 201
DECAY = 1e-8

AS_WAS = Recipe(
    [Dense(64, LeakyReLU()), Dense(1, LeakyReLU())],
    loss=SquaredError(),
    optimizer=SGD(learning_rate=1e-6),
    penalties=(L2(DECAY / ROWS),),
    batch_size="full",
    epochs=50_000,
    record_every=500,
    precision="float64",
)

CURED = AS_WAS.replace(
    layers=(Dense(64, LeakyReLU()), Dense(1)),
    optimizer=Adam(learning_rate=0.01),
    penalties=(),
    epochs=2_000,
    record_every=10,
)


def as_was() -> Outcome:
    """Train as the post did. Its updates are those of an L2 penalty; the cost it printed adds sum(w), not sum(w^2)."""
    X, y = parabola(ROWS)
    run = train(AS_WAS, X, y)
    weights = [values for name, values in run.weights.items() if name.startswith("W")]
    printed = np.mean((run.predict(X) - y) ** 2) + DECAY / (2 * ROWS) * sum(W.sum() for W in weights)
    return _outcome(run, {"cost_as_printed_there": float(printed)})


def cured() -> Outcome:
    """Train with a linear output, and a learning rate that gets somewhere."""
    X, y = parabola(ROWS)
    return _outcome(train(CURED, X, y), {})


def _outcome(run: Run, more: dict[str, float]) -> Outcome:
    X, y = parabola(ROWS)
    predictions = run.predict(X)
    x = X[:, 0]
    line = np.polyval(np.polyfit(x, predictions, 1), x)
    bend = float(np.abs(predictions - line).max())
    mse = float(np.mean((predictions - y) ** 2))
    W, b = run.weights["W1"], run.weights["b1"]
    on = X[1:] @ W + b > 0
    metrics = {
        "mean_squared_error": mse,
        "largest_distance_from_a_straight_line": bend,
        "hidden_units_that_change_side": int(np.count_nonzero(on.any(axis=0) & ~on.all(axis=0))),
        **more,
    }
    return Outcome(
        loss=run.history["loss"][-1],
        metrics=metrics,
        iterations=run.history["step"],
        costs=run.history["loss"],
        summary=f"mean squared error {mse:.2g}, at most {bend:.2g} away from a straight line",
        recipe=run.recipe,
        shown={"x": x, "y": y, "predictions": predictions, "line": line},
    )


OFFERED = {
    "a rate of 0.01": lambda recipe: recipe.replace(optimizer=SGD(learning_rate=0.01)),
    "a rate of 0.1": lambda recipe: recipe.replace(optimizer=SGD(learning_rate=0.1)),
    "a linear output": lambda recipe: recipe.with_settings({"layers.-1.activation": "identity"}),
    "no weight decay": lambda recipe: recipe.replace(penalties=()),
    "two hidden layers": lambda recipe: recipe.replace(layers=(*[recipe.layers[0]] * 2, recipe.layers[-1])),
}

CASE = Case(
    id=3,
    title="x squared comes out as a straight line",
    fault="a learning rate of 1e-6, and leaky ReLU on the output",
    trainings={"as_was": as_was, "cured": cured},
    subject=lambda: (AS_WAS, *parabola(ROWS)),
    offered=OFFERED,
)
