from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from tests.torch_twin import PAIRS, reduced

from unstuck.errors import DataError
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.functions.pairs import sensible_pair

EVERY = pytest.mark.parametrize(("activation", "kind"), PAIRS)
MEAN_OR_SUM = pytest.mark.parametrize("outputs", ["mean", "sum"])
ROWS, OUTPUTS = 12, 5


def make(activation, kind, outputs="sum"):
    chosen = {} if kind == "categorical_crossentropy" else {"outputs": outputs}
    f, loss = Activation.from_data(activation), Loss.from_data({"kind": kind, **chosen})
    return f, loss, sensible_pair(f, loss)


def targets(kind):
    """Targets of any sum, not only one-hot rows; counts for Poisson."""
    random = np.random.default_rng(7)
    if kind == "poisson":
        return random.poisson(2, (ROWS, OUTPUTS)).astype(float)
    Y = random.uniform(0, 1, (ROWS, OUTPUTS))
    Y[: ROWS // 2] = np.eye(OUTPUTS)[np.arange(ROWS // 2) % OUTPUTS]
    return Y


def by_pair(f, loss, pair, Y, z):
    """L and dL/dz by the pair's formulas, rows reduced to their mean."""
    a = f.value(z)
    return loss.reduce(pair.per_row(loss, Y, z, a), None), pair.delta(loss, Y, a) / len(z)


def from_pytorch(activation, loss, Y, z):
    Z = torch.tensor(z, requires_grad=True)
    value = reduced(loss, PAIRS[activation, loss.kind](torch.tensor(Y), Z))
    value.backward()
    return value.item(), Z.grad.numpy()


def test_there_are_three_pairs():
    kinds = itertools.product(Activation.family, Loss.family)
    found = {(f, loss) for f, loss in kinds if sensible_pair(Activation.from_data(f), Loss.from_data(loss))}
    assert found == PAIRS.keys()


@EVERY
@MEAN_OR_SUM
def test_equals_the_two_derivatives_one_after_the_other_where_these_are_well_conditioned(activation, kind, outputs):
    f, loss, pair = make(activation, kind, outputs)
    Y, z = targets(kind), np.random.default_rng(8).normal(size=(ROWS, OUTPUTS))
    a = f.value(z)
    value, delta = by_pair(f, loss, pair, Y, z)
    assert value == pytest.approx(loss.value(Y, a), rel=1e-12)
    np.testing.assert_allclose(delta, f.backward(z, a, loss.gradient(Y, a)), rtol=1e-10, atol=1e-14)


@EVERY
@MEAN_OR_SUM
@pytest.mark.parametrize("scale", [1, 30, 300])
def test_agrees_with_pytorch(activation, kind, outputs, scale):
    f, loss, pair = make(activation, kind, outputs)
    Y, z = targets(kind), scale * np.random.default_rng(9).uniform(-1, 1, size=(ROWS, OUTPUTS))
    value, delta = by_pair(f, loss, pair, Y, z)
    expected, gradient = from_pytorch(activation, loss, Y, z)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(delta, gradient, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("activation", "kind"), [pair for pair in PAIRS if pair[1] != "poisson"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stays_right_where_probabilities_round_to_zero_and_one(activation, kind, dtype):
    f, loss, pair = make(activation, kind)
    z = np.array([[1000, -1000], [-1000, 1000]], dtype)
    for Y in (np.eye(2, dtype=dtype), 1 - np.eye(2, dtype=dtype), np.full((2, 2), 0.25, dtype)):
        value, delta = by_pair(f, loss, pair, Y, z)
        expected, gradient = from_pytorch(activation, loss, Y, z)
        assert value == pytest.approx(expected, rel=1e-6)
        assert delta.dtype == dtype
        np.testing.assert_allclose(delta, gradient, rtol=1e-6, atol=0)


def test_poisson_stays_right_where_the_expectation_rounds_to_zero():
    f, loss, pair = make("exponential", "poisson")
    Y, z = np.array([[3.0, 0.0]]), np.array([[-1000.0, -1000.0]])
    value, delta = by_pair(f, loss, pair, Y, z)
    assert value == 3000
    assert delta.tolist() == [[-3, 0]]


@pytest.mark.parametrize("z", [2.0, 6.0, 10.0, 15.0, 30.0, 80.0])
def test_small_losses_of_a_sigmoid_keep_their_digits_in_float32(z):
    f, loss, pair = make("sigmoid", "binary_crossentropy")
    value, _ = by_pair(f, loss, pair, np.ones((1, 1), np.float32), np.full((1, 1), z, np.float32))
    expected, _ = from_pytorch("sigmoid", loss, np.ones((1, 1)), np.full((1, 1), z))
    assert value == pytest.approx(expected, rel=1e-6, abs=0)


@EVERY
def test_shapes_that_differ_are_refused(activation, kind):
    _, loss, pair = make(activation, kind)
    z = np.ones((3, 1))
    with pytest.raises(DataError, match=r"\(3,\).*\(3, 1\)"):
        pair.per_row(loss, np.ones(3), z, z)
    with pytest.raises(DataError, match=r"\(3,\).*\(3, 1\)"):
        pair.delta(loss, np.ones(3), z)
