from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer
from tests.torch_twin import OPTIMIZERS

from unstuck.functions.optimizers import (
    Adam,
    AdamW,
    AdaptiveRMSProp,
    Momentum,
    Nesterov,
    Optimizer,
    RMSProp,
    Rprop,
)

STEPS = 50
CURVATURE = np.logspace(-3, 3, 12)
STEPWISE = [member() for kind, member in Optimizer.family.items() if kind != "lbfgs"]
OTHER = [
    Momentum(learning_rate=2e-4, momentum=0.5),
    Nesterov(learning_rate=2e-4, momentum=0.5),
    RMSProp(learning_rate=0.02, decay=0.5, epsilon=0.1),
    AdaptiveRMSProp(learning_rate=0.02, increment=1.1, decrement=0.9, minimum=0.5, maximum=1.5),
    Rprop(learning_rate=0.1, increment=2, decrement=0.3, minimum=0.05, maximum=0.4),
    AdamW(learning_rate=0.05, weight_decay=0.3),
]
EVERY = pytest.mark.parametrize("optimizer", STEPWISE + OTHER, ids=repr)


def noisy_gradient(w, t):
    """Of an ill-conditioned quadratic, the noise the same for whoever asks; now and then an entry is exactly zero."""
    noise = np.random.default_rng(t).normal(size=w.shape)
    return np.where(noise > 1.5, 0.0, CURVATURE * w + noise)


def descend(optimizer, steps=STEPS, dtype=np.float64):
    w = np.linspace(-1, 1, len(CURVATURE)).astype(dtype)
    memory = optimizer.start(w)
    path = []
    for t in range(1, steps + 1):
        optimizer.update(w, noisy_gradient(w, t).astype(dtype), memory, t, optimizer.learning_rate)
        path.append(w.copy())
    return np.array(path), memory


@EVERY
def test_fifty_steps_agree_with_pytorch(optimizer):
    path, _ = descend(optimizer)
    w = torch.linspace(-1, 1, len(CURVATURE), dtype=torch.float64, requires_grad=True)
    twin = OPTIMIZERS[optimizer.kind](optimizer, w)
    for t in range(1, STEPS + 1):
        w.grad = torch.tensor(noisy_gradient(w.detach().numpy(), t))
        twin.step()
        np.testing.assert_allclose(path[t - 1], w.detach().numpy(), rtol=1e-9, atol=1e-12)


@EVERY
def test_float32_stays_float32(optimizer):
    exact, _ = descend(optimizer, steps=5)
    path, memory = descend(optimizer, steps=5, dtype=np.float32)
    assert path.dtype == np.float32
    assert all(slot.dtype == np.float32 for slot in memory.values() if len(slot) == len(CURVATURE))
    np.testing.assert_allclose(path, exact, rtol=1e-3, atol=1e-4)


@EVERY
def test_memory_is_all_that_one_update_hands_to_the_next(optimizer):
    whole, _ = descend(optimizer)
    path, memory = descend(optimizer, steps=20)
    w = path[-1].copy()
    copied = {name: slot.copy() for name, slot in memory.items()}
    for t in range(21, STEPS + 1):
        optimizer.update(w, noisy_gradient(w, t), copied, t, optimizer.learning_rate)
    assert np.array_equal(w, whole[-1])


@EVERY
def test_the_rate_of_an_update_scales_its_step(optimizer):
    steps = []
    for factor in (1, 0.25):
        w = np.ones(3)
        optimizer.update(w, np.array([2.0, -1.0, 0.5]), optimizer.start(w), 1, factor * optimizer.learning_rate)
        steps.append(w - 1)
    np.testing.assert_allclose(steps[1], 0.25 * steps[0], rtol=1e-9)


def test_adaptive_rmsprop_without_adaptation_is_rmsprop():
    path, memory = descend(AdaptiveRMSProp(increment=1, decrement=1))
    assert np.array_equal(path, descend(RMSProp())[0])
    assert (memory["gain"] == 1).all()


def test_gains_of_adaptive_rmsprop_follow_the_rule():
    """One parameter after the other, in plain Python."""
    optimizer = AdaptiveRMSProp(learning_rate=0.03, increment=1.3, decrement=0.5, minimum=0.2, maximum=3)
    path, memory = descend(optimizer)
    reached = set()
    for p, curvature in enumerate(CURVATURE):
        w, square, gain, previous = float(np.linspace(-1, 1, len(CURVATURE))[p]), 0.0, 1.0, 0.0
        for t in range(1, STEPS + 1):
            noise = np.random.default_rng(t).normal(size=len(CURVATURE))[p]
            g = 0.0 if noise > 1.5 else curvature * w + noise
            square = 0.9 * square + 0.1 * g**2
            if g * previous > 0:
                gain = min(gain * 1.3, 3)
            elif g * previous < 0:
                gain = max(gain * 0.5, 0.2)
            w -= 0.03 * gain * g / (math.sqrt(square) + 1e-8)
            previous = g
            reached.add(gain)
            assert path[t - 1, p] == pytest.approx(w, rel=1e-9, abs=1e-12)
        assert memory["gain"][p] == pytest.approx(gain, rel=1e-12)
    assert {0.2, 1.0, 3} <= reached  # both bounds were met


def test_adam_with_epsilon_hat_is_scikit_learns():
    w, settings = np.array([0.3, -0.2, 0.0]), {"beta1": 0.8, "beta2": 0.95, "epsilon": 0.05}
    optimizer = Adam(0.01, **settings, epsilon_hat=True)
    twin_w = [w.copy()]
    twin = AdamOptimizer(twin_w, learning_rate_init=0.01, beta_1=0.8, beta_2=0.95, epsilon=0.05)
    memory = optimizer.start(w)
    for t, g in enumerate(np.random.default_rng(0).normal(scale=0.1, size=(20, 3)), start=1):
        optimizer.update(w, g, memory, t, 0.01)
        twin.update_params(twin_w, [g])
    np.testing.assert_allclose(w, twin_w[0], rtol=1e-12)
