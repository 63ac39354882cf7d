"""Loss against metric: whether what is minimised and what is wanted go the same way.

Two ways in which they do not are common. The loss falls and the metric stands still: outputs become surer of what they
say already. And from some epoch on the loss of held-out rows rises, while the metric there does not fall: a few wrong
answers are given with ever more certainty (Guo, Pleiss, Sun and Weinberger 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unstuck.arrays import Array
from unstuck.history import History
from unstuck.metrics import HIGHER_IS_BETTER, METRICS

FEWEST_RECORDS = 5
CHANGED = 0.1
"""A loss has risen or fallen from this share of it on."""
STEADY = 0.01
"""A metric within this stands still: accuracies and R2 as they are, others as a share."""


@dataclass(frozen=True)
class LossAndMetric:
    """A loss and a metric of the same rows over a training.

    Attributes:
        rows: which: "training" or "held-out".
        metric: its name.
        losses: at the first record, where it is lowest, and at the end: the median of the last fifth of the records,
            or of those after the lowest. The lowest is that of the running median over a tenth of the records, so that
            no single dip counts.
        values: of the metric, likewise.
        best: the best value of the metric.
        epoch: of the lowest loss; the last one if the loss falls to the end.
    """

    rows: str
    metric: str
    losses: tuple[float, float, float]
    values: tuple[float, float, float]
    best: float
    epoch: int

    @property
    def stands_still(self) -> bool:
        """Whether the loss falls and the metric, which has room to get better, does not."""
        begun, _, end = self.losses
        room = self.metric not in HIGHER_IS_BETTER or self.values[2] < 1 - 2 * STEADY
        return begun - end > CHANGED * abs(begun) and room and self._better(self.values[0], self.best) <= STEADY

    @property
    def parted(self) -> bool:
        """Whether the loss rises from its lowest on, and the metric gets no worse."""
        return self.rises and self._better(self.values[1], self.values[2]) >= -STEADY / 2

    @property
    def rises(self) -> bool:
        """Whether the loss rises from its lowest on."""
        begun, lowest, end = self.losses
        return end - lowest > CHANGED * max(abs(lowest), CHANGED * abs(begun))

    @property
    def text(self) -> str:
        """What there is to say of the two, in a sentence; "" where they go together."""
        (begun, lowest, end), (first, at_lowest, last) = self.losses, self.values
        name = self.metric.replace("_", " ")
        if self.stands_still:
            return (
                f"On {self.rows} rows the loss falls, {begun:.4g} to {end:.4g}, and the {name} does not follow: "
                f"{first:.3g} to {last:.3g}."
            )
        if self.parted:
            return (
                f"On {self.rows} rows the loss rises from epoch {self.epoch:,} on, {lowest:.4g} to {end:.4g}, and the "
                f"{name} is no worse for it, {at_lowest:.3g} to {last:.3g}: what is wrong is only said with more "
                "certainty."
            )
        if self.rises:
            return (
                f"On {self.rows} rows the loss is lowest at epoch {self.epoch:,}: from there it rises, {lowest:.4g} to "
                f"{end:.4g}, and the {name} gets worse, {at_lowest:.3g} to {last:.3g}."
            )
        return ""

    def _better(self, before: float, after: float) -> float:
        """Return by how much the metric got better, negative where it got worse."""
        if self.metric in HIGHER_IS_BETTER:
            return after - before
        return (before - after) / max(abs(before), 1e-300)


def loss_and_metric(history: History, metrics: Sequence[str] = ()) -> tuple[LossAndMetric, ...]:
    """Return what a history says of training and held-out rows; nothing of fewer than five records.

    Args:
        history: of the training.
        metrics: those the recipe asks for; the first is looked at.
    """
    name = next((name for name in (*metrics, *METRICS) if name in history), None)
    if name is None or len(history) < FEWEST_RECORDS:
        return ()
    found = []
    for rows, loss, metric in (
        ("training", "training_loss", name),
        ("held-out", "validation_loss", f"validation_{name}"),
    ):
        if loss not in history or metric not in history:
            continue
        losses, values = history[loss], history[metric]
        if not (np.isfinite(losses).all() and np.isfinite(values).all()):
            continue
        smooth, smooth_values = _running_median(losses), _running_median(values)
        lowest = int(smooth.argmin())
        last = slice(max(lowest, len(losses) - max(2, len(losses) // 5)), None)
        best = values.max() if name in HIGHER_IS_BETTER else values.min()
        found.append(
            LossAndMetric(
                rows,
                name,
                (float(losses[0]), float(smooth[lowest]), float(np.median(losses[last]))),
                (float(values[0]), float(smooth_values[lowest]), float(np.median(values[last]))),
                float(best),
                int(history["epoch"][lowest]),
            )
        )
    return tuple(found)


def _running_median(values: Array) -> Array:
    """Return the median of each value and those about it, a tenth of all, three at least."""
    half = max(1, len(values) // 20)
    padded = np.pad(values, half, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1))
