"""Which rows an update sees."""

from __future__ import annotations

from functools import lru_cache

from unstuck import random
from unstuck.data.sparse import comes_in_parts
from unstuck.engines.engine import Rows, RowStream
from unstuck.recipe import Recipe


class Batches:
    """The mini-batches of a training.

    An epoch visits every row once, in the order `random.batch_order(seed, epoch, n)`, or as they are where the recipe
    does not shuffle; the last mini-batch is smaller where n is no multiple of their size. A full batch is never
    shuffled.
    """

    def __init__(self, recipe: Recipe, rows: Rows | RowStream):
        n = len(rows)
        self.rows = rows
        self.size = recipe.rows_per_batch(n)
        self.per_epoch = -(-n // self.size)
        self.shuffled = recipe.shuffle and self.per_epoch > 1
        self._order = lru_cache(maxsize=1)(lambda epoch: random.batch_order(recipe.seed, epoch, n))

    @property
    def in_memory(self) -> Rows | None:
        """The rows, if they are an array in memory, from which an engine can pick its mini-batches itself."""
        return self.rows if isinstance(self.rows, Rows) and not comes_in_parts(self.rows.X) else None

    def of_update(self, t: int) -> Rows:
        """Return the mini-batch of update t, from 0."""
        if isinstance(self.rows, RowStream):
            first, rows = self.piece(t)
            return rows.part((t - first) * self.size, self.size)
        epoch, number = divmod(t, self.per_epoch)
        if self.per_epoch == 1:
            return self.rows
        if self.shuffled:
            return self.rows.pick(self._order(epoch)[number * self.size : (number + 1) * self.size])
        return self.rows.part(number * self.size, self.size)

    def piece(self, t: int) -> tuple[int, Rows]:
        """Return rows as an array with update t's mini-batch among them, and the update to which their first belong.

        They are the mini-batches of consecutive updates, in their order: of a buffer where rows are streamed, and else
        of update t alone.
        """
        if isinstance(self.rows, Rows):
            return t, self.of_update(t).dense()
        epoch, number = divmod(t, self.per_epoch)
        in_buffer = self.rows.buffer_rows // self.size
        buffer = number // in_buffer
        return epoch * self.per_epoch + buffer * in_buffer, self.rows.buffer(epoch, buffer)
