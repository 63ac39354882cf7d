"""Whether a training that ended by itself has ended far from what can be done.

Most plateaus are where a training should end; a saddle looks the same to the rule that stops it.
The network is compared, on the rows it was trained on, with three predictors that cost next to nothing:

    the best constant     it has learned next to nothing where its loss lies within 5 % of that one's
    a linear model        ridge regression on the coded targets, each row predicted from all the others
    knowing by heart      the mean target of equal rows; only of so few rows that a network can be asked for it

Of the last two counts what they gain over the constant in accuracy or r2. The network has fallen short where it gains
less than 85 % of that. Each row is predicted from all the others in closed form: with the hat matrix H of the ridge
regression the residual is (y - H y) / (1 - diag H) (Allen 1974), so noise is not taken for something to be learned.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.diagnosis.floors import best_constant
from unstuck.diagnosis.reach import LEARNED
from unstuck.functions.losses import Loss

NEXT_TO_NOTHING = 0.05
FEW_ROWS = 32
"""Of so many different rows, and no more than the network has parameters, it should know each."""
MOST_COLUMNS = 1000
RIDGE = 1.0

Score = Callable[[Array], float]
"""Accuracy or r2 of outputs (n, o)."""


def next_to_nothing(loss: Loss, Y: Array, A: Array, shift: float) -> str | None:
    """Return what to say of outputs whose loss is hardly below that of the best constant, or None of those it is.

    Args:
        loss: to compare by.
        Y: coded targets (n, o).
        A: the network's outputs (n, o).
        shift: is added to both losses, so that 0 is the least they can be.
    """
    constant, reached = best_constant(loss, Y)[0] + shift, float(loss.value(Y, A, None)) + shift
    if not reached > (1 - NEXT_TO_NOTHING) * constant:
        return None
    return (
        f"Its loss is {reached:.4g}, where predicting one constant for every row has {constant:.4g}: the network has "
        "learned next to nothing"
    )


def fallen_short(X: Array, Y: Array, A: Array, score: Score, parameters: int) -> str | None:
    """Return what to say of a network that others do better than, or None of one that has learned what there is.

    Args:
        X: rows (n, i), as the network sees them.
        Y: their coded targets (n, o).
        A: the network's outputs (n, o).
        score: of outputs.
        parameters: of the network.
    """
    constant, reached = score(np.broadcast_to(Y.mean(axis=0), Y.shape)), score(A)

    def better(other: float) -> bool:
        return reached - constant < LEARNED * (other - constant)

    if not better(1.0):
        return None
    _, group = np.unique(X, axis=0, return_inverse=True)
    different = int(group.max()) + 1
    if different <= min(FEW_ROWS, parameters):
        by_heart = score(_means(Y, group.ravel()))
        if better(by_heart):
            return (
                f"It scores {reached:.3g} on its {different} different rows, where knowing them by heart scores "
                f"{by_heart:.3g}, and its {parameters} parameters are enough for that"
            )
    if X.shape[1] > MOST_COLUMNS or len(X) <= 2:
        return None
    linear = score(leave_one_out(X, Y))
    if better(linear):
        return f"It scores {reached:.3g} on the rows it was trained on, where a linear model scores {linear:.3g}"
    return None


def leave_one_out(X: Array, Y: Array) -> Array:
    """Return what ridge regression on standardised columns predicts for each row (n, o) from all the others.

    >>> x = np.arange(5.0).reshape(-1, 1)
    >>> leave_one_out(x, 2 * x + 1).round().ravel()
    array([2., 3., 5., 7., 8.])
    """
    X, Y = X.astype(np.float64), Y.astype(np.float64)
    with np.errstate(all="ignore"):
        spread = X.std(axis=0)
        X = np.nan_to_num((X - X.mean(axis=0)) / np.where(spread > 0, spread, 1))
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    shrunk = s**2 / (s**2 + RIDGE)
    fitted = Y.mean(axis=0) + (U * shrunk) @ (U.T @ (Y - Y.mean(axis=0)))
    h = 1 / len(X) + (U**2 * shrunk).sum(axis=1)
    return Y - (Y - fitted) / np.maximum(1 - h, 1e-12)[:, None]


def _means(Y: Array, group: npt.NDArray[np.intp]) -> Array:
    """Return for each row the mean of Y over the rows of its group."""
    sums = np.zeros((group.max() + 1, Y.shape[1]))
    np.add.at(sums, group, Y)
    return (sums / np.bincount(group)[:, None])[group]
