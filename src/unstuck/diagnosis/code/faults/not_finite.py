"""A loss or a gradient that is no number before the training begins."""

from __future__ import annotations

import numpy as np

from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.finding import Finding, Fix


def examine(evidence: CodeEvidence) -> Finding | None:
    """See whether loss and gradient are finite at the start."""
    subject = evidence.subject
    if not np.isfinite(evidence.loss):
        return Finding(
            "loss_not_finite",
            f"The loss is {evidence.loss} before the first update.",
            (f"the largest parameter is {np.abs(subject.w).max():.4g}",),
            suspicion=0.95,
            fixes=(
                Fix("np.log(p + 1e-12), or np.logaddexp(0, z) for log(1 + exp(z))"),
                Fix("a start with smaller parameters, or scaled inputs"),
            ),
        )
    if not subject.has_gradient:
        return None
    g = subject.gradient(subject.w)
    broken = {block.name: int(np.count_nonzero(~np.isfinite(g[block.part]))) for block in subject.blocks}
    broken = {name: count for name, count in broken.items() if count}
    if not broken:
        return None
    return Finding(
        "loss_not_finite",
        f"The gradient for {', '.join(broken)} holds NaN or infinity before the first update.",
        tuple(f"{name}: {count:,} entries" for name, count in broken.items()),
        suspicion=0.95,
        fixes=(Fix("divide by p + 1e-12 where a probability may be 0"),),
    )
