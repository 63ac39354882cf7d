"""Whether a person's losses are those of a formula, up to a factor and a constant."""

from __future__ import annotations

import numpy as np

from unstuck.arrays import Array

TOLERANCE = 1e-7


def in_proportion(losses: Array, formula: Array) -> bool:
    """Tell whether losses at some points are alpha formula + beta with alpha > 0, to rounding.

    Points at which the usual penalties are the same make beta theirs, alpha the reduction.
    """
    usable = np.isfinite(losses) & np.isfinite(formula)
    if usable.sum() < 5:
        return False
    made, wanted = formula[usable] - formula[usable].mean(), losses[usable] - losses[usable].mean()
    if not np.abs(made).max() > TOLERANCE * np.abs(formula[usable]).max():
        return False
    alpha = float(made @ wanted) / float(made @ made)
    return alpha > 0 and float(np.abs(wanted - alpha * made).max()) <= TOLERANCE * float(np.abs(wanted).max())
