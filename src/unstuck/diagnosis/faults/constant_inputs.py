"""Inputs that say nothing: every column constant, as integer division leaves them."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix


def examine(evidence: Evidence) -> Finding | None:
    """See whether most columns are constant."""
    facts = evidence.facts
    share = len(facts.constant) / facts.inputs
    nearly = evidence.facts.input_spread == 0
    if not nearly and share < 0.99:
        return None
    value = evidence.prepared.rows.X[0, 0]
    return Finding(
        "constant_inputs",
        f"{len(facts.constant)} of {facts.inputs} inputs are the same number in every row.",
        (
            f"the first is {value:g} throughout; all rows look alike to the network, so it can only learn a constant",
            "integers divided by integers (x // 255) leave zeros",
        ),
        suspicion=0.99 if share == 1 else 0.6,
        fixes=(Fix("look at how X is made: divide as numbers, x / 255, and check X.std(axis=0)"),),
        rules_out=("everything in the recipe: no network can tell equal rows apart",),
    )
