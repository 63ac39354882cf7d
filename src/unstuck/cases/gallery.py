"""All cases, and how to run them: each training in a process of its own, as many at once as there are cores."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace

from unstuck.cases import case1_spiral, case2_dropout, case3_parabola, case4_xor, case5_mnist
from unstuck.cases.case import Case, Outcome

CASES: dict[int, Case] = {
    module.CASE.id: module.CASE for module in (case1_spiral, case2_dropout, case3_parabola, case4_xor, case5_mnist)
}

Outcomes = dict[int, dict[str, Outcome]]
"""The outcomes of each case's trainings, by the case's id and the training's name."""


def run_cases(ids: Iterable[int], started: Callable[[int], None], finished: Callable[[], None]) -> Outcomes:
    """Run all trainings of the cases.

    Args:
        ids: of the cases.
        started: told how many trainings there are.
        finished: told of each that is done.
    """
    jobs = [
        (number, name) for number in sorted(ids, reverse=True) for name in CASES[number].trainings
    ]  # long ones first
    started(len(jobs))
    found: dict[tuple[int, str], Outcome] = {}
    context = multiprocessing.get_context("spawn")  # safe beside threads
    with ProcessPoolExecutor(min(len(jobs), os.cpu_count() or 1), mp_context=context, initializer=_one_thread) as pool:
        futures = {pool.submit(_run, *job): job for job in jobs}
        try:
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                finished()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {number: {name: found[number, name] for name in CASES[number].trainings} for number in sorted(ids)}


def _one_thread() -> None:
    """Keep each process to one core; together they use them all."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _run(number: int, name: str) -> Outcome:
    began = time.perf_counter()
    outcome = CASES[number].trainings[name]()
    return replace(outcome, seconds=time.perf_counter() - began)
