"""The workloads: each one recipe, its data, one start and one batch order, the same for every candidate.

    W1    2-2-2 sigmoid, softmax + cross-entropy   XOR, 4 rows, full batch      momentum, 100,000 updates
    W2    2-64-64-3 ReLU, softmax + cross-entropy  spiral, 1,000 rows by 32     Adam, 200 epochs
    W3    5-10-4 ReLU, dropout, squared error      8,000 rows one by one        SGD, 30 epochs
    W4    1-64-1 leaky ReLU, squared error         x², 201 rows, full batch     Adam or SGD, 50,000 updates
    W5    784-300-10, softmax + cross-entropy      60,000 rows by 100           Adam or RMSProp, 3 epochs
    W5b   784-800-800-10 ReLU, dropout             60,000 rows by 128           Adam, 1 epoch
    W6    100-256-256-1 ReLU, squared error        1,000,000 rows by 1,024      Adam, 1 epoch
    W64   64 networks as W2, each its own start and order, 20 epochs, all at once

W1 is also run in float64, W5 also with sigmoid units; W4 is in float64; the rest is in float32.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from unstuck import SGD, Adam, Dense, Dropout, FileError, Momentum, Recipe, RMSProp, SquaredError
from unstuck.arrays import Array
from unstuck.data import generators
from unstuck.data.datasets import Dataset, load_mnist
from unstuck.network import Network
from unstuck.random import batch_order
from unstuck.training.prepare import prepare


class Data(NamedTuple):
    """Features X (n, i) and targets y (n,); where they are from, and a test part where there is one."""

    X: Array
    y: npt.NDArray
    source: str
    X_test: Array | None = None
    y_test: npt.NDArray | None = None


def xor(rows: int) -> Data:
    return Data(*generators.xor(), "XOR")


def spiral(rows: int) -> Data:
    X, y = generators.spiral()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    mixed = np.random.default_rng(0).permutation(len(X))[:rows]
    return Data(X[mixed], y[mixed], "spiral")


def parabola(rows: int) -> Data:
    return Data(*generators.parabola(rows), "x²")


def four_classes(rows: int) -> Data:
    made = generators.classification()
    return Data(made.X[:rows], made.y[:rows], "make_classification")


def pixels(rows: int) -> Data:
    """Return MNIST from the folder UNSTUCK_DATA, or from its subfolder mnist; else pixels made up at random."""
    if mnist := _mnist(os.environ.get("UNSTUCK_DATA")):
        return Data(mnist.X[:rows], mnist.y[:rows], "MNIST", mnist.X_test, mnist.y_test)
    random = np.random.default_rng(0)
    teacher = random.standard_normal((784, 10), dtype=np.float32)
    X = np.maximum(random.uniform(-4, 1, (rows, 784)), 0).astype(np.float32)  # one pixel in five is ink, as in MNIST
    return Data(X, (X @ teacher).argmax(axis=1), "made-up pixels")


@cache
def _mnist(place: str | None) -> Dataset | None:
    for folder in (Path(place), Path(place, "mnist")) if place else ():
        with suppress(FileError):
            return load_mnist(folder)
    return None


def teacher(rows: int) -> Data:
    random = np.random.default_rng(0)
    directions = random.standard_normal((100, 8), dtype=np.float32) / 10
    X = random.standard_normal((rows, 100), dtype=np.float32)
    return Data(X, np.tanh(X @ directions).sum(axis=1), "a sum of eight tanh units")


@dataclass(frozen=True)
class Workload:
    """One recipe and its data.

    Attributes:
        name: as in the table above.
        recipe: of the first network; the others differ in their seed.
        data: as `unstuck.train` takes them.
        networks: how many are trained at once.
        share: of the whole workload's work; 1 unless it was scaled down.
    """

    name: str
    recipe: Recipe
    data: Data
    networks: int = 1
    share: float = 1.0

    @property
    def recipes(self) -> list[Recipe]:
        return [self.recipe.replace(seed=self.recipe.seed + k) for k in range(self.networks)]

    @cached_property
    def XY(self) -> tuple[Array, Array]:  # noqa: N802  # the algebra
        """X (n, i) and Y (n, o) as the engines see them."""
        rows = prepare(self.recipe, self.data.X, self.data.y).rows
        return rows.X, rows.Y

    @property
    def drops(self) -> bool:
        """Tell whether there is any dropout."""
        return any(isinstance(layer, Dropout) and layer.rate for layer in self.recipe.layers)

    @property
    def batch_size(self) -> int:
        return self.recipe.rows_per_batch(len(self.data.X))

    @property
    def epoch_updates(self) -> int:
        return -(-len(self.data.X) // self.batch_size)

    @property
    def batch_rows(self) -> set[int]:
        """The sizes of batch that occur: the last one of an epoch may be smaller."""
        n, size = len(self.data.X), self.batch_size
        return {size, n % size or size}

    @cached_property
    def start(self) -> Array:
        """Return the parameters before the first update, (P,), or (networks, P) where there are several."""
        starts = [Network(recipe, self.data.X.shape[1]).start() for recipe in self.recipes]
        return starts[0] if self.networks == 1 else np.stack(starts)

    @cached_property
    def orders(self) -> npt.NDArray[np.int64] | None:
        """Return the order of the rows in each epoch, (epochs, n) or (epochs, networks, n); None for full batches."""
        if self.epoch_updates == 1:
            return None
        seeds, n = [recipe.seed for recipe in self.recipes], len(self.data.X)
        orders = [[batch_order(seed, epoch, n) for seed in seeds] for epoch in range(self.recipe.epochs)]
        return np.array(orders)[:, 0] if self.networks == 1 else np.array(orders)

    def layers(self, w: Array) -> list[tuple[Array, Array]]:
        """Cut w, (P,) or (networks, P), into W (..., i, o) and b (..., o) for each Dense layer."""
        lead = w.shape[:-1]
        dense = Network(self.recipe, self.data.X.shape[1]).dense
        return [
            (w[..., layer.weights].reshape(*lead, layer.inputs, layer.outputs), w[..., layer.biases]) for layer in dense
        ]


@dataclass(frozen=True)
class _Plan:
    data: Callable[[int], Data]
    rows: int
    recipe: Recipe
    networks: int = 1
    parallel: bool = False


_W1 = Recipe(
    [Dense(2, "sigmoid"), Dense(2, "softmax")],
    loss="categorical_crossentropy",
    optimizer=Momentum(learning_rate=0.1),
    batch_size="full",
    epochs=100_000,
)
_W2 = Recipe(
    [Dense(64, "relu"), Dense(64, "relu"), Dense(3, "softmax")],
    loss="categorical_crossentropy",
    optimizer=Adam(learning_rate=0.001),
    batch_size=32,
    epochs=200,
)
_W3 = Recipe(
    [Dense(10, "relu"), Dropout(0.5), Dense(4)],
    loss=SquaredError(),
    optimizer=SGD(learning_rate=0.01),
    batch_size=1,
    epochs=30,
    targets={"coding": "one_hot"},
)
_W4 = Recipe(
    [Dense(64, "leaky_relu"), Dense(1)],
    loss=SquaredError(),
    optimizer=Adam(learning_rate=0.001),
    batch_size="full",
    epochs=50_000,
    precision="float64",
)
_W5 = Recipe(
    [Dense(300, "relu"), Dense(10, "softmax")],
    loss="categorical_crossentropy",
    optimizer=Adam(learning_rate=0.001),
    batch_size=100,
    epochs=3,
)
_W5B = _W5.replace(
    layers=[Dense(800, "relu"), Dropout(0.5), Dense(800, "relu"), Dropout(0.5), Dense(10, "softmax")],
    batch_size=128,
    epochs=1,
)
_W6 = Recipe(
    [Dense(256, "relu"), Dense(256, "relu"), Dense(1)],
    loss=SquaredError(),
    optimizer=Adam(learning_rate=0.001),
    batch_size=1024,
    epochs=1,
)

_PLANS = {
    "W1": _Plan(xor, 4, _W1),
    "W1-float64": _Plan(xor, 4, _W1.replace(precision="float64")),
    "W2": _Plan(spiral, 1000, _W2),
    "W3": _Plan(four_classes, 8000, _W3),
    "W4": _Plan(parabola, 201, _W4),
    "W4-sgd": _Plan(parabola, 201, _W4.replace(optimizer=SGD(learning_rate=0.1))),
    "W5": _Plan(pixels, 60_000, _W5, parallel=True),
    "W5-rmsprop": _Plan(pixels, 60_000, _W5.replace(optimizer=RMSProp(learning_rate=0.001)), parallel=True),
    "W5-sigmoid": _Plan(
        pixels, 60_000, _W5.replace(layers=[Dense(300, "sigmoid"), Dense(10, "softmax")]), parallel=True
    ),
    "W5b": _Plan(pixels, 60_000, _W5B, parallel=True),
    "W6": _Plan(teacher, 1_000_000, _W6, parallel=True),
    "W64": _Plan(spiral, 1000, _W2.replace(epochs=20), networks=64, parallel=True),
}
NAMES = tuple(_PLANS)


def updates(name: str) -> int:
    """Return how many updates each network of a workload takes."""
    plan = _PLANS[name]
    return plan.recipe.epochs * -(-plan.rows // plan.recipe.rows_per_batch(plan.rows))


def parallel(name: str) -> bool:
    """Tell whether one update is large enough for a second thread to help."""
    return _PLANS[name].parallel


def make(name: str, scale: float = 1.0) -> Workload:
    """Return a workload, or about `scale` of it: fewer epochs, and below one epoch fewer rows."""
    plan = _PLANS[name]
    recipe, rows, epochs = plan.recipe, plan.rows, scale * plan.recipe.epochs
    if epochs < 1 and recipe.batch_size != "full":
        batches = max(2, round(epochs * rows / recipe.batch_size))
        rows = min(rows, batches * recipe.batch_size)
    recipe = recipe.replace(epochs=max(1, round(epochs)))
    recipe = recipe.replace(record_every=recipe.epochs)  # one record, after the training
    share = rows * recipe.epochs / (plan.rows * plan.recipe.epochs)
    return Workload(name, recipe, plan.data(rows), plan.networks, share)
