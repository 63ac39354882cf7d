"""Too few hidden units, in all layers or in one that is a bottleneck."""

from __future__ import annotations

from unstuck.diagnosis.changes import hidden, with_hidden
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.functions.activations import ReLU
from unstuck.functions.initializers import Given
from unstuck.recipe import Dense, Recipe

ROOMY = 64


def examine(evidence: Evidence) -> Finding | None:
    """See whether a layer is narrower than the problem seems to need."""
    layers = hidden(evidence.recipe)
    outputs = evidence.network.outputs
    if not layers:
        return Finding(
            "too_small",
            "There is no hidden layer, so the network is a linear model.",
            tuple(f"{floor.name}: loss {floor.loss:.4g}" for floor in evidence.floors),
            suspicion=0.7 if evidence.share < 0.75 else 0.2,
            fixes=(Fix("a hidden layer of 64 units", _with_layer),),
        )
    narrowest = min(layer.units for layer in layers)
    if narrowest >= ROOMY:
        return None
    bottleneck = narrowest < min(outputs, 4) or narrowest == 1
    underfits = evidence.small < 0.9 and evidence.fit < 0.75
    suspicion = 0.75 if bottleneck else 0.5 if narrowest <= 3 and underfits else 0.35 if narrowest <= 5 else 0.1
    return Finding(
        "too_small",
        f"The narrowest hidden layer has {narrowest} unit{'s' * (narrowest > 1)} for {outputs} "
        f"output{'s' * (outputs > 1)}.",
        (
            f"given 16 rows to itself, the network fits {max(evidence.small, 0):.0%} of what there is to fit in them",
            f"on all its training rows it fits {max(evidence.fit, 0):.0%}",
        ),
        suspicion=suspicion,
        fixes=(Fix(f"at least {ROOMY} units a hidden layer", _wider), Fix("four times as many hidden units", _four)),
    )


def _wider(recipe: Recipe, problem: Problem) -> Recipe:
    return with_hidden(recipe, lambda layer: _of_width(layer, max(layer.units, ROOMY)))


def _four(recipe: Recipe, problem: Problem) -> Recipe:
    return with_hidden(recipe, lambda layer: _of_width(layer, 4 * layer.units))


def _of_width(layer: Dense, units: int) -> Dense:
    given = isinstance(layer.weight_start, Given)
    return layer.replace(units=units, weight_start=None if given else layer.weight_start)


def _with_layer(recipe: Recipe, problem: Problem) -> Recipe:
    return recipe.replace(layers=(Dense(ROOMY, ReLU()), *recipe.layers))
