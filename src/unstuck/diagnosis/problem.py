"""Problem: the data that a network is to learn, and one score for whatever predicts them.

Losses of different recipes cannot be compared; what their predictions are worth can. The score is the gain over the
best constant prediction:

    classes    gain = (accuracy - share of the largest class) / (1 - that share)
               2 AUC - 1 instead, for two classes of which the larger has more than 80 % of the rows
    numbers    gain = R2 = 1 - squared error / squared error of the mean, averaged over the columns of y

0 is what a constant gets, 1 is every row right. It is measured on rows held out; or on the training rows themselves
where there are few, or the same ones again and again, as in a truth table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array, evenly
from unstuck.data.sparse import dense
from unstuck.data.splits import hold_out
from unstuck.data.tables import as_table
from unstuck.functions.losses import Hinge
from unstuck.recipe import Dense, Recipe
from unstuck.run import Run
from unstuck.training.prepare import check_rows, matched

FEW_ROWS = 100
"""Fewer rows than this are all trained on."""
HELD_SHARE = 0.25
MOST_JUDGED = 2000
MOST_CLASSES = 20
LOPSIDED = 0.8
"""Share of the larger of two classes from which accuracy says little."""

Metric = Literal["accuracy", "roc_auc", "r2"]


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be learned.

    Attributes:
        X: features of the training rows, in the order they came.
        y: their targets.
        rows_judged: features of the rows on which predictions are scored.
        targets_judged: their targets.
        held_out: whether those are other rows than the training's.
        classes: the values y takes, where they are classes, sorted; None for numbers.
        one_hot: y has a column of 0 and 1 for each class.
        metric: what the gain is made of.
        constant: the metric's value for the best constant prediction.
        places: of the training rows among those that were given, ascending.
    """

    X: Any
    y: npt.NDArray[Any]
    rows_judged: Any
    targets_judged: npt.NDArray[Any]
    held_out: bool
    classes: npt.NDArray[Any] | None
    one_hot: bool
    metric: Metric
    constant: float
    places: npt.NDArray[np.intp]

    @classmethod
    def of(cls, recipe: Recipe, X: Any, y: Any) -> Problem:
        """Return the problem of a recipe on rows X with targets y.

        Raises:
            DataError: when the data cannot be used.
        """
        X, y = matched(dense(X), y, "training")
        check_rows(recipe, X, y)
        classes, one_hot = classes_of(recipe, y)
        kept = held = np.arange(len(y))
        held_out = len(y) >= FEW_ROWS and not _repetitive(X)
        if held_out:
            labels = np.argmax(y, axis=1) if one_hot else y
            share = min(HELD_SHARE, MOST_JUDGED / len(y))
            kept, held = hold_out(labels, share, recipe.seed, stratify=classes is not None)
        judged = y[held]
        metric: Metric = "r2"
        constant = 0.0
        if classes is not None:
            codes = np.argmax(judged, axis=1) if one_hot else judged
            _, counts = np.unique(codes, return_counts=True)
            constant, metric = float(counts.max() / counts.sum()), "accuracy"
            if len(classes) == 2 and len(counts) == 2 and constant > LOPSIDED:
                constant, metric = 0.5, "roc_auc"
        return cls(X[kept], y[kept], X[held], judged, held_out, classes, one_hot, metric, constant, kept)

    def __len__(self) -> int:
        return len(self.y)

    def with_rows(self, most: int) -> Problem:
        """Return the problem with at most so many training rows, from all over them."""
        if len(self) <= most:
            return self
        some = evenly(len(self), most)
        fewer = replace(self, X=self.X[some], y=self.y[some], places=self.places[some])
        return fewer if self.held_out else replace(fewer, rows_judged=fewer.X, targets_judged=fewer.y)

    def gain(self, run: Run) -> float:
        """Return the gain of a run's predictions on the judged rows."""
        return self.gain_of(run, self.rows_judged, self.targets_judged)

    def fit(self, run: Run) -> float:
        """Return the gain of a run's predictions on the training rows, or on a part of them where there are many."""
        some = self.with_rows(MOST_JUDGED)
        return self.gain_of(run, some.X, some.y)

    def gain_of(self, run: Run, X: Any, y: npt.NDArray[Any]) -> float:
        """Return the gain of a run's predictions on rows X with targets y; -1 where they are not finite."""
        A = run.outputs(X)
        if not np.isfinite(A).all():
            return -1.0
        if self.metric == "roc_auc":
            positive = np.argmax(y, axis=1) if self.one_hot else y == self.classes[1]  # type: ignore[index]  # two
            return self.gain_from(positive, A[:, -1])
        return self.gain_from(y, A if self.one_hot else run.predict(X))

    def gain_from(self, y: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> float:
        """Return the gain of predictions: labels or numbers (n,), several numbers (n, o), or scores for `roc_auc`."""
        if self.metric == "roc_auc":
            from sklearn.metrics import roc_auc_score

            return float(2 * roc_auc_score(y, predictions) - 1) if len(np.unique(y)) == 2 else 0.0
        if self.classes is None:
            return r2(np.asarray(y, dtype=np.float64), np.asarray(predictions, dtype=np.float64))
        if self.one_hot:
            y, predictions = np.argmax(y, axis=1), np.argmax(predictions, axis=1)
        elif predictions.dtype.kind in "fiu":
            values = self.classes.astype(np.float64)
            predictions = self.classes[np.abs(np.asarray(predictions)[:, None] - values).argmin(axis=1)]
        _, counts = np.unique(y, return_counts=True)
        constant = counts.max() / len(y)
        right = float(np.mean(y == predictions))
        return float((right - constant) / (1 - constant)) if constant < 1 else right

    def error(self, gain: float) -> float:
        """Return about the standard error of a gain, from the number of judged rows; 0 where they are all there are."""
        if not self.held_out:
            return 0.0
        n = len(self.targets_judged)
        if self.metric == "accuracy":
            right = min(max(self.in_metric(gain), 0.0), 1.0)
            return float(np.sqrt(right * (1 - right) / n) / max(1 - self.constant, 1e-9))
        return float(np.sqrt(max(1 - gain, 0.0) / n))

    def in_metric(self, gain: float) -> float:
        """Return the metric's value for a gain: the accuracy, the area under the curve, or R2."""
        return self.constant + gain * (1 - self.constant)


def classes_of(recipe: Recipe, y: npt.NDArray[Any]) -> tuple[npt.NDArray[Any] | None, bool]:
    """Return the classes that y holds, if it is classes that are to be learned, and whether y is one-hot.

    They are where the recipe codes y as classes. Numbers are taken for classes where they can hardly be anything else:
    columns of one 1 and otherwise 0; two values; or the numbers 0 (or 1) to K out of one unit that is bounded.
    """
    coding = recipe.targets.resolve(y, recipe.outputs, recipe.loss.prefers)
    if coding != "numbers":
        return np.unique(y), False
    if y.dtype.kind not in "biuf":
        return None, False
    if y.ndim == 2:
        one_hot = bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())
        return (np.arange(y.shape[1]), True) if one_hot else (None, False)
    values = np.unique(y)
    if len(values) == 2 and set(values.tolist()) in ({0, 1}, {-1, 1}, {1, 2}):
        return values, False
    last = recipe.layers[-1]
    bounded = isinstance(last, Dense) and np.isfinite(last.activation.range[1])
    return (counted(y) if bounded and not isinstance(recipe.loss, Hinge) else None), False


