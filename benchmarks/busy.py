"""Training on a busy machine: `python -m benchmarks.busy`.

W5's network, 784-300-10 with batches of 100, is trained with one and with two threads in turn, on two processors: first
undisturbed, then while a foreign process spins on one of the two, or on whichever the system gives it. A second thread
must not hurt: under the same load two threads may take at most 1.2 times as long as one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

LIMIT = 1.2
SPIN = "while True: pass"


@contextmanager
def foreign_load(processors: list[int]) -> Iterator[None]:
    """A process of its own that never rests, on these processors; on none, no process."""
    if not processors:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", SPIN]) as spinning:
        os.sched_setaffinity(spinning.pid, processors)
        try:
            time.sleep(0.2)  # until it spins
            yield
        finally:
            spinning.kill()


def measure(rows: int, repeats: int) -> dict[int, list[float]]:
    """Return the seconds of trainings with 1 and with 2 threads, taken in turn."""
    from benchmarks.ours import prepare
    from benchmarks.workloads import make

    workload = make("W5", rows / 180_000)  # of its three epochs of 60,000 rows
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(repeats):
        for threads, taken in seconds.items():
            os.environ["OMP_NUM_THREADS"] = str(threads)
            taken.append(prepare(workload, threads, "native")().seconds)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy", description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=60_000, help="to train on, from one record to the next")
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    available = sorted(os.sched_getaffinity(0))[:2]
    if len(available) < 2:
        sys.exit("two processors are needed; this process may use only one")
    os.sched_setaffinity(0, available)
    print(f"{'foreign process':<18} {'1 thread':>18} {'2 threads':>18} {'ratio':>7}   seconds, minimum and median")
    worst = 0.0
    for where, processors in (("none", []), ("on one processor", available[1:]), ("on either", available)):
        with foreign_load(processors):
            one, two = measure(given.rows, given.repeats).values()
        ratio = statistics.median(two) / statistics.median(one)
        worst = max(worst, ratio)
        cells = (f"{min(taken):>9.3f}{statistics.median(taken):>9.3f}" for taken in (one, two))
        print(f"{where:<18} {' '.join(cells)} {ratio:>7.2f}", flush=True)
    sys.exit(f"two threads are {worst:.2f} times as slow as one; at most {LIMIT} is granted" if worst > LIMIT else 0)


if __name__ == "__main__":
    main()
