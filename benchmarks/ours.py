"""Our engines, as a user calls them: `unstuck.train`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.peers import Trained
from benchmarks.workloads import Workload
from unstuck import Recipe, Run, train
from unstuck.arrays import Array


def prepare(workload: Workload, threads: int, engine: str) -> Callable[[], Trained]:
    def trained(recipe: Recipe) -> Run:
        return train(recipe, workload.data.X, workload.data.y, engine=engine, progress=False)

    def one() -> Trained:
        run = trained(workload.recipe)
        return Trained(run.history["seconds"][-1], run.outputs)  # the Run's own clock: the updates, no preprocessing

    def many() -> Trained:
        os.environ["OMP_NUM_THREADS"] = "1"  # for each network
        started = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            runs = list(pool.map(trained, workload.recipes))
        seconds = time.perf_counter() - started

        def outputs(X: Array) -> Array:
            return np.stack([run.outputs(X) for run in runs])

        return Trained(seconds, outputs)

    return one if workload.networks == 1 else many
