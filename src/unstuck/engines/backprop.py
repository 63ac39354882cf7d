"""The specification: forward and backward through the whole network, in NumPy.

Forward, layer by layer, for a batch of n rows, x being the layer's input (n, i):

    Dense      z = x W + b                    a = f(z)
    Dropout    z = mask / (1 - rate)          a = x z         (in evaluation a = x)

Backward, from the last layer to the first, with delta = dL/dz and da = dL/da, both (n, o):

    Dense      delta = da f'(z)               at the output of a sensible pair: delta = (a - y) dL/dl
               dL/dW = x^T delta              dL/db = sum of delta over the rows
               dL/dx = delta W^T, which is da of the layer below
    Dropout    dL/dx = da z

The cost is the loss plus the penalties. Every other engine computes these numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from unstuck import random
from unstuck.arrays import Array
from unstuck.functions.pairs import sensible_pair
from unstuck.functions.penalties import Penalty
from unstuck.network import DenseLayer, DropoutLayer, Network


class Trace(NamedTuple):
    """What the forward pass through one layer leaves for the way back: its input x, z and a."""

    layer: DenseLayer | DropoutLayer
    x: Array
    z: Array
    a: Array


def forward(network: Network, w: Array, X: Array, t: int | None = None) -> list[Trace]:
    """Send X (n, i) through the network, with the dropout masks of update t, or in evaluation mode where t is None."""
    traces: list[Trace] = []
    a = X
    for layer in network.layers:
        x = a
        if isinstance(layer, DenseLayer):
            z = x @ layer.W(w)
            if layer.has_bias:
                z += layer.b(w)
            a = layer.activation.value(z)
        elif t is not None:
            mask = random.dropout_mask(network.recipe.seed, t, layer.index, len(x), layer.units, layer.rate)
            z = mask * x.dtype.type(1 / (1 - layer.rate))
            a = x * z
        else:
            continue
        traces.append(Trace(layer, x, z, a))
    return traces


def backward(network: Network, w: Array, traces: list[Trace], Y: Array, weights: Array | None = None) -> Array:
    """Return dL/dw, of shape (P,), for targets Y (n, o) and row weights (n,)."""
    g = np.zeros_like(w)
    for layer, x, delta in deltas(network, w, traces, Y, weights):
        layer.W(g)[...] = x.T @ delta
        if layer.has_bias:
            layer.b(g)[...] = delta.sum(axis=0)
    return g


def deltas(
    network: Network, w: Array, traces: list[Trace], Y: Array, weights: Array | None = None
) -> Iterator[tuple[DenseLayer, Array, Array]]:
    """Yield each Dense layer, its input x (n, i) and delta = dL/dz (n, o), from the last layer to the first."""
    output = traces[-1]
    delta = output_delta(network, output, Y, weights)
    da = delta
    for layer, x, z, a in reversed(traces):
        if isinstance(layer, DropoutLayer):
            da = da * z
            continue
        if layer is not output.layer:
            delta = layer.activation.backward(z, a, da)
        yield layer, x, delta
        if layer is not network.layers[0]:
            da = delta @ layer.W(w).T


def output_delta(network: Network, output: Trace, Y: Array, weights: Array | None) -> Array:
    """Return dL/dz of the last layer, (n, o): by a sensible pair's formula, or through dL/da."""
    loss, activation = network.recipe.loss, network.dense[-1].activation
    pair = sensible_pair(activation, loss)
    if pair is None:
        return activation.backward(output.z, output.a, loss.gradient(Y, output.a, weights))
    return loss.row_factors(len(Y), weights, output.a.dtype) * pair.delta(loss, Y, output.a)


def loss_of(network: Network, traces: list[Trace], Y: Array, weights: Array | None = None) -> float:
    """Return L(Y, A), without penalties."""
    loss, output = network.recipe.loss, traces[-1]
    pair = sensible_pair(network.dense[-1].activation, loss)
    per_row = loss.per_row(Y, output.a) if pair is None else pair.per_row(loss, Y, output.z, output.a)
    return loss.reduce(per_row, weights)


def penalties_on(network: Network, n: int, weights: Array | None) -> list[Penalty]:
    """Return the penalties as they are on a batch of n rows with these weights."""
    row_weight = float(n) if weights is None else float(weights.sum(dtype=np.float64))
    return [penalty.at(row_weight) for penalty in network.recipe.penalties]


def penalty_of(network: Network, w: Array, penalties: list[Penalty]) -> float:
    """Return what the penalties add to the cost."""
    return sum((penalty.value(w[part]) for penalty in penalties for part in network.on(penalty.on)), 0.0)


def cost(network: Network, w: Array, X: Array, Y: Array, weights: Array | None = None, t: int | None = None) -> float:
    """Return the cost, loss plus penalties, with the dropout masks of update t."""
    penalties = penalties_on(network, len(X), weights)
    return loss_of(network, forward(network, w, X, t), Y, weights) + penalty_of(network, w, penalties)


def cost_and_gradient(
    network: Network, w: Array, X: Array, Y: Array, weights: Array | None = None, t: int | None = None
) -> tuple[float, Array]:
    """Return the cost and its gradient (P,), with the dropout masks of update t."""
    traces = forward(network, w, X, t)
    g = backward(network, w, traces, Y, weights)
    penalties = penalties_on(network, len(X), weights)
    for penalty in penalties:
        for part in network.on(penalty.on):
            penalty.add_gradient(w[part], g[part])
    return loss_of(network, traces, Y, weights) + penalty_of(network, w, penalties), g
