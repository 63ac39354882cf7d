"""Where the weights begin, and how coefs_ and intercepts_ lie in the flat vector of parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import OptionError
from unstuck.functions.initializers import Uniform
from unstuck.network import Network


def uniform_start(inputs: int, outputs: int, logistic: bool) -> Uniform:
    """Return scikit-learn's start of W and b alike: U(-r, r), r^2 = 6 / (i + o), or 2 / (i + o) for logistic units.

    >>> uniform_start(4, 2, logistic=False)
    Uniform(-1.0, high=1.0)
    """
    bound = math.sqrt((2 if logistic else 6) / (inputs + outputs))
    return Uniform(-bound, bound)


def drawn_start(widths: Sequence[int], logistic: bool, random: np.random.RandomState) -> Array:
    """Return the start (P,) that scikit-learn draws from the same random state: layer by layer, W and then b.

    Args:
        widths: the inputs, the units of each hidden layer, the outputs.
        logistic: whether the hidden units are.
        random: is drawn from.
    """
    parts = []
    for i, o in pairwise(widths):
        start = uniform_start(i, o, logistic)
        parts += [random.uniform(start.low, start.high, size) for size in (i * o, o)]
    return np.concatenate(parts)


def packed(network: Network, coefs: Sequence[Any], intercepts: Sequence[Any]) -> Array:
    """Return the parameters (P,) of a network given layer by layer.

    Raises:
        OptionError: when they are not the network's.
    """
    w = np.empty(network.size, network.recipe.precision)
    if len(coefs) != len(network.dense) or len(intercepts) != len(network.dense):
        raise OptionError(
            f"weights of {len(coefs)} layers and biases of {len(intercepts)}, but the network has {len(network.dense)}"
        )
    for number, (layer, W, b) in enumerate(zip(network.dense, coefs, intercepts, strict=True), start=1):
        shapes = (layer.inputs, layer.outputs), (layer.outputs,)
        if (np.shape(W), np.shape(b)) != shapes:
            raise OptionError(
                f"layer {number} has weights of shape {np.shape(W)} and biases of shape {np.shape(b)}; this network "
                f"needs {shapes[0]} and {shapes[1]}"
            )
        layer.W(w)[...] = W
        layer.b(w)[...] = b
    return w


def unpacked(network: Network, w: Array) -> tuple[list[Array], list[Array]]:
    """Return W and b of each layer, as views of w."""
    return [layer.W(w) for layer in network.dense], [layer.b(w) for layer in network.dense]
