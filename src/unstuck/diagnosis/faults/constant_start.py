"""Hidden units that start as copies of each other, and therefore stay copies."""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.faults.start import USUAL_START
from unstuck.diagnosis.finding import Finding

COPIES = 0.9


def examine(evidence: Evidence) -> Finding | None:
    """See whether the units of a hidden layer are equal at the start."""
    copies = [layer for layer in evidence.start.hidden if layer.units > 1 and layer.duplicates >= COPIES]
    copies = [layer for layer in copies if layer.one_sided > 1 - 1e-6 or layer.weights == 0]
    if not copies:
        return None
    layer = copies[0]
    same = "0" if layer.weights == 0 else f"{layer.weights:.3g}"
    after = next(end for end in evidence.end.hidden if end.number == layer.number)
    return Finding(
        "constant_start",
        f"All weights of layer {layer.number} start at {same}, so its {layer.units} units are one and the same unit.",
        (
            f"{layer.duplicates:.0%} of the units equal another one at the start, {after.duplicates:.0%} at the end: "
            "equal units get equal gradients and never part",
            f"effective rank of the layer at the end: {after.rank:.2g}",
        ),
        suspicion=0.97,
        fixes=(USUAL_START,),
        rules_out=("too few units: more copies would be no help",),
    )
