from __future__ import annotations

import numpy as np
import pytest
from tests.diagnosis.faulty import NUMBERS, TWO, moons, quadrants, waves
from tests.diagnosis.test_learnable import flipped

from unstuck import SGD, Adam, Dense, train
from unstuck.diagnosis.diagnose import diagnose
from unstuck.diagnosis.loss_and_metric import loss_and_metric
from unstuck.history import History

EPOCHS = np.arange(1, 41)
FALLING, RISING = np.linspace(0.7, 0.3, 40), np.append(np.linspace(0.7, 0.4, 15), np.linspace(0.4, 0.9, 25))


def seen(losses, values, metric="accuracy"):
    (found,) = loss_and_metric(History({"epoch": EPOCHS, "training_loss": losses, metric: values}))
    return found


def test_a_loss_and_a_metric_that_go_together_leave_nothing_to_say():
    assert seen(FALLING, np.linspace(0.5, 0.9, 40)).text == ""
    assert seen(FALLING, np.linspace(3.0, 0.5, 40), "mae").text == ""


@pytest.mark.parametrize(("metric", "value"), [("accuracy", 0.6), ("r2", 0.1), ("mae", 3.0)])
def test_a_metric_that_does_not_follow_a_falling_loss_is_said(metric, value):
    found = seen(FALLING, np.full(40, value), metric)
    assert found.stands_still
    assert f"does not follow: {value:.3g} to {value:.3g}" in found.text


def test_a_metric_without_room_to_rise_does_not_stand_still():
    assert not seen(FALLING, np.ones(40)).stands_still


def test_a_metric_that_rises_with_the_loss_has_parted_from_it():
    found = seen(RISING, np.linspace(0.5, 0.9, 40))
    assert found.parted
    assert 12 <= found.epoch <= 17
    assert f"from epoch {found.epoch}" in found.text


def test_a_metric_that_gets_worse_with_the_loss_has_not():
    found = seen(RISING, np.append(np.linspace(0.5, 0.9, 15), np.linspace(0.9, 0.6, 25)))
    assert found.rises
    assert not found.parted
    assert "gets worse" in found.text


def test_errors_are_better_the_smaller_they_are():
    assert seen(RISING, np.linspace(3.0, 1.0, 40), "rmse").parted
    assert not seen(RISING, np.linspace(1.0, 3.0, 40), "rmse").parted


def test_a_single_dip_is_no_turning_point():
    losses = FALLING.copy()
    losses[20] = 0.01
    assert not seen(losses, np.linspace(0.5, 0.9, 40)).rises


def test_few_records_numbers_that_are_not_finite_and_no_metric_say_nothing():
    assert loss_and_metric(History({"epoch": EPOCHS[:4], "training_loss": FALLING[:4], "r2": FALLING[:4]})) == ()
    assert loss_and_metric(History({"epoch": EPOCHS, "training_loss": np.full(40, np.nan), "r2": FALLING})) == ()
    assert loss_and_metric(History({"epoch": EPOCHS, "training_loss": FALLING})) == ()
    assert loss_and_metric(History()) == ()


def test_the_metric_is_the_first_that_the_recipe_asks_for():
    history = History({"epoch": EPOCHS, "training_loss": FALLING, "accuracy": FALLING, "roc_auc": FALLING})
    assert loss_and_metric(history, ("roc_auc", "accuracy"))[0].metric == "roc_auc"
    assert loss_and_metric(history)[0].metric == "accuracy"


def test_held_out_rows_are_watched_and_change_no_training():
    recipe = TWO.replace(epochs=30)
    found = diagnose(recipe, *quadrants(), budget=20.0, progress=False).evidence
    assert [one.rows for one in found.agreement] == ["training", "held-out"]
    alone = train(recipe, found.problem.X, found.problem.y, progress=False)
    assert (found.first.run.final_parameters == alone.final_parameters).all()


def test_rows_that_would_decide_when_to_stop_are_not_brought_in():
    stopping = TWO.replace(early_stopping={"patience": 3})
    found = diagnose(stopping, *quadrants(), budget=20.0, progress=False).evidence
    assert "validation_loss" not in found.first.run.history


def test_a_network_that_grows_too_sure_of_noisy_labels_is_told_from_one_that_does_not():
    X, y = moons()
    large = TWO.replace(layers=(Dense(128, "relu"), Dense(128, "relu"), TWO.layers[-1]), epochs=200)
    sure = diagnose(large, X, flipped(y, 0.15), budget=20.0, progress=False).evidence.agreement[-1]
    assert sure.rows == "held-out"
    assert sure.rises
    calm = diagnose(TWO.replace(optimizer=Adam(0.003)), X, y, budget=20.0, progress=False).evidence.agreement[-1]
    assert not calm.rises


def test_a_loss_that_is_the_metric_goes_with_it():
    for optimizer in (Adam(0.01), SGD(0.01)):
        training = diagnose(NUMBERS.replace(optimizer=optimizer), *waves(), budget=20.0, progress=False)
        assert not training.evidence.agreement[0].parted
