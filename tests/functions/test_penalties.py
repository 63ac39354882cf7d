from __future__ import annotations

import numpy as np
import pytest
import torch

from unstuck.functions.penalties import L1, L2, DecoupledDecay, MaxNorm, Penalty
from unstuck.network import Network
from unstuck.recipe import Dense, Recipe

KNOWN = [L1(0.3), L2(0.3), DecoupledDecay(0.3), MaxNorm(0.8)]
EVERY = pytest.mark.parametrize("penalty", KNOWN, ids=repr)
IN_THE_COST = pytest.mark.parametrize(
    ("penalty", "formula"),
    [(L1(0.3), lambda w: 0.3 * w.abs().sum()), (L2(0.3), lambda w: 0.3 / 2 * (w**2).sum())],
    ids=["l1", "l2"],
)


def parameters(dtype=np.float64):
    w = np.random.default_rng(0).normal(size=20).astype(dtype)
    w[3] = 0
    return w


def test_every_penalty_is_tested():
    assert Penalty.family.keys() == {penalty.kind for penalty in KNOWN}


@IN_THE_COST
def test_value_and_gradient_agree_with_pytorch(penalty, formula):
    w, g = parameters(), np.ones(20)
    W = torch.tensor(w, requires_grad=True)
    value = formula(W)
    value.backward()
    assert penalty.value(w) == pytest.approx(value.item(), rel=1e-12)
    penalty.add_gradient(w, g)
    np.testing.assert_allclose(g, 1 + W.grad.numpy(), rtol=1e-12)


def test_l1_does_not_move_what_is_zero():
    g = np.zeros(2)
    L1(0.5).add_gradient(np.array([0.0, -0.0]), g)
    assert g.tolist() == [0, 0]


def test_decoupled_decay_is_that_of_pytorchs_adamw():
    w = parameters()
    W = torch.tensor(w, requires_grad=True)
    W.grad = torch.zeros_like(W)
    torch.optim.AdamW([W], lr=0.2, weight_decay=0.3).step()
    DecoupledDecay(0.3).before_update(w, rate=0.2)
    np.testing.assert_allclose(w, W.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("limit", [0.5, 1.5, 1e3])
def test_max_norm_is_pytorchs_renorm_of_each_units_incoming_weights(limit):
    W = np.random.default_rng(1).normal(size=(4, 6)) * np.logspace(-3, 1, 6)
    W[:, 1] = 0
    before = W.copy()
    MaxNorm(limit).after_update(W)
    expected = torch.renorm(torch.tensor(before), p=2, dim=1, maxnorm=limit)
    np.testing.assert_allclose(W, expected, rtol=1e-6)  # PyTorch divides by the norm + 1e-7
    lengths = np.linalg.norm(before, axis=0)
    assert np.array_equal(W[:, lengths <= limit], before[:, lengths <= limit])
    np.testing.assert_allclose(np.linalg.norm(W, axis=0), np.minimum(lengths, limit), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_max_norm_of_a_unit_without_weights(dtype):
    W = np.zeros((3, 2), dtype)
    MaxNorm(100).after_update(W)
    assert not W.any()


@EVERY
def test_each_acts_at_one_place_only(penalty):
    """In the cost, before the update or after it; never in two places."""
    w, g, W = parameters(), np.zeros(20), parameters().reshape(4, 5)
    value = penalty.value(w)
    penalty.add_gradient(w, g)
    assert np.array_equal(w, parameters())
    penalty.before_update(w, 0.1)
    penalty.after_update(W)
    in_the_cost, before, after = value > 0, (w != parameters()).any(), (W.ravel() != parameters()).any()
    assert g.any() == in_the_cost
    assert in_the_cost + before + after == 1


@EVERY
def test_float32_stays_float32(penalty):
    w, g, W = parameters(np.float32), np.zeros(20, np.float32), parameters(np.float32).reshape(4, 5)
    penalty.add_gradient(w, g)
    penalty.before_update(w, 0.1)
    penalty.after_update(W)
    assert (w.dtype, g.dtype, W.dtype) == (np.float32,) * 3
    assert type(penalty.value(w)) is float


def test_strength_zero_does_nothing():
    w, g = parameters(), np.zeros(20)
    for penalty in (L1(0), L2(0), DecoupledDecay(0)):
        assert penalty.value(w) == 0
        penalty.add_gradient(w, g)
        penalty.before_update(w, 0.1)
    assert not g.any()
    assert np.array_equal(w, parameters())


@pytest.mark.parametrize(("on", "expected"), [("weights", 1.0 * (6 + 8)), ("all", 1.0 * (6 + 8) + 2.0 * (2 + 4))])
def test_biases_are_penalized_only_when_asked_for(on, expected):
    network = Network(Recipe([Dense(2), Dense(4)], loss="squared_error"), inputs=3)
    w = np.zeros(network.size)
    for name, view in network.views(w).items():
        view[...] = 1 if name.startswith("W") else 2
    assert sum(L1(1, on=on).value(w[part]) for part in network.on(on)) == expected


def test_a_penalty_per_row_is_shared_by_the_rows_of_the_batch():
    w = parameters()
    assert L2(6.0, per_row=True).at(20.0) == L2(0.3)
    assert L2(6.0, on="all", per_row=True).at(20.0).on == "all"
    assert L2(6.0).at(20.0) == L2(6.0)
    assert L2(6.0, per_row=True).at(0.0).value(w) == L2(6.0).value(w)  # rows of no weight: nothing to divide by
