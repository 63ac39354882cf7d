"""A fault put into somebody's code is seen as what it is, and right code is not accused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from tests.diagnosis.code import networks
from tests.diagnosis.code.networks import (
    LABELS,
    NUMBERS,
    RIGHT,
    X,
    Y,
    classifier,
    descent,
    in_columns,
    regression,
    sigmoid,
    softmax,
    weights,
)

from unstuck import HandWritten
from unstuck.diagnosis.code.evidence import look
from unstuck.diagnosis.code.faults import examine
from unstuck.diagnosis.finding import LISTED


def findings(subject):
    return {finding.fault: finding for finding in examine(look(subject)) if finding.suspicion >= LISTED}


def told(subject, fault):
    """Return what is said of a fault, which has to be the first finding."""
    found = findings(subject)
    assert next(iter(found), None) == fault, found
    return found[fault].text + " " + "; ".join(found[fault].evidence + tuple(fix.text for fix in found[fault].fixes))


@pytest.mark.parametrize("name", RIGHT)
def test_right_code_is_not_accused(name):
    assert findings(RIGHT[name]()) == {}


def test_examining_leaves_the_global_random_numbers_alone():
    np.random.seed(3)  # noqa: NPY002
    wanted = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    look(networks.with_random_dropout())
    assert np.random.rand() == wanted  # noqa: NPY002


# A wrong gradient ---------------------------------------------------------------------------------------------------


def test_a_derivative_left_out_is_told_with_the_right_line():
    def gradient_of(p, X, Y):
        h = np.tanh(X @ p["W1"] + p["b1"])
        delta2 = (softmax(h @ p["W2"] + p["b2"]) - Y) / len(X)
        delta1 = delta2 @ p["W2"].T
        return {"W1": X.T @ delta1, "b1": delta1.sum(axis=0), "W2": h.T @ delta2, "b2": delta2.sum(axis=0)}

    def loss(p, X, Y):
        return -np.mean(np.sum(Y * np.log(softmax(np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])), axis=1))

    text = told(HandWritten(weights(4, 8, 3), loss=loss, gradient=gradient_of, data=(X, Y)), "wrong_gradient")
    assert "2 of 4 arrays: W1, b1" in text
    assert "the derivative of the tanh is left out" in text
    assert "delta1 = (delta2 @ W2.T) * (1 - a1**2)" in text
    assert "dW2" not in text


def test_minus_the_gradient_climbs():
    assert "climbs" in told(in_columns(sign=-1.0), "wrong_gradient")
    assert "climbs" in told(classifier(delta=lambda a, Y: (Y - a) / len(Y), step=descent), "wrong_gradient")


def test_a_factor_is_no_climb():
    assert "climbs" not in told(in_columns(sign=2.0), "wrong_gradient")


def test_probabilities_of_zero_make_the_usual_delta_no_mistake():
    start = weights(4, 8, 3)
    start["W2"] = start["W2"] * 1e3
    loss_of = lambda a, Y: -np.mean(np.sum(Y * np.log(a + 1e-12), axis=1))  # noqa: E731
    subject = classifier(start=start, loss_of=loss_of)
    assert (subject.outputs(subject.w) == 0).any()
    assert findings(subject) == {}


# A loss that does not see the network -------------------------------------------------------------------------------


def test_a_loss_of_predictions_computed_before_is_disconnected():
    start = weights(4, 8, 3)
    before = softmax(np.tanh(X @ start["W1"]) @ start["W2"])
    subject = HandWritten(
        start,
        loss=lambda p, X, Y: -np.mean(np.sum(Y * np.log(before[: len(X)]), axis=1)),
        predict=lambda p, X: softmax(np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]),
        data=(X, Y),
    )
    assert "does not change with the parameters at all" in told(subject, "disconnected")


def test_with_a_penalty_such_a_loss_still_is():
    start = weights(4, 8, 3)
    before = softmax(np.tanh(X @ start["W1"]) @ start["W2"])
    subject = HandWritten(
        start,
        loss=lambda p, X, Y: -np.mean(np.sum(Y * np.log(before[: len(X)]), axis=1)) + 0.1 * np.sum(p["W1"] ** 2),
        gradient=lambda p, X, Y: {name: 0.2 * p[name] * (name == "W1") for name in p},
        data=(X, Y),
    )
    assert "by its penalty only" in told(subject, "disconnected")


def test_a_gradient_of_the_penalty_alone_is_disconnected():
    subject = classifier()
    alone = HandWritten(
        weights(4, 8, 3),
        loss=lambda p, X, Y: subject._loss(p, X, Y) + 0.1 * sum(np.sum(part**2) for part in p.values()),
        gradient=lambda p, X, Y: {name: 0.2 * part for name, part in p.items()},
        data=(X, Y),
    )
    assert "of the penalty alone" in told(alone, "disconnected")


def test_an_array_that_nothing_reads_is_told():
    start = weights(4, 8, 3) | {"W0": np.ones((8, 8))}
    inner = classifier()
    subject = HandWritten(
        start,
        loss=inner._loss,
        gradient=lambda p, X, Y: inner._gradient(p, X, Y) | {"W0": np.zeros((8, 8))},
        data=(X, Y),
    )
    assert "does not depend on W0" in told(subject, "unused_parameters")


# A step -------------------------------------------------------------------------------------------------------------


def test_a_step_that_forgets_an_array_is_told():
    text = told(classifier(step=lambda p, g: descent(p, g) | {"W1": p["W1"]}), "not_updated")
    assert "never moves W1" in text
    assert "W1 -= rate * dW1" in text


def test_a_step_that_moves_nothing_is_told():
    assert "never moves W1, b1, W2, b2" in told(classifier(step=lambda p, g: dict(p)), "not_updated")


def test_a_step_that_adds_a_right_gradient_climbs():
    assert "climbs" in told(classifier(step=lambda p, g: descent(p, g, rate=-0.5)), "not_updated")


def test_rates_of_their_own_for_each_array_are_told():
    step = lambda p, g: {name: p[name] - (5.0 if name[0] == "b" else 0.1) * g[name] for name in p}  # noqa: E731
    assert "another learning rate for each array" in told(classifier(step=step), "not_updated")


# Rows and outputs ---------------------------------------------------------------------------------------------------


def test_a_softmax_over_the_rows_is_told_with_its_axis():
    text = told(classifier(activation=lambda z: softmax(z, axis=0)), "rows_mixed")
    assert "over the rows of the batch" in text
    assert "axis=1" in text


def test_batch_normalisation_in_predictions_is_mentioned_and_not_accused():
    found = findings(networks.with_batch_normalisation())
    assert list(found) == ["rows_mixed"]
    assert found["rows_mixed"].suspicion < 0.5


def test_a_softmax_over_the_rows_is_seen_in_the_loss_alone():
    subject = classifier(activation=lambda z: softmax(z, axis=0))
    without = HandWritten(weights(4, 8, 3), loss=subject._loss, data=(X, Y))
    assert "rows_mixed" in findings(without)


def test_softmax_taken_twice_is_told_with_the_lowest_loss_it_can_have():
    twice = classifier(loss_of=lambda a, Y: -np.mean(np.sum(Y * np.log(softmax(a)), axis=1)))
    text = told(twice, "double_softmax")
    assert "0.576" in text  # e / (e + 2)
    assert "0.5514" in text  # its -ln


def test_a_sigmoid_taken_twice_is_told():
    p = sigmoid
    subject = classifier(
        activation=sigmoid,
        loss_of=lambda a, Y: -np.mean(Y * np.log(p(a)) + (1 - Y) * np.log(1 - p(a))),
        delta=lambda a, Y: (p(a) - Y) / Y.size,
    )
    assert "sigmoid is taken twice" in told(subject, "double_softmax")


@pytest.mark.parametrize(
    "y", [NUMBERS, NUMBERS[:, None]], ids=["outputs (n, 1) and targets (n,)", "outputs (n,) and targets (n, 1)"]
)
def test_a_table_of_differences_is_told_with_its_optimum(y):
    compare = (lambda a, y: a - y) if y.ndim == 1 else (lambda a, y: a[:, 0] - y)
    text = told(regression(compare=compare, y=y), "broadcasting")
    assert "150 x 150" in text
    assert f"{NUMBERS.mean():.4g}" in text


def test_outputs_that_are_all_the_same_are_no_table():
    cells = load_breast_cancer()  # unscaled: on one side of nearly any plane

    def forward(p, X):
        return sigmoid(np.clip(X @ p["w"] + p["b"], -500, 500))

    def loss(p, X, y):
        a = forward(p, X)
        return -np.mean(y * np.log(a + 1e-12) + (1 - y) * np.log(1 - a + 1e-12))

    start = {"w": np.ones((30, 1)), "b": np.ones(1)}
    subject = HandWritten(start, loss=loss, predict=forward, data=(cells.data, cells.target[:, None].astype(float)))
    assert "broadcasting" not in findings(subject)


def test_a_rounded_output_makes_a_staircase():
    assert "staircase" in told(regression(output=np.round), "clamped")


def test_a_loss_that_counts_mistakes_is_a_staircase():
    counted = classifier(loss_of=lambda a, Y: np.mean(a.argmax(axis=1) != Y.argmax(axis=1)))
    assert "staircase" in told(counted, "clamped")


def test_a_clipped_output_is_told_with_the_share_that_is_stuck():
    y = (LABELS == 1).astype(float)
    text = told(regression(output=lambda z: np.clip(z, 0, 1), y=y), "clamped")
    assert "clipped to 0 ... 1" in text
    assert "stuck" in text


@pytest.mark.parametrize("penalty", [0.0, 0.01])
def test_a_staircase_is_seen_beside_a_penalty(penalty):
    start = weights(4, 8, 3)

    def predict(p, X):
        return np.round(sigmoid(np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]))

    subject = HandWritten(
        start,
        loss=lambda p, X, Y: np.mean((predict(p, X) - Y) ** 2) + penalty * sum(np.sum(part**2) for part in p.values()),
        gradient=lambda p, X, Y: {name: 2 * penalty * part for name, part in p.items()},
        predict=predict,
        data=(X, Y),
    )
    assert "staircase" in told(subject, "clamped")


# Dropout ------------------------------------------------------------------------------------------------------------


def test_predictions_with_dropout_on_are_random():
    assert "evaluation_mode" in findings(networks.with_random_dropout(also_in_predictions=True))


@pytest.mark.parametrize(("scale", "in_predictions"), [(1.0, 1.0), (2.0, 0.5)])
def test_a_scale_that_predictions_forget_is_told(scale, in_predictions):
    mask = (np.random.default_rng(0).random((len(X), 10)) < 0.5).astype(float)

    def hidden(p, X):
        return np.maximum(X @ p["W1"] + p["b1"], 0)

    def loss(p, X, Y, mask):
        return np.mean((hidden(p, X) * mask * scale @ p["W2"] + p["b2"] - Y) ** 2)

    subject = HandWritten(
        weights(4, 10, 3),
        loss=loss,
        predict=lambda p, X: in_predictions * hidden(p, X) @ p["W2"] + p["b2"],
        data=(X, Y, mask),
    )
    assert "evaluation_mode" in findings(subject)


def test_inverted_dropout_is_not_accused():
    mask = (np.random.default_rng(0).random((len(X), 10)) < 0.5).astype(float)

    def hidden(p, X):
        return np.maximum(X @ p["W1"] + p["b1"], 0)

    subject = HandWritten(
        weights(4, 10, 3),
        loss=lambda p, X, Y, mask: np.mean((hidden(p, X) * mask / 0.5 @ p["W2"] + p["b2"] - Y) ** 2),
        predict=lambda p, X: hidden(p, X) @ p["W2"] + p["b2"],
        data=(X, Y, mask),
    )
    assert findings(subject) == {}


# Predictions --------------------------------------------------------------------------------------------------------


def predicting(predict, *, data=(X, Y)):
    """The classifier, or for one column of targets a regression, with predictions of its own."""
    outputs = data[1].shape[1]

    def output(p, X):
        return np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]

    def loss(p, X, Y):
        if outputs == 1:
            return np.mean((output(p, X) - Y) ** 2)
        return -np.mean(np.sum(Y * np.log(softmax(output(p, X))), axis=1))

    return HandWritten(weights(4, 8, outputs), loss=loss, predict=lambda p, X: predict(output(p, X), p, X), data=data)


COLUMN = (X, NUMBERS[:, None])


@pytest.mark.parametrize(
    "subject",
    [
        predicting(lambda z, p, X: z),
        predicting(lambda z, p, X: softmax(z).T),
        predicting(lambda z, p, X: z.argmax(axis=1)),
        predicting(lambda z, p, X: 10 - 2 * z.argmax(axis=1)),
        predicting(lambda z, p, X: (softmax(z) > 0.5).astype(float)),
        predicting(lambda z, p, X: 30 + 7 * z, data=COLUMN),
        predicting(lambda z, p, X: np.exp(z)[:, 0], data=COLUMN),
    ],
    ids=["logits", "columns", "labels", "labels of another coding", "above a half", "other units", "other scale"],
)
def test_an_increasing_function_of_the_outputs_is_a_prediction(subject):
    assert "other_predictions" not in findings(subject)


@pytest.mark.parametrize(
    "subject",
    [
        predicting(lambda z, p, X: X @ p["W1"][:, :3]),
        predicting(lambda z, p, X: z.argmin(axis=1)),
        predicting(lambda z, p, X: np.tanh((X - 3) / 5 @ p["W1"]) @ p["W2"] + p["b2"]),
        predicting(lambda z, p, X: X @ p["W1"] @ p["W2"] + np.sin(9 * X[:, :1]), data=COLUMN),
        predicting(lambda z, p, X: np.tanh(X @ weights(4, 8, 1)["W1"]) @ weights(4, 8, 1)["W2"], data=COLUMN),
    ],
    ids=["another layer", "smallest output", "inputs scaled once more", "another way forward", "of the start"],
)
def test_predictions_of_another_network_than_that_of_the_loss_are_told(subject):
    told(subject, "other_predictions")


def test_a_threshold_that_is_never_passed_is_told():
    def predict(p, X):
        return sigmoid(np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])

    def loss(p, X, y):
        a = predict(p, X)
        return -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))

    data = (X, (LABELS == 1)[:, None] * 1.0)
    above = {
        limit: HandWritten(
            weights(4, 8, 1), loss=loss, predict=lambda p, X, limit=limit: predict(p, X) > limit, data=data
        )
        for limit in (0.0, 0.3, 0.5)
    }
    assert "are the same at" in told(above[0.0], "other_predictions")
    assert findings(above[0.3]) == findings(above[0.5]) == {}


# Numbers ------------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_infinite_at_the_start_is_told_and_nothing_else():
    start = weights(4, 8, 3)
    start["W2"] = start["W2"] * 1e4
    found = findings(classifier(start=start))
    assert list(found) == ["loss_not_finite"]


def test_a_gradient_that_is_nan_is_told_with_its_array():
    def delta(a, Y):
        return (a - Y) / np.where(Y == 0, 0.0, 1.0) / len(Y)

    with np.errstate(all="ignore"):
        text = told(classifier(delta=delta), "loss_not_finite")
    assert "W1" in text
