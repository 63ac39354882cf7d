"""CSV: text with delimiters, read by polars, with the types, the missing values and the faults made plain."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from unstuck.data.tables import check_names
from unstuck.errors import FileError

if TYPE_CHECKING:
    import polars as pl

MISSING = ("", "?")
"""What stands for a missing value."""
MISSING_NUMBER = ("na", "n/a", "#n/a", "null", "none", "-", "--", ".")
"""What does, in small or capital letters, among numbers; elsewhere it may be a word."""

DECIMAL_COMMA = r"^[+-]?\d+(,\d+)?([eE][+-]?\d+)?$"


def parse_csv(content: bytes, path: Path) -> pl.DataFrame:
    r"""Return the table in the content of a CSV file.

    The first line names the columns; the delimiter is the one of comma, semicolon and tab that it has most of.
    Whitespace around values is dropped; a value that is empty or `?` is missing, and so is, among numbers, one of `NA`,
    `n/a`, `null`, `none`, `-` and `.`. A column is made of integers, numbers or true/false if all its values are, else
    of text. Where the delimiter is no comma, numbers may have a decimal comma, unless all that have one have three
    digits after it, which may be thousands.

    Args:
        content: UTF-8 text, unpacked.
        path: where it is from, for error messages.

    Raises:
        FileError: when the text is broken, with the line.
        DataError: when a column's name begins with ^ and ends with $.

    >>> parse_csv(b"age, class\n39, State-gov\n?, Private\n", Path("people.csv")).rows()
    [(39, 'State-gov'), (None, 'Private')]
    """
    import polars as pl

    content = content.rstrip(b"\r\n")
    delimiter, names = _header(content, path)
    try:
        table = pl.read_csv(content, separator=delimiter, infer_schema=False, new_columns=names)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        fault = _fault(content, delimiter, len(names)) or str(error).splitlines()[0]
        raise FileError(f"{path} is a broken CSV: {fault}") from None
    completed = len(names) > 1 and table[names[-1]].null_count() > 0  # polars completes a row that is too short
    if completed or len(names) != table.width:
        fault = _fault(content, delimiter, len(names))
        if fault:
            raise FileError(f"{path} is a broken CSV: {fault}")
    return table.select(_typed(column, delimiter) for column in table)


def _header(content: bytes, path: Path) -> tuple[str, list[str]]:
    """Return the delimiter and the names of the columns.

    Raises:
        FileError: when the first line does not name columns.
        DataError: when a name begins with ^ and ends with $.
    """
    first_line = content.split(b"\n", 1)[0]
    try:
        line = first_line.decode("utf-8-sig")
    except UnicodeDecodeError:
        line = "\0"
    if "\0" in line:
        raise FileError(f"{path} is no CSV: it begins with {content[:8]!r}, which is not text in UTF-8")
    delimiter = max(",;\t", key=line.count)
    try:
        names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error as error:
        raise FileError(f"{path} is a broken CSV: line 1: {str(error).split(' - ')[0]}") from None
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not any(names):
        raise FileError(f"the first line of {path} is empty; it must name the columns")
    if "" in names:
        place = names.index("") + 1
        raise FileError(f"column {place} of {path} has no name; name it, or take it out if it only numbers the rows")
    if twice:
        raise FileError(f"{path} has more than one column called {twice[0]!r}; give each its own name")
    check_names(names, str(path))
    return delimiter, names


def _fault(content: bytes, delimiter: str, width: int) -> str:
    """Return what is wrong with the first broken line, or nothing."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return f"line {line:,} is not text in UTF-8; save the file with that encoding"
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for fields in lines:
            if len(fields or [""]) != width:
                return f"line {lines.line_num:,} has {len(fields):,} values, but the first line names {width:,} columns"
    except csv.Error as error:
        return f"line {lines.line_num:,}: {error}"
    return ""


def _typed(column: pl.Series, delimiter: str) -> pl.Series:
    """Return a column of text as integers, numbers or booleans if every value is one."""
    text = column.str.strip_chars()
    text = text.set(text.is_in(MISSING), None)
    numbers = _numbers(text)
    if numbers is not None:
        return numbers
    lower = text.str.to_lowercase()
    if lower.drop_nulls().is_in(["true", "false"]).all():
        return lower == "true"
    present = text.set(lower.is_in(MISSING_NUMBER), None)
    if delimiter != "," and _has_decimal_commas(present):
        present = present.str.replace(",", ".", literal=True)
    numbers = _numbers(present) if present.null_count() < len(present) else None
    return text if numbers is None else numbers


def _numbers(text: pl.Series) -> pl.Series | None:
    """Return text as integers or numbers, or None if not every value is one."""
    import polars as pl

    for dtype in (pl.Int64, pl.Float64):
        numbers = text.cast(dtype, strict=False)
        if numbers.null_count() == text.null_count():
            return numbers
    return None


def _has_decimal_commas(text: pl.Series) -> bool:
    """Tell whether all values are numbers with, or without, a decimal comma, and not all commas may be of thousands."""
    values = text.drop_nulls()
    if not values.str.contains(DECIMAL_COMMA).all():
        return False
    with_comma = values.filter(values.str.contains(",", literal=True))
    return bool((~with_comma.str.contains(r"^[+-]?\d{1,3},\d{3}$")).any())
