"""Memory of a process that trains again and again: 1,400 trainings in CI, 14,000 by `make reliability`.

The slope of memory over trainings is that of Theil and Sen (P. K. Sen 1968, https://doi.org/10.2307/2285891), the
median over all pairs of samples: the steps in which a heap grows weigh no more than their share.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import theilslopes

FULL = int(os.environ.get("UNSTUCK_KILLS", "15")) >= 100
ROUNDS, LIMIT = (1000, 100) if FULL else (100, 1000)
"""Of the process, and the bytes a training that must not be lost: a shorter run sees less of what is settled late."""
PROGRAM = Path(__file__).parent / "repeated.py"

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")


def slope(rounds, leak):
    """Return the bytes by which the memory grows a training: the bounds of a confidence interval of 95 %."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-W", "ignore", str(PROGRAM), str(rounds), str(leak)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr
    trainings, *memory = map(int, done.stdout.split())
    settled = memory[rounds // 2 :]
    return theilslopes(settled, trainings * np.arange(len(settled)))[2:]


def test_training_again_and_again_does_not_let_the_memory_grow():
    _, upper = slope(ROUNDS, leak=0)
    assert upper < LIMIT


def test_a_leak_of_that_limit_is_seen():
    lower, _ = slope(ROUNDS, leak=2 * LIMIT)
    assert lower > LIMIT
