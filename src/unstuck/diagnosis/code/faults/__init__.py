"""Faults of code, one file each. Each reads what is known of the functions and answers with a finding, or nothing.

They stand in the order in which they are asked: a fault that explains what another would see comes first.
"""

from __future__ import annotations

import numpy as np

from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.code.faults import (
    broadcasting,
    clamped,
    disconnected,
    double_softmax,
    evaluation_mode,
    not_finite,
    not_updated,
    other_predictions,
    rows_mixed,
    unused_parameters,
    wrong_gradient,
)
from unstuck.diagnosis.finding import Finding
from unstuck.subjects.calls import random_numbers_kept

FAULTS = (
    not_finite,
    disconnected,
    broadcasting,
    double_softmax,
    rows_mixed,
    clamped,
    wrong_gradient,
    not_updated,
    evaluation_mode,
    other_predictions,
    unused_parameters,
)
CERTAIN = 0.8
HIDES = {
    "disconnected": ("unused_parameters", "clamped", "wrong_gradient"),
    "broadcasting": ("rows_mixed", "wrong_gradient"),
    "double_softmax": ("wrong_gradient",),
    "rows_mixed": ("wrong_gradient",),
    "clamped": ("wrong_gradient",),
}
"""What is to be expected where a fault is certain: a gradient written for the loss that was meant is not that of it."""
OF_THE_LOSS = ("disconnected", "broadcasting", "double_softmax", "rows_mixed", "clamped")
"""Faults in the loss itself: its gradient may be right, and leads nowhere."""


def examine(evidence: CodeEvidence) -> list[Finding]:
    """Return what the faults have to say, the most suspicious first."""
    found: list[Finding] = []
    with random_numbers_kept(), np.errstate(all="ignore"):
        for module in FAULTS:
            finding = module.examine(evidence)
            if finding is not None:
                found.append(finding)
                if finding.fault == "loss_not_finite" or evidence.loss_is_constant or evidence.loss_is_separate:
                    break
    hidden = {seen for finding in found if finding.suspicion >= CERTAIN for seen in HIDES.get(finding.fault, ())}
    return sorted((one for one in found if one.fault not in hidden), key=lambda finding: -finding.suspicion)
