"""A loss that is flat in places where nothing is right: rounded, thresholded or clipped outputs."""

from __future__ import annotations

import numpy as np

from unstuck.arrays import Array
from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.finding import Finding, Fix

ALONG = 40
NEAR = 1e-3
"""Half the length of a line, as a share of the parameters' size."""
ROUNDING = 1e-13
STEPS = 0.7
"""Share of neighbouring points on it with exactly the same loss from which on it is a staircase."""
STUCK = 0.2
"""Share of outputs at exactly the same end of their range that is worth saying."""


def examine(evidence: CodeEvidence) -> Finding | None:
    """Go along straight lines and see whether the loss is a staircase; then look for outputs that are stuck."""
    return _staircase(evidence) or _clipped(evidence)


def _staircase(evidence: CodeEvidence) -> Finding | None:
    """See whether the loss stands still around every point, and is another at each.

    A network whose units are dead at the start stands still there, but not with other signs. What other data change of
    the loss stands still where the data's part of it does, whatever penalty is beside it.
    """
    subject, random = evidence.subject, np.random.default_rng(7)
    points = [subject.w, *evidence.points[:4]]
    shares, others = [], evidence.other_data
    for w in points:
        direction = NEAR * (float(np.sqrt(np.mean(w**2))) or 0.5) * random.normal(size=w.shape)
        losses = np.array([subject.cost(w + t * direction) for t in np.linspace(-1, 1, ALONG)])
        if others:
            there = np.array([subject.cost(w + t * direction, others[0]) for t in np.linspace(-1, 1, ALONG)])
            changes, rounding = losses - there, ROUNDING * np.maximum(np.abs(losses), np.abs(there)).max()
        else:
            changes, rounding = losses, 0.0
        shares.append(float(np.mean(np.abs(np.diff(changes)) <= rounding)))
        if shares[-1] < STEPS:
            return None
    levels = len(set(evidence.losses.tolist()))
    if levels < 2:
        return None
    return Finding(
        "clamped",
        "The loss is a staircase: it stands still and jumps, so its derivative is zero wherever it exists.",
        (
            f"{np.mean(shares):.0%} of small moves leave it exactly as it is, at {len(points)} points far apart",
            f"between those points it takes {levels} values, from {evidence.losses.min():.4g} to "
            f"{evidence.losses.max():.4g}: rounding, a threshold or argmax on the way to the loss does that",
        ),
        suspicion=0.95,
        fixes=(Fix("compute the loss from the outputs before they are rounded, compared or turned into classes"),),
    )


def _clipped(evidence: CodeEvidence) -> Finding | None:
    """See outputs stuck at exactly an end of their range, where their targets are others."""
    forward = evidence.forward
    if forward is None or not forward.output.startswith("clipped"):
        return None
    if evidence.explanation is not None and evidence.explanation.recognised is not None:  # its loss has no clip in it
        return None
    subject, Y = evidence.subject, forward.network.arrangement.Y
    A = evidence.outputs(subject.w)
    outputs: Array = A.T if A.shape == Y.T.shape and A.shape != Y.shape else A.reshape(Y.shape)
    low, high = float(outputs.min()), float(outputs.max())
    stuck = ((outputs == low) & (low != Y)) | ((outputs == high) & (high != Y))
    tied = max(int(np.sum(outputs == low)), int(np.sum(outputs == high)))
    if tied < 2 or stuck.mean() < STUCK:
        return None
    return Finding(
        "clamped",
        f"The output is {forward.output}: where that cuts, the gradient is zero, right or wrong.",
        (f"{stuck.mean():.0%} of the outputs are stuck at {low:g} or {high:g} while their targets are others",),
        suspicion=0.85,
        fixes=(Fix("no clip on the output: a sigmoid for probabilities, nothing for numbers"),),
    )
