"""Softmax over one unit, which is 1 whatever the weights are."""

from __future__ import annotations

from unstuck.diagnosis.changes import PROPER_OUTPUT, as_numbers, output, proper_output, with_output
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.functions.activations import Sigmoid, Softmax
from unstuck.functions.losses import BinaryCrossEntropy
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See whether the output is a softmax of a single unit."""
    last = output(evidence.recipe)
    if not isinstance(last.activation, Softmax) or last.units > 1:
        return None
    return Finding(
        "single_softmax",
        "The softmax of a single unit is 1 for every row, whatever the weights are.",
        (
            f"the outputs spread by {evidence.end.output_spread:.2g} over the rows",
            f"the gradient of the weights is {evidence.start.output.gradient:.2g}: exp(z) / exp(z) is 1 whatever z is",
        ),
        suspicion=0.99,
        fixes=(Fix("a sigmoid, or a linear unit for numbers", _single), Fix(PROPER_OUTPUT, proper_output)),
        rules_out=("rate, start and size of the network: no gradient reaches any of them",),
    )


def _single(recipe: Recipe, problem: Problem) -> Recipe:
    if problem.classes is None:
        return as_numbers(recipe, problem)
    return with_output(recipe, Sigmoid(), loss=BinaryCrossEntropy())
