from __future__ import annotations

import numpy as np
import pytest
from tests.diagnosis.faulty import NUMBERS, THREE, TWO, quadrants, three_blobs, waves
from tests.diagnosis.test_learnable import flipped, learned

from unstuck.data import xor
from unstuck.diagnosis.label_noise import label_noise


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_flipped_labels_are_counted_and_rather_too_many_than_too_few(share, seed):
    X, y = quadrants(1600)
    wrong = flipped(y, share, seed)
    kept = learned(TWO, X, wrong).noise
    assert 0.8 * share < kept.share < 1.4 * share + 0.02
    assert kept.certain or share < 0.1


def test_labels_that_can_be_learned_have_next_to_no_noise():
    for recipe, (X, y) in ((TWO, quadrants(1000)), (THREE, three_blobs())):
        assert learned(recipe, X, y).noise.share < 0.03
        assert not learned(recipe, X, y).noise.certain


def test_shuffled_labels_are_as_noisy_as_shuffled_labels_are():
    for recipe, (X, y) in ((TWO, quadrants(1000)), (THREE, three_blobs())):
        found = learned(recipe, X, np.random.default_rng(0).permutation(y)).noise
        assert found.shuffled == pytest.approx(1 - (np.bincount(y) ** 2).sum() / len(y) ** 2, abs=0.01)
        assert found.share == pytest.approx(found.shuffled, abs=0.1)


def test_numbers_and_truth_tables_have_no_labels_to_be_wrong():
    assert learned(NUMBERS, *waves()).noise is None
    assert learned(TWO, *xor(3)).noise is None


def test_the_joint_counts_are_those_of_confident_learning_worked_by_hand():
    # thresholds: mean of (0.9, 0.8, 0.1) = 0.6 for class 0, of (0.7, 0.9, 0.2) = 0.6 for class 1
    p = np.array([0.9, 0.8, 0.1, 0.3, 0.1, 0.8])
    found = label_noise(np.column_stack([p, 1 - p]), np.array([0, 0, 0, 1, 1, 1]))
    assert found.share == pytest.approx(2 / 6)  # one of each three counts for the other class
    assert found.error == pytest.approx(np.sqrt(2 / 6 * 4 / 6 / 6))
    assert found.shuffled == 0.5


def test_rows_of_which_the_learner_is_not_sure_do_not_count():
    p = np.array([0.95, 0.95, 0.4, 0.05, 0.05, 0.6])
    assert label_noise(np.column_stack([p, 1 - p]), np.array([0, 0, 0, 1, 1, 1])).share == 0
