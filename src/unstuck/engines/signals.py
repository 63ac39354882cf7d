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

from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.engines.engine import Descent, UnitSignals
from unstuck.functions.activations import Activation
from unstuck.network import DenseLayer, Network

FLAT = 0.05


def layer_signals(network: Network, units: UnitSignals, gradient_norms: Array, descent: Descent) -> dict[str, float]:
    """Return the signals by name."""
    signals: dict[str, Any] = {}
    for k, layer in enumerate(network.dense):
        dead = units.slopes[k] == 0
        flat = _is_bounded(layer.activation) & (units.slopes[k] < FLAT * _steepest(layer.activation)) & ~dead
        before = _norm(network, layer, descent.previous)
        update = _norm(network, layer, descent.w - descent.previous)
        signals |= {
            f"dead_{k + 1}": dead.mean(),
            f"saturated_{k + 1}": flat.mean(),
            f"z_mean_{k + 1}": units.means[k],
            f"z_spread_{k + 1}": units.spreads[k],
            f"gradient_norm_{k + 1}": gradient_norms[k],
            f"update_ratio_{k + 1}": update / before if before else np.inf if update else 0.0,
        }
    return {name: float(value) for name, value in signals.items()}


def norms_of_layers(network: Network, vector: Array) -> Array:
    """Return the Euclidean norm of each Dense layer's part of a vector (P,)."""
    return np.array([_norm(network, layer, vector) for layer in network.dense])


def _norm(network: Network, layer: DenseLayer, vector: Array) -> float:
    parts = [layer.W(vector).ravel(), layer.b(vector)] if layer.has_bias else [layer.W(vector).ravel()]
    return float(np.linalg.norm(np.concatenate(parts).astype(np.float64)))


def _is_bounded(activation: Activation) -> bool:
    return bool(np.isfinite(activation.range).all())


def _steepest(activation: Activation) -> float:
    """Return f'(0), which is the largest slope of every bounded activation here; of softmax that of two even units."""
    z = np.zeros((1, 2))
    return float(activation.derivative(z, activation.value(z)).max())
