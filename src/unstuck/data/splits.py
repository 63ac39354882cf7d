"""Holding rows out, by scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.errors import DataError

Index = npt.NDArray[np.int64]


def hold_out(y: npt.NDArray[Any], fraction: float, seed: int, stratify: bool) -> tuple[Index, Index]:
    """Return the row numbers to keep and those to hold out, each in ascending order.

    Args:
        y: targets, n of them.
        fraction: of the rows to hold out.
        seed: of the draw.
        stratify: hold out the same share of every class, where each has at least two rows and the held-out part has
            room for all of them.

    Raises:
        DataError: when one of the parts would be empty.

    >>> kept, held = hold_out(np.array([0, 1] * 5), 0.2, seed=0, stratify=True)
    >>> len(kept), len(held)
    (8, 2)
    """
    from sklearn.model_selection import train_test_split

    n = len(y)
    count = int(np.ceil(fraction * n))
    if not 0 < count < n:
        raise DataError(
            f"holding out {fraction:g} of {n} rows leaves {n - count} to train on and {count} to validate with; "
            "both need at least one: give more rows, or another validation_fraction"
        )
    labels = None
    if stratify:
        _, counts = np.unique(y, return_counts=True)
        labels = y if counts.min() >= 2 and min(count, n - count) >= len(counts) else None
    kept, held = train_test_split(np.arange(n), test_size=count, random_state=seed % 2**32, stratify=labels)
    return np.sort(kept), np.sort(held)
