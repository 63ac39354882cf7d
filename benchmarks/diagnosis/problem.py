"""A learning problem: rows to train on, rows to judge by, and how good predictions are."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from unstuck import Recipe, train_many

DATA = Path(os.environ.get("UNSTUCK_DATA", Path(__file__).parents[3] / "shared" / "data"))
"""Of the shared data, where there are any."""
FEW_ROWS = 100
LEARNS = 0.85
"""A network learns when it gains so much of what the one it is compared with gains over the best constant."""
WORST = -1.0
"""The least R² counted: that of a network that diverged has no lower bound."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows with targets.

    Attributes:
        name: of the data.
        X: training features.
        y: training targets, (n,) labels or numbers, or (n, o) numbers.
        X_held: the rows that levels are measured on; the training rows where those are few, or all there are.
        y_held: their targets.
        classes: y are labels.
        floor: the score that gains are counted from; None: that of the best constant.
    """

    name: str
    X: Any
    y: npt.NDArray[Any]
    X_held: Any
    y_held: npt.NDArray[Any]
    classes: bool
    floor: float | None = None

    @classmethod
    def split(
        cls, name: str, X: Any, y: npt.NDArray[Any], classes: bool, seed: int, rows: int | None = None
    ) -> Problem:
        """Return a problem of at most so many training rows, the rest (at most twice as many) held out."""
        if len(y) < FEW_ROWS:
            return cls.whole(name, X, y, classes)
        order = np.arange(len(y))
        kept, held = train_test_split(
            order,
            train_size=None if rows is None or rows >= 0.7 * len(y) else rows,
            test_size=0.3 if rows is None or rows >= 0.7 * len(y) else min(2 * rows, len(y) - rows),
            random_state=seed,
            stratify=y if classes else None,
        )
        return cls(name, X[kept], y[kept], X[held], y[held], classes)

    @classmethod
    def whole(cls, name: str, X: Any, y: npt.NDArray[Any], classes: bool) -> Problem:
        """Return a problem judged on its training rows."""
        return cls(name, X, y, X, y, classes)

    def with_inputs(self, change: Callable[[Any], Any]) -> Problem:
        """Return the same problem with other features."""
        return replace(self, X=change(self.X), X_held=change(self.X_held))

    def with_targets(self, change: Callable[[Any], Any]) -> Problem:
        """Return the same problem with other targets."""
        return replace(self, y=change(self.y), y_held=change(self.y_held))

    @cached_property
    def constant(self) -> float:
        """The score of the best constant, the largest class or the mean; or the floor."""
        if self.floor is not None:
            return self.floor
        if not self.classes:
            return self.score(np.broadcast_to(self.y.mean(axis=0), self.y_held.shape))
        labels, counts = np.unique(self.y, return_counts=True)
        return float(np.mean(self.y_held == labels[counts.argmax()]))

    def score(self, predictions: Any) -> float:
        """Return the accuracy or R² of predictions for the held rows.

        Numbers predicted where there are classes count as the nearest class, or the class of the largest of a row.
        """
        predictions = np.asarray(predictions)
        if self.classes:
            return float(np.mean(self._as_labels(predictions) == self.y_held))
        if not np.isfinite(predictions).all():
            return WORST
        with np.errstate(over="ignore"):
            return max(WORST, float(r2_score(self.y_held, predictions.reshape(self.y_held.shape).astype(np.float64))))

    def _as_labels(self, predictions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        labels = np.unique(self.y)
        if predictions.ndim == 2 and predictions.shape[1] == 1:
            predictions = predictions[:, 0]
        if predictions.ndim == 2:
            return labels[predictions.argmax(axis=1)]
        if predictions.dtype.kind == "f" and labels.dtype.kind != "U":
            return labels[np.abs(np.nan_to_num(predictions)[:, None] - labels).argmin(axis=1)]
        return predictions

    def levels(self, recipe: Recipe, seeds: Sequence[int], y: Any = None) -> list[float]:
        """Return the scores that a recipe reaches from several seeds; y in place of the training targets."""
        runs = train_many(recipe, self.X, self.y if y is None else y, seeds=seeds, progress=False)
        return [self.score(run.predict(self.X_held)) for run in runs]

    def level(self, recipe: Recipe, seeds: Sequence[int], y: Any = None) -> float:
        """Return the median score over several seeds."""
        return float(np.median(self.levels(recipe, seeds, y)))

    def share(self, level: float, best: float) -> float:
        """Return how much of what `best` gains over the constant `level` gains."""
        return (level - self.constant) / max(best - self.constant, 1e-12)
