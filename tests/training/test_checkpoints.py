"""A training that was stopped, however rudely, goes on as if it had not been."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.pausing import outcome, stop_after

from unstuck import LBFGS, SGD, Dense, Dropout, EarlyStopping, FileError, Recipe, ReduceOnPlateau, train
from unstuck.engines import ENGINES
from unstuck.functions.optimizers import Optimizer
from unstuck.sealed import seal, unseal
from unstuck.training import checkpoints

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.where(np.sin(3 * X[:, 0]) + X[:, 1] > 0, "up", "down")

RECIPE = Recipe(
    [Dense(8, "relu"), Dropout(0.3), Dense(2, "softmax")],
    loss="categorical_crossentropy",
    optimizer="adam",
    batch_size=7,
    epochs=12,
    validation_fraction=0.2,
)
EVENTFUL = RECIPE.replace(
    optimizer={"kind": "adam", "learning_rate": 0.05},
    schedule=ReduceOnPlateau(drop=0.5, patience=1),
    early_stopping=EarlyStopping(patience=8, min_delta=0.001),
    epochs=60,
)
GRADIENT_DESCENT = sorted(set(Optimizer.family) - {"lbfgs"})


@pytest.mark.parametrize("recipe", [RECIPE.replace(optimizer=kind) for kind in GRADIENT_DESCENT] + [EVENTFUL])
@pytest.mark.parametrize("engine", ENGINES)
def test_resuming_gives_the_same_bits(recipe, engine, tmp_path):
    whole = train(recipe, X, Y, engine=engine, checkpoint=tmp_path / "whole")
    for pause in (1, 3, 7, 20, 31):  # 7 updates an epoch: in the midst of one, and at its end
        with pytest.MonkeyPatch.context() as monkeypatch:
            stop_after(monkeypatch, pause)
            part = train(recipe, X, Y, engine=engine, checkpoint=tmp_path / "parts")
        assert part.stopped == "time budget"
    resumed = train(recipe, X, Y, engine=engine, checkpoint=tmp_path / "parts")
    assert outcome(resumed) == outcome(whole) == outcome(train(recipe, X, Y, engine=engine))
    (arrays, texts), (same_arrays, same_texts) = unseal(tmp_path / "whole"), unseal(tmp_path / "parts")
    assert texts["descent"] == same_texts["descent"]
    for name in arrays.keys() - {"history.seconds"}:
        assert arrays[name].tobytes() == same_arrays[name].tobytes(), name


def test_the_eventful_training_is_one():
    run = train(EVENTFUL, X, Y)
    assert run.stopped == "early stopping"
    assert len(np.unique(run.history["learning_rate"])) > 2


@given(st.lists(st.integers(1, 25), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_any_pauses_give_the_same_bits(tmp_path_factory, pauses):
    path = tmp_path_factory.mktemp("checkpoint") / "state"
    for pause in pauses:
        with pytest.MonkeyPatch.context() as monkeypatch:
            stop_after(monkeypatch, pause)
            train(RECIPE, X, Y, checkpoint=path)
    assert outcome(train(RECIPE, X, Y, checkpoint=path)) == outcome(train(RECIPE, X, Y))


def test_seconds_add_up_over_the_sessions(tmp_path):
    recipe = RECIPE.replace(epochs=10**9)
    first = train(recipe, X, Y, checkpoint=tmp_path / "state", time_budget=0.05)
    second = train(recipe, X, Y, checkpoint=tmp_path / "state", time_budget=0.05)
    assert second.seconds >= first.seconds + 0.05
    assert (np.diff(second.history["seconds"]) > 0).all()


def test_a_finished_training_comes_back_at_once(tmp_path):
    run = train(RECIPE, X, Y, checkpoint=tmp_path / "state")
    content = (tmp_path / "state").read_bytes()
    calls = []
    again = train(RECIPE, X, Y, checkpoint=tmp_path / "state", callbacks=[lambda row, w: calls.append(row)])
    assert outcome(again) == outcome(run)
    assert again.history == run.history
    assert (again.predict(X) == run.predict(X)).all()
    assert calls == []
    assert (tmp_path / "state").read_bytes() == content


def test_a_diverged_training_stays_diverged(tmp_path):
    recipe = RECIPE.replace(
        layers=[Dense(5, "exponential"), Dense(5, "exponential"), Dense(1)],
        loss="squared_error",
        optimizer=SGD(10.0),
    )
    run = train(recipe, X, X[:, 0], checkpoint=tmp_path / "state")
    assert run.stopped == "diverged"
    assert outcome(train(recipe, X, X[:, 0], checkpoint=tmp_path / "state")) == outcome(run)


def test_pausing_between_the_update_that_breaks_and_the_next_keeps_the_parameters_before(tmp_path):
    recipe = Recipe([Dense(1)], loss="squared_error", optimizer=SGD(1e60), batch_size=15, precision="float64")
    whole = train(recipe, X, X[:, 0])
    assert whole.stopped == "diverged"
    assert np.isfinite(whole.final_parameters).all()
    for pause in range(1, 4):
        path = tmp_path / str(pause)
        with pytest.MonkeyPatch.context() as monkeypatch:
            stop_after(monkeypatch, pause)
            assert train(recipe, X, X[:, 0], checkpoint=path).stopped == "time budget"
        assert outcome(train(recipe, X, X[:, 0], checkpoint=path)) == outcome(whole)


@pytest.mark.parametrize("epoch", [2, 12])
def test_a_callback_that_raises_leaves_a_checkpoint_of_the_last_record(tmp_path, epoch):
    def fail(row, w):
        if row["epoch"] == epoch:
            raise RuntimeError("no disk, no network, no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        train(RECIPE, X, Y, checkpoint=tmp_path / "state", callbacks=[fail])
    arrays, _ = unseal(tmp_path / "state")
    assert arrays["history.epoch"][-1] == epoch
    assert outcome(train(RECIPE, X, Y, checkpoint=tmp_path / "state")) == outcome(train(RECIPE, X, Y))


def test_lbfgs_starts_over_unless_it_had_finished(tmp_path):
    recipe = RECIPE.replace(layers=[Dense(4, "tanh"), Dense(2, "softmax")], optimizer=LBFGS(), batch_size="full")
    with pytest.MonkeyPatch.context() as monkeypatch:
        stop_after(monkeypatch, 5)
        assert train(recipe, X, Y, checkpoint=tmp_path / "state").stopped == "time budget"
    resumed = train(recipe, X, Y, checkpoint=tmp_path / "state")
    assert outcome(resumed) == outcome(train(recipe, X, Y))
    content = (tmp_path / "state").read_bytes()
    assert outcome(train(recipe, X, Y, checkpoint=tmp_path / "state")) == outcome(resumed)
    assert (tmp_path / "state").read_bytes() == content


def test_checkpoints_are_written_as_often_as_asked(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(checkpoints, "write_whole", lambda path, content: written.append(path))
    train(RECIPE, X, Y, checkpoint=tmp_path / "state", checkpoint_seconds=0)
    every_epoch = len(written)
    train(RECIPE, X, Y, checkpoint=tmp_path / "state", checkpoint_seconds=3600)
    assert (every_epoch, len(written) - every_epoch) == (1 + 12 + 1, 1 + 1)


# Killed -------------------------------------------------------------------------------------------------------------

PROGRAM = """
import sys
from test_checkpoints import KILLED, X, Y, train
say = [lambda row, w: print("a record", flush=True)]
train(KILLED, X, Y, checkpoint=sys.argv[1], checkpoint_seconds=0, callbacks=say)
"""
KILLED = RECIPE.replace(epochs=400)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_killed_at_random_moments_it_goes_on_to_the_same_bits(tmp_path):
    path = tmp_path / "state"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    same_modules = ["-S"] if sys.flags.no_site else []  # without it, what is installed would come before that path
    draw = random.Random(0)
    kills = 0
    for _ in range(3):
        command = [sys.executable, *same_modules, "-c", PROGRAM, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            process.stdout.readline()
            time.sleep(draw.uniform(0.0, 0.15))
            process.kill()
        kills += process.returncode == -signal.SIGKILL
    assert kills == 3
    assert path.exists()
    for aside in tmp_path.iterdir():  # what the kill caught half-written has another name
        assert aside == path or aside.name.startswith(".state.")
    assert outcome(train(KILLED, X, Y, checkpoint=path)) == outcome(train(KILLED, X, Y))


# Wrong files --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "state"
    train(RECIPE, X, Y, checkpoint=path)
    return path.read_bytes()


def refused(path, recipe=RECIPE, X=X, Y=Y, **options):
    content = path.read_bytes() if path.is_file() else None
    with pytest.raises(FileError) as caught:
        train(recipe, X, Y, checkpoint=path, **options)
    assert (path.read_bytes() if path.is_file() else None) == content
    return str(caught.value)


def test_another_recipe_or_other_data(finished, tmp_path):
    path = tmp_path / "state"
    path.write_bytes(finished)
    assert "another recipe" in refused(path, RECIPE.replace(epochs=13))
    assert "other data" in refused(path, X=X + 1e-6)
    assert "other data" in refused(path, Y=np.where(Y == "up", "down", "up"))
    assert "other data" in refused(path, sample_weight=np.ones(60))
    assert "other data" in refused(path, validation=(X, Y))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_refused(finished, tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged-state"
    place = data.draw(st.integers(0, len(finished) - 1) | st.integers(0, 3000))
    if data.draw(st.booleans()):
        path.write_bytes(finished[:place])
    else:
        flipped = bytearray(finished)
        flipped[place] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(flipped)
    assert "damaged" in refused(path)


@given(st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_any_other_file_is_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "other-state"
    path.write_bytes(content)
    refused(path)


def test_a_checkpoint_of_a_newer_version_asks_for_an_upgrade(finished, tmp_path):
    path = tmp_path / "state"
    path.write_bytes(finished)
    arrays, texts = unseal(path)
    path.write_bytes(seal(arrays, texts | {"format": "unstuck checkpoint 2", "unstuck": "77.0"}))
    assert "saved by unstuck 77.0 in format 2" in refused(path)


def test_a_saved_run_is_no_checkpoint(tmp_path):
    train(RECIPE, X, Y).save(tmp_path / "run")
    assert "no checkpoint" in refused(tmp_path / "run" / "arrays.safetensors")


def test_a_file_that_cannot_be_written_is_noticed_before_training(tmp_path):
    (tmp_path / "file").write_text("mine")
    calls = []
    for path in (tmp_path, tmp_path / "file" / "state"):
        message = refused(path, callbacks=[lambda row, w: calls.append(row)])
        assert str(path) in message
    assert calls == []
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_write_protected_folder(tmp_path):
    path = tmp_path / "state"
    with pytest.MonkeyPatch.context() as monkeypatch:
        stop_after(monkeypatch, 5)
        train(RECIPE, X, Y, checkpoint=path)
    tmp_path.chmod(0o500)
    try:
        assert "Permission denied" in refused(path)
    finally:
        tmp_path.chmod(0o700)


def test_a_disk_that_fills_up_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "state"
    with pytest.MonkeyPatch.context() as stopping:
        stop_after(stopping, 5)
        train(RECIPE, X, Y, checkpoint=path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    calls = []
    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device" in refused(path, callbacks=[lambda row, w: calls.append(row)])
    assert calls == []
    assert list(tmp_path.iterdir()) == [path]
