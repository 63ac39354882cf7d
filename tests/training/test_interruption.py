"""Ctrl-C, sent to a process of its own while it trains."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from unstuck import LBFGS, SGD, Dense, Recipe, train
from unstuck.training.interruption import interruptible

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

PROGRAM = """
import signal, sys, time
import numpy as np
from unstuck import Dense, Recipe, train

def begun(row, w):
    if row["epoch"] == 3:
        print("training", flush=True)
{more}
recipe = Recipe([Dense(20, "tanh"), Dense(1)], loss="squared_error", optimizer="{optimizer}", batch_size={batch_size},
                epochs=10**9)
X = np.random.default_rng(0).normal(size=(1000, 5))
usual = signal.getsignal(signal.SIGINT)
run = train(recipe, X, np.sin(X[:, 0]), callbacks=[begun])
ended = time.time()
assert signal.getsignal(signal.SIGINT) is usual
try:
    print(run.stopped, len(run.history) >= 3, np.isfinite(run.predict(X)).all(), ended, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted as usual", flush=True)
"""


@contextmanager
def begun(more="", optimizer="adam", batch_size=32):
    program = PROGRAM.format(more=more, optimizer=optimizer, batch_size=batch_size)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-W", "error", "-c", program], **pipes) as process:
        try:
            assert process.stdout.readline() == "training\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("optimizer", [SGD(), LBFGS()])
def test_not_one_more_update_after_ctrl_c(optimizer):
    recipe = Recipe([Dense(3, "tanh"), Dense(1)], loss="squared_error", optimizer=optimizer, batch_size="full")
    X = np.linspace(0, 1, 20)[:, None]

    def press_ctrl_c(row, w):
        if row["epoch"] == 3:
            signal.raise_signal(signal.SIGINT)

    run = train(recipe, X, X[:, 0] ** 2, callbacks=[press_ctrl_c])
    assert run.stopped == "interrupted"
    assert run.history["step"].tolist() == [1, 2, 3]
    assert run.final_parameters.tolist() == train(recipe.replace(epochs=3), X, X[:, 0] ** 2).final_parameters.tolist()


@pytest.mark.parametrize(("optimizer", "batch_size"), [("adam", 32), ("sgd", '"full"'), ("lbfgs", '"full"')])
def test_ctrl_c_returns_the_run_so_far_at_once(optimizer, batch_size):
    with begun(optimizer=optimizer, batch_size=batch_size) as process:
        pressed = time.time()
        process.send_signal(signal.SIGINT)
        stopped, recorded, finite, ended = process.stdout.readline().split()
        assert (stopped, recorded, finite) == ("interrupted", "True", "True")
        assert float(ended) - pressed < 2  # a few milliseconds, but machines that run tests are busy
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("interrupted as usual\n", "")


def test_a_second_ctrl_c_interrupts_what_the_first_one_waits_for():
    slow = "        while True: time.sleep(0.01)\n"
    with begun(more=slow) as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert out == ""
        assert err.endswith("KeyboardInterrupt\n")


def test_a_process_told_to_ignore_ctrl_c_goes_on_ignoring_it():
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible() as pressed:
            signal.raise_signal(signal.SIGINT)
            assert not pressed.is_set()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, usual)


def test_the_handler_is_restored_after_an_exception():
    usual = signal.getsignal(signal.SIGINT)
    recipe = Recipe([Dense(1)], loss="squared_error", epochs=2)
    with pytest.raises(ZeroDivisionError):
        train(recipe, [[1.0], [2.0]], [1.0, 2.0], callbacks=[lambda row, w: 1 / 0])
    assert signal.getsignal(signal.SIGINT) is usual


@pytest.mark.parametrize("optimizer", [SGD(), LBFGS()])
def test_a_thread_can_train(optimizer):
    recipe = Recipe([Dense(1)], loss="squared_error", optimizer=optimizer, batch_size="full", epochs=5)
    X = np.arange(6.0)[:, None]
    runs = []
    threads = [threading.Thread(target=lambda: runs.append(train(recipe, X, X[:, 0]))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs.append(train(recipe, X, X[:, 0]))
    assert len({run.final_parameters.tobytes() for run in runs}) == 1
    assert len(runs) == 3
