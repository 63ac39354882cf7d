"""Training on rows that do not fit into memory: blocks of them are read while the engine computes.

An epoch reads the blocks in an order of its own, cuts what comes into buffers, and mixes the rows within each buffer.
Rows of different blocks meet in a mini-batch only where their blocks share a buffer, so this is no uniform shuffle, but
it converges like one where the buffer holds several blocks (Xu et al. 2022, "In-Database Machine Learning with
CorgiPile", https://doi.org/10.1145/3514221.3526150). A buffer that holds all rows is shuffled as rows in memory are,
bit by bit.

Which rows a buffer holds is a function of the seed, the epoch and the buffer's number, so that a training can go on in
the midst of an epoch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.data.blocks import Block, Place, RowSource, naming
from unstuck.data.sparse import DENSE_BYTES
from unstuck.engines.engine import Rows, RowStream
from unstuck.random import batch_order, block_order, held_out
from unstuck.recipe import Recipe

Prepare = Callable[[Block], Rows]


class Reader:
    """A thread that reads what is needed next."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "unstuck-reader")
        self.closed = False

    def submit(self, read: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have something read."""
        return self._thread.submit(read, *arguments)

    def ahead(self, read: Callable[[int], Any], count: int) -> Iterator[Any]:
        """Yield read(0) ... read(count - 1), each read while the one before is in use."""
        coming = self.submit(read, 0)
        for k in range(1, count + 1):
            value = coming.result()
            if k < count:
                coming = self.submit(read, k)
            yield value

    def close(self) -> None:
        """Read no more; a block on its way is waited for."""
        self.closed = True
        self._thread.shutdown(wait=True, cancel_futures=True)


@dataclass
class Chosen:
    """The rows of a dataset that are trained on, or those that are held out: each at random, by its number.

    Attributes:
        dataset: the rows.
        fraction: of them is held out.
        seed: of the draw.
        held: these are the ones held out.
    """

    dataset: RowSource
    fraction: float = 0.0
    seed: int = 0
    held: bool = False
    places: list[Place] = field(init=False)

    def __post_init__(self) -> None:
        self.places = self.dataset.places()
        rows = np.array([place.rows for place in self.places])
        self._firsts = np.cumsum(rows) - rows
        counts = [
            place.rows if (kept := self._mask(k)) is None else int(kept.sum()) for k, place in enumerate(self.places)
        ]
        self.counts = np.array(counts)

    def __len__(self) -> int:
        return int(self.counts.sum())

    def read(self, k: int) -> Block | None:
        """Return the chosen rows of place k, or None where there are none."""
        if not self.counts[k]:
            return None
        mask = self._mask(k)
        with naming(self.dataset, self.places[k]):
            block = self.dataset.read(self.places[k])
        if mask is None:
            return block
        X = block.X.filter(mask) if hasattr(block.X, "filter") else block.X[mask]
        return Block(X, block.y[mask], None if block.weights is None else block.weights[mask])

    def blocks(self, reader: Reader) -> Iterator[tuple[int, Block]]:
        """Yield the blocks that have chosen rows, each with its number."""
        for k, block in enumerate(reader.ahead(self.read, len(self.places))):
            if block is not None:
                yield k, block

    def _mask(self, k: int) -> npt.NDArray[np.bool_] | None:
        if not self.fraction:
            return None
        held = held_out(self.seed, int(self._firsts[k]), self.places[k].rows, self.fraction)
        return held if self.held else ~held


class StreamedRows(RowStream):
    """The chosen rows of a dataset as engines and records take them.

    Args:
        recipe: says how large mini-batches are, and whether and from which seed rows are shuffled.
        chosen: the rows.
        prepare: makes a block what an engine takes.
        width: numbers a row then has, of X, Y and weight together.
        reader: reads.
    """

    def __init__(self, recipe: Recipe, chosen: Chosen, prepare: Prepare, width: int, reader: Reader):
        self._recipe, self._chosen, self._prepare, self._reader = recipe, chosen, prepare, reader
        self._n = len(chosen)
        batch = recipe.rows_per_batch(self._n)
        wanted = chosen.dataset.buffer_rows or DENSE_BYTES // (width * np.dtype(recipe.precision).itemsize)
        self.buffer_rows = max(1, wanted // batch) * batch
        self._buffers = -(-self._n // self.buffer_rows)
        self._shuffled = recipe.shuffle and self._n > batch
        self._here: tuple[tuple[int, int], Rows] | None = None
        self._coming: tuple[tuple[int, int], Future[Rows]] | None = None
        self._memory: list[Rows | None] = [None, None]
        self._latest: tuple[int, Rows] | None = None

    def __len__(self) -> int:
        return self._n

    def parts(self) -> Iterator[tuple[Rows, npt.NDArray[Any]]]:
        """Yield all rows, in the order of the dataset, and their targets as the user has them."""

        def prepared(k: int) -> tuple[Rows, npt.NDArray[Any]] | None:
            block = self._chosen.read(k)
            return None if block is None else (self._prepared(k, block), block.y)

        for part in self._reader.ahead(prepared, len(self._chosen.places)):
            if part is not None:
                yield part

    def buffer(self, epoch: int, number: int) -> Rows:
        """Return a buffer, and begin to read the one after it into the place of the one before it."""
        key = (epoch, number)
        if self._here is None or self._here[0] != key:
            coming, self._coming = self._coming, None
            if coming is None or coming[0] != key:
                coming = key, self._reader.submit(self._filled, *key)
            self._here = key, coming[1].result()
            self._memory.reverse()  # the first is what the reader may fill
            following = (epoch, number + 1) if number + 1 < self._buffers else (epoch + 1, 0)
            if following[0] < self._recipe.epochs:
                self._coming = following, self._reader.submit(self._filled, *following)
        return self._here[1]

    def fingerprint(self) -> str:
        """Return a hash of the data and of how they are cut."""
        cut = (self.buffer_rows, self._n, self._chosen.places[0].rows)
        return hashlib.sha256(f"{self._chosen.dataset.digest()}{cut}".encode()).hexdigest()

    def close(self) -> None:
        """Read no more."""
        self._reader.close()

    def _filled(self, epoch: int, number: int) -> Rows:
        """Read the blocks of which a buffer has rows, and put each row where the shuffle wants it."""
        first = number * self.buffer_rows
        n = min(self.buffer_rows, self._n - first)
        places: npt.NDArray[np.int64] | None = None
        if self._shuffled:
            places = np.empty(n, dtype=np.int64)
            places[batch_order(self._recipe.seed, epoch * self._buffers + number, n)] = np.arange(n)
        order = self._block_order(epoch)
        ends = np.cumsum(self._chosen.counts[order])
        filled, at = self._memory[0], 0
        for k in range(int(np.searchsorted(ends, first, side="right")), len(order)):
            if self._reader.closed:
                raise CancelledError
            if not self._chosen.counts[order[k]]:
                continue
            block = self._block(int(order[k]))
            part = block.part(max(0, first - int(ends[k] - len(block))), n - at)
            if filled is None:
                filled = self._memory[0] = _empty_like(part, min(self.buffer_rows, self._n))
            to = slice(at, at + len(part)) if places is None else places[at : at + len(part)]
            filled.X[to], filled.Y[to] = part.X, part.Y
            if filled.weights is not None:
                filled.weights[to] = part.weights
            at += len(part)
            if at == n:
                break
        assert filled is not None
        return filled.part(0, n)

    def _block_order(self, epoch: int) -> npt.NDArray[np.int64]:
        blocks = len(self._chosen.places)
        if not self._shuffled or self._buffers == 1:
            return np.arange(blocks)
        return block_order(self._recipe.seed, epoch, blocks)

    def _block(self, k: int) -> Rows:
        """Return a block that has rows; the latest is kept, as the next buffer often begins with the rest of it."""
        if self._latest is None or self._latest[0] != k:
            block = self._chosen.read(k)
            assert block is not None
            self._latest = k, self._prepared(k, block)
        return self._latest[1]

    def _prepared(self, k: int, block: Block) -> Rows:
        with naming(self._chosen.dataset, self._chosen.places[k]):
            return self._prepare(block)


def _empty_like(rows: Rows, n: int) -> Rows:
    weights = None if rows.weights is None else np.empty(n, rows.weights.dtype)
    return Rows(np.empty((n, rows.X.shape[1]), rows.X.dtype), np.empty((n, rows.Y.shape[1]), rows.Y.dtype), weights)
