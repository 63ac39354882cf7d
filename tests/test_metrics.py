from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from unstuck.metrics import CLASSIFICATION, HIGHER_IS_BETTER, METRICS, REGRESSION, evaluate

random = np.random.default_rng(0)
Y = random.normal(size=30)
NUMBERS = Y + random.normal(size=30)
LABELS = np.array(["a", "b", "c"])[random.integers(3, size=30)]
PROBABILITIES = random.dirichlet([1, 1, 1], size=30)
PREDICTED = np.array(["a", "b", "c"])[PROBABILITIES.argmax(axis=1)]


def test_regression():
    residual = NUMBERS - Y
    assert evaluate(tuple(REGRESSION), Y, NUMBERS, None) == pytest.approx(
        {
            "r2": 1 - np.sum(residual**2) / np.sum((Y - Y.mean()) ** 2),
            "rmse": np.sqrt(np.mean(residual**2)),
            "mae": np.mean(np.abs(residual)),
            "mape": np.mean(np.abs(residual / Y)),
        }
    )


def test_classification():
    right = PREDICTED == LABELS
    values = evaluate(tuple(CLASSIFICATION), LABELS, PREDICTED, PROBABILITIES)
    assert values["accuracy"] == np.mean(right)
    assert values["balanced_accuracy"] == pytest.approx(np.mean([right[k == LABELS].mean() for k in "abc"]))
    assert values["f1_macro"] == pytest.approx(oracle.f1_score(LABELS, PREDICTED, average="macro"))
    pairs = [oracle.roc_auc_score(k == LABELS, PROBABILITIES[:, c]) for c, k in enumerate("abc")]
    assert values["roc_auc"] == pytest.approx(np.mean(pairs))


def test_area_under_the_curve_of_two_classes():
    a = PROBABILITIES[:, 0]
    y = LABELS == "a"
    ahead = np.mean([[(p > q) + (p == q) / 2 for q in a[~y]] for p in a[y]])
    value = evaluate(("roc_auc",), y, a > 0.5, np.column_stack([1 - a, a]))
    assert value["roc_auc"] == pytest.approx(ahead)


def test_what_is_undefined_is_nan_and_no_error():
    assert np.isnan(evaluate(("r2",), Y[:1], NUMBERS[:1], None)["r2"])
    assert np.isnan(evaluate(("roc_auc",), LABELS[:1], PREDICTED[:1], PROBABILITIES[:1])["roc_auc"])
    single = evaluate(("accuracy", "f1_macro", "balanced_accuracy"), ["a", "a"], ["a", "b"], None)
    assert single["accuracy"] == single["balanced_accuracy"] == 0.5


def test_every_metric_is_of_one_task():
    assert METRICS.keys() == CLASSIFICATION.keys() | REGRESSION.keys()
    assert not CLASSIFICATION.keys() & REGRESSION.keys()
    assert METRICS.keys() > HIGHER_IS_BETTER
    assert METRICS.keys() - HIGHER_IS_BETTER == {"rmse", "mae", "mape"}
