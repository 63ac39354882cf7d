"""Our engines, as a user calls them: `unstuck.train` and `unstuck.train_many`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from benchmarks.peers import Trained
from benchmarks.workloads import Workload
from unstuck import train, train_many
from unstuck.arrays import Array


def prepare(workload: Workload, threads: int, engine: str) -> Callable[[], Trained]:
    X, y = workload.data.X, workload.data.y

    def one() -> Trained:
        run = train(workload.recipe, X, y, engine=engine, progress=False)
        return Trained(run.history["seconds"][-1], run.outputs)  # the Run's own clock: the updates, no preprocessing

    def many() -> Trained:
        started = time.perf_counter()
        runs = train_many(workload.recipe, X, y, seeds=workload.networks, engine=engine, progress=False)
        seconds = time.perf_counter() - started

        def outputs(X: Array) -> Array:
            return np.stack([run.outputs(X) for run in runs])

        return Trained(seconds, outputs)

    return one if workload.networks == 1 else many
