"""Targets so large, so small or so far from zero that the usual start and rate cannot follow."""

from __future__ import annotations

from unstuck.diagnosis.changes import output
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See whether the targets have a scale far from 1."""
    recipe, facts = evidence.recipe, evidence.facts
    if evidence.prepared.targets.classes is not None or recipe.targets.scaling != "none":
        return None
    if output(recipe).activation.kind not in ("identity", "relu", "leaky_relu", "elu", "selu", "softplus"):
        return None
    spread, mean = facts.target_spread, facts.target_mean
    size = max(spread, mean)
    if spread >= 0.05 and size <= 5 and evidence.problem.classes is None:
        return None
    if evidence.problem.classes is not None:
        return None
    suspicion = 0.1
    if size > 5:
        suspicion = 0.4 if size < 30 else 0.7 if size < 300 else 0.85
    elif spread < 0.01:
        suspicion = 0.5
    return Finding(
        "unscaled_targets",
        f"The targets are of the size {size:.3g}, and the network's outputs start at about "
        f"{max(evidence.start.output_spread, 1e-12):.2g}.",
        (f"mean {mean:.4g}, standard deviation {spread:.4g}; gradients and useful learning rates scale with them",),
        suspicion=suspicion,
        fixes=(Fix("standardised targets", _scaled),),
    )


def _scaled(recipe: Recipe, problem: Problem) -> Recipe:
    return recipe.replace(targets=recipe.targets.replace(scaling="standard", coding="auto"))
