"""How far the loss falls in a few updates, at learning rates from 1e-6 to 1e2.

From the same start, with the recipe's own optimizer and batches, at each rate for itself. The curve has three parts:
too low to get anywhere, useful, and too high, where the loss rises or is no number any more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from unstuck.arrays import evenly
from unstuck.engines import choose_engine
from unstuck.engines.engine import Engine, Rows
from unstuck.engines.native import thread_count
from unstuck.functions.optimizers import LBFGS
from unstuck.network import Network
from unstuck.training.prepare import Prepared
from unstuck.training.state import State

RATES = tuple(float(10.0**power) for power in np.arange(-6, 2.01, 0.5))
UPDATES = 60
MOST_ROWS = 1000
FLAT = 0.01
"""A loss that falls by less than this share says nothing about the rate: another fault lets no gradient through."""
WORSE = 1.5
"""A loss that has grown to this many times the start's is one of a rate too high."""


@dataclass(frozen=True)
class RateSweep:
    """The training loss after `updates` updates at each rate, infinite where it is no number.

    Attributes:
        rates: that were tried, ascending.
        losses: after `updates` updates.
        first: after a single update.
        start: before the first.
        updates: how many.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    first: tuple[float, ...]
    start: float
    updates: int

    @property
    def best(self) -> float:
        """The rate with the lowest loss."""
        return self.rates[int(np.argmin(self.losses))]

    @property
    def fall(self) -> float:
        """How far the loss falls at the best rate, as a share of the start's."""
        return 1 - min(self.losses) / self.start if self.start > 0 else 0.0

    @property
    def flat(self) -> bool:
        """Whether the loss falls at no rate, so that none can be called the best."""
        return self.fall < FLAT

    @property
    def largest_stable(self) -> float:
        """The largest rate up to which the loss does not grow."""
        stable = 0.0
        for rate, loss in zip(self.rates, self.losses, strict=True):
            if not loss <= WORSE * self.start + 1e-12:
                break
            stable = rate
        return stable

    def loss_at(self, rate: float) -> float:
        """Return the loss at a rate, between those tried; infinite beyond the last that gave a number."""
        logarithms = np.log10(self.rates)
        place = float(np.clip(np.log10(rate), logarithms[0], logarithms[-1]))
        k = int(np.searchsorted(logarithms, place))
        return max(self.losses[max(0, k - 1)], self.losses[k]) if k and place < logarithms[k] else self.losses[k]


def sweep(prepared: Prepared, rates: Sequence[float] = RATES, updates: int = UPDATES) -> RateSweep | None:
    """Try the rates; None for L-BFGS, which has none."""
    network, rows = prepared.network, prepared.rows
    if isinstance(network.recipe.optimizer, LBFGS):
        return None
    judged = rows.pick(evenly(len(rows), MOST_ROWS))
    free = Network(network.recipe.replace(stop_at_loss=None), network.inputs)
    machine = choose_engine("auto", free.recipe)

    def tried(rate: float) -> tuple[float, float]:
        engine = machine(free, rows, threads=1)
        descent = State.at_start(free).descent
        losses = []
        for count in (1, updates - 1):
            failed = engine.steps(descent, np.full(count, rate), lambda done: False).failure is not None
            losses.append(math.inf if failed else _loss(engine, descent.w, judged))
            if failed:
                return (losses[0], math.inf)
        return losses[0], losses[1]

    with ThreadPoolExecutor(thread_count()) as pool:
        found = list(pool.map(tried, rates))
    engine = machine(free, judged, threads=1)
    start = _loss(engine, State.at_start(free).descent.w, judged)
    first, losses = zip(*found, strict=True)
    return RateSweep(tuple(rates), losses, first, start, updates)


def _loss(engine: Engine, w: object, rows: Rows) -> float:
    loss = engine.evaluate(w, rows)[0]  # type: ignore[arg-type]
    return loss if math.isfinite(loss) else math.inf
