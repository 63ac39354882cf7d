"""Weights that start so small that nothing gets through the network."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.faults.start import USUAL_START, ratios
from unstuck.diagnosis.finding import Finding


def examine(evidence: Evidence) -> Finding | None:
    """See whether weights start far smaller than usual."""
    small = [(layer, ratio) for layer, ratio in ratios(evidence) if 0 < ratio < 0.4 and layer.one_sided < 1 - 1e-6]
    if not small:
        return None
    layer, ratio = min(small, key=lambda pair: pair[1])
    spread = evidence.start.output_spread / max(evidence.start.target_spread, 1e-12)
    suspicion = 0.8 if ratio < 0.02 else 0.6 if ratio < 0.1 else 0.35 if ratio < 0.25 else 0.1
    if len(evidence.start.hidden) >= 2:
        suspicion = min(0.9, suspicion + 0.1)
    return Finding(
        "small_start",
        f"The weights of layer {layer.number} start at {ratio:.2g} of their usual size.",
        (
            f"root mean square {layer.weights:.2g}, usual for {layer.inputs} inputs and {layer.activation}: "
            f"{layer.usual:.2g}",
            f"the outputs spread by {spread:.2g} of the targets' spread at the start; first layer's gradient "
            f"{evidence.start.layers[0].gradient:.2g}",
        ),
        suspicion=suspicion,
        fixes=(USUAL_START,),
    )
