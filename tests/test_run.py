from __future__ import annotations

import pickle
import tomllib
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

import unstuck
from unstuck import (
    SGD,
    DataError,
    Dense,
    Dropout,
    EarlyStopping,
    FileError,
    Inputs,
    MLPRegressor,
    Recipe,
    Run,
    Targets,
    train,
    train_many,
)
from unstuck.sealed import seal, unseal

random = np.random.default_rng(0)
X = random.normal(size=(60, 3))
NUMBERS = X @ [1.0, -2.0, 0.5]
TABLE = pl.DataFrame(
    {
        "age": [None if k % 7 == 0 else float(k) for k in range(60)],
        "  odd name=": random.normal(size=60),
        "town": [None if k % 11 == 0 else "Łódź" if k % 2 else ' "quoted", =\n ' for k in range(60)],
    }
)
CLASSES = Recipe([Dense(6, "tanh"), Dropout(0.2), Dense(3, "softmax")], loss="categorical_crossentropy", epochs=5)
LINEAR = Recipe([Dense(1)], loss="squared_error", optimizer={"kind": "adam", "learning_rate": 0.05}, epochs=20)

LABELS = {
    "text": np.array(["", "true", "ünïcödé\n"])[np.arange(60) % 3],
    "integers": np.array([-3, 0, 2**53 + 1])[np.arange(60) % 3],
    "floats": np.array([-1.0, 0.0, 5.0])[np.arange(60) % 3],
    "booleans": np.arange(60) % 2 == 0,
}


def reloaded(run, tmp_path):
    run.save(tmp_path / "run")
    again = Run.load(tmp_path / "run")
    for name in ("recipe", "inputs", "targets", "best_epoch", "history", "stopped", "failure", "seconds", "engine"):
        assert getattr(again, name) == getattr(run, name), name
    for name in ("final_parameters", "best_parameters"):
        assert getattr(again, name).dtype == getattr(run, name).dtype
        assert getattr(again, name).tobytes() == getattr(run, name).tobytes()
    return again


# Saved and loaded ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_type_survive(kind, tmp_path):
    units = 2 if kind == "booleans" else 3
    run = train(CLASSES.replace(layers=[Dense(6, "tanh"), Dense(units, "softmax")]), X, LABELS[kind])
    again = reloaded(run, tmp_path)
    assert again.predict(X).dtype == run.predict(X).dtype
    assert again.predict(X).tolist() == run.predict(X).tolist()
    assert set(again.predict(X).tolist()) <= set(LABELS[kind].tolist())
    assert again.predict_proba(X).tobytes() == run.predict_proba(X).tobytes()


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_tables_scaling_and_early_stopping_survive(precision, tmp_path):
    recipe = LINEAR.replace(
        inputs=Inputs(scaling="standard", missing="median", categories="one_hot"),
        targets=Targets(scaling="minmax"),
        validation_fraction=0.2,
        early_stopping=EarlyStopping(patience=2),
        class_weights=None,
        precision=precision,
    )
    run = train(recipe, TABLE, NUMBERS)
    again = reloaded(run, tmp_path)
    unseen = TABLE.with_columns(pl.lit("elsewhere").alias("town"))
    for table in (TABLE, unseen):
        assert again.predict(table).tobytes() == run.predict(table).tobytes()
    assert again.score(TABLE, NUMBERS) == run.score(TABLE, NUMBERS)


def test_class_weights_and_all_settings_survive(tmp_path):
    recipe = CLASSES.replace(class_weights={"": 1.5, "true": 2.0}, metrics=("f1_macro",), stop_at_loss=0.1)
    reloaded(train(recipe, X, LABELS["text"]), tmp_path)


def test_nan_in_the_history_survives(tmp_path):
    run = train(LINEAR, X[:1], NUMBERS[:1])
    assert np.isnan(run.history["r2"]).all()
    assert np.isnan(reloaded(run, tmp_path).history["r2"]).all()


