"""An update that leaves arrays where they are, goes uphill, or takes another rate for each array."""

from __future__ import annotations

import numpy as np

from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.code.step import rates
from unstuck.diagnosis.finding import Finding, Fix

UNEVEN = 3.0
SMALL = 1e-4
"""Of a step."""


def examine(evidence: CodeEvidence) -> Finding | None:
    """See where the step moves the parameters, and where their gradient points."""
    subject, updates = evidence.subject, evidence.updates
    if not updates:
        return None
    with_gradient = [block for block in subject.blocks if any(one.g[block.part].any() for one in updates)]
    still = [block for block in with_gradient if not any(one.u[block.part].any() for one in updates)]
    if still:
        names = ", ".join(block.name for block in still)
        sizes = ", ".join(
            f"{block.name} {np.median([np.linalg.norm(one.g[block.part]) for one in updates]):.3g}" for block in still
        )
        return Finding(
            "not_updated",
            f"The step never moves {names}.",
            (
                f"norm of its gradient: {sizes}",
                "functions that bind a new array to a local name change nothing outside",
            ),
            suspicion=0.9 if len(still) == len(with_gradient) else 0.75,
            fixes=(Fix(" and ".join(f"{block.name} -= rate * d{block.name}" for block in still)),),
        )
    found = rates(subject, updates)
    if found is None:
        return None
    uphill = [name for name, rate in found.items() if rate < 0]
    if uphill and _rises(evidence):
        return Finding(
            "not_updated",
            f"The step adds the gradient to {', '.join(uphill)}, which climbs.",
            (f"w + {-found[uphill[0]]:.4g} g, and the loss rises along it",),
            suspicion=0.95,
            fixes=(Fix(" and ".join(f"{name} -= rate * d{name}" for name in uphill)),),
        )
    sizes_of = {name: abs(rate) for name, rate in found.items()}
    if min(sizes_of.values()) > 0 and max(sizes_of.values()) > UNEVEN * min(sizes_of.values()):
        return Finding(
            "not_updated",
            "The step takes another learning rate for each array.",
            tuple(f"{name}: {rate:.4g}" for name, rate in found.items()),
            suspicion=0.4,
            fixes=(Fix("one rate for all"),),
        )
    return None


def _rises(evidence: CodeEvidence) -> bool:
    """Tell whether a small part of the step makes the loss larger, wherever it was taken and the loss is a number."""
    subject = evidence.subject
    losses = [(subject.cost(one.w), subject.cost(one.w + SMALL * one.u)) for one in evidence.updates if one.u.any()]
    known = [(here, there) for here, there in losses if np.isfinite(here) and np.isfinite(there)]
    return bool(known) and all(there > here for here, there in known)
