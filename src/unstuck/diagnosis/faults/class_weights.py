"""Class weights that make some classes not count."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See how far apart the classes' weights are."""
    weights = evidence.recipe.class_weights
    if weights is None:
        return None
    if weights == "balanced":
        ratio = 1 / max(1e-9, 1 - evidence.facts.largest_class)
        suspicion, text = 0.1, '"balanced"'
    else:
        values = [weight for _, weight in weights]
        ratio = max([*values, 1.0]) / min([*values, 1.0])
        suspicion, text = (0.85 if ratio > 30 else 0.3 if ratio > 5 else 0.1), str(dict(weights))
    return Finding(
        "class_weights",
        f"The class weights differ by a factor of up to {ratio:.3g}.",
        (f"class_weights={text:.80}; the class with the large weight is predicted whatever the row says",),
        suspicion=suspicion,
        fixes=(Fix("no class weights", _without),),
    )


def _without(recipe: Recipe, problem: Problem) -> Recipe:
    return recipe.replace(class_weights=None)
