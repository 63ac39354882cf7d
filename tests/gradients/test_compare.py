"""Large gradients are compared along directions, and what is wrong in them is found by bisection."""

from __future__ import annotations

import numpy as np
import pytest

from unstuck.gradients.compare import compare

SIZE = 30_000
random = np.random.default_rng(0)
A = random.normal(size=SIZE)
w = random.normal(size=SIZE)
BLOCKS = {"W1": slice(0, 20_000), "b1": slice(20_000, 20_100), "W2": slice(20_100, SIZE)}
SHAPES = {"W1": (100, 200), "W2": (99, 100)}


def gradient(w):
    return A * np.cos(A * w)


class Counted:
    def __init__(self):
        self.calls = 0

    def __call__(self, w):
        self.calls += 1
        return float(np.sin(A * w).sum())


def check(change, **options):
    def changed(w):
        g = gradient(w)
        change(g)
        return g

    return compare(Counted(), changed, w, BLOCKS, shapes=SHAPES, **options)


def test_a_right_one_is_right_after_three_directions_each():
    cost = Counted()
    found = compare(cost, gradient, w, BLOCKS, shapes=SHAPES)
    assert found.right, str(found)
    assert [len(block.comparisons) for block in found.blocks] == [3, 3, 3]
    assert cost.calls == 1 + 21 * 9


@pytest.mark.parametrize("place", [0, 4_321, 19_999, *random.integers(20_000, size=2).tolist()])
def test_one_wrong_entry_is_named(place):
    norm = np.linalg.norm(gradient(w))

    def change(g):
        g[place] += 0.01 * norm

    found = check(change)
    assert [block.verdict for block in found.blocks] == ["WRONG", "right", "right"]
    (wrong,) = found.blocks[0].wrong_entries
    assert wrong.place == place
    assert wrong.where == f"W1[{place // 200}, {place % 200}]"
    assert f"- W1 is wrong in 1 entry of 20,000, {wrong.where}, and right in all others." in str(found)


def test_a_few_wrong_entries_are_named_all():
    wrong = sorted(random.choice(np.arange(20_100, SIZE), 4, replace=False).tolist())

    def change(g):
        g[wrong] *= -1

    found = check(change)
    assert [block.verdict for block in found.blocks] == ["right", "right", "WRONG"]
    assert sorted(one.place + 20_100 for one in found.blocks[2].wrong_entries) == wrong
    assert "W2 is wrong in 4 entries of 9,900" in str(found)


@pytest.mark.parametrize("change", [lambda g: g.__imul__(1.001), lambda g: g.__imul__(0), lambda g: g.__imul__(np.nan)])
def test_a_block_that_is_wrong_throughout_is_not_searched_to_the_end(change):
    cost = Counted()

    def changed(w):
        g = gradient(w)
        change(g[BLOCKS["W1"]])
        return g

    found = compare(cost, changed, w, BLOCKS, shapes=SHAPES)
    assert [block.verdict for block in found.blocks] == ["WRONG", "right", "right"]
    assert not found.blocks[0].located
    assert "wrong in" not in str(found)
    assert cost.calls < 21 * 40


def test_errors_that_cancel_in_sums_do_not_cancel_here():
    def change(g):
        g[[7, 8]] += 0.5, -0.5

    assert {one.place for one in check(change).blocks[0].wrong_entries} == {7, 8}


def test_noise_makes_unsure_and_accuses_nobody():
    shaken = np.random.default_rng(1)

    def cost(w):
        return float(np.sin(A * w).sum()) + 1e-4 * shaken.uniform(-1, 1)

    found = compare(cost, gradient, w, BLOCKS, noise=1e-3)
    assert found.verdict in ("right", "?")
    assert all(block.uncertainty > 1e-4 for block in found.blocks)
    found = compare(lambda w: cost(w) * 1e6, lambda w: 0 * gradient(w), w, BLOCKS, noise=1e9)
    assert [block.verdict for block in found.blocks] == ["?", "?", "?"]
    assert found.verdict == "?"
    assert not found.right


def test_the_complex_step_sharpens_and_a_wrong_one_is_not_believed():
    plain, sharp, spoilt = (
        compare(
            lambda w: float(np.sin(w).sum()),
            np.cos,
            w[:9],
            {"w": slice(0, 9)},
            complex_cost=complex_cost,
        ).blocks[0]
        for complex_cost in (None, lambda w: complex(np.sin(w).sum()), lambda w: complex(np.sin(w).sum().real))
    )
    assert sharp.uncertainty < 1e-15 < plain.uncertainty
    assert sharp.relative_error < 1e-15
    assert spoilt.uncertainty == plain.uncertainty
    assert sharp.verdict == plain.verdict == spoilt.verdict == "right"


def test_a_block_of_no_numbers_is_left_out():
    found = compare(Counted(), gradient, w, {"nothing": slice(5, 5), "b1": BLOCKS["b1"]})
    assert [block.name for block in found.blocks] == ["b1"]


@pytest.mark.parametrize("seed", [511, 592, 642])  # whose directions have components of about the same size
def test_kinks_that_pass_for_none_under_noise_accuse_nobody(seed):
    """At 0, along a direction of unlike signs, one begins where the other ends: a straight line of another slope."""
    signs = np.array([1.0, -1.0])
    found = compare(
        lambda w: float(np.float32(1 + signs @ np.maximum(w, 0))),
        lambda w: signs * (w > 0),
        np.zeros(2),
        {"b": slice(0, 2)},
        seed,
        noise=1e-6,
    )
    assert found.verdict == "right", str(found)
