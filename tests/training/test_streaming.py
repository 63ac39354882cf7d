"""Rows that are streamed train as rows in memory do, in a memory that does not grow with them."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.training.pausing import outcome, stop_after

from unstuck import (
    LBFGS,
    SGD,
    Adam,
    DataError,
    Dense,
    Dropout,
    EarlyStopping,
    FileError,
    Inputs,
    OptionError,
    Recipe,
    RecipeError,
    Run,
    Targets,
    train,
    train_many,
)
from unstuck.data import ArrayRows, ParquetRows
from unstuck.engines import ENGINES
from unstuck.training import streaming

ROWS, COLUMNS = 700, 4
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, COLUMNS)).astype(np.float32)
NUMBERS = np.sin(X @ RANDOM.normal(size=COLUMNS))
LABELS = np.where(X[:, 0] + X[:, 1] > 0, "up", "down")
TABLE = pl.DataFrame({f"x{i}": X[:, i] for i in range(COLUMNS)} | {"colour": RANDOM.choice(["red", "green"], ROWS)})

REGRESSION = Recipe([Dense(8, "relu"), Dropout(0.2), Dense(1)], loss="squared_error", batch_size=16, epochs=3)
CLASSIFICATION = Recipe(
    [Dense(8, "tanh"), Dense(2, "softmax")],
    loss="categorical_crossentropy",
    batch_size=16,
    epochs=3,
    inputs=Inputs(categories="one_hot"),
)


def write(folder: Path, table: pl.DataFrame, files: int = 3, group: int = 50) -> Path:
    """Write a table into so many files of unequal length."""
    folder.mkdir(exist_ok=True)
    ends = [
        0,
        *np.sort(np.random.default_rng(1).choice(np.arange(1, len(table)), files - 1, replace=False)),
        len(table),
    ]
    for number, (first, last) in enumerate(pairwise(ends)):
        table[int(first) : int(last)].write_parquet(folder / f"part-{number}.parquet", row_group_size=group)
    return folder


def assert_same(streamed: Run, in_memory: Run) -> None:
    """The same to the bit, except for what is summed part by part: losses and metrics of a record."""
    np.testing.assert_array_equal(streamed.final_parameters, in_memory.final_parameters)
    np.testing.assert_array_equal(streamed.history["loss"], in_memory.history["loss"])
    assert streamed.history.columns == in_memory.history.columns
    for name in set(streamed.history.columns) - {"seconds"}:
        np.testing.assert_allclose(streamed.history[name], in_memory.history[name], rtol=1e-9, err_msg=name)
    assert (streamed.inputs, streamed.targets) == (in_memory.inputs, in_memory.targets)


class TestTheSameAsInMemory:
    @pytest.mark.parametrize("engine", ENGINES)
    @pytest.mark.parametrize("batch_size", [1, 16, 4096])
    @pytest.mark.parametrize("shuffle", [True, False])
    def test_with_a_buffer_that_holds_all_rows(self, shuffle: bool, batch_size: int, engine: str) -> None:
        recipe = REGRESSION.replace(shuffle=shuffle, batch_size=batch_size)
        assert_same(
            train(recipe, ArrayRows(X, NUMBERS), engine=engine, progress=False),
            train(recipe, X, NUMBERS, engine=engine, progress=False),
        )

    @pytest.mark.parametrize("engine", ENGINES)
    @pytest.mark.parametrize("batch_size", [1, 16])
    def test_with_any_buffer_where_rows_are_not_shuffled(self, batch_size: int, engine: str) -> None:
        recipe = REGRESSION.replace(shuffle=False, batch_size=batch_size)
        rows = ArrayRows(X, NUMBERS, buffer_rows=100)
        assert_same(
            train(recipe, rows, engine=engine, progress=False), train(recipe, X, NUMBERS, engine=engine, progress=False)
        )

    @pytest.mark.parametrize("buffer_rows", [None, 100])
    @pytest.mark.parametrize("precision", ["float32", "float64"])
    def test_files_of_text_and_numbers(self, tmp_path: Path, precision: str, buffer_rows: int | None) -> None:
        recipe = CLASSIFICATION.replace(
            shuffle=buffer_rows is None,
            precision=precision,
            metrics=["accuracy", "balanced_accuracy", "f1_macro"],
            class_weights="balanced",
        )
        weights = RANDOM.uniform(0, 2, ROWS)
        folder = write(tmp_path / "parts", TABLE.with_columns(y=pl.Series(LABELS), w=weights))
        rows = ParquetRows(folder, target="y", weight="w", buffer_rows=buffer_rows)
        assert_same(
            train(recipe, rows, progress=False), train(recipe, TABLE, LABELS, sample_weight=weights, progress=False)
        )

    def test_numbers_scaled_and_missing_are_fitted_alike_but_for_rounding(self, tmp_path: Path) -> None:
        holes = TABLE.drop("colour").with_columns(
            pl.when(pl.col("x1") > 1).then(None).otherwise(pl.col("x1")).alias("x1")
        )
        recipe = REGRESSION.replace(
            inputs=Inputs(scaling="standard", missing="mean"),
            targets=Targets(scaling="standard"),
            precision="float64",
            shuffle=False,
            metrics=["r2", "rmse", "mae", "mape"],
        )
        y = 1e6 + 1e3 * NUMBERS
        rows = ParquetRows(write(tmp_path / "parts", holes.with_columns(y=y)), target="y", buffer_rows=100)
        streamed, in_memory = train(recipe, rows, progress=False), train(recipe, holes, y, progress=False)
        for name in ("fill", "shift", "scale"):
            np.testing.assert_allclose(getattr(streamed.inputs, name), getattr(in_memory.inputs, name), atol=1e-14)
        np.testing.assert_allclose(streamed.final_parameters, in_memory.final_parameters, rtol=1e-7, atol=1e-9)
        for name in ("training_loss", "r2", "rmse", "mae", "mape"):
            np.testing.assert_allclose(streamed.history[name], in_memory.history[name], rtol=1e-6)

    @pytest.mark.parametrize("engine", ENGINES)
    def test_stops_at_the_loss_where_it_does_in_memory(self, engine: str) -> None:
        change = {"stop_at_loss": 0.3, "optimizer": Adam(0.01), "epochs": 50, "record_every": 7}
        recipe = REGRESSION.replace(shuffle=False, measure_training=False, **change)
        rows = ArrayRows(X, NUMBERS, buffer_rows=100)
        streamed, in_memory = (train(recipe, *data, engine=engine, progress=False) for data in ((rows,), (X, NUMBERS)))
        assert streamed.stopped == "target loss"
        assert_same(streamed, in_memory)

    def test_several_targets(self, tmp_path: Path) -> None:
        Y = np.stack([NUMBERS, X[:, 0] ** 2], axis=1)
        table = TABLE.drop("colour").with_columns(a=Y[:, 0], b=Y[:, 1])
        recipe = REGRESSION.replace(layers=[Dense(8, "relu"), Dense(2)])
        streamed = train(recipe, ParquetRows(write(tmp_path / "parts", table), target=["a", "b"]), progress=False)
        assert_same(streamed, train(recipe, TABLE.drop("colour"), Y, progress=False))

    def test_a_mapped_file(self, tmp_path: Path) -> None:
        np.save(tmp_path / "X.npy", X)
        mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
        assert_same(
            train(REGRESSION, ArrayRows(mapped, NUMBERS), progress=False), train(REGRESSION, X, NUMBERS, progress=False)
        )

    def test_the_users_own_validation_rows(self) -> None:
        own = (X[:50], NUMBERS[:50])
        in_memory = train(REGRESSION, X, NUMBERS, validation=own, progress=False)
        for validation in (own, ArrayRows(*own)):
            assert_same(train(REGRESSION, ArrayRows(X, NUMBERS), validation=validation, progress=False), in_memory)


class TestARunOnADataset:
    def test_predicts_and_measures_what_it_does_in_memory(self, tmp_path: Path) -> None:
        recipe = CLASSIFICATION.replace(metrics=["accuracy", "f1_macro"])
        rows = ParquetRows(
            write(tmp_path / "parts", TABLE.with_columns(y=pl.Series(LABELS))), target="y", buffer_rows=100
        )
        run = train(recipe, rows, progress=False)
        np.testing.assert_array_equal(run.predict(rows), run.predict(TABLE))
        np.testing.assert_array_equal(run.predict_proba(rows), run.predict_proba(TABLE))
        assert run.evaluate(rows) == pytest.approx(run.evaluate(TABLE, LABELS), rel=1e-12)
        assert run.score(rows) == run.score(TABLE, LABELS)

    def test_says_what_does_not_fit(self, tmp_path: Path) -> None:
        table = TABLE.with_columns(y=pl.Series(LABELS))
        run = train(CLASSIFICATION.replace(metrics=["roc_auc"]), TABLE, LABELS, progress=False)
        with pytest.raises(OptionError, match="roc_auc ranks all rows at once"):
            run.evaluate(ParquetRows(write(tmp_path / "parts", table), target="y"))
        other = ParquetRows(write(tmp_path / "other", table.with_columns(y=pl.lit("left"))), target="y")
        with pytest.raises(DataError, match=r"in rows 0 to .*part-0.parquet: y holds 'left'"):
            train(CLASSIFICATION, TABLE, LABELS, progress=False).evaluate(other)


class Recorded(ArrayRows):
    """An array whose reading is watched: which rows, and on which thread."""

    def __init__(self, *arguments: object, **named: object):
        super().__init__(*arguments, **named)
        self.read_rows: list[int] = []
        self.threads: set[str] = set()

    def read(self, place):
        self.read_rows.append(place.first)
        self.threads.add(threading.current_thread().name)
        return super().read(place)


class TestTheShuffle:
    """What an engine sees is read off a fake of it: the numbers of the rows, which are their features."""

    def epochs(self, seed: int = 0, buffer_rows: int = 128, epochs: int = 3) -> list[list[np.ndarray]]:
        numbers = np.arange(ROWS, dtype=np.float64)[:, None]
        rows = ArrayRows(numbers, numbers[:, 0], buffer_rows=buffer_rows)
        recipe = Recipe([Dense(1)], loss="squared_error", batch_size=16, epochs=epochs, seed=seed, precision="float64")
        chosen = streaming.Chosen(rows)
        stream = streaming.StreamedRows(
            recipe, chosen, lambda block: streaming.Rows(block.X, block.y[:, None], None), 2, streaming.Reader()
        )
        buffers = -(-ROWS // stream.buffer_rows)
        found = [[stream.buffer(epoch, k).X[:, 0].copy() for k in range(buffers)] for epoch in range(epochs)]
        stream.close()
        return found

    def test_each_epoch_has_every_row_once(self) -> None:
        for epoch in self.epochs():
            assert [len(buffer) for buffer in epoch] == [128] * 5 + [ROWS - 5 * 128]
            np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), np.arange(ROWS))

    def test_blocks_change_places_and_rows_are_mixed_within_a_buffer(self) -> None:
        first, second = self.epochs(epochs=2)
        assert set(first[0]) != set(second[0])  # other blocks
        blocks = np.unique(first[0] // 16)
        assert len(blocks) >= 8  # several of them in a buffer
        changes = np.count_nonzero(np.diff(first[0] // 16))
        assert changes > 90  # neighbours are seldom of one block: 127 pairs, about 7 in 8 of them expected to differ

    def test_is_the_same_for_a_seed_and_differs_between_seeds(self) -> None:
        same, again, other = (np.concatenate(self.epochs(seed)[0]) for seed in (3, 3, 4))
        np.testing.assert_array_equal(same, again)
        assert (same != other).any()

    def test_learns_sorted_rows_as_well_as_a_full_shuffle(self) -> None:
        order = np.argsort(NUMBERS)
        recipe = REGRESSION.replace(layers=[Dense(16, "relu"), Dense(1)], epochs=60, optimizer=Adam(0.01))
        rows = ArrayRows(X[order], NUMBERS[order], buffer_rows=128)
        assert train(recipe, rows, progress=False).history.last()["r2"] > 0.95

    def test_another_thread_reads_each_block_once_an_epoch(self) -> None:
        rows = Recorded(X, NUMBERS, buffer_rows=160)
        train(REGRESSION.replace(measure_training=False, epochs=2), rows, progress=False)
        assert threading.current_thread().name not in rows.threads
        blocks = len(rows.places())
        assert len(rows.read_rows) == 3 * blocks  # the first time to fit the preprocessing


class TestHeldOutRows:
    recipe = REGRESSION.replace(validation_fraction=0.25, epochs=6, early_stopping=EarlyStopping(patience=2))

    def test_are_a_random_share_and_never_trained_on(self) -> None:
        rows = ArrayRows(np.arange(4000.0)[:, None], np.zeros(4000), buffer_rows=160)
        kept, held = (streaming.Chosen(rows, 0.25, 7, held=held) for held in (False, True))
        numbers = [
            np.concatenate([block.X[:, 0] for k in range(len(rows.places())) if (block := chosen.read(k)) is not None])
            for chosen in (kept, held)
        ]
        np.testing.assert_array_equal(np.sort(np.concatenate(numbers)), np.arange(4000))
        assert abs(len(numbers[1]) - 1000) < 4 * np.sqrt(4000 * 0.25 * 0.75)
        assert abs(np.mean(numbers[1]) - 2000) < 4 * 4000 / np.sqrt(12 * 1000)  # from everywhere

    def test_measure_and_stop_as_rows_of_ones_own(self, tmp_path: Path) -> None:
        rows = ArrayRows(X, NUMBERS, buffer_rows=100)
        kept, held = (streaming.Chosen(rows, 0.25, self.recipe.seed, held=held) for held in (False, True))
        mask = np.concatenate([np.isin(np.arange(p.first, p.first + p.rows), []) for p in rows.places()])
        for k, place in enumerate(rows.places()):
            if (block := held.read(k)) is not None:
                mask[place.first : place.first + place.rows] = (
                    (X[place.first : place.first + place.rows, None] == block.X).all(2).any(1)
                )
        recipe = self.recipe.replace(shuffle=False)
        streamed = train(recipe, rows, progress=False)
        in_memory = train(
            recipe.replace(validation_fraction=0.0),
            X[~mask],
            NUMBERS[~mask],
            validation=(X[mask], NUMBERS[mask]),
            progress=False,
        )
        assert len(kept) == np.count_nonzero(~mask)
        np.testing.assert_array_equal(streamed.final_parameters, in_memory.final_parameters)
        np.testing.assert_allclose(streamed.history["validation_loss"], in_memory.history["validation_loss"], rtol=1e-9)
        assert streamed.stopped == in_memory.stopped

    def test_too_few_rows_for_both_parts(self) -> None:
        with pytest.raises(DataError, match=r"3 rows with probability 0\.01 leaves 3 to train on and 0"):
            train(REGRESSION.replace(validation_fraction=0.01), ArrayRows(X[:3], NUMBERS[:3]))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [1, 16])
def test_resuming_gives_the_same_bits(engine: str, batch_size: int, tmp_path: Path) -> None:
    table = TABLE.drop("colour").with_columns(y=NUMBERS)
    rows = ParquetRows(write(tmp_path / "parts", table), target="y", buffer_rows=100)
    recipe = REGRESSION.replace(validation_fraction=0.2, batch_size=batch_size, epochs=2)
    whole = train(recipe, rows, engine=engine, progress=False)
    for pause in (1, 5, 9, 23):  # in the midst of buffers and of epochs
        with pytest.MonkeyPatch.context() as monkeypatch:
            stop_after(monkeypatch, pause)
            train(recipe, rows, engine=engine, progress=False, checkpoint=tmp_path / "kept")
    resumed = train(recipe, rows, engine=engine, progress=False, checkpoint=tmp_path / "kept")
    assert outcome(resumed) == outcome(whole)


def test_a_checkpoint_of_other_files_or_another_buffer_is_refused(tmp_path: Path) -> None:
    table = TABLE.drop("colour").with_columns(y=NUMBERS)
    folder = write(tmp_path / "parts", table)
    train(REGRESSION, ParquetRows(folder, target="y", buffer_rows=100), checkpoint=tmp_path / "kept", progress=False)
    with pytest.raises(FileError, match="another data"):
        train(REGRESSION, ParquetRows(folder, target="y", buffer_rows=200), checkpoint=tmp_path / "kept")
    write(folder, table.with_columns(x0=-pl.col("x0")))
    with pytest.raises(FileError, match="another data"):
        train(REGRESSION, ParquetRows(folder, target="y", buffer_rows=100), checkpoint=tmp_path / "kept")


def test_what_diverges_says_where() -> None:
    run = train(REGRESSION.replace(optimizer=SGD(1e30)), ArrayRows(X, NUMBERS, buffer_rows=100), progress=False)
    assert run.stopped == "diverged"
    assert "not finite at step" in run.failure
    assert np.isfinite(run.final_parameters).all()


class TestErrors:
    def folder(self, tmp_path: Path, **columns: object) -> Path:
        return write(tmp_path / "parts", TABLE.drop("colour").with_columns(y=NUMBERS, **columns))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"batch_size": "full"}, "batch_size.*all rows at once.*1024"),
            ({"batch_size": "full", "optimizer": LBFGS()}, "L-BFGS can have no other"),
            ({"inputs": Inputs(missing="median")}, 'missing=.median. needs all values.*write "mean"'),
            ({"metrics": ["roc_auc"]}, "roc_auc ranks all rows at once"),
            ({"metrics": ["accuracy"]}, "accuracy cannot be measured on numbers"),
        ],
    )
    def test_recipes_that_need_all_rows(self, change: dict, message: str) -> None:
        with pytest.raises(RecipeError, match=message):
            train(REGRESSION.replace(layers=[Dense(1)]).replace(**change), ArrayRows(X, NUMBERS))

    def test_arguments_that_do_not_go_with_a_stream(self) -> None:
        rows = ArrayRows(X, NUMBERS)
        with pytest.raises(OptionError, match="signals need the training rows in memory"):
            train(REGRESSION, rows, signals=True)
        with pytest.raises(OptionError, match="have y with them"):
            train(REGRESSION, rows, NUMBERS)
        with pytest.raises(OptionError, match="have sample_weight with them"):
            train(REGRESSION, rows, sample_weight=NUMBERS)
        with pytest.raises(OptionError, match="buffer_rows must be a positive number of rows; got 0"):
            ArrayRows(X, NUMBERS, buffer_rows=0)

    def test_what_needs_rows_in_memory(self) -> None:
        rows = ArrayRows(X, NUMBERS)
        with pytest.raises(DataError, match="the array X is read part by part, which only train"):
            train_many(REGRESSION, rows, NUMBERS, seeds=2)
        with pytest.raises(DataError, match="y is missing"):
            train(REGRESSION, X)

    def test_places_that_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match="no file"):
            ParquetRows(tmp_path / "nothing", target="y")
        with pytest.raises(FileError, match=r"has no files \*.parquet"):
            ParquetRows(tmp_path, target="y")
        with pytest.raises(FileError, match="empty"):
            ParquetRows([], target="y")
        (tmp_path / "text.parquet").write_text("no Parquet")
        with pytest.raises(FileError, match="no Parquet file, or damaged"):
            ParquetRows(tmp_path, target="y")

    def test_columns_that_are_none(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path)
        with pytest.raises(DataError, match="no column 'Y'; did you mean 'y'"):
            ParquetRows(folder, target="Y")
        with pytest.raises(DataError, match="there are no features"):
            ParquetRows(folder, target=["y", "x0", "x1", "x2"], weight="x3")

    def test_files_that_differ(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path)
        TABLE.head(3).with_columns(y=NUMBERS[:3]).write_parquet(folder / "other.parquet")
        with pytest.raises(DataError, match=r"'colour' is String in .*other.parquet, and is not in .*part-0"):
            ParquetRows(folder, target="y")

    def test_no_rows(self, tmp_path: Path) -> None:
        TABLE.head(0).write_parquet(tmp_path / "none.parquet")
        with pytest.raises(DataError, match="has no rows"):
            ParquetRows(tmp_path / "none.parquet", target="x0")

    @pytest.mark.parametrize(
        ("column", "value", "message"),
        [
            (
                "x2",
                None,
                r"in rows \d+ to \d+ of .*part-\d.parquet: X has missing values: 1 in column 'x2', first in row",
            ),
            ("x2", np.inf, "X holds infinite values"),
            ("y", None, "the target 'y' of .* is missing in 1 of"),
            ("y", np.nan, "y is NaN or infinite in 1 rows"),
        ],
    )
    def test_a_bad_value_is_found_before_the_training(
        self, tmp_path: Path, column: str, value: object, message: str
    ) -> None:
        bad = pl.when(pl.int_range(pl.len()) == 500).then(pl.lit(value, pl.Float64)).otherwise(pl.col(column))
        rows = ParquetRows(
            write(tmp_path / "parts", TABLE.drop("colour").with_columns(y=NUMBERS).with_columns(bad.alias(column))),
            target="y",
        )
        with pytest.raises(DataError, match=message):
            train(REGRESSION, rows, callbacks=[lambda row, w: pytest.fail("trained")], progress=False)

    def test_text_and_classes_that_do_not_fit(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "parts", TABLE.with_columns(y=pl.Series(LABELS)))
        rows = ParquetRows(folder, target="y")
        with pytest.raises(DataError, match="column 'colour' of X holds text"):
            train(CLASSIFICATION.replace(inputs=Inputs()), rows)
        with pytest.raises(DataError, match=r"y has 2 classes.*3 units"):
            train(CLASSIFICATION.replace(layers=[Dense(3, "softmax")]), rows)
        same = ParquetRows(write(tmp_path / "same", TABLE.with_columns(y=pl.lit("up"))), target="y")
        with pytest.raises(DataError, match="all 700 targets are 'up'"):
            train(CLASSIFICATION, same)
        with pytest.raises(DataError, match=r"fractions such as"):
            train(CLASSIFICATION, ArrayRows(X, NUMBERS))

    def test_weights_that_are_all_zero(self) -> None:
        with pytest.raises(DataError, match="all sample weights of the array X are zero"):
            train(REGRESSION, ArrayRows(X, NUMBERS, np.zeros(ROWS)))

    def test_a_missing_weight(self, tmp_path: Path) -> None:
        weights = pl.Series("w", [None, *[1.0] * (ROWS - 1)])
        rows = ParquetRows(self.folder(tmp_path, w=weights), target="y", weight="w")
        with pytest.raises(DataError, match=r"the weight 'w' of .*part-0\.parquet is missing in 1 of"):
            train(REGRESSION, rows)

    def test_hidden_files_are_passed_over(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path)
        for name in ("._part-0.parquet", "_metadata.parquet", "notes.txt"):
            (folder / name).write_text("no Parquet")
        assert len(ParquetRows(folder, target="y")) == ROWS

    def test_a_file_that_changes_under_the_training(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path)
        rows = ParquetRows(folder, target="y", buffer_rows=100)

        def replace(row: object, w: object) -> None:
            write(folder, TABLE.drop("colour").with_columns(y=NUMBERS).head(400))

        with pytest.raises(FileError, match="was changed while it was read"):
            train(REGRESSION, rows, callbacks=[replace], progress=False)


MEASURED = """
import sys
from pathlib import Path
import numpy as np
from unstuck import Dense, Inputs, Recipe, train
from unstuck.data import ArrayRows, ParquetRows

