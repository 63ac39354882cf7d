"""A learning rate beyond the one from which on the loss grows."""

from __future__ import annotations

from unstuck.diagnosis.changes import rate_of, with_best_rate
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.faults.usual_rates import beyond_usual, decades_above
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See where the recipe's rate lies in the sweep."""
    rate, sweep = rate_of(evidence.recipe), evidence.rates
    if rate is None or sweep is None:
        return None
    ratio = rate / max(sweep.best, 1e-12)
    beyond = rate > sweep.largest_stable
    dead = max(layer.dead for layer in evidence.end.layers) > 0.9 > max(layer.dead for layer in evidence.start.layers)
    unusual = decades_above(evidence.recipe, rate)
    if sweep.flat and not (beyond or evidence.diverged or unusual):
        return None
    if not (beyond or evidence.diverged or ratio > 3 or dead):
        return None
    suspicion = 0.65 if ratio > 25 else 0.5 if ratio > 8 else 0.15
    if (beyond or evidence.diverged) and ratio > 2:
        suspicion = max(suspicion, 0.7)
    suspicion = min(0.92, suspicion + 0.15 * unusual)
    proven = f"The learning rate {rate:g} is too high."
    if sweep.flat and unusual:
        text = f"The learning rate {beyond_usual(evidence.recipe, rate)}."
    elif ratio > 2 and not sweep.flat and (unusual or beyond):
        text = proven = f"The learning rate {rate:g} is about {ratio:.2g} times too high."
    elif ratio > 2 and not sweep.flat:
        text = (
            f"In the first {sweep.updates} updates the loss falls furthest at a learning rate {ratio:.2g} times as low."
        )
    elif beyond or evidence.diverged:
        text = f"With the learning rate {rate:g} the loss grows."
    else:
        text = f"With the learning rate {rate:g} units die that were alive at the start."
    numbers = [
        f"after {sweep.updates} updates the loss is {sweep.loss_at(rate):.3g} at rate {rate:g}, "
        f"{min(sweep.losses):.3g} at rate {sweep.best:.1g}; it started at {sweep.start:.3g}"
    ]
    if evidence.diverged:
        numbers.append(f"the training ended with: {evidence.first.run.failure}")
    if dead:
        numbers.append("units died on the way that were alive at the start")
    return Finding(
        "rate_too_high",
        text,
        tuple(numbers),
        suspicion=suspicion,
        fixes=(
            Fix("a lower learning rate", _lower),
            Fix("a much lower learning rate", lambda recipe, problem: _lower(recipe, problem, 0.2)),
        ),
        proven=proven,
    )


def _lower(recipe: Recipe, problem: Problem, below: float = 1.0) -> Recipe:
    """Take the best rate, if it is lower: with other faults mended first it may not be."""
    changed = with_best_rate(recipe, problem, below)
    before, after = rate_of(recipe), rate_of(changed)
    return changed if before is not None and after is not None and after < before else recipe
