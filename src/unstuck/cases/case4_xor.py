"""Case 4: XOR settles at 0.69314718 = ln 2, because the cost never saw the network's own output."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.cases.case import Case, Outcome
from unstuck.data.generators import xor
from unstuck.functions.activations import Sigmoid, Softmax
from unstuck.functions.initializers import Uniform
from unstuck.functions.losses import CategoricalCrossEntropy
from unstuck.functions.optimizers import Momentum
from unstuck.functions.penalties import L2
from unstuck.recipe import Dense, Recipe
from unstuck.subjects.handwritten import HandWritten
from unstuck.training.train import train

LAMBDA = 1e-4
MOMENTUM = 0.9
SEEDS = 20
START = Uniform(0.0, 1.0)


def recipe(hidden: int) -> Recipe:
    """Return the post's network and training with the cost connected, and room for more hidden units."""
    layers = [
        Dense(hidden, Sigmoid(), weight_start=START, bias_start=START),
        Dense(2, Softmax(), weight_start=START, bias_start=START),
    ]
    return Recipe(
        layers,
        loss=CategoricalCrossEntropy(),
        optimizer=Momentum(learning_rate=0.1, momentum=MOMENTUM),
        penalties=(L2(2 * LAMBDA, on="all"),),  # lambda times the sum of squares, weights and biases
        batch_size="full",
        epochs=5_000,
        record_every=50,
        precision="float64",
    )


def outputs(w: Array, X: Array) -> Array:
    """Return the class probabilities of the 2-2-2 network with the 12 parameters w."""
    W1, b1, W2, b2 = w[:4].reshape(2, 2), w[4:6], w[6:10].reshape(2, 2), w[10:]
    h = Sigmoid().value(X @ W1 + b1)
    return Softmax().value(h @ W2 + b2)


def cost(w: Array, predictions: Array, Y: Array) -> float:
    """Return cross-entropy plus penalty. The predictions come in as data, as they did there."""
    return float(-np.mean(np.sum(Y * np.log(predictions), axis=1)) + LAMBDA * np.sum(w**2))


def gradient(w: Array) -> Array:
    """Return what differentiating that cost by w leaves: w occurs in the penalty alone."""
    return 2 * LAMBDA * w


def settle(alpha: float, seed: int, steps: int, every: int) -> tuple[Array, list[int], list[float]]:
    """Train as the post did; return the last parameters and the recorded iterations and costs."""
    X, y = xor(copies=2)
    Y = np.eye(2)[y]
    w = np.random.default_rng(seed).uniform(0, 1, 12)
    move = np.zeros(12)
    iterations, costs = [], []
    for step in range(steps + 1):
        if step % every == 0:
            iterations.append(step)
            costs.append(cost(w, outputs(w, X), Y))
        move = alpha * gradient(w) + MOMENTUM * move
        w = w - move
    return w, iterations, costs


def as_was() -> Outcome:
    """Train with the cost that does not see the network, at the post's rate and at others, from several seeds."""
    X, _ = xor()
    w, iterations, costs = settle(alpha=0.01, seed=0, steps=400_000, every=4_000)
    ends = [
        settle(alpha, seed, steps=int(8_000 / alpha), every=int(8_000 / alpha))[2][-1]
        for alpha in (0.1, 1.0, 10.0, 100.0)
        for seed in range(3)
    ]
    spread = max(abs(end - math.log(2)) for end in ends)
    return Outcome(
        loss=costs[-1],
        metrics={
            "distance_from_ln_2": abs(costs[-1] - math.log(2)),
            "largest_distance_from_ln_2_over_12_rates_and_seeds": spread,
            "largest_parameter": float(np.abs(w).max()),
        },
        iterations=np.array(iterations, dtype=float),
        costs=np.array(costs),
        summary=f"cost {costs[-1]:.8f}, outputs all 1/2, whatever the rate and the seed",
        shown={"probabilities": outputs(w, X)[:, 1]},
    )


def connected() -> Outcome:
    """Train the post's own 2-2-2 network, changed in one thing only: the cost sees the network's output."""
    return _over_seeds(recipe(hidden=2))


def cured() -> Outcome:
    """Train with the cost connected and four hidden units, enough for every start."""
    return _over_seeds(recipe(hidden=4))


def _over_seeds(described: Recipe) -> Outcome:
    X, y = xor(copies=2)
    runs = [train(described.replace(seed=seed), X, y) for seed in range(SEEDS)]
    learned = sum(run.score(X, y) == 1 for run in runs)
    first = runs[0]
    return Outcome(
        loss=float(np.median([run.history["loss"][-1] for run in runs])),
        metrics={"seeds": SEEDS, "seeds_with_all_rows_right": learned},
        iterations=first.history["step"],
        costs=first.history["loss"],
        summary=f"all four rows right from {learned} of {SEEDS} seeds",
        recipe=described,
        shown={"probabilities": first.predict_proba(xor()[0])[:, 1]},
    )


def subject() -> HandWritten:
    """Return the post's functions at its first start: a cost of the outputs, differentiated as if they were data."""
    X, y = xor(copies=2)
    return HandWritten(
        np.random.default_rng(0).uniform(0, 1, 12),
        loss=lambda w, X, Y: cost(w, outputs(w, X), Y),
        gradient=lambda w, X, Y: gradient(w),
        predict=outputs,
        data=(X, np.eye(2)[y]),
        shapes={"W1": (2, 2), "b1": (2,), "W2": (2, 2), "b2": (2,)},
    )


TRAINING: dict[str, Any] = {"optimizer": Momentum(learning_rate=0.1, momentum=MOMENTUM), "epochs": 5_000}
"""How the post trained it, for `diagnose(subject(), **TRAINING)`, with the cost connected."""


OFFERED = {
    "the cost connected, nothing else": lambda recipe: recipe,
    "connected, four hidden units": lambda recipe: recipe.with_settings({"layers.0.units": 4}),
    "connected, tanh": lambda recipe: recipe.with_settings({"layers.0.activation": "tanh"}),
    "connected, a rate of 0.0001": lambda recipe: recipe.with_settings({"optimizer.learning_rate": 1e-4}),
}

CASE = Case(
    id=4,
    title="XOR settles at 0.69314718",
    fault="the cost sees predictions passed in as data, so only its penalty is differentiated",
    trainings={"as_was": as_was, "connected_only": connected, "cured": cured},
    subject=lambda: (subject(),),
    training=TRAINING,
    offered=OFFERED,
)
