"""Weights or biases that all start with the same sign, and push every unit to one side."""

from __future__ import annotations

import math

import numpy as np

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.faults.start import USUAL_START
from unstuck.diagnosis.finding import Finding


def examine(evidence: Evidence) -> Finding | None:
    """See whether a layer's weights have no mean near zero, or its biases start far from it."""
    layers = [
        layer
        for layer in evidence.start.layers
        if max(0.5, 4 / math.sqrt(layer.inputs * layer.units)) < layer.one_sided < 1 - 1e-6
    ]
    w = evidence.network.start()
    biases = [float(np.abs(layer.b(w)).max()) if layer.has_bias else 0.0 for layer in evidence.network.dense]
    if not layers and max(biases) < 2:
        return None
    numbers, suspicion = [], 0.35
    if layers:
        layer = max(layers, key=lambda one: one.one_sided)
        numbers.append(
            f"layer {layer.number}: the mean of the weights is {layer.one_sided:.2g} of their root mean square; "
            f"pre-activations lie at {layer.z_mean:.2g} and spread by {layer.z_spread:.2g}"
        )
        suspicion = 0.6 if layer.one_sided > 0.8 else 0.4
    if max(biases) >= 2:
        number = int(np.argmax(biases))
        start = evidence.start.layers[number]
        numbers.append(f"layer {number + 1}: biases start at up to {max(biases):.3g} from 0")
        suspicion = max(suspicion, 0.85 if start.dead + start.saturated > 0.5 else 0.5)
    stuck = [f"{max(one.dead, one.saturated):.0%}" for one in evidence.start.layers]
    numbers.append(f"dead or saturated at the start, by layer: {', '.join(stuck)}")
    return Finding(
        "one_sided_start",
        "The start is one-sided: it pushes all units the same way.",
        tuple(numbers),
        suspicion=suspicion,
        fixes=(USUAL_START,),
    )
