"""A loss, or a gradient, that the network's own output does not reach: what is minimised is the penalty, or nothing."""

from __future__ import annotations

import numpy as np

from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.finding import Finding, Fix


def examine(evidence: CodeEvidence) -> Finding | None:
    """See whether parameters and data act on the loss, and on the gradient, each without the other."""
    return _loss(evidence) or _gradient(evidence)


def _loss(evidence: CodeEvidence) -> Finding | None:
    constant = evidence.loss_is_constant
    if not constant and not evidence.loss_is_separate:
        return None
    what = (
        "does not change with the parameters at all" if constant else "changes with the parameters by its penalty only"
    )
    numbers = [f"at {len(evidence.losses)} points far apart it stays {evidence.loss:.6g}"]
    if not constant:
        numbers = ["other targets and other inputs change it by the same amount whatever the parameters are"]
    if evidence.predicts:
        change = _change(evidence)
        if not change and constant:
            return None
        numbers.append(f"the predictions change by up to {change:.3g} between these points")
    return Finding(
        "disconnected",
        f"The loss {what}: it never sees the network's output.",
        tuple(numbers),
        suspicion=0.95,
        fixes=(Fix("compute the predictions inside the loss, from the parameters it is given"),),
    )


def _change(evidence: CodeEvidence) -> float:
    outputs = [evidence.outputs(w) for w in evidence.points[:4]]
    return max(float(np.abs(other - outputs[0]).max()) for other in outputs[1:])


def _gradient(evidence: CodeEvidence) -> Finding | None:
    """See a gradient that stays the same whatever the data are, though the loss does not."""
    subject, explanation = evidence.subject, evidence.explanation
    if explanation is None or explanation.right:  # of a loss that stands still the right gradient is the penalty's
        return None
    told = [mistake.text for mistake in explanation.mistakes if mistake.kind == "disconnected"]
    if not told:
        g = [subject.gradient(w) for w in evidence.points[:2]]
        if not evidence.other_data or not any(one.any() for one in g):
            return None
        for data in evidence.other_data:
            if any(
                not np.array_equal(subject.gradient(w, data), one) for w, one in zip(evidence.points, g, strict=False)
            ):
                return None
        told = ["the gradient stays the same with other inputs and targets, the loss does not"]
    g_start = subject.gradient(subject.w)
    return Finding(
        "disconnected",
        "The gradient is that of the penalty alone: the cost was differentiated as if the predictions did not depend "
        "on the parameters.",
        (*told, f"its norm at the start is {np.linalg.norm(g_start):.3g}"),
        suspicion=0.97,
        fixes=(Fix("differentiate through the network: compute the predictions inside the cost"),),
    )
