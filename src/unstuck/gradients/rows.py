"""The rows of somebody's data: along which axes they lie, and the same data with some of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.arrays import evenly
from unstuck.errors import SubjectError
from unstuck.subjects.handwritten import HandWritten

MOST_ROWS = 200
"""As many as the forensics, and the diagnosis of code, look at: the same ones."""


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


def with_few_rows(subject: HandWritten, work: Callable[[HandWritten], bool]) -> HandWritten:
    """Return the subject with at most `MOST_ROWS` rows, or as it is where its functions do not work with fewer.

    Args:
        subject: somebody's network with its data.
        work: calls the functions, and tells whether what they return can be used.
    """
    cut = rows_of(subject.data)
    if cut is None or cut.rows <= MOST_ROWS:
        return subject
    smaller = subject.with_data(cut.spread(MOST_ROWS))
    try:
        return smaller if work(smaller) else subject
    except SubjectError:  # they take just these rows
        return subject
