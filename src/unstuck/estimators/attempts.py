"""One training of an estimator: from where it stands, through `train`, to what was seen of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from unstuck.arrays import Array, in_precision
from unstuck.engines.engine import Descent
from unstuck.engines.outputs import evaluate_outputs
from unstuck.estimators.heldout import Examples
from unstuck.estimators.model import Model
from unstuck.estimators.plateau import Plateau
from unstuck.estimators.recipes import is_adaptive
from unstuck.estimators.starts import packed, unpacked
from unstuck.functions.optimizers import LBFGS, Memory
from unstuck.network import Network
from unstuck.recipe import Recipe
from unstuck.run import Run
from unstuck.training.train import train

LARGEST_SEED = np.iinfo(np.int32).max


class Task(NamedTuple):
    """What a call of fit or partial_fit has to do.

    Attributes:
        recipe: its targets and its seed are still to be set.
        kept: the rows to train on.
        held: the rows to score, if any.
        first: it begins anew.
        incremental: it is a call of partial_fit.
    """

    recipe: Recipe
    kept: Examples
    held: Examples | None
    first: bool
    incremental: bool


class Attempt(NamedTuple):
    """One training: what came of it, what was seen of it, and where it left the parameters."""

    run: Run
    seen: Plateau
    descent: Descent

    @property
    def merit(self) -> float:
        """The higher, the better: the score on held-out rows, the best one where they decide, else minus the loss."""
        if self.run.stopped == "diverged":
            return -math.inf
        if not self.seen.scores:
            return -self.seen.losses[-1]
        return self.seen.best_score if self.seen.by_score else self.seen.scores[-1]


def attempt(model: Model, task: Task, w: Array | None, random: np.random.RandomState) -> Attempt:
    """Train once, from w (None: the recipe's start), or from where the estimator stands unless it begins anew."""
    kept, held = task.kept, task.held
    y, targets = model._coded(kept.Y, task.recipe.loss)
    recipe = task.recipe.replace(targets=targets, seed=int(random.randint(LARGEST_SEED)))
    X, network = model._scaled(kept.X), Network(recipe, kept.X.shape[1])
    validation = score = None
    if held is not None:
        held_X = in_precision(model._scaled(held.X), recipe.precision)
        validation = (held_X, model._coded(held.Y, recipe.loss)[0], held.weights)
        score = _scorer(model, network, held_X, held)
    descent = _descent(model, network, w, task)
    seen = _plateau(model, task, score)
    run = train(
        recipe,
        X,
        y,
        sample_weight=kept.weights,
        validation=validation,
        start=descent,
        callbacks=[seen, *(model.callbacks or ())],
        progress=False,
    )
    return Attempt(run, seen, descent)


def _scorer(model: Model, network: Network, X: Array, held: Examples) -> Callable[[Array], float]:
    def score(w: Array) -> float:
        return model._score_of(evaluate_outputs(network, w, X), held.Y, held.weights)

    return score


def _descent(model: Model, network: Network, w: Array | None, task: Task) -> Descent:
    """Return where the training starts from."""
    if task.first:
        w = _given_start(model, network, network.start() if w is None else w.astype(network.recipe.precision))
    else:
        w = packed(network, model.coefs_, model.intercepts_)
    memory, updates, state = network.recipe.optimizer.start(w), 0, model._optimizer
    if task.incremental and state is not None and _alike(state.memory, memory):
        memory, updates = {name: values.copy() for name, values in state.memory.items()}, state.updates
    return Descent(w, memory, previous=w.copy(), earlier=updates)


def _given_start(model: Model, network: Network, w: Array) -> Array:
    """Put the weights and biases that the user gives in the place of those of w."""
    if model.initial_coefs is None and model.initial_intercepts is None:
        return w
    coefs, intercepts = unpacked(network, w)
    return packed(network, model.initial_coefs or coefs, model.initial_intercepts or intercepts)


def _alike(memory: Memory, other: Memory) -> bool:
    """Tell whether two memories are of the same optimizer and as many parameters."""
    return memory.keys() == other.keys() and all(
        (memory[name].shape, memory[name].dtype) == (other[name].shape, other[name].dtype) for name in memory
    )


def _plateau(model: Model, task: Task, score: Callable[[Array], float] | None) -> Plateau:
    """Return the rule that ends the training; L-BFGS ends by itself."""
    full = isinstance(task.recipe.optimizer, LBFGS)
    seen = Plateau(
        tol=model.tol,
        patience=math.inf if full else model.n_iter_no_change,
        by_score=bool(model.early_stopping) and not full,
        adaptive=is_adaptive(model),
        score=score,
        verbose=bool(model.verbose),
        shift=model._loss_shift(task.kept.Y, task.kept.weights),
    )
    if model._seen is not None and not task.first and not full:
        seen.go_on_from(model._seen)
    return seen
