"""Readers: tables (CSV, Parquet), arrays (NPZ, NPY, IDX), and features and target out of either."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unstuck.data.content import check_unpacked, existing, read_content
from unstuck.data.delimited import parse_csv
from unstuck.data.idx import claimed_size, parse_idx
from unstuck.data.nearly_numbers import check_no_numbers
from unstuck.data.tables import check_names
from unstuck.errors import DataError, FileError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

STARTS = {".npz": b"PK", ".npy": b"\x93NUMPY"}


def read_table(path: str | Path) -> pl.DataFrame:
    """Read a table from a CSV file (.csv, .tsv, either with .gz; see `parse_csv`) or a Parquet file.

    Raises:
        FileError: when the file is missing, cut short, or not what its name says; for a broken CSV with the line.
        DataError: when the table has no rows, a column of a Parquet file is nested (lists, structs), or a column's
            name begins with ^ and ends with $.
    """
    import polars as pl

    path = existing(path)
    name = path.name.lower()
    if name.removesuffix(".gz").endswith((".csv", ".tsv")):
        table = parse_csv(read_content(path), path)
    elif name.endswith(".parquet"):
        try:
            nested = [name for name, dtype in pl.read_parquet_schema(path).items() if dtype.is_nested()]
            if nested:  # not to be read: polars may abort the process where a forged one claims to be huge
                raise DataError(
                    f"column {nested[0]!r} of {path} is nested, several values in one; a network takes numbers or "
                    "text: write the table without it, or with a column for each value"
                )
            table = pl.read_parquet(path, glob=False)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise FileError(f"{path} is no Parquet file, or damaged: {str(error).splitlines()[0]}") from None
        check_names(table.columns, str(path))
    else:
        raise FileError(
            f"{path} has no extension that unstuck knows: tables are .csv, .tsv (either with .gz) or .parquet; "
            "arrays are .npz, .npy or IDX files such as labels-idx1-ubyte.gz"
        )
    if not len(table):
        raise DataError(f"{path} has no rows, only the columns {', '.join(table.columns)}")
    return table


def read_arrays(path: str | Path) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an .npz file by their names, or the one array of an .npy file as "X". Nothing is unpickled.

    Raises:
        FileError: when the file is missing, cut short, or not what its name says; when it is packed and claims to
            unpack to more than 128 MiB and 100 times its size.
        DataError: when it holds an object array.
    """
    path = existing(path)
    start = STARTS.get(path.suffix.lower())
    if start is None:
        raise FileError(f"{path} has no extension of arrays, .npz or .npy")
    with path.open("rb") as file:
        if file.read(len(start)) != start:
            raise FileError(f"{path} is no {path.suffix[1:].upper()} file: it does not begin as one")
        file.seek(0)
        try:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"X": loaded}
            claimed = sum(part.file_size for part in loaded.zip.infolist())
            check_unpacked(path, claimed, path.stat().st_size)
            return {name: np.asarray(loaded[name]) for name in loaded.files}
        except FileError:
            raise
        except Exception as error:  # NumPy and zipfile raise nearly anything on a damaged file
            if "Object arrays" in str(error):
                raise DataError(
                    f"{path} holds an object array, which is stored as a pickle and could run code when it is read; "
                    "save it again as numbers, X.astype(float)"
                ) from None
            raise FileError(f"{path} is cut short or damaged: {error}") from None


def read_idx(path: str | Path) -> npt.NDArray[Any]:
    """Read the array of an IDX file, the format of MNIST, plain or with .gz.

    Raises:
        FileError: when the file is missing, cut short, longer than its header says, or no IDX file.
    """
    path = existing(path)
    return parse_idx(read_content(path, partial(claimed_size, path)), path)


def read_features(path: str | Path) -> Any:
    """Return features from a file: a table from CSV or Parquet, an array (n, i) from NPZ (its X), NPY or IDX.

    Images, and other arrays of more than two dimensions, are laid out flat, one row each.

    Raises:
        FileError: when the file cannot be read.
        DataError: when it has no features.
    """
    path = existing(path)
    if _is_idx(path):
        return _flat(read_idx(path))
    if path.suffix.lower() in STARTS:
        return _flat(_named(read_arrays(path), "X", path))
    return read_table(path)


def read_features_and_target(
    path: str | Path, target: str, leave_out: Sequence[str] = ()
) -> tuple[Any, npt.NDArray[Any]]:
    """Return features, as `read_features` does, and the target of each row, (n,).

    Args:
        path: a table or arrays.
        target: of a table, a column; of an .npz file, an array; of an .npy or IDX file, another file beside it.
        leave_out: of a table, columns that are no features.

    Raises:
        FileError: when a file cannot be read.
        DataError: when there is no such target or column to leave out, the target is neither numbers nor text, or
            values of it are missing.
    """
    path = existing(path)
    if leave_out and (_is_idx(path) or path.suffix.lower() in STARTS):
        raise DataError(f"{path} holds an array, whose columns have no names; leave columns out before it is written")
    if _is_idx(path):
        return read_features(path), read_idx(path.parent / target)
    if path.suffix.lower() == ".npy":
        return read_features(path), _named(read_arrays(path.parent / target), "X", path)
    if path.suffix.lower() == ".npz":
        return read_features(path), _named(read_arrays(path), target, path)
    table = read_table(path)
    for name in (target, *leave_out):
        if name not in table.columns:
            raise DataError(f"{path} has no column {name!r}{did_you_mean(name, table.columns)}")
    if target in leave_out:
        raise DataError(f"{target!r} is the target; it cannot be left out")
    features = table.drop(target, *leave_out)
    if not features.width:
        but = " and those left out" if leave_out else ""
        raise DataError(f"{path} has no column but the target {target!r}{but}; there is nothing to predict it from")
    return features, target_labels(table[target], path)


def _is_idx(path: Path) -> bool:
    return re.search(r"[.-]idx\d?(-ubyte)?(\.gz)?$", path.name.lower()) is not None


def _named(arrays: dict[str, npt.NDArray[Any]], name: str, path: Path) -> npt.NDArray[Any]:
    if name not in arrays:
        raise DataError(f"{path} has no array {name!r}{did_you_mean(name, arrays)}")
    return arrays[name]


def _flat(X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return X.reshape(len(X), -1) if X.ndim > 2 else X


def target_labels(column: pl.Series, path: Path, what: str = "target") -> npt.NDArray[Any]:
    """Return a column of targets as an array (n,) of numbers or text.

    Raises:
        DataError: when it holds anything else, values are missing, or it is numbers but for a few values.
    """
    import polars as pl

    if column.null_count():
        raise DataError(
            f"the {what} {column.name!r} of {path} is missing in {column.null_count():,} of {len(column):,} rows, "
            f"first in row {column.is_null().arg_max():,} (counted from 0); remove these rows"
        )
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        check_no_numbers(column, f"the {what} {column.name!r} of {path}")
        return np.array(column.to_list(), dtype=str)
    if column.dtype.is_decimal():
        return column.cast(pl.Float64).to_numpy()
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return column.to_numpy()
    raise DataError(f"the {what} {column.name!r} of {path} holds {column.dtype}; numbers or text are needed")
