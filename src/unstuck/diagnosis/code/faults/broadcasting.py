"""Outputs (n, 1) compared with targets (n,): NumPy makes a table of n x n differences, and the mean is its optimum."""

from __future__ import annotations

import numpy as np

from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.finding import Finding, Fix

SAME = 1e-10
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
    X, w = subject.data[0], evidence.points[0]
    loss = evidence.losses[0]
    random = np.random.default_rng(0)
    places = [random.permutation(n) for _ in range(3)]
    axis = cut.axes[1]
    assert axis is not None
    shuffled = [subject.cost(w, (X, y.take(place, axis=axis))) for place in places]
    others = [subject.cost(w, (X, np.full_like(y, y.flat[0]))), subject.cost(w, (X * 0, y))]
    if any(abs(other - loss) > SAME * abs(loss) for other in shuffled):
        return None
    if not np.isfinite([*others, loss]).all() or any(abs(other - loss) <= SAME * abs(loss) for other in others):
        return None
    shapes = ("(n, 1)", "(n,)") if y.ndim == 1 else ("(n,)", "(n, 1)")
    return Finding(
        "broadcasting",
        f"Outputs of shape {shapes[0]} are compared with targets of shape {shapes[1]}: NumPy makes a table of "
        f"{n} x {n} differences, each output against all targets.",
        (
            f"the loss stays {loss:.6g} when the targets change places",
            f"its lowest value is reached by the mean of the targets, {np.mean(y):.4g}, for every row",
        ),
        suspicion=0.97,
        fixes=(Fix("y = y.reshape(-1, 1)" if y.ndim == 1 else "outputs.reshape(-1, 1)"),),
    )
