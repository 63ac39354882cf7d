"""Floors: the loss that some limited predictor reaches, in the units of the recipe's own loss.

A cost curve that has gone flat has mostly gone flat at one of these. Each is the lowest loss of

    the best constant          one output vector for all rows
    the best constant in range the same, of those the output activation can give
    the best point in range    each row's own target, moved into the range of the output activation: what is left is
                               lost whatever the weights are
    the best linear model      z = x W + b through the output activation
    zero inputs                nothing: it is the same as the best constant for a network with an output bias

They are computed on the training rows, with the recipe's preprocessing and row weights, from its loss and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from unstuck.arrays import Array, evenly
from unstuck.diagnosis.problem import Problem
from unstuck.engines.native import NativeEngine
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import Adam
from unstuck.network import Network
from unstuck.recipe import Dense, Recipe
from unstuck.training.prepare import Prepared
from unstuck.training.state import State

CLOSE = 0.02
"""A loss within this share of the way between zero and a floor counts as flat at it."""
LINEAR_UPDATES, LINEAR_ROWS = 600, 1000
"""The linear model is trained by so many updates, of so many rows each."""
SCALE_ROWS = 5000
"""Its inputs are standardised by what so many rows have as mean and standard deviation."""


@dataclass(frozen=True)
class Floor:
    """A loss, and the predictor that reaches it."""

    name: str
    loss: float
    predictor: str


def floors(recipe: Recipe, prepared: Prepared, problem: Problem) -> tuple[Floor, ...]:
    """Return the floors of a recipe's loss on its rows, the highest first."""
    Y, weights = prepared.rows.Y.astype(np.float64), prepared.rows.weights
    last = recipe.layers[-1]
    assert isinstance(last, Dense)
    low, high = last.activation.range
    constant, value = best_constant(recipe.loss, Y, weights)
    found = [Floor("best constant", constant, f"outputs {_shown(value)} for every row")]
    if Y.min() < low or Y.max() > high:
        inside = np.clip(Y, low, high)
        margin = 1e-7 * (high - low) if np.isfinite(high - low) else 0.0
        nearest = np.clip(Y, low + margin, high - margin)
        lost = _loss(recipe.loss, Y, nearest, weights)
        found.append(Floor("best in range", lost, f"outputs as near as {_range(low, high)}"))
        kept, value = best_constant(recipe.loss, Y, weights, low, high)
        if kept > constant * (1 + 1e-9) and np.isfinite(inside).all():
            found.append(Floor("best constant in range", kept, f"outputs {_shown(value)} for every row"))
    linear = best_linear(recipe, prepared)
    if math.isfinite(linear):
        found.append(Floor("best linear model", linear, f"{last.activation.kind} of x W + b"))
    return tuple(sorted(found, key=lambda floor: -floor.loss))


def best_constant(
    loss: Loss, Y: Array, weights: Array | None = None, low: float = -math.inf, high: float = math.inf
) -> tuple[float, Array]:
    """Return the lowest loss of one output vector for all rows, and that vector (o,).

    It is the mean for the squared error, cross-entropies and Poisson, the median for the absolute error; the other
    losses are minimised by column with SciPy.
    """
    from scipy.optimize import minimize_scalar

    if loss.kind in ("squared_error", "categorical_crossentropy", "binary_crossentropy", "poisson"):
        value = np.average(Y, axis=0, weights=weights)
    elif loss.kind == "absolute_error":
        value = np.quantile(Y, 0.5, axis=0, weights=weights, method="inverted_cdf")
    else:
        value = np.array(
            [
                minimize_scalar(
                    lambda a, y=column[:, None]: _loss(loss, y, np.full_like(y, a), weights),
                    bounds=(min(-1.0, column.min()), max(1.0, column.max())),
                    method="bounded",
                ).x
                for column in Y.T
            ]
        )
    value = np.clip(value, low, high)
    return _loss(loss, Y, np.broadcast_to(value, Y.shape).copy(), weights), value


def best_linear(recipe: Recipe, prepared: Prepared) -> float:
    """Return the loss of the network without its hidden layers, standardised inputs, trained by Adam at two rates."""
    rows = prepared.rows
    some = rows.X[evenly(len(rows), SCALE_ROWS)].astype(np.float64)
    spread = some.std(axis=0)
    factors = np.where(spread > 0, spread, 1).astype(rows.X.dtype)
    X = (rows.X - some.mean(axis=0).astype(rows.X.dtype)) / factors
    last = recipe.layers[-1]
    assert isinstance(last, Dense)
    alone = recipe.replace(
        layers=(Dense(last.units, last.activation),),
        optimizer=Adam(),
        penalties=(),
        batch_size=LINEAR_ROWS,
        epochs=LINEAR_UPDATES,
        early_stopping=None,
        clip_value=None,
        clip_norm=None,
        stop_at_loss=None,
    )
    network = Network(alone, inputs=X.shape[1])
    rows = type(rows)(X, rows.Y, rows.weights)
    scale = max(1.0, float(np.abs(rows.Y).max()))
    losses = []
    for rate in (0.02 * scale, 0.2):
        engine = NativeEngine(network, rows, threads=1)
        state = State.at_start(network)
        rates = rate * np.linspace(1, 0.02, LINEAR_UPDATES)
        engine.steps(state.descent, rates, lambda done: False)
        losses.append(engine.evaluate(state.descent.w, rows)[0])
    return float(np.nanmin(losses)) if not np.isnan(losses).all() else math.nan


def flat_at(loss: float, found: tuple[Floor, ...]) -> Floor | None:
    """Return the floor that a loss lies at, if it does at one."""
    close = [floor for floor in found if abs(loss - floor.loss) <= CLOSE * max(abs(floor.loss), 1e-12)]
    return min(close, key=lambda floor: abs(loss - floor.loss)) if close else None


def _loss(loss: Loss, Y: Array, A: Array, weights: Array | None) -> float:
    with np.errstate(all="ignore"):
        return float(loss.value(Y, A, weights))


def _shown(value: Array) -> str:
    numbers = ", ".join(f"{number:.3g}" for number in value[:4])
    return f"{numbers}, ..." if len(value) > 4 else numbers


def _range(low: float, high: float) -> str:
    return f"({low:g}, {high:g}) allows" if np.isfinite(high) else f"values above {low:g} allow"
