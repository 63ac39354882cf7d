"""What predictions are worth: the gain over the best constant, from outputs in whatever shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unstuck.arrays import Array
from unstuck.diagnosis.problem import r2


@dataclass(frozen=True, eq=False)
class Score:
    """Accuracy of classes, or R2 of numbers, of targets Y (n, o).

    Attributes:
        Y: targets; one-hot rows, or one column of 0 and 1 or of -1 and 1, are classes.
    """

    Y: Array

    @property
    def metric(self) -> str:
        """Its name."""
        return "r2" if self.labels is None else "accuracy"

    @property
    def constant(self) -> float:
        """What the best constant gets."""
        labels = self.labels
        return 0.0 if labels is None else float(np.bincount(labels).max() / len(labels))

    def of(self, A: Array) -> float:
        """Return the metric of outputs (n, o), or of labels (n,)."""
        if not np.isfinite(A).all():
            return -1.0
        labels = self.labels
        if labels is None:
            return r2(self.Y, A.reshape(self.Y.shape)) if A.size == self.Y.size else -1.0
        if A.size == self.Y.size and self.Y.shape[1] > 1:
            turned = A.T if A.shape == self.Y.T.shape and A.shape != self.Y.shape else A.reshape(self.Y.shape)
            return float(np.mean(turned.argmax(axis=1) == labels))
        if A.size != len(labels):
            return -1.0
        middle = 0.0 if self.Y.shape[1] == 1 and self.Y.min() < 0 else 0.5
        found = A.reshape(-1) if self.Y.shape[1] > 1 else A.reshape(-1) > middle
        return float(np.mean(found == labels))

    @property
    def labels(self) -> Array | None:
        """The number of each row's class, None for numbers."""
        Y = self.Y
        if Y.shape[1] > 1:
            return Y.argmax(axis=1) if np.isin(Y, (0, 1)).all() and (Y.sum(axis=1) == 1).all() else None
        values = set(np.unique(Y).tolist())
        return (Y[:, 0] > min(values)).astype(int) if values in ({0.0, 1.0}, {-1.0, 1.0}) else None
