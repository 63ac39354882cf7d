from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from tests.diagnosis.faulty import FAULTY, TWO, quadrants

from unstuck import SGD, Adam, Dense
from unstuck.diagnosis.changes import with_rate
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.trainings import train_all
from unstuck.diagnosis.trials import Treatment, Trial, pooled, run_trials, treat
from unstuck.history import History

PROBLEM = Problem.of(TWO, *quadrants())
SLOW = TWO.replace(optimizer=SGD(1e-6))


def finding(fault, suspicion=0.5):
    return Finding(fault, f"{fault}.", (), suspicion)


def part(fault, change, suspicion=0.5):
    return finding(fault, suspicion), Fix(fault, change)


FASTER = part("rate_too_low", lambda recipe, problem: recipe.replace(optimizer=Adam(0.01)))
WIDER = part("too_small", lambda recipe, problem: recipe.replace(layers=(Dense(64, "relu"), *recipe.layers)), 0.2)


def trial(before, after, goal=0.8, seconds=1.0):
    return Trial(Treatment((FASTER,), TWO), tuple(before), tuple(after), goal, seconds, History())


def exact_p(after, before):
    """Of all ways to split the gains in two, the share in which the first part wins at least as many comparisons."""
    wins = sum(a > b for a in after for b in before)
    gains = [*after, *before]
    splits = list(combinations(range(len(gains)), len(after)))
    as_many = 0
    for split in splits:
        rest = [gains[k] for k in range(len(gains)) if k not in split]
        as_many += sum(gains[k] > b for k in split for b in rest) >= wins
    return as_many / len(splits)


def test_p_is_the_share_of_the_splits_that_separate_as_well():
    random = np.random.default_rng(0)
    for treated, untreated, shift in ((4, 3, 0.0), (5, 5, 1.0), (3, 6, -1.0), (6, 5, 5.0)):
        after, before = random.normal(size=treated) + shift, random.normal(size=untreated)
        assert trial(before, after).p == pytest.approx(exact_p(after.tolist(), before.tolist()))


def test_p_with_ties_is_that_of_scipy():
    before, after = (0.0, 0.0, 0.1, 0.2, 0.0), (0.9, 0.9, 0.1, 1.0, 0.9)
    assert trial(before, after).p == mannwhitneyu(after, before, alternative="greater").pvalue


def test_one_seed_proves_nothing():
    assert trial([0.0, 0.0, 0.0], [1.0]).p == 1
    assert trial([0.0], [1.0, 1.0, 1.0]).p == 1


@pytest.mark.parametrize("n", [3, 5, 8])
def test_the_interval_holds_the_true_median_as_often_as_stated(n):
    random, draws = np.random.default_rng(n), 4000
    held = 0
    for sample in random.exponential(size=(draws, n)):
        low, high = trial([0.0], sample).interval
        held += low <= np.log(2) <= high
    stated = 1 - 2.0 ** (1 - n)
    assert held / draws == pytest.approx(stated, abs=4 * np.sqrt(stated * (1 - stated) / draws))


def test_the_effect_is_a_difference_of_medians():
    assert trial([0.0, 0.1, 9.0], [0.4, 0.6, 0.5]).effect == pytest.approx(0.4)
    assert trial([0.0], [0.4, 0.6]).median == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ([0.0, 0.1, 0.0], [0.9, 0.95, 0.85, 0.9, 0.9], "learns"),
        ([0.0, 0.1, 0.0], [0.9, 0.95, 0.7, 0.9, 0.9], "learns"),
        ([0.0, 0.1, 0.0], [0.9, 0.95, 0.0, 0.0, 0.9], "learns from 60%"),
        ([0.0, 0.1, 0.0], [0.4, 0.5, 0.4], "helps"),
        ([0.0, 0.1, 0.0], [0.05, 0.0, 0.02], "no change"),
        ([0.5, 0.6, 0.5], [0.0, 0.1, 0.2], "makes it worse"),
    ],
)
def test_a_trial_is_put_into_words(before, after, verdict):
    assert trial(before, after).verdict == verdict


