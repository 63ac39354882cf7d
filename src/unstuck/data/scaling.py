"""Scaling columns: x' = (x - shift) / scale."""

from __future__ import annotations

from typing import Literal

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import DataError

Scaling = Literal["none", "standard", "minmax"]
ROUNDING = 10 * np.finfo(np.float64).eps


def fit_scaling(X: Array, scaling: Scaling) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return each column's shift and scale, or two empty tuples for "none".

    "standard": the mean and the standard deviation (with divisor n), so that x' has mean 0 and variance 1. "minmax":
    the minimum and the range, so that x' lies in [0, 1]. A column that is constant but for rounding has scale 1 and
    becomes 0.

    Args:
        X: (n, i), finite, n at least 1.
        scaling: which.

    Raises:
        DataError: when a column's spread is too large for float64.

    >>> fit_scaling(np.array([[1.0, 5.0], [3.0, 5.0]]), "standard")
    ((2.0, 5.0), (1.0, 1.0))
    """
    if scaling == "none":
        return (), ()
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        if scaling == "standard":
            return scaling_of(scaling, low, high, X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64))
    return scaling_of(scaling, low, high)


def scaling_of(
    scaling: Scaling, low: Array, high: Array, mean: Array | None = None, deviation: Array | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what `fit_scaling` does, of columns of which these are known; the last two for "standard" only."""
    if scaling == "none":
        return (), ()
    with np.errstate(over="ignore", invalid="ignore"):
        if mean is not None and deviation is not None:
            shift, scale = mean, deviation
        else:
            shift, scale = low, high - low
        constant = high - low <= ROUNDING * np.maximum(abs(low), abs(high))
    constant |= scale == 0  # a spread near 1e-320 has a standard deviation of 0
    shift, scale = np.where(constant, low, shift), np.where(constant, 1.0, scale)
    if not (np.isfinite(shift) & np.isfinite(scale)).all():
        raise DataError(
            f"values from {low.min():.3g} to {high.max():.3g} cannot be scaled in float64; change their unit"
        )
    return tuple(shift.tolist()), tuple(scale.tolist())
