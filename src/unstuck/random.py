"""Random numbers that every engine can reproduce.

Batch order and dropout masks are drawn during training. They come from a counter-based generator, Philox4x32-10
(Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a random word is a pure function of where it is
used, there is no state to carry or to save, and an engine may compute any part of a mask, in any order, on any thread.

    word(seed, stream, step, r, j) = word j mod 4 of the block with
        counter (c0, c1, c2, c3) = (⌊j/4⌋, r, step, stream)
        key     (k0, k1)         = (seed mod 2³², ⌊seed/2³²⌋)

The word is uniform on 0 ... 2³² - 1. r is a row of the mini-batch and j a unit of the layer. `stream` keeps the uses
apart: `BATCH_ORDER`, `BLOCK_ORDER`, `HELD_OUT`, and `DROPOUT + layer` for each layer. With the definitions of
`batch_order` and `dropout_mask` this is all that another engine needs to repeat step t of a training exactly, without
having done steps 0 ... t-1.

Start values are drawn once, before training, and passed to the engine as an array. For these `generator` returns
NumPy's own generator.

Source: https://doi.org/10.1145/2063384.2063405
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unstuck._native import philox_words
from unstuck.errors import OptionError

BATCH_ORDER = 0
BLOCK_ORDER = 1
HELD_OUT = 2
DROPOUT = 1 << 16

_END = {"seed": 1 << 64, "epoch": 1 << 32, "step": 1 << 32, "layer": (1 << 32) - DROPOUT}


def batch_order(seed: int, epoch: int, rows: int) -> npt.NDArray[np.int64]:
    """Return the order in which an epoch visits the rows of the training set: a permutation of 0 ... rows - 1.

        order = argsort of word(seed, BATCH_ORDER, step=epoch, r=0, j) over j = 0 ... rows - 1

    The sort is stable: of two rows with equal words the lower one comes first. Mini-batch number b of the epoch is
    `order[b * batch_size : (b + 1) * batch_size]`.

    Args:
        seed: the recipe's seed, 0 ... 2**64 - 1.
        epoch: counted from 0 at the start of the training.
        rows: the rows of the training set.

    Returns:
        Shape (rows,).

    Raises:
        OptionError: if the seed or the epoch is out of range.

    >>> batch_order(seed=7, epoch=0, rows=6)
    array([3, 2, 4, 1, 5, 0])
    """
    return _order(BATCH_ORDER, seed, epoch, rows)


def block_order(seed: int, epoch: int, blocks: int) -> npt.NDArray[np.int64]:
    """Return the order in which an epoch reads the blocks of rows that are streamed, (blocks,).

    As `batch_order`, of the stream `BLOCK_ORDER`.

    >>> block_order(seed=7, epoch=0, blocks=4)
    array([3, 2, 1, 0])
    """
    return _order(BLOCK_ORDER, seed, epoch, blocks)


def held_out(seed: int, first: int, rows: int, fraction: float) -> npt.NDArray[np.bool_]:
    """Return which of the rows first ... first + rows - 1 of a stream are held out, each with that probability.

        held[k] = word(seed, HELD_OUT, step=0, r=first + k, j=0) < round(fraction · 2³²)

    Args:
        seed: the recipe's seed, 0 ... 2**64 - 1.
        first: number of the first of them; at most 2**32 rows are told apart.
        rows: how many.
        fraction: 0 <= fraction < 1.

    >>> held_out(seed=7, first=0, rows=8, fraction=0.25)
    array([ True, False, False, False, False,  True,  True, False])
    """
    _check_range(seed=seed)
    return philox_words(seed, HELD_OUT, 0, rows, 1, first)[:, 0] < round(fraction * 2**32)


def _order(stream: int, seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    _check_range(seed=seed, epoch=epoch)
    words = philox_words(seed, stream, epoch, rows=1, units=count)[0]
    return np.argsort(words, kind="stable")


def dropout_mask(
    seed: int, step: int, layer: int, rows: int, units: int, rate: float, first_row: int = 0
) -> npt.NDArray[np.bool_]:
    """Return which units a dropout layer keeps in one step: True where kept, with probability 1 - rate.

        mask[r, j] = word(seed, DROPOUT + layer, step, first_row + r, j) >= round(rate · 2³²)

    The product rate · 2³² is exact in float64, and a half rounds to the even integer. A row is a place in the
    mini-batch, not in the training set. `first_row` lets a thread or a machine that has only a part of the mini-batch
    draw its part of the mask.

    Args:
        seed: the recipe's seed, 0 ... 2**64 - 1.
        step: the update this mask is for, counted from 0 over the whole training, not within an epoch.
        layer: the place of the dropout layer in `recipe.layers`, from 0.
        rows: rows of the mini-batch.
        units: units of the layer.
        rate: the share of units to drop, 0 <= rate < 1.
        first_row: where in the mini-batch the rows begin.

    Returns:
        Shape (rows, units).

    Raises:
        OptionError: if the seed, step, layer or rate is out of range.

    >>> dropout_mask(seed=7, step=0, layer=1, rows=2, units=5, rate=0.5)
    array([[ True, False,  True, False, False],
           [False,  True,  True,  True,  True]])
    """
    _check_range(seed=seed, step=step, layer=layer)
    if not 0 <= rate < 1:
        raise OptionError(
            f"rate is {rate}; it is the share of units to drop and must be at least 0 and less than 1, "
            "because the units that are kept are scaled by 1 / (1 - rate)"
        )
    words = philox_words(seed, DROPOUT + layer, step, rows, units, first_row)
    return words >= round(rate * 2**32)


def generator(seed: int, *stream: int) -> np.random.Generator:
    """Return NumPy's generator for start values; different streams of one seed are independent.

        default_rng(SeedSequence(seed, spawn_key=stream))

    (`SeedSequence([seed, *stream])` would not do: its streams (7) and (7, 0) are the same, and so are those of seed
    2**32 and of seed 0 with stream 1.)

    Args:
        seed: the recipe's seed, 0 ... 2**64 - 1.
        stream: what the numbers are for, for example the place of the layer: integers, 0 or more.

    Raises:
        OptionError: if the seed is out of range.

    >>> first, again, other = generator(7, 0), generator(7, 0), generator(7, 1)
    >>> value = first.normal()
    >>> value == again.normal(), value == other.normal()
    (True, False)
    """
    _check_range(seed=seed)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=stream))


def _check_range(**values: int) -> None:
    for name, value in values.items():
        if not 0 <= value < _END[name]:
            raise OptionError(
                f"{name} is {value}; it must be an integer from 0 to {_END[name] - 1}, "
                "because it is a part of the random number generator's counter or key"
            )
