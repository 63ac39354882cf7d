"""The compiled part of unstuck (C++20, nanobind); sources in `native/`."""

from typing import Any

import numpy as np
import numpy.typing as npt

def philox_block(counter: tuple[int, int, int, int], key: int) -> list[int]:
    """Return the four words of one block of Philox4x32-10.

    Args:
        counter: `(c0, c1, c2, c3)`, 32 bits each.
        key: 64 bits; the generator's `(k0, k1)` are its low and its high half.
    """

def philox_words(key: int, stream: int, step: int, rows: int, units: int, first_row: int = 0) -> npt.NDArray[np.uint32]:
    """Return words of Philox4x32-10, shape (rows, units).

    The word in row r, column j is word `j % 4` of the block with counter `(j // 4, first_row + r, step, stream)`.

    Args:
        key: 64 bits, see `philox_block`.
        stream: 32 bits.
        step: 32 bits.
        rows: how many rows.
        units: how many words in each row, at most 2**34.
        first_row: the row to begin with; `first_row + rows` is at most 2**32.

    Raises:
        ValueError: if the counter cannot count so far, or no array could hold the result.
    """

def cpu_level() -> str:
    """Return what the processor can do: "baseline", "x86-64-v3" (AVX2), "x86-64-v4" (AVX-512) or "arm64".

    The levels are those of the System V ABI supplement for x86-64; "baseline" means that nothing more is known.
    """

class Done:
    """What a call of `steps` did; `cost_sum` and `rows` are of the latest epoch, each cost times its rows."""

    steps: int
    cost_sum: float
    rows: int
    failed: bool
    finite_cost: bool
    reached: bool

class TrainerFloat32:
    """A network's training in float32, compiled for one level of processor.

    One thread at a time may call it; the calls work without the GIL.

    Args:
        plan: what `unstuck.engines.native.plan` returns.
        level: what `cpu_level` returns, or a lower one.

    Raises:
        ValueError: here and in every method, when sizes do not fit each other, numbers are out of range, or the
            processor is not of the level.
        TypeError: likewise, for an array of another dtype, or one that is not contiguous.
        KeyError: when the plan lacks something.
        RuntimeError: from a method, while another thread is in one of the same trainer.
    """

    def __init__(self, plan: dict[str, Any], level: str) -> None: ...
    @property
    def name(self) -> str:
        """The kind of trainer that was chosen for the plan: "panels" or "single rows"."""

    def load(self, w: npt.NDArray[Any], memory: list[npt.NDArray[Any]], momenta: float) -> None:
        """Take over parameters (P,) and optimizer memory, vectors of P and NAdam's product of momenta."""

    def store(self, w: npt.NDArray[Any], memory: list[npt.NDArray[Any]], previous: npt.NDArray[Any]) -> float:
        """Hand them back, with the parameters before the last update; return the product of momenta."""

    def steps(
        self,
        X: npt.NDArray[Any],
        Y: npt.NDArray[Any],
        weights: npt.NDArray[Any] | None,
        batch_size: int,
        shuffled: bool,
        t: int,
        earlier: int,
        rates: npt.NDArray[np.float64],
        cost_sum: float,
        rows_seen: int,
        target: float,
        seconds: float,
        threads: int,
        notes_gradients: bool = False,
    ) -> Done:
        """Do update t and so on, one for each rate, or as many as begin within so many seconds.

        `cost_sum` and `rows_seen` are of the epoch under way; an epoch of mean cost `target` or less is the last.
        """

    def gradient_norms(self) -> list[float]:
        """Return the norm of each Dense layer's gradient in the last update of `steps`; empty if it was not noted."""

    def cost_and_gradient(
        self,
        X: npt.NDArray[Any],
        Y: npt.NDArray[Any],
        weights: npt.NDArray[Any] | None,
        gradient: npt.NDArray[Any],
        threads: int,
    ) -> float:
        """Return the cost of all rows and leave its gradient in `gradient`."""

    def evaluate(
        self,
        X: npt.NDArray[Any],
        Y: npt.NDArray[Any],
        weights: npt.NDArray[Any] | None,
        A: npt.NDArray[Any],
        threads: int,
    ) -> float:
        """Return the loss of the rows, without penalties, and leave the outputs in A."""

    def observe(
        self,
        X: npt.NDArray[Any],
        Y: npt.NDArray[Any],
        weights: npt.NDArray[Any] | None,
        A: npt.NDArray[Any],
        threads: int,
        w: npt.NDArray[Any],
        previous: npt.NDArray[Any],
        flat: npt.NDArray[np.float64],
    ) -> tuple[float, list[float]]:
        """Do what `evaluate` does and return the loss and six signals of each Dense layer: see `engines/signals.py`.

        `w` (P,) are the parameters that were loaded and `previous` those before the last update; `flat` has a slope for
        each Dense layer, below which a unit is saturated. Gradient norms are NaN where that update did not note them.
        """

class TrainerFloat64(TrainerFloat32):
    """The same in float64."""
