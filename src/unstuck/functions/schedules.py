"""Schedules: the factor on the learning rate at update t = 0, 1, ..., T - 1, with s updates an epoch.

`factor(t, s, T)` takes one t or an array of them. Epochs are counted from 0: epoch = t // s.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from annotated_types import Gt
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from unstuck.description import Description, Given, default, described

Steps = npt.NDArray[np.int64]
Factors = npt.NDArray[np.float64]
Shrink = Annotated[float, Gt(0), Field(le=1)]


class Schedule(Description):
    """The family of schedules."""

    def factor(self, t: Steps, s: int, T: int) -> Factors:
        """Return rate / learning_rate at updates t, of t's shape."""
        raise NotImplementedError

    def observe(self, memory: Factors, loss: float) -> None:
        """Take note of a recorded loss; memory[0] is a further factor from here on (see `ReduceOnPlateau.memory`)."""


@described
class ConstantRate(Schedule, kind="constant"):
    """factor = 1."""

    def factor(self, t: Steps, s: int, T: int) -> Factors:
        return np.ones(np.shape(t))


@described
class StepDecay(Schedule, kind="step"):
    """factor = drop^floor(epoch / every)."""

    every: PositiveInt = 30
    drop: Shrink = 0.1

    def factor(self, t: Steps, s: int, T: int) -> Factors:
        return np.power(self.drop, t // s // self.every)


@described
class ExponentialDecay(Schedule, kind="exponential"):
    """factor = decay^epoch."""

    decay: Shrink = 0.95

    def factor(self, t: Steps, s: int, T: int) -> Factors:
        return np.power(self.decay, t // s)


@described
class InverseScaling(Schedule, kind="inverse_scaling"):
    """factor = 1 / (t + 1)^power. Source: Robbins and Monro 1951."""

    power: PositiveFloat = 0.5

    def factor(self, t: Steps, s: int, T: int) -> Factors:
        return 1 / np.power(np.add(t, 1.0), self.power)


@described
class InverseScalingByRows(Schedule, kind="inverse_scaling_by_rows"):
    """factor = 1 / (seen + rows epoch + 1)^power: inverse scaling by the rows seen so far, constant within an epoch.

    `rows` is the number of training rows, `seen` those seen in earlier trainings. It is scikit-learn's "invscaling".

    >>> InverseScalingByRows(rows=8, power=1.0).factor(np.array([0, 1, 2]), 1, 3).round(3)
    array([1.   , 0.111, 0.059])
    """

    rows: PositiveInt
    power: NonNegativeFloat = 0.5
    seen: NonNegativeInt = 0

    def factor(self, t: Steps, s: int, T: int) -> Factors:
        return 1 / np.power(self.seen + self.rows * np.floor_divide(t, s) + 1.0, self.power)


@described
class CosineDecay(Schedule, kind="cosine"):
    """factor = final + (1 - final) (1 + cos(pi t / T)) / 2. Source: Loshchilov and Hutter 2017.

    >>> CosineDecay().factor(np.array([0, 50, 100]), 1, 100).round(3)
    array([1. , 0.5, 0. ])
    """

    final: NonNegativeFloat = 0.0

    def factor(self, t: Steps, s: int, T: int) -> Factors:
        return _cosine(1.0, self.final, np.divide(t, T))


@described
class WarmUp(Schedule, kind="warm_up"):
    """factor = (t + 1) / u over the first u = epochs s updates, then what `then` says, its time counted from there.

    Source: Goyal et al. 2017.
    """

    epochs: PositiveFloat = 1.0
    then: Given[Schedule] = default(ConstantRate())

    def factor(self, t: Steps, s: int, T: int) -> Factors:
        u = max(1, math.ceil(self.epochs * s))
        after = self.then.factor(np.maximum(np.subtract(t, u), 0), s, max(1, T - u))
        return np.where(np.less(t, u), np.add(t, 1) / u, after)

    def observe(self, memory: Factors, loss: float) -> None:
        self.then.observe(memory, loss)


@described
class OneCycle(Schedule, kind="one_cycle"):
    """Up from 1 / start_divisor to 1 over the first `rise` of all updates, down to 1 / (start_divisor final_divisor).

    Both legs are half cosines. Source: Smith and Topin 2018, in the form of PyTorch.
    """

    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3
    start_divisor: PositiveFloat = 25.0
    final_divisor: PositiveFloat = 1e4

    def factor(self, t: Steps, s: int, T: int) -> Factors:
        top, end = self.rise * T - 1, T - 1
        low = 1 / self.start_divisor
        up = _cosine(low, 1.0, np.divide(t, top) if top > 0 else np.ones(np.shape(t)))
        down = _cosine(1.0, low / self.final_divisor, np.subtract(t, top) / (end - top))
        return np.where(np.less_equal(t, top), up, down)


@described
class ReduceOnPlateau(Schedule, kind="reduce_on_plateau"):
    """factor = drop^k, with k one more whenever the loss has not fallen for more than `patience` records in a row.

    The loss is the validation loss where there is one, else the training loss; it falls when it is below
    (1 - threshold) times the best so far. In the form of PyTorch.
    """

    drop: Shrink = 0.1
    patience: NonNegativeInt = 10
    threshold: NonNegativeFloat = 1e-4
    lowest: NonNegativeFloat = 0.0
    memory: ClassVar[tuple[float, float, float]] = (1.0, np.inf, 0.0)
    """At the start: the factor, the best loss, the records since it fell."""

    def factor(self, t: Steps, s: int, T: int) -> Factors:
        return np.ones(np.shape(t))

    def observe(self, memory: Factors, loss: float) -> None:
        factor, best, waited = memory
        if loss < best * (1 - self.threshold):
            best, waited = loss, 0
        else:
            waited += 1
        if waited > self.patience:
            factor, waited = max(factor * self.drop, self.lowest), 0
        memory[:] = factor, best, waited


def _cosine(start: float, end: float, share: npt.ArrayLike) -> Factors:
    """Return the half cosine from start (share 0) to end (share 1)."""
    return end + (start - end) / 2 * (1 + np.cos(np.pi * np.asarray(share)))
