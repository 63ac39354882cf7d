"""Layers without bias: what the network computes is tied to the origin."""

from __future__ import annotations

from unstuck.diagnosis.changes import with_dense
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See whether layers have no bias."""
    without = [k for k, layer in enumerate(evidence.network.dense, start=1) if not layer.has_bias]
    if not without:
        return None
    every = len(without) == len(evidence.network.dense)
    small = evidence.network.inputs <= 20
    return Finding(
        "no_bias",
        f"{'All layers' if every else 'Layers ' + ', '.join(map(str, without))} lack a bias.",
        (
            "without biases every kink and boundary passes through the origin, and so does the output of a zero row",
            f"the inputs' means lie up to {evidence.facts.off_centre:.3g} standard deviations away from it",
        ),
        suspicion=(0.6 if every and small else 0.45) if without else 0.2,
        fixes=(Fix("biases", _with_bias),),
    )


def _with_bias(recipe: Recipe, problem: Problem) -> Recipe:
    return with_dense(recipe, lambda layer: layer.replace(bias=True))
