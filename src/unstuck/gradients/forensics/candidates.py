"""The activations and losses that a person's network is looked for among."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from unstuck.arrays import Array
from unstuck.functions.activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    Exponential,
    HardSigmoid,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from unstuck.functions.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Hinge,
    Huber,
    Loss,
    Poisson,
    SquaredError,
)


class UnclippedCategorical(CategoricalCrossEntropy):
    """-sum_k y_k log(a_k + `added`), which people write, 0 log 0 being 0."""

    added: ClassVar[float] = 0.0

    def per_row(self, Y: Array, A: Array) -> Array:
        """Return l_r for every row, of shape (n,)."""
        return np.where(Y == 0, 0, -Y * np.log(A + self.added)).sum(axis=1)

    def derivative(self, Y: Array, A: Array) -> Array:
        """Return dl_r/dA, of shape (n, o)."""
        return np.where(Y == 0, 0, -Y / (A + self.added))


class UnclippedBinary(BinaryCrossEntropy):
    """-y log(a + `added`) - (1 - y) log(1 - a + `added`), which people write."""

    added: ClassVar[float] = 0.0

    def element(self, y: Array, a: Array) -> Array:
        """Return l(y, a), elementwise."""
        yes = np.where(y == 0, 0, y * np.log(a + self.added))
        no = np.where(y == 1, 0, (1 - y) * np.log(1 - a + self.added))
        return -yes - no

    def slope(self, y: Array, a: Array) -> Array:
        """Return dl/da, elementwise."""
        return np.where(y == 1, 0, (1 - y) / (1 - a + self.added)) - np.where(y == 0, 0, y / (a + self.added))


def _with_added(loss: type[Loss], added: float, **fields: str) -> Loss:
    made: Loss = type(f"{loss.__name__}{added:g}", (loss,), {"added": added})(**fields)
    return made


HIDDEN: tuple[Activation, ...] = (
    Sigmoid(),
    Tanh(),
    ReLU(),
    LeakyReLU(),
    Identity(),
    LeakyReLU(slope=0.1),
    LeakyReLU(slope=0.2),
    ELU(),
    SELU(),
    GELU(),
    SiLU(),
    Softplus(),
    Softsign(),
    HardSigmoid(),
    Softmax(),
)
OUTPUT = (*HIDDEN, Exponential())
LOSSES: tuple[Loss, ...] = (
    SquaredError(outputs="sum"),
    CategoricalCrossEntropy(),
    BinaryCrossEntropy(outputs="sum"),
    AbsoluteError(outputs="sum"),
    Huber(outputs="sum"),
    Hinge(outputs="sum"),
    Poisson(outputs="sum"),
)
ADDED = (0.0, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)
LOGARITHMS: dict[str, list[Loss]] = {
    "softmax": [_with_added(UnclippedCategorical, added) for added in ADDED],
    "sigmoid": [_with_added(UnclippedBinary, added, outputs="sum") for added in ADDED],
}
"""Losses that are tried on outputs of these kinds, with what is added to the probability before its logarithm."""
MIXED: tuple[Activation, ...] = (Sigmoid(), Tanh(), ReLU(), LeakyReLU(), ELU(), SiLU(), Softplus(), GELU(), Identity())
"""Those that are tried where hidden layers differ."""
