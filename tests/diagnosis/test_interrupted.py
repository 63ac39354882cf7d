"""Ctrl-C during a diagnosis: no half training is taken for a whole one, and what was found is kept."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from tests.diagnosis.diagnosed import RECIPES, X, Y

from unstuck import SGD, diagnose
from unstuck.diagnosis import cure, trainings
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.trainings import train_all


def pressing_after(calls, monkeypatch, module, name):
    """Press Ctrl-C in the midst of a later call's trainings."""
    real, made = getattr(module, name), []

    def pressing(*arguments, **options):
        made.append(1)
        if len(made) > calls:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, pressing)


def test_a_training_that_was_interrupted_is_none(monkeypatch):
    real = trainings.train_many

    def pressed(*arguments, **options):
        return [replace(run, stopped="interrupted") for run in real(*arguments, **options)]

    monkeypatch.setattr(trainings, "train_many", pressed)
    recipe = RECIPES["learns"]
    with pytest.raises(KeyboardInterrupt):
        train_all([recipe], Problem.of(recipe, X, Y))


def test_what_was_tried_until_ctrl_c_is_kept_and_said(monkeypatch):
    pressing_after(3, monkeypatch, cure, "run_trials")
    found = diagnose(RECIPES["too slow"], X, Y, budget=2.0, progress=False)
    assert found.interrupted
    assert found.verdict.startswith("Interrupted, before all was tried. The loss ends at")
    assert found.trials
    assert found.cure is None
    assert found.to_data()["interrupted"] is True
    assert np.isfinite(found.measured.loss)


def test_ctrl_c_before_anything_is_known_ends_the_diagnosis(monkeypatch):
    pressing_after(0, monkeypatch, trainings, "train_many")
    with pytest.raises(KeyboardInterrupt):
        diagnose(RECIPES["too slow"], X, Y, budget=2.0, progress=False)


def test_where_nothing_could_be_tried_nothing_is_called_well(monkeypatch):
    pressing_after(0, monkeypatch, cure, "run_trials")
    found = diagnose(RECIPES["learns"].replace(optimizer=SGD(2e-3)), X, Y, budget=2.0, progress=False)
    assert 0.5 < found.evidence.share < 0.95
    assert found.interrupted
    assert found.state == "does not learn"
    assert "It learns" not in found.verdict
