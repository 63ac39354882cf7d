"""Both sides of a trial of code get the best rate for themselves, and a difference has to be more than chance."""

from __future__ import annotations

import numpy as np
import pytest

from unstuck.diagnosis.code.descent import best_descent, descend, starts
from unstuck.diagnosis.code.own_training import OwnTraining
from unstuck.diagnosis.code.score import Score
from unstuck.diagnosis.code.trials import ENOUGH, CodeTrial, run_trial
from unstuck.subjects.layout import Layout

CURVATURES = np.array([1.0, 4.0])
RANDOM = np.random.default_rng(0)
AT = [RANDOM.normal(size=2) for _ in range(20)]


def cost(w):
    return float(CURVATURES @ w**2 / 2)


def gradient(w, t):
    return CURVATURES * w


def half_the_gradient(w, t):
    return np.array([CURVATURES[0] * w[0], 0.0])


def trial(before, after=gradient, seconds=0.5, **options):
    with np.errstate(all="ignore"):  # too high a rate overflows
        return run_trial("wrong_gradient", "the right gradient", before, after, cost, AT, seconds, **options)


def made(before, after, first=1.0):
    return CodeTrial("wrong_gradient", "the right gradient", first, tuple(before), tuple(after), (1.0, 1.0), 1000)


def test_descent_follows_the_formula():
    assert descend(gradient, np.array([1.0, 1.0]), 0.1, 3) == pytest.approx([0.9**3, 0.6**3])


def test_descent_that_leaves_the_numbers_is_nan():
    with np.errstate(all="ignore"):
        assert np.isnan(descend(lambda w, t: -(w**3), np.array([10.0]), 1.0, 50)).all()


def test_the_best_rate_is_near_the_optimum_of_the_quadratic():
    rate, _ = best_descent(gradient, cost, AT[:5], 30)
    assert 0.5 * 2 / 5 < rate < 2 / 4  # 2 / (1 + 4) is the optimum, 2 / 4 the limit of stability


@pytest.mark.parametrize("factor", [1e-6, 0.5, 1e6])
def test_a_factor_of_the_gradient_changes_nothing_but_the_rate(factor):
    rate, ends = best_descent(gradient, cost, AT[:5], 30)
    other_rate, other_ends = best_descent(lambda w, t: factor * gradient(w, t), cost, AT[:5], 30)
    assert other_rate * factor == pytest.approx(rate)
    np.testing.assert_allclose(other_ends, ends, rtol=1e-6)


def test_a_gradient_of_zero_stays_where_it_is():
    rate, ends = best_descent(lambda w, t: np.zeros(2), cost, AT[:5], 30)
    assert rate == 0
    np.testing.assert_array_equal(ends, AT[:5])


def test_half_of_the_gradient_missing_matters():
    found = trial(half_the_gradient)
    assert found.matters
    assert found.decides
    assert found.verdict == "learns better"


def test_the_right_gradient_on_both_sides_does_not():
    found = trial(gradient)
    assert not found.matters
    assert found.verdict == "trains as well with the mistake"


def far_too_long_along_one(w, t):
    return CURVATURES * w * [1.0, 30.0]


def test_a_fault_that_another_rate_makes_up_for_is_tried_at_theirs():
    assert not trial(far_too_long_along_one).decides  # at a 30th of the rate it does well
    found = trial(far_too_long_along_one, usual=(0.1, 100))
    assert found.decides
    assert found.rates == (0.1, 0.1)
    assert found.updates == 100


@pytest.mark.parametrize("usual", [(0.01, 1000), (1e-6, 1000), (0.6, 100)], ids=["low enough", "too low", "too high"])
def test_at_their_rate_the_mended_side_has_to_do_well_and_the_other_not(usual):
    assert not trial(far_too_long_along_one, usual=usual).decides


