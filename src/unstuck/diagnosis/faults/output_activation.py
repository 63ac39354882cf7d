"""An activation on the output that bends or cuts what should be any number."""

from __future__ import annotations

from unstuck.diagnosis.changes import PROPER_OUTPUT, output, proper_output
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix

RECTIFIERS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu")


def examine(evidence: Evidence) -> Finding | None:
    """See whether the output layer has the activation of a hidden one."""
    f = output(evidence.recipe).activation
    if f.kind == "identity" or (f.kind in ("sigmoid", "softmax") and evidence.problem.classes is not None):
        return None
    if f.kind not in (*RECTIFIERS, "tanh", "sigmoid", "hard_sigmoid", "softsign", "softplus", "exponential", "softmax"):
        return None
    end = evidence.end.output
    numbers = []
    suspicion = 0.1 if f.kind in RECTIFIERS else 0.05
    if end.dead:
        numbers.append(f"{end.dead:.0%} of the outputs are dead: no row lets a gradient through")
        suspicion = 0.8
    elif end.straight and f.kind in RECTIFIERS:
        numbers.append(f"{end.straight:.0%} of the outputs stay on one side of the kink on every row")
        suspicion = 0.35
    elif f.kind in RECTIFIERS:
        numbers.append("numbers on the far side of the kink are learned with another slope, or not at all")
    else:
        numbers.append(f"the ends of {f.range} are reached only with weights that grow without end")
    return Finding(
        "output_activation",
        f"There is a {f.kind} on the output, where a number should come out as it is.",
        tuple(numbers),
        suspicion=suspicion,
        fixes=(Fix(PROPER_OUTPUT, proper_output),),
    )