def test_a_run_without_a_record_survives(tmp_path):
    again = reloaded(train(LINEAR, X, NUMBERS, time_budget=1e-9), tmp_path)
    assert len(again.history) == 0


def test_a_diverged_run_survives(tmp_path):
    run = train(LINEAR.replace(optimizer=SGD(1e30)), X, NUMBERS)
    assert reloaded(run, tmp_path).failure == run.failure != ""


def test_the_recipe_beside_the_arrays_can_be_trained_again(tmp_path):
    run = train(CLASSES, X, LABELS["text"])
    run.save(tmp_path / "run")
    recipe = Recipe.load(tmp_path / "run" / "recipe.toml")
    assert train(recipe, X, LABELS["text"]).final_parameters.tolist() == run.final_parameters.tolist()
    assert tomllib.loads((tmp_path / "run" / "run.toml").read_text("utf-8"))["stopped"] == "all epochs"


# Refused ------------------------------------------------------------------------------------------------------------

FILES = ("recipe.toml", "run.toml", "arrays.safetensors")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "run"
    train(CLASSES.replace(epochs=2), X, LABELS["text"]).save(folder)
    assert sorted(file.name for file in folder.iterdir()) == sorted(FILES)
    return {name: (folder / name).read_bytes() for name in FILES}


def write(folder, contents):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(saved, tmp_path, name):
    folder = write(tmp_path / "run", {other: saved[other] for other in FILES if other != name})
    with pytest.raises(FileError, match=name):
        Run.load(folder)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damage_anywhere_is_noticed(saved, tmp_path_factory, data):
    name = data.draw(st.sampled_from(FILES))
    content = saved[name]
    place = data.draw(st.integers(0, len(content) - 1))
    flipped = bytearray(content)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    damaged = data.draw(st.sampled_from([content[:place], bytes(flipped), content + b"\n", b"]garbled = ["]))
    folder = write(tmp_path_factory.getbasetemp() / "damaged-run", {**saved, name: damaged})
    with pytest.raises(FileError, match=name):
        Run.load(folder)


def test_parts_of_two_runs(saved, tmp_path):
    train(CLASSES.replace(epochs=3), X, LABELS["text"]).save(tmp_path / "other")
    other = (tmp_path / "other" / "arrays.safetensors").read_bytes()
    with pytest.raises(FileError, match="changed after the run was saved"):
        Run.load(write(tmp_path / "run", {**saved, "arrays.safetensors": other}))


def test_a_checkpoint_is_no_run(saved, tmp_path):
    train(CLASSES, X, LABELS["text"], checkpoint=tmp_path / "state")
    assert unseal(tmp_path / "state")
    with pytest.raises(FileError, match="holds no run"):
        Run.load(write(tmp_path / "run", {**saved, "arrays.safetensors": (tmp_path / "state").read_bytes()}))


def in_format(saved, folder, replaced):
    """Return a run saved by another version, as far as its run.toml says."""
    arrays, texts = unseal(write(folder, saved) / "arrays.safetensors")
    for old, new in replaced.items():
        assert old in texts["run.toml"]
        texts["run.toml"] = texts["run.toml"].replace(old, new)
    return write(folder, {name: text.encode() for name, text in texts.items()} | {FILES[2]: seal(arrays, texts)})


def test_a_run_of_a_newer_version_asks_for_an_upgrade(saved, tmp_path):
    replaced = {'"unstuck run 1"': '"unstuck run 2"', f'unstuck = "{unstuck.__version__}"': 'unstuck = "77.0"'}
    with pytest.raises(FileError, match=r"saved by unstuck 77\.0 in format 2.*reads format 1: upgrade unstuck"):
        Run.load(in_format(saved, tmp_path / "run", replaced))


def test_a_run_of_an_older_version_says_what_it_needs(saved, tmp_path):
    replaced = {'"unstuck run 1"': '"unstuck run 0"', f'unstuck = "{unstuck.__version__}"': 'unstuck = "0.0.1"'}
    with pytest.raises(FileError, match=r"saved by unstuck 0\.0\.1 in format 0.*with the version that saved it"):
        Run.load(in_format(saved, tmp_path / "run", replaced))


