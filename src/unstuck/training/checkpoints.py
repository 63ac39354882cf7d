"""Checkpoints: the state of a training in one file, whole at every moment.

The file is a sealed safetensors file: the arrays of the state by name, and in its metadata the format, the version of
unstuck that wrote it, the recipe (TOML), a hash of the data, and the state's scalars (JSON).
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import unstuck
from unstuck.engines.engine import Descent, Failure
from unstuck.errors import FileError
from unstuck.files import cannot_read, write_whole
from unstuck.functions.schedules import ReduceOnPlateau
from unstuck.history import History
from unstuck.recipe import Recipe
from unstuck.sealed import check_format, seal, unseal
from unstuck.training.prepare import Prepared
from unstuck.training.prepare_stream import PreparedStream
from unstuck.training.state import State

FORMAT = "unstuck checkpoint 1"
MOST_UPDATES = 1 << 62
OF_DESCENT = ("t", "cost_sum", "rows_seen", "earlier")
OF_STATE = ("best_loss", "best_epoch", "loss_to_beat", "waited", "seconds", "stopped")


class Checkpoint:
    """Where the state of one training, of this recipe on these data, is kept.

    Args:
        path: the file.
        recipe: of the training.
        data: of the training; another recipe or other data cannot go on from the file.
        seconds: the least time between two writings.
    """

    def __init__(self, path: Path, recipe: Recipe, data: Prepared | PreparedStream, seconds: float):
        self.path, self.seconds = path, seconds
        self._recipe = recipe.to_toml()
        self._fingerprint = data.fingerprint()
        self._data = data
        self._written = time.monotonic()

    def due(self) -> bool:
        """Tell whether it is time to write again."""
        return time.monotonic() - self._written >= self.seconds

    def write(self, state: State) -> None:
        """Put the state into the file.

        Raises:
            FileError: when it cannot be written; the last checkpoint is untouched.
        """
        descent = state.descent
        arrays = {"w": descent.w, "previous": descent.previous, "best_w": state.best_w, "plateau": state.plateau}
        arrays |= {f"memory.{name}": values for name, values in descent.memory.items()}
        arrays |= {f"history.{name}": values for name, values in state.history.arrays().items()}
        texts = {
            "format": FORMAT,
            "unstuck": unstuck.__version__,
            "recipe": self._recipe,
            "data": self._fingerprint,
            "descent": json.dumps({name: getattr(descent, name) for name in OF_DESCENT}),
            "state": json.dumps({name: getattr(state, name) for name in OF_STATE}),
            "failure": json.dumps(asdict(state.failure) if state.failure else None),
            "columns": json.dumps(state.history.columns),
        }
        write_whole(self.path, seal(arrays, texts))
        self._written = time.monotonic()

    def read(self) -> State | None:
        """Return the state in the file, or None where there is no file.

        Raises:
            FileError: when the file is damaged, or belongs to another recipe or other data.
        """
        try:
            if not self.path.exists():
                return None
        except OSError as error:  # of a name that is too long
            raise cannot_read(self.path, error) from None
        arrays, texts = unseal(self.path)
        check_format(self.path, texts.get("format"), FORMAT, texts.get("unstuck"))
        for what, mine in (("recipe", self._recipe), ("data", self._fingerprint)):
            if texts.get(what) != mine:
                raise FileError(
                    f"the checkpoint {self.path} belongs to a training with another {what}; going on from it would mix "
                    "the two: choose another file, or remove it to start over"
                )
        try:
            return self._state(arrays, texts)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise FileError(f"{self.path} holds no checkpoint, though it is sealed as one: {error}") from None

    def _state(self, arrays: dict[str, npt.NDArray[Any]], texts: dict[str, str]) -> State:
        """Put a state together, of parts that need not fit.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: when they do not.
        """
        failure = json.loads(texts["failure"])
        memory = {name.removeprefix("memory."): values for name, values in arrays.items() if name.startswith("memory.")}
        state = State(
            Descent(arrays["w"], memory, arrays["previous"], **json.loads(texts["descent"])),
            best_w=arrays["best_w"],
            plateau=arrays["plateau"],
            history=History({name: arrays[f"history.{name}"] for name in json.loads(texts["columns"])}),
            failure=Failure(**failure) if failure else None,
            **json.loads(texts["state"]),
        )
        self._check(state)
        return state

    def _check(self, state: State) -> None:
        """Compare a state's shapes, types and counts with those of a state of this training."""
        network, n = self._data.network, len(self._data.rows)
        w = np.zeros(network.size, dtype=network.recipe.precision)
        expected = {"w": w, "previous": w, "best_w": w, "plateau": np.array(ReduceOnPlateau.memory)}
        expected |= network.recipe.optimizer.start(w)
        descent = state.descent
        found = {"w": descent.w, "previous": descent.previous, "best_w": state.best_w, "plateau": state.plateau}
        found |= descent.memory
        if found.keys() != expected.keys():
            raise ValueError(f"it has the arrays {', '.join(found)}, and {', '.join(expected)} are needed")
        for name, array in expected.items():
            if (found[name].shape, found[name].dtype) != (array.shape, array.dtype):
                raise ValueError(
                    f"{name} is {found[name].shape} of {found[name].dtype}, not {array.shape} of {array.dtype}"
                )
        steps = network.recipe.epochs * -(-n // network.recipe.rows_per_batch(n))
        counts = {
            "t": (descent.t, steps),
            "rows_seen": (descent.rows_seen, n),
            "earlier": (descent.earlier, MOST_UPDATES),
        }
        counts |= {name: (getattr(state, name), network.recipe.epochs) for name in ("best_epoch", "waited")}
        for name, (count, most) in counts.items():
            if not isinstance(count, int) or not 0 <= count <= most:
                raise ValueError(f"{name} is {count!r}, and must be from 0 to {most:,}")
        numbers = (descent.cost_sum, state.best_loss, state.loss_to_beat, state.seconds)
        if not all(isinstance(number, float) for number in numbers) or not isinstance(state.stopped, str):
            raise TypeError(f"losses and seconds are numbers and {state.stopped!r} is a reason")
