"""A penalty stronger than what the data have to say."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.functions.penalties import L1, L2, DecoupledDecay, MaxNorm
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See what the penalties do to the weights."""
    penalties = evidence.recipe.penalties
    if not penalties:
        return None
    largest = max(
        (penalty.strength for penalty in penalties if isinstance(penalty, L1 | L2 | DecoupledDecay)), default=0.0
    )
    limit = min((penalty.limit for penalty in penalties if isinstance(penalty, MaxNorm)), default=float("inf"))
    pairs = zip(evidence.start.layers, evidence.end.layers, strict=True)
    shrunk = [end.weights / start.weights for start, end in pairs if start.weights]
    shares = [end.penalty / max(end.gradient, 1e-300) for end in evidence.end.layers if end.penalty]
    numbers = [
        f"strongest penalty {largest:g}" if largest else f"rows of weights held to a norm of {limit:g}",
        f"the weights end at {min(shrunk, default=1):.2g} of the size they started with in one layer",
    ]
    suspicion = 0.05
    if shares and max(shares) > 0.3:
        numbers.append(f"in the end the penalty's gradient is {max(shares):.2g} times the data's")
    if largest >= 0.03 or min(shrunk, default=1) < 0.3:
        suspicion = 0.4
    if min(shrunk, default=1) < 0.1 or largest >= 0.3 or limit < 0.3:
        suspicion = 0.85
    return Finding(
        "penalty",
        "The penalty on the weights outweighs the data.",
        tuple(numbers),
        suspicion=suspicion,
        fixes=(Fix("no penalty", _without),),
    )


def _without(recipe: Recipe, problem: Problem) -> Recipe:
    return recipe.replace(penalties=())
