from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as oracle

from unstuck.metrics import CLASSIFICATION, HIGHER_IS_BETTER, METRICS, REGRESSION, TALLIED, Tally, evaluate

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


@pytest.mark.parametrize("kind", [str, int, float, bool])
def test_accuracy_is_that_of_scikit_learn(kind):
    labels = random.integers(2, size=(2, 37)).astype(kind)
    assert evaluate(("accuracy",), *labels, None)["accuracy"] == oracle.accuracy_score(*labels)


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.just(2), st.integers(2, 9), st.integers(1, 3)),
        elements=st.integers(-3, 3) | st.floats(-1e6, 1e6, width=32),
    )
)
@example(np.ones((2, 4, 1)))
@example(np.array([[[1.0], [1.0]], [[1.0], [2.0]]]))
def test_r2_is_that_of_scikit_learn(drawn):
    y, predictions = drawn
    expected = oracle.r2_score(y, predictions)
    assert evaluate(("r2",), y, predictions, None)["r2"] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_what_is_undefined_is_nan_and_no_error():
    assert np.isnan(evaluate(("r2",), Y[:1], NUMBERS[:1], None)["r2"])
    assert np.isnan(evaluate(("roc_auc",), LABELS[:1], PREDICTED[:1], PROBABILITIES[:1])["roc_auc"])
    assert np.isnan(evaluate(("r2",), Y, np.where(NUMBERS > 0, NUMBERS, -np.inf), None)["r2"])
    assert np.isnan(evaluate(("r2",), Y[:, None], NUMBERS, None)["r2"])
    assert np.isnan(evaluate(("accuracy",), np.eye(3)[:2], PREDICTED[:2], None)["accuracy"])
    single = evaluate(("accuracy", "f1_macro", "balanced_accuracy"), ["a", "a"], ["a", "b"], None)
    assert single["accuracy"] == single["balanced_accuracy"] == 0.5


def test_threads_that_measure_at_once_leave_the_warnings_as_they_are():
    filters = list(warnings.filters)
    arguments = (("f1_macro", "roc_auc", "balanced_accuracy"), LABELS, PREDICTED, PROBABILITIES)
    threads = [threading.Thread(target=lambda: [evaluate(*arguments) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == filters


def test_every_metric_is_of_one_task():
    assert METRICS.keys() == CLASSIFICATION.keys() | REGRESSION.keys()
    assert not CLASSIFICATION.keys() & REGRESSION.keys()
    assert METRICS.keys() > HIGHER_IS_BETTER
    assert METRICS.keys() - HIGHER_IS_BETTER == {"rmse", "mae", "mape"}


@given(
    seed=st.integers(0, 1000),
    rows=st.integers(2, 60),
    columns=st.integers(1, 3),
    parts=st.integers(1, 5),
    constant=st.booleans(),
)
def test_a_tally_of_numbers_is_the_metric_of_all_rows(seed, rows, columns, parts, constant):
    drawn = np.random.default_rng(seed)
    y, predictions = drawn.normal(size=(2, rows, columns))
    if constant:
        y[:, 0] = 3.0
    tally = Tally(None)
    for part in np.array_split(np.arange(rows), parts):
        if len(part):
            tally.add(y[part], predictions[part])
    for name in REGRESSION:
        expected = evaluate([name], y, predictions, None)[name]
        assert tally.value(name) == pytest.approx(expected, rel=1e-9, nan_ok=True), name


@given(seed=st.integers(0, 1000), rows=st.integers(1, 60), parts=st.integers(1, 5), classes=st.integers(2, 4))
def test_a_tally_of_classes_is_the_metric_of_all_rows(seed, rows, parts, classes):
    drawn, labels = np.random.default_rng(seed), np.array(["a", "bb", "c", "d"])[:classes]
    y, predictions = labels[drawn.integers(classes, size=(2, rows))]  # some of the classes may be absent
    tally = Tally(labels.tolist())
    for part in np.array_split(np.arange(rows), parts):
        tally.add(y[part], predictions[part])
    for name in set(CLASSIFICATION) & TALLIED:
        assert tally.value(name) == pytest.approx(evaluate([name], y, predictions, None)[name], rel=1e-12), name


def test_a_tally_of_one_row_has_no_r2():
    tally = Tally(None)
    tally.add(np.ones(1), np.zeros(1))
    assert np.isnan(tally.value("r2"))
    assert tally.value("mae") == 1


def test_only_what_ranks_all_rows_cannot_be_tallied():
    assert METRICS.keys() - TALLIED == {"roc_auc"}
