"""Cutting a training down to what dozens of trials can afford: fewer rows first, then fewer epochs."""

from __future__ import annotations

from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.trainings import Trained
from unstuck.recipe import Recipe

FEWEST_ROWS = 2000
SHARE = 0.07
"""Of the budget, which a single training of a trial may take."""


def cut_down(
    recipe: Recipe, problem: Problem, first: Trained, work: float, budget: float
) -> tuple[Recipe, Problem, str]:
    """Return a recipe and problem that train in their share of the budget, and what was left out, in words.

    Args:
        recipe: the subject.
        problem: what it is to learn.
        first: its first training; it may have been ended by the clock.
        work: processor seconds that it took. Seconds of the clock would cut more while others use the processors, too.
        budget: seconds of the whole diagnosis.
    """
    history = first.run.history
    done = 1.0
    if first.run.stopped == "time budget":
        done = max(float(history["epoch"][-1]) if len(history) else 0.5, 0.5) / recipe.epochs
    affordable = SHARE * budget / max(work / done, 1e-6)
    if affordable >= 1:
        return recipe, problem, ""
    whole = len(problem)
    smaller = problem.with_rows(max(FEWEST_ROWS, int(whole * affordable)))
    epochs = max(1, round(recipe.epochs * min(1.0, affordable * whole / len(smaller))))
    parts = [f"{len(smaller):,} of {whole:,} rows"] if len(smaller) < whole else []
    parts += [f"{epochs:,} of {recipe.epochs:,} epochs"] if epochs < recipe.epochs else []
    return recipe.replace(epochs=epochs), smaller, " and ".join(parts)
