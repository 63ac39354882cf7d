"""A learning rate beyond the one from which on the loss grows."""

from __future__ import annotations

from unstuck.diagnosis.changes import rate_of, with_best_rate
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.faults.usual_rates import decades_above
from unstuck.diagnosis.finding import Finding, Fix


def examine(evidence: Evidence) -> Finding | None:
    """See where the recipe's rate lies in the sweep."""
    rate, sweep = rate_of(evidence.recipe), evidence.rates
    if rate is None or sweep is None:
        return None
    ratio = rate / max(sweep.best, 1e-12)
    beyond = rate > sweep.largest_stable
    dead = max(layer.dead for layer in evidence.end.layers) > 0.9 > max(layer.dead for layer in evidence.start.layers)
    if not (beyond or evidence.diverged or ratio > 3 or dead):
        return None
    suspicion = 0.65 if ratio > 25 else 0.5 if ratio > 8 else 0.15
    if (beyond or evidence.diverged) and ratio > 2:
        suspicion = max(suspicion, 0.7)
    suspicion = min(0.92, suspicion + 0.15 * decades_above(evidence.recipe, rate))
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
        f"The learning rate {rate:g} is about {max(ratio, 1):.2g} times too high.",
        tuple(numbers),
        suspicion=suspicion,
        fixes=(
            Fix("a lower learning rate", with_best_rate),
            Fix("a much lower learning rate", lambda recipe, problem: with_best_rate(recipe, problem, 0.2)),
        ),
    )
