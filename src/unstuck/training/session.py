"""One training: its parts, its clock, and what happens at a record."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from unstuck.arrays import Array
from unstuck.engines.engine import Engine, Rows
from unstuck.engines.reference import first_failure
from unstuck.engines.signals import signal_names
from unstuck.recipe import Recipe
from unstuck.run import Run, TrainedOn
from unstuck.training.checkpoints import Checkpoint
from unstuck.training.measure import failing_rows, measure, of_outputs
from unstuck.training.prepare import Prepared
from unstuck.training.prepare_stream import PreparedStream
from unstuck.training.progress import Part, ProgressBar
from unstuck.training.state import State

Callback = Callable[[Mapping[str, float], Array], bool | float | None]
"""Called after each record with its row of the history and the parameters (P,).

True stops the training; a float, 0.2 for example, multiplies the learning rate from here on.
"""


@dataclass
class Session:
    """A training under way.

    Attributes:
        interrupted: tells whether Ctrl-C was pressed.
        kept: where the state is kept, if anywhere.
        signals: whether a record holds the layers' signals.
    """

    recipe: Recipe
    data: Prepared | PreparedStream
    engine: Engine
    state: State
    callbacks: tuple[Callback, ...]
    time_budget: float | None
    bar: ProgressBar | Part
    interrupted: Callable[[], bool]
    kept: Checkpoint | None
    signals: bool = False

    def __post_init__(self) -> None:
        n = len(self.data.rows)
        self.epoch_steps = -(-n // self.recipe.rows_per_batch(n))
        self.total = self.recipe.epochs * self.epoch_steps
        self.metrics = self.recipe.metrics or self.data.targets.default_metrics
        self.started = self.ticked = time.monotonic()

        self.bar.total = self.total
        if self.signals:
            self.signal_names = signal_names(self.data.network)

    def save_due(self) -> bool:
        """Tell whether there is a checkpoint to be written."""
        return self.kept is not None and self.kept.due()

    def save(self, now: bool = False) -> None:
        """Write the checkpoint, if there is one and it is due."""
        if self.kept is not None and (now or self.kept.due()):
            self.clock()
            self.kept.write(self.state)

    def clock(self) -> None:
        """Add the time since the last call to the state's seconds."""
        now = time.monotonic()
        self.state.seconds += now - self.ticked
        self.ticked = now

    def halted(self) -> str:
        """Return why the training has to end now, between two updates, if it has to."""
        if self.interrupted():
            return "interrupted"
        if self.time_budget is not None and time.monotonic() - self.started >= self.time_budget:
            return "time budget"
        return ""

    def as_run(self, trained_on: TrainedOn | None) -> Run:
        """Return what was reached."""
        state = self.state
        return Run(
            recipe=self.recipe,
            inputs=self.data.inputs,
            targets=self.data.targets,
            final_parameters=state.descent.w,
            best_parameters=state.best_w,
            best_epoch=state.best_epoch,
            history=state.history,
            stopped=state.stopped,
            failure=str(state.failure) if state.failure else "",
            seconds=state.seconds,
            engine=self.engine.name,
            data=trained_on,
        )

    def record(self, epoch: int, cost: float, rate: float) -> None:
        """Write a row of the history, keep the best parameters, and see whether to stop."""
        state, recipe, data = self.state, self.recipe, self.data
        self.clock()
        names = self.metrics
        monitored, measured = cost, None
        if self.signals:
            assert isinstance(data.rows, Rows), "no signals of rows that are streamed"
            loss, A, signals = self.engine.observe(state.descent, data.rows)
            measured = of_outputs(loss, A, data.y, data.targets, names)
        elif recipe.measure_training:
            measured = measure(self.engine, state.descent.w, data.rows, data.y, data.targets, names)
        if measured is not None:
            monitored = measured.loss
        if self._diverged(monitored, measured is None or measured.finite):
            return
        row = {"epoch": epoch, "step": state.descent.t, "loss": cost, "learning_rate": rate, "seconds": state.seconds}
        if measured is not None:
            row |= {"training_loss": monitored, **measured.metrics}
        if data.validation is not None:
            held = measure(self.engine, state.descent.w, data.validation, data.validation_y, data.targets, names)
            monitored = held.loss
            row["validation_loss"] = monitored
            row |= {f"validation_{name}": value for name, value in held.metrics.items()}
        self.bar.update(state.descent.t, partial(_caption, row))
        if self.signals:
            row = row | dict(zip(self.signal_names, signals, strict=True))
        state.history.append(row)
        recipe.schedule.observe(state.plateau, monitored)

        if monitored < state.best_loss:
            state.best_loss, state.best_epoch = monitored, epoch
            state.best_w[:] = state.descent.w
        patience = recipe.early_stopping
        if monitored < state.loss_to_beat - (patience.min_delta if patience else 0):
            state.loss_to_beat, state.waited = monitored, 0
        else:
            state.waited += 1
        if self.reached(cost):
            state.stopped = "target loss"
        elif patience and state.waited >= patience.patience:
            state.stopped = "early stopping"
        elif epoch == recipe.epochs:
            state.stopped = "all epochs"
        if self._called_back(row) and not state.stopped:
            state.stopped = "callback"

    def next_record(self, epoch: int) -> int:
        """Return after which epoch the next record is, `epoch` of them being done."""
        every = self.recipe.record_every
        return min((epoch // every + 1) * every, self.recipe.epochs)

    def due(self, epoch: int, cost: float) -> bool:
        """Tell whether the epoch ends with a record."""
        return epoch % self.recipe.record_every == 0 or epoch == self.recipe.epochs or self.reached(cost)

    def reached(self, cost: float) -> bool:
        """Tell whether the loss the recipe asks for is reached."""
        return self.recipe.stop_at_loss is not None and cost <= self.recipe.stop_at_loss

    def _called_back(self, row: Mapping[str, float]) -> bool:
        """Ask the callbacks, change the learning rate as they wish, and return whether one wants to stop."""
        try:
            wishes = [callback(row, self.state.descent.w.copy()) for callback in self.callbacks]
        except BaseException:
            self.save(now=True)  # the record is whole, whatever became of the callback
            raise
        for wish in wishes:
            if isinstance(wish, float):
                self.state.plateau[0] *= wish
        return any(wish for wish in wishes if not isinstance(wish, float))

    def _diverged(self, loss: float, outputs_finite: bool) -> bool:
        """Tell whether the last update left something that is not finite; if so, undo it and stop."""
        state = self.state
        if math.isfinite(loss) and outputs_finite and np.isfinite(state.descent.w).all():
            return False
        with np.errstate(all="ignore"):
            rows = failing_rows(self.engine, state.descent.w, self.data.rows)
            state.failure = first_failure(self.data.network, state.descent, rows, training=False)
        state.stopped = "diverged"
        state.descent.w[:] = state.descent.previous
        return True


def _caption(row: Mapping[str, float]) -> str:
    hidden = ("epoch", "step", "learning_rate", "seconds", "training_loss")
    return "  ".join(f"{name} {value:.4g}" for name, value in row.items() if name not in hidden)
