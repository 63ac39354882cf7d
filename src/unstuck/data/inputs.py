"""Inputs: from the columns a user has to the columns a network takes.

`Inputs` is the recipe's part: what to do. `FittedInputs` is the run's part: what the training rows made of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.description import Description, described
from unstuck.errors import DataError, did_you_mean

MISSING = "(missing)"
"""The category that stands for a missing value."""


@described
class Inputs(Description):
    """How features become inputs.

    Args:
        scaling: of numeric columns: "none"; "standard", (x - mean) / std; "minmax", (x - min) / (max - min). A constant
            column becomes 0.
        missing: what replaces a missing number: the column's "mean" or "median"; "error" refuses. In a categorical
            column, where it is allowed, missing is a category of its own.
        categories: "one_hot" gives each category of a text or boolean column an input of its own; a category that did not
            occur in training makes all of them 0. "error" refuses text.
    """

    scaling: Literal["none", "standard", "minmax"] = "none"
    missing: Literal["error", "mean", "median"] = "error"
    categories: Literal["error", "one_hot"] = "error"

    def fit(self, X: Any) -> FittedInputs:
        """Learn means, scales and categories from the training rows X, an array (n, i) or a table.

        Raises:
            DataError: when X cannot be used.

        >>> Inputs(scaling="standard").fit(np.array([[1.0], [3.0]])).transform(np.array([[5.0]]))
        array([[3.]])
        """
        columns = _columns(X)
        if not columns or not len(next(iter(columns.values()))):
            raise DataError(f"there are no training data: {len(columns)} columns, no rows")
        named = not _is_array(X)
        return FittedInputs(self, tuple(self._fit_column(name, values) for name, values in columns.items()), named)

    def _fit_column(self, name: str, values: npt.NDArray[Any]) -> Column:
        if values.dtype == object:
            if self.categories == "error":
                raise DataError(
                    f"column {name!r} holds text such as {_first_text(values)!r}, and a network takes numbers: "
                    'write inputs=Inputs(categories="one_hot"), or turn it into numbers first'
                )
            found = {MISSING if value is None else value for value in values}
            if MISSING in found and self.missing == "error":
                raise self._missing(name, np.array([value is None for value in values]))
            return Column(name, categories=tuple(sorted(found)))
        missing = np.isnan(values)
        if missing.any() and self.missing == "error":
            raise self._missing(name, missing)
        present = values[~missing]
        if not present.size:
            raise DataError(f"column {name!r} has no value in any of the {len(values)} training rows; leave it out")
        fill = float(np.median(present) if self.missing == "median" else present.mean())
        filled = np.where(missing, fill, values)
        shift, scale = 0.0, 1.0
        if self.scaling == "standard":
            shift, scale = float(filled.mean()), float(filled.std())
        elif self.scaling == "minmax":
            shift, scale = float(filled.min()), float(np.ptp(filled))
        tiny = 10 * np.finfo(np.float64).eps * max(abs(shift), np.finfo(np.float64).tiny)
        return Column(name, fill=fill, shift=shift, scale=scale if scale > tiny else 1.0)

    @staticmethod
    def _missing(name: str, where: npt.NDArray[np.bool_]) -> DataError:
        return DataError(
            f"column {name!r} has {np.count_nonzero(where):,} missing values, the first in row {np.argmax(where)} "
            '(counted from 0): write inputs=Inputs(missing="mean"), or fill them in first'
        )


@dataclass(frozen=True)
class Column:
    """What was learned about one column: numbers to fill, shift and scale by, or the categories it has."""

    name: str
    fill: float = 0.0
    shift: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()

    @property
    def feature_names(self) -> list[str]:
        return [f"{self.name}={category}" for category in self.categories] or [self.name]


@dataclass(frozen=True)
class FittedInputs:
    """The recipe's `Inputs`, fitted. `named` tells whether columns are found by name (a table) or by place (an array)."""

    description: Inputs
    columns: tuple[Column, ...]
    named: bool

    @property
    def feature_names(self) -> list[str]:
        """The names of the network's inputs."""
        return [name for column in self.columns for name in column.feature_names]

    def transform(self, X: Any) -> Array:
        """Return the network's inputs, of shape (n, i).

        Raises:
            DataError: when columns are missing, of another kind than in training, or hold values that cannot be used.
        """
        if self._leaves_unchanged() and isinstance(X, np.ndarray) and X.dtype in (np.float32, np.float64):
            _check_array(X)
            self._check_width(X.shape[1])
            if np.isfinite(X).all():
                return X
        given = _columns(X)
        if not self.named:
            self._check_width(len(given))
            given = {column.name: values for column, values in zip(self.columns, given.values(), strict=True)}
        absent = [column.name for column in self.columns if column.name not in given]
        if absent:
            raise DataError(f"the table lacks the columns {absent}{did_you_mean(absent[0], given)}")
        parts = [self._transform_column(column, given[column.name]) for column in self.columns]
        return np.concatenate(parts, axis=1)

    def _leaves_unchanged(self) -> bool:
        return not self.named and self.description.scaling == "none" and not any(c.categories for c in self.columns)

    def _check_width(self, width: int) -> None:
        if width != len(self.columns):
            raise DataError(f"X has {width} columns, but the network was trained on {len(self.columns)}")

    def _transform_column(self, column: Column, values: npt.NDArray[Any]) -> Array:
        if column.categories:
            if values.dtype != object:
                raise DataError(f"column {column.name!r} holds numbers, but held text such as {column.categories[0]!r}")
            of_row = np.array([MISSING if value is None else value for value in values], dtype=object)
            return (of_row[:, None] == np.array(column.categories, dtype=object)).astype(np.float64)
        if values.dtype == object:
            raise DataError(f"column {column.name!r} holds text such as {_first_text(values)!r}, but held numbers")
        missing = np.isnan(values)
        if missing.any() and self.description.missing == "error":
            raise Inputs._missing(column.name, missing)
        filled = np.where(missing, column.fill, values)
        return ((filled - column.shift) / column.scale)[:, None]

    def to_data(self) -> dict[str, Any]:
        """Return plain data that `from_data` reads back without loss."""
        columns = [{**asdict(column), "categories": list(column.categories)} for column in self.columns]
        return {"description": self.description.to_data(), "columns": columns, "named": self.named}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> FittedInputs:
        """Read what `to_data` wrote."""
        columns = tuple(Column(**{**column, "categories": tuple(column["categories"])}) for column in data["columns"])
        return cls(Inputs.from_data(data["description"]), columns, data["named"])


