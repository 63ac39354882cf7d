"""Rows that need not fit into memory: read a block at a time."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from unstuck.data.mapped import forget
from unstuck.data.tables import number_array
from unstuck.data.targets import as_targets
from unstuck.errors import DataError, OptionError

BLOCK_BYTES = 1 << 26
"""A block's features take no more than this, 67 MB, as float64."""

MOST_BLOCK_ROWS = 1 << 16
BLOCKS_IN_BUFFER = 8
"""A buffer that the user makes small has at least so many blocks in it, as long as they have several rows each."""


class Place(NamedTuple):
    """So many rows of a file, from `first` on; files are counted from 0."""

    file: int
    first: int
    rows: int


class Block(NamedTuple):
    """Rows as they stand in the file: features, targets, and the weight of each row or None."""

    X: Any
    y: npt.NDArray[Any]
    weights: npt.NDArray[Any] | None


class RowSource(ABC):
    """What `unstuck.train` takes in place of X and y when they are too large for memory.

    Attributes:
        name: in messages.
        file_rows: the rows of each file.
        columns: of the features.
        buffer_rows: among so many rows the shuffle mixes single rows; None takes as many as fit into 268 MB.
    """

    name: str
    file_rows: list[int]
    columns: int
    buffer_rows: int | None

    @abstractmethod
    def read(self, place: Place) -> Block:
        """Return the rows of a place.

        Raises:
            FileError: when they cannot be read.
            DataError: when they are no features and targets.
        """

    @abstractmethod
    def digest(self) -> str:
        """Return a hash of all that is in the files, to recognise them again."""

    @abstractmethod
    def describe(self, place: Place) -> str:
        """Say where rows are from."""

    def __len__(self) -> int:
        return sum(self.file_rows)

    def places(self) -> list[Place]:
        """Cut all rows, in order, into blocks; none is of two files."""
        most = min(MOST_BLOCK_ROWS, BLOCK_BYTES // (8 * max(1, self.columns)))
        if self.buffer_rows is not None:
            most = min(most, self.buffer_rows // BLOCKS_IN_BUFFER)
        most = 1 << (max(1, most).bit_length() - 1)  # so that blocks end where row groups do
        return [
            Place(number, first, min(most, rows - first))
            for number, rows in enumerate(self.file_rows)
            for first in range(0, rows, most)
        ]

    def _check_buffer(self) -> None:
        rows = self.buffer_rows
        if rows is not None and (not isinstance(rows, int) or rows < 1):
            raise OptionError(f"buffer_rows must be a positive number of rows; got {rows!r}")


@contextmanager
def naming(dataset: RowSource, place: Place) -> Iterator[None]:
    """Say in an error of which rows it is, as it counts them from the beginning of the place."""
    try:
        yield
    except DataError as error:
        raise DataError(f"in {dataset.describe(place)}: {error}") from None


class ArrayRows(RowSource):
    """Rows of arrays that may be larger than memory, because they are memory-mapped.

    Args:
        X: features (n, i), such as `np.load("X.npy", mmap_mode="r")`. They are read from beginning to end, and no
            more of them is copied than a training needs at a time.
        y: n targets.
        weights: n weights of the rows, or None.
        buffer_rows: as in `ParquetRows`.

    Raises:
        DataError: when these are no rows of numbers and as many targets.
        OptionError: when buffer_rows is no positive number.

    >>> from unstuck import Dense, Recipe, train
    >>> X = np.linspace(-1, 1, 512, dtype=np.float32).reshape(-1, 1)
    >>> recipe = Recipe([Dense(1)], loss="squared_error", epochs=20)
    >>> len(train(recipe, ArrayRows(X, 3 * X, buffer_rows=128)).history)
    20
    """

    def __init__(self, X: Any, y: Any, weights: Any = None, buffer_rows: int | None = None):
        self.name, self.buffer_rows = "the array X", buffer_rows
        self._check_buffer()
        self._X = X if isinstance(X, np.ndarray) else np.asarray(X)
        number_array(self._X[:1])
        if not len(self._X):
            raise DataError(f"X has no rows: its shape is {self._X.shape}")
        self._y = y if isinstance(y, np.ndarray) else np.asarray(y)
        self._weights = None if weights is None else np.asarray(weights)
        for what, values in (("targets", self._y), ("weights", self._weights)):
            if values is not None and len(values) != len(self._X):
                raise DataError(f"{len(self._X):,} rows of features and {len(values):,} {what}; each row needs one")
        self.file_rows, self.columns = [len(self._X)], self._X.shape[1]

    def read(self, place: Place) -> Block:
        """Return a copy of the rows of a place."""
        part = slice(place.first, place.first + place.rows)
        weights = None if self._weights is None else np.array(self._weights[part])
        block = Block(number_array(np.array(self._X[part])), as_targets(np.array(self._y[part])), weights)
        for array in (self._X, self._y):
            forget(array)
        return block

    def digest(self) -> str:
        """Return a hash of all numbers."""
        digest = hashlib.sha256()
        for place in self.places():
            for values in self.read(place):
                if values is not None:
                    digest.update(f"{values.shape}{values.dtype}".encode())
                    digest.update(np.ascontiguousarray(values).view(np.uint8).data)
        return digest.hexdigest()

    def describe(self, place: Place) -> str:
        """Say which rows of the array these are."""
        return f"rows {place.first:,} to {place.first + place.rows - 1:,} of {self.name}"
