"""train(): the one way to train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from unstuck.data.blocks import RowSource
from unstuck.data.mapped import MappedRows, too_large_to_copy
from unstuck.engines import choose_engine
from unstuck.engines.engine import Descent
from unstuck.errors import DataError, OptionError
from unstuck.files import held
from unstuck.functions.optimizers import LBFGS
from unstuck.history import is_signal
from unstuck.recipe import Recipe
from unstuck.run import Run, TrainedOn
from unstuck.training.checkpoints import Checkpoint
from unstuck.training.descent import descend
from unstuck.training.interruption import interruptible
from unstuck.training.lbfgs import minimize
from unstuck.training.prepare import prepare
from unstuck.training.prepare_stream import prepare_stream
from unstuck.training.progress import ProgressBar
from unstuck.training.session import Callback, Session
from unstuck.training.state import State

RESUMABLE = ("", "interrupted", "time budget")
"""Reasons for stopping after which the same call goes on from its checkpoint."""


def train(
    recipe: Recipe,
    X: Any,
    y: Any = None,
    *,
    validation: Any = None,
    sample_weight: Any = None,
    start: Descent | None = None,
    engine: str = "auto",
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    time_budget: float | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 10.0,
    signals: bool = False,
) -> Run:
    """Train the recipe's network on rows X and targets y.

    Ctrl-C ends the training and returns what was reached; so does a loss that is not finite. Neither is an error:
    `run.stopped` says why a training ended. The run refers to X and y, so that `diagnose(run)` needs nothing else.

    Args:
        recipe: everything that determines the training.
        X: features, an array or SciPy sparse array (n, i), or a table of n rows. Or a `ParquetRows` or `ArrayRows` of
            `unstuck.data`, which has the targets too, and need not fit into memory: see docs/streaming.md.
        y: targets, n labels or numbers, or an array (n, o).
        validation: rows of your own, (X, y), (X, y, sample_weight), or a `ParquetRows` or `ArrayRows`, in place of the
            recipe's validation_fraction.
        sample_weight: a weight for each row, n numbers.
        start: parameters, and the optimizer's memory of the updates that led to them, to go on from in place of the
            recipe's start. It is changed in place, so that the next training can go on from it: set its `earlier` to
            the updates done so far and its `t` to 0.
        engine: "auto", or the name of an engine.
        callbacks: called after each record; see `Callback`.
        progress: show a bar when the training takes longer than a second.
        time_budget: stop after this many seconds.
        checkpoint: a file to keep the state in. Where it exists already, the training goes on from it, to the same
            result, bit by bit, as if it had not stopped.
        checkpoint_seconds: how often the file is written.
        signals: record also, for each layer, which units are dead or saturated, where its pre-activations lie, and how
            large its gradient and its updates are: see `unstuck.engines.signals`.

    Raises:
        DataError: when the data cannot be used.
        RecipeError: when recipe and data do not fit.
        OptionError: when another argument makes no sense.
        FileError: when the checkpoint cannot be used, or another training is writing it.

    >>> from unstuck import Dense, Recipe
    >>> recipe = Recipe([Dense(1)], loss="squared_error", optimizer="sgd", epochs=200, batch_size="full")
    >>> run = train(recipe.with_settings({"optimizer.learning_rate": 0.3}), [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> run.predict([[3.0]]).round(3)
    array([7.], dtype=float32)
    """
    check_recipe(recipe, X, y)
    check_time_budget(time_budget)
    called = _called(callbacks)
    if y is None and not isinstance(X, RowSource):
        raise DataError("y is missing: write train(recipe, X, y), or train(recipe, rows) with rows that have targets")
    if signals and isinstance(X, RowSource):
        raise OptionError(f"signals need the training rows in memory, and {X.name} is streamed: leave out signals=True")
    in_memory = not isinstance(X, RowSource)
    rows: Any = MappedRows(X) if too_large_to_copy(X) and not isinstance(recipe.optimizer, LBFGS) else X
    with closing((prepare if in_memory else prepare_stream)(recipe, rows, y, validation, sample_weight)) as data:
        machine = choose_engine(engine, recipe)(data.network, data.rows, signals=signals)
        kept = Checkpoint(Path(checkpoint), recipe, data, checkpoint_seconds) if checkpoint is not None else None
        with held(kept.path) if kept else nullcontext():
            state = kept.read() if kept else None
            starts_over = isinstance(recipe.optimizer, LBFGS)  # SciPy's memory cannot be kept
            if state is not None and len(state.history) and signals != any(map(is_signal, state.history.columns)):
                raise OptionError(
                    f"the history in {checkpoint} was begun with signals={not signals}; go on with the same"
                )
            if state is None or (starts_over and state.stopped in RESUMABLE):
                state = State.at_start(data.network, start)
            with interruptible() as interrupted, ProgressBar("training", progress) as bar:
                session = Session(
                    recipe, data, machine, state, called, time_budget, bar, interrupted.is_set, kept, signals
                )
                if state.stopped in RESUMABLE:
                    state.stopped = ""
                    session.save(now=True)  # a file that cannot be written is noticed now
                    carry_out(session)
    alone = validation is None and sample_weight is None and start is None and not callbacks
    return session.as_run(TrainedOn(X, y, alone) if in_memory else None)


def carry_out(session: Session) -> None:
    """Train until there is a reason to stop."""
    (minimize if isinstance(session.recipe.optimizer, LBFGS) else descend)(session)
    session.clock()
    session.save(now=True)


def _called(callbacks: Sequence[Callback]) -> tuple[Callback, ...]:
    """Return the callbacks, each of which can be called: what cannot is refused before anything is trained."""
    if callable(callbacks):
        raise OptionError(f"callbacks is a list; write callbacks=[{getattr(callbacks, '__name__', callbacks)}]")
    called = tuple(callbacks)
    for callback in called:
        if not callable(callback):
            raise OptionError(f"a callback is a function, called with each record and the parameters; got {callback!r}")
    return called


def check_recipe(recipe: object, *others: object, call: str = "train(recipe, X, y)") -> None:
    """Refuse as a recipe what is none.

    Args:
        recipe: what stands in its place.
        others: what stands in others' places.
        call: how the function is called.

    Raises:
        OptionError: that says what to write.
    """
    if isinstance(recipe, Recipe):
        return
    kind = type(recipe).__name__
    if any(isinstance(other, Recipe) for other in others):
        raise OptionError(f"the recipe comes first: {call}; got a {kind} in its place")
    if isinstance(recipe, Mapping):
        raise OptionError(f"a Recipe is needed, {call}; got a {kind}: Recipe.from_data(...) makes a recipe of it")
    raise OptionError(
        f'a Recipe is needed, {call}, such as Recipe([Dense(10, "relu"), Dense(1)], loss="squared_error"); '
        f"got {'None' if recipe is None else f'a {kind}'}"
    )


def check_time_budget(seconds: float | None) -> None:
    """Refuse a time budget that is none."""
    if seconds is not None and not seconds > 0:
        raise OptionError(f"time_budget must be a positive number of seconds; got {seconds}")
