"""Mean, spread and range of columns whose rows come a block at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array


class Moments:
    """Of each column, over all rows added so far; NaN counts as missing.

    Of two parts with counts n, means m and sums of squared deviations M, in float64:

        δ = m_b - m_a,  m = m_a + δ n_b / n,  M = M_a + M_b + δ² n_a n_b / n

    Source: Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".

    >>> of_all = Moments(1)
    >>> for part in ([[1.0], [2.0]], [[np.nan], [6.0]]):
    ...     of_all.add(np.array(part))
    >>> of_all.count, of_all.mean, of_all.squares, of_all.high
    (array([3]), array([3.]), array([14.]), array([6.]))
    """

    def __init__(self, columns: int):
        self.rows = 0
        self.count = np.zeros(columns, dtype=np.int64)
        self.mean, self.squares = np.zeros(columns), np.zeros(columns)
        self.low, self.high = np.full(columns, np.inf), np.full(columns, -np.inf)

    def add(self, X: npt.NDArray[np.floating]) -> None:
        """Add rows X (n, columns)."""
        with np.errstate(over="ignore", invalid="ignore"):
            total = X.sum(axis=0, dtype=np.float64)
            absent = np.isnan(X) if np.isnan(total).any() else None
            if absent is None:
                count, present = np.full(len(total), len(X)), X
            else:
                count, present = (~absent).sum(axis=0), np.where(absent, 0, X)
                total = present.sum(axis=0, dtype=np.float64)
            mean = total / np.maximum(count, 1)
            deviations = X - mean
            if absent is not None:
                deviations[absent] = 0
            squares = np.einsum("ri,ri->i", deviations, deviations, dtype=np.float64)
            self._merge(count, mean, squares)
            self.rows += len(X)
            self.low = np.fmin(self.low, np.fmin.reduce(X, axis=0))
            self.high = np.fmax(self.high, np.fmax.reduce(X, axis=0))

    def _merge(self, count: npt.NDArray[np.int64], mean: Array, squares: Array) -> None:
        together = np.maximum(self.count + count, 1)
        apart = mean - self.mean
        self.mean = self.mean + apart * (count / together)
        self.squares = self.squares + squares + apart**2 * (self.count * (count / together))
        self.count = self.count + count
