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

from functools import cache

import numpy as np

from unstuck.arrays import Array
from unstuck.engines.engine import Descent, UnitSignals
from unstuck.functions.activations import Activation
from unstuck.network import Network

FLAT = 0.05


def layer_signals(network: Network, units: UnitSignals, gradient_norms: Array, descent: Descent) -> dict[str, float]:
    """Return the signals by name."""
    signals: dict[str, float] = {}
    before = norms_of_layers(network, descent.previous)
    updates = norms_of_layers(network, descent.w - descent.previous)
    for k, layer in enumerate(network.dense):
        slopes = units.slopes[k]
        dead, flat = int(np.count_nonzero(slopes == 0)), 0
        if _is_bounded(layer.activation):
            flat = int(np.count_nonzero(slopes < FLAT * _steepest(layer.activation))) - dead
        ratio = updates[k] / before[k] if before[k] else np.inf if updates[k] else 0.0
        signals |= {
            f"dead_{k + 1}": dead / layer.outputs,
            f"saturated_{k + 1}": flat / layer.outputs,
            f"z_mean_{k + 1}": float(units.means[k]),
            f"z_spread_{k + 1}": float(units.spreads[k]),
            f"gradient_norm_{k + 1}": float(gradient_norms[k]),
            f"update_ratio_{k + 1}": float(ratio),
        }
    return signals


def norms_of_layers(network: Network, vector: Array) -> Array:
    """Return the Euclidean norm of each Dense layer's part of a vector (P,)."""
    parts = [vector[layer.weights.start : layer.biases.stop].astype(np.float64) for layer in network.dense]
    return np.sqrt([part @ part for part in parts])


def _is_bounded(activation: Activation) -> bool:
    low, high = activation.range
    return high - low < np.inf


@cache
def _steepest(activation: Activation) -> float:
    """Return f'(0), which is the largest slope of every bounded activation here; of softmax that of two even units."""
    z = np.zeros((1, 2))
    return float(activation.derivative(z, activation.value(z)).max())
