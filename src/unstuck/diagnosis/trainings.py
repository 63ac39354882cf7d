"""Trainings: a recipe from several seeds, or several recipes, on the problem's rows, as many at once as cores."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unstuck.arrays import evenly
from unstuck.diagnosis.problem import Problem
from unstuck.functions.schedules import ReduceOnPlateau
from unstuck.recipe import Recipe
from unstuck.run import Run
from unstuck.training.many import train_many
from unstuck.training.progress import ProgressBar

TIMES, SHORTEST, LONGEST = 8, 3.0, 10.0
"""Unless the user says otherwise a diagnosis may take so many times as long as a training, from ... to ... seconds."""
MOST_WATCHED = 500
"""Judged rows on which the metric is followed through the first training."""
RECORDS = 60
"""A trial's curve has no more points than this: a record takes as long as an epoch of a small network."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A run, its gain on the judged rows and on the training rows."""

    run: Run
    gain: float
    fit: float

    @property
    def seed(self) -> int:
        """The seed it was trained from."""
        return self.run.recipe.seed


def train_all(
    recipes: Sequence[Recipe], problem: Problem, seconds: float | None = None, watched: bool = False
) -> list[Trained]:
    """Train recipes on the problem's rows.

    Args:
        recipes: what to train.
        problem: what to learn.
        seconds: for all of them together; those that had not ended by then are judged as they stand.
        watched: record the loss and metrics of held-out rows, too, where that changes nothing else.

    Raises:
        KeyboardInterrupt: when Ctrl-C ended them: what they came to by then says nothing.
    """
    validation = _beside(recipes, problem) if watched else None
    shortened = [with_fewer_records(recipe) for recipe in recipes]
    runs = train_many(shortened, problem.X, problem.y, validation=validation, progress=False, time_budget=seconds)
    if any(run.stopped == "interrupted" for run in runs):
        raise KeyboardInterrupt
    return [Trained(run, problem.gain(run), problem.fit(run)) for run in runs]


def seeds_after(recipe: Recipe, begin: int, count: int) -> list[int]:
    """Return `count` seeds, of which the first is `begin` after the recipe's own; after the largest comes 0."""
    return [(recipe.seed + begin + k) % (1 << 63) for k in range(count)]


def with_fewer_records(recipe: Recipe) -> Recipe:
    """Return the recipe with fewer records, where nothing but the curve depends on them."""
    if recipe.early_stopping or isinstance(recipe.schedule, ReduceOnPlateau):
        return recipe
    return recipe.replace(record_every=max(recipe.record_every, recipe.epochs // RECORDS))


def _beside(recipes: Sequence[Recipe], problem: Problem) -> tuple[Any, Any] | None:
    """Return some of the judged rows, if no recipe would be trained otherwise for having them."""
    decides = any(
        recipe.validation_fraction or recipe.early_stopping or isinstance(recipe.schedule, ReduceOnPlateau)
        for recipe in recipes
    )
    unseen = problem.classes is not None and not np.isin(problem.targets_judged, problem.y).all()
    if decides or unseen or not problem.held_out:
        return None
    some = evenly(len(problem.targets_judged), MOST_WATCHED)
    return problem.rows_judged[some], problem.targets_judged[some]


class Clock:
    """What is left of a number of seconds, and a bar that shows it.

    Args:
        budget: the seconds; None for as many as suit the training, `LONGEST` until that is known.
        bar: shows what is being done.
    """

    def __init__(self, budget: float | None, bar: ProgressBar | None = None):
        self.seconds = budget or LONGEST
        self._told = budget is not None
        self._bar = bar
        self._began = time.perf_counter()

    def suit(self, training: float) -> None:
        """Allow what suits a training that takes so many seconds, unless a budget was given."""
        if not self._told:
            self.seconds = float(np.clip(TIMES * training, SHORTEST, LONGEST))

    def tell(self, doing: str) -> None:
        """Say what is being done."""
        if self._bar is not None:
            self._bar.total = max(1, round(100 * self.seconds))
            self._bar.update(min(100 * self.spent, self._bar.total), lambda: doing)

    def limit(self, seconds: float) -> None:
        """Allow so many seconds from its start, instead of what was allowed."""
        self.seconds = seconds

    @property
    def spent(self) -> float:
        """Seconds since it was started."""
        return time.perf_counter() - self._began

    @property
    def left(self) -> float:
        """Seconds left, at least a hundredth of one."""
        return max(0.01, self.seconds - self.spent)

    @property
    def over(self) -> bool:
        """Whether none are left."""
        return self.spent >= self.seconds
