"""Text that was meant as numbers: a column that one slip, or a comma for the decimal point, keeps from being numbers.

As categories each of its values would be an input, or a class, of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unstuck.errors import DataError

if TYPE_CHECKING:
    import polars as pl

SHARE = 0.9
"""A column of which at least this share are numbers was meant as numbers, ..."""
DIFFERENT = 10
"""... if at least so many of them differ: 1, 2, 3 and "4 or more" are categories."""

WITH_COMMA = r"^[+-]?\d+,\d+$"


def check_no_numbers(column: pl.Series, what: str) -> None:
    """Refuse a column of text that is numbers but for a few values, or for its commas.

    Args:
        column: of text, null where missing.
        what: the column's name in messages.

    Raises:
        DataError: when it is one.
    """
    import polars as pl

    text = column.cast(pl.String)
    is_number = text.cast(pl.Float64, strict=False).is_not_null()
    with_comma = text.str.contains(WITH_COMMA).fill_null(value=False)
    either = is_number | with_comma
    values, numbers = len(text) - text.null_count(), int(either.sum())
    if numbers < max(DIFFERENT, SHARE * values) or text.filter(either).n_unique() < DIFFERENT:
        return
    count = f"{numbers:,} of {values:,} values of {what} are numbers"
    if with_comma.any():
        raise DataError(
            f"{count}, {int(with_comma.sum()):,} of them with a comma, such as {text.filter(with_comma)[0]!r}, which "
            "makes text of them: write a point for a decimal comma, and nothing between thousands"
        )
    other = ~is_number & text.is_not_null()
    if other.any():
        row = other.arg_max() or 0
        raise DataError(
            f"{count}, but row {row:,} (counted from 0) holds {text[row]!r}, which makes text of all: correct it, "
            "leave it empty if it is missing, or leave the row out"
        )
