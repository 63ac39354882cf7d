"""Metrics by name.

scikit-learn computes them, but for the two that are measured unless others are asked for: its checks of their
arguments take longer than an epoch of a small network.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unstuck.data.moments import Moments

Metric = Callable[[Any, Any, Any], float]
"""Takes the true y, the predictions, and the probabilities (n, K) or None."""

_FILTERS = threading.Lock()
"""Warnings are silenced for the whole process: two threads at once would undo each other's silence."""


def _of_predictions(name: str, **options: object) -> Metric:
    def metric(y: Any, predictions: Any, probabilities: Any) -> float:
        from sklearn import metrics

        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(getattr(metrics, name)(y, predictions, **options))

    return metric


def _roc_auc(y: Any, predictions: Any, probabilities: Any) -> float:
    scores = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    return _of_predictions("roc_auc_score", multi_class="ovr")(y, scores, None)


def _accuracy(y: Any, predictions: Any, probabilities: Any) -> float:
    y, predictions = np.asarray(y), np.asarray(predictions)
    if y.shape != predictions.shape:
        raise ValueError(f"labels of shape {y.shape} and predictions of shape {predictions.shape}")
    return float(np.count_nonzero(y == predictions) / len(y))


def _r2(y: Any, predictions: Any, probabilities: Any) -> float:
    """Return 1 - squared error / squared error of the mean, averaged over the columns of y.

    In a column that is constant it is 1 where the predictions are exact, and 0 else, as scikit-learn has it.
    """
    y, predictions = np.asarray(y, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    if y.shape != predictions.shape or len(y) < 2:
        raise ValueError(f"numbers of shape {y.shape} and predictions of shape {predictions.shape}")
    with np.errstate(all="ignore"):
        error, spread = ((y - predictions) ** 2).sum(axis=0), ((y - y.mean(axis=0)) ** 2).sum(axis=0)
        value = float(np.where(spread > 0, 1 - error / spread, error == 0).mean())
    return value if math.isfinite(value) else math.nan


CLASSIFICATION: dict[str, Metric] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _of_predictions("balanced_accuracy_score"),
    "f1_macro": _of_predictions("f1_score", average="macro", zero_division=0.0),
    "roc_auc": _roc_auc,
}
REGRESSION: dict[str, Metric] = {
    "r2": _r2,
    "rmse": _of_predictions("root_mean_squared_error"),
    "mae": _of_predictions("mean_absolute_error"),
    "mape": _of_predictions("mean_absolute_percentage_error"),
}
METRICS = CLASSIFICATION | REGRESSION
HIGHER_IS_BETTER = {*CLASSIFICATION, "r2"}


def evaluate(names: Sequence[str], y: Any, predictions: Any, probabilities: Any) -> dict[str, float]:
    """Return the named metrics; one that is undefined for these data (a single class, a single row) is NaN."""
    values = {}
    for name in names:
        try:
            values[name] = METRICS[name](y, predictions, probabilities)
        except ValueError:
            values[name] = math.nan
    return values


class Tally:
    """Metrics of rows that come a part at a time, from what can be summed: for classes, the confusion matrix.

    They agree with `evaluate` of all rows at once, but for the rounding of sums. `TALLIED` names those there are.

    Args:
        classes: the labels, sorted; None for numbers.

    >>> tally = Tally(None)
    >>> for y, predictions in (([1.0, 2.0], [1.0, 3.0]), ([6.0], [5.0])):
    ...     tally.add(np.array(y), np.array(predictions))
    >>> round(tally.value("r2"), 4), tally.value("mae")
    (0.8571, 0.6666666666666666)
    """

    def __init__(self, classes: Sequence[Any] | None):
        self._labels = None if classes is None else np.array(classes)
        self._confusion = np.zeros((len(classes or ()),) * 2, dtype=np.int64)
        self._rows = 0
        self._sums: dict[str, Any] = {"squared": 0.0, "absolute": 0.0, "relative": 0.0}
        self._spread: Moments | None = None

    def add(self, y: Any, predictions: Any) -> None:
        """Add rows."""
        self._rows += len(y)
        if self._labels is not None:
            places = [np.searchsorted(self._labels, labels) for labels in (y, predictions)]
            np.add.at(self._confusion, tuple(places), 1)
            return
        y, predictions = (np.asarray(values, dtype=np.float64).reshape(len(y), -1) for values in (y, predictions))
        self._spread = self._spread or Moments(y.shape[1])
        self._spread.add(y)
        error = abs(y - predictions)
        self._sums["squared"] += (error**2).sum(axis=0)
        self._sums["absolute"] += error.sum(axis=0)
        self._sums["relative"] += (error / np.maximum(abs(y), np.finfo(np.float64).eps)).sum(axis=0)

    def value(self, name: str) -> float:
        """Return a metric of all rows so far; NaN where it is undefined for them."""
        with np.errstate(all="ignore"):
            return float(self._of_numbers(name) if self._labels is None else self._of_classes(name))

    def _of_numbers(self, name: str) -> Any:
        n, sums = self._rows, self._sums
        if name != "r2":
            mean = {"rmse": np.sqrt(sums["squared"] / n), "mae": sums["absolute"] / n, "mape": sums["relative"] / n}
            return np.mean(mean[name])
        if self._spread is None or n < 2:
            return math.nan
        constant = self._spread.high <= self._spread.low
        value = np.where(constant, sums["squared"] == 0, 1 - sums["squared"] / self._spread.squares).mean()
        return value if np.isfinite(value) else math.nan

    def _of_classes(self, name: str) -> Any:
        right = self._confusion.diagonal()
        true, predicted = self._confusion.sum(axis=1), self._confusion.sum(axis=0)
        if name == "accuracy":
            return right.sum() / self._rows
        if name == "balanced_accuracy":
            return (right[true > 0] / true[true > 0]).mean()
        occurs = true + predicted > 0
        return (2 * right[occurs] / (true + predicted)[occurs]).mean()


TALLIED = METRICS.keys() - {"roc_auc"}
