"""A training that stopped on a plateau, or at a target it was given, before it had learned."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See whether early stopping or a target loss ended the training."""
    recipe, run = evidence.recipe, evidence.first.run
    if recipe.early_stopping is None and recipe.stop_at_loss is None:
        return None
    done = int(run.history["epoch"][-1]) if len(run.history) else 0
    stopped = run.stopped in ("early stopping", "target loss")
    share = done / recipe.epochs
    suspicion = (0.85 if share < 0.1 else 0.6 if share < 0.5 else 0.3) if stopped else 0.05
    why = f"after {done:,} of {recipe.epochs:,} epochs by {run.stopped}"
    numbers = [f"it stopped {why}", f"the loss was {evidence.loss:.4g} then"]
    if recipe.early_stopping and stopped:
        stopping = recipe.early_stopping
        numbers.append(f"patience {stopping.patience} records, min_delta {stopping.min_delta:g}")
    return Finding(
        "early_stop",
        f"The training stopped {why}, before it had learned.",
        tuple(numbers),
        suspicion=suspicion,
        fixes=(Fix("no early stopping", _without),),
    )


def _without(recipe: Recipe, problem: Problem) -> Recipe:
    return recipe.replace(early_stopping=None, stop_at_loss=None)
