"""One candidate on one workload, in a process of its own, with so many threads and no more processors than threads.

    echo 0.1 | python -m benchmarks.worker pytorch W2 1

Every line of standard input is a scale; the answer is a line of JSON: seconds, loss and so on, of one training.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
ROWS_EVALUATED = 10_000


def limit(threads: int) -> None:
    """Has to come before NumPy and the like are loaded."""
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, str(threads)))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


class Worker:
    def __init__(self, candidate: str, name: str, threads: int):
        self.candidate, self.name, self.threads = candidate, name, threads
        self.scale = 0.0

    def answer(self, scale: float) -> dict[str, Any]:
        """Train once. Only when the scale is new, prepare before that and evaluate after it: it repeats itself."""
        from benchmarks.workloads import make

        changed = scale != self.scale
        if changed:
            self.workload, self.scale = make(self.name, scale), scale
            self.train = self.program()(self.workload, self.threads)
        trained = self.train()
        if changed:
            self.found = {
                "share": self.workload.share,
                "remark": trained.remark,
                "exact": trained.exact,
                **self.evaluation(trained.outputs),
            }
        return {"seconds": float(trained.seconds), **self.found}

    def program(self) -> Callable[..., Callable[[], Any]]:
        from benchmarks.peers import PEERS

        if self.candidate in PEERS:
            return importlib.import_module(PEERS[self.candidate]).prepare
        from functools import partial

        from benchmarks.ours import prepare

        return partial(prepare, engine=self.candidate)

    def evaluation(self, outputs: Callable[[Any], Any]) -> dict[str, float]:
        """Return the loss on the training rows, for several networks its mean, and the test error if there is one."""
        import numpy as np

        loss, data = self.workload.recipe.loss, self.workload.data
        X, Y = (part[:ROWS_EVALUATED] for part in self.workload.XY)
        A = np.asarray(outputs(X), dtype=np.float64).reshape(-1, *Y.shape)
        found = {"loss": float(np.mean([loss.value(Y.astype(np.float64), of_one) for of_one in A]))}
        if data.X_test is not None:
            predicted = np.asarray(outputs(data.X_test)).argmax(axis=1)
            found["test_error"] = float(np.mean(predicted != data.y_test))
        return found


def main() -> None:
    candidate, name, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    limit(threads)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not get among the answers
    worker = Worker(candidate, name, threads)
    for line in sys.stdin:
        try:
            answer = worker.answer(float(line))
        except ModuleNotFoundError as error:
            answer = {"missing": str(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
