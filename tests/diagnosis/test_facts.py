from __future__ import annotations

import numpy as np
import pytest
from tests.diagnosis.faulty import NUMBERS, TWO, output, quadrants, waves

from unstuck import Dense
from unstuck.diagnosis.facts import facts
from unstuck.diagnosis.problem import Problem

NORMAL = np.random.default_rng(1).normal(size=(80, 4))
"""Fewer rows than are held out of, so that all of them are seen."""
CODES = (NORMAL[:, 0] > 0).astype(int)
COLUMN = np.arange(80.0)


def of_numbers(X, y=COLUMN):
    recipe = NUMBERS.replace(layers=[*NUMBERS.layers[:-1], Dense(y.size // len(y))])
    problem = Problem.of(recipe, X, y)
    return facts(problem, problem.X, problem.y.reshape(len(problem.y), -1))


def of_classes(X, y):
    several = TWO.replace(layers=[Dense(len(np.unique(y)), "softmax")], loss="categorical_crossentropy")
    problem = Problem.of(TWO if len(np.unique(y)) == 2 else several, X, y)
    return facts(problem, problem.X, np.unique(problem.y, return_inverse=True)[1][:, None])


def test_ordinary_data_have_nothing_to_report():
    found = of_numbers(NORMAL, np.sin(NORMAL[:, 0]))
    assert (found.rows, found.inputs) == (80, 4)
    assert found.constant == found.repeated == found.leaking == ()
    assert found.contradictory == found.step == found.largest_class == 0
    assert found.spread_ratio < 2
    assert found.off_centre < 0.5


def test_scales_are_those_of_the_columns():
    X = NORMAL * [1, 10, 100, 1000] + [0, 0, 0, 1e5]
    found = of_numbers(X)
    assert found.largest_input == np.abs(X).max()
    assert found.input_spread == pytest.approx(np.median(np.std(X, axis=0)))
    assert found.spread_ratio == pytest.approx(np.std(X, axis=0).max() / np.std(X, axis=0).min())
    assert found.off_centre == pytest.approx((np.abs(X.mean(axis=0)) / X.std(axis=0)).max())


@pytest.mark.parametrize("value", [0.0, 3.0, 1e-30, 0.1, 1e8])
def test_a_constant_column_is_found_whatever_its_value(value):
    X = NORMAL.copy()
    X[:, 2] = value
    found = of_numbers(X)
    assert found.constant == (2,)
    assert found.spread_ratio < 2
    assert found.off_centre < 0.5


def test_a_column_is_not_constant_because_it_is_small():
    X = NORMAL * [1, 1, 1e-12, 1]
    assert of_numbers(X).constant == ()


def test_all_columns_constant_leave_no_scale():
    found = of_numbers(np.full((80, 3), 0.1))
    assert found.constant == (0, 1, 2)
    assert found.input_spread == 0
    assert found.off_centre == 0


def test_columns_that_are_equal_but_for_scale_and_shift_are_found():
    X = np.column_stack([NORMAL, 5 - 3 * NORMAL[:, 1]])
    assert of_numbers(X).repeated == ((1, 4),)
    nearly = np.column_stack([NORMAL, NORMAL[:, 1] + 1e-3 * NORMAL[:, 2]])
    assert of_numbers(nearly).repeated == ()


def test_pairs_are_numbered_by_the_columns_of_x_beside_constant_ones():
    X = np.column_stack([np.zeros(80), NORMAL, NORMAL[:, 3]])
    assert of_numbers(X).repeated == ((4, 5),)


def test_a_column_that_is_the_target_leaks():
    X = np.column_stack([np.ones(80), NORMAL, 7 - 2 * COLUMN])
    assert of_numbers(X).leaking == (5,)
    assert of_numbers(NORMAL).leaking == ()


def test_a_line_through_its_only_input_is_no_leak():
    assert of_numbers(COLUMN[:, None]).leaking == ()


def test_contradictory_rows_are_counted():
    X = np.array([[0.0], [0.0], [1.0], [1.0], [2.0]])
    assert of_classes(X, np.array([0, 1, 1, 1, 0])).contradictory == pytest.approx(2 / 5)
    assert of_classes(X, np.array([0, 0, 1, 1, 0])).contradictory == 0


def test_contradictions_of_several_numbers_are_of_whole_rows():
    X = np.array([[0.0], [0.0], [1.0], [1.0]])
    y = np.array([[0.0, 1.0], [0.0, 2.0], [3.0, 3.0], [3.0, 3.0]])
    assert of_numbers(X, y).contradictory == pytest.approx(0.5)


def test_targets_are_measured_as_the_loss_gets_them():
    y = np.column_stack([COLUMN, 10 * NORMAL[:, 0] + 100])
    found = of_numbers(NORMAL, y)
    assert found.target_mean == pytest.approx(np.sqrt((y[:, 0].mean() ** 2 + y[:, 1].mean() ** 2) / 2))
    assert found.target_spread == pytest.approx(np.sqrt((y[:, 0].var() + y[:, 1].var()) / 2))


def test_the_largest_class_is_a_share_of_the_rows():
    y = np.array(["b"] * 60 + ["a"] * 20)
    assert of_classes(NORMAL, y).largest_class == 0.75


def test_sorted_rows_are_in_order_and_shuffled_ones_are_not():
    shuffled = np.random.default_rng(0).permutation(80)
    assert of_numbers(NORMAL).in_order > 0.99
    assert abs(of_numbers(NORMAL, COLUMN[shuffled]).in_order) < 0.3
    assert of_classes(NORMAL, np.sort(CODES)).in_order > 0.9
    assert abs(of_classes(NORMAL, CODES).in_order) < 0.3


def test_alternating_classes_are_the_opposite_of_sorted():
    assert of_classes(NORMAL, np.arange(80) % 2).in_order < -0.9


@pytest.mark.parametrize("late", [1, 2, 3, -1, -2, -3])
def test_targets_out_of_step_by_a_few_rows_are_put_back_in_step(late):
    X, y = quadrants(600)
    problem = Problem.of(TWO, X, y)
    assert facts(problem, problem.X, problem.y[:, None]).step == 0
    shifted = Problem.of(TWO, X, np.roll(y, late))
    assert facts(shifted, shifted.X, shifted.y[:, None]).step == late


def test_several_numbers_are_put_back_in_step():
    X, y = waves(600)
    problem = Problem.of(output(NUMBERS, Dense(2)), X, np.roll(np.column_stack([y, X[:, 2]]), 2, axis=0))
    assert facts(problem, problem.X, problem.y).step == 2


def test_targets_that_nothing_predicts_are_not_out_of_step():
    X, y = quadrants(600)
    problem = Problem.of(TWO, X, np.random.default_rng(3).permutation(y))
    assert facts(problem, problem.X, problem.y[:, None]).step == 0


def test_a_smooth_series_is_not_out_of_step_with_itself():
    t = np.linspace(0, 20, 400)
    problem = Problem.of(NUMBERS, np.random.default_rng(0).normal(size=(400, 2)), np.sin(t))
    assert facts(problem, problem.X, problem.y[:, None]).step == 0


@pytest.mark.parametrize("names", [(0, 1, 2), (5.0, -1.0, 3.0)])
def test_a_column_that_names_the_class_leaks(names):
    y = np.arange(80) % 3
    assert of_classes(np.column_stack([NORMAL, np.array(names)[y]]), y).leaking == (4,)
    assert of_classes(np.column_stack([NORMAL, np.array(names)[np.arange(80) // 2 % 3]]), y).leaking == ()


def test_a_column_that_says_which_rows_are_of_one_class_leaks():
    y = np.arange(80) % 3
    assert of_classes(np.column_stack([NORMAL, y == 1, NORMAL[:, 0] > 0]), y).leaking == (4,)


def test_a_threshold_on_a_measured_column_is_no_leak():
    assert of_classes(NORMAL, CODES).leaking == ()


def test_columns_are_told_by_their_place_in_x():
    assert of_classes(np.column_stack([np.ones(80), NORMAL, CODES]), CODES).leaking == (5,)


def test_what_integer_division_leaves_of_pixels_is_seen():
    pixels = np.clip(np.random.default_rng(0).normal(-200, 150, size=(80, 64)), 0, 255).astype(np.uint8)
    pixels[:, :20] = 0
    cut, kept = of_classes((pixels // 255).astype(float), CODES), of_classes(pixels / 255, CODES)
    assert 0 < (pixels // 255).mean() < 0.03
    assert cut.truncated
    assert not kept.truncated


def test_columns_of_categories_are_not_what_is_left_of_pixels():
    one_hot = np.eye(40)[np.random.default_rng(0).integers(0, 40, 80)]
    assert not of_classes(one_hot, CODES).truncated
