"""Signals: what a record can say of each Dense layer, beside the losses and metrics.

    dead_k           share of layer k's units with f'(z) = 0 on every row: no gradient reaches them any more
    saturated_k      share of the units, not dead, of a bounded activation that work where it is flat: the mean of
                     |f'(z)| over the rows is less than 5 % of f'(0)
    z_mean_k         mean of the pre-activations, over rows and units
    z_spread_k       their standard deviation
    gradient_norm_k  Euclidean norm of the layer's part of the gradient in the last update, before any clipping
    update_ratio_k   Euclidean norm of the layer's last update over that of its parameters before it

The first four are measured on the training rows, in evaluation mode, after the epoch. Layers count from 1.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.functions.activations import Activation
from unstuck.history import SIGNALS
from unstuck.network import Network

FLAT = 0.05


def signal_names(network: Network) -> list[str]:
    """Return the names of a network's signals, layer by layer, in the order in which an engine's `observe` has them."""
    return [f"{name}_{k}" for k, name in product(range(1, len(network.dense) + 1), SIGNALS)]


def flat_slopes(network: Network) -> npt.NDArray[np.float64]:
    """Return for each Dense layer the mean of |f'(z)| below which a unit is saturated, 0 where f is not bounded."""
    activations = [layer.activation for layer in network.dense]
    return np.array([FLAT * _steepest(f) if _is_bounded(f) else 0.0 for f in activations])


def norms_of_layers(network: Network, vector: Array) -> Array:
    """Return the Euclidean norm of each Dense layer's part of a vector (P,)."""
    exact = vector.astype(np.float64)
    parts = [exact[layer.weights.start : layer.biases.stop] for layer in network.dense]
    return np.sqrt([part @ part for part in parts])


def _is_bounded(activation: Activation) -> bool:
    low, high = activation.range
    return high - low < np.inf


def _steepest(activation: Activation) -> float:
    """Return f'(0), which is the largest slope of every bounded activation here; of softmax that of two even units."""
    z = np.zeros((1, 2))
    return float(activation.derivative(z, activation.value(z)).max())
