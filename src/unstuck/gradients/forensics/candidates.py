"""The activations and losses that a person's network is looked for among."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, TypeVar

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import RecipeError, SubjectError
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
    Elementwise,
    Hinge,
    Huber,
    Loss,
    Poisson,
    SquaredError,
)

T = TypeVar("T", Activation, Loss)


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
MOST_MIXED = 3
"""Hidden layers of different activations are looked for up to so many of them."""


@dataclass(frozen=True)
class Candidates:
    """What is tried: everything above, or what a person declared in its place.

    Attributes:
        activations: declared, of every layer; None where they are to be found.
        loss: declared, with its outputs and rows summed; None where it is to be found.
    """

    activations: tuple[Activation, ...] | None = None
    loss: Loss | None = None

    def hidden(self, layers: int, alike: bool) -> Iterable[tuple[Activation, ...]]:
        """Return the activations of so many hidden layers: alike in all of them, or not."""
        if self.activations is not None:
            return [self.activations[:-1]] if alike and len(self.activations) == layers + 1 else []
        if alike:
            return [(f,) * layers for f in HIDDEN] if layers else [()]
        if not 1 < layers <= MOST_MIXED:
            return []
        return (one for one in product(MIXED, repeat=layers) if len(set(one)) > 1)

    @property
    def output(self) -> tuple[Activation, ...]:
        """The activations of the last layer."""
        return OUTPUT if self.activations is None else self.activations[-1:]

    def losses(self, f: Activation) -> tuple[Loss, ...]:
        """Return the losses of outputs that f made; a declared one also as it is written, of p + 1e-8."""
        if self.loss is None:
            return (*LOSSES, *LOGARITHMS.get(f.kind, ()))
        written = (loss for losses in LOGARITHMS.values() for loss in losses if loss.kind == self.loss.kind)
        return (self.loss, *written)


def declared(activations: Sequence[Activation | str] | None, loss: Loss | str | None) -> Candidates:
    """Return what a person declared as the only thing that is tried.

    Args:
        activations: of every layer, or their kinds; None leaves them open.
        loss: or its kind; None leaves it open. Its reduction and factor are found, whatever they are here.

    Raises:
        SubjectError: when there is no such activation or loss.

    >>> declared(["tanh", "identity"], "squared_error").activations
    (Tanh(), Identity())
    """
    if activations is not None and (isinstance(activations, str) or not isinstance(activations, Sequence)):
        raise SubjectError(f"activations must be a sequence, one for each layer; got {activations!r:.60}: write [...]")
    chosen = None if activations is None else tuple(_member(Activation, one) for one in activations)
    if chosen == ():
        raise SubjectError("activations are one for each layer, and there are none: give them, or leave them out")
    summed = None if loss is None else _member(Loss, loss)
    if isinstance(summed, SquaredError):
        summed = summed.replace(half=False)
    return Candidates(chosen, summed.replace(outputs="sum") if isinstance(summed, Elementwise) else summed)


def _member(family: type[T], given: object) -> T:
    try:
        return family.from_data(given)
    except RecipeError as error:
        raise SubjectError("; ".join(text for _, text in error.problems)) from None
