"""Rows of Parquet files, read a block at a time by polars."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unstuck.data.blocks import Block, Place, RowSource
from unstuck.data.content import existing
from unstuck.data.readers import target_labels
from unstuck.errors import DataError, FileError, did_you_mean
from unstuck.files import cannot_read

if TYPE_CHECKING:
    import polars as pl


class ParquetRows(RowSource):
    """The rows of a Parquet file, or of all files `*.parquet` of a folder in the order of their names.

    They are streamed: a training reads them from the disk in every epoch, and holds a few blocks of them at a time.

    Args:
        path: a file, a folder, or a list of files. All have the same columns.
        target: the column of the targets, or a list of columns of numbers. All others are features.
        weight: the column of the rows' weights, if there is one; it is no feature.
        buffer_rows: among so many rows the shuffle mixes single rows. None takes as many as fit into 268 MB in the
            recipe's precision. Two buffers are held, one to train on and one to fill.

    Raises:
        FileError: when a file cannot be read, or there is none.
        DataError: when a column is not there, files differ in their columns, or there are no rows.
        OptionError: when buffer_rows is no positive number.

    >>> import polars as pl, tempfile
    >>> from unstuck import Dense, Recipe, train
    >>> folder = tempfile.TemporaryDirectory()
    >>> x = np.linspace(-1, 1, 256)
    >>> for part in range(4):
    ...     pl.DataFrame({"x": x, "y": 3 * x + 1}).write_parquet(f"{folder.name}/part-{part}.parquet")
    >>> rows = ParquetRows(folder.name, target="y")
    >>> len(rows)
    1024
    >>> recipe = Recipe([Dense(1)], loss="squared_error", optimizer="sgd", epochs=20)
    >>> run = train(recipe.with_settings({"optimizer.learning_rate": 0.1}), rows)
    >>> run.predict({"x": [0.0, 1.0]}).round(3)
    array([1., 4.], dtype=float32)
    >>> folder.cleanup()
    """

    def __init__(
        self,
        path: str | Path | Sequence[str | Path],
        target: str | Sequence[str],
        weight: str | None = None,
        buffer_rows: int | None = None,
    ):
        self.name, self.buffer_rows = str(path), buffer_rows
        self._check_buffer()
        self._files = _files(path)
        self._targets = [target] if isinstance(target, str) else list(target)
        self._weight = weight
        schema = _schema(self._files[0])
        for file in self._files[1:]:
            _check_same(schema, _schema(file), self._files[0], file)
        apart = [*self._targets, *([weight] if weight is not None else [])]
        for name in apart:
            if name not in schema:
                raise DataError(f"{self.name} has no column {name!r}{did_you_mean(name, schema)}")
        self._features = [name for name in schema if name not in apart]
        self.columns = len(self._features)
        if not self._features:
            raise DataError(f"{self.name} has no columns but {', '.join(map(repr, apart))}: there are no features")
        self.file_rows = [_count(file) for file in self._files]
        if not sum(self.file_rows):
            raise DataError(f"{self.name} has no rows, only the columns {', '.join(schema)}")

    def read(self, place: Place) -> Block:
        """Return the rows of a place, the features as a polars table."""
        import polars as pl

        file = self._files[place.file]
        try:
            rows = pl.scan_parquet(file, glob=False, parallel="none").slice(place.first, place.rows)
            table = rows.collect()  # by this thread alone: the others are at work on the last rows
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise _unreadable(file, error) from None
        if len(table) != place.rows or not {*self._features, *self._targets} <= set(table.columns):
            raise FileError(f"{file} was changed while it was read: it had {self.file_rows[place.file]:,} rows")
        targets = [target_labels(table[name], file) for name in self._targets]
        weights = None if self._weight is None else target_labels(table[self._weight], file, "weight")
        y = targets[0] if len(targets) == 1 else np.column_stack(targets)
        return Block(table.select(self._features), y, weights)

    def digest(self) -> str:
        """Return a hash of the files' bytes and of what is read from them."""
        digest = hashlib.sha256(repr((self._targets, self._weight)).encode())
        for path in self._files:
            try:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise cannot_read(path, error) from None
        return digest.hexdigest()

    def describe(self, place: Place) -> str:
        """Say which rows of which file these are."""
        return f"rows {place.first:,} to {place.first + place.rows - 1:,} of {self._files[place.file]}"

    def __repr__(self) -> str:
        return f"ParquetRows({self.name!r}, {len(self):,} rows in {len(self._files)} files)"


def _files(path: str | Path | Sequence[str | Path]) -> list[Path]:
    if not isinstance(path, str | Path):
        listed = [existing(file) for file in path]
        if not listed:
            raise FileError("the list of Parquet files is empty")
        return listed
    folder = Path(path)
    try:
        if not folder.is_dir():
            return [existing(folder)]
        shown = (file for file in folder.iterdir() if not file.name.startswith((".", "_")))
        found = sorted(file for file in shown if file.name.endswith(".parquet"))
    except OSError as error:
        raise cannot_read(folder, error) from None
    if not found:
        raise FileError(f"the folder {folder} has no files *.parquet")
    return found


def _schema(file: Path) -> dict[str, pl.DataType]:
    import polars as pl

    try:
        return dict(pl.read_parquet_schema(file))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _unreadable(file, error) from None


def _count(file: Path) -> int:
    import polars as pl

    try:
        return int(pl.scan_parquet(file, glob=False).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Any) -> FileError:
    return FileError(f"{file} is no Parquet file, or damaged: {str(error).splitlines()[0]}")


def _check_same(first: dict[str, pl.DataType], other: dict[str, pl.DataType], file: Path, other_file: Path) -> None:
    for name in [*first, *other]:
        if first.get(name) != other.get(name):
            kinds = [
                f"is {kind} in {path}" if (kind := schema.get(name)) else f"is not in {path}"
                for schema, path in ((first, file), (other, other_file))
            ]
            raise DataError(f"the column {name!r} {kinds[0]}, and {kinds[1]}; all files need the same columns")
