"""Outputs (n, 1) compared with targets (n,): NumPy makes a table of n x n differences, and the mean is its optimum."""

from __future__ import annotations

import numpy as np

from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.finding import Finding, Fix

SAME = 1e-10
CHANGED = 1e-4
FEWEST = 3


def examine(evidence: CodeEvidence) -> Finding | None:
    """See whether the loss stays the same when the targets change places, though it depends on them and on X."""
    y, cut, subject = evidence.targets, evidence.rows, evidence.subject
    if y is None or cut is None or len(subject.data) != 2 or subject.per_row or cut.rows < FEWEST:
        return None
    n = cut.rows
    outputs = evidence.outputs(subject.w) if evidence.predicts else np.zeros(n)
    if y.size != n or outputs.size != n or np.ptp(y) == 0:
        return None
    X, axes = subject.data[0], cut.axes
    if axes[0] is None or axes[1] is None:
        return None
    random = np.random.default_rng(0)
    shuffled = [y.take(random.permutation(n), axis=axes[1]) for _ in range(3)]
    alike = (X.take([0] * n, axis=axes[0]), y), (X, np.full_like(y, y.flat[0]))
    told = []
    for w in (subject.w, *evidence.points[:3]):
        loss, *others = (subject.cost(w, data) for data in (subject.data, *alike))
        if not np.isfinite([loss, *others]).all() or any(abs(other - loss) <= CHANGED * abs(loss) for other in others):
            continue  # all outputs are the same here, or nearly: which target is whose makes no difference
        if any(abs(subject.cost(w, (X, other)) - loss) > SAME * abs(loss) for other in shuffled):
            return None
        told.append(loss)
    if not told:
        return None
    shapes = ("(n, 1)", "(n,)") if y.ndim == 1 else ("(n,)", "(n, 1)")
    return Finding(
        "broadcasting",
        f"Outputs of shape {shapes[0]} are compared with targets of shape {shapes[1]}: NumPy makes a table of "
        f"{n} x {n} differences, each output against all targets.",
        (
            f"the loss stays {told[0]:.6g} when the targets change places",
            f"its lowest value is reached by the mean of the targets, {np.mean(y):.4g}, for every row",
        ),
        suspicion=0.97,
        fixes=(Fix("y = y.reshape(-1, 1)" if y.ndim == 1 else "outputs.reshape(-1, 1)"),),
    )
