"""Rows known by heart, and nothing learned that holds for others."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.faults.dropout import without_dropout
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.functions.penalties import L2
from unstuck.recipe import EarlyStopping, Recipe

GAP = 0.25


def examine(evidence: Evidence) -> Finding | None:
    """See whether the training rows are predicted far better than the held-out ones."""
    if not evidence.problem.held_out:
        return None
    gap = evidence.fit - evidence.gain
    if gap < max(GAP, 3 * evidence.problem.error(evidence.gain)) or evidence.fit < 0.5:
        return None
    rising = [one.text for one in evidence.agreement if one.rows == "held-out" and one.text]
    return Finding(
        "overfitting",
        "The network knows its training rows by heart, and does worse on others.",
        (f"gain {evidence.fit:.2f} on the training rows, {evidence.gain:.2f} on held-out ones", *rising),
        suspicion=0.6 if evidence.gain < 0.75 * evidence.learnable.gain else 0.3,
        fixes=(Fix("early stopping on held-out rows", _stopping), Fix("a penalty L2 of 0.01", _penalty)),
    )


def _stopping(recipe: Recipe, problem: Problem) -> Recipe:
    return recipe.replace(validation_fraction=0.2, early_stopping=EarlyStopping(patience=20))


def _penalty(recipe: Recipe, problem: Problem) -> Recipe:
    return without_dropout(recipe, problem).replace(penalties=(L2(0.01),))
