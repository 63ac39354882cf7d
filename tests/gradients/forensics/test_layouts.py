"""Layers however their arrays lie: they are recognised, and the lines printed compute the gradient of autograd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from unstuck import Explanation, HandWritten, explain_gradient

Tensor = torch.Tensor
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(30, 3)), RANDOM.normal(size=(30, 2))


def ones_like_rows(x: Tensor) -> Tensor:
    return torch.ones(len(x), 1, dtype=x.dtype)


def last(x: Tensor) -> Tensor:
    return torch.cat([x, ones_like_rows(x)], dim=1)


def first(x: Tensor) -> Tensor:
    return torch.cat([ones_like_rows(x), x], dim=1)


@dataclass(frozen=True)
class Layout:
    """Shapes of the arrays, z of both layers by them, the data, and the blocks that are told."""

    shapes: dict[str, tuple[int, ...]]
    z1: Callable[..., Tensor]
    z2: Callable[..., Tensor]
    data: tuple[np.ndarray, np.ndarray] = (X, Y)
    of_layer_1: tuple[str, ...] = ("W1",)


LAYOUTS = {
    "ones last": Layout({"W1": (4, 5), "W2": (6, 2)}, lambda x, W1, W2: last(x) @ W1, lambda a, W1, W2: last(a) @ W2),
    "ones first": Layout(
        {"W1": (4, 5), "W2": (6, 2)}, lambda x, W1, W2: first(x) @ W1, lambda a, W1, W2: first(a) @ W2
    ),
    "ones last, transposed": Layout(
        {"W1": (5, 4), "W2": (2, 6)}, lambda x, W1, W2: last(x) @ W1.T, lambda a, W1, W2: last(a) @ W2.T
    ),
    "ones in the last row, samples in columns": Layout(
        {"W1": (5, 4), "W2": (2, 6)},
        lambda x, W1, W2: W1 @ last(x.T).T,
        lambda a, W1, W2: W2 @ last(a.T).T,
        data=(X.T, Y.T),
    ),
    "ones in the first row, samples in columns": Layout(
        {"W1": (5, 4), "W2": (2, 6)},
        lambda x, W1, W2: W1 @ first(x.T).T,
        lambda a, W1, W2: W2 @ first(a.T).T,
        data=(X.T, Y.T),
    ),
    "ones in X, and beside the hidden layer": Layout(
        {"W1": (4, 5), "W2": (6, 2)},
        lambda x, W1, W2: x @ W1,
        lambda a, W1, W2: last(a) @ W2,
        data=(np.column_stack([X, np.ones(30)]), Y),
    ),
    "ones beside the hidden layer only": Layout(
        {"W1": (3, 5), "b1": (5,), "W2": (6, 2)},
        lambda x, W1, b1, W2: x @ W1 + b1,
        lambda a, W1, b1, W2: last(a) @ W2,
        of_layer_1=("W1", "b1"),
    ),
    "w of one output": Layout(
        {"W1": (3, 5), "b1": (5,), "w2": (5,), "b2": ()},
        lambda x, W1, b1, w2, b2: x @ W1 + b1,
        lambda a, W1, b1, w2, b2: a @ w2 + b2,
        data=(X, Y[:, 0]),
        of_layer_1=("W1", "b1"),
    ),
    "w of one output, named so that it looks like biases": Layout(
        {"a": (3, 5), "b": (5,), "c": (5,), "d": (1,)},
        lambda x, a, b, c, d: x @ a + b,
        lambda h, a, b, c, d: h @ c + d,
        data=(X, Y[:, 0]),
        of_layer_1=("a", "b"),
    ),
    "w of one output, samples in columns": Layout(
        {"W1": (5, 3), "b1": (5, 1), "w2": (5,), "b2": (1,)},
        lambda x, W1, b1, w2, b2: W1 @ x + b1,
        lambda a, W1, b1, w2, b2: w2 @ a + b2,
        data=(X.T, Y[:, 0]),
        of_layer_1=("W1", "b1"),
    ),
    "w of one output, with the ones last": Layout(
        {"W1": (3, 5), "b1": (1, 5), "w2": (6,)},
        lambda x, W1, b1, w2: x @ W1 + b1,
        lambda a, W1, b1, w2: last(a) @ w2,
        data=(X, Y[:, 0]),
        of_layer_1=("W1", "b1"),
    ),
    "biases as rows": Layout(
        {"W1": (3, 5), "b1": (1, 5), "W2": (5, 2), "b2": (1, 2)},
        lambda x, W1, b1, W2, b2: x @ W1 + b1,
        lambda a, W1, b1, W2, b2: a @ W2 + b2,
        of_layer_1=("W1", "b1"),
    ),
    "biases as columns, samples in rows": Layout(
        {"W1": (3, 5), "b1": (5, 1), "W2": (5, 2), "b2": (2, 1)},
        lambda x, W1, b1, W2, b2: x @ W1 + b1.T,
        lambda a, W1, b1, W2, b2: a @ W2 + b2.T,
        of_layer_1=("W1", "b1"),
    ),
    "biases without axes, samples in columns": Layout(
        {"W1": (5, 3), "b1": (5,), "W2": (2, 5), "b2": (2,)},
        lambda x, W1, b1, W2, b2: W1 @ x + b1[:, None],
        lambda a, W1, b1, W2, b2: W2 @ a + b2[:, None],
        data=(X.T, Y.T),
        of_layer_1=("W1", "b1"),
    ),
}


def subject_of(layout: Layout, *, derivative: bool = True) -> HandWritten:
    """Return a network of tanh and identity with a mean squared error, and a penalty on all parameters."""

    def outputs(p: dict[str, np.ndarray], X: np.ndarray) -> tuple[dict[str, Tensor], Tensor]:
        t = {name: torch.tensor(array, dtype=torch.float64, requires_grad=True) for name, array in p.items()}
        z1 = layout.z1(torch.tensor(X), *t.values())
        a1 = torch.tanh(z1) if derivative else z1 + (torch.tanh(z1) - z1).detach()
        return t, layout.z2(a1, *t.values())

    def total(p: dict[str, np.ndarray], X: np.ndarray, Y: np.ndarray) -> tuple[dict[str, Tensor], Tensor]:
        t, a2 = outputs(p, X)
        penalty = sum((tensor**2).sum() for tensor in t.values())
        return t, ((a2 - torch.tensor(Y)) ** 2).mean() + 0.01 * penalty

    def gradient(p: dict[str, np.ndarray], X: np.ndarray, Y: np.ndarray) -> dict[str, np.ndarray]:
        t, loss = total(p, X, Y)
        loss.backward()
        return {name: tensor.grad.numpy() for name, tensor in t.items()}

    start = {name: RANDOM.normal(size=shape) / 2 for name, shape in layout.shapes.items()}
    return HandWritten(start, loss=lambda *given: total(*given)[1].item(), gradient=gradient, data=layout.data)


def run(said: Explanation, layout: Layout, subject: HandWritten) -> np.ndarray:
    """Return the gradient that the printed lines compute, with the names that they use."""
    p = subject.layout.structure(subject.w)
    X, Y = layout.data
    tensors = [torch.tensor(array, dtype=torch.float64) for array in p.values()]
    a1 = np.tanh(layout.z1(torch.tensor(X), *tensors).numpy())
    names = {**p, "np": np, "X": X, "Y": Y, "a1": a1, "a2": layout.z2(torch.tensor(a1), *tensors).numpy()}
    for line in said.lines:
        exec(line, names)
    made = {name: names[f"d{name}"] for name in p}
    assert {name: np.shape(array) for name, array in made.items()} == layout.shapes
    return subject.layout.flat(made, "the gradient")


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_network_is_recognised_and_a_right_gradient_not_accused(name: str) -> None:
    said = explain_gradient(subject_of(LAYOUTS[name]))
    assert said.recognised is not None
    assert [f.kind for f in said.recognised.activations] == ["tanh", "identity"]
    assert said.right


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_mistake_is_named_and_the_lines_make_the_right_gradient(name: str) -> None:
    layout = LAYOUTS[name]
    subject = subject_of(layout, derivative=False)
    said = explain_gradient(subject)
    assert [(one.kind, one.layer, one.blocks) for one in said.mistakes] == [
        ("derivative left out", 1, layout.of_layer_1)
    ]
    assert said.wrong == layout.of_layer_1
    right = subject_of(layout).gradient(subject.w)
    np.testing.assert_allclose(run(said, layout, subject), right, rtol=1e-9, atol=1e-12)


def test_a_mistake_in_the_biases_that_an_array_holds_is_told_of_that_part() -> None:
    subject = subject_of(LAYOUTS["ones last"])

    def gradient(p: dict[str, np.ndarray], X: np.ndarray, Y: np.ndarray) -> dict[str, np.ndarray]:
        g = subject.layout.structure(subject.gradient(subject.layout.flat(p, "parameters")))
        g["W2"][-1] *= 3
        return g

    said = explain_gradient(
        HandWritten(subject.layout.structure(subject.w), loss=subject._loss, gradient=gradient, data=(X, Y))
    )
    assert said.wrong == ("W2[-1]",)
    assert [one.blocks for one in said.mistakes] == [("W2[-1]",)] * len(said.mistakes)


def test_a_neuron_and_a_line() -> None:
    def loss(p: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
        return np.mean((x @ p["w"] + p["b"] - y) ** 2) if x.ndim == 2 else np.mean((x * p["w"] + p["b"] - y) ** 2)

    def gradient(p: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        error = x @ p["w"] + p["b"] - y if x.ndim == 2 else x * p["w"] + p["b"] - y
        return {"w": 2 * x.T @ error / len(x), "b": 2 * error.sum()}

    for x, w in ((X, np.ones(3)), (X[:, 0], 2.0)):
        said = explain_gradient(
            HandWritten({"w": w, "b": 0.5}, loss=loss, gradient=gradient, data=(x, RANDOM.normal(size=30)))
        )
        assert said.wrong == ("b",)
        assert [one.kind for one in said.mistakes] == ["factor"]
        assert said.lines == ("delta1 = 2 * (a1 - Y) / 30", "dw = X.T @ delta1", "db = delta1.sum()")
