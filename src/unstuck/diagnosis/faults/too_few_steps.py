"""Nothing is broken: the training is over before it has arrived."""

from __future__ import annotations

from collections.abc import Callable

from unstuck.diagnosis.evidence import ENOUGH_RECORDS, Evidence
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
    still = ": the loss is still falling" if evidence.still_falling else ""
    return Finding(
        "too_few_steps",
        f"{updates:,} updates are few." if evidence.cut else f"{updates:,} updates may be too few{still}.",
        (_fall(evidence),),
        suspicion=suspicion,
        fixes=tuple(Fix(f"train {times} times longer", _longer(times * evidence.whole.epochs)) for times in LONGER),
        proven=f"{updates:,} updates were not enough{still}.",
    )


def _fall(evidence: Evidence) -> str:
    """Say how the loss fell: at the end where that can be told, else from the first record to the last."""
    if len(evidence.first.run.history) >= ENOUGH_RECORDS:
        fell = f"fell by {evidence.falling:.2%}" if evidence.falling > 0 else "did not fall"
        return f"over the last fifth of the training it {fell}, with records scattered by {evidence.fluctuation:.2%}"
    begun = f"starts at {evidence.rates.start:.4g} and ends" if evidence.rates else "ends"
    return f"the loss {begun} at {evidence.loss:.4g}; too few records to say how it falls at the end"


def _longer(epochs: int) -> Callable[[Recipe, Problem], Recipe]:
    return lambda recipe, problem: recipe.replace(epochs=epochs)
