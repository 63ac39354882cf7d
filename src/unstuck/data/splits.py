"""Holding rows out, by scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.errors import DataError

Index = npt.NDArray[np.int64]


def hold_out(
    y: npt.NDArray[Any], fraction: float, seed: int, stratify: bool, option: str = "validation_fraction"
) -> tuple[Index, Index]:
    """Return the row numbers to keep and those to hold out, each in ascending order.

    Args:
        y: targets, n of them.
        fraction: of the rows to hold out.
        seed: of the draw.
        stratify: y are classes: hold out the same share of each. A class of a single row is kept; where the parts have
            no room for all classes, one row of each is kept and the rest is drawn.
        option: what the user calls the fraction.

    Raises:
        DataError: when one of the parts would be empty.

    >>> kept, held = hold_out(np.array([0, 1] * 5), 0.2, seed=0, stratify=True)
    >>> len(kept), len(held)
    (8, 2)
    """
    from sklearn.model_selection import train_test_split

    n = len(y)
    count = held_count(n, fraction, option)
    certain, labels = np.arange(0), None
    if stratify:
        _, first, counts = np.unique(y, return_index=True, return_counts=True)
        certain = first[counts == 1]
        if min(count, n - len(certain) - count) >= np.count_nonzero(counts > 1):
            labels = np.delete(y, certain)
        else:
            certain = first
    if n - len(certain) <= count:
        certain, labels = np.arange(0), None
    drawn = np.delete(np.arange(n), certain)
    kept, held = train_test_split(drawn, test_size=count, random_state=seed % 2**32, stratify=labels)
    return np.sort(np.concatenate([certain, kept])), np.sort(held)


def held_count(n: int, fraction: float, option: str) -> int:
    """Return how many of n rows are held out.

    Raises:
        DataError: when they are none or all.
    """
    count = int(np.ceil(fraction * n))
    if not 0 < count < n:
        raise DataError(
            f"holding out {fraction:g} of {n} rows leaves {n - count} to train on and {count} to measure on; "
            f"both need at least one: give more rows, or another {option}"
        )
    return count
