"""measure(): from a recipe and its data to the evidence."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from unstuck.arrays import Array, in_precision
from unstuck.diagnosis.changes import reference
from unstuck.diagnosis.cutting import cut_down
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.facts import facts
from unstuck.diagnosis.floors import floors
from unstuck.diagnosis.layers import look
from unstuck.diagnosis.learnable import MOST_ROWS as KNOWN_ROWS
from unstuck.diagnosis.learnable import learnable, linear_gain
from unstuck.diagnosis.loss_and_metric import loss_and_metric
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.rates import sweep
from unstuck.diagnosis.reach import Reach
from unstuck.diagnosis.trainings import Clock, Trained, seeds_after, train_all
from unstuck.diagnosis.updates import update_ratios
from unstuck.engines.backprop import forward
from unstuck.engines.engine import Rows
from unstuck.engines.native import thread_count
from unstuck.functions.optimizers import Adam
from unstuck.network import Network
from unstuck.recipe import Dropout, Recipe
from unstuck.run import Run
from unstuck.training.prepare import Prepared, prepare
from unstuck.training.train import RESUMABLE

FIRST_SHARE, SEEDS_SHARE, REFERENCE_SHARE = 0.2, 0.2, 0.15
"""Of the budget, for the first training, those from other seeds, and the ordinary network."""
FEWEST_SEEDS, MOST_SEEDS = 3, 6
SMALL_ROWS = 16
SMALL_UPDATES = 400


def measure(recipe: Recipe, X: Any, y: Any, clock: Clock, done: Run | None = None) -> Evidence:
    """Train the recipe from a few seeds and measure what separates the causes.

    Where it takes too long to be trained dozens of times, and does not learn, everything is measured on fewer rows or
    epochs.

    Args:
        recipe: the subject.
        X: features.
        y: targets.
        clock: what is left of the budget.
        done: a run that the recipe made of just these rows.

    Raises:
        DataError: when the data cannot be used, as `train` does.
        RecipeError: when recipe and data do not fit, likewise.
    """
    problem = Problem.of(recipe, X, y)
    prepare(recipe, problem.X, problem.y).network.start()  # what does not fit is said here
    clock.tell("training as it is")
    whole_budget = clock.seconds
    reused, began = _reused(done, problem), time.process_time()
    first = reused or train_all([recipe], problem, FIRST_SHARE * whole_budget, watched=True)[0]
    work = first.run.seconds * thread_count()  # at most
    if reused is None:
        work = min(work, time.process_time() - began)
    if first.run.stopped != "diverged":
        clock.suit(first.run.seconds)
    shorter, smaller, cut = cut_down(recipe, problem, first, work, clock.seconds)
    clock.tell("measuring what can be learned")
    known = smaller.with_rows(KNOWN_ROWS) if smaller.held_out else smaller
    columns = _standardised(_as_trained(first.run, known).rows.X)
    (ordinary,) = train_all([reference(recipe, smaller)], smaller, REFERENCE_SHARE * whole_budget)
    reach = Reach(learnable(known, columns), linear_gain(known, columns), ordinary, problem)
    whole = first.run.stopped != "time budget"
    if cut and whole and first.gain >= reach.goal:
        return _evidence(recipe, problem, [first], reach, "", whole=(recipe, len(problem)))
    trained = [] if cut else [first]
    seconds = SEEDS_SHARE * whole_budget
    seeds = int(np.clip(seconds / max(first.run.seconds, 1e-3), FEWEST_SEEDS, MOST_SEEDS))
    others = [shorter.replace(seed=seed) for seed in seeds_after(recipe, len(trained), seeds - len(trained))]
    clock.tell("training from other seeds")
    trained += train_all(others, smaller, seconds, watched=bool(cut))
    return _evidence(shorter, smaller, trained, reach, cut, whole=(recipe, len(problem)))


def _reused(run: Run | None, problem: Problem) -> Trained | None:
    """Return a run as the first training, if no rows are held out that it would have to be without."""
    if run is None or problem.held_out or run.stopped in RESUMABLE:
        return None
    return Trained(run, problem.gain(run), problem.fit(run))


def _evidence(
    recipe: Recipe,
    problem: Problem,
    untreated: list[Trained],
    reach: Reach,
    cut: str,
    whole: tuple[Recipe, int],
) -> Evidence:
    prepared = _as_trained(untreated[0].run, problem)
    network, rows = prepared.network, prepared.rows
    start, end = network.start(), untreated[0].run.final_parameters
    return Evidence(
        recipe=recipe,
        problem=problem,
        network=network,
        prepared=prepared,
        facts=facts(problem, rows.X, rows.Y),
        floors=floors(recipe, prepared, problem),
        reach=reach,
        untreated=tuple(untreated),
        start=look(network, start, rows),
        end=look(network, end, rows),
        moved=_moved(network, start, end),
        rates=sweep(prepared),
        update_ratios=update_ratios(prepared),
        agreement=loss_and_metric(untreated[0].run.history, recipe.metrics),
        small=_small(recipe, problem),
        training_mode=_training_mode(prepared, problem, untreated[0]),
        cut=cut,
        whole=whole[0],
        rows=whole[1],
    )


def _as_trained(run: Run, problem: Problem) -> Prepared:
    """Return all training rows as the run's network gets them, those of its own validation among them."""
    prepared = prepare(run.recipe.replace(validation_fraction=0.0), problem.X, problem.y)
    X = in_precision(run.inputs.transform(problem.X), run.recipe.precision)
    Y = in_precision(run.targets.transform(problem.y), run.recipe.precision)
    rows = Rows(X, Y, prepared.rows.weights)
    return replace(prepared, network=run.network, inputs=run.inputs, targets=run.targets, rows=rows)


