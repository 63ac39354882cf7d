import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from unstuck.data import hold_out
from unstuck.errors import DataError


def test_the_rows_are_scikit_learns():
    y = np.arange(100) % 3
    for stratify in (True, False):
        kept, held = hold_out(y, 0.25, seed=7, stratify=stratify)
        expected = train_test_split(np.arange(100), test_size=25, random_state=7, stratify=y if stratify else None)
        np.testing.assert_array_equal(kept, np.sort(expected[0]))
        np.testing.assert_array_equal(held, np.sort(expected[1]))


def test_stratified_parts_have_the_same_shares():
    y = np.array(["a"] * 90 + ["b"] * 10)
    kept, held = hold_out(y, 0.2, seed=0, stratify=True)
    assert (y[held] == "b").sum() == 2
    assert (y[kept] == "b").sum() == 8


@pytest.mark.parametrize("y", [[0] * 9 + [1], [0, 1, 2, 3, 4] * 2])
def test_classes_too_small_to_stratify_are_drawn_all_the_same(y):
    kept, held = hold_out(np.array(y), 0.1, seed=0, stratify=True)
    assert sorted([*kept, *held]) == list(range(10))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("y", ["a" * 30 + "b" * 29 + "c", "abcdefghij" * 2, "aab", "a" * 50 + "bcdefgh"])
def test_no_class_is_held_out_altogether(y, seed):
    y = np.array(list(y))
    kept, held = hold_out(y, 0.2, seed=seed, stratify=True)
    assert sorted([*kept, *held]) == list(range(len(y)))
    assert len(held) == np.ceil(0.2 * len(y))
    assert set(y[kept]) == set(y)


@pytest.mark.parametrize(("n", "fraction"), [(1, 0.5), (10, 0.95), (10, 1.0), (10, 0.0), (0, 0.5)])
def test_an_empty_part_is_refused(n, fraction):
    with pytest.raises(DataError, match=f"of {n} rows leaves"):
        hold_out(np.zeros(n), fraction, seed=0, stratify=False)


def test_any_seed_of_a_recipe_will_do():
    assert len(hold_out(np.zeros(10), 0.5, seed=2**63 - 1, stratify=False)[0]) == 5
