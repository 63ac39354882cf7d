"""A penalty stronger than what the data have to say."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.functions.optimizers import AdamW
from unstuck.functions.penalties import L1, L2, DecoupledDecay, MaxNorm
from unstuck.recipe import Recipe

TIGHT = 0.3
"""A usual weight over the largest that decay leaves, from which on it is felt."""


def examine(evidence: Evidence) -> Finding | None:
    """See what the penalties do to the weights."""
    penalties, optimizer = evidence.recipe.penalties, evidence.recipe.optimizer
    if not penalties:
        return _of_decay(evidence, optimizer) if isinstance(optimizer, AdamW) and optimizer.weight_decay else None
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


def _of_decay(evidence: Evidence, optimizer: AdamW) -> Finding:
    """See how large the decay leaves weights.

    An update takes `rate decay` of a weight, and Adam moves it by about `rate` at most. The two are equal at a weight
    of 1 / decay; beyond about that none gets.
    """
    rate, decay = optimizer.learning_rate, optimizer.weight_decay
    usual = max(layer.usual for layer in evidence.start.layers)
    pairs = zip(evidence.start.layers, evidence.end.layers, strict=True)
    shrunk = min((end.weights / start.weights for start, end in pairs if start.weights), default=1.0)
    acted = rate * decay * evidence.full_updates
    beyond = usual * decay if acted > 1 else 0.0
    return Finding(
        "penalty",
        f"The weight decay of {decay:g} holds the weights near zero."
        if beyond > TIGHT
        else f"The weights decay by {decay:g}.",
        (
            f"each update takes {min(rate * decay, 1):.2g} of every weight and moves it by about {rate:g} at most: "
            f"hardly one gets beyond {1 / decay:.2g}; usual is {usual:.2g}",
            f"the weights end at {shrunk:.2g} of the size they started with in one layer",
        ),
        suspicion=0.85 if beyond > 1 else 0.4 if beyond > TIGHT else 0.05,
        fixes=(Fix("no weight decay", _without),),
        proven=f"The weight decay of {decay:g} outweighs the data.",
    )


def _without(recipe: Recipe, problem: Problem) -> Recipe:
    optimizer = recipe.optimizer
    return recipe.replace(
        penalties=(), optimizer=optimizer.replace(weight_decay=0.0) if isinstance(optimizer, AdamW) else optimizer
    )
