"""A network that is a straight line: no activation between its layers, or none of its kinks within the data."""

from __future__ import annotations

from unstuck.diagnosis.changes import hidden, with_hidden, with_relu
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.functions.initializers import Uniform
from unstuck.recipe import Dense, Recipe

STRAIGHT = 0.999


def examine(evidence: Evidence) -> Finding | None:
    """See whether all hidden layers are linear, by their activations or on these data."""
    kinds = [layer.activation.kind for layer in hidden(evidence.recipe)]
    linear = next((floor for floor in evidence.floors if floor.name == "best linear model"), None)
    if kinds and all(kind == "identity" for kind in kinds):
        return Finding(
            "linear_network",
            f"The {len(kinds)} hidden layers have no activation, so the whole network is one linear layer.",
            (
                f"the best linear model has a loss of {linear.loss:.4g}"
                if linear
                else "layers of identity multiply out",
            ),
            suspicion=0.9 if evidence.share < 0.75 else 0.3,
            fixes=(Fix("ReLU in the hidden layers", with_relu),),
        )
    straight = [layer.straight for layer in evidence.end.hidden]
    if not straight or min(straight) < 1 or evidence.end.linear < STRAIGHT:
        return None
    return Finding(
        "linear_network",
        "No hidden unit ever changes side on these data, so the network is a straight line.",
        (
            f"all {sum(layer.units for layer in evidence.end.hidden)} hidden units stay on one side of their kink",
            f"a linear function of x gives {evidence.end.linear:.4%} of what the network computes",
        ),
        suspicion=0.6,
        fixes=(Fix("biases that start spread out, so that kinks lie among the data", _spread),),
    )


def _spread(recipe: Recipe, problem: Problem) -> Recipe:
    def spread(layer: Dense) -> Dense:
        return layer.replace(bias=True, bias_start=Uniform(-1.0, 1.0))

    return with_hidden(recipe, spread)