def _columns(X: Any) -> dict[str, npt.NDArray[Any]]:
    """Return columns by name: float64 where numeric (NaN where missing), object where text (None where missing)."""
    if _is_array(X):
        X = np.asarray(X)
        _check_array(X)
        return {f"x{j}": _numeric(f"x{j}", X[:, j]) for j in range(X.shape[1])}
    names = X.keys() if isinstance(X, Mapping) else X.columns
    return {str(name): _column(str(name), X[name]) for name in names}


def _is_array(X: Any) -> bool:
    return isinstance(X, np.ndarray | Sequence)


def _check_array(X: npt.NDArray[Any]) -> None:
    if X.ndim != 2:
        hint = "; a single feature is a column: X.reshape(-1, 1)" if X.ndim == 1 else ""
        raise DataError(f"X must have two dimensions, rows and features; got shape {X.shape}{hint}")
    if X.dtype.kind not in "fiub":
        raise DataError(
            f"X is an array of {X.dtype}, and a network takes numbers: give text and mixed columns as a table "
            '(polars, pandas, or a dict of columns) with inputs=Inputs(categories="one_hot")'
        )


def _column(name: str, series: Any) -> npt.NDArray[Any]:
    """Return a column of a table, whatever made it: polars, pandas, an array, a list."""
    values = np.asarray(series.to_numpy() if hasattr(series, "to_numpy") else series)
    if values.ndim != 1:
        raise DataError(f"column {name!r} has shape {values.shape}; a column has one value a row")
    if values.dtype.kind in "fiu":
        return _numeric(name, values)
    if values.dtype.kind == "b":
        return np.array([str(value) for value in values], dtype=object)
    absent = [value is None or value != value or str(value) == "<NA>" for value in values.tolist()]
    if all(gone or isinstance(value, int | float) for value, gone in zip(values.tolist(), absent, strict=True)):
        filled = [np.nan if gone else float(value) for value, gone in zip(values.tolist(), absent, strict=True)]
        return _numeric(name, np.array(filled))
    if values.dtype.kind not in "OUST":
        raise DataError(f"column {name!r} holds {values.dtype}, which is neither numbers nor text; convert it first")
    texts = [None if gone else str(value) for value, gone in zip(values.tolist(), absent, strict=True)]
    return np.array(texts, dtype=object)


def _numeric(name: str, values: npt.NDArray[Any]) -> Array:
    numbers = values.astype(np.float64)
    infinite = np.isinf(numbers)
    if infinite.any():
        raise DataError(
            f"column {name!r} has {np.count_nonzero(infinite):,} infinite values, the first in row "
            f"{np.argmax(infinite)} (counted from 0); no network can use them: replace or leave out those rows"
        )
    return numbers


def _first_text(values: npt.NDArray[Any]) -> str:
    return next((str(value) for value in values if value is not None), "")