def resident(which):
    # ru_maxrss would begin with what the parent had
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(which))

place, buffer_rows = sys.argv[1], int(sys.argv[2])
mapped = place.endswith(".npy")
if mapped:
    X = np.load(place, mmap_mode="r")
    rows = ArrayRows(X, np.load(place.replace("X.npy", "y.npy")), buffer_rows=buffer_rows)
else:
    rows = ParquetRows(place, target="y", buffer_rows=buffer_rows)
recipe = Recipe(
    [Dense(4, "relu"), Dense(1)], loss="squared_error", batch_size=1024, epochs=2, validation_fraction=0.1,
    inputs=Inputs(scaling="standard"),
)
small = rows.__class__(X[:4096], np.zeros(4096)) if mapped else ParquetRows(place + "/part-0.parquet", target="y")
train(recipe, small, progress=False)  # what the libraries themselves need
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew from here
before = resident("VmHWM")
train(recipe, rows, progress=False)
print(resident("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("kind", ["parquet", "mapped"])
def test_memory_is_bounded_however_many_rows_there_are(kind: str, tmp_path: Path) -> None:
    rows, columns, files, buffer_rows = 65_536, 100, 10, 32_768  # 262 MB in all, and a buffer of 13 MB
    random = np.random.default_rng(0)
    parts = (random.standard_normal((rows, columns), dtype=np.float32) for _ in range(files))
    if kind == "parquet":
        place = tmp_path
        for number, part in enumerate([np.zeros((4096, columns), np.float32), *parts]):
            table = pl.DataFrame({f"x{i}": part[:, i] for i in range(columns)} | {"y": part[:, 0] ** 2})
            table.write_parquet(place / f"part-{number}.parquet", row_group_size=8192, compression="uncompressed")
    else:
        place = tmp_path / "X.npy"
        mapped = np.lib.format.open_memmap(place, "w+", np.float32, (rows * files, columns))
        for number, part in enumerate(parts):
            mapped[number * rows : (number + 1) * rows] = part
        np.save(tmp_path / "y.npy", np.zeros(rows * files))
        del mapped
    child = subprocess.run(
        [sys.executable, "-c", MEASURED, place, str(buffer_rows)], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) < 80_000  # kilobytes: two buffers, some blocks, and less than a third of the rows
