"""Units that no row reaches any more."""

from __future__ import annotations

from unstuck.diagnosis.changes import with_hidden
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.functions.activations import LeakyReLU
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See whether most units of a hidden layer are dead at the end."""
    dead = [layer for layer in evidence.end.hidden if layer.dead >= 0.5]
    if not dead:
        return None
    layer = max(dead, key=lambda one: one.dead)
    before = evidence.start.layers[layer.number - 1].dead
    return Finding(
        "dead_units",
        f"{layer.dead:.0%} of the units of layer {layer.number} are dead: zero on every row, and so is their gradient.",
        (f"{before:.0%} were dead at the start, {layer.dead:.0%} at the end",),
        suspicion=0.45 if layer.dead > 0.9 else 0.3,
        fixes=(Fix("leaky ReLU in the hidden layers", _leaky),),
    )


def _leaky(recipe: Recipe, problem: Problem) -> Recipe:
    return with_hidden(
        recipe,
        lambda layer: layer.replace(activation=LeakyReLU(0.1)) if layer.activation.kind == "relu" else layer,
    )
