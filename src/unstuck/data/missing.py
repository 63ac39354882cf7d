"""Missing and infinite values: found, refused or replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import DataError

if TYPE_CHECKING:
    import polars as pl

Missing = Literal["error", "mean", "median", "most_frequent"]


def check_numbers(numbers: Array, names: Sequence[str], missing: Missing, first: int = 0) -> bool:
    """Return whether any value of `numbers` (n, i), the rows from `first` on, is missing, that is, NaN.

    Raises:
        DataError: when a value is infinite, or missing where `missing` is "error".
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(numbers.sum()):  # one pass without a copy; an overflow only costs the closer look below
            return False
    infinite, absent = np.isinf(numbers), np.isnan(numbers)
    if infinite.any():
        raise DataError(f"X holds infinite values: {_where(infinite, names, first)}; remove or correct these rows")
    if absent.any() and missing == "error":
        raise DataError(f"X has missing values: {_where(absent, names, first)}; {_ADVICE}")
    return bool(absent.any())


def check_texts(table: pl.DataFrame, names: Sequence[str], missing: Missing) -> None:
    """Refuse missing values in columns of text where `missing` is "error".

    Raises:
        DataError: when there is one.
    """
    if missing == "error" and any(table[name].null_count() for name in names):
        absent = np.column_stack([table[name].is_null().to_numpy() for name in names])
        raise DataError(f"X has missing values: {_where(absent, names)}; {_ADVICE}")


def fit_replacements(numbers: Array, names: Sequence[str], missing: Missing) -> tuple[float, ...]:
    """Return what stands in for a missing value of each column (n, i), or nothing where `missing` is "error".

    Of several most frequent values the smallest is taken.

    Raises:
        DataError: when a column has no value at all, or values too large to be averaged.

    >>> fit_replacements(np.array([[1.0], [4.0], [4.0], [np.nan]]), ["age"], "mean")
    (3.0,)
    """
    if missing == "error":
        return ()
    centres: dict[str, Callable[[Array], Any]] = {"mean": np.mean, "median": np.median, "most_frequent": _most_frequent}
    replacements = []
    for name, column in zip(names, numbers.T, strict=True):
        present = column[~np.isnan(column)].astype(np.float64)
        if not present.size:
            raise DataError(f"column {name!r} of X has no value at all, only missing ones; remove it")
        with np.errstate(over="ignore", invalid="ignore"):
            centre = float(centres[missing](present))
        if not np.isfinite(centre):
            raise DataError(f"column {name!r} of X has values too large for their {missing}; change their unit")
        replacements.append(centre)
    return tuple(replacements)


def _most_frequent(values: Array) -> Any:
    distinct, counts = np.unique(values, return_counts=True)
    return distinct[counts.argmax()]


def _where(found: np.ndarray[tuple[int, int], np.dtype[np.bool_]], names: Sequence[str], first: int = 0) -> str:
    """Say how many values were found, in which column, and the first row."""
    of_column = found.sum(axis=0)
    columns = np.flatnonzero(of_column)
    column = columns[0]
    row = first + found[:, column].argmax()
    place = f"{of_column[column]:,} in column {names[column]!r}, first in row {row:,} (counted from 0)"
    return place if len(columns) == 1 else f"{of_column.sum():,} in {len(columns):,} columns, {place}"


_ADVICE = 'write inputs=Inputs(missing="mean") (or "median", "most_frequent"), or remove these rows'
