"""Gradient clipping that leaves next to nothing of every update."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See how small the limits are beside the gradient."""
    recipe = evidence.recipe
    limits = [limit for limit in (recipe.clip_value, recipe.clip_norm) if limit is not None]
    if not limits:
        return None
    largest = max(layer.gradient for layer in evidence.start.layers)
    limit = min(limits)
    ratio = limit / max(largest, 1e-300)
    return Finding(
        "clipping",
        f"Gradients are clipped at {limit:g}.",
        (f"root mean square gradient of a layer at the start: up to {largest:.2g}; the limit is {ratio:.2g} of it",),
        suspicion=0.8 if limit < 1e-3 and ratio < 0.3 else 0.5 if ratio < 0.1 else 0.1,
        fixes=(Fix("no clipping", _without),),
    )


def _without(recipe: Recipe, problem: Problem) -> Recipe:
    return recipe.replace(clip_value=None, clip_norm=None)
