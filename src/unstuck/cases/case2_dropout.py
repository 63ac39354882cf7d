"""Case 2: five features, four classes, ten units without bias, half of them dropped, trained row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.cases.case import Case, Outcome
from unstuck.data.generators import classification
from unstuck.data.inputs import Inputs
from unstuck.functions.activations import ReLU, Softmax
from unstuck.functions.losses import CategoricalCrossEntropy
from unstuck.functions.optimizers import SGD, Adam
from unstuck.recipe import Dense, Recipe
from unstuck.subjects.handwritten import HandWritten
from unstuck.training.train import train

EPOCHS = 300
LEARNING_RATE = 0.002
HIDDEN = 10

CURED = Recipe(
    [Dense(HIDDEN, ReLU()), Dense(4, Softmax())],
    loss=CategoricalCrossEntropy(),
    optimizer=Adam(learning_rate=0.005),
    epochs=30,
)


def as_was(epochs: int = EPOCHS) -> Outcome:
    """Train as the post did: no biases, dropout, squared error, and backprop as it was written there.

    Two of its faults no recipe can express. The ReLU's derivative is taken as a >= 0, which always holds, and the mask
    scales the hidden activations by 2 on the way forward but not on the way back:

        h = relu(x W1) 2 mask      delta2 = y - h W2      delta1 = (delta2 W2^T) 1 mask
    """
    data = classification()
    Y = np.eye(4)[data.y]
    random = np.random.default_rng(0)
    W1 = random.uniform(-0.1, 0.1, (5, HIDDEN))
    W2 = random.uniform(-0.1, 0.1, (HIDDEN, 4))
    costs, train_accuracies, test_accuracies = [], [], []
    for _ in range(epochs):
        masks = random.integers(2, size=(len(Y), HIDDEN)).astype(float)
        error, right = 0.0, 0
        for x, y, mask in zip(data.X, Y, masks, strict=True):
            h = np.maximum(x.dot(W1), 0) * mask * 2
            delta2 = y - h.dot(W2)
            right += (y - delta2).argmax() == y.argmax()
            error += delta2.dot(delta2)
            delta1 = delta2.dot(W2.T) * mask
            W2 += LEARNING_RATE * np.multiply.outer(h, delta2)
            W1 += LEARNING_RATE * np.multiply.outer(x, delta1)
        costs.append(error / len(Y))
        train_accuracies.append(right / len(Y))
        test_accuracies.append(_accuracy(W1, W2, data.X_test, data.y_test))
    train_accuracy, test_accuracy = np.mean(train_accuracies[-10:]), np.mean(test_accuracies[-10:])
    return Outcome(
        loss=costs[-1],
        metrics={
            "train_accuracy_with_dropout": float(train_accuracy),
            "train_accuracy": _accuracy(W1, W2, data.X, data.y),
            "test_accuracy": float(test_accuracy),
            "first_epoch_test_accuracy": test_accuracies[0],
        },
        iterations=np.arange(1.0, epochs + 1),
        costs=np.array(costs),
        summary=f"{test_accuracy:.1%} of test rows right; in training, with dropout on, {train_accuracy:.1%}",
        shown={"train": train_accuracies, "test": test_accuracies, "counted": "with dropout on"},
    )


def _accuracy(W1: Array, W2: Array, X: Array, y: Array) -> float:
    return float(np.mean((np.maximum(X @ W1, 0) @ W2).argmax(axis=1) == y))


def cured() -> Outcome:
    """Train the same ten units with biases, without dropout, with softmax and cross-entropy."""
    data = classification()
    run = train(CURED, data.X, data.y, validation=(data.X_test, data.y_test))
    history = run.history
    accuracy = history["validation_accuracy"][-1]
    return Outcome(
        loss=history["loss"][-1],
        metrics={"train_accuracy": history["accuracy"][-1], "test_accuracy": accuracy},
        iterations=history["epoch"],
        costs=history["loss"],
        summary=f"{accuracy:.1%} of test rows right",
        recipe=run.recipe,
        shown={
            "train": history["accuracy"],
            "test": history["validation_accuracy"],
            "counted": "in evaluation mode",
        },
    )


def subject(rows: int = 2000) -> HandWritten:
    """Return the post's functions at its start, for so many rows, with the mask of an epoch among the data."""
    data = classification()
    random = np.random.default_rng(0)
    start = {"W1": random.uniform(-0.1, 0.1, (5, HIDDEN)), "W2": random.uniform(-0.1, 0.1, (HIDDEN, 4))}
    mask = random.integers(2, size=(rows, HIDDEN)).astype(float)

    def loss(p: dict[str, Array], X: Array, Y: Array, mask: Array) -> float:
        h = np.maximum(X @ p["W1"], 0) * mask * 2
        return float(np.sum((Y - h @ p["W2"]) ** 2) / 2)

    def gradient(p: dict[str, Array], X: Array, Y: Array, mask: Array) -> dict[str, Array]:
        h = np.maximum(X @ p["W1"], 0) * mask * 2
        delta2 = h @ p["W2"] - Y
        delta1 = delta2 @ p["W2"].T * mask * (h >= 0)
        return {"W1": X.T @ delta1, "W2": h.T @ delta2}

    def predict(p: dict[str, Array], X: Array) -> Array:
        return np.maximum(X @ p["W1"], 0) @ p["W2"]

    return HandWritten(
        start, loss=loss, gradient=gradient, predict=predict, data=(data.X[:rows], np.eye(4)[data.y[:rows]], mask)
    )


TRAINING: dict[str, Any] = {"optimizer": SGD(learning_rate=LEARNING_RATE), "batch_size": 1, "epochs": EPOCHS}
"""How the post trained it, for `diagnose(subject(), **TRAINING)`."""


def with_biases(recipe: Recipe) -> Recipe:
    """Give every layer a bias."""
    layers = [layer.replace(bias=True) if isinstance(layer, Dense) else layer for layer in recipe.layers]
    return recipe.replace(layers=layers)


def with_cross_entropy(recipe: Recipe) -> Recipe:
    """Put a softmax on the output, and cross-entropy in the place of the squared error."""
    last = recipe.layers[-1].replace(activation=Softmax())
    return recipe.replace(layers=(*recipe.layers[:-1], last), loss=CategoricalCrossEntropy())


def with_scaled_inputs(recipe: Recipe) -> Recipe:
    """Standardise the features."""
    return recipe.replace(inputs=Inputs(scaling="standard"))


def without_dropout(recipe: Recipe) -> Recipe:
    """Keep all ten units."""
    return recipe.replace(layers=[layer for layer in recipe.layers if isinstance(layer, Dense)])


OFFERED = {
    "biases": with_biases,
    "cross-entropy": with_cross_entropy,
    "scaled inputs": with_scaled_inputs,
    "these three": lambda recipe: with_biases(with_cross_entropy(with_scaled_inputs(recipe))),
    "no dropout (not in the post)": without_dropout,
    "biases, no dropout (not in the post)": lambda recipe: with_biases(without_dropout(recipe)),
}

CASE = Case(
    id=2,
    title="four classes, no bias, dropout on ten units",
    fault="dropout and a ReLU never differentiated; train accuracy counted with dropout on",
    trainings={"as_was": as_was, "cured": cured},
    subject=lambda: (subject(),),
    training=TRAINING,
    offered=OFFERED,
)
