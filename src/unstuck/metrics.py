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
