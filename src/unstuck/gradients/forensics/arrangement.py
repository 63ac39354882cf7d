"""Which of a person's arrays is which layer's W or b, and which way round they and the data lie.

Inside, everything is as in the rest of unstuck: X (n, i), Y (n, o), W (i, o), b (o,). The person may have W (o, i),
samples in columns, biases as rows or columns or within W, w (i,) of a single output, class numbers for one-hot targets,
and the arrays in any order. Several arrangements may fit the shapes; the loss decides between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import compress, permutations, product
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.gradients.forensics.dropout import with_mask
from unstuck.gradients.forensics.layers import Arrangement, Layer, read_layer
from unstuck.subjects.layout import Block

MOST_LAYERS = 5
"""Arrays in another order than that of the layers are sorted out up to so many of them."""


def arrangements(blocks: Sequence[Block], data: Sequence[Any]) -> Iterator[Arrangement]:
    """Yield the arrangements that fit the shapes, the most usual ones first.

    Args:
        blocks: the person's arrays of parameters.
        data: (X, y); or (X, y, mask), the dropout mask of a hidden layer; or ([(x, y), (x, y), ...],). The rows of X
            and y may be columns of numbers.
    """
    if len(data) == 1 and isinstance(data[0], list) and all(isinstance(row, tuple) for row in data[0]):
        data = tuple(zip(*data[0], strict=False))  # [(x, y), (x, y), ...]
    if len(data) not in (2, 3):
        return
    try:
        X, y = (np.asarray(part) for part in data[:2])
    except ValueError:  # rows of different lengths
        return
    if one_by_one := X.ndim == 3 and X.shape[2] == 1:  # columns, one for each row
        X = X[:, :, 0]
        y = y[:, :, 0] if y.ndim == 3 and y.shape[2] == 1 else y
    if X.dtype.kind not in "fiub" or y.dtype.kind not in "fiub" or X.ndim not in (1, 2) or y.ndim not in (1, 2):
        return
    if not X.size:
        return
    ways = [(one_by_one, X.reshape(len(X), -1))] + ([(True, X.T)] if X.ndim == 2 and not one_by_one else [])
    for vector, ones, (in_columns, rows), transposed in product((False, True), (None, -1, 0), ways, (False, True)):
        for layers in _chains(blocks, rows.shape[1], transposed, vector, ones):
            for Y in _targets(y, len(rows), layers[-1].outputs):
                plain = Arrangement(layers, rows.astype(np.float64), Y, in_columns)
                yield from [plain] if len(data) == 2 else with_mask(plain, np.asarray(data[2]))


def _chains(
    blocks: Sequence[Block], inputs: int, transposed: bool, vector: bool, ones: int | None
) -> Iterator[tuple[Layer, ...]]:
    """Yield the ways to read blocks as layers, each of which takes what the one before it gives.

    Args:
        blocks: the person's arrays.
        inputs: the number of features.
        transposed: whether matrices are (o, i).
        vector: whether the last layer's W is (i,).
        ones: the place of the ones that are put beside a layer's inputs, first or last (0 or -1), where a layer's W has
            a row for them; None where no layer has.
    """
    for matrices, biases in _readings(blocks, vector):
        orders = permutations(matrices) if len(matrices) <= MOST_LAYERS else [tuple(matrices)]
        for order in orders:
            layers: list[Layer] = []
            width = inputs
            for block in order:
                is_vector = len(block.shape) < 2
                layer = read_layer(block, width, transposed and not is_vector, ones)
                if layer is None or (is_vector and block is not order[-1]):
                    break
                layers.append(layer)
                width = layer.outputs
            else:
                folded = any(layer.b is not None for layer in layers)
                repeated = transposed and not any(layer.transposed for layer in layers)
                assigned = _assigned(biases, [0 if layer.b else layer.outputs for layer in layers])
                if assigned is not None and folded == (ones is not None) and not repeated:
                    pairs = zip(layers, assigned, strict=True)
                    yield tuple(replace(layer, b=layer.b or b) for layer, b in pairs)


def _readings(blocks: Sequence[Block], vector: bool) -> Iterator[tuple[list[Block], list[Block]]]:
    """Yield which blocks may be matrices, and which biases.

    A single row or column may be either, as its name has it first. One array of numbers without an axis for units is
    the last layer's W where that is a `vector`.
    """
    single = [block for block in blocks if len(block.shape) < 2]
    for chosen in sorted(single, key=_is_called_bias) if vector else [None]:
        choices = []
        for block in blocks:
            if len(block.shape) != 2:
                choices.append([block is chosen] if len(block.shape) < 2 else [])
            elif min(block.shape) > 1:
                choices.append([True])
            else:
                choices.append([False, True] if _is_called_bias(block) else [True, False])
        for choice in product(*choices):
            if any(choice):
                yield (
                    list(compress(blocks, choice)),
                    [block for block, taken in zip(blocks, choice, strict=True) if not taken],
                )


def _is_called_bias(block: Block) -> bool:
    return block.name.lower().lstrip("[._").startswith(("b", "c"))


def _assigned(biases: Sequence[Block], widths: Sequence[int]) -> list[Block | None] | None:
    """Return the bias of each layer, in order; None where they do not fit. A width of 0 is that of a layer without."""
    left = list(biases)
    found: list[Block | None] = []
    for width in widths:
        fits = left and width and left[0].size == width
        found.append(left.pop(0) if fits else None)
    return None if left else found


def _targets(y: npt.NDArray[Any], n: int, outputs: int) -> Iterator[Array]:
    """Yield the targets as (n, o): as they are, turned, or class numbers as one-hot rows."""
    numbers = y.astype(np.float64)
    if y.ndim == 2:
        if y.shape == (n, outputs):
            yield numbers
        if y.shape == (outputs, n) and n != outputs:
            yield numbers.T
    if y.size == n:
        flat = numbers.reshape(-1)
        if outputs == 1 and y.ndim == 1:
            yield flat[:, None]
        if outputs > 1 and np.array_equal(flat, np.rint(flat)):
            for first in (0, 1):
                if flat.min() >= first and flat.max() < first + outputs:
                    yield np.eye(outputs)[(flat - first).astype(int)]
