"""Rows as the estimators hand them on, and the share of them held out to stop by."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.errors import DataError


class Examples(NamedTuple):
    """X (n, i), targets Y (n, o) before any coding or scaling of them, and row weights (n,) or None."""

    X: Array
    Y: npt.NDArray[Any]
    weights: Array | None


def hold_out(
    examples: Examples, fraction: float, random: np.random.RandomState, stratify: bool
) -> tuple[Examples, Examples]:
    """Return the examples to train on and those held out, as scikit-learn draws them from the same random state.

    Raises:
        DataError: when fewer than two are held out.
        ValueError: scikit-learn's, when the rows cannot be split so.
    """
    from sklearn.model_selection import train_test_split

    X, Y, weights = examples
    arrays = (X, Y) if weights is None else (X, Y, weights)
    parts = train_test_split(*arrays, random_state=random, test_size=fraction, stratify=Y if stratify else None)
    kept, held = Examples(*parts[::2], *[None] * (weights is None)), Examples(*parts[1::2], *[None] * (weights is None))
    if held.X.shape[0] < 2:
        raise DataError(
            f"The validation set is too small: {held.X.shape[0]} of {X.shape[0]} rows. Increase 'validation_fraction' "
            "or give more rows; a score needs at least two"
        )
    return kept, held
