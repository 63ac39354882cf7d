"""The pairs of output activation and loss whose delta is a - y.

For these three, dL/da and da/dz multiply to something simpler than either, and the loss itself can be computed from z
without a logarithm of a rounded probability. Every other pairing takes the two derivatives one after the other.

    softmax      with categorical cross-entropy    l_r = sum_k y_k (log sum_c exp(z_c) - z_k)
    sigmoid      with binary cross-entropy         l   = log(1 + exp(z)) - y z
    exponential  with Poisson                      l   = exp(z) - y z

Here dl_r/dz = a - y (for softmax a sum_k y_k - y, the same where a row of Y sums to 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from unstuck.arrays import Array
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss, same_shape


@dataclass(frozen=True)
class Pair:
    """A sensible pair: l_r of shape (n,) from z, and delta = dl_r/dz of shape (n, o)."""

    per_row: Callable[[Loss, Array, Array, Array], Array]
    delta: Callable[[Loss, Array, Array], Array]


def sensible_pair(activation: Activation, loss: Loss) -> Pair | None:
    """Return the pair's own formulas, or None where there is no shortcut."""
    return _PAIRS.get((activation.kind, loss.kind))


def _softmax_loss(loss: Loss, Y: Array, z: Array, a: Array) -> Array:
    same_shape(Y, z)
    shifted = z - z.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return loss.reduce_outputs(Y * (log_sum - shifted))


def _softmax_delta(loss: Loss, Y: Array, a: Array) -> Array:
    same_shape(Y, a)
    return a * Y.sum(axis=1, keepdims=True) - Y


def _sigmoid_loss(loss: Loss, Y: Array, z: Array, a: Array) -> Array:
    same_shape(Y, z)
    tail = np.log1p(np.exp(-np.abs(z)))  # apart from the rest, which cancels where z is on the side of y
    return loss.reduce_outputs(np.maximum(z, 0) - Y * z + tail)


def _poisson_loss(loss: Loss, Y: Array, z: Array, a: Array) -> Array:
    same_shape(Y, z)
    return loss.reduce_outputs(a - Y * z)


def _difference(loss: Loss, Y: Array, a: Array) -> Array:
    same_shape(Y, a)
    return (a - Y) * loss.output_factor(a)


_PAIRS = {
    ("softmax", "categorical_crossentropy"): Pair(_softmax_loss, _softmax_delta),
    ("sigmoid", "binary_crossentropy"): Pair(_sigmoid_loss, _difference),
    ("exponential", "poisson"): Pair(_poisson_loss, _difference),
}
