"""Faults of code are proven by training the person's functions with and without them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.diagnosis.code import networks
from tests.diagnosis.code.networks import NUMBERS, X, classifier, descent, in_columns, regression, softmax

from unstuck import HandWritten, OptionError, SubjectError
from unstuck.cases import case2_dropout, case4_xor, case5_mnist
from unstuck.diagnosis.diagnose import diagnose

BUDGET = 3.0


def certainties(diagnosis):
    return {finding.fault: finding.certainty for finding in diagnosis.findings}


def test_right_code_learns_and_nothing_is_said_of_it():
    diagnosis = diagnose(in_columns(), budget=BUDGET)
    assert diagnosis.state == "learns"
    assert diagnosis.findings == ()
    assert diagnosis.gradient.right
    assert "The gradient is right" in diagnosis.verdict


def test_a_climbing_gradient_is_proven_and_mended():
    diagnosis = diagnose(in_columns(sign=-1.0), budget=BUDGET)
    assert diagnosis.state == "does not learn"
    assert certainties(diagnosis)["wrong_gradient"] in ("proven", "contributes")
    (trial,) = diagnosis.code_trials
    assert trial.p < 0.01
    assert np.median(trial.after) < np.median(trial.before)
    assert "gradient[2] = delta2 @ a1.T" in diagnosis.lines
    assert json.loads(diagnosis.to_json())["code_trials"][0]["fault"] == "wrong_gradient"
    assert "gradient[2] = delta2 @ a1.T" in str(diagnosis)
    assert "gradient[2] = delta2 @ a1.T" in diagnosis.to_html()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_step_that_climbs_is_the_cause_though_certain_predictions_have_no_loss(seed):
    diagnosis = diagnose(networks.of_the_sign(seed=seed), budget=BUDGET)
    assert diagnosis.state == "does not learn"
    assert diagnosis.findings[0].fault == "not_updated"
    assert all(np.isfinite(trial.after).all() for trial in diagnosis.code_trials)


def test_a_step_that_climbs_is_the_cause_though_the_gradient_would_learn():
    diagnosis = diagnose(networks.of_the_sign(known=False), budget=BUDGET)
    assert diagnosis.gradient.recognised is None
    assert diagnosis.state == "does not learn"
    assert diagnosis.findings[0].fault == "not_updated"
    assert "climbs" in diagnosis.verdict


def test_a_factor_of_the_whole_gradient_is_wrong_and_costs_nothing():
    diagnosis = diagnose(in_columns(sign=2.0), budget=BUDGET)
    assert diagnosis.state == "learns"
    assert certainties(diagnosis)["wrong_gradient"] == "not the cause"
    assert "2 times that of the loss, which is a factor of the learning rate" in diagnosis.verdict
    assert diagnosis.code_trials == ()  # that needs no trial, however fast the machine is


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_a_factor_that_makes_the_rate_wrong_is_told_as_the_rate(factor):
    def gradient(p, X, Y):
        return {name: factor * part for name, part in inner._gradient(p, X, Y).items()}

    inner = classifier()
    subject = HandWritten(
        networks.weights(4, 8, 3),
        loss=inner._loss,
        gradient=gradient,
        step=lambda p, X, Y: descent(p, gradient(p, X, Y)),
        data=(X, networks.Y),
    )
    diagnosis = diagnose(subject, epochs=200, budget=BUDGET)
    assert diagnosis.state in ("does not learn", "needs longer")
    assert diagnosis.findings[0].fault in (("rate_too_low", "too_few_steps") if factor < 1 else ("rate_too_high",))
    assert certainties(diagnosis)["wrong_gradient"] == "not the cause"
    assert any("learning rate" in line for line in diagnosis.ruled_out)


def test_predictions_of_the_start_are_no_sign_of_learning():
    start = networks.weights(4, 8, 3)
    subject = HandWritten(
        start,
        loss=classifier()._loss,
        gradient=classifier()._gradient,
        predict=lambda p, X: np.tanh(X @ start["W1"] + start["b1"]) @ start["W2"] + start["b2"],
        data=(X, networks.Y),
    )
    diagnosis = diagnose(subject, budget=BUDGET)
    assert diagnosis.state == "does not learn"
    assert diagnosis.findings[0].fault == "other_predictions"
    assert diagnosis.cure is not None


def test_targets_of_another_shape_are_proven():
    diagnosis = diagnose(regression(compare=lambda a, y: a - y), budget=BUDGET)
    assert certainties(diagnosis)["broadcasting"] in ("proven", "contributes")
    (trial,) = diagnosis.code_trials
    assert trial.scores[0] < 0.1 < 0.9 < trial.scores[1]
    assert np.median(trial.before) == pytest.approx(np.var(NUMBERS), rel=0.01)  # the mean is all that it can learn


def test_an_optimizer_that_nobody_chose_is_no_finding():
    random = np.random.default_rng(5)
    X = random.uniform(-1, 1, size=(150, 2))
    y = X[:, 0] * X[:, 1] * 3
    random = np.random.default_rng(0)
    start = {"W1": random.normal(size=(2, 10)) / 2, "b1": np.zeros(10), "W2": random.normal(size=(10, 1)) / 2}

    def loss(p, X, y):
        return np.mean((np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] - y) ** 2)

    def gradient(p, X, y):
        h = np.tanh(X @ p["W1"] + p["b1"])
        delta2 = 2 * (h @ p["W2"] - y).mean(axis=1, keepdims=True) / len(X)
        delta1 = delta2 @ p["W2"].T * (1 - h**2)
        return {"W1": X.T @ delta1, "b1": delta1.sum(axis=0), "W2": h.T @ delta2}

    def predict(p, X):
        return np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"]

    diagnosis = diagnose(HandWritten(start, loss=loss, gradient=gradient, predict=predict, data=(X, y)))
    assert diagnosis.findings[0].fault == "broadcasting"
    assert "optimizer" not in certainties(diagnosis)
    assert "optimizer" not in diagnosis.verdict


def test_a_softmax_over_the_rows_is_proven():
    diagnosis = diagnose(classifier(activation=lambda z: softmax(z, axis=0)), budget=BUDGET)
    assert certainties(diagnosis)["rows_mixed"] in ("proven", "contributes")
    assert diagnosis.code_trials[0].matters


def test_a_step_that_moves_nothing_is_proven():
    diagnosis = diagnose(classifier(step=lambda p, g: dict(p)), budget=BUDGET)
    assert certainties(diagnosis)["not_updated"] in ("proven", "contributes")
    (trial,) = diagnosis.code_trials
    assert trial.rates[0] is None
    assert trial.before[0] == pytest.approx(classifier().cost(classifier().w))


def test_a_step_that_leaves_one_bias_is_no_cause():
    diagnosis = diagnose(classifier(step=lambda p, g: descent(p, g) | {"b1": p["b1"]}), budget=BUDGET)
    assert certainties(diagnosis).get("not_updated") in ("not the cause", "contributes")
    assert diagnosis.state in ("learns", "learns in spite of a fault")


def test_a_step_is_compared_at_its_own_rate():
    diagnosis = diagnose(classifier(step=lambda p, g: descent(p, g) | {"W1": p["W1"]}), budget=BUDGET)
    (trial,) = diagnosis.code_trials
    assert trial.rates == (None, pytest.approx(0.5))


def test_a_network_that_is_not_recognised_is_judged_by_its_own_training():
    diagnosis = diagnose(networks.with_logits(), budget=BUDGET)
    assert diagnosis.evidence is None
    assert diagnosis.state == "learns"
    assert "By its own functions" in diagnosis.verdict
    assert "By its own functions" in str(diagnosis)
    assert "It learns" in diagnosis.to_html()
    with pytest.raises(SubjectError, match="not recognised"):
        diagnosis.plot()
    json.dumps(diagnosis.to_data())


def test_what_cannot_be_judged_is_said():
    assert "was not judged" in diagnose(networks.with_data_inside(), budget=BUDGET).verdict


def test_two_wrong_signs_come_to_the_same():
    diagnosis = diagnose(networks.RIGHT["two wrong signs"](), budget=BUDGET)
    assert diagnosis.findings == ()
    assert "comes to the same" in diagnosis.verdict


def test_predictions_that_are_no_array_are_done_without():
    subject = HandWritten(
        networks.weights(4, 8, 3),
        loss=classifier()._loss,
        gradient=classifier()._gradient,
        predict=lambda p, X: (X @ p["W1"], softmax(X @ p["W1"] @ p["W2"])),
        data=(X, networks.Y),
    )
    assert diagnose(subject, budget=BUDGET).state == "learns"


def test_an_infinite_loss_is_said_and_nothing_is_trained():
    start = networks.weights(4, 8, 3)
    start["W2"] = start["W2"] * 1e4
    diagnosis = diagnose(classifier(start=start), budget=BUDGET)
    assert diagnosis.state == "does not learn"
    assert [finding.fault for finding in diagnosis.findings] == ["loss_not_finite"]
    assert diagnosis.code_trials == ()


def test_data_and_settings_go_where_they_belong():
    with pytest.raises(OptionError, match="came with its data"):
        diagnose(in_columns(), X=X, y=X)
    with pytest.raises(OptionError, match="depends on the data"):
        diagnose(case4_xor.recipe(2))
    with pytest.raises(OptionError, match="its own optimizer"):
        diagnose(case4_xor.recipe(2), X, X, epochs=3)
    with pytest.raises(OptionError, match="budget"):
        diagnose(in_columns(), budget=-1)


# The five cases -----------------------------------------------------------------------------------------------------


def test_case_2_is_its_two_mistakes():
    diagnosis = diagnose(case2_dropout.subject(), **case2_dropout.TRAINING, budget=30)
    assert [mistake.text for mistake in diagnosis.gradient.mistakes] == [
        "layer 1: the derivative of the relu is left out",
        "layer 1: the scale of the dropout mask is forgotten on the way back, 2",
    ]
    assert diagnosis.findings[0].fault == "wrong_gradient"


def test_case_4_is_disconnected():
    diagnosis = diagnose(case4_xor.subject(), **case4_xor.TRAINING, budget=4)
    assert diagnosis.findings[0].fault == "disconnected"
    (trial,) = diagnosis.code_trials
    assert np.median(trial.before) == pytest.approx(np.log(2), abs=1e-6)
    assert trial.scores[0] == 0.5 < trial.scores[1]


def test_case_5_is_its_mistakes_and_they_cost_little():
    diagnosis = diagnose(case5_mnist.subject(rows=100), **case5_mnist.TRAINING, budget=4)
    assert set(diagnosis.gradient.wrong) == {"W1", "b1", "W2", "b2"}
    assert len(diagnosis.gradient.mistakes) == 5  # three derivatives, and the penalty in weights and in biases
