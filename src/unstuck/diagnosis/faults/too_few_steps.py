"""Nothing is broken: the training is over before it has arrived."""

from __future__ import annotations

from collections.abc import Callable

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Recipe

LONGER = (4, 16, 64)


def examine(evidence: Evidence) -> Finding | None:
    """See whether the loss is still falling at the end."""
    falling = evidence.falling
    updates = evidence.updates
    suspicion = 0.1
    if (falling > 0.003 and not evidence.cut) or updates < 300:
        suspicion = 0.5
    if (falling > 0.02 and updates < 2000 and not evidence.cut) or updates < 100:
        suspicion = 0.7
    if evidence.diverged:
        suspicion = 0.0
    return Finding(
        "too_few_steps",
        f"{updates:,} updates {'are few.' if evidence.cut else 'were not enough: the loss is still falling.'}",
        (
            f"over the last fifth of the training it fell by {falling:.2%}, with records scattered by "
            f"{evidence.fluctuation:.2%}",
        ),
        suspicion=suspicion,
        fixes=tuple(Fix(f"train {times} times longer", _longer(times * evidence.whole.epochs)) for times in LONGER),
    )


def _longer(epochs: int) -> Callable[[Recipe, Problem], Recipe]:
    return lambda recipe, problem: recipe.replace(epochs=epochs)