def _standardised(X: Array) -> Array:
    X = X.astype(np.float64)
    spread = X.std(axis=0)
    return np.asarray((X - X.mean(axis=0)) / np.where(spread > 0, spread, 1))


def _moved(network: Network, start: Array, end: Array) -> tuple[float, ...]:
    ratios = []
    for layer in network.dense:
        part = slice(layer.weights.start, layer.biases.stop)
        before, after = start[part].astype(np.float64), end[part].astype(np.float64)
        size = max(float(np.linalg.norm(before)), float(np.linalg.norm(after)))
        ratios.append(float(np.linalg.norm(after - before)) / size if size else 0.0)
    return tuple(ratios)


def _small(recipe: Recipe, problem: Problem) -> float:
    """Return how well the recipe's network fits a few rows when nothing else is in its way.

    Without dropout and penalties, with Adam at the best of three rates, scaled inputs as they are.
    """
    few = problem.with_rows(SMALL_ROWS)
    plain = recipe.replace(
        layers=tuple(layer for layer in recipe.layers if not isinstance(layer, Dropout)),
        optimizer=Adam(),
        schedule="constant",
        penalties=(),
        clip_value=None,
        clip_norm=None,
        batch_size="full",
        epochs=SMALL_UPDATES,
        early_stopping=None,
        stop_at_loss=None,
        validation_fraction=0.0,
        class_weights=None,
        record_every=SMALL_UPDATES,
    )
    try:
        trained = train_all(
            [plain.with_settings({"optimizer.learning_rate": rate}) for rate in (0.03, 0.003)], few, 0.5
        )
    except ValueError:  # a class is missing among so few rows
        return 0.0
    return max(one.fit for one in trained)


def _training_mode(prepared: Prepared, problem: Problem, trained: Trained) -> float | None:
    """Return the gain on the training rows with dropout on, as a loop that counts while it trains sees it."""
    network, targets = prepared.network, prepared.targets
    if not any(isinstance(layer, Dropout) and layer.rate for layer in network.recipe.layers):
        return None
    with np.errstate(all="ignore"):
        A = forward(network, trained.run.final_parameters, prepared.rows.X, t=0)[-1].a
    if not np.isfinite(A).all() or problem.metric == "roc_auc":
        return None
    return problem.gain_from(problem.y, A if problem.one_hot else targets.predictions(A))
