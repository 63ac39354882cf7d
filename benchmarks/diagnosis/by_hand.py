"""Networks as people write them, with a fault in the code that no recipe can express.

Samples lie in rows. Each takes Y one-hot where there are classes, and updates by plain gradient descent on all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck import HandWritten

Array = npt.NDArray[np.float64]
Parameters = dict[str, Array]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))


def with_descent(
    parameters: Parameters,
    loss: Callable[..., Any],
    gradient: Callable[..., Parameters],
    predict: Callable[..., Array],
    data: tuple[Array, Array],
    rate: float,
) -> HandWritten:
    """Return the subject whose step is w - rate g."""

    def step(p: Parameters, *data: Array) -> Parameters:
        g = gradient(p, *data)
        return {name: p[name] - rate * g[name] for name in p}

    return HandWritten(parameters, loss=loss, gradient=gradient, predict=predict, data=data, step=step)


def target_minus_output(X: Array, Y: Array, seed: int) -> HandWritten:
    """Sigmoids and half the squared error; the error is taken as y - a, and still subtracted."""
    random = np.random.default_rng(seed)
    start = {
        "W1": random.normal(size=(X.shape[1], 30)),
        "b1": random.normal(size=30),
        "W2": random.normal(size=(30, Y.shape[1])),
        "b2": random.normal(size=Y.shape[1]),
    }

    def forward(p: Parameters, X: Array) -> tuple[Array, Array]:
        h = sigmoid(X @ p["W1"] + p["b1"])
        return h, sigmoid(h @ p["W2"] + p["b2"])

    def loss(p: Parameters, X: Array, Y: Array) -> float:
        return float(np.sum((forward(p, X)[1] - Y) ** 2) / 2 / len(X))

    def gradient(p: Parameters, X: Array, Y: Array) -> Parameters:
        h, a = forward(p, X)
        delta2 = (Y - a) * a * (1 - a) / len(X)
        delta1 = delta2 @ p["W2"].T * h * (1 - h)
        return {"W1": X.T @ delta1, "b1": delta1.sum(axis=0), "W2": h.T @ delta2, "b2": delta2.sum(axis=0)}

    return with_descent(start, loss, gradient, lambda p, X: forward(p, X)[1], (X, Y), rate=3.0)


def softmax_over_rows(X: Array, Y: Array, seed: int) -> HandWritten:
    """ReLU, softmax and cross-entropy; the softmax is normalised over the rows of the batch, not over the classes."""
    random = np.random.default_rng(seed)
    start = {
        "W1": random.uniform(-0.5, 0.5, (X.shape[1], 20)),
        "b1": random.uniform(-0.5, 0.5, 20),
        "W2": random.uniform(-0.5, 0.5, (20, Y.shape[1])),
        "b2": random.uniform(-0.5, 0.5, Y.shape[1]),
    }

    def forward(p: Parameters, X: Array) -> tuple[Array, Array]:
        h = np.maximum(X @ p["W1"] + p["b1"], 0)
        z = h @ p["W2"] + p["b2"]
        e = np.exp(z - z.max(axis=0))
        return h, e / e.sum(axis=0)

    def loss(p: Parameters, X: Array, Y: Array) -> float:
        return float(-np.mean(np.sum(Y * np.log(forward(p, X)[1] + 1e-12), axis=1)))

    def gradient(p: Parameters, X: Array, Y: Array) -> Parameters:
        h, a = forward(p, X)
        delta2 = (a - Y) / len(X)
        delta1 = delta2 @ p["W2"].T * (h > 0)
        return {"W1": X.T @ delta1, "b1": delta1.sum(axis=0), "W2": h.T @ delta2, "b2": delta2.sum(axis=0)}

    return with_descent(start, loss, gradient, lambda p, X: forward(p, X)[1], (X, Y), rate=0.1)


def line_with_broadcasting(X: Array, y: Array, seed: int) -> HandWritten:
    """A linear model whose outputs (n, 1) are compared with targets (n,): n x n differences."""
    random = np.random.default_rng(seed)
    start = {"W": random.normal(size=(X.shape[1], 1)), "b": np.zeros(1)}

    def predict(p: Parameters, X: Array) -> Array:
        return X @ p["W"] + p["b"]

    def loss(p: Parameters, X: Array, y: Array) -> float:
        return float(np.mean((predict(p, X) - y) ** 2))

    def gradient(p: Parameters, X: Array, y: Array) -> Parameters:
        difference = predict(p, X) - y
        delta = 2 * difference.sum(axis=1, keepdims=True) / difference.size
        return {"W": X.T @ delta, "b": delta.sum(axis=0)}

    return with_descent(start, loss, gradient, predict, (X, y), rate=0.1)


def regression(X: Array, y: Array, seed: int, *, sign: float = 1.0, flat_targets: bool = False) -> HandWritten:
    """i-64-64-1 with ReLU and squared error; `sign` -1 climbs, `flat_targets` compares (n, 1) with (n,)."""
    random = np.random.default_rng(seed)
    widths = (X.shape[1], 64, 64, 1)
    start = {}
    for k in range(1, 4):
        start[f"W{k}"] = random.normal(size=widths[k - 1 : k + 1]) * np.sqrt(2 / widths[k - 1])
        start[f"b{k}"] = np.zeros(widths[k])

    def forward(p: Parameters, X: Array) -> list[Array]:
        h1 = np.maximum(X @ p["W1"] + p["b1"], 0)
        h2 = np.maximum(h1 @ p["W2"] + p["b2"], 0)
        return [h1, h2, h2 @ p["W3"] + p["b3"]]

    def differences(p: Parameters, X: Array, y: Array) -> Array:
        return forward(p, X)[2] - y

    def loss(p: Parameters, X: Array, y: Array) -> float:
        return float(np.mean(differences(p, X, y) ** 2))

    def gradient(p: Parameters, X: Array, y: Array) -> Parameters:
        h1, h2, a = forward(p, X)
        difference = a - y
        delta3 = sign * 2 * difference.sum(axis=1, keepdims=True) / difference.size
        delta2 = delta3 @ p["W3"].T * (h2 > 0)
        delta1 = delta2 @ p["W2"].T * (h1 > 0)
        g = {"W3": h2.T @ delta3, "b3": delta3.sum(axis=0), "W2": h1.T @ delta2, "b2": delta2.sum(axis=0)}
        return {**g, "W1": X.T @ delta1, "b1": delta1.sum(axis=0)}

    targets = y if flat_targets else y[:, None]
    return with_descent(start, loss, gradient, lambda p, X: forward(p, X)[2], (X, targets), rate=0.02)


def dropout_never_undone(X: Array, Y: Array, seed: int) -> HandWritten:
    """Case 2: no biases, half of ten ReLUs dropped, ReLU's derivative 1, the mask's factor 2 lost on the way back."""
    random = np.random.default_rng(seed)
    start = {"W1": random.uniform(-0.1, 0.1, (X.shape[1], 10)), "W2": random.uniform(-0.1, 0.1, (10, Y.shape[1]))}

    def forward(p: Parameters, X: Array) -> tuple[Array, Array, Array]:
        mask = np.random.randint(0, 2, (len(X), 10)).astype(float)  # noqa: NPY002  # as people write it
        h = np.maximum(X @ p["W1"], 0) * mask * 2
        return mask, h, h @ p["W2"]

    def loss(p: Parameters, X: Array, Y: Array) -> float:
        return float(np.mean(np.sum((Y - forward(p, X)[2]) ** 2, axis=1)) / 2)

    def gradient(p: Parameters, X: Array, Y: Array) -> Parameters:
        mask, h, a = forward(p, X)
        delta2 = (a - Y) / len(X)
        return {"W1": X.T @ (delta2 @ p["W2"].T * mask), "W2": h.T @ delta2}

    def predict(p: Parameters, X: Array) -> Array:
        return np.maximum(X @ p["W1"], 0) @ p["W2"]

    return with_descent(start, loss, gradient, predict, (X, Y), rate=0.2)


def cost_of_given_predictions(X: Array, Y: Array, seed: int) -> HandWritten:
    """Case 4: the cost gets its predictions as data, so that only the penalty is differentiated."""
    random = np.random.default_rng(seed)
    start = {"W1": random.uniform(0, 1, (2, 2)), "b1": random.uniform(0, 1, 2)}
    start |= {"W2": random.uniform(0, 1, (2, 2)), "b2": random.uniform(0, 1, 2)}

    def predict(p: Parameters, X: Array) -> Array:
        e = np.exp(sigmoid(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])
        return e / e.sum(axis=1, keepdims=True)

    def loss(p: Parameters, X: Array, Y: Array) -> float:
        penalty = sum(float(np.sum(array**2)) for array in p.values())
        return float(-np.mean(np.sum(Y * np.log(predict(p, X)), axis=1))) + 1e-4 * penalty

    def gradient(p: Parameters, X: Array, Y: Array) -> Parameters:
        return {name: 2e-4 * array for name, array in p.items()}

    return with_descent(start, loss, gradient, predict, (X, Y), rate=10.0)


def slopes_left_out(X: Array, Y: Array, seed: int) -> HandWritten:
    """Case 5: sigmoids, half the squared error and a penalty on everything, with its four mistakes in the gradient."""
    random = np.random.default_rng(seed)
    ends = ((X.shape[1], 30), (30,), (30, Y.shape[1]), (Y.shape[1],))
    start = {name: 0.1 * random.normal(size=shape) for name, shape in zip(("W1", "b1", "W2", "b2"), ends, strict=True)}

    def forward(p: Parameters, X: Array) -> tuple[Array, Array]:
        h = sigmoid(X @ p["W1"] + p["b1"])
        return h, sigmoid(h @ p["W2"] + p["b2"])

    def loss(p: Parameters, X: Array, Y: Array) -> float:
        penalty = sum(float(np.sum(array**2)) for array in p.values())
        return float(np.sum((forward(p, X)[1] - Y) ** 2) / 2 / len(X)) + 1e-3 / 2 * penalty

    def gradient(p: Parameters, X: Array, Y: Array) -> Parameters:
        h, a = forward(p, X)
        difference = (a - Y) / len(X)
        back = difference @ p["W2"].T
        return {
            "W1": X.T @ (back * h * (1 - h)) + 2e-3 * p["W1"],
            "b1": back.sum(axis=0),
            "W2": h.T @ (difference * a * (1 - a)) + 2e-3 * p["W2"],
            "b2": difference.sum(axis=0),
        }

    return with_descent(start, loss, gradient, lambda p, X: forward(p, X)[1], (X, Y), rate=1.0)
