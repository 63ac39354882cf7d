"""A memory-mapped array trains as one in memory does, without being copied."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unstuck import LBFGS, SGD, DataError, Dense, Dropout, Inputs, Recipe, train
from unstuck.data import mapped
from unstuck.engines import ENGINES

ROWS, COLUMNS = 700, 4
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, COLUMNS)).astype(np.float32)
y = np.sin(X @ RANDOM.normal(size=COLUMNS))
RECIPE = Recipe([Dense(8, "relu"), Dropout(0.2), Dense(1)], loss="squared_error", batch_size=16, epochs=3)


@pytest.fixture
def as_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Map arrays, and take all that are mapped for too large to be copied, in parts of a few rows."""
    monkeypatch.setattr(mapped, "DENSE_BYTES", 0)
    for module in ("unstuck.training.prepare", "unstuck.engines.reference", "unstuck.run"):
        monkeypatch.setattr(sys.modules[module], "CHUNK", 64)
    numbers = iter(range(100))

    def map_array(array: np.ndarray, mode: str = "r") -> np.ndarray:
        file = tmp_path / f"{next(numbers)}.npy"
        np.save(file, array)
        return np.load(file, mmap_mode=mode)

    return map_array


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"batch_size": 1},
        {"batch_size": "full"},
        {"shuffle": False},
        {"validation_fraction": 0.2},
        {"precision": "float64"},
        {"inputs": Inputs(scaling="minmax")},
        {"inputs": Inputs(missing="median")},
        {"optimizer": LBFGS(), "batch_size": "full", "layers": [Dense(3, "tanh"), Dense(1)]},
    ],
)
def test_trains_as_in_memory(as_mapped, change: dict, engine: str) -> None:
    recipe = RECIPE.replace(**change)
    from_file, in_memory = (train(recipe, rows, y, engine=engine, progress=False) for rows in (as_mapped(X), X))
    np.testing.assert_array_equal(from_file.final_parameters, in_memory.final_parameters)
    for name in set(in_memory.history.columns) - {"seconds"}:  # the loss of all rows is summed part by part
        np.testing.assert_allclose(from_file.history[name], in_memory.history[name], rtol=1e-12, err_msg=name)
    np.testing.assert_array_equal(from_file.predict(as_mapped(X)), in_memory.predict(X))


@pytest.mark.parametrize("fraction", [0.0, 0.2])
def test_a_bad_row_is_counted_from_the_beginning(as_mapped, fraction: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["unstuck.data.inputs"], "CHECKED_ROWS", 64)
    one_bad = X.copy()
    one_bad[600, 2] = np.nan
    with pytest.raises(DataError, match="1 in column 'x2', first in row 600 "):
        train(RECIPE.replace(validation_fraction=fraction), as_mapped(one_bad), y)


def test_scales_as_in_memory_but_for_rounding(as_mapped) -> None:
    recipe = RECIPE.replace(inputs=Inputs(scaling="standard", missing="mean"), precision="float64")
    holes = np.where(X > 2, np.nan, X + 1000)
    from_file, in_memory = (train(recipe, rows, y, progress=False) for rows in (as_mapped(holes), holes))
    for name in ("fill", "shift", "scale"):
        np.testing.assert_allclose(getattr(from_file.inputs, name), getattr(in_memory.inputs, name), rtol=1e-10)
    np.testing.assert_allclose(from_file.final_parameters, in_memory.final_parameters, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.bool_])
def test_of_whole_numbers(as_mapped, dtype: type) -> None:
    whole = np.abs(X * 10).astype(dtype)
    from_file, in_memory = (train(RECIPE, rows, y, progress=False) for rows in (as_mapped(whole), whole))
    np.testing.assert_array_equal(from_file.final_parameters, in_memory.final_parameters)


def test_what_was_changed_in_a_private_map_is_kept(as_mapped) -> None:
    private = as_mapped(X, mode="c")
    private[:] = 2 * X
    run = train(RECIPE, private, y, progress=False)
    np.testing.assert_array_equal(private, 2 * X)
    np.testing.assert_array_equal(run.final_parameters, train(RECIPE, 2 * X, y, progress=False).final_parameters)


@pytest.mark.parametrize("where", ["training", "validation"])
def test_a_missing_value_is_found_before_the_training(as_mapped, where: str) -> None:
    bad = X.copy()
    bad[600, 2] = np.nan
    rows = (X, (as_mapped(bad), y)) if where == "validation" else (bad, None)
    with pytest.raises(DataError, match="X has missing values: 1 in column 'x2'"):
        train(RECIPE, as_mapped(rows[0]), y, validation=rows[1], callbacks=[lambda *_: pytest.fail("trained")])


def test_goes_on_from_a_checkpoint(as_mapped, tmp_path: Path) -> None:
    file = tmp_path / "kept"
    part = train(RECIPE, as_mapped(X), y, checkpoint=file, time_budget=1e-9, progress=False)
    assert part.stopped == "time budget"
    whole = train(RECIPE, as_mapped(X), y, checkpoint=file, progress=False)
    np.testing.assert_array_equal(whole.final_parameters, train(RECIPE, X, y, progress=False).final_parameters)


def test_what_diverges_says_where(as_mapped) -> None:
    run = train(RECIPE.replace(optimizer=SGD(1e30)), as_mapped(X), y, progress=False)
    assert run.stopped == "diverged"
    assert "not finite at step" in run.failure


LIMITED = """
import resource, sys
import numpy as np
from unstuck import Dense, Inputs, Recipe, train

X = np.load(sys.argv[1], mmap_mode="r")
recipe = Recipe(
    [Dense(4, "relu"), Dense(1)], loss="squared_error", batch_size=8192, epochs=1, validation_fraction=0.1,
    inputs=Inputs(scaling="standard"),
)
train(recipe, X[:20_000], np.zeros(20_000), progress=False)
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (1024 * used + int(sys.argv[2]),) * 2)
run = train(recipe, X, np.zeros(len(X)), progress=False)
run.predict(X)
print(run.stopped)
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="RLIMIT_DATA counts allocated memory, and not mapped files, on Linux"
)
@pytest.mark.parametrize(("limit", "enough"), [(120_000_000, True), (10_000_000, False)])
def test_memory_does_not_hold_a_copy(tmp_path: Path, limit: int, enough: bool) -> None:
    rows, columns = 700_000, 100  # 280 MB, and twice that after scaling
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (rows, columns))
    for first in range(0, rows, 100_000):
        X[first : first + 100_000] = np.random.default_rng(first).standard_normal((100_000, columns), dtype=np.float32)
    del X
    call = [sys.executable, "-c", LIMITED, tmp_path / "X.npy", str(limit)]
    child = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (child.stdout.strip() == "all epochs") is enough, child.stderr
    assert enough or "MemoryError" in child.stderr
