"""Preprocessing fitted in one pass over rows that come a block at a time: `Inputs.fit` and `Targets.fit` in parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.data.inputs import FittedInputs, Inputs, describe_text, sorted_levels
from unstuck.data.missing import check_numbers, check_texts
from unstuck.data.moments import Moments
from unstuck.data.scaling import Scaling, scaling_of
from unstuck.data.tables import as_table, column_kinds, default_names, number_array, number_columns
from unstuck.data.targets import FittedTargets, Label, Targets, as_numbers, as_targets
from unstuck.errors import DataError, RecipeError
from unstuck.functions.losses import Loss


class InputsInParts:
    """`Inputs.fit` of all rows added.

    "mean" and "standard" sum in another order than over all rows at once, so that they agree but for rounding.

    Raises:
        RecipeError: when the recipe replaces missing values by a median or the most frequent value, which no single
            pass in bounded memory finds.
    """

    def __init__(self, inputs: Inputs):
        if inputs.missing not in ("error", "mean"):
            what = f"missing={inputs.missing!r} needs all values of a column at once, and these rows are streamed"
            raise RecipeError([("inputs.missing", f'{what}: write "mean", or give rows that are in memory')])
        self._inputs = inputs
        self._by_name, self._rows = False, 0
        self._names: tuple[str, ...] = ()
        self._levels: dict[str, set[str]] = {}
        self._missing_levels: set[str] = set()
        self._moments: Moments | None = None

    def add(self, X: Any) -> None:
        """Add rows, an array or a table with the columns of the first.

        Raises:
            DataError: as `Inputs.fit` does.
        """
        table = as_table(X)
        if table is None:
            kinds: tuple[list[str], list[str]] = list(default_names(X.shape[1])), []
            numbers = number_array(X)
        else:
            kinds = column_kinds(table)
            numbers = number_columns(table, kinds[0])
        names, texts = kinds
        if self._moments is None:
            self._by_name, self._names = table is not None, tuple(names)
            self._levels, self._moments = {name: set() for name in texts}, Moments(len(names))
        self._rows += len(numbers)
        if table is not None and texts:
            if self._inputs.categories == "error":
                raise DataError(f'{describe_text(table[texts[0]])}; write inputs=Inputs(categories="one_hot")')
            check_texts(table, texts, self._inputs.missing)
            for name in texts:
                self._levels[name].update(sorted_levels(table[name]))
                if table[name].null_count():
                    self._missing_levels.add(name)
        check_numbers(numbers, names, self._inputs.missing)
        if self._inputs.scaling != "none" or self._inputs.missing != "error":
            self._moments.add(numbers)

    def fit(self) -> FittedInputs:
        """Return what the rows so far make of the inputs.

        Raises:
            DataError: as `Inputs.fit` does.
        """
        import polars as pl

        moments = self._moments
        assert moments is not None, "no rows were added"
        levels = {
            name: sorted_levels(pl.Series(name, sorted(found), pl.String)) for name, found in self._levels.items()
        }
        fill: tuple[float, ...] = ()
        if self._inputs.missing != "error":
            for name, count, mean in zip(self._names, moments.count, moments.mean, strict=True):
                if not count:
                    raise DataError(f"column {name!r} of X has no value at all, only missing ones; remove it")
                if not np.isfinite(mean):
                    raise DataError(f"column {name!r} of X has values too large for their mean; change their unit")
            fill = tuple(moments.mean.tolist())
        shift, scale = _scaling(self._inputs.scaling, moments)
        missing_levels = tuple(name for name in levels if name in self._missing_levels)
        return FittedInputs(self._inputs, self._by_name, self._names, fill, shift, scale, levels, missing_levels)


class TargetsInParts:
    """`Targets.fit` of all targets added, and how often each class is among them."""

    def __init__(self, targets: Targets, outputs: int, loss: Loss):
        self._targets, self._outputs, self._prefers = targets, outputs, loss.prefers
        self._moments = Moments(outputs)
        self._counts: dict[Label, int] = {}
        self._first: Any = None

    def add(self, y: Any) -> None:
        """Add targets.

        Raises:
            DataError: as `Targets.fit` does.
        """
        y = as_targets(y)
        if self._first is None:
            self._first = y[:1]
        if self._coding == "numbers":
            self._moments.add(as_numbers(y, self._outputs))
            return
        labels, counts = np.unique(y, return_counts=True)
        for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
            self._counts[label] = self._counts.get(label, 0) + count
        if len(self._counts) > max(2, self._outputs) or y.ndim > 1 or y.dtype.kind == "f":
            self._check(y)

    def fit(self) -> FittedTargets:
        """Return what the targets so far make of the coding.

        Raises:
            DataError: as `Targets.fit` does.
        """
        if self._coding != "numbers":
            labels = np.array(list(self._counts))
            if len(labels) == 1:  # which is refused, with the number of rows
                labels = labels.repeat(next(iter(self._counts.values())))
            fitted = self._targets.fit(labels, self._outputs, self._prefers)
            fitted.transform(labels)
            return fitted
        shift, scale = _scaling(self._targets.scaling, self._moments)
        return FittedTargets("numbers", self._outputs, None, shift, scale, flat=self._first.ndim == 1)

    def counts(self, classes: tuple[Label, ...]) -> Array:
        """Return how many rows each class has, (K,)."""
        return np.array([float(self._counts.get(label, 0)) for label in classes])

    @property
    def _coding(self) -> str:
        return self._targets.resolve(self._first, self._outputs, self._prefers)

    def _check(self, y: Any) -> None:
        """Refuse, without waiting for the other rows, what are no classes or too many."""
        if len(self._counts) > max(2, self._outputs) and not self._targets.classes:
            self._targets.fit(np.array(list(self._counts)), self._outputs, self._prefers)
        elif y.ndim > 1 or (y != np.rint(y)).any():
            self._targets.fit(y, self._outputs, self._prefers)


def _scaling(scaling: Scaling, moments: Moments) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return shift and scale; a missing value, replaced by the mean, adds a row but no spread."""
    if scaling == "standard":
        return scaling_of(
            scaling, moments.low, moments.high, moments.mean, np.sqrt(moments.squares / max(1, moments.rows))
        )
    return scaling_of(scaling, moments.low, moments.high)
