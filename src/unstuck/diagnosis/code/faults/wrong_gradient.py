"""A gradient that is not the derivative of the loss, or minus that: descent then climbs."""

from __future__ import annotations

import numpy as np

from unstuck.diagnosis.code.equivalent import with_all_rows
from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.gradients.forensics.lines import backward_pass
from unstuck.gradients.numeric import slope

MINUS_ONE = 1e-4


def examine(evidence: CodeEvidence) -> Finding | None:
    """See what the forensics say of the gradient."""
    explanation = evidence.explanation
    if explanation is None or explanation.right or not explanation.wrong:
        return None
    numbers = tuple(f"{mistake.text} ({', '.join(mistake.blocks)})" for mistake in explanation.mistakes)
    if explanation.unexplained:
        numbers += (f"no known mistake makes the numbers of {', '.join(explanation.unexplained)}",)
    numbers += explanation.evidence
    lines = corrected_lines(evidence)
    fix = Fix("the right gradient" + (": " + "; ".join(lines) if lines else ""))
    if _climbs(evidence):
        if _adds(evidence):
            return None
        return Finding(
            "wrong_gradient",
            "The gradient is minus the right one, so descent climbs: the loss can only grow.",
            numbers,
            suspicion=0.97,
            fixes=(fix,),
        )
    if evidence.factor is not None:
        return Finding(
            "wrong_gradient",
            f"The whole gradient is {evidence.factor:.6g} times that of the loss, which is a factor of the learning "
            "rate.",
            numbers,
            suspicion=0.3,
            fixes=(fix,),
            certainty="not the cause",
        )
    several = f"{len(explanation.wrong)} of {len(evidence.subject.blocks)} arrays"
    return Finding(
        "wrong_gradient",
        f"The gradient is not that of the loss in {several}: {', '.join(explanation.wrong)}.",
        numbers,
        suspicion=0.9,
        fixes=(fix,),
    )


def corrected_lines(evidence: CodeEvidence) -> tuple[str, ...]:
    """Return the lines of the right backward pass for the wrong arrays, and the deltas that they need."""
    explanation = evidence.explanation
    if explanation is None or explanation.recognised is None:
        return ()
    network = with_all_rows(explanation.recognised, evidence.whole)
    wanted = {f"{before}{name}" for name in explanation.wrong for before in ("d", "gradient")}
    found: list[str] = []
    deltas: list[str] = []
    for line in backward_pass(network):
        name = line.split(" ")[0]
        if name.rstrip("0123456789") in ("delta", "da"):
            deltas = [*deltas, line] if deltas and deltas[-1].startswith("da") else [line]
        elif name in wanted:
            found += [*deltas, line]
            deltas = []
    return tuple(found)


def _climbs(evidence: CodeEvidence) -> bool:
    """Tell whether along the person's gradient g the loss falls by |g|, where it should rise by as much.

    At several points, so that no other mistake does it by chance.
    """
    subject = evidence.subject
    for w in (subject.w, *evidence.points[:2]):
        g = subject.gradient(w)
        norm = float(np.linalg.norm(g))
        if not norm:
            return False
        along = slope(lambda t, w=w, g=g, norm=norm: subject.cost(w + t * g / norm)).value  # type: ignore[misc]
        if not abs(along + norm) <= MINUS_ONE * norm:
            return False
    return True


def _adds(evidence: CodeEvidence) -> bool:
    """Tell whether the step adds the gradient, which makes two wrong signs right."""
    return bool(evidence.updates) and all(float(one.u @ one.g) > 0 for one in evidence.updates)
