"""The loss and the metrics of rows under some parameters, of all of them at once or part by part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unstuck.arrays import Array
from unstuck.data.sparse import comes_in_parts
from unstuck.data.targets import FittedTargets
from unstuck.engines.engine import Engine, Rows
from unstuck.engines.reference import LossInParts, parts_of
from unstuck.metrics import Tally, evaluate
from unstuck.training.streaming import StreamedRows


class Measured(NamedTuple):
    """A loss, the metrics by name, and whether all outputs were finite."""

    loss: float
    metrics: dict[str, float]
    finite: bool


def measure(
    engine: Engine, w: Array, rows: Rows | StreamedRows, y: Any, targets: FittedTargets, names: Sequence[str]
) -> Measured:
    """Return loss and metrics of rows; y are their targets as the user gave them, not needed of streamed rows."""
    if isinstance(rows, StreamedRows):
        return _in_parts(engine, w, rows, targets, names)
    return of_outputs(*engine.evaluate(w, rows), y, targets, names)


def of_outputs(loss: float, A: Array, y: Any, targets: FittedTargets, names: Sequence[str]) -> Measured:
    """Return a loss with the metrics of outputs A (n, o)."""
    if not np.isfinite(A).all():
        return Measured(loss, dict.fromkeys(names, math.nan), finite=False)
    probabilities = None if targets.classes is None else targets.probabilities(A)
    return Measured(loss, evaluate(names, y, targets.predictions(A), probabilities), finite=True)


def _in_parts(engine: Engine, w: Array, rows: StreamedRows, targets: FittedTargets, names: Sequence[str]) -> Measured:
    loss, tally, finite = LossInParts(engine.network.recipe.loss), Tally(targets.classes), True
    for part, y in rows.parts():
        value, A = engine.evaluate(w, part)
        loss.add(value, part)
        finite = finite and bool(np.isfinite(A).all())
        if finite:
            tally.add(y, targets.predictions(A))
    metrics = {name: tally.value(name) if finite else math.nan for name in names}
    return Measured(loss.value, metrics, finite)


def failing_rows(engine: Engine, w: Array, rows: Rows | StreamedRows) -> Rows:
    """Return all rows, or if they are no array the first part with a loss or outputs that are not finite."""
    if isinstance(rows, Rows) and not comes_in_parts(rows.X):
        return rows
    for part in parts_of(rows) if isinstance(rows, Rows) else (part for part, _ in rows.parts()):
        loss, A = engine.evaluate(w, part)
        if not (math.isfinite(loss) and np.isfinite(A).all()):
            break
    return part
