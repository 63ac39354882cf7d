"""train_many(): several networks on the same data at once, one to a thread.

An engine computes without Python's lock, so that threads of one process suffice, and the data are there once. What
remains to Python is the little between two calls of the engine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from unstuck.engines import choose_engine
from unstuck.engines.native import thread_count
from unstuck.errors import DataError, OptionError, RecipeError
from unstuck.recipe import Recipe
from unstuck.run import Run, TrainedOn
from unstuck.training.interruption import interruptible
from unstuck.training.prepare import Preparations
from unstuck.training.progress import Part, ProgressBar
from unstuck.training.session import Session
from unstuck.training.state import State
from unstuck.training.train import carry_out, check_recipe, check_time_budget

AWAKE_SECONDS = 0.05
"""The main thread wakes up after so long: it is the one that learns of Ctrl-C, and only while awake."""


def train_many(
    recipes: Recipe | Sequence[Recipe],
    X: Any,
    y: Any,
    *,
    seeds: int | Sequence[int] | None = None,
    validation: Any = None,
    sample_weight: Any = None,
    engine: str = "auto",
    progress: bool = True,
    time_budget: float | None = None,
) -> list[Run]:
    """Train a network for each of several recipes, or one recipe from several seeds, on the same rows.

    Each Run is the one that `train` returns, bit by bit but for its `seconds`. As many networks are trained at once as
    there are cores, or as OMP_NUM_THREADS says.

    Ctrl-C ends all trainings and returns what was reached. Those that had not begun have their start as parameters and
    an empty history, as `train` has it when it is interrupted before the first update; so it is with the time budget.

    Args:
        recipes: the recipes; or one, together with `seeds`.
        X: features, an array or SciPy sparse array (n, i), or a table of n rows.
        y: targets, n labels or numbers, or an array (n, o).
        seeds: the seeds, in place of the recipe's own; or how many: recipe.seed, recipe.seed + 1, ...
        validation: rows of your own, (X, y) or (X, y, sample_weight), in place of the recipes' validation_fraction.
        sample_weight: a weight for each row, n numbers.
        engine: "auto", or the name of an engine.
        progress: show a bar when it takes longer than a second.
        time_budget: stop after this many seconds, for all of them together.

    Returns:
        The Runs, in the order of the recipes or seeds.

    Raises:
        OptionError: when another argument makes no sense.
        DataError: when the data cannot be used.
        RecipeError: when a recipe and the data do not fit. Both name the recipe by its place, from 0.

    >>> from unstuck import Dense, Recipe
    >>> recipe = Recipe([Dense(1)], loss="squared_error", epochs=20)
    >>> runs = train_many(recipe, [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0], seeds=3)
    >>> [run.recipe.seed for run in runs]
    [0, 1, 2]
    """
    if isinstance(recipes, str | Mapping | np.ndarray) or not isinstance(recipes, Iterable):
        check_recipe(recipes, X, y, call="train_many(recipe, X, y, seeds=...) or train_many([recipe, ...], X, y)")
    check_time_budget(time_budget)
    all_recipes = _with_seeds(recipes, seeds) if isinstance(recipes, Recipe) else _listed(recipes, seeds)
    for recipe in all_recipes:
        choose_engine(engine, recipe)
    data = Preparations(X, y, validation, sample_weight)
    if isinstance(recipes, Recipe):
        data.of(recipes).network.start()
    else:
        _check_each(all_recipes, data)

    given = TrainedOn(X, y, alone=validation is None and sample_weight is None)
    threads, networks = thread_count(), max(1, len(all_recipes))
    runs: dict[int, Run] = {}
    ahead = iter(enumerate(all_recipes))
    deadline = None if time_budget is None else time.monotonic() + time_budget
    over = threading.Event()
    with (
        interruptible() as interrupted,
        ProgressBar(f"training {len(all_recipes)} networks", progress) as bar,
        ThreadPoolExecutor(at_once := min(threads, networks)) as pool,
    ):
        bar.total = len(all_recipes)

        def halted() -> bool:
            return interrupted.is_set() or over.is_set()

        def trained(recipe: Recipe) -> Run:
            prepared = data.of(recipe)
            machine = choose_engine(engine, recipe)(prepared.network, prepared.rows, max(1, threads // networks))
            state = State.at_start(prepared.network)
            left = None if deadline is None else deadline - time.monotonic()
            session = Session(recipe, prepared, machine, state, (), left, part := Part(bar), halted, None)
            carry_out(session)
            part.finish()
            return session.as_run(given)

        def train_those_ahead() -> None:
            for place, recipe in ahead:
                runs[place] = trained(recipe)

        waiting = {pool.submit(train_those_ahead) for _ in range(at_once)}
        try:
            while waiting:
                done, waiting = wait(waiting, AWAKE_SECONDS, FIRST_EXCEPTION)
                for future in done:
                    future.result()
        finally:
            over.set()  # an error, or a second Ctrl-C, ends all of them
    return [runs[place] for place in range(len(all_recipes))]


def _with_seeds(recipe: Recipe, seeds: int | Sequence[int] | None) -> list[Recipe]:
    if seeds is None:
        raise OptionError(
            "one recipe trains one network: say from how many seeds, train_many(recipe, X, y, seeds=10), "
            "or give several recipes"
        )
    if isinstance(seeds, int | np.integer):
        if seeds < 1:
            raise OptionError(f"seeds must be a positive number of them, or the seeds themselves; got {seeds}")
        seeds = range(recipe.seed, recipe.seed + int(seeds))
    return [recipe.replace(seed=seed) for seed in seeds]


def _listed(recipes: Sequence[Recipe], seeds: object) -> list[Recipe]:
    if seeds is not None:
        raise OptionError(
            "seeds go with one recipe; for several recipes write each seed into its own, recipe.replace(seed=...)"
        )
    listed = list(recipes)
    for place, recipe in enumerate(listed):
        if not isinstance(recipe, Recipe):
            raise OptionError(f"recipes.{place} must be a Recipe; got {type(recipe).__name__}")
    return listed


def _check_each(recipes: Sequence[Recipe], data: Preparations) -> None:
    """Find what is wrong with recipes and data before anything is trained."""
    problems = []
    for place, recipe in enumerate(recipes):
        try:
            data.of(recipe).network.start()
        except RecipeError as error:
            problems += [(f"recipes.{place}.{inner}", text) for inner, text in error.problems]
        except DataError as error:
            raise DataError(f"recipes.{place}: {error}") from None
    if problems:
        raise RecipeError(problems, "these recipes")
