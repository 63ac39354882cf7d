"""The layers that a person's arrays are: W and b as views of them, in whatever shape, and the data beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unstuck.arrays import Array
from unstuck.subjects.layout import Block


@dataclass(frozen=True)
class Part(Block):
    """Some rows or columns of an array that holds both W and b, called as they are indexed: W2[:-1] and W2[-1].

    Attributes:
        whole: the array.
        index: of the rows or columns in it.
    """

    whole: Block
    index: tuple[slice | int, ...]

    def of(self, w: Array) -> Array:
        """Return the view of w that this part is."""
        return self.whole.of(w)[self.index]

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def array_of(block: Block) -> Block:
    """Return the person's array that a block is, or is a part of."""
    return block.whole if isinstance(block, Part) else block


@dataclass(frozen=True)
class Layer:
    """The blocks of a Dense layer.

    Attributes:
        W: (i, o), or (o, i) where it is `transposed`.
        b: of o numbers, in whatever shape; None where there is none.
        transposed: whether the person multiplies by W.T, or has samples in columns and multiplies by W from the left.
        vector: whether W is (i,) to the person, and the layer's output without an axis for its units.
    """

    W: Block
    b: Block | None
    transposed: bool
    vector: bool = False

    def weights(self, w: Array) -> Array:
        """Return W, or the part of a gradient that belongs to it, of shape (i, o)."""
        matrix = self.W.of(w)
        return matrix.T if self.transposed else matrix

    def biases(self, w: Array) -> Array:
        """Return b, of shape (o,); zeros where there is none."""
        return np.zeros(self.outputs) if self.b is None else self.b.of(w).reshape(-1)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Its W, and its b if it has one."""
        return (self.W,) if self.b is None else (self.W, self.b)

    @property
    def folded(self) -> bool:
        """Whether W and b are parts of one array."""
        return isinstance(self.W, Part)

    @property
    def inputs(self) -> int:
        """I, the length of its input."""
        return self.W.shape[1 if self.transposed else 0]

    @property
    def outputs(self) -> int:
        """O, the number of its units."""
        return self.W.shape[0 if self.transposed else 1]


@dataclass(frozen=True)
class Arrangement:
    """The layers in order, and the data the usual way round.

    Attributes:
        layers: from the first to the last.
        X: features (n, i).
        Y: targets (n, o).
        in_columns: whether the person has samples in columns.
        dropped: what the activations of each layer are multiplied by, (n, o): a dropout mask and its scale, or None.
        keeps: that scale, 1 where there is no mask.
    """

    layers: tuple[Layer, ...]
    X: Array
    Y: Array
    in_columns: bool
    dropped: tuple[Array | None, ...] = ()
    keeps: float = 1.0

    def factor(self, depth: int) -> Array | None:
        """Return what the activations of a layer, counted from 0, are multiplied by."""
        return self.dropped[depth] if self.dropped else None

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Those of all layers, from the first to the last."""
        return tuple(block for layer in self.layers for block in layer.blocks)

    def number_of(self, name: str) -> int:
        """Return the number of the layer, from 1, that a block of this name is of."""
        return next(k for k, layer in enumerate(self.layers, 1) if name in {block.name for block in layer.blocks})

    def arrays(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names of blocks, the array's name in place of those of both its parts."""
        found = list(names)
        for layer in self.layers:
            if layer.folded and {block.name for block in layer.blocks} <= set(found):
                weights, biases = (block.name for block in layer.blocks)
                found[found.index(weights)] = array_of(layer.W).name
                found.remove(biases)
        return tuple(found)

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of inputs, then of each layer's units."""
        return (self.layers[0].inputs, *(layer.outputs for layer in self.layers))


def read_layer(block: Block, inputs: int, transposed: bool, ones: int | None) -> Layer | None:
    """Return the layer whose W, or W and b, a block is; None where it takes other inputs.

    Args:
        block: the array.
        inputs: the number of the layer's inputs.
        transposed: whether the array is (o, i).
        ones: where the ones are put beside the inputs: 0 or -1, first or last; None where they are not.
    """
    vector = len(block.shape) < 2
    whole = Block(block.name, (block.size, 1), block.part) if vector else block
    taken, given = reversed(whole.shape) if transposed else whole.shape
    if taken == inputs:
        return Layer(whole, None, transposed, vector)
    if ones is None or taken != inputs + 1:
        return None
    others, text = (slice(None, -1), ":-1") if ones else (slice(1, None), "1:")
    before, comma = ((slice(None),), ":, ") if transposed else ((), "")
    shape = (given, inputs) if transposed else (inputs, given)
    W = Part(f"{block.name}[{comma}{text}]", shape, block.part, whole, (*before, others))
    b = Part(f"{block.name}[{comma}{ones}]", (given,), block.part, whole, (*before, ones))
    return Layer(W, b, transposed, vector)
