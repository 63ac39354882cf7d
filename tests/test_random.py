from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from unstuck._native import cpu_level, philox_block, philox_words
from unstuck.errors import OptionError
from unstuck.random import (
    BATCH_ORDER,
    BLOCK_ORDER,
    DROPOUT,
    HELD_OUT,
    batch_order,
    block_order,
    dropout_mask,
    generator,
    held_out,
)

# The three lines "philox4x32 10" of tests/kat_vectors in the Random123 library, by the authors of the paper
# (https://github.com/DEShawResearch/random123): counter c0 c1 c2 c3, key k0 k1, result.
KNOWN_ANSWERS = """
00000000 00000000 00000000 00000000 00000000 00000000   6627e8d5 e169c58d bc57ac4c 9b00dbd8
ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff   408f276d 41c83b0e a20bc7c6 6d5451fd
243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0   d16cfe09 94fdcceb 5001e420 24126ea1
"""
WORD = 2**32

words = st.integers(0, WORD - 1)
seeds = st.integers(0, WORD**2 - 1)
sizes = st.integers(0, 9)


def naive_block(counter, key):
    """The generator as the paper's section 3.3 has it: one round is two multiplications and a permutation of words."""
    k0, k1 = key % WORD, key // WORD
    for _ in range(10):
        c0, c1, c2, c3 = counter
        high0, low0 = divmod(0xD2511F53 * c0, WORD)
        high1, low1 = divmod(0xCD9E8D57 * c2, WORD)
        counter = (high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0)
        k0, k1 = (k0 + 0x9E3779B9) % WORD, (k1 + 0xBB67AE85) % WORD
    return list(counter)


def naive_word(seed, stream, step, row, unit):
    return naive_block((unit // 4, row, step, stream), seed)[unit % 4]


@pytest.mark.parametrize("line", KNOWN_ANSWERS.strip().splitlines())
@pytest.mark.parametrize("block", [philox_block, naive_block])
def test_published_known_answers(block, line):
    *counter, k0, k1, r0, r1, r2, r3 = (int(word, 16) for word in line.split())
    assert block(tuple(counter), k1 * WORD + k0) == [r0, r1, r2, r3]


@given(st.tuples(words, words, words, words), seeds)
def test_block_agrees_with_the_naive_implementation(counter, key):
    assert philox_block(counter, key) == naive_block(counter, key)


@given(seeds, words, words, sizes, sizes, st.integers(0, WORD - 9))
def test_words_agree_with_the_naive_implementation(key, stream, step, rows, units, first_row):
    expected = [[naive_word(key, stream, step, first_row + r, j) for j in range(units)] for r in range(rows)]
    actual = philox_words(key, stream, step, rows, units, first_row)
    assert actual.dtype == np.uint32
    assert actual.shape == (rows, units)
    assert actual.tolist() == expected


@pytest.mark.parametrize(
    ("rows", "units", "first_row", "message"),
    [
        (WORD + 1, 0, 0, "first_row"),
        (1, 1, WORD, "first_row"),
        (2, 1, 2**64 - 1, "first_row"),
        (0, 4 * WORD + 1, 0, "units"),
        (2**31, 2**30, 0, "more than an array can hold"),
        (WORD, 4 * WORD, 0, "more than an array can hold"),
    ],
)
def test_words_refuse_sizes_that_overflow(rows, units, first_row, message):
    with pytest.raises(ValueError, match=message):
        philox_words(0, 0, 0, rows, units, first_row)


def test_words_reach_the_last_row_of_the_counter():
    assert philox_words(5, 6, 7, 1, 1, WORD - 1).item() == naive_word(5, 6, 7, WORD - 1, 0)


def test_cpu_level_is_one_the_engine_knows():
    assert cpu_level() in {"baseline", "x86-64-v3", "x86-64-v4", "arm64"}


@given(seeds, words, st.integers(0, 40))
def test_batch_order_is_the_documented_sort(seed, epoch, rows):
    order = batch_order(seed, epoch, rows)
    assert order.dtype == np.int64
    assert order.tolist() == sorted(range(rows), key=lambda row: naive_word(seed, BATCH_ORDER, epoch, 0, row))


def test_rows_with_equal_words_keep_their_order():
    rows = 200_000
    drawn = philox_words(0, BATCH_ORDER, 0, 1, rows)[0]
    order = batch_order(0, 0, rows)
    ties = np.flatnonzero(np.diff(drawn[order]) == 0)
    assert len(ties) > 0  # about rows² / 2³³, so the test has something to see
    assert np.all(order[ties] < order[ties + 1])


@pytest.mark.parametrize("by", ["seed", "epoch"])
def test_every_order_of_four_rows_is_equally_likely(by):
    drawn = range(4800)
    orders = [batch_order(n, 0, 4) if by == "seed" else batch_order(0, n, 4) for n in drawn]
    counts = Counter(tuple(order.tolist()) for order in orders)
    assert stats.chisquare([counts[order] for order in permutations(range(4))]).pvalue > 0.01


@settings(max_examples=30)
@given(seeds, words, st.integers(0, 20), sizes, sizes, st.floats(0, 1, exclude_max=True))
def test_dropout_mask_is_the_documented_comparison(seed, step, layer, rows, units, rate):
    threshold = round(rate * WORD)
    mask = dropout_mask(seed, step, layer, rows, units, rate)
    assert mask.shape == (rows, units)
    assert mask.tolist() == [
        [naive_word(seed, DROPOUT + layer, step, r, j) >= threshold for j in range(units)] for r in range(rows)
    ]


@given(st.integers(0, 12), st.integers(0, 12), sizes)
def test_a_part_of_a_mask_agrees_with_the_whole(first, count, units):
    whole = dropout_mask(3, 17, 2, 24, units, 0.4)
    part = dropout_mask(3, 17, 2, count, units, 0.4, first_row=first)
    assert np.array_equal(part, whole[first : first + count])


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.8])
def test_dropout_drops_its_share_of_units(rate):
    mask = dropout_mask(seed=11, step=0, layer=0, rows=400, units=500, rate=rate)
    assert stats.binomtest(int(np.sum(~mask)), mask.size, rate).pvalue > 0.01
    by_unit = stats.binom(len(mask), rate).cdf(np.sum(~mask, axis=0))
    by_row = stats.binom(mask.shape[1], rate).cdf(np.sum(~mask, axis=1))
    assert min(*by_unit, *by_row) > 1e-6
    assert max(*by_unit, *by_row) < 1 - 1e-6


