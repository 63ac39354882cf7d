"""The state of a training: all that one update, epoch or record hands to the next, and what a checkpoint holds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.engines.engine import Descent, Failure
from unstuck.errors import OptionError
from unstuck.functions.schedules import ReduceOnPlateau
from unstuck.history import History
from unstuck.network import Network


@dataclass
class State:
    """Where a training stands.

    Attributes:
        descent: parameters, optimizer memory, updates done, costs of the epoch under way.
        plateau: the memory of `ReduceOnPlateau`; plateau[0] is its factor.
        best_w: the parameters of the best record.
        best_loss: its monitored loss.
        best_epoch: its epoch, 0 before the first record.
        loss_to_beat: the monitored loss that early stopping wants to see undercut, by min_delta.
        waited: records since it last was.
        seconds: spent training, in all sessions.
        stopped: why the training ended, empty while it may go on.
        failure: the number that was not finite, if one was.
    """

    descent: Descent
    best_w: Array
    history: History = field(default_factory=History)
    plateau: npt.NDArray[np.float64] = field(default_factory=lambda: np.array(ReduceOnPlateau.memory))
    best_loss: float = math.inf
    best_epoch: int = 0
    loss_to_beat: float = math.inf
    waited: int = 0
    seconds: float = 0.0
    stopped: str = ""
    failure: Failure | None = None

    @classmethod
    def at_start(cls, network: Network, descent: Descent | None = None) -> Self:
        """Return the state before the first update, from the recipe's start or where another training ended."""
        if descent is None:
            w = network.start()
            descent = Descent(w, network.recipe.optimizer.start(w), previous=w.copy())
        elif descent.w.shape != (network.size,) or descent.w.dtype != network.recipe.precision:
            raise OptionError(
                f"start has parameters of shape {descent.w.shape} and {descent.w.dtype}, but this network has "
                f"({network.size},) of {network.recipe.precision}"
            )
        return cls(descent, best_w=descent.w.copy())
