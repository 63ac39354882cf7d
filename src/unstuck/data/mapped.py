"""Rows of a memory-mapped array that is too large to be copied: made what a network takes when they are asked for."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.data.sparse import DENSE_BYTES, dense_parts
from unstuck.data.tables import number_array

Index = slice | npt.NDArray[Any]


class MappedRows:
    """Rows (n, i) of an array in a file, which stays there: `toarray` copies them, `[...]` chooses among them.

    Args:
        X: the mapped array, of numbers.
        chosen: numbers of its rows, or None for all.
        change: what becomes of rows that are copied.
        columns: they then have.
        dtype: likewise.
    """

    def __init__(
        self,
        X: npt.NDArray[Any],
        chosen: Index | None = None,
        change: Callable[[Array], Array] = number_array,
        columns: int | None = None,
        dtype: npt.DTypeLike = np.float64,
    ):
        self._X, self._chosen, self._change = X, chosen, change
        n = len(X) if chosen is None else len(range(len(X))[chosen] if isinstance(chosen, slice) else chosen)
        self.shape = n, X.shape[1] if columns is None else columns
        self.dtype = np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Index) -> MappedRows:
        if self._chosen is not None:
            chosen = np.arange(len(self._X))[self._chosen] if isinstance(self._chosen, slice) else self._chosen
            rows = chosen[rows]
        return MappedRows(self._X, rows, self._change, self.shape[1], self.dtype)

    def toarray(self) -> Array:
        """Return a copy of the rows."""
        return self._change(np.array(self._X if self._chosen is None else self._X[self._chosen]))

    def changed(self, change: Callable[[Array], Array], columns: int, dtype: npt.DTypeLike) -> MappedRows:
        """Return the rows as `change` leaves them."""
        return MappedRows(self._X, self._chosen, change, columns, dtype)

    def parts(self, most: int) -> Any:
        """Yield the rows as arrays, in order, at most so many at a time, and keep none of them in memory."""
        for _, part in dense_parts(self, most):
            yield part
            forget(self._X)


def too_large_to_copy(X: Any) -> bool:
    """Tell whether X is a memory-mapped array (n, i) of numbers of more than 268 MB."""
    return isinstance(X, np.memmap) and X.ndim == 2 and X.dtype.kind in "biuf" and X.nbytes > DENSE_BYTES


def forget(array: npt.NDArray[Any]) -> None:
    """Let go of the pages of a mapped file, which else count as memory of this process until others need it."""
    if getattr(array, "mode", None) not in ("r", "r+") or not hasattr(mmap, "MADV_DONTNEED"):
        return  # of "c", the pages that were changed would be lost
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None:
        base.madvise(mmap.MADV_DONTNEED)
