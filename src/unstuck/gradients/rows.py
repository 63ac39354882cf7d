"""The rows of somebody's data: along which axes they lie, and the same data with some of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.arrays import evenly


@dataclass(frozen=True)
class Cut:
    """Data whose rows can be counted: so many rows, along these axes."""

    data: tuple[Any, ...]
    axes: tuple[int | None, ...]
    rows: int

    def first(self, rows: int) -> tuple[Any, ...]:
        """Return the data with their first rows only."""
        return self._at(np.arange(rows))

    def spread(self, rows: int) -> tuple[Any, ...]:
        """Return the data with so many rows from all over them."""
        return self._at(evenly(self.rows, rows))

    def _at(self, places: npt.NDArray[np.intp]) -> tuple[Any, ...]:
        return tuple(
            part if axis is None else part.take(places, axis=axis)
            for part, axis in zip(self.data, self.axes, strict=True)
        )


def rows_of(data: tuple[Any, ...]) -> Cut | None:
    """Return along which axes the data have as many rows: the first of all arrays, or the last of all.

    >>> rows_of((np.zeros((50, 3)), np.zeros(50))).axes, rows_of((np.zeros((3, 50)), np.zeros((1, 50)))).axes
    ((0, 0), (1, 1))
    """
    arrays = [part for part in data if isinstance(part, np.ndarray) and part.ndim]
    for end in (0, -1):
        if arrays and len({part.shape[end] for part in arrays}) == 1:
            axes = tuple(
                (part.ndim - 1 if end else 0) if isinstance(part, np.ndarray) and part.ndim else None for part in data
            )
            return Cut(data, axes, arrays[0].shape[end])
    return None
