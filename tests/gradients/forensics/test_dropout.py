"""Masks that functions draw from NumPy's global random numbers are drawn again, and recognised."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from unstuck import Explanation, HandWritten, explain_gradient

Parameters = dict[str, np.ndarray]
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(60, 3)), RANDOM.normal(size=(60, 2))
MASKS: dict[str, Callable[[tuple[int, int]], np.ndarray]] = {
    "rand < 0.8": lambda shape: (np.random.rand(*shape) < 0.8) / 0.8,  # noqa: NPY002
    "random > 0.25": lambda shape: (np.random.random(shape) > 0.25) / 0.75,  # noqa: NPY002
    "uniform < 0.5, not scaled": lambda shape: np.random.uniform(size=shape) < 0.5,  # noqa: NPY002
    "binomial of 0.9": lambda shape: np.random.binomial(1, 0.9, size=shape) / 0.9,  # noqa: NPY002
    "integers": lambda shape: np.random.randint(0, 2, shape) * 2,  # noqa: NPY002
}


def explained(
    mask: Callable[[tuple[int, int]], np.ndarray], *, forgotten: bool = False, in_columns: bool = False, hidden: int = 1
) -> Explanation:
    """Explain the gradient of a network of ReLUs with dropout on every hidden layer, masks forgotten or not."""
    widths = (3, *(8,) * hidden, 2)
    start = {f"W{k}": RANDOM.normal(size=shape) for k, shape in enumerate(pairwise(widths), 1)}

    def turned(array: np.ndarray) -> np.ndarray:
        return array.T if in_columns else array

    def forward(p: Parameters, X: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        layers, masks = [turned(X)], []
        for k, W in enumerate(p.values(), 1):
            z = layers[-1] @ turned(W)
            if k <= hidden:
                masks.append(turned(mask(turned(z).shape)))
                z = np.maximum(z, 0) * masks[-1]
            layers.append(z)
        return layers, masks

    def gradient(p: Parameters, X: np.ndarray, Y: np.ndarray) -> Parameters:
        layers, masks = forward(p, X)
        delta, g = layers[-1] - turned(Y), {}
        for k in reversed(range(1, hidden + 2)):
            g[f"W{k}"] = turned(layers[k - 1].T @ delta)
            if k > 1:
                delta = delta @ turned(p[f"W{k}"]).T * (layers[k - 1] > 0) * (1 if forgotten else masks[k - 2])
        return g

    return explain_gradient(
        HandWritten(
            {name: np.ascontiguousarray(turned(W)) for name, W in start.items()},
            loss=lambda p, X, Y: 0.5 * np.sum((forward(p, X)[0][-1] - turned(Y)) ** 2),
            gradient=gradient,
            data=(turned(X), turned(Y)),
            seed=5,
        )
    )


@pytest.mark.parametrize("in_columns", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize("name", MASKS)
def test_however_they_are_drawn(name: str, in_columns: bool) -> None:
    said = explained(MASKS[name], in_columns=in_columns)
    assert said.recognised is not None
    assert [f.kind for f in said.recognised.activations] == ["relu", "identity"]
    assert said.recognised.arrangement.factor(0) is not None
    assert said.right


def test_two_layers_of_them() -> None:
    said = explained(MASKS["rand < 0.8"], hidden=2)
    assert said.right
    assert "3-8-8-2, relu, relu, identity, dropout times 1.25" in str(said)


def test_a_scale_that_is_forgotten_on_the_way_back() -> None:
    said = explained(MASKS["rand < 0.8"], forgotten=True)
    assert [(one.kind, one.blocks) for one in said.mistakes] == [("dropout scale forgotten", ("W1",))]


def test_what_cannot_be_drawn_again_would_be_recognised_if_it_were_given() -> None:
    said = explained(lambda shape: np.random.gamma(2, size=shape))  # noqa: NPY002
    assert said.recognised is None
    assert said.right
    assert "a dropout mask that your functions are given, as a third part of data, would be recognised" in str(said)
