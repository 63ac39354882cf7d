"""Which rows an update sees."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unstuck import random
from unstuck.data.sparse import comes_in_parts
from unstuck.engines.engine import Rows, RowStream
from unstuck.recipe import Recipe


class Batches:
    """The mini-batches of a training.

    An epoch visits every row once, in the order `random.batch_order(seed, epoch, n)`, or as they are where the recipe
    does not shuffle; the last mini-batch is smaller where n is no multiple of their size. A full batch is never
    shuffled.

    Attributes:
        in_memory: the rows, if they are an array in memory, from which an engine can pick its mini-batches itself.
    """

    def __init__(self, recipe: Recipe, rows: Rows | RowStream):
        n = len(rows)
        self.rows = rows
        self.size = recipe.rows_per_batch(n)
        self.per_epoch = -(-n // self.size)
        self.shuffled = recipe.shuffle and self.per_epoch > 1
        self.in_memory = rows if isinstance(rows, Rows) and not comes_in_parts(rows.X) else None
        self._seed = recipe.seed
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def of_update(self, t: int) -> Rows:
        """Return the mini-batch of update t, from 0."""
        if isinstance(self.rows, RowStream):
            first, rows = self.piece(t)
            return rows.part((t - first) * self.size, self.size)
        epoch, number = divmod(t, self.per_epoch)
        if self.per_epoch == 1:
            return self.rows
        if self.shuffled:
            return self.rows.pick(self._order_of(epoch)[number * self.size : (number + 1) * self.size])
        return self.rows.part(number * self.size, self.size)

    def _order_of(self, epoch: int) -> npt.NDArray[np.int64]:
        if epoch != self._epoch:
            self._epoch, self._order = epoch, random.batch_order(self._seed, epoch, len(self.rows))
        return self._order

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
