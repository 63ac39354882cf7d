"""The preprocessing of X: missing values, scaling and categories, as a recipe names it and as fitted to data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import StringConstraints

from unstuck.arrays import Array
from unstuck.data.mapped import MappedRows
from unstuck.data.missing import Missing, check_numbers, check_texts, fit_replacements
from unstuck.data.nearly_numbers import check_no_numbers
from unstuck.data.scaling import Scaling, fit_scaling
from unstuck.data.sparse import dense, is_sparse, sparse_numbers
from unstuck.data.tables import as_table, column_kinds, default_names, number_array, number_columns
from unstuck.description import Description, described
from unstuck.errors import DataError, RecipeError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

Text = Annotated[str, StringConstraints(strip_whitespace=False)]
"""Text as it stands in the data; other texts in a description lose the whitespace around them."""

MOST_CATEGORIES = 1000
CHECKED_ROWS = 1 << 16
"""So many rows of a file are checked at a time."""


@described
class Inputs(Description):
    """How X becomes the network's inputs. It is fitted on the training rows and stored with the run.

    Args:
        scaling: "none", "standard" or "minmax", of the columns of numbers.
        missing: what stands in for missing values (NaN, null): "error" allows none; "mean", "median" and
            "most_frequent" are taken from the column. With these, missing is a category of its own in a column of text.
        categories: "one_hot" turns a column of text into a column of 0 and 1 for each category; "error" refuses text.

    >>> fitted = Inputs(scaling="standard", categories="one_hot").fit({"age": [30, 50], "sex": ["male", "female"]})
    >>> fitted.feature_names
    ('age', 'sex=female', 'sex=male')
    >>> fitted.transform({"sex": ["female"], "age": [40]})
    array([[0., 1., 0.]])
    """

    scaling: Scaling = "none"
    missing: Missing = "error"
    categories: Literal["error", "one_hot"] = "error"

    def fit(self, X: Any) -> FittedInputs:
        """Learn from the training rows what `transform` needs.

        Args:
            X: an array (n, i) of numbers, or a table (polars, pandas, a dict of columns) of numbers and text.

        Raises:
            DataError: when X is empty, holds infinite or missing values, has a wrong type or shape, or holds text that
                `categories` does not allow, or that is numbers but for a few values.
        """
        if is_sparse(X):
            X = sparse_numbers(X)
            if self.scaling == "none" and min(X.shape):
                fill = (0.0,) * X.shape[1] if self.missing != "error" else ()
                return FittedInputs(self, False, default_names(X.shape[1]), fill, (), (), {}, ())
            X = dense(X)
        table, names, texts, numbers, has_missing = self._checked(X)
        levels, missing_levels = {}, []
        if table is not None and texts:
            levels = {name: sorted_levels(table[name]) for name in texts}
            missing_levels = [name for name in texts if table[name].null_count()]
        fill = fit_replacements(numbers, names, self.missing)
        if has_missing:
            numbers = np.where(np.isnan(numbers), fill, numbers)
        shift, scale = fit_scaling(numbers, self.scaling)
        return FittedInputs(self, table is not None, tuple(names), fill, shift, scale, levels, tuple(missing_levels))

    def check(self, X: Any) -> None:
        """Refuse the values that `fit` refuses.

        It is for all rows, before some of them are held out: the message then counts rows as the user does.

        Raises:
            DataError: as `fit` does.
        """
        if isinstance(X, MappedRows):
            first = 0
            for part in X.parts(CHECKED_ROWS):
                check_numbers(part, default_names(part.shape[1]), self.missing, first)
                first += len(part)
        elif is_sparse(X):
            sparse_numbers(X)
        else:
            self._checked(X)

    def _checked(self, X: Any) -> tuple[pl.DataFrame | None, list[str], list[str], Array, bool]:
        """Return X as a table or None, the names of its numbers and its texts, the numbers, and if any is missing."""
        table = as_table(X)
        if table is None:
            numbers = number_array(X)
            names, texts = list(default_names(numbers.shape[1])), list[str]()
        else:
            names, texts = column_kinds(table)
            numbers = number_columns(table, names)
        if not len(numbers) or not names + texts:
            raise DataError(f"X has {len(numbers)} rows and {len(names + texts)} columns: nothing to learn from")
        if table is not None and texts:
            if self.categories == "error":
                raise DataError(f'{describe_text(table[texts[0]])}; write inputs=Inputs(categories="one_hot")')
            check_texts(table, texts, self.missing)
            for name in texts:
                check_no_numbers(table[name], f"column {name!r} of X")
        return table, names, texts, numbers, check_numbers(numbers, names, self.missing)


@described
class FittedInputs(Description):
    """`Inputs`, fitted: the columns of the training and the values it took from them.

    Args:
        inputs: what was fitted.
        by_name: the training data were a table, so the columns of a new table are matched by name.
        numbers: the names of the columns of numbers, in order.
        fill: what stands in for a missing value in each of them; empty where none may be missing.
        shift: x' = (x - shift) / scale; empty without scaling.
        scale: likewise.
        levels: the categories of each column of text.
        missing_levels: the columns of text in which missing is a category too, after the others.
    """

    inputs: Inputs
    by_name: bool
    numbers: tuple[Text, ...]
    fill: tuple[float, ...]
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    levels: dict[Text, tuple[Text, ...]]
    missing_levels: tuple[Text, ...]

    def __post_init__(self) -> None:
        columns = len(self.numbers)
        problems = [
            (name, f"{len(values)} values for {columns} columns of numbers")
            for name, values in (("fill", self.fill), ("shift", self.shift), ("scale", self.scale))
            if len(values) not in (0, columns)
        ]
        if len(self.shift) != len(self.scale) or 0 in self.scale:
            problems.append(("scale", "needs a number other than 0 for each shift"))
        if bool(self.fill) != (self.inputs.missing != "error" and columns > 0):
            problems.append(("fill", f"does not go with missing={self.inputs.missing!r}"))
        problems += [
            ("missing_levels", f"no column {name!r} of text") for name in set(self.missing_levels) - set(self.levels)
        ]
        if not self.by_name and self.levels:
            problems.append(("levels", "an array has no columns of text"))
        if problems:
            raise RecipeError(problems, "FittedInputs")

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the network's inputs: the numbers, then the categories as `"column=category"`."""
        names = list(self.numbers)
        for column, levels in self.levels.items():
            names += [f"{column}={level}" for level in levels]
            names += [f"{column} missing"] * (column in self.missing_levels)
        return tuple(names)

    def transform(self, X: Any) -> Array:
        """Return the network's inputs (n, columns), in the order of `feature_names`.

        They are float64, except that float32 with nothing to be done to it remains that, and sparse rows, unless they
        are scaled, a csr_array. A table's columns may come in any order, with others among them. A category that the
        training did not have is all zeros.

        Args:
            X: an array or a table with the columns of the training.

        Raises:
            DataError: when X lacks columns, is empty, or holds values that `fit` would refuse.
        """
        if is_sparse(X):
            X = sparse_numbers(X)
            if not self.scale and not self.levels and X.shape[1] == len(self.numbers):
                return X
            X = dense(X)
        table = as_table(X)
        if table is None:
            numbers = self._from_array(X)
        elif self.by_name:
            table = self._matched(table)
            numbers = number_columns(table, self.numbers, order="c")
            check_texts(table, list(self.levels), self.inputs.missing)
        else:
            names, texts = column_kinds(table)
            if texts:
                raise DataError(f"{describe_text(table[texts[0]])}, but the training data were all numbers")
            numbers = self._from_array(number_columns(table, names))
        if not len(numbers):
            raise DataError("X has no rows")
        if check_numbers(numbers, self.numbers, self.inputs.missing):
            numbers = np.where(np.isnan(numbers), self.fill, numbers)
        if self.scale:
            numbers = numbers - np.array(self.shift)
            numbers /= np.array(self.scale)
        if table is None or not self.levels:
            return numbers
        return np.hstack([numbers, *(self._one_hot(table[column]) for column in self.levels)])

    def _from_array(self, X: Any) -> Array:
        if self.levels:
            raise DataError(
                f"X is an array, but the training data had columns of text, such as {next(iter(self.levels))!r}: "
                f"pass a table with the columns {', '.join([*self.numbers, *self.levels])}"
            )
        array = number_array(X)
        if array.shape[1] != len(self.numbers):
            raise DataError(f"X has {array.shape[1]} columns, but the training data had {len(self.numbers)}")
        return array

    def _matched(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the table's columns that were in the training, each of the kind it had there."""
        import polars as pl

        wanted = [*self.numbers, *self.levels]
        lacking = [name for name in wanted if name not in table.columns]
        if lacking:
            others = [name for name in table.columns if name not in wanted]
            hint = did_you_mean(lacking[0], others) if others else ""
            hint = hint.replace("choose from", "X has other columns:")
            raise DataError(
                f"X lacks {len(lacking)} of the {len(wanted)} columns of the training: "
                f"{', '.join(map(repr, lacking))}{hint}"
            )
        table = table.select(wanted)
        _, texts = column_kinds(table)
        for name in texts:
            if name not in self.levels:
                raise DataError(f"{describe_text(table[name])}, but in the training it was a column of numbers")
        return table.with_columns(pl.col(list(self.levels)).cast(pl.String)) if self.levels else table

    def _one_hot(self, column: pl.Series) -> Array:
        """Return a column of 0 and 1 for each level."""
        import polars as pl

        levels = self.levels[column.name]
        codes = column.replace_strict(list(levels), range(len(levels)), default=-1, return_dtype=pl.Int32).to_numpy()
        one_hot = np.asarray(codes[:, None] == np.arange(len(levels)), dtype=np.float64)
        return np.column_stack([one_hot, column.is_null()]) if column.name in self.missing_levels else one_hot


def sorted_levels(column: pl.Series) -> tuple[str, ...]:
    """Return the categories of a column of text.

    Raises:
        DataError: when there are too many of them.
    """
    import polars as pl

    levels = column.drop_nulls().cast(pl.String).unique().sort().to_list()
    check_level_count(column.name, len(levels), len(column))
    return tuple(levels)


def check_level_count(name: str, levels: int, rows: int) -> None:
    """Refuse a column of text with too many categories in so many rows.

    Raises:
        DataError: when there are more than 1,000.
    """
    if levels > MOST_CATEGORIES:
        raise DataError(
            f"column {name!r} of X has {levels:,} categories in {rows:,} rows, and each would be an input of its own "
            f"(at most {MOST_CATEGORIES:,}); remove the column, or merge categories"
        )


def describe_text(column: pl.Series) -> str:
    """Say where a column holds text, at the first value that is no number if there is one."""
    import polars as pl

    text = column.cast(pl.String)
    is_text = text.is_not_null() & text.cast(pl.Float64, strict=False).is_null()
    row = is_text.arg_max() or 0
    return f"column {column.name!r} of X holds text, {text[row]!r} in row {row:,} (counted from 0)"
