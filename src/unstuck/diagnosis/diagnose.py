"""diagnose(): why a network does not learn, proven by experiment."""

from __future__ import annotations

from typing import Any

import numpy as np

from unstuck.diagnosis.cure import Search
from unstuck.diagnosis.faults import examine
from unstuck.diagnosis.measure import measure
from unstuck.diagnosis.trainings import Clock
from unstuck.diagnosis.verdict import Diagnosis, decide, learns
from unstuck.errors import OptionError
from unstuck.recipe import Recipe
from unstuck.training.progress import ProgressBar

TIMES, SHORTEST, LONGEST = 10, 4.0, 10.0
"""Unless the user says otherwise it may take so many times as long as a training, in seconds from ... to ..."""


def diagnose(recipe: Recipe, X: Any, y: Any, *, budget: float | None = None, progress: bool = True) -> Diagnosis:
    """Find out why a recipe does not learn, and what makes it.

    Args:
        recipe: the network and its training.
        X: features, an array (n, i) or a table of n rows.
        y: targets, n labels or numbers, or an array (n, o).
        budget: seconds that it may take, about; None for ten times as long as the recipe trains, from 4 to 10.
        progress: show what is being done when it takes longer than a second.

    Raises:
        DataError: when the data cannot be used.
        RecipeError: when recipe and data do not fit.
    """
    if budget is not None and not budget > 0:
        raise OptionError(f"budget must be a positive number of seconds; got {budget}")
    with ProgressBar("diagnosing", progress) as bar, np.errstate(all="ignore"):
        clock = Clock(budget or LONGEST, bar)
        evidence = measure(recipe, X, y, clock)
        if budget is None and not evidence.diverged:
            clock.limit(float(np.clip(TIMES * evidence.first.run.seconds, SHORTEST, LONGEST)))
        findings = examine(evidence)
        if evidence.nothing or learns(evidence):
            return decide(evidence, findings, None, clock.spent)
        return decide(evidence, findings, Search(evidence, findings, clock).run(), clock.spent)
