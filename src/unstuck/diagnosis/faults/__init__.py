"""The catalogue: one file a fault. Each reads the evidence and answers with a finding, or nothing.

`FAULTS` has them in the order in which their fixes are applied when several are: what the network is asked first, then
what it is given, what it is made of, how it begins, and last how it is trained.
"""

from __future__ import annotations

from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.faults import (
    batch_size,
    class_numbers,
    class_weights,
    clipping,
    constant_inputs,
    constant_start,
    dead_units,
    dropout,
    early_stop,
    hidden_activation,
    large_start,
    linear_network,
    loss_mismatch,
    no_bias,
    no_shuffle,
    one_sided_start,
    optimizer,
    output_activation,
    output_range,
    overfitting,
    penalty,
    rate_decay,
    rate_too_high,
    rate_too_low,
    seed_luck,
    single_softmax,
    small_start,
    too_few_steps,
    too_small,
    unscaled_inputs,
    unscaled_targets,
    vanishing_gradient,
)
from unstuck.diagnosis.finding import Finding

FAULTS = (
    class_numbers,
    single_softmax,
    loss_mismatch,
    output_range,
    output_activation,
    constant_inputs,
    unscaled_inputs,
    unscaled_targets,
    hidden_activation,
    linear_network,
    vanishing_gradient,
    dead_units,
    too_small,
    seed_luck,
    constant_start,
    small_start,
    large_start,
    one_sided_start,
    no_bias,
    dropout,
    penalty,
    class_weights,
    clipping,
    no_shuffle,
    overfitting,
    rate_decay,
    early_stop,
    batch_size,
    optimizer,
    rate_too_high,
    rate_too_low,
    too_few_steps,
)
ORDER = {module.__name__.rpartition(".")[2]: place for place, module in enumerate(FAULTS)}
TUNING = frozenset({"seed_luck", "batch_size", "optimizer", "rate_too_high", "rate_too_low", "too_few_steps"})
"""Faults whose fixes let most networks do a little better, whatever is wrong with them."""


def examine(evidence: Evidence) -> list[Finding]:
    """Return what the faults have to say, the most suspicious first."""
    found = [finding for module in FAULTS if (finding := module.examine(evidence)) is not None]
    return sorted(found, key=lambda finding: -finding.suspicion)
