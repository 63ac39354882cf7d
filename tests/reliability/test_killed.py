"""kill -9 at random moments: 15 in CI, 100 by `make reliability`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("UNSTUCK_KILLS", "15"))
PROGRAM = Path(__file__).parent / "killed.py"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def outcome(what, folder):
    command = [sys.executable, str(PROGRAM), what, str(folder), str(KILLS)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    environment["OPENBLAS_NUM_THREADS"] = "1"
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_killed_training_always_goes_on_to_the_same_bits(tmp_path):
    found = outcome("trainings", tmp_path)
    assert found["killed"] == KILLS
    assert found["same"] == [True] * len(found["same"]) != []
    assert all(name.startswith(".state.") for name in found["strays"])
    assert found["left"] == ["result", "state"]  # what the kills left half-written has been cleared away


def test_a_killed_process_leaves_no_half_saved_run(tmp_path):
    found = outcome("savings", tmp_path)
    assert found["killed"] == KILLS
    assert found["whole"] > KILLS
