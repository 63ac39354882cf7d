"""Predictions in training mode: dropout left on, or its scale forgotten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from unstuck.diagnosis.code.equivalent import with_all_rows
from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.finding import Finding, Fix

TOLERANCE = 1e-6
OFF = 0.02


def examine(evidence: CodeEvidence) -> Finding | None:
    """See whether predictions are random, or of another scale than training is on the average."""
    if evidence.random_predictions:
        subject = evidence.subject
        first, again = (subject.seeded(seed).outputs(subject.w) for seed in (1, 2))
        apart = float(np.abs(first - again).max()) if first.shape == again.shape else np.inf
        return Finding(
            "evaluation_mode",
            "The predictions are random: dropout or noise is still on when the network is used.",
            (f"two calls with the same parameters differ by up to {apart:.3g}, of {np.abs(first).max():.3g}",),
            suspicion=0.5,
            fixes=(Fix("leave the mask and the noise out of the predictions"),),
        )
    return _forgotten_scale(evidence)


def _forgotten_scale(evidence: CodeEvidence) -> Finding | None:
    """Compare the predictions with a network whose hidden activations are multiplied by a constant.

    In training they are multiplied by mask x scale, on the average by its mean c: predictions have to take c, too.
    """
    if evidence.recognised is None or not evidence.predicts:
        return None
    network = with_all_rows(evidence.recognised, evidence.subject)
    arrangement = network.arrangement
    factors = [None if one is None else float(one.mean()) for one in arrangement.dropped]
    scales = [factor for factor in factors if factor is not None]
    if len(scales) != 1:
        return None
    (mean,) = scales
    given = evidence.outputs(evidence.subject.w)

    def predicts_with(factor: float) -> bool:
        constant = tuple(None if one is None else np.full_like(one, factor) for one in arrangement.dropped)
        made = replace(network, arrangement=replace(arrangement, dropped=constant)).forward(evidence.subject.w)[-1][2]
        turned = given.T if arrangement.in_columns and given.ndim == 2 else given
        if turned.size != made.size:
            return False
        return bool(np.abs(turned.reshape(made.shape) - made).max() <= TOLERANCE * float(np.abs(made).max()))

    kept = float(np.mean([np.mean(one != 0) for one in arrangement.dropped if one is not None]))
    nominal = round(20 * kept) / 20
    for factor in (1.0, kept, nominal, arrangement.keeps):
        if abs(factor / mean - 1) > 3 * OFF and predicts_with(factor):
            return Finding(
                "evaluation_mode",
                f"In training the hidden activations are multiplied by {mean:.3g} on the average, in predictions by "
                f"{factor:.3g}.",
                (f"the mask keeps {kept:.0%} of them, times {arrangement.keeps:g}",),
                suspicion=0.5,
                fixes=(Fix(f"mask / {kept:.2g} in training and no mask in predictions (inverted dropout)"),),
            )
    return None