def counted(y: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """Return the values of y if they are the numbers from 0, or 1, to K, as classes are numbered; K at least 3."""
    if y.dtype.kind not in "iuf":
        return None
    values = np.unique(y)
    few = 2 < len(values) <= min(MOST_CLASSES, len(y) // 3)
    in_a_row = few and values[0] in (0, 1) and np.array_equal(values, np.arange(len(values)) + values[0])
    return values if in_a_row else None


def r2(y: Array, predictions: Array) -> float:
    """Return 1 - squared error / squared error of the mean, averaged over the columns, at least -1."""
    y, predictions = y.reshape(len(y), -1), predictions.reshape(len(y), -1)
    with np.errstate(all="ignore"):
        spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
        error = ((y - predictions) ** 2).sum(axis=0)
        values = np.where(spread > 0, 1 - error / np.where(spread > 0, spread, 1), 0.0)
    return max(-1.0, float(np.mean(values))) if np.isfinite(values).all() else -1.0


def _repetitive(X: Any) -> bool:
    """Tell whether more than half of the rows, or of the first of many, are repetitions of others."""
    X = X[:MOST_JUDGED]
    if as_table(X) is not None:
        return bool(X.n_unique() < len(X) / 2)
    return len(np.unique(X, axis=0)) < len(X) / 2