def test_a_run_from_before_the_version_was_noted_loads(saved, tmp_path):
    folder = in_format(saved, tmp_path / "run", {f'unstuck = "{unstuck.__version__}"\n': ""})
    assert Run.load(folder).stopped == "all epochs"


def test_no_folder_and_a_file_in_its_place(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "nowhere", str(tmp_path / "nowhere")):
        with pytest.raises(FileError, match="no such folder"):
            Run.load(path)
    with pytest.raises(FileError, match="file is no saved run: it is a file, and a run is saved as a folder"):
        Run.load(tmp_path / "file")


def test_the_runs_in_a_folder_are_named_where_it_is_no_run(tmp_path):
    run = train(LINEAR, X, NUMBERS)
    for name in ("second", "first"):
        run.save(tmp_path / "runs" / name)
    (tmp_path / "runs" / "third").mkdir()
    with pytest.raises(FileError, match=r"runs is no saved run, but has some in it: \S*runs.first, \S*runs.second$"):
        Run.load(tmp_path / "runs")


def test_an_existing_folder_is_left_alone(tmp_path):
    run = train(LINEAR, X, NUMBERS)
    (tmp_path / "run").mkdir()
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "run", tmp_path / "file"):
        with pytest.raises(FileError, match="exists already"):
            run.save(path)
    assert list((tmp_path / "run").iterdir()) == []
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_half_written(tmp_path, monkeypatch, name, error):
    run = train(LINEAR, X, NUMBERS)
    write_bytes = Path.write_bytes

    def fail(path, content):
        if path.name == name:
            write_bytes(path, content[:10])
            raise error
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(FileError if isinstance(error, OSError) else KeyboardInterrupt):
        run.save(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


# Predictions --------------------------------------------------------------------------------------------------------


def test_one_hot():
    run = train(CLASSES, X, LABELS["text"])
    probabilities = run.predict_proba(X)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert run.targets.classes == ("", "true", "ünïcödé\n")
    assert run.predict(X).tolist() == [run.targets.classes[k] for k in probabilities.argmax(axis=1)]
    assert run.score(X, LABELS["text"]) == np.mean(run.predict(X) == LABELS["text"])


@pytest.mark.parametrize(
    ("activation", "loss", "threshold"),
    [("sigmoid", "binary_crossentropy", 0.5), ("tanh", "hinge", 0.0)],
)
def test_two_classes_on_one_output(activation, loss, threshold):
    labels = np.where(NUMBERS > 0, "above", "below")
    recipe = LINEAR.replace(layers=[Dense(1, activation)], loss=loss, epochs=100)
    run = train(recipe, X, labels)
    A = run.outputs(X)
    assert run.predict(X).tolist() == np.where(A[:, 0] > threshold, "below", "above").tolist()
    probabilities = run.predict_proba(X)
    assert probabilities.shape == (60, 2)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == (run.predict(X) == "below")).all()
    assert run.score(X, labels) > 0.9


def test_numbers_with_the_scaling_undone():
    run = train(LINEAR.replace(targets=Targets(scaling="standard"), epochs=200), X, 1000 + 50 * NUMBERS)
    assert run.predict(X).shape == (60,)
    assert np.allclose(run.predict(X), 1000 + 50 * NUMBERS, atol=1)
    with pytest.raises(DataError, match="predict"):
        run.predict_proba(X)


def test_several_numbers_a_row():
    Y = np.column_stack([NUMBERS, -NUMBERS])
    run = train(LINEAR.replace(layers=[Dense(2)], epochs=200), X, Y)
    assert run.predict(X).shape == (60, 2)
    assert run.score(X, Y) > 0.99


