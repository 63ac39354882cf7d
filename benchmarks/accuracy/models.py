"""What is compared: three MLPs of the same settings, and scikit-learn's boosted trees with theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import ensemble, neural_network

import unstuck
from benchmarks.accuracy.sets import Split

EPOCHS = 50
HIDDEN, BATCH, RATE, ALPHA = 100, 200, 1e-3, 1e-4
"""scikit-learn's defaults, which are ours; the twin is given them."""

Predict = Callable[[np.ndarray], np.ndarray]


def ours(split: Split, classes: bool, seed: int) -> Predict:
    """unstuck."""
    return _fitted(unstuck, split, classes, seed)


def scikit_learn(split: Split, classes: bool, seed: int) -> Predict:
    """scikit-learn's MLP."""
    return _fitted(neural_network, split, classes, seed)


def boosted_trees(split: Split, classes: bool, seed: int) -> Predict:
    """HistGradientBoosting, with its defaults."""
    kind = ensemble.HistGradientBoostingClassifier if classes else ensemble.HistGradientBoostingRegressor
    return kind(random_state=seed).fit(split.X, split.y).predict


def pytorch(split: Split, classes: bool, seed: int) -> Predict:
    """The same network, start, optimizer and penalty, written down in PyTorch, for all epochs."""
    import torch

    torch.manual_seed(seed)
    X, outputs = torch.tensor(split.X), int(split.y.max()) + 1 if classes else 1
    y = torch.tensor(split.y) if classes else torch.tensor(split.y)[:, None]
    network = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, outputs)
    ).double()
    for layer in (network[0], network[2]):
        bound = (6 / sum(layer.weight.shape)) ** 0.5
        for parameter in layer.parameters():
            torch.nn.init.uniform_(parameter, -bound, bound)
    loss = torch.nn.CrossEntropyLoss() if classes else lambda a, b: 0.5 * torch.nn.functional.mse_loss(a, b)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(X)).split(BATCH):
            optimizer.zero_grad()
            penalty = sum((layer.weight**2).sum() for layer in (network[0], network[2])) * ALPHA / 2 / len(batch)
            (loss(network(X[batch]), y[batch]) + penalty).backward()
            optimizer.step()

    def predict(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            A = network(torch.tensor(rows)).numpy()
        return A.argmax(axis=1) if classes else A[:, 0]

    return predict


MODELS: dict[str, Callable[[Split, bool, int], Predict]] = {
    "unstuck": ours,
    "scikit-learn": scikit_learn,
    "PyTorch": pytorch,
    "boosted trees": boosted_trees,
}


def _fitted(module: Any, split: Split, classes: bool, seed: int) -> Predict:
    kind = module.MLPClassifier if classes else module.MLPRegressor
    return kind(max_iter=EPOCHS, random_state=seed).fit(split.X, split.y).predict
