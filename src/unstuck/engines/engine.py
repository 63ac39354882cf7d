"""What every engine offers: many training steps in one call, and losses, gradients and outputs alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.data.sparse import comes_in_parts, dense
from unstuck.functions.optimizers import Memory
from unstuck.network import Network


@dataclass(frozen=True)
class Rows:
    """Rows as an engine takes them: X (n, i), Y (n, o), row weights (n,) or None; all of the recipe's precision.

    X is an array, or where one would be too large a csr_array or rows of a mapped file: `data/sparse.py`, `mapped.py`.
    """

    X: Any
    Y: Array
    weights: Array | None

    def __len__(self) -> int:
        return len(self.Y)

    def dense(self) -> Rows:
        """Return the rows with X as an array."""
        return replace(self, X=dense(self.X)) if comes_in_parts(self.X) else self

    def pick(self, chosen: npt.NDArray[Any] | slice) -> Rows:
        """Return the rows of these numbers."""
        return Rows(self.X[chosen], self.Y[chosen], None if self.weights is None else self.weights[chosen])

    def part(self, first: int, count: int) -> Rows:
        """Return so many rows, or as many as there are, from `first` on, without copying them."""
        return self.pick(slice(first, first + count))


class RowStream(ABC):
    """Training rows that need not fit into memory: an engine asks for the next buffer of them.

    Attributes:
        buffer_rows: the rows of a buffer, a multiple of the mini-batch; the last of an epoch may have fewer.
    """

    buffer_rows: int

    @abstractmethod
    def __len__(self) -> int:
        """Return the rows of an epoch."""

    @abstractmethod
    def buffer(self, epoch: int, number: int) -> Rows:
        """Return rows in the order in which the epoch visits them, from row number * buffer_rows of it on.

        They are the engine's until it asks for the next: it holds no more than one buffer.
        """


@dataclass
class Descent:
    """What one update hands to the next.

    Attributes:
        w: the parameters.
        memory: the optimizer's.
        previous: the parameters before the last update, whose cost was finite.
        t: updates done.
        cost_sum: costs of the latest epoch, summed with their rows as weights.
        rows_seen: rows of the latest epoch.
        earlier: updates that w and memory have seen in trainings before this one, on whatever rows. Update t of this
            training is number `earlier + t` to the optimizer and to the dropout masks.
    """

    w: Array
    memory: Memory
    previous: Array
    t: int = 0
    cost_sum: float = 0.0
    rows_seen: int = 0
    earlier: int = 0


@dataclass(frozen=True)
class Failure:
    """The first number that was not finite: before update t (from 0), in which layer, and what it was."""

    t: int
    layer: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} of {self.layer} not finite at step {self.t}"


@dataclass
class Progress:
    """What `steps` did: how many updates, and the failure that ended it."""

    steps: int = 0
    failure: Failure | None = None


Poll = Callable[[int], bool]
"""Called between updates with the number done so far; True asks the engine to return."""


class Engine(Protocol):
    """An engine holds a network and its training rows.

    Args:
        network: the network.
        rows: to train on. With a stream of them `cost_and_gradient` and `observe` are not to be had.
        threads: it may use no more of its own; None leaves the number to it.
        signals: whether `observe` will be asked for.
    """

    name: str
    network: Network

    def __init__(self, network: Network, rows: Rows | RowStream, threads: int | None = None, signals: bool = False): ...

    def steps(self, descent: Descent, rates: npt.NDArray[np.float64], poll: Poll) -> Progress:
        """Do one update for each of `rates`, from update descent.t on, each on its mini-batch (see `batches.py`).

        `descent` is changed in place. Ends early after an epoch whose mean cost is at most recipe.stop_at_loss. A cost
        or gradient that is not finite ends it too, with the last parameters whose cost was finite in `descent.w`.
        """
        ...

    def cost_and_gradient(self, w: Array) -> tuple[float, Array]:
        """Return the cost over all training rows and its gradient (P,), in evaluation mode."""
        ...

    def evaluate(self, w: Array, rows: Rows) -> tuple[float, Array]:
        """Return the loss, without penalties, and the outputs A (n, o) of any rows, in evaluation mode."""
        ...

    def observe(self, descent: Descent, rows: Rows) -> tuple[float, Array, list[float]]:
        """Return what `evaluate` does of descent.w, and the signals on these rows and of the last update.

        They are those of `signals.py`, one Dense layer after the other.
        """
        ...
