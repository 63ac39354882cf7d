"""Facts about the data: what there is to see of X and y before any network is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array, evenly
from unstuck.diagnosis.problem import Problem

STEPS = (1, 2, 3, -1, -2, -3)
"""Rows and targets may have come out of step by so many rows."""
MOST_ROWS = 1000
MOST_COLUMNS = 1000
ROUNDING = 1e-9


@dataclass(frozen=True)
class Facts:
    """What there is to see.

    Attributes:
        rows: training rows.
        inputs: columns that the network gets.
        largest_input: the largest |x| it gets.
        input_spread: the median over columns of their standard deviation.
        spread_ratio: the largest standard deviation of a column over the smallest, constant columns left out.
        off_centre: the largest |mean| over standard deviation of a column, constant ones left out.
        constant: the columns that are constant, by number.
        repeated: pairs of columns that are equal but for scale and shift.
        leaking: columns that are the target but for scale and shift; of classes, those with a value for each class and
            those with one value for a class and another for all others.
        truncated: whether there is nothing but 0 and a few 1, many columns being 0 throughout, as integer division
            (x // 255) leaves of pixels.
        contradictory: share of the rows whose inputs occur with different targets.
        target_mean: of Y as the loss gets it, root mean square over its columns.
        target_spread: standard deviation, likewise.
        largest_class: share of the rows of the largest class, 0 for numbers.
        in_order: correlation from -1 to 1 of each row's target with the next one's; 1 for rows sorted by target.
        step: how many rows later than X its targets come, 0 if no shift makes more sense than none.
    """

    rows: int
    inputs: int
    largest_input: float
    input_spread: float
    spread_ratio: float
    off_centre: float
    constant: tuple[int, ...]
    repeated: tuple[tuple[int, int], ...]
    leaking: tuple[int, ...]
    truncated: bool
    contradictory: float
    target_mean: float
    target_spread: float
    largest_class: float
    in_order: float
    step: int


def facts(problem: Problem, X: Array, Y: Array) -> Facts:
    """Measure the training rows, X (n, i) and Y (n, o) as the network and its loss get them.

    Where there are many rows, all but `in_order` is measured on a part of them.
    """
    codes, classes = _codes(problem), problem.classes is not None
    rows, in_order = len(X), _in_order(_column(codes), classes)
    first, _ = _standard(X[:MOST_ROWS])
    step = _step(first, codes[:MOST_ROWS], problem.places[:MOST_ROWS], classes)
    some = evenly(rows, MOST_ROWS)
    X, Y, codes = X[some].astype(np.float64), Y[some].astype(np.float64), codes[some]
    standard, varied = _standard(X)
    spreads, means, places = X.std(axis=0)[varied], X.mean(axis=0)[varied], np.flatnonzero(varied)
    return Facts(
        rows=rows,
        inputs=X.shape[1],
        largest_input=float(np.abs(X).max()),
        input_spread=float(np.median(spreads)) if spreads.size else 0.0,
        spread_ratio=float(spreads.max() / spreads.min()) if spreads.size else 1.0,
        off_centre=float(np.max(np.abs(means) / spreads)) if spreads.size else 0.0,
        constant=tuple(np.flatnonzero(~varied).tolist()),
        repeated=_repeated(standard, places),
        leaking=_telling(X, codes, places) if classes else _leaking(standard, _column(codes), places),
        truncated=_truncated(X, varied),
        contradictory=_contradictory(X, codes),
        target_mean=float(np.sqrt(np.mean(Y.mean(axis=0) ** 2))),
        target_spread=float(np.sqrt(np.mean(Y.var(axis=0)))),
        largest_class=_largest(codes) if classes else 0.0,
        in_order=in_order,
        step=step,
    )


def _standard(X: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return the columns that vary, standardised, and which those are."""
    X = X.astype(np.float64)
    spread = X.std(axis=0)
    varied = spread > ROUNDING * np.maximum(np.abs(X).max(axis=0), 1e-300)
    return (X[:, varied] - X.mean(axis=0)[varied]) / spread[varied], varied


def _codes(problem: Problem) -> npt.NDArray[Any]:
    """Return y as numbers: the class numbers of classes."""
    if problem.classes is None:
        return problem.y
    return problem.y.argmax(axis=1) if problem.one_hot else np.unique(problem.y, return_inverse=True)[1].ravel()


def _repeated(standard: Array, places: npt.NDArray[np.intp]) -> tuple[tuple[int, int], ...]:
    if not 1 < standard.shape[1] <= 200:
        return ()
    correlation = np.abs(standard.T @ standard) / len(standard)
    pairs = np.argwhere(np.triu(correlation > 1 - ROUNDING, k=1))
    return tuple((int(places[j]), int(places[k])) for j, k in pairs)


def _leaking(standard: Array, y: Array, places: npt.NDArray[np.intp]) -> tuple[int, ...]:
    if len(y) < 20 or standard.shape[1] < 2 or y.std() == 0:
        return ()
    correlation = np.abs(standard.T @ ((y - y.mean()) / y.std())) / len(y)
    return tuple(places[np.flatnonzero(correlation > 1 - ROUNDING)].tolist())


def _telling(X: Array, codes: npt.NDArray[np.intp], places: npt.NDArray[np.intp]) -> tuple[int, ...]:
    """Return the columns that name the class of every row, or say of every row whether it is of a certain class."""
    counts = np.bincount(codes)
    classes = int(np.count_nonzero(counts))
    if len(codes) < 20 or len(places) < 2 or classes < 2:
        return ()
    found = []
    for j in places[:MOST_COLUMNS].tolist():
        values, value = np.unique(X[:, j], return_inverse=True)
        if len(values) not in (2, classes):
            continue
        table = np.zeros((len(values), len(counts)), dtype=int)
        np.add.at(table, (value.ravel(), codes), 1)
        whole = (table > 0) & (table == table.sum(axis=1)[:, None]) & (table == counts)
        if whole.any() if len(values) == 2 else whole.sum() == classes:
            found.append(j)
    return tuple(found)


def _truncated(X: Array, varied: npt.NDArray[np.bool_]) -> bool:
    if X.shape[1] < 16 or not varied.any() or varied.mean() > 0.75:
        return False
    return bool(np.isin(X, (0, 1)).all()) and float(X.mean()) < 0.03


def _contradictory(X: Array, codes: npt.NDArray[Any]) -> float:
    _, group = np.unique(X, axis=0, return_inverse=True)
    group = group.ravel()
    pairs = np.unique(np.column_stack([group, codes]), axis=0)
    targets_of = np.bincount(pairs[:, 0].astype(int), minlength=group.max() + 1)
    return float(np.mean(targets_of[group] > 1))


def _largest(codes: npt.NDArray[Any]) -> float:
    return float(np.bincount(codes).max() / len(codes))


def _in_order(y: Array, classes: bool) -> float:
    """Return how alike neighbouring rows' targets are: 1 minus von Neumann's ratio over 2, in ranks of chance."""
    if len(y) < 20 or y.std() == 0:
        return 0.0
    if classes:
        shares = np.bincount(y.astype(int)) / len(y)
        chance = float((shares**2).sum())
        return float((np.mean(y[1:] == y[:-1]) - chance) / (1 - chance)) if chance < 1 else 0.0
    return float(1 - np.mean(np.diff(y) ** 2) / (2 * y.var()))


def _step(X: Array, y: npt.NDArray[Any], places: npt.NDArray[np.intp], classes: bool) -> int:
    """Return how many rows later its target stands than each row, where that makes predictable what is not.

    Rows whose partner was held out are left out.
    """
    if len(y) < 200 or X.shape[1] == 0 or abs(_in_order(_column(y), classes)) > 0.5:
        return 0
    usual = _neighbours(X, y, classes)
    if usual > 0.3:
        return 0
    found = {}
    for step in STEPS:
        _, rows, targets = np.intersect1d(places + step, places, assume_unique=True, return_indices=True)
        found[step] = _neighbours(X[rows], y[targets], classes) if len(rows) >= 100 else 0.0
    best = max(found, key=lambda step: found[step])
    return best if found[best] > usual + 0.3 else 0


def _column(codes: npt.NDArray[Any]) -> Array:
    return np.asarray(codes if codes.ndim == 1 else codes[:, 0], dtype=np.float64)


def _neighbours(X: Array, y: npt.NDArray[Any], classes: bool) -> float:
    """Return the gain of the five nearest rows of the first two thirds for the rest."""
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    cut = 2 * len(X) // 3
    learner = (KNeighborsClassifier if classes else KNeighborsRegressor)(5).fit(X[:cut], y[:cut])
    said, held = learner.predict(X[cut:]), y[cut:]
    if classes:
        constant = np.bincount(held).max() / len(held)
        return float((np.mean(said == held) - constant) / max(1 - constant, 1e-9))
    return float(1 - ((said - held) ** 2).mean() / max(held.var(), 1e-300))
