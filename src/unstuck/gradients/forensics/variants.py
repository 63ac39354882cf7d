"""The known mistakes of backprop, each as what it computes in place of the right thing.

Backprop through a layer has three stations, and at each of them something can go wrong:

    delta = da f'(z)                                    `deltas`
    dL/dW = x^T delta,  dL/db = sum of delta over rows  `weight_gradients`, `bias_gradients`
    da of the layer below = delta W^T                   `carried`

with da = dL/da, at the top the derivative of the loss (`loss_derivatives`). The right way comes first, under the empty
name. Variants that make the same numbers as one before them are left out by whoever tries them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from unstuck.arrays import Array
from unstuck.functions.activations import Activation, ReLU, Sigmoid, Softmax, Tanh
from unstuck.functions.losses import BinaryCrossEntropy, CategoricalCrossEntropy, Loss, SquaredError

RIGHT = ""
SENTENCES = {
    "derivative left out": "the derivative of the {f} is left out",
    "softmax unit by unit": "softmax is differentiated unit by unit, as a (1 - a): its outputs depend on each other",
    "derivative at a": "the derivative of the {f} is taken at a in place of z",
    "derivative given z": "the derivative of the {f} is written in a, as it may be, but given z",
    "derivative twice": "the derivative of the {f} is multiplied in twice",
    "derivative of sigmoid": "a (1 - a), the sigmoid's derivative, is used though the activation is {f}",
    "derivative of tanh": "1 - a², the derivative of tanh, is used though the activation is {f}",
    "derivative of relu": "the derivative of a ReLU is used though the activation is {f}",
    "a - y": "a - y is used as delta, which is right for other pairs of loss and activation only",
    "derivative of squared error": "the squared error is differentiated in place of the loss",
    "derivative of binary crossentropy": "the binary cross-entropy is differentiated in place of the loss",
    "derivative of categorical crossentropy": "the categorical cross-entropy is differentiated in place of the loss",
    "dropout mask forgotten": "the dropout mask is forgotten on the way back",
    "dropout scale forgotten": "the scale of the dropout mask is forgotten on the way back",
    "z below": "delta meets z of the layer below in place of its activations",
    "last row only": "only the last row counts",
    "first row only": "only the first row counts",
    "transposed": "it is transposed",
    "summed over units": "delta is summed over the units as well as over the rows",
    "W not transposed": "delta is multiplied by W in place of its transpose",
    "not through W": "delta is not carried through W",
    "summed, not through W": "delta is summed over the units in place of being carried through W",
    "W already updated": "W has been updated before delta is carried through it",
}


class Variant(NamedTuple):
    """A way to compute something: its name, empty for the right way, and what it makes."""

    name: str
    made: Array


def loss_derivatives(loss: Loss, Y: Array, A: Array) -> Iterator[Variant]:
    """Yield dl/da of shape (n, o), then that of other losses."""
    yield Variant(RIGHT, loss.derivative(Y, A))
    for other in (SquaredError(outputs="sum"), BinaryCrossEntropy(outputs="sum"), CategoricalCrossEntropy()):
        if other.kind != loss.kind:
            name = other.kind.replace("_", " ").replace("cross-entropy", "crossentropy")
            yield Variant(f"derivative of {name}", other.derivative(Y, A))


def deltas(
    f: Activation, z: Array, a: Array, da: Array, difference: Array | None = None, factor: Array | None = None
) -> Iterator[Variant]:
    """Yield delta = da f'(z) of shape (n, o), then what comes out where f' is not as it should be.

    Args:
        f: the layer's activation.
        z: its pre-activations (n, o).
        a: its activations (n, o).
        da: dL/da (n, o).
        difference: a - y at the output, else None.
        factor: the dropout mask and its scale (n, o) that da comes through, or None.
    """
    unmasked = da
    da = da if factor is None else da * factor
    right = f.backward(z, a, da)
    yield Variant(RIGHT, right)
    yield Variant("derivative left out", da)
    if isinstance(f, Softmax):
        yield Variant("softmax unit by unit", da * a * (1 - a))
    yield Variant("derivative at a", f.backward(a, f.value(a), da))
    yield Variant("derivative given z", f.backward(z, z, da))
    yield Variant("derivative twice", f.backward(z, a, right))
    for other in (Sigmoid(), Tanh(), ReLU()):
        if other.kind != f.kind:
            yield Variant(f"derivative of {other.kind}", other.backward(z, a, da))
    if difference is not None:
        yield Variant("a - y", difference)
    if factor is not None:
        yield Variant("dropout mask forgotten", f.backward(z, a, unmasked))


def weight_gradients(x: Array, z_below: Array | None, delta: Array) -> Iterator[Variant]:
    """Yield x^T delta of shape (i, o), then what else may be multiplied.

    Args:
        x: the layer's input (n, i).
        z_below: the pre-activations that x came from; None at the first layer.
        delta: dL/dz (n, o).
    """
    yield Variant(RIGHT, x.T @ delta)
    if z_below is not None:
        yield Variant("z below", z_below.T @ delta)
    yield Variant("last row only", x[-1:].T @ delta[-1:])
    yield Variant("first row only", x[:1].T @ delta[:1])
    if x.shape[1] == delta.shape[1]:
        yield Variant("transposed", delta.T @ x)


def bias_gradients(delta: Array) -> Iterator[Variant]:
    """Yield the sum of delta over the rows, of shape (o,), then other sums."""
    yield Variant(RIGHT, delta.sum(axis=0))
    yield Variant("last row only", delta[-1])
    yield Variant("first row only", delta[0])
    if delta.shape[1] > 1:
        yield Variant("summed over units", np.full(delta.shape[1], delta.sum()))


def carried(delta: Array, W: Array, gradient_of_W: Array) -> Iterator[tuple[str, Array, Array | None]]:
    """Yield delta W^T of shape (n, i), then what comes out where W is not as it should be.

    With each comes what has to be multiplied by an unknown number and added, or None.
    """
    yield RIGHT, delta @ W.T, None
    if W.shape[0] == W.shape[1]:
        yield "W not transposed", delta @ W, None
        yield "not through W", delta, None
    yield "summed, not through W", np.repeat(delta.sum(axis=1, keepdims=True), len(W), axis=1), None
    yield "W already updated", delta @ W.T, delta @ gradient_of_W.T


def same_numbers(made: Array, others: Sequence[Array]) -> bool:
    """Tell whether an array is, but for a factor, one of others of its shape."""
    size = np.linalg.norm(made)
    for other in others:
        norm = np.linalg.norm(other)
        if not size or not norm:
            if size == norm:
                return True
            continue
        along = np.vdot(made, other) / (norm * norm)
        if np.linalg.norm(made - along * other) <= 1e-10 * size:
            return True
    return False
