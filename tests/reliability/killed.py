"""A process whose children train or save, and are killed at random moments. See test_killed.py.

Children are forked from a process that has imported everything but started no thread, so that a kill costs
milliseconds and the fork loses nothing.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np

from unstuck import Dense, Dropout, Recipe, Run, train

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.where(np.sin(3 * X[:, 0]) + X[:, 1] > 0, "up", "down")
RECIPE = Recipe(
    [Dense(8, "relu"), Dropout(0.3), Dense(2, "softmax")],
    loss="categorical_crossentropy",
    batch_size=7,
    epochs=300,
    validation_fraction=0.2,
)


def bits(run: Run) -> str:
    """Return a hash of all that has to be equal, to the bit."""
    columns = [values.tobytes() for name, values in run.history.arrays().items() if name != "seconds"]
    parts = [run.final_parameters.tobytes(), run.best_parameters.tobytes(), *columns]
    return sha256(b"".join([*parts, f"{run.best_epoch} {run.stopped}".encode()])).hexdigest()


def in_a_child(work: Callable[[], None], kill_after: float | None = None) -> int:
    """Do some work in a forked child, killed after so many seconds; return its exit code, -9 if it was killed."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def trainings(folder: Path, kills: int) -> dict[str, object]:
    """Kill a training so often, going on from its checkpoint each time; where it gets done in between, begin again."""
    state, result = folder / "state", folder / "result"

    def whole() -> None:
        result.write_text(bits(train(RECIPE, X, Y, progress=False)))

    def part() -> None:
        run = train(RECIPE, X, Y, progress=False, checkpoint=state, checkpoint_seconds=0)
        result.write_text(bits(run))

    started = time.monotonic()
    assert in_a_child(part) == 0
    length = time.monotonic() - started
    state.unlink()
    assert in_a_child(whole) == 0
    expected = result.read_text()
    draw = random.Random(0)
    killed, results, strays = 0, [], set()
    while killed < kills:
        code = in_a_child(part, kill_after=draw.uniform(0, length / 4))
        assert code in (0, -signal.SIGKILL), code
        killed += code == -signal.SIGKILL
        strays |= {path.name for path in folder.iterdir()} - {"state", "result"}
        if code == 0:
            results.append(result.read_text())
            state.unlink()
    assert in_a_child(part) == 0
    results.append(result.read_text())
    left = sorted(path.name for path in folder.iterdir())
    return {"killed": killed, "same": [bit == expected for bit in results], "strays": sorted(strays), "left": left}


def savings(folder: Path, kills: int) -> dict[str, object]:
    """Kill a process that saves runs, one after the other; whatever has a run's name must be a whole one."""
    draw = random.Random(1)
    names = [0, 0]

    def save() -> None:
        run = train(RECIPE.replace(epochs=2), X, Y, progress=False)
        for k in range(10_000):
            run.save(folder / f"{killed}-{k}")

    killed = 0
    while killed < kills:
        assert in_a_child(save, kill_after=draw.uniform(0.03, 0.15)) == -signal.SIGKILL
        killed += 1

    def load() -> None:
        for path in folder.iterdir():
            whole = not path.name.startswith(".")
            names[whole] += 1
            if whole:
                Run.load(path)
        (folder / "counts").write_text(json.dumps(names))

    assert in_a_child(load) == 0
    half, whole = json.loads((folder / "counts").read_text())
    return {"killed": killed, "whole": whole, "half": half}


def import_everything(folder: Path) -> None:
    """Have everything imported that training, saving and loading import; the engine chosen has no threads."""
    run = train(RECIPE.replace(epochs=1), X, Y, engine="reference", checkpoint=folder / "state")
    run.save(folder / "run")
    Run.load(folder / "run")
    (folder / "state").unlink()
    shutil.rmtree(folder / "run")


if __name__ == "__main__":
    what, folder, kills = sys.argv[1:]
    import_everything(Path(folder))
    print(json.dumps({"trainings": trainings, "savings": savings}[what](Path(folder), int(kills))))
