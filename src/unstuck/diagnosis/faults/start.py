"""What the start looks like beside the usual one: shared by the faults of the start."""

from __future__ import annotations

from unstuck.diagnosis.changes import with_usual_starts
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Fix
from unstuck.diagnosis.layers import LayerEvidence

USUAL_START = Fix("the start that suits each activation, zero biases", with_usual_starts)


def ratios(evidence: Evidence) -> list[tuple[LayerEvidence, float]]:
    """Return each layer with the size of its weights over the usual size."""
    return [(layer, layer.weights / layer.usual) for layer in evidence.start.layers]
