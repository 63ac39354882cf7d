"""A schedule that takes the learning rate away before anything is learned."""

from __future__ import annotations

import numpy as np

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.functions.schedules import ConstantRate
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See how much learning rate the schedule leaves over the training."""
    recipe = evidence.recipe
    history = evidence.first.run.history
    if recipe.schedule == ConstantRate() or not len(history):
        return None
    factors = history["learning_rate"] / recipe.optimizer.learning_rate
    mean, half = float(factors.mean()), float(factors[len(factors) // 2])
    suspicion = 0.85 if mean < 0.03 else 0.6 if mean < 0.1 or half < 1e-3 else 0.2 if mean < 0.25 else 0.05
    when = int(history["epoch"][int(np.argmax(factors < 0.01))]) if (factors < 0.01).any() else None
    gone = f"; from epoch {when:,} on it is below 1 %" if when is not None else ""
    return Finding(
        "rate_decay",
        f"The schedule leaves {mean:.2%} of the learning rate on average{gone}.",
        (f"{recipe.schedule!r}: {half:.2g} of the rate at half-time, {float(factors[-1]):.2g} at the end",),
        suspicion=suspicion,
        fixes=(Fix("a constant rate", _constant),),
    )


def _constant(recipe: Recipe, problem: Problem) -> Recipe:
    return recipe.replace(schedule=ConstantRate())
