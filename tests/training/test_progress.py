"""The progress bar, on terminals that are not there."""

from __future__ import annotations

import io
import sys

import pytest

from unstuck import Dense, Recipe, train, train_many
from unstuck.training import progress

RECIPE = Recipe([Dense(1)], loss="squared_error", epochs=50)
X = [[1.0], [2.0], [3.0]]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    for name, value in {"TERM": "xterm", "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def training_on(monkeypatch, screen, **options):
    with monkeypatch.context() as replacing:
        replacing.setattr(sys, "stderr", screen)
        run = train(RECIPE, X, [1.0, 2.0, 3.0], **options)
    return run, screen.getvalue()


def test_a_long_training_shows_loss_and_metric(monkeypatch):
    run, text = training_on(monkeypatch, Terminal())
    assert "training" in text
    assert f"loss {run.history['loss'][-1]:.4g}" in text
    assert f"r2 {run.history['r2'][-1]:.4g}" in text
    assert "100%" in text


def test_several_networks_share_one_bar(monkeypatch):
    screen = Terminal()
    with monkeypatch.context() as replacing:
        replacing.setattr(sys, "stderr", screen)
        train_many(RECIPE.replace(stop_at_loss=1e9), X, [1.0, 2.0, 3.0], seeds=3)
    text = screen.getvalue()
    assert "training 3 networks" in text
    assert "100%" in text


def test_a_short_one_shows_nothing(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 60.0)
    assert training_on(monkeypatch, Terminal())[1] == ""


def test_it_can_be_silenced(monkeypatch):
    assert training_on(monkeypatch, Terminal(), progress=False)[1] == ""


def test_logs_stay_clean(monkeypatch):
    assert training_on(monkeypatch, io.StringIO())[1] == ""


def test_workers_side_by_side_draw_nothing(monkeypatch):
    monkeypatch.setattr(progress, "parent_process", lambda: "the one that started this")
    assert training_on(monkeypatch, Terminal())[1] == ""


def test_what_callbacks_print_goes_where_it_is_meant_to(monkeypatch, capsys):
    _, text = training_on(monkeypatch, Terminal(), callbacks=[lambda row, w: print("printed")])
    assert capsys.readouterr().out == 50 * "printed\n"
    assert "printed" not in text
