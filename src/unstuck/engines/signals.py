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

import math

import numpy as np

from unstuck.arrays import Array
from unstuck.engines.engine import UnitSignals
from unstuck.functions.activations import Activation
from unstuck.network import Network

FLAT = 0.05


class LayerSignals:
    """The signals of a network by name. What does not change from record to record is worked out once."""

    def __init__(self, network: Network):
        names = ("dead", "saturated", "z_mean", "z_spread", "gradient_norm", "update_ratio")
        self._names = [f"{name}_{k}" for k in range(1, len(network.dense) + 1) for name in names]
        self._flat = [
            FLAT * _steepest(layer.activation) if _is_bounded(layer.activation) else 0.0 for layer in network.dense
        ]

    def of(
        self, units: UnitSignals, gradient_norms: Array, update_norms: tuple[list[float], list[float]]
    ) -> dict[str, float]:
        """Return them for a record, of what an engine says."""
        signals: list[float] = []
        before, updates = update_norms
        layers = zip(units.slopes, units.means.tolist(), units.spreads.tolist(), gradient_norms.tolist(), strict=True)
        for k, (slopes, mean, spread, norm) in enumerate(layers):
            dead = len(slopes) - int(np.count_nonzero(slopes))
            flat = int(np.count_nonzero(slopes < self._flat[k])) - dead if self._flat[k] else 0
            ratio = updates[k] / before[k] if before[k] else math.inf if updates[k] else 0.0
            signals += (dead / len(slopes), flat / len(slopes), mean, spread, norm, ratio)
        return dict(zip(self._names, signals, strict=True))


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