def test_evaluate_gives_the_metrics_of_the_recipe():
    from sklearn import metrics

    labels = LABELS["integers"]
    names = ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc")
    run = train(CLASSES.replace(metrics=names), X, labels)
    values = run.evaluate(X, labels)
    assert tuple(values) == names
    assert values["f1_macro"] == metrics.f1_score(labels, run.predict(X), average="macro")
    assert values["roc_auc"] == metrics.roc_auc_score(labels, run.predict_proba(X), multi_class="ovr")
    assert run.score(X, labels) == values["accuracy"]
    one_class = run.evaluate(X[labels == 0], labels[labels == 0])
    assert np.isnan(one_class["roc_auc"])
    assert 0 <= one_class["accuracy"] <= 1


def test_labels_that_did_not_occur_in_training_count_as_wrong_unless_all_are_such():
    labels = LABELS["integers"]
    run = train(CLASSES, X, labels)
    assert run.score(X, np.where(labels == 0, 7, labels)) == np.mean((run.predict(X) == labels) & (labels != 0))
    with pytest.raises(
        DataError, match=r"no label of y occurred in training: y holds 'q', 'z', and the classes were -3"
    ):
        run.score(X, np.where(labels == 0, "q", "z"))
    with pytest.raises(DataError, match=r"y holds '-3', '0', .*; give y the type it had in training"):
        run.score(X, labels.astype(str))
    assert run.score(X, labels.astype(float)) == run.score(X, labels)


def test_targets_may_be_a_series_a_column_or_a_list():
    run = train(LINEAR, X, NUMBERS)
    for y in (pl.Series(NUMBERS), NUMBERS[:, None], NUMBERS.tolist()):
        assert run.score(X, y) == run.score(X, NUMBERS)


@pytest.mark.parametrize(
    ("bad_X", "message"), [(X[:, :2], "2 columns"), (X[0], "reshape"), (X[:0], "no rows"), (X * np.nan, "missing")]
)
def test_bad_features(bad_X, message):
    with pytest.raises(DataError, match=message):
        train(LINEAR, X, NUMBERS).predict(bad_X)


@pytest.mark.parametrize(("bad_y", "message"), [(NUMBERS[:3], "3 targets"), (5.0, "shape"), ([None] * 60, "objects")])
def test_bad_targets(bad_y, message):
    with pytest.raises(DataError, match=message):
        train(LINEAR, X, NUMBERS).evaluate(X, bad_y)


def test_weights_by_name_are_views_of_the_parameters():
    run = train(CLASSES, X, LABELS["text"])
    assert {name: W.shape for name, W in run.weights.items()} == {"W1": (3, 6), "b1": (6,), "W2": (6, 3), "b2": (3,)}
    assert sum(W.size for W in run.weights.values()) == run.parameters.size


def test_plot_shows_the_history():
    run = train(CLASSES.replace(validation_fraction=0.3), X, LABELS["text"])
    loss, accuracy = run.plot().axes
    assert loss.get_ylim()[0] == 0
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        training, validation, _ = axes.get_lines()
        assert training.get_ydata().tolist() == run.history[name].tolist()
        assert validation.get_ydata().tolist() == run.history[f"validation_{name}"].tolist()
    assert "3-6-3" in run.plot().get_suptitle()


def test_repr_says_how_it_went():
    assert repr(train(LINEAR, X, NUMBERS)).startswith("Run(stopped='all epochs', epoch=20, loss=")


def test_a_run_refers_to_what_it_was_trained_on_and_copies_nothing():
    for run in (train(LINEAR, X, NUMBERS), *train_many(LINEAR, X, NUMBERS, seeds=2)):
        assert run.data.X is X
        assert run.data.y is NUMBERS


def test_the_rows_are_not_pickled_with_the_run():
    run = train(LINEAR, X, NUMBERS)
    again = pickle.loads(pickle.dumps(run))
    assert again.data is None
    assert (again.predict(X) == run.predict(X)).all()
    many = np.repeat(X, 1000, axis=0)
    large = train(LINEAR.replace(epochs=1), many, many @ [1.0, 2.0, 3.0])
    assert len(pickle.dumps(large)) < many.nbytes / 10


def test_an_estimator_keeps_no_rows_unless_asked():
    model = MLPRegressor(max_iter=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert model.fit(X, NUMBERS).run_.data is None
