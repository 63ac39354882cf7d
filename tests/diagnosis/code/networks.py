"""Networks as different people write them, all of them right; the tests put one fault into one of them."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_iris

from unstuck import HandWritten

RANDOM = np.random.default_rng(0)
IRIS = load_iris()
X = (IRIS.data - IRIS.data.mean(axis=0)) / IRIS.data.std(axis=0)
LABELS = IRIS.target
Y = np.eye(3)[LABELS]
NUMBERS = X @ [1.0, -2.0, 0.5, 0.0] + np.sin(X[:, 0])
YES = (LABELS == 1).astype(float)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z, axis=1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def weights(inputs, hidden, outputs, seed=0):
    random = np.random.default_rng(seed)
    return {
        "W1": random.normal(size=(inputs, hidden)) / np.sqrt(inputs),
        "b1": np.zeros(hidden),
        "W2": random.normal(size=(hidden, outputs)) / np.sqrt(hidden),
        "b2": np.zeros(outputs),
    }


def classifier(*, delta=None, activation=softmax, loss_of=None, predicts=None, step=None, start=None, data=(X, Y)):
    """A dict, samples in rows, tanh, softmax and cross-entropy. What is given replaces a part of it."""

    def forward(p, X):
        h = np.tanh(X @ p["W1"] + p["b1"])
        return h, activation(h @ p["W2"] + p["b2"])

    def loss(p, X, Y):
        a = forward(p, X)[1]
        return loss_of(a, Y) if loss_of else -np.mean(np.sum(Y * np.log(a), axis=1))

    def gradient(p, X, Y):
        h, a = forward(p, X)
        delta2 = delta(a, Y) if delta else (a - Y) / len(X)
        delta1 = delta2 @ p["W2"].T * (1 - h**2)
        return {"W1": X.T @ delta1, "b1": delta1.sum(axis=0), "W2": h.T @ delta2, "b2": delta2.sum(axis=0)}

    def predict(p, X):
        return predicts(forward(p, X)[1]) if predicts else forward(p, X)[1]

    own = (lambda p, X, Y: step(p, gradient(p, X, Y))) if step else None
    start = start or weights(4, 8, 3)
    return HandWritten(start, loss=loss, gradient=gradient, predict=predict, step=own, data=data)


def of_the_sign(*, seed=1, known=True):
    """ReLU, one sigmoid, and a cross-entropy that is NaN of certain predictions; its step adds the gradient.

    Where it is not to be known, the cube of the loss is added.
    """
    random = np.random.default_rng(seed)
    X = random.normal(size=(400, 3))
    y = (X[:, [0]] * X[:, [1]] > 0).astype(float)
    start = {
        "W1": random.normal(size=(3, 6)),
        "b1": np.zeros(6),
        "W2": random.normal(size=(6, 1)),
        "b2": np.zeros(1),
    }

    def forward(p, X):
        h = np.maximum(0, X @ p["W1"] + p["b1"])
        return h, sigmoid(h @ p["W2"] + p["b2"])

    def entropy(a, y):
        return -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))

    def loss(p, X, y):
        value = entropy(forward(p, X)[1], y)
        return value if known else value + value**3

    def gradient(p, X, y):
        h, a = forward(p, X)
        delta2 = (a - y) / len(X) * (1 if known else 1 + 3 * entropy(a, y) ** 2)
        delta1 = delta2 @ p["W2"].T * (h > 0)
        return {"W1": X.T @ delta1, "b1": delta1.sum(axis=0), "W2": h.T @ delta2, "b2": delta2.sum(axis=0)}

    def step(p, X, y):
        return descent(p, gradient(p, X, y), rate=-0.5)

    return HandWritten(
        start, loss=loss, gradient=gradient, predict=lambda p, X: forward(p, X)[1], step=step, data=(X, y)
    )


def in_columns(*, sign=1.0):
    """A list, samples in columns, W (o, i), one sigmoid with binary cross-entropy summed over the rows."""

    def forward(p, X):
        W1, b1, W2, b2 = p
        h = sigmoid(W1 @ X + b1)
        return h, sigmoid(W2 @ h + b2)

    def loss(p, X, y):
        _, a = forward(p, X)
        return -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a))

    def gradient(p, X, y):
        h, a = forward(p, X)
        delta2 = sign * (a - y)
        delta1 = p[2].T @ delta2 * h * (1 - h)
        return [delta1 @ X.T, delta1.sum(axis=1, keepdims=True), delta2 @ h.T, delta2.sum(axis=1, keepdims=True)]

    random = np.random.default_rng(1)
    start = [random.normal(size=(6, 4)), np.zeros((6, 1)), random.normal(size=(1, 6)), np.zeros((1, 1))]
    return HandWritten(
        start, loss=loss, gradient=gradient, predict=lambda p, X: forward(p, X)[1], data=(X.T, YES[None, :])
    )


def regression(*, compare=lambda a, y: a[:, 0] - y, dead=0, output=lambda z: z, y=NUMBERS):
    """One flat vector, ReLU, a linear output (n, 1) of which the loss takes the column; some units may be dead."""
    shapes = {"W1": (4, 12), "b1": (12,), "W2": (12, 1), "b2": (1,)}
    random = np.random.default_rng(2)
    w = np.concatenate([random.normal(size=shape).ravel() * 0.5 for shape in shapes.values()])
    w[48 : 48 + dead] = -50.0

    def arrays(w):
        return w[:48].reshape(4, 12), w[48:60], w[60:72].reshape(12, 1), w[72:]

    def forward(w, X):
        W1, b1, W2, b2 = arrays(w)
        z = X @ W1 + b1
        return z, output(np.maximum(z, 0) @ W2 + b2)

    def loss(w, X, y):
        return np.mean(compare(forward(w, X)[1], y) ** 2)

    def gradient(w, X, y):
        _, _, W2, _ = arrays(w)
        z, a = forward(w, X)
        difference = compare(a, y)
        if difference.ndim == 1:
            delta2 = 2 * difference[:, None] / len(X)
        else:
            delta2 = 2 * difference.sum(axis=1, keepdims=True) / difference.size
        delta1 = delta2 @ W2.T * (z > 0)
        parts = (X.T @ delta1, delta1.sum(axis=0), np.maximum(z, 0).T @ delta2, delta2.sum(axis=0))
        return np.concatenate([part.ravel() for part in parts])

    return HandWritten(
        w, loss=loss, gradient=gradient, predict=lambda w, X: forward(w, X)[1], data=(X, y), shapes=shapes
    )


def with_logits():
    """Predictions are what the softmax of the loss gets; targets are class numbers."""

    def logits(p, X):
        return np.maximum(X @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"]

    def loss(p, X, labels):
        a = softmax(logits(p, X))
        return -np.mean(np.log(a[np.arange(len(X)), labels])) + 0.01 * np.sum(p["W1"] ** 2)

    def gradient(p, X, labels):
        h = np.maximum(X @ p["W1"] + p["b1"], 0)
        delta2 = softmax(h @ p["W2"] + p["b2"])
        delta2[np.arange(len(X)), labels] -= 1
        delta2 /= len(X)
        delta1 = delta2 @ p["W2"].T * (h > 0)
        g = {"W1": X.T @ delta1, "b1": delta1.sum(axis=0), "W2": h.T @ delta2, "b2": delta2.sum(axis=0)}
        return {**g, "W1": g["W1"] + 0.02 * p["W1"]}

    return HandWritten(weights(4, 10, 3, seed=3), loss=loss, gradient=gradient, predict=logits, data=(X, LABELS))


def with_random_dropout(*, also_in_predictions=False):
    """Half of the hidden units are dropped by a mask that each call draws."""

    def hidden(p, X, training):
        h = np.maximum(X @ p["W1"] + p["b1"], 0)
        return h, (np.random.rand(*h.shape) < 0.5) / 0.5 if training else np.ones_like(h)  # noqa: NPY002

    def forward(p, X, training):
        h, mask = hidden(p, X, training)
        return mask, h, h * mask @ p["W2"] + p["b2"]

    def loss(p, X, Y):
        return np.mean((forward(p, X, True)[2] - Y) ** 2)

    def gradient(p, X, Y):
        mask, h, a = forward(p, X, True)
        delta2 = 2 * (a - Y) / Y.size
        delta1 = delta2 @ p["W2"].T * mask * (h > 0)
        return {"W1": X.T @ delta1, "b1": delta1.sum(axis=0), "W2": (h * mask).T @ delta2, "b2": delta2.sum(axis=0)}

    return HandWritten(
        weights(4, 10, 3, seed=4),
        loss=loss,
        gradient=gradient,
        predict=lambda p, X: forward(p, X, also_in_predictions)[2],
        data=(X, Y),
    )


def with_batch_normalisation():
    """Hidden units are standardised over the batch, in predictions, too."""

    def forward(p, X):
        z = X @ p["W1"]
        s = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)
        return np.tanh(s * p["gain"]) @ p["W2"]

    def loss(p, X, Y):
        return np.mean((forward(p, X) - Y) ** 2)

    random = np.random.default_rng(5)
    start = {"W1": random.normal(size=(4, 6)), "gain": np.ones(6), "W2": random.normal(size=(6, 3))}
    return HandWritten(start, loss=loss, predict=forward, data=(X, Y))


def row_by_row():
    """Functions of a single row, a sigmoid and half the squared error."""

    def forward(p, x):
        return sigmoid(sigmoid(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])

    def loss(p, x, y):
        return 0.5 * np.sum((forward(p, x) - y) ** 2)

    def gradient(p, x, y):
        h = sigmoid(x @ p["W1"] + p["b1"])
        a = sigmoid(h @ p["W2"] + p["b2"])
        delta2 = (a - y) * a * (1 - a)
        delta1 = p["W2"] @ delta2 * h * (1 - h)
        return {"W1": np.outer(x, delta1), "b1": delta1, "W2": np.outer(h, delta2), "b2": delta2}

    data = (X[::5], Y[::5])
    return HandWritten(weights(4, 5, 3, seed=6), loss=loss, gradient=gradient, data=data, per_row="mean")


def with_data_inside():
    """Functions that find their data themselves."""

    def loss(p):
        return np.mean((np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"] - Y) ** 2)

    def gradient(p):
        h = np.tanh(X @ p["W1"] + p["b1"])
        delta2 = 2 * (h @ p["W2"] + p["b2"] - Y) / Y.size
        delta1 = delta2 @ p["W2"].T * (1 - h**2)
        return {"W1": X.T @ delta1, "b1": delta1.sum(axis=0), "W2": h.T @ delta2, "b2": delta2.sum(axis=0)}

    return HandWritten(weights(4, 5, 3, seed=7), loss=loss, gradient=gradient)


def descent(p, g, rate=0.5):
    return {name: p[name] - rate * g[name] for name in p}


def momentum():
    """An update that keeps a velocity from call to call."""
    kept = {}

    def step(p, g):
        for name in p:
            kept[name] = 0.9 * kept.get(name, 0.0) + g[name]
        return {name: p[name] - 0.1 * kept[name] for name in p}

    return step


RIGHT = {
    "dict of arrays": classifier,
    "samples in columns": in_columns,
    "flat vector": regression,
    "dead units": lambda: regression(dead=5),
    "targets in a column": lambda: regression(compare=lambda a, y: a - y, y=NUMBERS[:, None]),
    "all units dead": lambda: regression(dead=12),
    "logits": with_logits,
    "labels predicted": lambda: classifier(predicts=lambda a: a.argmax(axis=1)),
    "clipped logarithm": lambda: classifier(
        loss_of=lambda a, Y: -np.mean(np.sum(Y * np.log(np.clip(a, 1e-12, 1 - 1e-12)), axis=1))
    ),
    "float32 loss": lambda: classifier(loss_of=lambda a, Y: np.float32(-np.mean(np.sum(Y * np.log(a), axis=1)))),
    "random dropout": with_random_dropout,
    "row by row": row_by_row,
    "data inside": with_data_inside,
    "plain descent": lambda: classifier(step=descent),
    "momentum": lambda: classifier(step=momentum()),
    "two wrong signs": lambda: classifier(
        delta=lambda a, Y: (Y - a) / len(Y), step=lambda p, g: {name: p[name] + 0.5 * g[name] for name in p}
    ),
}
