"""Which rows an update sees."""

from __future__ import annotations

from functools import lru_cache

from unstuck import random
from unstuck.engines.engine import Rows
from unstuck.recipe import Recipe


class Batches:
    """The mini-batches of a training.

    An epoch visits every row once, in the order `random.batch_order(seed, epoch, n)`, or as they are where the recipe
    does not shuffle; the last mini-batch is smaller where n is no multiple of their size. A full batch is never
    shuffled.
    """

    def __init__(self, recipe: Recipe, rows: Rows):
        n = len(rows)
        self.rows = rows
        self.size = recipe.rows_per_batch(n)
        self.per_epoch = -(-n // self.size)
        self.shuffled = recipe.shuffle and self.per_epoch > 1
        self._order = lru_cache(maxsize=1)(lambda epoch: random.batch_order(recipe.seed, epoch, n))

    def of_update(self, t: int) -> Rows:
        """Return the mini-batch of update t, from 0."""
        epoch, number = divmod(t, self.per_epoch)
        if self.per_epoch == 1:
            return self.rows
        part = slice(number * self.size, (number + 1) * self.size)
        if self.shuffled:
            return self.rows.pick(self._order(epoch)[part])
        return Rows(
            self.rows.X[part], self.rows.Y[part], None if self.rows.weights is None else self.rows.weights[part]
        )