def test_a_training_of_their_own_is_taken_as_it_is():
    found = trial(lambda w, updates: w, own_step=True)
    assert found.rates[0] is None
    assert found.before == tuple(cost(w) for w in AT[:5])


def test_what_would_take_far_too_long_is_not_tried():
    assert trial(gradient, seconds=1e-6) is None


def test_a_trial_needs_both_a_difference_and_certainty():
    apart, same = [0.5, 0.51, 0.52, 0.53, 0.54], [0.1, 0.11, 0.12, 0.13, 0.14]
    assert made(apart, same).matters
    assert made(apart, same).p == pytest.approx(1 / 252)  # of 5 and 5, exact
    assert not made(same, same).matters
    assert not made([0.1, 0.9, 0.1, 0.9, 0.5], [0.1, 0.9, 0.1, 0.8, 0.4]).matters
    assert not made(np.add(same, 1e-6), same).matters
    assert made([np.inf] * 5, same).cost == np.inf


def test_few_updates_do_not_acquit():
    few = CodeTrial("wrong_gradient", "", 1.0, (0.5,) * 5, (0.5,) * 5, (1.0, 1.0), 40)
    assert few.verdict == "too few updates to tell"


@pytest.mark.parametrize("ends", [np.inf, 1.0, 2.0], ids=["no numbers", "as at the start", "above it"])
def test_what_learns_on_neither_side_does_not_acquit(ends):
    found = made([ends] * 5, [ends] * 5)
    assert not found.tells
    assert found.verdict == "does not learn with it mended either"


def test_a_side_that_ends_without_a_number_is_not_as_good():
    assert made([np.inf] * 5, [0.1] * 5).decides
    assert not made([0.1] * 5, [np.inf] * 5).tells


def test_a_loss_that_ends_without_a_number_is_not_learned():
    assert OwnTraining("accuracy", 0.9, 0.33, 0.9, ENOUGH).learns
    assert not OwnTraining("accuracy", 0.9, 0.33, 0.9, ENOUGH, finite=False).learns


def test_few_updates_do_not_condemn_either():
    few, enough = (OwnTraining("accuracy", 0.4, 0.33, 0.9, updates) for updates in (100, ENOUGH))
    assert not few.learns
    assert not few.fails
    assert enough.fails


def test_other_starts_have_the_mean_and_spread_of_the_first():
    layout = Layout({"W": RANDOM.normal(size=(50, 40)), "b": np.zeros(40), "c": RANDOM.uniform(0, 1, 4)})
    w = np.concatenate([RANDOM.normal(size=2000), np.zeros(40), RANDOM.uniform(0, 1, 4)])
    first, *others = starts(w, layout.blocks, 40)
    assert first is w
    assert np.mean([other[:2000].std() for other in others]) == pytest.approx(w[:2000].std(), rel=0.02)
    assert not np.any([other[2000:2040] for other in others])
    assert np.mean([other[2040:] for other in others]) == pytest.approx(w[2040:].mean(), abs=0.1)


@pytest.mark.parametrize(
    ("Y", "A", "metric", "value"),
    [
        (np.eye(3)[[0, 1, 2, 2]], np.eye(3)[[0, 1, 2, 1]], "accuracy", 0.75),
        (np.eye(3)[[0, 1, 2, 2]], np.array([0, 1, 2, 1]), "accuracy", 0.75),
        (np.array([[0.0], [1.0]]), np.array([[0.4], [0.4]]), "accuracy", 0.5),
        (np.array([[-1.0], [1.0]]), np.array([[-0.4], [0.4]]), "accuracy", 1.0),
        (np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 1.0, 2.0]), "r2", 1.0),
        (np.array([[0.0], [1.0], [2.0]]), np.array([np.nan, 1.0, 2.0]), "r2", -1.0),
    ],
)
def test_predictions_are_judged_in_any_shape(Y, A, metric, value):
    score = Score(Y)
    assert score.metric == metric
    assert score.of(A) == pytest.approx(value)
