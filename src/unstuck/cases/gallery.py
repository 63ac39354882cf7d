"""All cases, and how to run them: as many trainings at once as there are cores, each on one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from unstuck.cases import case1_spiral, case2_dropout, case3_parabola, case4_xor, case5_mnist
from unstuck.cases.case import Case, Outcome

MODULES = (case1_spiral, case2_dropout, case3_parabola, case4_xor, case5_mnist)
CASES: dict[int, Case] = {module.CASE.id: module.CASE for module in MODULES}

Outcomes = dict[int, dict[str, Outcome]]
"""The outcomes of each case's trainings, by the case's id and the training's name."""


def run_cases(ids: Iterable[int], begun: Callable[[int], None], advanced: Callable[[], None]) -> Outcomes:
    """Run all trainings of the cases.

    Args:
        ids: of the cases.
        begun: told how many trainings there are.
        advanced: told of each that is done.
    """
    from joblib import Parallel, delayed, parallel_config

    chosen = sorted(ids)
    jobs = [(number, name) for number in reversed(chosen) for name in CASES[number].trainings]  # the longest first
    begun(len(jobs))
    found: dict[tuple[int, str], Outcome] = {}
    with parallel_config(backend="loky", inner_max_num_threads=1):
        for job, outcome in Parallel(n_jobs=-1, return_as="generator_unordered")(delayed(_run)(*job) for job in jobs):
            found[job] = outcome
            advanced()
    return {number: {name: found[number, name] for name in CASES[number].trainings} for number in chosen}


def _run(number: int, name: str) -> tuple[tuple[int, str], Outcome]:
    began = time.perf_counter()
    outcome = CASES[number].trainings[name]()
    return (number, name), replace(outcome, seconds=time.perf_counter() - began)