def test_rate_zero_keeps_everything():
    assert dropout_mask(1, 2, 3, 50, 50, 0.0).all()


@pytest.mark.parametrize("change", [{"seed": 2}, {"seed": 1 + WORD}, {"step": 2}, {"layer": 2}, {"first_row": 1}])
def test_masks_of_different_places_are_unrelated(change):
    place = {"seed": 1, "step": 1, "layer": 1, "rows": 100, "units": 100, "rate": 0.5}
    agreeing = np.sum(dropout_mask(**place) == dropout_mask(**{**place, **change}))
    assert stats.binomtest(int(agreeing), 100 * 100, 0.5).pvalue > 0.001


def test_batch_order_does_not_share_its_words_with_dropout():
    assert BATCH_ORDER < DROPOUT


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: batch_order(-1, 0, 3), "seed is -1; it must be an integer from 0 to 18446744073709551615"),
        (lambda: batch_order(2**64, 0, 3), "seed is 18446744073709551616"),
        (lambda: batch_order(0, 2**32, 3), "epoch is 4294967296"),
        (lambda: dropout_mask(0, -5, 0, 1, 1, 0.5), "step is -5"),
        (lambda: dropout_mask(0, 0, 2**32 - DROPOUT, 1, 1, 0.5), "layer is 4294901760"),
        (lambda: dropout_mask(0, 0, 0, 1, 1, 1.0), "rate is 1.0; .* less than 1"),
        (lambda: dropout_mask(0, 0, 0, 1, 1, -0.1), "rate is -0.1"),
        (lambda: dropout_mask(0, 0, 0, 1, 1, float("nan")), "rate is nan"),
        (lambda: generator(-1), "seed is -1"),
    ],
)
def test_arguments_out_of_range_are_refused(call, message):
    with pytest.raises(OptionError, match=message):
        call()


def test_generators_repeat_and_their_streams_differ():
    assert generator(9, 1, 2).bytes(16) == generator(9, 1, 2).bytes(16)
    streams = [(9,), (9, 0), (9, 0, 0), (9, 1), (9, 1, 0), (10,), (WORD,), (0, 1), (9 + WORD,)]
    assert len({generator(*stream).bytes(16) for stream in streams}) == len(streams)


@given(seed=seeds, epoch=words, blocks=st.integers(0, 30))
def test_block_order_sorts_the_words_of_its_own_stream(seed, epoch, blocks):
    drawn = [naive_word(seed, BLOCK_ORDER, epoch, 0, j) for j in range(blocks)]
    assert block_order(seed, epoch, blocks).tolist() == sorted(range(blocks), key=lambda j: drawn[j])


@given(seed=seeds, first=st.integers(0, WORD - 40), rows=sizes, fraction=st.floats(0, 1, exclude_max=True))
def test_held_out_compares_the_first_word_of_each_row(seed, first, rows, fraction):
    expected = [naive_word(seed, HELD_OUT, 0, first + k, 0) < round(fraction * WORD) for k in range(rows)]
    assert held_out(seed, first, rows, fraction).tolist() == expected
