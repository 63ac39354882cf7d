"""Network: a recipe's layers laid out over one flat vector of parameters.

All P parameters live in one vector, layer after layer, W row by row and then b:

    w = [ W1 (i1 x o1) | b1 (o1) | W2 (i2 x o2) | b2 (o2) | ... ]

Layers see views of it. What concerns all parameters alike (optimizers, penalties, gradient checks, checkpoints) needs
no loop over layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from unstuck import random
from unstuck.arrays import Array
from unstuck.errors import RecipeError
from unstuck.functions.activations import Activation
from unstuck.functions.initializers import Initializer, Zeros
from unstuck.recipe import Dense, Dropout, Recipe

LARGEST_NETWORK = 1 << 31


@dataclass(frozen=True)
class DenseLayer:
    """Where a Dense layer's parameters lie: W is w[weights] as (i, o), b is w[biases], an empty slice without bias."""

    index: int
    inputs: int
    outputs: int
    activation: Activation
    weights: slice
    biases: slice
    has_bias: bool

    def W(self, w: Array) -> Array:  # noqa: N802  # the algebra
        """Return the view of the weights, of shape (i, o)."""
        return w[self.weights].reshape(self.inputs, self.outputs)

    def b(self, w: Array) -> Array:
        """Return the view of the biases, of shape (o,), or (0,) without bias."""
        return w[self.biases]


@dataclass(frozen=True)
class DropoutLayer:
    """A Dropout layer: `index` is its place in recipe.layers, which also names its masks."""

    index: int
    units: int
    rate: float


class Network:
    """The layers of a recipe, for i inputs.

    Args:
        recipe: its layers are laid out.
        inputs: the number of columns of X after preprocessing.

    Raises:
        RecipeError: when the network would be too large to address, or a given start has another shape.

    >>> from unstuck import Recipe, Dense
    >>> network = Network(Recipe([Dense(3, "relu"), Dense(2)], loss="squared_error"), inputs=4)
    >>> network.size, {name: view.shape for name, view in network.views(np.zeros(network.size)).items()}
    (23, {'W1': (4, 3), 'b1': (3,), 'W2': (3, 2), 'b2': (2,)})
    """

    def __init__(self, recipe: Recipe, inputs: int):
        self.recipe = recipe
        self.inputs = inputs
        self.outputs = recipe.outputs
        self.layers: list[DenseLayer | DropoutLayer] = []
        end, width = 0, inputs
        for index, layer in enumerate(recipe.layers):
            if isinstance(layer, Dropout):
                self.layers.append(DropoutLayer(index, width, layer.rate))
            elif isinstance(layer, Dense):
                start, middle = end, end + width * layer.units
                end = middle + (layer.units if layer.bias else 0)
                weights, biases = slice(start, middle), slice(middle, end)
                self.layers.append(DenseLayer(index, width, layer.units, layer.activation, weights, biases, layer.bias))
                width = layer.units
        self.size = end
        if self.size > LARGEST_NETWORK:
            raise RecipeError([("layers", f"{self.size:,} parameters; more than {LARGEST_NETWORK:,} is not supported")])

    @cached_property
    def dense(self) -> list[DenseLayer]:
        """The layers that have parameters."""
        return [layer for layer in self.layers if isinstance(layer, DenseLayer)]

    def views(self, w: Array) -> dict[str, Array]:
        """Return the parameters by name: W1 (i, o), b1 (o,), W2, ... Changing a view changes w."""
        named = {}
        for number, layer in enumerate(self.dense, start=1):
            named[f"W{number}"] = layer.W(w)
            if layer.has_bias:
                named[f"b{number}"] = layer.b(w)
        return named

    def start(self) -> Array:
        """Return the parameters before the first update, as the recipe's starts and seed determine them."""
        w = np.zeros(self.size, self.recipe.precision)
        problems = []
        for layer in self.dense:
            described = self.recipe.layers[layer.index]
            assert isinstance(described, Dense)
            weight_start = described.weight_start or _usual(layer.activation.start)
            starts = [("weight_start", layer.W(w), weight_start), ("bias_start", layer.b(w), described.bias_start)]
            for stream, (name, view, start) in enumerate(starts[: 1 + layer.has_bias]):
                if isinstance(start, Zeros):
                    continue  # as it is, and a generator takes longer than many a layer's numbers
                draw = random.generator(self.recipe.seed, layer.index, stream)
                try:
                    view[...] = start.sample(draw, view.shape, layer.inputs, layer.outputs)
                except ValueError as error:
                    problems.append((f"layers.{layer.index}.{name}", str(error)))
        if problems:
            raise RecipeError(problems)
        return w

    def on(self, which: str) -> list[slice]:
        """Return where the parameters lie that a penalty is on: "weights", or "all"."""
        return [slice(0, self.size)] if which == "all" else [layer.weights for layer in self.dense]


@cache
def _usual(kind: str) -> Initializer:
    return Initializer.from_data(kind)
