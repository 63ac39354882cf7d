"""Trainings in threads, in forked and in spawned processes: each function here asserts. See test_forks.py.

The wide network is large enough for two threads, the narrow one is trained row by row. OMP_NUM_THREADS is 2.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tests.reliability.killed import bits, in_a_child

from unstuck import Dense, Dropout, Recipe, train

X = np.random.default_rng(0).normal(size=(1024, 32))
Y = np.where(np.sin(3 * X[:, 0]) + X[:, 1] > 0, "up", "down")
RECIPES = {
    "wide": Recipe(
        [Dense(128, "relu"), Dropout(0.3), Dense(64, "tanh"), Dense(2, "softmax")],
        loss="categorical_crossentropy",
        batch_size=512,
        epochs=20,
    ),
    "narrow": Recipe([Dense(6, "relu"), Dense(1, "sigmoid")], "binary_crossentropy", batch_size=1, epochs=3),
    "full": Recipe([Dense(5, "tanh"), Dense(2, "softmax")], "categorical_crossentropy", batch_size="full", epochs=30),
}
NAMES = [*RECIPES] * 2


def trained(name: str) -> str:
    """Return a hash of what a training leaves behind."""
    return bits(train(RECIPES[name], X, Y, progress=False))


def by_pool(method: str) -> None:
    """Train in the children of a pool, after the parent has trained with two threads."""
    expected = [trained(name) for name in NAMES]
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(trained, NAMES) == expected


def by_loky() -> None:
    """Train in joblib's own processes."""
    expected = [trained(name) for name in NAMES]
    assert Parallel(n_jobs=2, backend="loky")(delayed(trained)(name) for name in NAMES) == expected


def by_threads() -> None:
    """Train in four threads at a time."""
    expected = [trained(name) for name in NAMES]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(trained, NAMES)) == expected
    threads = [threading.Thread(target=trained, args=("wide",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert Parallel(n_jobs=3, backend="threading")(delayed(trained)(name) for name in NAMES) == expected
    for thread in threads:
        thread.join()


def is_trained(expected: dict[str, str]) -> None:
    """Train everything again."""
    assert {name: trained(name) for name in expected} == expected


def beside_a_training() -> None:
    """Fork at moments at which another thread is somewhere in a training, with its own threads."""
    expected = {name: trained(name) for name in RECIPES}
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            trained("wide")

    others = [threading.Thread(target=go_on) for _ in range(2)]
    for other in others:
        other.start()
    draw = random.Random(0)
    for _ in range(20):
        time.sleep(draw.uniform(0, 0.02))
        assert in_a_child(lambda: is_trained(expected)) == 0
    over.set()
    for other in others:
        other.join()


def in_a_callback() -> None:
    """Fork in the middle of a training: the child begins others, and ends its own copy of this one."""
    expected = {name: trained(name) for name in RECIPES}
    for name, recipe in RECIPES.items():
        children = []

        def fork(row: dict[str, float], parameters: object, children: list[int] = children) -> None:
            if row["epoch"] == 2:
                assert in_a_child(lambda: is_trained(expected)) == 0
                children.append(os.fork())

        run = train(recipe, X, Y, progress=False, callbacks=[fork])
        same = bits(run) == expected[name]
        if children == [0]:
            os._exit(0 if same else 1)
        assert same
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0


def in_hooks() -> None:
    """Train where Python calls what was registered for a fork."""
    expected = {name: trained(name) for name in RECIPES}
    seen = []

    def check() -> None:
        seen.append({name: trained(name) for name in RECIPES} == expected)

    os.register_at_fork(before=check, after_in_parent=check, after_in_child=check)

    def child() -> None:
        assert seen == [True, True]

    assert in_a_child(child) == 0
    assert seen == [True, True]


def locked(folder: str) -> None:
    """Fork in a training with a checkpoint: the child does not keep its lock, nor takes it away."""
    state, children = Path(folder) / "state", []

    def fork(row: dict[str, float], parameters: object) -> None:
        if row["epoch"] == 2:
            children.append(os.fork())
            if children == [0]:
                raise KeyError("the child leaves through the training")

    try:
        train(RECIPES["full"], X, Y, progress=False, checkpoint=state, callbacks=[fork])
    except KeyError:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    state.unlink()
    ready, done = os.pipe()

    def die(row: dict[str, float], parameters: object) -> None:
        if row["epoch"] == 2:
            if os.fork() == 0:
                os.write(done, os.getpid().to_bytes(4))
                time.sleep(100)  # it outlives its parent
            signal.pause()  # until it is killed

    def begin() -> None:
        train(RECIPES["full"], X, Y, progress=False, checkpoint=state, callbacks=[die])

    parent = os.fork()
    if not parent:
        begin()
    grandchild = int.from_bytes(os.read(ready, 4))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    try:
        assert bits(train(RECIPES["full"], X, Y, progress=False, checkpoint=state)) == trained("full")
    finally:
        os.kill(grandchild, signal.SIGKILL)


def leave_daemons(seconds: str) -> None:
    """End while daemon threads train."""
    forever = RECIPES["wide"].replace(epochs=10**6)
    for _ in range(2):
        threading.Thread(target=train, args=(forever, X, Y), kwargs={"progress": False}, daemon=True).start()
    time.sleep(float(seconds))


def leave_by_a_callback() -> None:
    """End by an exit from within a training."""

    def leave(row: dict[str, float], parameters: object) -> None:
        if row["epoch"] == 3:
            sys.exit(7)

    train(RECIPES["wide"], X, Y, progress=False, callbacks=[leave])


def leave_at_once() -> None:
    """End without any of Python's endings, beside a training in another thread."""
    threading.Thread(target=trained, args=("wide",)).start()
    time.sleep(0.05)
    os._exit(7)


def leave_a_pool() -> None:
    """End while threads of a pool train, for which Python waits."""
    pool = ThreadPoolExecutor(2)
    for name in NAMES:
        pool.submit(lambda name=name: print(f"{trained(name)}\n", end=""))


if __name__ == "__main__":
    what: Callable[..., None] = globals()[sys.argv[1]]
    what(*sys.argv[2:])
