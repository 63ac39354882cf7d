"""The one array type of the house, and its precisions."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from unstuck.errors import DataError

Array: TypeAlias = npt.NDArray[np.floating]
"""A NumPy array of float32 or float64."""

Precision = Literal["float32", "float64"]


def in_precision(values: Array, precision: Precision) -> Array:
    """Return values, row by row in memory, in that precision.

    Raises:
        DataError: when some are too large for it.
    """
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(values, dtype=precision)
    if not np.isfinite(converted).all():
        raise DataError(
            f"values as large as {np.abs(values).max():.3g} do not fit into {precision}: scale them, "
            'Inputs(scaling="standard") and Targets(scaling="standard"), or write precision="float64"'
        )
    return converted
