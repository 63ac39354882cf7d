"""A network is recognised by its loss alone, and its gradient is then that of automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from benchmarks.forensics.written import draw

from unstuck import HandWritten
from unstuck.gradients.forensics.recognise import recognise

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(20, 3))
LABELS = RANDOM.integers(4, size=20)
ONE_HOT = np.eye(4)[LABELS]
START = {
    "W1": RANDOM.normal(size=(3, 6)),
    "b1": np.zeros(6),
    "W2": RANDOM.normal(size=(6, 4)) / 2,
    "b2": RANDOM.normal(size=4) / 4,
}
F = torch.nn.functional


def with_torch(hidden: Callable, loss: Callable) -> Callable[..., float]:
    """Return the loss of a network in PyTorch as a function of NumPy arrays."""

    def value(p: dict[str, np.ndarray], X: np.ndarray, y: np.ndarray) -> float:
        W1, b1, W2, b2 = (torch.tensor(p[name]) for name in ("W1", "b1", "W2", "b2"))
        return float(loss(hidden(torch.tensor(X) @ W1 + b1) @ W2 + b2, torch.tensor(y)))

    return value


LOSSES = {
    "squared_error": lambda z, y: F.mse_loss(z, y),
    "absolute_error": lambda z, y: F.l1_loss(z, y),
    "huber": lambda z, y: F.huber_loss(z, y, reduction="sum"),
    "categorical_crossentropy": lambda z, y: F.cross_entropy(z, y),
    "binary_crossentropy": lambda z, y: F.binary_cross_entropy(torch.sigmoid(z), y),
    "poisson": lambda z, y: F.poisson_nll_loss(z, y),
}
HIDDEN = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": lambda z: F.leaky_relu(z, 0.01),
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "softsign": F.softsign,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(loss: str) -> None:
    found = recognise(HandWritten(START, loss=with_torch(torch.tanh, LOSSES[loss]), data=(X, ONE_HOT)))
    assert found is not None
    assert (found.loss.kind, found.activations[0].kind) == (loss, "tanh")


@pytest.mark.parametrize("hidden", HIDDEN)
def test_every_activation(hidden: str) -> None:
    found = recognise(HandWritten(START, loss=with_torch(HIDDEN[hidden], LOSSES["squared_error"]), data=(X, ONE_HOT)))
    assert found is not None
    assert [f.kind for f in found.activations] == [hidden, "identity"]


def test_its_gradient_is_that_of_automatic_differentiation() -> None:
    def penalized(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(z, y)

    subject = HandWritten(START, loss=with_torch(torch.tanh, penalized), data=(X, ONE_HOT))
    found = recognise(subject)
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in START.items()}
    hidden = torch.tanh(torch.tensor(X) @ tensors["W1"] + tensors["b1"])
    F.cross_entropy(hidden @ tensors["W2"] + tensors["b2"], torch.tensor(ONE_HOT)).backward()
    expected = np.concatenate([tensor.grad.numpy().ravel() for tensor in tensors.values()])
    np.testing.assert_allclose(found.gradient(subject.w), expected, atol=1e-14)


@pytest.mark.parametrize("seed", range(25))
def test_drawn_networks(seed: int) -> None:
    network = draw(np.random.default_rng(seed))
    subject = HandWritten(network.parameters(), loss=network.loss, gradient=network.gradient, data=network.data)
    found = recognise(subject)
    assert found is not None
    assert found.arrangement.widths == network.widths
    np.testing.assert_allclose(found.gradient(subject.w), subject.gradient(subject.w), rtol=1e-9, atol=1e-12)


def test_class_numbers_for_one_hot_targets() -> None:
    def loss(p: dict[str, np.ndarray], X: np.ndarray, y: np.ndarray) -> float:
        z = np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y - 1]))

    found = recognise(HandWritten(START, loss=loss, data=(X, LABELS + 1)))
    assert str(found) == (
        "3-6-4, tanh, softmax; loss = categorical crossentropy summed over the outputs, averaged over the rows"
    )


def test_penalty_and_reduction_are_read_off() -> None:
    def loss(p: dict[str, np.ndarray], X: np.ndarray, Y: np.ndarray) -> float:
        a = np.maximum(X @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"]
        sums = np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2)
        return 0.5 * np.sum((a - Y) ** 2) + 0.01 * sums + 0.3 * (np.abs(p["b1"]).sum() + np.abs(p["b2"]).sum())

    found = recognise(HandWritten(START, loss=loss, data=(X, ONE_HOT)))
    assert str(found) == (
        "3-6-4, relu, identity; loss = half the squared error summed over outputs and rows + 0.01 sum W² + 0.3 sum |b|"
    )


def test_what_is_none_of_those_known_is_not_recognised() -> None:
    def loss(p: dict[str, np.ndarray], X: np.ndarray, Y: np.ndarray) -> float:
        return float(np.mean(np.abs(np.sin(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"] - Y) ** 3))

    assert recognise(HandWritten(START, loss=loss, data=(X, ONE_HOT))) is None
