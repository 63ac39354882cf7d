"""So many rows to an update that there are hardly any updates, or so few that they are mostly noise."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.layers import number_of_rows
from unstuck.diagnosis.problem import Problem
from unstuck.functions.optimizers import LBFGS
from unstuck.recipe import Recipe

USUAL = 32


def examine(evidence: Evidence) -> Finding | None:
    """See how many rows an update has, and how many updates there are."""
    recipe, rows = evidence.whole, evidence.rows
    batch = recipe.rows_per_batch(rows)
    if isinstance(recipe.optimizer, LBFGS) or rows < 2 * USUAL or 8 <= batch <= 256:
        return None
    few, large = evidence.updates < 1000, batch > 256
    if large and evidence.cut and not few:
        return None  # many small updates would make up for what was left out of the training here
    start, end = (number_of_rows(one.noise_scale) for one in (evidence.start, evidence.end))
    suspicion = (0.7 if evidence.updates < 150 else 0.45 if few else 0.1) if large else 0.1
    return Finding(
        "batch_size",
        f"With {batch:,} rows to an update there are only {evidence.updates:,} updates."
        if large
        else f"With {batch} row{'s' * (batch > 1)} to an update the gradient is mostly noise.",
        (
            f"{recipe.epochs:,} epochs of {-(-rows // batch):,} updates",
            f"the noise of the gradient is as large as the gradient with {start} at the start, {end} at the end",
        ),
        suspicion=suspicion,
        fixes=(Fix(f"{USUAL} rows to an update", _usual),),
    )


def _usual(recipe: Recipe, problem: Problem) -> Recipe:
    return recipe.replace(batch_size=USUAL)
