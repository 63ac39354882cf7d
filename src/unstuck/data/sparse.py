"""Rows of mostly zeros, as SciPy's sparse arrays hold them: made dense where that is small, else a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import DataError

DENSE_BYTES = 1 << 28
"""Rows whose dense form is larger than this, 268 MB, stay sparse until an engine takes them."""


def is_sparse(X: Any) -> bool:
    """Tell whether X is a SciPy sparse array or matrix."""
    return hasattr(X, "tocsr")


def sparse_numbers(X: Any) -> Any:
    """Return X as a csr_array of float32 or float64.

    Raises:
        DataError: when it holds no real numbers, or some that are not finite.
    """
    from scipy.sparse import csr_array

    if X.dtype.kind not in "biuf":
        raise DataError(f"X is a sparse matrix of {X.dtype}; a network takes real numbers")
    rows = csr_array(X)
    if rows.dtype not in (np.float32, np.float64):
        rows = rows.astype(np.float64)
    if not np.isfinite(rows.data).all():
        bad = np.count_nonzero(~np.isfinite(rows.data))
        raise DataError(f"X holds {bad:,} infinite or missing values; remove or correct these rows")
    return rows


def is_small(X: Any) -> bool:
    """Tell whether the dense form of sparse rows is small enough to be made at once."""
    return X.shape[0] * X.shape[1] * X.dtype.itemsize <= DENSE_BYTES


def comes_in_parts(X: Any) -> bool:
    """Tell whether X is no array but sparse or mapped: what engines make an array of, a few rows at a time."""
    return hasattr(X, "toarray")


def dense(X: Any) -> Array:
    """Return rows as an array."""
    return X.toarray() if comes_in_parts(X) else X


def dense_parts(X: Any, most: int) -> Iterator[tuple[slice, Array]]:
    """Yield the rows as arrays, in order, at most so many at a time, and fewer where they are wide and no array."""
    n = X.shape[0]
    if comes_in_parts(X):
        most = max(1, min(most, DENSE_BYTES // max(1, X.shape[1] * X.dtype.itemsize)))
    for first in range(0, max(1, n), most):
        part = slice(first, first + most)
        yield part, dense(X[part])
