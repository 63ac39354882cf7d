"""Some starts learn and others do not: one run proves nothing."""

from __future__ import annotations

from unstuck.diagnosis.changes import hidden, with_hidden
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See whether it learned from some seeds and not from others."""
    if not 0 < evidence.successes < 1:
        return None
    learned = round(evidence.successes * len(evidence.untreated))
    widths = ", ".join(str(layer.units) for layer in hidden(evidence.recipe))
    return Finding(
        "seed_luck",
        f"It learns from {learned} of {len(evidence.untreated)} starts: luck of the seed.",
        (f"hidden units: {widths or 'none'}; with more of them a poor start of some matters less",),
        suspicion=0.55,
        fixes=(Fix("four times as many hidden units", _more),),
    )


def _more(recipe: Recipe, problem: Problem) -> Recipe:
    return with_hidden(recipe, lambda layer: layer.replace(units=4 * layer.units))
