"""A gradient that has died away before it reaches the first layers."""

from __future__ import annotations

from unstuck.diagnosis.changes import hidden, with_relu
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.functions.activations import ReLU
from unstuck.recipe import Dense, Recipe

SQUEEZING = ("sigmoid", "tanh", "softsign", "hard_sigmoid", "softmax")


def examine(evidence: Evidence) -> Finding | None:
    """See whether the first layer's gradient is a vanishing part of the last one's."""
    layers = evidence.start.layers
    if len(layers) < 3 or not any(layer.activation in SQUEEZING for layer in evidence.start.hidden):
        return None
    first, last = layers[0].gradient, layers[-1].gradient
    ratio = first / last if last else 1.0
    shrink = ratio ** (1 / (len(layers) - 1)) if ratio > 0 else 0.0
    spread = evidence.start.output_spread / max(evidence.start.target_spread, 1e-12)
    deep = len(layers) >= 5
    suspicion = 0.85 if ratio < 1e-3 and deep else 0.6 if ratio < 1e-2 else 0.35 if ratio < 0.05 else 0.08
    fixes = [Fix("ReLU with He's start in the hidden layers", with_relu)]
    if len(hidden(evidence.recipe)) > 3:
        fixes.append(Fix("two hidden layers of ReLU instead", _shallow))
    return Finding(
        "vanishing_gradient",
        f"The gradient shrinks to {shrink:.2g} of itself from each layer to the one below it.",
        (
            f"root mean square gradient of the weights: {last:.2g} in the last layer, {first:.2g} in the first",
            f"the outputs spread by {spread:.2g} of the targets' spread at the start",
        ),
        suspicion=suspicion,
        fixes=tuple(fixes),
    )


def _shallow(recipe: Recipe, problem: Problem) -> Recipe:
    dense = hidden(recipe)
    width = max(max(layer.units for layer in dense), 16)
    layers: list[Dense] = [Dense(width, ReLU()), Dense(width, ReLU())]
    return recipe.replace(layers=(*layers, recipe.layers[-1]))
