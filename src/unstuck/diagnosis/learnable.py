"""What can be learned at all: the gain of strong learners that are no networks, on rows they were not fitted to.

Gradient boosting and nearest neighbours of scikit-learn, cross-validated. They fail in different ways (boosting cuts
along the axes, neighbours drown in useless columns), so the better of the two is taken. A network may do better; what
they find is there.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array, evenly
from unstuck.diagnosis.label_noise import LabelNoise, label_noise
from unstuck.diagnosis.problem import Problem

MOST_ROWS = 1200
MOST_WORK = 200_000
"""Features times outputs times rows beyond which boosting would take seconds."""
FOLDS = 3
NEIGHBOURS = 5


@dataclass(frozen=True)
class Learnable:
    """What can be learned.

    Attributes:
        gain: of the best learner.
        error: its standard error.
        learner: which that is.
        noise: how many labels it contradicts; None for numbers, and where no rows are held out.
    """

    gain: float
    error: float
    learner: str
    noise: LabelNoise | None = None

    @property
    def nothing(self) -> bool:
        """Whether the learners found nothing that chance would not explain."""
        return self.gain < max(0.02, 2.5 * self.error)


def learnable(problem: Problem, columns: Array) -> Learnable:
    """Measure what can be learned.

    Args:
        problem: what to learn.
        columns: its training rows as numbers, standardised, (n, i).
    """
    y = problem.y
    if not problem.held_out:
        return Learnable(_memory(problem, columns), 0.0, "a table of the rows")
    places = evenly(len(y), MOST_ROWS)
    X, y = columns[places], y[places]
    found = [_cross_validated(problem, learner, name, X, y) for name, learner in _learners(problem, X, y)]
    return max(found, key=lambda one: one.gain)


def linear_gain(problem: Problem, columns: Array) -> Learnable:
    """Measure, likewise, what the best linear or logistic model gains."""
    from sklearn.linear_model import LogisticRegression, Ridge

    learner = Ridge(1e-3) if problem.classes is None else LogisticRegression(C=10, max_iter=200)
    if not problem.held_out:
        y = problem.y.argmax(axis=1) if problem.one_hot else problem.y
        said = learner.fit(columns, y).predict(columns)
        if problem.metric == "roc_auc":
            return Learnable(problem.gain_from(y == np.unique(y)[1], learner.decision_function(columns)), 0.0, "linear")
        return Learnable(
            problem.gain_from(problem.y, np.eye(problem.y.shape[1])[said] if problem.one_hot else said), 0.0, "linear"
        )
    places = evenly(len(problem.y), MOST_ROWS)
    return _cross_validated(problem, learner, "linear", columns[places], problem.y[places])


def _learners(problem: Problem, X: Array, y: npt.NDArray[Any]) -> list[tuple[str, Any]]:
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        ExtraTreesRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    classes = problem.classes is not None
    outputs = len(problem.classes) if problem.classes is not None and len(problem.classes) > 2 else 1
    neighbours = (KNeighborsClassifier if classes else KNeighborsRegressor)(NEIGHBOURS, weights="distance")
    learners: list[tuple[str, Any]] = [("nearest neighbours", neighbours)]
    if (y.ndim == 2 and not problem.one_hot) or X.shape[1] * outputs * len(X) > MOST_WORK:
        trees = (ExtraTreesClassifier if classes else ExtraTreesRegressor)(60, random_state=0)
        return [*learners, ("extremely randomised trees", trees)]
    boosting = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    booster = boosting(max_iter=50, learning_rate=0.15, early_stopping=False, random_state=0, min_samples_leaf=8)
    return [*learners, ("gradient boosting", booster)]


def _cross_validated(problem: Problem, learner: Any, name: str, X: Array, y: npt.NDArray[Any]) -> Learnable:
    """Predict each third of the rows from the others. One thread: several wait for each other on a busy machine."""
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    labels = np.argmax(y, axis=1) if problem.one_hot else y
    if problem.classes is None:
        split = list(KFold(FOLDS, shuffle=True, random_state=0).split(X))
    else:
        _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
        rare = counts < FOLDS
        if np.count_nonzero(~rare) < 2:  # some fold would hold a single class
            return Learnable(0.0, 1.0, name)
        strata = np.where(rare[codes], counts.argmax(), codes)
        split = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(X, strata))
    if problem.classes is None:
        with threadpool_limits(1):
            predictions = cross_val_predict(learner, X, labels, cv=split)
        return Learnable(problem.gain_from(y, predictions), _standard_error(problem, y, predictions), name)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a fold without some class: its probability there is 0
        scores = cross_val_predict(learner, X, labels, cv=split, method="predict_proba")
    noise = label_noise(scores, codes)
    if problem.metric == "roc_auc":
        positive = codes == 1
        one, other = int(positive.sum()), int((~positive).sum())
        error = float(np.sqrt((len(positive) + 1) / (3 * one * other)))  # of 2 AUC - 1, were it by chance
        return Learnable(problem.gain_from(positive, scores[:, 1]), error, name, noise)
    said = np.unique(labels)[scores.argmax(axis=1)]
    predictions = np.eye(y.shape[1])[said] if problem.one_hot else said
    return Learnable(problem.gain_from(y, predictions), _standard_error(problem, y, predictions), name, noise)


def _standard_error(problem: Problem, y: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> float:
    """Return the standard error of the gain: the spread over rows of what each adds to it, over the root of n.

    R2 is 1 - E / D, with E the mean of e = (y - prediction)^2 and D that of d = (y - mean)^2; by the delta method a row
    adds ((E / D) d - e) / D to it.
    """
    if problem.classes is not None:
        labels, said = (y, predictions) if not problem.one_hot else (y.argmax(axis=1), predictions.argmax(axis=1))
        _, counts = np.unique(labels, return_counts=True)
        constant = counts.max() / len(labels)
        return float(np.std(labels == said) / np.sqrt(len(labels)) / max(1 - constant, 1e-12))
    y, predictions = y.reshape(len(y), -1), predictions.reshape(len(y), -1)
    e, d = (y - predictions) ** 2, (y - y.mean(axis=0)) ** 2
    D = np.maximum(d.mean(axis=0), 1e-300)
    added = ((e.mean(axis=0) / D * d - e) / D).mean(axis=1)
    return float(np.std(added) / np.sqrt(len(y)))


def _memory(problem: Problem, columns: Array) -> float:
    """Return the gain of knowing the training rows by heart: rows that contradict each other are all that is lost."""
    _, group = np.unique(columns, axis=0, return_inverse=True)
    group = group.ravel()
    y = problem.y
    if problem.classes is None:
        totals = np.zeros((group.max() + 1, *y.shape[1:]))
        np.add.at(totals, group, y)
        counts = np.bincount(group).reshape(-1, *[1] * (y.ndim - 1))
        return problem.gain_from(y, (totals / counts)[group])
    labels = np.argmax(y, axis=1) if problem.one_hot else np.unique(y, return_inverse=True)[1].ravel()
    table = np.zeros((group.max() + 1, labels.max() + 1))
    np.add.at(table, (group, labels), 1)
    right = table.max(axis=1).sum() / len(y)
    constant = table.sum(axis=0).max() / len(y)
    return float((right - constant) / (1 - constant)) if constant < 1 else 1.0
