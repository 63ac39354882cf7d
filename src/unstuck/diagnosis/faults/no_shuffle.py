"""Rows sorted by target, visited in the same order in every epoch."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See whether the order of the rows matters to the updates."""
    recipe, rows = evidence.recipe, len(evidence.problem)
    if recipe.shuffle or recipe.rows_per_batch(rows) >= rows:
        return None
    order = evidence.facts.in_order
    return Finding(
        "no_shuffle",
        "The rows are visited in the same order in every epoch"
        + (", and they are sorted by target." if order > 0.5 else "."),
        (f"neighbouring rows' targets agree by {order:.2f} (0 is chance, 1 is sorted), with shuffle=False",),
        suspicion=0.9 if order > 0.8 else 0.6 if order > 0.4 else 0.1,
        fixes=(Fix("shuffled rows", _shuffled),),
    )


def _shuffled(recipe: Recipe, problem: Problem) -> Recipe:
    return recipe.replace(shuffle=True)
