"""The diagnosis of a recipe within a number of seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from unstuck.diagnosis.cure import Search
from unstuck.diagnosis.faults import examine
from unstuck.diagnosis.measure import measure
from unstuck.diagnosis.trainings import Clock
from unstuck.diagnosis.verdict import Diagnosis, decide, learns
from unstuck.recipe import Recipe
from unstuck.run import Run
from unstuck.training.progress import ProgressBar

FOR_TRIALS = 0.5
"""Of the budget, whatever measuring took."""


def diagnose_recipe(
    recipe: Recipe, X: Any, y: Any, budget: float | None, progress: bool, done: Run | None = None
) -> Diagnosis:
    """Measure, examine and try; see `diagnose`, and for `done` `measure`.

    NumPy's matrices are small here, and BLAS takes one thread for them: several wait for each other on a busy machine.
    """
    from threadpoolctl import threadpool_limits

    with ProgressBar("diagnosing", progress) as bar, np.errstate(all="ignore"), threadpool_limits(1, user_api="blas"):
        clock = Clock(budget, bar)
        evidence = measure(recipe, X, y, clock, done)
        clock.limit(max(clock.seconds, clock.spent + FOR_TRIALS * clock.seconds))
        findings = examine(evidence)
        if evidence.nothing or learns(evidence):
            return decide(evidence, findings, None, clock.spent)
        search = Search(evidence, findings, clock).run()
        said = decide(evidence, findings, search, clock.spent)
        if search.interrupted:
            said = replace(said, verdict=f"Interrupted, before all was tried. {said.verdict}", interrupted=True)
        return said
