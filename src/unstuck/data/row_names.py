"""Columns that name rows: an index, a name of its own for each row. New rows have others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

FEWEST_ROWS = 20
"""Among fewer, values may differ from row to row by chance."""


def columns_that_name_rows(table: pl.DataFrame) -> list[str]:
    """Return the names of the columns of text that differ in every row, and of the integers that count the rows.

    >>> import polars as pl
    >>> columns_that_name_rows(pl.DataFrame({"id": range(100, 130), "size": [4, 5, 6] * 10}))
    ['id']
    """
    import polars as pl

    if len(table) < FEWEST_ROWS:
        return []
    return [
        column.name
        for column in table
        if (column.dtype == pl.String or (column.dtype.is_integer() and _count_rows(column)))
        and column.null_count() == 0
        and column.n_unique() == len(column)
    ]


def _count_rows(column: pl.Series) -> bool:
    low, high = column.min(), column.max()
    return isinstance(low, int) and isinstance(high, int) and high - low == len(column) - 1
