"""Arrays on which the loss does not depend."""

from __future__ import annotations

import numpy as np

from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.finding import Finding, Fix

SAME = 1e-12


def examine(evidence: CodeEvidence) -> Finding | None:
    """See whether the loss stays the same when one array takes quite other values."""
    subject, random = evidence.subject, np.random.default_rng(5)
    if len(subject.blocks) < 2:
        return None
    unused = []
    for block in subject.blocks:
        changed = []
        for w, loss in zip(evidence.points[:4], evidence.losses[:4], strict=True):
            other = w.copy()
            other[block.part] += random.normal(size=block.size) * (1 + float(np.abs(w[block.part]).max()))
            changed.append(abs(subject.cost(other) - loss) > SAME * abs(loss))
        if not any(changed):
            unused.append(block)
    if not unused:
        return None
    biases = all(block.size == max(block.shape, default=1) for block in unused)
    names = ", ".join(block.name for block in unused)
    return Finding(
        "unused_parameters",
        f"The loss does not depend on {names} at all.",
        (
            "quite other values there leave it the same to the last digit",
            "normalisation over the batch takes the bias before it away, which does no harm"
            if biases
            else "their gradient is zero, so they stay where they began",
        ),
        suspicion=0.2 if biases else 0.6,
        fixes=(Fix(f"use {names} on the way forward, or take it out"),),
    )
