"""Features as users bring them: an array (n, i), or a table of named columns (polars, pandas, a dict of columns)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import DataError

if TYPE_CHECKING:
    import polars as pl


NESTED = (list, tuple, dict, set, np.ndarray)


def default_names(count: int) -> tuple[str, ...]:
    """Return the names that the columns of an array get.

    >>> default_names(3)
    ('x0', 'x1', 'x2')
    """
    return tuple(f"x{i}" for i in range(count))


def check_names(names: Iterable[str], where: str) -> None:
    """Refuse names that polars would not take as they are.

    Raises:
        DataError: when one begins with ^ and ends with $: polars takes it for a pattern that other names match.
    """
    for name in names:
        if name.startswith("^") and name.endswith("$"):
            raise DataError(
                f"{where} has a column called {name!r}, and polars, which holds the table, takes a name from ^ to $ "
                "for a pattern of names; rename it"
            )


def as_table(X: Any) -> pl.DataFrame | None:
    """Return X as a polars table, or None where it is no table but an array.

    Args:
        X: a polars or pandas DataFrame, a mapping of names to columns, or anything else.

    Raises:
        DataError: when a column mixes types, two have one name or one has a name that is a pattern, or their lengths
            differ.

    >>> as_table({"age": [39, 50], "sex": ["Male", None]}).rows()
    [(39, 'Male'), (50, None)]
    """
    if not isinstance(X, Mapping) and not hasattr(type(X), "columns"):
        return None
    import polars as pl

    if isinstance(X, pl.DataFrame):
        check_names(X.columns, "X")
        return X
    if not hasattr(X, "items"):
        raise DataError(f"X is a {type(X).__name__}; write X as a DataFrame (polars or pandas) or a NumPy array")
    twice = [name for name, count in Counter(str(name) for name, _ in X.items()).items() if count > 1]
    if twice:
        raise DataError(f"X has more than one column called {twice[0]!r}, and columns are matched by name; rename one")
    check_names((str(name) for name, _ in X.items()), "X")
    try:
        return pl.DataFrame([_series(str(name), column) for name, column in X.items()])
    except pl.exceptions.ShapeError:
        lengths = ", ".join(f"{name!r} {len(column):,}" for name, column in X.items())
        raise DataError(f"the columns of X differ in length: {lengths}") from None


def _series(name: str, column: Any) -> pl.Series:
    import polars as pl

    if not hasattr(column, "__len__") or (isinstance(column, str | bytes | np.ndarray) and not np.ndim(column)):
        raise DataError(f"column {name!r} of X is one {type(column).__name__}; it must hold a value for each row")
    try:
        values = np.asarray(column)
        if values.dtype != object:
            return pl.Series(name, values)
        missing = column.isna() if hasattr(column, "isna") else [value is None for value in values]
        present = [None if gone else value for value, gone in zip(values, missing, strict=True)]
        if all(value is None or isinstance(value, Real) for value in present):
            return pl.Series(name, [value if value is None else float(value) for value in present], pl.Float64)
        if not any(isinstance(value, NESTED) for value in present):  # on some of these polars panics
            return pl.Series(name, present)
    except OverflowError:
        raise DataError(f"column {name!r} of X holds integers beyond the range of float64; change their unit") from None
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        pass
    kinds = sorted({type(value).__name__ for value in column if value is not None})
    raise DataError(f"column {name!r} of X mixes values of type {', '.join(kinds)}; make it one type, numbers or text")


def column_kinds(table: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Return the names of the columns that hold numbers (booleans count as 0 and 1) and of those that hold text.

    Raises:
        DataError: when a column holds anything else, such as dates.
    """
    import polars as pl

    numbers, texts = [], []
    for name, dtype in table.schema.items():
        if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
            numbers.append(name)
        elif dtype in (pl.String, pl.Categorical, pl.Enum):
            texts.append(name)
        else:
            raise DataError(
                f"column {name!r} of X holds {dtype}; a network takes numbers, or text as categories: "
                "turn it into numbers (a date into days since some day) or remove it"
            )
    return numbers, texts


def number_columns(table: pl.DataFrame, names: Sequence[str], order: Literal["fortran", "c"] = "fortran") -> Array:
    """Return columns of numbers as an array (n, columns), NaN where missing: of float64, or float32 if all are that."""
    import polars as pl

    if not names:
        return np.empty((len(table), 0))
    numbers = table.select(names)
    if any(dtype != pl.Float32 for dtype in numbers.dtypes):
        numbers = numbers.cast(pl.Float64)
    return numbers.to_numpy(order=order)


def number_array(X: Any) -> Array:
    """Return X as an array (n, i) of numbers: float32 and float64 as they are, everything else as float64.

    What a masked array masks becomes NaN.

    Raises:
        DataError: when X is not two-dimensional, or holds text, objects or complex numbers.
    """
    if hasattr(X, "toarray"):
        raise DataError("X is a sparse matrix; write X.toarray()")
    if isinstance(X, np.ma.MaskedArray):
        X = np.ma.filled(X.astype(np.float64), np.nan)
    try:
        array = np.asarray(X)
    except ValueError:
        raise DataError("the rows of X differ in length; each row needs the same columns") from None
    if array.dtype.kind in "USO":
        what = "objects (text, None or mixed values)" if array.dtype.kind == "O" else f"text ({array.dtype})"
        raise DataError(
            f"X is an array of {what}; write X.astype(float) if these are numbers, "
            "or pass a table, polars.DataFrame(...), whose text columns can become categories"
        )
    if array.dtype.kind not in "biuf":
        raise DataError(f"X is an array of {array.dtype}; a network takes real numbers")
    if array.ndim == 1:
        raise DataError(
            f"X has shape {array.shape}; (rows, columns) is needed: "
            "write X.reshape(-1, 1) if it is one column, X.reshape(1, -1) if it is one row"
        )
    if array.ndim != 2:
        raise DataError(f"X has shape {array.shape}; (rows, columns) is needed: write X.reshape(len(X), -1)")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
