"""Metrics by name, computed by scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Metric = Callable[[Any, Any, Any], float]
"""Takes the true y, the predictions, and the probabilities (n, K) or None."""


def _of_predictions(name: str, **options: object) -> Metric:
    def metric(y: Any, predictions: Any, probabilities: Any) -> float:
        from sklearn import metrics

        return float(getattr(metrics, name)(y, predictions, **options))

    return metric


def _roc_auc(y: Any, predictions: Any, probabilities: Any) -> float:
    from sklearn.metrics import roc_auc_score

    scores = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    return float(roc_auc_score(y, scores, multi_class="ovr"))


CLASSIFICATION: dict[str, Metric] = {
    "accuracy": _of_predictions("accuracy_score"),
    "balanced_accuracy": _of_predictions("balanced_accuracy_score"),
    "f1_macro": _of_predictions("f1_score", average="macro", zero_division=0.0),
    "roc_auc": _roc_auc,
}
REGRESSION: dict[str, Metric] = {
    "r2": _of_predictions("r2_score"),
    "rmse": _of_predictions("root_mean_squared_error"),
    "mae": _of_predictions("mean_absolute_error"),
    "mape": _of_predictions("mean_absolute_percentage_error"),
}
METRICS = CLASSIFICATION | REGRESSION
HIGHER_IS_BETTER = {*CLASSIFICATION, "r2"}


def evaluate(names: Sequence[str], y: Any, predictions: Any, probabilities: Any) -> dict[str, float]:
    """Return the named metrics; one that is undefined for these data (a single class, a single row) is NaN."""
    import warnings

    values = {}
    for name in names:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values[name] = METRICS[name](y, predictions, probabilities)
        except ValueError:
            values[name] = np.nan
    return values
