"""The compiled engine: the numbers of the reference engine, many updates a call, without the GIL."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck import _native
from unstuck.arrays import Array
from unstuck.data.sparse import comes_in_parts, is_sparse
from unstuck.engines.batches import Batches
from unstuck.engines.engine import Descent, Poll, Progress, Rows, RowStream
from unstuck.engines.reference import evaluate_parts, first_failure
from unstuck.engines.signals import flat_slopes, norms_of_layers
from unstuck.functions.optimizers import LBFGS, Optimizer
from unstuck.functions.penalties import MaxNorm
from unstuck.history import SIGNALS
from unstuck.network import DenseLayer, DropoutLayer, Network

POLL_SECONDS = 0.05
"""The compiled code asks after so long whether to go on."""
MOST_THREADS = 1024
"""More the compiled code refuses."""


@dataclass
class Done:
    """What several calls of the compiled code did, as `_native.Done` tells it of one."""

    steps: int
    cost_sum: float
    rows: int
    failed: bool = False
    finite_cost: bool = True
    reached: bool = False


class NativeEngine:
    """Training on panels, compiled for the processor at hand: see docs/engine.md."""

    name = "native"

    def __init__(self, network: Network, rows: Rows | RowStream, threads: int | None = None, signals: bool = False):
        self.network, self.rows, self.signals = network, rows, signals
        self.batches = Batches(network.recipe, rows)
        self._trainer = self._make_trainer(tiny=not (isinstance(rows, Rows) and is_sparse(rows.X)))
        self._panels: _native.TrainerFloat32 | None = None
        self._threads = threads or thread_count()
        self._slot_names = slot_names(network.recipe.optimizer)

    def steps(self, descent: Descent, rates: npt.NDArray[np.float64], poll: Poll) -> Progress:
        self._load(descent)
        done, latest = 0, None
        epoch = descent.cost_sum, descent.rows_seen
        while done < len(rates) and not poll(done):
            latest = self._run(descent.t + done, descent.earlier, rates[done:], *epoch, POLL_SECONDS)
            done += latest.steps
            epoch = latest.cost_sum, latest.rows
            if latest.failed or latest.reached:
                break
        if latest is not None and latest.failed and done:
            self._load(descent)  # the update after it has spoilt the parameters: repeat those before
            self._run(descent.t, descent.earlier, rates[:done], descent.cost_sum, descent.rows_seen, math.inf)
        if done:
            self._store(descent)
        descent.t += done
        descent.cost_sum, descent.rows_seen = epoch
        if latest is None or not latest.failed:
            return Progress(done)
        with np.errstate(all="ignore"):
            failure = first_failure(self.network, descent, self.batches.of_update(descent.t))
        if not (latest.finite_cost and np.isfinite(descent.w).all()):
            descent.w[:] = descent.previous
        return Progress(done, failure)

    def cost_and_gradient(self, w: Array) -> tuple[float, Array]:
        self._trainer.load(np.ascontiguousarray(w), [], 1.0)
        assert isinstance(self.rows, Rows), "no gradient of rows that are streamed"
        g, rows = np.empty_like(w), self.rows.dense()
        return self._trainer.cost_and_gradient(rows.X, rows.Y, rows.weights, g, self._threads), g

    def evaluate(self, w: Array, rows: Rows) -> tuple[float, Array]:
        if comes_in_parts(rows.X):
            return evaluate_parts(self, w, rows)
        self._trainer.load(np.ascontiguousarray(w), [], 1.0)
        A = np.empty_like(rows.Y)
        return self._trainer.evaluate(rows.X, rows.Y, rows.weights, A, self._threads), A

    def observe(self, descent: Descent, rows: Rows) -> tuple[float, Array, list[float]]:
        rows = rows.dense()
        self._trainer.load(np.ascontiguousarray(descent.w), [], 1.0)
        A = np.empty_like(rows.Y)
        update = descent.w, descent.previous
        loss, signals = self._trainer.observe(rows.X, rows.Y, rows.weights, A, self._threads, *update, self._flat)
        if not self._notes_gradients:
            signals[SIGNALS.index("gradient_norm") :: len(SIGNALS)] = self._gradient_norms(descent)
        return loss, A, signals

    @cached_property
    def _flat(self) -> npt.NDArray[np.float64]:
        return flat_slopes(self.network)

    @cached_property
    def _notes_gradients(self) -> bool:
        """Whether the last update leaves the norms of its gradient: not SciPy's, nor that of a tiny network."""
        return self._trainer.name == "panels" and not isinstance(self.network.recipe.optimizer, LBFGS)

    def _gradient_norms(self, descent: Descent) -> list[float]:
        """Return the norm of each Dense layer's gradient in the last update, which is computed once more."""
        if isinstance(self.network.recipe.optimizer, LBFGS):
            return norms_of_layers(self.network, self.cost_and_gradient(descent.previous)[1]).tolist()
        panels = self._panels = self._panels or self._make_trainer(tiny=False)
        panels.load(descent.previous, [], 1.0)
        self._run(descent.t - 1, descent.earlier, np.zeros(1), 0.0, 0, math.inf, panels)
        return panels.gradient_norms()

    def _make_trainer(self, tiny: bool = True) -> _native.TrainerFloat32:
        rows = self.rows
        n = min(rows.buffer_rows, len(rows)) if isinstance(rows, RowStream) else len(rows)  # of one call
        return _trainer_for(self.network, n, tiny)

    def _run(
        self,
        t: int,
        earlier: int,
        rates: npt.NDArray[np.float64],
        cost_sum: float,
        rows_seen: int,
        seconds: float,
        trainer: _native.TrainerFloat32 | None = None,
    ) -> _native.Done | Done:
        batches, target = self.batches, self.network.recipe.stop_at_loss
        least = -math.inf if target is None else target
        how = (seconds, trainer or self._trainer)
        if batches.in_memory is None:
            return self._run_in_pieces(t, earlier, rates, Done(0, cost_sum, rows_seen), least, *how)
        return self._call(
            batches.in_memory, batches.size, batches.shuffled, t, earlier, rates, cost_sum, rows_seen, least, *how
        )

    def _run_in_pieces(
        self,
        t: int,
        earlier: int,
        rates: npt.NDArray[np.float64],
        done: Done,
        target: float,
        seconds: float,
        trainer: _native.TrainerFloat32,
    ) -> Done:
        """Do the same with rows of which only some are there as an array: a call for each piece of them, or two.

        The compiled code begins an epoch's costs anew with the first mini-batch of its rows. A piece's first one has a
        call of its own, so that its cost can be added to those before it.
        """
        per_epoch, size, until = self.batches.per_epoch, self.batches.size, time.monotonic() + seconds
        while done.steps < len(rates) and not (done.failed or done.reached):
            left = until - time.monotonic()
            if done.steps and left < 0:
                break
            now = t + done.steps
            first, rows = self.batches.piece(now)
            begins = now == first
            count = 1 if begins else first - (-len(rows) // size) - now
            if now % per_epoch == 0:
                done.cost_sum, done.rows = 0.0, 0
            before = (0.0, 0) if begins else (done.cost_sum, done.rows)
            ahead = rates[done.steps : done.steps + count]
            call = (rows, size, False, now - first, earlier + first, ahead, *before, -math.inf, left, trainer)
            one = self._call(*call)
            done.failed, done.finite_cost = one.failed, one.finite_cost
            if begins and not one.failed:
                done.cost_sum, done.rows = done.cost_sum + one.cost_sum, done.rows + one.rows
            elif one.steps:
                done.cost_sum, done.rows = one.cost_sum, one.rows
            done.steps += one.steps
            ends_epoch = one.steps > 0 and (t + done.steps) % per_epoch == 0
            done.reached = not one.failed and ends_epoch and done.cost_sum / done.rows <= target
        return done

    def _call(
        self,
        rows: Rows,
        batch_size: int,
        shuffled: bool,
        t: int,
        earlier: int,
        rates: npt.NDArray[np.float64],
        cost_sum: float,
        rows_seen: int,
        target: float,
        seconds: float,
        trainer: _native.TrainerFloat32,
    ) -> _native.Done:
        return trainer.steps(
            rows.X,
            rows.Y,
            rows.weights,
            batch_size=batch_size,
            shuffled=shuffled,
            t=t,
            earlier=earlier,
            rates=rates,
            cost_sum=cost_sum,
            rows_seen=rows_seen,
            target=target,
            seconds=seconds,
            threads=self._threads,
            notes_gradients=self.signals,
        )

    def _load(self, descent: Descent) -> None:
        momenta = descent.memory["momenta"][0] if "momenta" in descent.memory else 1.0
        self._trainer.load(descent.w, self._slots(descent), momenta)

    def _store(self, descent: Descent) -> None:
        momenta = self._trainer.store(descent.w, self._slots(descent), descent.previous)
        if "momenta" in descent.memory:
            descent.memory["momenta"][0] = momenta

    def _slots(self, descent: Descent) -> list[Array]:
        return [descent.memory[name] for name in self._slot_names]


def evaluate_outputs(network: Network, w: Array, X: Array) -> Array:
    """Return A (n, o) for rows X (n, i), in evaluation mode; an output does not depend on the rows beside it."""
    A = np.zeros((len(X), network.outputs), w.dtype)
    if len(X):
        trainer = _trainer_for(network, len(X), tiny=False)
        trainer.load(np.ascontiguousarray(w), [], 1.0)
        trainer.evaluate(X, np.zeros_like(A), None, A, thread_count())
    return A


def thread_count() -> int:
    """Return how many threads may work: as OMP_NUM_THREADS says, as elsewhere, or one for each core at hand."""
    wish = os.environ.get("OMP_NUM_THREADS", "")
    if wish.isdecimal() and int(wish) > 0:
        return min(int(wish), MOST_THREADS)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _trainer_for(network: Network, rows: int, tiny: bool) -> _native.TrainerFloat32:
    trainer = _native.TrainerFloat32 if network.recipe.precision == "float32" else _native.TrainerFloat64
    return trainer({**plan(network, rows), "tiny": tiny}, _native.cpu_level())


@lru_cache
def slot_names(optimizer: Optimizer) -> tuple[str, ...]:
    """Return the names of the vectors of P numbers in the optimizer's memory, in the order of native/optimizers.hpp."""
    return tuple(name for name in optimizer.start(np.zeros(1)) if name != "momenta")


def plan(network: Network, rows: int) -> dict[str, Any]:
    """Return the network and its training on so many rows as the plain data that native/plan.hpp holds."""
    recipe = network.recipe
    loss, optimizer = recipe.loss, recipe.optimizer
    settings = [getattr(optimizer, field.name) for field in fields(optimizer) if field.name != "learning_rate"]  # type: ignore[arg-type]  # made by @described
    return {
        "layers": [_layer(layer) for layer in network.layers],
        "inputs": network.inputs,
        "outputs": network.outputs,
        "size": network.size,
        "rows": rows,
        "batch_rows": recipe.rows_per_batch(rows),
        "loss": loss.kind,
        "threshold": getattr(loss, "threshold", 1.0),
        "half": getattr(loss, "half", False),
        "mean_of_outputs": loss.outputs == "mean",
        "mean_of_rows": loss.rows == "mean",
        "optimizer": optimizer.kind,
        "settings": [float(value or 0) for value in settings],
        "learning_rate": float(optimizer.learning_rate),
        "penalties": [
            {
                "kind": penalty.kind,
                "strength": penalty.limit if isinstance(penalty, MaxNorm) else penalty.strength,  # type: ignore[attr-defined]  # all others
                "on_biases": penalty.on == "all",
                "per_row": getattr(penalty, "per_row", False),
            }
            for penalty in recipe.penalties
        ],
        "clip_value": math.inf if recipe.clip_value is None else recipe.clip_value,
        "clip_norm": math.inf if recipe.clip_norm is None else recipe.clip_norm,
        "seed": recipe.seed,
        "slots": len(slot_names(optimizer)),
    }


def _layer(layer: DenseLayer | DropoutLayer) -> dict[str, Any]:
    if isinstance(layer, DropoutLayer):
        nothing = {"activation": "identity", "parameter": 0.0, "has_bias": False, "weights": 0, "biases": 0}
        width = {"inputs": layer.units, "outputs": layer.units}
        return {"is_dense": False, **width, "rate": layer.rate, "index": layer.index, **nothing}
    activation = layer.activation
    return {
        "is_dense": True,
        "inputs": layer.inputs,
        "outputs": layer.outputs,
        "activation": activation.kind,
        "parameter": getattr(activation, "slope", getattr(activation, "alpha", 0.0)),
        "has_bias": layer.has_bias,
        "weights": layer.weights.start,
        "biases": layer.biases.start,
        "rate": 0.0,
        "index": layer.index,
    }
