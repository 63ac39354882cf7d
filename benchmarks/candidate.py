"""A candidate as the benchmark sees it: a worker process that trains on demand."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
SETTLING_SECONDS = 0.3
"""The threads of a library go on spinning for a while, on the processors that the next candidate needs."""


class Unavailable(Exception):  # noqa: N818  # often no error: a peer that is not installed
    """Why a candidate cannot run."""


@dataclass(frozen=True)
class Answer:
    """Of one training: its seconds, the share it was of the whole workload, and what came out; see worker.py."""

    seconds: float
    share: float
    loss: float
    remark: str
    exact: bool
    test_error: float | None = None

    @property
    def full_seconds(self) -> float:
        """What the whole workload would take at this pace."""
        return self.seconds / self.share


class Candidate:
    """One candidate on one workload with so many threads."""

    def __init__(self, name: str, workload: str, threads: int):
        self.name = name
        self.losses: dict[float, float] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name, workload, str(threads)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, scale: float) -> None:
        """Have it train once, without waiting for it."""
        try:
            print(scale, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise Unavailable("its process has died") from None

    def answer(self, scale: float) -> Answer:
        """Wait for the training that was asked for.

        Raises:
            Unavailable: when it cannot run.
        """
        line = self._process.stdout.readline()
        if not line:
            raise Unavailable("its process has died; what it said is above")
        found = json.loads(line)
        if "missing" in found:
            raise Unavailable(found["missing"])
        answer = Answer(**found)
        self.losses[scale] = answer.loss
        return answer

    def train(self, scale: float) -> Answer:
        time.sleep(SETTLING_SECONDS)
        self.ask(scale)
        return self.answer(scale)

    def loss_at(self, scale: float) -> float:
        """Return the loss that it reaches at that scale, which is the same every time."""
        return self.losses[scale] if scale in self.losses else self.train(scale).loss
