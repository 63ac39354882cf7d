"""Dropout that leaves too little of the network."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Dense, Dropout, Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See how many units dropout leaves."""
    if evidence.dropout == 0:
        return None
    left = _units_left(evidence)
    numbers = [f"dropout {evidence.dropout:g} leaves about {left:.3g} units of the narrowest layer it acts on"]
    if evidence.training_mode is not None:
        numbers.append(
            f"counted with dropout on, the gain on the training rows is {evidence.training_mode:.2f}; with it off "
            f"{evidence.first.fit:.2f}"
        )
    rate = evidence.dropout
    suspicion = 0.85 if rate >= 0.85 else 0.6 if rate >= 0.7 or left < 6 else 0.3 if rate > 0.5 else 0.15
    return Finding(
        "dropout",
        f"Dropout of {rate:g} leaves only about {left:.3g} units at a time.",
        tuple(numbers),
        suspicion=suspicion,
        fixes=(Fix("no dropout", without_dropout),),
    )


def without_dropout(recipe: Recipe, problem: Problem) -> Recipe:
    """Take all dropout out."""
    return recipe.replace(layers=tuple(layer for layer in recipe.layers if not isinstance(layer, Dropout)))


def _units_left(evidence: Evidence) -> float:
    width, left = float(evidence.network.inputs), float("inf")
    for layer in evidence.recipe.layers:
        if isinstance(layer, Dense):
            width = layer.units
        elif isinstance(layer, Dropout) and layer.rate:
            left = min(left, width * (1 - layer.rate))
    return left
