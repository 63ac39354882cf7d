"""Inputs whose scale is far from 1, uneven, or far off centre."""

from __future__ import annotations

from unstuck.diagnosis.changes import with_scaled_inputs
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix


def examine(evidence: Evidence) -> Finding | None:
    """See whether the network gets inputs of very different, very large or very small scale."""
    facts = evidence.facts
    if evidence.recipe.inputs.scaling == "standard" or facts.input_spread == 0:
        return None
    numbers, suspicion = [], 0.05
    if facts.largest_input > 30:
        numbers.append(f"the largest input is {facts.largest_input:.4g}")
        suspicion = 0.55 if facts.largest_input < 300 else 0.75 if facts.largest_input < 1e4 else 0.85
    if facts.spread_ratio > 30:
        numbers.append(f"the widest column spreads {facts.spread_ratio:.3g} times as much as the narrowest")
        suspicion = max(suspicion, 0.35 if facts.spread_ratio < 1000 else 0.5)
    if facts.off_centre > 5 and facts.largest_input > 3:
        numbers.append(f"a column's mean is {facts.off_centre:.3g} standard deviations away from 0")
        suspicion = max(suspicion, 0.5 if facts.off_centre < 30 else 0.75)
    if facts.largest_input < 0.1:
        numbers.append(f"the largest input is only {facts.largest_input:.3g}")
        suspicion = max(suspicion, 0.6 if facts.largest_input > 0.01 else 0.8)
    first = evidence.start.layers[0]
    if first.saturated + first.dead > 0.3:
        numbers.append(f"at the start {first.saturated + first.dead:.0%} of the first layer's units are already flat")
        suspicion = min(0.9, suspicion + 0.05)
    if not numbers:
        numbers.append(f"standard deviation of a typical column {facts.input_spread:.3g}")
    return Finding(
        "unscaled_inputs",
        "The inputs are not on a common scale near 1.",
        tuple(numbers),
        suspicion=suspicion,
        fixes=(Fix("standardised inputs", with_scaled_inputs),),
    )
