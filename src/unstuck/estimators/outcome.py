"""What is left of a training: the fitted attributes, and warnings of one that did not come to a good end."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from unstuck.arrays import evenly, in_precision
from unstuck.data.inputs import Inputs
from unstuck.data.sparse import is_sparse
from unstuck.data.targets import Targets
from unstuck.engines.outputs import evaluate_outputs
from unstuck.errors import DataError
from unstuck.estimators.attempts import Attempt, Task
from unstuck.estimators.heldout import Examples
from unstuck.estimators.model import Model, OptimizerState
from unstuck.estimators.plateau import Plateau
from unstuck.estimators.shortfall import fallen_short, next_to_nothing
from unstuck.estimators.starts import unpacked
from unstuck.functions.losses import SquaredError
from unstuck.functions.schedules import InverseScalingByRows
from unstuck.recipe import Recipe

UNFINISHED = ("all epochs", "call budget", "line search")
"""Reasons for stopping that leave the optimization short of its end."""


HELP = (
    "If it is on a saddle, tol=0, a larger n_iter_no_change or another learning rate get it across; n_restarts tries "
    "other starts; diagnose_(X, y) finds out"
)
MOST_JUDGED = 1000
"""A network is compared with others on so many rows at most, from all over them."""


def settle(model: Model, task: Task, attempt: Attempt) -> None:
    """Set the fitted attributes.

    Raises:
        DataError: when the training diverged, and no better parameters are to be restored.
    """
    run, seen, descent = attempt
    stops_by_score = seen.by_score and (seen.reached or not task.incremental)
    restores = stops_by_score or (model.restore_best and not task.incremental)
    if run.stopped == "diverged":
        seen.diverged()
        if not restores or seen.best_w is None:
            raise DataError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                f'preprocessed. Here: {run.failure}. Write input_scaling="standard", or lower '
                f"learning_rate_init={model.learning_rate_init:g}"
            )
    w = seen.best_w if restores and seen.best_w is not None else descent.w
    model.coefs_, model.intercepts_ = unpacked(run.network, w)
    model.n_iter_ = int(run.history.last().get("epoch", 0))
    model.t_ += model.n_iter_ * task.kept.X.shape[0]
    keep_curves(model, seen)
    rate = _next_rate(run.recipe, seen.rate, model.t_)
    model._optimizer = OptimizerState(descent.memory, descent.earlier + descent.t, rate)
    model.recipe_ = run.recipe.replace(
        epochs=model.max_iter,
        measure_training=True,
        inputs=Inputs(model.input_scaling),
        targets=Targets(scaling=getattr(model, "target_scaling", "none")),
    )
    model.run_ = replace(
        run,
        recipe=model.recipe_,
        inputs=model._inputs or run.inputs,
        targets=model._labelled(run.targets),
        final_parameters=w,
        best_parameters=w if seen.best_w is None else seen.best_w,
        data=None,
    )
    unless_reached = "" if task.incremental else run.stopped
    model.stopped_ = ("early stopping" if seen.by_score else "plateau") if seen.reached else unless_reached


def keep_curves(model: Model, seen: Plateau) -> None:
    """Set the attributes that tell of the epochs, on from what was seen of them."""
    model._seen = replace(seen, score=None)
    model._no_improvement_count = seen.waited
    model.loss_curve_ = seen.losses
    model.loss_ = seen.losses[-1] if seen.losses else math.nan
    model.best_loss_ = None if seen.by_score else seen.best_loss
    model.validation_scores_ = seen.scores or None
    model.best_validation_score_ = seen.best_score if seen.scores else None


def _next_rate(recipe: Recipe, rate: float, rows_seen: int) -> float:
    """Return the learning rate of the next epoch, after `rate` in the last."""
    schedule = recipe.schedule
    if not isinstance(schedule, InverseScalingByRows):
        return rate
    return recipe.optimizer.learning_rate / (rows_seen + 1) ** schedule.power


def warn_of(model: Model, task: Task, attempt: Attempt) -> None:
    """Warn of a training that was cut off, diverged, or stopped where nothing is learned."""
    run, seen, _ = attempt
    said = None
    if run.stopped == "interrupted":
        warnings.warn("Training interrupted by user.", stacklevel=4)
    elif run.stopped == "diverged":
        said = f"the training diverged, {run.failure}; the best parameters before that are kept"
    elif run.stopped in UNFINISHED:
        said = f"stopped by {run.stopped!r} after {model.n_iter_} of max_iter={model.max_iter}, before it converged"
    elif (seen.reached and not seen.by_score) or run.stopped == "converged":
        short = _shortfall(model, task.kept)
        said = short and f"{_ended(model, seen)}. {short}. {HELP}"
    if said:
        warnings.warn(f"{type(model).__name__}: {said}", ConvergenceWarning, stacklevel=4)


def _ended(model: Model, seen: Plateau) -> str:
    if model.stopped_ == "converged":
        return f"training ended after {model.n_iter_} iterations, because its loss or gradient hardly changed any more"
    return (
        f"training stopped after {model.n_iter_} epochs, because its loss did not fall by tol={seen.tol:g} in "
        f"{int(seen.patience)} epochs in a row"
    )


def _shortfall(model: Model, kept: Examples) -> str | None:
    """Return what to say of a network that has ended far from what can be done; nothing where rows have weights."""
    if kept.weights is not None:
        return None
    run, recipe = model.run_, model.recipe_
    some = evenly(kept.X.shape[0], MOST_JUDGED)
    X, Y = in_precision(model._scaled(kept.X[some]), recipe.precision), kept.Y[some]
    targets, coding = model._coded(Y, recipe.loss)
    coded = coding.fit(targets, recipe.outputs, recipe.loss.prefers).transform(targets)
    A = evaluate_outputs(run.network, run.final_parameters, X).astype(np.float64)
    said = next_to_nothing(recipe.loss, coded, A, model._loss_shift(Y, None))
    comparable = isinstance(recipe.loss, SquaredError) or model._many_classes is not None
    if said or is_sparse(X) or not comparable:
        return said
    return fallen_short(X, coded, A, lambda A: model._score_of(A, Y, None), run.network.size)
