"""Penalties on the parameters w, of the weights alone or of the biases too (`on`).

L1 and L2 are part of the cost: their gradient joins that of the loss before clipping and the optimizer ("coupled").
Decoupled decay and max-norm are not; they act on the parameters, before and after the optimizer's update.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat

from unstuck.arrays import Array
from unstuck.description import Description, described

On = Literal["weights", "all"]


class Penalty(Description):
    """The family of penalties. Each method sees the vector of those parameters that the penalty is on."""

    on: On = "weights"

    def at(self, row_weight: float) -> Penalty:
        """Return the penalty as it is on a mini-batch whose row weights add up to `row_weight`."""
        return self

    def value(self, w: Array) -> float:
        """Return the penalty's share of the cost."""
        return 0.0

    def add_gradient(self, w: Array, g: Array) -> None:
        """Add its gradient to g, in place."""

    def before_update(self, w: Array, rate: float) -> None:
        """Change w before the optimizer does, in place."""

    def after_update(self, W: Array) -> None:
        """Change a weight matrix (i, o) after the optimizer did, in place."""


@described
class L1(Penalty, kind="l1"):
    """strength sum |w|. Gradient strength sign(w). Drives weights to exactly zero."""

    strength: NonNegativeFloat
    on: On = "weights"

    def value(self, w: Array) -> float:
        return self.strength * float(np.abs(w).sum(dtype=np.float64))

    def add_gradient(self, w: Array, g: Array) -> None:
        g += self.strength * np.sign(w)


@described
class L2(Penalty, kind="l2"):
    """(strength / 2) sum w^2. Gradient strength w.

    With `per_row` the strength is divided by the sum of the mini-batch's row weights, its rows where there are none. It
    weighs less against the loss the larger the batch is, as scikit-learn's `alpha` does.

    >>> L2(0.1).value(np.array([3.0, 4.0]))
    1.25
    >>> L2(10.0, per_row=True).at(row_weight=100)
    L2(0.1)
    """

    strength: NonNegativeFloat
    on: On = "weights"
    per_row: bool = False

    def at(self, row_weight: float) -> L2:
        return L2(self.strength / (row_weight or 1.0), self.on) if self.per_row else self

    def value(self, w: Array) -> float:
        return self.strength / 2 * float(np.square(w).sum(dtype=np.float64))

    def add_gradient(self, w: Array, g: Array) -> None:
        g += self.strength * w


@described
class DecoupledDecay(Penalty, kind="decoupled_decay"):
    """w *= 1 - rate strength before each update. Source: Loshchilov and Hutter 2019."""

    strength: NonNegativeFloat
    on: On = "weights"

    def before_update(self, w: Array, rate: float) -> None:
        w *= 1 - rate * self.strength


@described
class MaxNorm(Penalty, kind="max_norm"):
    """After each update, a unit whose incoming weights W[:, o] are longer than `limit` is scaled back to that length.

    Source: Srebro and Shraibman 2005; Srivastava et al. 2014.
    """

    limit: PositiveFloat

    def after_update(self, W: Array) -> None:
        norms = np.sqrt(np.square(W).sum(axis=0))
        W *= self.limit / np.maximum(norms, self.limit)
