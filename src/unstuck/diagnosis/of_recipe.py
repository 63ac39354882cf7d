"""The diagnosis of a recipe within a number of seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from unstuck.diagnosis.cure import Search
from unstuck.diagnosis.faults import examine
from unstuck.diagnosis.measure import measure
from unstuck.diagnosis.trainings import Clock
from unstuck.diagnosis.verdict import Diagnosis, decide, learns
from unstuck.recipe import Recipe
from unstuck.training.progress import ProgressBar

TIMES, SHORTEST, LONGEST = 10, 4.0, 10.0
"""Unless the user says otherwise it may take so many times as long as a training, in seconds from ... to ..."""
FOR_TRIALS = 0.5
"""Of the budget, whatever measuring took."""


def diagnose_recipe(recipe: Recipe, X: Any, y: Any, budget: float | None, progress: bool) -> Diagnosis:
    """Measure, examine and try; see `diagnose`.

    NumPy's matrices are small here, and BLAS takes one thread for them: several wait for each other on a busy machine.
    """
    from threadpoolctl import threadpool_limits

    with ProgressBar("diagnosing", progress) as bar, np.errstate(all="ignore"), threadpool_limits(1, user_api="blas"):
        clock = Clock(budget or LONGEST, bar)
        evidence = measure(recipe, X, y, clock)
        seconds = clock.seconds
        if budget is None and not evidence.diverged:
            seconds = float(np.clip(TIMES * evidence.first.run.seconds, SHORTEST, LONGEST))
        clock.limit(max(seconds, clock.spent + FOR_TRIALS * seconds))
        findings = examine(evidence)
        if evidence.nothing or learns(evidence):
            return decide(evidence, findings, None, clock.spent)
        return decide(evidence, findings, Search(evidence, findings, clock).run(), clock.spent)
