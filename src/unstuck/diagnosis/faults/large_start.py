"""Weights that start so large that units are saturated, outputs huge, or gradients explode."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.faults.start import USUAL_START, ratios
from unstuck.diagnosis.finding import Finding


def examine(evidence: Evidence) -> Finding | None:
    """See whether weights start far larger than usual."""
    large = [(layer, ratio) for layer, ratio in ratios(evidence) if ratio > 1.8]
    if not large:
        return None
    layer, ratio = max(large, key=lambda pair: pair[1])
    flat = [max(one.saturated, one.dead) for one in evidence.start.layers]
    spread = evidence.start.output_spread / max(evidence.start.target_spread, 1e-12)
    suspicion = 0.85 if ratio > 30 else 0.7 if ratio > 8 else 0.4 if ratio > 4 else 0.1
    return Finding(
        "large_start",
        f"The weights of layer {layer.number} start at {ratio:.3g} times their usual size.",
        (
            f"root mean square {layer.weights:.2g}, usual for {layer.inputs} inputs and {layer.activation}: "
            f"{layer.usual:.2g}",
            f"at the start up to {max(flat):.0%} of a layer's units are flat, and the outputs spread by {spread:.2g} "
            "times the targets' spread",
        ),
        suspicion=suspicion,
        fixes=(USUAL_START,),
    )