def test_a_treatment_is_reliable_if_nearly_every_seed_comes_nearly_there():
    assert trial([0.0], [0.9] * 4 + [0.0]).reliable
    assert not trial([0.0], [0.9] * 3 + [0.0] * 2).reliable
    assert trial([0.0], [0.9] * 3 + [0.65] * 2).reliable  # three quarters of 0.8 is 0.6
    assert not trial([0.0], [0.79] * 5).reliable


def test_seeds_are_pooled():
    both = pooled(trial([0.0, 0.1], [0.9], seconds=2.0), trial([0.0, 0.1], [0.8, 0.3], seconds=3.0))
    assert both.after == (0.9, 0.8, 0.3)
    assert both.before == (0.0, 0.1)
    assert both.seconds == 3.0
    assert both.learned == pytest.approx(2 / 3)


def test_a_treatment_is_as_suspicious_as_its_weakest_part_and_named_for_all():
    both = Treatment((FASTER, WIDER), TWO, also=(finding("optimizer"),))
    assert both.suspicion == 0.2
    assert both.text == "rate_too_low + too_small"
    assert both.faults == ("rate_too_low", "too_small", "optimizer")


def test_fixes_are_applied_one_after_the_other():
    twice = [part("a", lambda recipe, problem: with_rate(recipe, 0.3)), part("b", doubled_rate)]
    assert treat(SLOW, PROBLEM, twice).recipe.optimizer.learning_rate == pytest.approx(0.6)


def doubled_rate(recipe, problem):
    return recipe.replace(optimizer=recipe.optimizer.replace(learning_rate=2 * recipe.optimizer.learning_rate))


@pytest.mark.parametrize(
    "change",
    [
        lambda recipe, problem: recipe,
        lambda recipe, problem: recipe.replace(layers=()),
        lambda recipe, problem: recipe.replace(layers=(*recipe.layers[:-1], Dense(3, "softmax"))),
        lambda recipe, problem: recipe.replace(optimizer="lbfgs"),
    ],
)
def test_fixes_that_change_nothing_or_cannot_be_trained_are_no_treatment(change):
    assert treat(SLOW, PROBLEM, [part("any", change)]) is None


def curve_of(recipe):
    return train_all([recipe], PROBLEM)[0].run.history["training_loss"].tolist()


def test_trials_train_every_treatment_from_every_seed():
    untreated = train_all([SLOW.replace(seed=seed) for seed in range(3)], PROBLEM)
    treatments = [treat(SLOW, PROBLEM, [FASTER]), treat(SLOW, PROBLEM, [WIDER])]
    learned, wider = run_trials(treatments, PROBLEM, untreated, range(4, 8), 0.8, 60.0)
    for found, treatment in ((learned, treatments[0]), (wider, treatments[1])):
        alone = [train_all([treatment.recipe.replace(seed=seed)], PROBLEM)[0].gain for seed in range(4, 8)]
        assert found.after == tuple(alone)
        assert found.before == tuple(one.gain for one in untreated)
        assert not found.fresh
        assert found.history["training_loss"].tolist() == curve_of(treatment.recipe.replace(seed=4))
    assert learned.verdict == "learns"
    assert not wider.succeeded


def test_trainings_that_did_not_end_in_time_do_not_count():
    endless = treat(SLOW, PROBLEM, [part("x", lambda recipe, problem: recipe.replace(epochs=50_000_000))])
    untreated = train_all([SLOW], PROBLEM)
    assert run_trials([endless], PROBLEM, untreated, [0], 0.8, 0.2) == []


def test_trainings_that_had_learned_when_time_was_up_do_count():
    endless = treat(SLOW, PROBLEM, [FASTER, part("x", lambda recipe, problem: recipe.replace(epochs=50_000_000))])
    untreated = train_all([SLOW], PROBLEM)
    (found,) = run_trials([endless], PROBLEM, untreated, [0], 0.5, 2.0)
    assert found.learned == 1


def test_trainings_are_told_from_each_other_by_their_seeds():
    found = train_all([FAULTY["rate_too_low"].recipe.replace(seed=seed) for seed in (5, 9)], PROBLEM)
    assert [one.seed for one in found] == [5, 9]
    assert found[0].gain == PROBLEM.gain(found[0].run)
    assert found[0].fit == PROBLEM.fit(found[0].run)
