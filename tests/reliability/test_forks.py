"""The compiled engine in threads, in forked and in spawned processes; a deadlock fails by its timeout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "forks.py"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork")


def ended(what, *arguments):
    paths = [str(PROGRAM.parents[2]), *filter(None, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "2"}
    environment["OPENBLAS_NUM_THREADS"] = "1"
    command = [sys.executable, str(PROGRAM), what, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def passes(what, *arguments):
    done = ended(what, *arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_children_of_multiprocessing_train_to_the_bits_of_their_parent(method):
    passes("by_pool", method)


def test_children_of_loky_train_to_the_bits_of_their_parent():
    passes("by_loky")


def test_threads_train_beside_each_other_to_the_same_bits():
    passes("by_threads")


def test_a_child_forked_beside_a_training_trains():
    passes("beside_a_training")


def test_a_child_forked_within_a_training_trains_and_goes_on_with_its_own_copy():
    passes("in_a_callback")


def test_a_fork_may_train_in_its_hooks():
    passes("in_hooks")


def test_a_child_does_not_keep_the_lock_of_a_training_nor_take_it_away(tmp_path):
    passes("locked", str(tmp_path))


@pytest.mark.parametrize("seconds", ["0.2", "0.33", "0.5"])
def test_a_process_ends_while_its_daemon_threads_train(seconds):
    done = ended("leave_daemons", seconds)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("what", ["leave_by_a_callback", "leave_at_once"])
def test_a_process_ends_from_within_a_training(what):
    done = ended(what)
    assert (done.returncode, done.stderr) == (7, "")


def test_a_process_waits_for_the_trainings_of_its_pool():
    done = ended("leave_a_pool")
    assert (done.returncode, done.stderr, len(done.stdout.split())) == (0, "", 6)
