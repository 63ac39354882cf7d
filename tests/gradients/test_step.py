"""What a step of somebody's own does with their gradient is told, and a correct one is not accused."""

from __future__ import annotations

import numpy as np
import pytest
from tests.straight_line import P, X, gradient, line, loss, y

from unstuck import HandWritten, check_gradient


def notes(step, **changed):
    return check_gradient(line(step=step, **changed)).notes


def descent(p, X, y, rate=0.1):
    g = gradient(p, X, y)
    return {name: p[name] - rate * g[name] for name in p}


LOSS, AFTER = f"{loss(P, X, y):.6g}", f"{loss(descent(P, X, y), X, y):.6g}"
PLAIN = f"Your step is gradient descent at the rate 0.1. The loss goes from {LOSS} to {AFTER}."


# Correct ------------------------------------------------------------------------------------------------------------


def in_place(p, X, y):
    g = gradient(p, X, y)
    p["w"] -= 0.1 * g["w"]
    p["b"] -= 0.1 * g["b"]


def in_place_with_a_cache(p, X, y):
    p["residual"] = X @ p["w"] + p["b"] - y
    in_place(p, X, y)


def in_place_and_returned(p, X, y):
    in_place(p, X, y)
    return p


def shuffling_its_data(p, X, y):
    after = descent(p, X, y)
    np.random.default_rng(0).shuffle(X)
    return after


def in_float32(p, X, y):
    return {name: np.float32(part) for name, part in descent(p, X, y).items()}


@pytest.mark.parametrize(
    "step", [descent, in_place, in_place_with_a_cache, in_place_and_returned, shuffling_its_data, in_float32]
)
def test_plain_gradient_descent_is_recognised(step):
    theirs = X.copy()
    assert notes(step, data=(theirs, y)) == (PLAIN,)
    assert (theirs == X).all()


def momentum():
    velocity = {"w": np.zeros(3), "b": 0.0}

    def step(p, X, y):
        g = gradient(p, X, y)
        for name in p:
            velocity[name] = 0.9 * velocity[name] - 0.1 * g[name]
        return {name: p[name] + velocity[name] for name in p}

    return step


def momentum_in_w_after_two_steps():
    calls, later = [], momentum()

    def step(p, X, y):
        calls.append(1)
        return descent(p, X, y) | ({"w": later(p, X, y)["w"]} if len(calls) > 2 else {})

    return step


def adam():
    m, v, t = dict.fromkeys(P, 0.0), dict.fromkeys(P, 0.0), [0]

    def step(p, X, y):
        t[0] += 1
        after = {}
        for name, g in gradient(p, X, y).items():
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g**2
            after[name] = p[name] - 0.1 * m[name] / (1 - 0.9 ** t[0]) / (np.sqrt(v[name] / (1 - 0.999 ** t[0])) + 1e-8)
        return after

    return step


def batches(size):
    random = np.random.default_rng(0)

    def step(p, X, y):
        rows = random.choice(len(X), size, replace=False)
        return descent(p, X[rows], y[rows])

    return step


def epoch_of_single_rows(p, X, y):
    for k in np.random.permutation(len(X)):  # noqa: NPY002
        p = descent(p, X[k : k + 1], y[k : k + 1])
    return p


def with_decay(p, X, y):
    return {name: 0.99 * part for name, part in descent(p, X, y).items()}


def by_the_sign(p, X, y):
    return {name: p[name] - 0.01 * np.sign(g) for name, g in gradient(p, X, y).items()}


@pytest.mark.parametrize(
    "step",
    [
        momentum(),
        momentum_in_w_after_two_steps(),
        adam(),
        batches(1),
        batches(10),
        batches(39),
        epoch_of_single_rows,
        with_decay,
        by_the_sign,
    ],
)
def test_nothing_is_said_of_other_steps(step):
    assert notes(step) == ()


