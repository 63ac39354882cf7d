"""Targets that the output cannot reach, whatever the weights are."""

from __future__ import annotations

from unstuck.data.targets import Targets
from unstuck.diagnosis.changes import PROPER_OUTPUT, as_numbers, output, proper_output
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Recipe

TOLERATED = 0.005


def examine(evidence: Evidence) -> Finding | None:
    """See whether targets lie outside the range of the output activation."""
    outside = evidence.start.outside
    if outside <= TOLERATED:
        return None
    f = output(evidence.recipe).activation
    low, high = f.range
    Y = evidence.prepared.rows.Y
    lost = next((floor for floor in evidence.floors if floor.name == "best in range"), None)
    constant = evidence.floors[0]
    numbers = [
        f"{outside:.0%} of the targets lie outside ({low:g}, {high:g}), which is all that {f.kind} gives; "
        f"they run from {Y.min():.4g} to {Y.max():.4g}"
    ]
    if lost is not None:
        numbers.append(
            f"with the best outputs there could be, the loss is still {lost.loss:.4g}; it is {evidence.loss:.4g}, and "
            f"{constant.loss:.4g} for the best constant"
        )
    fixes = [Fix(PROPER_OUTPUT, proper_output)]
    if evidence.problem.classes is not None and evidence.network.outputs == 1:
        fixes.append(Fix("a linear output and the squared error", as_numbers))
    if high - low < float("inf"):
        fixes.append(Fix("targets scaled into the range", _scaled))
    return Finding(
        "output_range",
        f"The output's {f.kind} cannot reach {outside:.0%} of the targets.",
        tuple(numbers),
        suspicion=min(0.97, 0.85 + outside / 4),
        fixes=tuple(fixes),
        rules_out=("a learning rate: no weights reach these targets",),
    )


def _scaled(recipe: Recipe, problem: Problem) -> Recipe:
    return recipe.replace(targets=Targets(coding="numbers", scaling="minmax"))
