"""Predictions of a row that depend on which other rows come with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.errors import SubjectError
from unstuck.gradients.rows import Cut

TOLERANCE = 1e-6


def examine(evidence: CodeEvidence) -> Finding | None:
    """Predict some of the rows for themselves; without predictions, take the loss of parts of the rows."""
    cut, subject = evidence.rows, evidence.subject
    if cut is None or cut.rows < 4 or subject.per_row or evidence.random_predictions:
        return None
    if not evidence.predicts:
        return _by_loss(evidence)
    k = cut.rows // 2
    try:
        some = evidence.outputs(subject.w, cut.first(k))
    except SubjectError:  # it takes just these rows
        return None
    every = evidence.outputs(subject.w)
    axis = next(
        (a for a, length in enumerate(every.shape) if length == cut.rows and some.shape[a : a + 1] == (k,)), None
    )
    if axis is None:
        return None
    whole = every.take(np.arange(k), axis=axis)
    apart = float(np.abs(whole - some).max()) if whole.shape == some.shape else 0.0
    if apart <= TOLERANCE * float(np.abs(every).max()):
        return None
    numbers = (f"the predictions of the first {k:,} rows change by up to {apart:.3g} when the others are left out",)
    if _sums_to_one(every, axis):
        classes = 1 - axis if every.ndim == 2 else None
        return Finding(
            "rows_mixed",
            "The softmax is taken over the rows of the batch, not over the classes of each row.",
            (*numbers, f"the outputs of one class sum to 1 over the {cut.rows:,} rows"),
            suspicion=0.95,
            fixes=(Fix(f"e / e.sum(axis={classes}, keepdims=True), and the maximum along axis={classes}"),),
        )
    return Finding(
        "rows_mixed",
        "Rows influence each other: what is predicted for one depends on the others that come with it.",
        (
            *numbers,
            "batch normalisation does that in training, and has to use its running averages in predictions; a mean, "
            "maximum or sum along the wrong axis does it, too",
        ),
        suspicion=0.35,
        fixes=(Fix("check each mean, sum and max for its axis"),),
    )


def _sums_to_one(outputs: Array, axis: int) -> bool:
    over_rows, over_classes = outputs.sum(axis=axis), outputs.sum(axis=1 - axis) if outputs.ndim == 2 else np.zeros(1)
    return bool(np.abs(over_rows - 1).max() < TOLERANCE and np.abs(over_classes - 1).max() > 1e-3)


def _part(cut: Cut, first: int, end: int) -> tuple[Any, ...]:
    places = np.arange(first, end)
    pairs = zip(cut.data, cut.axes, strict=True)
    return tuple(part if axis is None else part.take(places, axis=axis) for part, axis in pairs)


def _by_loss(evidence: CodeEvidence) -> Finding | None:
    """Compare the loss of all rows with that of two parts of them, cut in two ways.

    A mean over rows, with or without a penalty, has n L = n1 L1 + n2 L2; a sum has the same L1 + L2 for every cut.
    """
    cut, subject, w = evidence.rows, evidence.subject, evidence.points[0]
    assert cut is not None
    n, third, half = cut.rows, cut.rows // 3, cut.rows // 2
    try:
        losses = [subject.cost(w, _part(cut, *ends)) for ends in ((0, third), (third, n), (0, half), (half, n))]
    except SubjectError:
        return None
    all_rows = subject.cost(w)
    size = TOLERANCE * max(map(abs, losses))
    mean = abs(n * all_rows - third * losses[0] - (n - third) * losses[1]) <= n * size
    summed = abs(losses[0] + losses[1] - losses[2] - losses[3]) <= size
    if mean or summed or not np.isfinite([*losses, all_rows]).all():
        return None
    return Finding(
        "rows_mixed",
        "Rows influence each other: the loss is neither the mean nor the sum of what its rows have for themselves.",
        (f"{all_rows:.6g} for all {n:,} rows; {losses[0]:.6g} for the first {third:,}, {losses[1]:.6g} for the rest",),
        suspicion=0.35,
        fixes=(Fix("check each mean, sum and max, and the softmax, for its axis"),),
    )