@pytest.mark.parametrize("seed", range(20))
def test_a_perceptron_that_moves_for_few_rows_only_is_not_said_to_stand_still(seed):
    random = np.random.default_rng(seed)
    X = random.normal(size=(40, 2))
    t = np.sign(X @ [1.0, -2.0] + 0.3)

    def hinge(p, X, t):
        return np.mean(np.maximum(0, 1 - t * (np.maximum(X @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"])))

    def slopes(p, X, t):
        a = np.maximum(X @ p["W1"] + p["b1"], 0)
        delta = -t * (t * (a @ p["W2"] + p["b2"]) < 1) / len(t)
        below = np.outer(delta, p["W2"]) * (a > 0)
        return {"W1": X.T @ below, "b1": below.sum(axis=0), "W2": a.T @ delta, "b2": delta.sum()}

    def step(p, X, t):
        k = random.integers(len(X))
        g = slopes(p, X[k : k + 1], t[k : k + 1])
        return {name: p[name] - 0.1 * g[name] for name in p}

    start = {"W1": random.normal(size=(2, 2)), "b1": np.zeros(2), "W2": random.normal(size=2), "b2": 0.0}
    check = check_gradient(HandWritten(start, loss=hinge, gradient=slopes, data=(X, t), step=step))
    assert check.notes == ()


def test_a_schedule_is_no_fault():
    calls = []

    def step(p, X, y):
        calls.append(1)
        return descent(p, X, y, 0.1 / len(calls))

    assert notes(step) == ()


def test_the_end_of_a_training_is_no_fault():
    best = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y)[0]
    (found,) = notes(descent, parameters={"w": best[:3], "b": best[3]})
    assert found.startswith("Your step is gradient descent at the rate 0.1.")


# Faults -------------------------------------------------------------------------------------------------------------


def test_a_block_that_is_never_updated():
    found = notes(lambda p, X, y: descent(p, X, y) | {"b": p["b"]})
    assert found[0] == "Your step: b is never updated, though the gradient there is not zero."
    assert found[1].startswith("Your step is gradient descent at the rate 0.1.")
    optimizer = momentum()
    (found,) = notes(lambda p, X, y: optimizer(p, X, y) | {"w": p["w"]})
    assert found == "Your step: w is never updated, though the gradient there is not zero."


def test_a_step_that_changes_nothing():
    def forgetful(p, X, y):
        w = p["w"]
        w = w - 0.1 * gradient(p, X, y)["w"]

    (found,) = notes(forgetful)
    assert found.startswith("Your step changes nothing: in 16 calls all parameters stay as they are")


def test_uphill():
    after = descent(P, X, y, -0.1)
    assert notes(lambda p, X, y: descent(p, X, y, -0.1)) == (
        f"Your step goes uphill: it adds 0.1 times the gradient to w and b, and the loss goes from {LOSS} to "
        f"{loss(after, X, y):.6g}. The gradient points to where the loss rises: subtract it, W = W - rate * dW.",
    )
    (found,) = notes(lambda p, X, y: descent(p, X, y) | {"b": descent(p, X, y, -0.1)["b"]})
    assert "it adds 0.1 times the gradient to b, and" in found


def test_two_wrong_signs_that_cancel():
    negative = lambda p, X, y: {name: -g for name, g in gradient(p, X, y).items()}  # noqa: E731
    (found,) = notes(descent, gradient=negative)
    assert found.startswith("Your step adds 0.1 times your gradient to w and b and goes downhill all the same")


@pytest.mark.parametrize(("rate", "fraction"), [(3.0, 1 / 4), (100.0, 1 / 128)])
def test_a_rate_that_is_too_large(rate, fraction):
    found = notes(lambda p, X, y: descent(p, X, y, rate))
    assert found[0].startswith(f"Your step is gradient descent at the rate {rate:g}.")
    falls = loss(descent(P, X, y, rate * fraction), X, y)
    assert found[1] == f"That rate is too large here: at {fraction:.2g} of it the loss falls, to {falls:.6g}."


def test_no_rate_is_blamed_for_a_gradient_that_is_too_long():
    long = lambda p, X, y: {name: 100 * g for name, g in gradient(p, X, y).items()}  # noqa: E731
    (found,) = notes(lambda p, X, y: {name: p[name] - 0.1 * g for name, g in long(p, X, y).items()}, gradient=long)
    assert found.startswith("Your step is gradient descent at the rate 0.1.")


def test_rates_that_differ():
    (found,) = notes(lambda p, X, y: descent(p, X, y) | {"b": descent(p, X, y, 0.2)["b"]})
    assert found.startswith("Your step is gradient descent at different rates: 0.1 in w, and 0.2 in b. Is that meant?")


def test_a_step_that_makes_nan():
    (found,) = notes(lambda p, X, y: descent(p, X, y) | {"w": p["w"] * np.nan})
    assert found == "Your step makes NaN or infinity of w, though parameters and gradient are finite there."


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (lambda p, g: p, "your step raised TypeError"),
        (lambda p, X, y: {"w": p["w"]}, "what your step leaves as parameters lacks b"),
        (lambda p, X, y: (descent(p, X, y), 0.5), "what your step leaves as parameters lacks w, b and has"),
    ],
)
def test_a_step_that_cannot_be_used_leaves_the_check_as_it_is(step, said):
    check = check_gradient(line(step=step))
    assert check.right
    assert check.notes[0].startswith(f"Your step was not compared with the gradient: {said}")
