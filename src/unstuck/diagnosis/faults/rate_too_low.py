"""A learning rate with which the training gets nowhere in the steps it has."""

from __future__ import annotations

from unstuck.diagnosis.changes import rate_of, with_best_rate, with_rate
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.faults.usual_rates import beyond_usual, decades_below, usual_rates
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.rates import RATES, RateSweep
from unstuck.recipe import Recipe

FEW_UPDATES = 300
"""Fewer full-sized ones than this move no parameter far, at any usual rate."""


def examine(evidence: Evidence) -> Finding | None:
    """See how far below the best rate the recipe's lies, and how far the parameters got."""
    recipe, rate, sweep = evidence.recipe, rate_of(evidence.recipe), evidence.rates
    if rate is None or sweep is None:
        return None
    if sweep.flat:
        return _open(recipe, rate, sweep)
    if rate >= sweep.best:
        return None
    ratio = sweep.best / rate
    moved = max(evidence.moved)
    slow = (moved < 0.3 or evidence.falling > 0.005) and evidence.full_updates >= FEW_UPDATES
    suspicion = 0.55 if ratio >= 100 and slow else 0.45 if ratio >= 30 and slow else 0.3 if ratio >= 10 else 0.1
    unusual = decades_below(recipe, rate)
    furthest = f"In the first {sweep.updates} updates the loss falls furthest at a rate about {_times(ratio)} as high."
    claim = f"The learning rate {rate:g} is about {_times(ratio)} too low."
    return Finding(
        "rate_too_low",
        claim if unusual else furthest,
        (
            f"after {sweep.updates} updates the loss has fallen by {1 - min(sweep.losses) / sweep.start:.1%} at rate "
            f"{sweep.best:.1g}, by {1 - sweep.loss_at(rate) / sweep.start:.2%} at rate {rate:g}"
            if sweep.start
            else "",
            f"in the whole training the parameters moved by {moved:.1%} of their size",
        ),
        suspicion=min(0.92, suspicion + 0.15 * unusual),
        fixes=(
            Fix("a higher learning rate", _higher),
            Fix(
                "a higher learning rate, a fifth of the sweep's best",
                lambda recipe, problem: _higher(recipe, problem, 0.2),
            ),
        ),
        proven=claim if unusual else f"The learning rate {rate:g} is too low.",
    )


def _open(recipe: Recipe, rate: float, sweep: RateSweep) -> Finding | None:
    """Offer a higher rate where the loss falls at none: what keeps it from falling hides whether this one suits."""
    if rate >= usual_rates(recipe)[1]:
        return None
    unusual = decades_below(recipe, rate)
    proven = f"The learning rate {rate:g} is too low."
    return Finding(
        "rate_too_low",
        f"The learning rate {beyond_usual(recipe, rate)}." if unusual else proven,
        (f"the loss falls by {max(sweep.fall, 0):.2%} in {sweep.updates} updates at the best of {len(RATES)} rates",),
        suspicion=min(0.92, 0.25 + 0.15 * unusual),
        fixes=(Fix("a higher learning rate", _higher_or_usual),),
        proven=proven,
    )


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} times" if 10 <= ratio < 1e4 else f"{ratio:.2g} times"


def _higher(recipe: Recipe, problem: Problem, below: float = 1.0) -> Recipe:
    """Take the best rate, if it is higher: with other faults mended first it may not be."""
    changed = with_best_rate(recipe, problem, below)
    before, after = rate_of(recipe), rate_of(changed)
    return changed if before is not None and after is not None and after > before else recipe


def _higher_or_usual(recipe: Recipe, problem: Problem) -> Recipe:
    """Take the best rate with the other faults mended, the highest usual one as long as that cannot be told."""
    changed = _higher(recipe, problem)
    return changed if changed != recipe else with_rate(recipe, usual_rates(recipe)[1])
