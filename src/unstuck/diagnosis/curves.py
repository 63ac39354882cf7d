"""Curves: the training loss of the untreated recipe and of the cure, each with the floors of its own loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unstuck.arrays import Array
from unstuck.diagnosis.floors import Floor
from unstuck.drawing import drawable
from unstuck.history import History

if TYPE_CHECKING:
    from unstuck.diagnosis.conclusion import Conclusion

ROOM = 2.5
"""The y axis ends at this many times what matters: a start far above it is cut off."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A loss over the epochs.

    Attributes:
        title: whose it is.
        epochs: of the records.
        losses: of the training rows, finite.
        floors: of this loss.
        bottom: of the y axis: 0, unless a loss is below.
        top: of the y axis.
    """

    title: str
    epochs: Array
    losses: Array
    floors: tuple[Floor, ...]
    bottom: float
    top: float


def curves(diagnosis: Conclusion) -> list[Curve]:
    """Return the curve of the untreated recipe, and that of the cure where there is one.

    Both have the same y axis and floors if they are of the same loss of the same targets; else the cure has no floors.
    """
    evidence = diagnosis.measured
    floors = tuple(floor for floor in evidence.floors if drawable(floor.loss))
    untreated = _points(evidence.first.run.history, evidence.rates.start if evidence.rates else np.nan)
    cured = _points(diagnosis.proof.history) if diagnosis.proof is not None else None
    if cured is None:
        return [_curve("as it is", untreated, floors, [untreated])]
    if not _comparable(diagnosis):
        return [
            _curve("as it is", untreated, floors, [untreated]),
            _curve("cured (another loss)", cured, (), [cured]),
        ]
    return [
        _curve("as it is", untreated, floors, [untreated, cured]),
        _curve("cured", cured, floors, [untreated, cured]),
    ]


def _curve(title: str, points: Array, floors: tuple[Floor, ...], scale: list[Array]) -> Curve:
    """Choose the y axis such that the floors and the ends of all curves on this scale are seen."""
    ends = [part[1, -1] for part in scale if part.size]
    highest = max([0.0, *(part[1].max() for part in scale if part.size)])
    lowest = min([0.0, *(part[1].min() for part in scale if part.size), *(floor.loss for floor in floors)])
    matters = max([0.0, *(floor.loss for floor in floors), *ends])
    top = max(min(highest, ROOM * matters), 1.1 * matters) if floors else 1.05 * highest
    if points.size and points[1].max() > top:
        title += f", from {points[1].max():.3g}"
    return Curve(title, points[0], points[1], floors, lowest, top if top > lowest else lowest + 1.0)


def _points(history: History, start: float = np.nan) -> Array:
    """Return epochs and losses (2, records) of the start and the records, where the loss is finite."""
    epochs, losses = np.zeros(1), np.array([start])
    if len(history):
        epochs, losses = np.append(epochs, history["epoch"]), np.append(losses, history["training_loss"])
    shown = drawable(losses)
    return np.array([epochs[shown], losses[shown]])


def _comparable(diagnosis: Conclusion) -> bool:
    """Tell whether untreated and cured loss are the same function of outputs and targets."""
    before, after = diagnosis.measured.recipe, diagnosis.cure
    assert after is not None
    same = ("loss", "targets", "class_weights")
    return all(getattr(before, name) == getattr(after, name) for name in same) and before.outputs == after.outputs
