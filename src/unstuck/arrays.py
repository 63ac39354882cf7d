"""The one array type of the house, and its precisions."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from unstuck.errors import DataError

Array: TypeAlias = npt.NDArray[np.floating]
"""A NumPy array of float32 or float64."""

Precision = Literal["float32", "float64"]


def evenly(n: int, most: int) -> npt.NDArray[np.intp]:
    """Return the places of at most so many of n rows, from all over them, ascending.

    >>> evenly(10, 4), evenly(3, 4)
    (array([0, 3, 6, 9]), array([0, 1, 2]))
    """
    return np.linspace(0, n - 1, min(n, most)).astype(np.intp)


def in_precision(values: Any, precision: Precision) -> Any:
    """Return values, row by row in memory, in that precision; rows of a csr_array remain one.

    Raises:
        DataError: when some are too large for it.
    """
    with np.errstate(over="ignore"):
        is_array = isinstance(values, np.ndarray)
        converted = np.ascontiguousarray(values, dtype=precision) if is_array else values.astype(precision)
    if not np.isfinite(converted if is_array else converted.data).all():
        raise DataError(
            f"values as large as {np.abs(values).max():.3g} do not fit into {precision}: scale them, "
            'Inputs(scaling="standard") and Targets(scaling="standard"), or write precision="float64"'
        )
    return converted
