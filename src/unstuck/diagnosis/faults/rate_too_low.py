"""A learning rate with which the training gets nowhere in the steps it has."""

from __future__ import annotations

from unstuck.diagnosis.changes import rate_of, with_best_rate
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.faults.usual_rates import decades_below
from unstuck.diagnosis.finding import Finding, Fix


def examine(evidence: Evidence) -> Finding | None:
    """See how far below the best rate the recipe's lies, and how far the parameters got."""
    rate, sweep = rate_of(evidence.recipe), evidence.rates
    if rate is None or sweep is None or rate >= sweep.best:
        return None
    ratio = sweep.best / rate
    moved = max(evidence.moved)
    slow = moved < 0.3 or evidence.falling > 0.005
    suspicion = 0.55 if ratio >= 100 and slow else 0.45 if ratio >= 30 and slow else 0.3 if ratio >= 10 else 0.1
    suspicion = min(0.92, suspicion + 0.15 * decades_below(evidence.recipe, rate))
    return Finding(
        "rate_too_low",
        f"The learning rate {rate:g} is about {ratio:.2g} times too low.",
        (
            f"after {sweep.updates} updates the loss has fallen by {1 - min(sweep.losses) / sweep.start:.1%} at rate "
            f"{sweep.best:.1g}, by {1 - sweep.loss_at(rate) / sweep.start:.2%} at rate {rate:g}"
            if sweep.start
            else "",
            f"in the whole training the parameters moved by {moved:.1%} of their size",
        ),
        suspicion=suspicion,
        fixes=(
            Fix("a higher learning rate", with_best_rate),
            Fix(
                "a higher learning rate, a fifth of the sweep's best",
                lambda recipe, problem: with_best_rate(recipe, problem, 0.2),
            ),
        ),
    )
