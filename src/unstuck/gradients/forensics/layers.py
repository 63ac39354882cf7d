"""The layers that a person's arrays are: W and b as views of them, in whatever shape they have."""

from __future__ import annotations

import math
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
