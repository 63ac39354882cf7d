"""A hidden activation that explodes or that squeezes the layer's signal away."""

from __future__ import annotations

from unstuck.diagnosis.changes import hidden, with_relu
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix

UNFIT = {"exponential": "grows without bounds", "softmax": "makes the units of a layer compete for a sum of 1"}


def examine(evidence: Evidence) -> Finding | None:
    """See whether a hidden layer has an activation that is not made for one."""
    kinds = [layer.activation.kind for layer in hidden(evidence.recipe)]
    unfit = [kind for kind in kinds if kind in UNFIT]
    if not unfit:
        return None
    kind = unfit[0]
    layer = next(layer for layer in evidence.start.hidden if layer.activation == kind)
    numbers = [f"layer {layer.number}: {kind} {UNFIT[kind]}"]
    if evidence.diverged:
        numbers.append(f"the training ended with: {evidence.first.run.failure}")
    numbers.append(f"effective rank of its {layer.units} units at the start {layer.rank:.2g}")
    return Finding(
        "hidden_activation",
        f"{kind} in a hidden layer {UNFIT[kind]}.",
        tuple(numbers),
        suspicion=0.9 if evidence.diverged and kind == "exponential" else 0.8,
        fixes=(Fix("ReLU in the hidden layers", with_relu),),
    )
