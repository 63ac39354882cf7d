"""Dropout between the layers: masks that come with the data, and those that a person's functions draw themselves.

Functions that draw from NumPy's global random numbers are reseeded before each call, so the mask is always the same
one. Drawn again with the same seed, in the ways in which people draw it, it is tried like a mask that was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.gradients.forensics.layers import Arrangement

KEPT = (0.5, 0.8, 0.9, 0.75, 0.7, 0.6, 0.95, 0.4, 0.3, 0.2, 0.1, 0.05)
"""Probabilities of keeping a unit that are tried."""


def with_mask(plain: Arrangement, mask: npt.NDArray[Any]) -> Iterator[Arrangement]:
    """Yield the hidden layers that a mask may belong to, with the scales that its share of ones suggests."""
    if mask.ndim != 2 or mask.dtype.kind not in "fiub":
        return
    mask = (mask.T if plain.in_columns else mask).astype(np.float64)
    kept = np.count_nonzero(mask) / mask.size
    if not kept:
        return
    shown = np.unique(mask[mask != 0])
    for depth, layer in enumerate(plain.layers[:-1]):
        if mask.shape == (len(plain.X), layer.outputs) and len(shown) == 1:
            for scale in dict.fromkeys([1 / (round(kept * 10) / 10 or kept), 1.0, 1 / (round(kept * 20) / 20 or kept)]):
                yield _dropping(plain, {depth: mask}, scale, scale * float(shown[0]))


def with_drawn_masks(plain: Arrangement, seed: int) -> Iterator[Arrangement]:
    """Yield dropout on all hidden layers, and on each alone, by the first masks that are drawn with this seed."""
    hidden = range(len(plain.layers) - 1)
    for depths in dict.fromkeys([tuple(hidden), *((depth,) for depth in hidden)]):
        shapes = [(len(plain.X), plain.layers[depth].outputs) for depth in depths]
        for keep in KEPT if depths else ():
            for drawn in _draws(seed, [shape[::-1] if plain.in_columns else shape for shape in shapes], keep):
                masks = [mask.T if plain.in_columns else mask for mask in drawn]
                for scale in (1 / keep, 1.0):
                    yield _dropping(plain, dict(zip(depths, masks, strict=True)), scale, scale)


def _draws(seed: int, shapes: list[tuple[int, ...]], keep: float) -> Iterator[list[Array]]:
    """Yield the masks of some layers, one drawn after the other, in each of the usual ways."""

    def fresh() -> np.random.RandomState:
        return np.random.RandomState(seed)  # theirs are the global numbers, of which this is the stream

    random = fresh()
    uniform = [random.random_sample(shape) for shape in shapes]
    yield [(u < keep) * 1.0 for u in uniform]
    yield [(u > 1 - keep) * 1.0 for u in uniform]
    random = fresh()
    yield [random.binomial(1, keep, shape) * 1.0 for shape in shapes]
    if keep == 0.5:
        random = fresh()
        yield [random.randint(2, size=shape) * 1.0 for shape in shapes]


def _dropping(plain: Arrangement, masks: dict[int, Array], scale: float, keeps: float) -> Arrangement:
    dropped = tuple(masks[k] * scale if k in masks else None for k in range(len(plain.layers)))
    return replace(plain, dropped=dropped, keeps=keeps)
