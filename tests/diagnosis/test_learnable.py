from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from tests.diagnosis.faulty import NUMBERS, THREE, TWO, digits, moons, output, quadrants, three_blobs, waves

from unstuck import Dense
from unstuck.data import xor
from unstuck.diagnosis.learnable import Learnable, learnable, linear_gain
from unstuck.diagnosis.learnable import _standard_error as standard_error
from unstuck.diagnosis.problem import Problem

ONE_HOT = output(TWO, Dense(2, "softmax"), loss="categorical_crossentropy")


def standardised(X):
    return (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)


def learned(recipe, X, y, measure=learnable):
    problem = Problem.of(recipe, X, y)
    return measure(problem, standardised(problem.X))


def flipped(y, share, seed=1):
    """Some labels turned round: nothing gets more than 1 - share of them right."""
    return np.where(np.random.default_rng(seed).random(len(y)) < share, 1 - y, y)


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_what_can_be_learned_of_noisy_labels_is_near_their_bayes_rate(share):
    X, y = quadrants(1600)
    found = learned(TWO, X, flipped(y, share))
    bayes = (1 - share - 0.5) / 0.5
    assert 0.6 * bayes < found.gain < bayes + 3 * found.error


def test_what_can_be_learned_of_noisy_numbers_is_near_the_signals_share():
    X, y = waves(1600)
    noise = np.random.default_rng(1).normal(size=1600) * y.std()
    assert 0.35 < learned(NUMBERS, X, y + noise).gain < 0.5 + 0.05


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_targets_hold_nothing_to_learn(seed):
    shuffle = np.random.default_rng(seed).permutation(320)
    for recipe, (X, y) in ((TWO, quadrants()), (THREE, three_blobs()), (NUMBERS, waves())):
        assert learned(recipe, X, y[shuffle]).nothing
        assert not learned(recipe, X, y).nothing


def test_six_rare_rows_that_lie_apart_are_something():
    random = np.random.default_rng(0)
    X, rare = random.normal(size=(200, 4)), np.zeros(200, int)
    rare[:6] = 1
    assert learned(TWO, X[:, :2], rare).nothing
    assert not learned(TWO, X[:, :2] + 5 * rare[:, None], rare).nothing


@pytest.mark.parametrize("rare", [6, 12])
def test_the_standard_error_of_a_rare_class_is_that_of_chance(rare):
    random, gains = np.random.default_rng(0), []
    for _ in range(25):
        y = random.permutation(np.arange(200) < rare).astype(int)
        found = learned(TWO, random.normal(size=(200, 2)), y, linear_gain)
        gains.append(found.gain)
    assert found.error == pytest.approx(np.sqrt(np.mean(np.square(gains))), rel=0.5)


def test_weak_but_real_effects_are_something():
    X, y = load_diabetes(return_X_y=True)
    found = learned(NUMBERS, X, y)
    assert not found.nothing
    assert 0.25 < found.gain < 0.55  # the literature has R2 of some 0.4 to 0.5


def test_boosting_sees_through_useless_columns_and_neighbours_through_many_small_ones():
    random = np.random.default_rng(0)
    X, y = quadrants()
    assert learned(TWO, np.column_stack([X, random.normal(size=(320, 20))]), y).learner == "gradient boosting"
    assert learned(output(THREE, Dense(10, "softmax")), *digits()).learner == "nearest neighbours"


def test_what_boosting_would_take_too_long_for_is_left_to_trees():
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 1500))
    found = learned(TWO, X, (X[:, 0] > 0).astype(int))
    assert found.learner in ("extremely randomised trees", "nearest neighbours")


@pytest.mark.parametrize("columns", [1, 2])
def test_numbers_of_several_columns_and_of_one_are_learned(columns):
    X, y = waves()
    assert learned(output(NUMBERS, Dense(columns)), X, np.repeat(y[:, None], columns, axis=1)).gain > 0.6


def test_one_hot_rows_are_the_classes_they_stand_for():
    X, y = quadrants()
    assert learned(ONE_HOT, X, np.eye(2)[y]) == learned(ONE_HOT, X, y)
    rare = (X[:, 0] > 1.2).astype(int)
    assert learned(ONE_HOT, X, np.eye(2)[rare]) == learned(ONE_HOT, X, rare)


def said_of(problem, noise):
    """Predictions that are right in part."""
    random = np.random.default_rng(0)
    if problem.classes is not None:
        return np.where(random.random(len(problem)) < noise, random.choice(problem.y, len(problem)), problem.y)
    return (problem.y + noise * random.normal(size=len(problem)) * problem.y.std()) / (1 + noise**2)


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
@pytest.mark.parametrize(("recipe", "data", "score"), [(TWO, quadrants, accuracy_score), (NUMBERS, waves, r2_score)])
def test_the_standard_error_is_that_of_the_bootstrap(recipe, data, score, noise):
    problem = Problem.of(recipe, *data(800))
    said = said_of(problem, noise)
    constant = DummyClassifier().fit(problem.X, problem.y).score(problem.X, problem.y) if recipe is TWO else 0
    random, n = np.random.default_rng(1), len(problem)
    draws = [random.choice(n, n) for _ in range(500)]
    scores = [score(problem.y[draw], said[draw]) for draw in draws]
    expected = np.std(scores) / (1 - constant)
    assert standard_error(problem, problem.y, said) == pytest.approx(expected, rel=0.15)


def test_the_standard_error_of_several_columns_is_that_of_their_mean():
    X, y = waves(800)
    columns = np.column_stack([y, X[:, 2] ** 2])
    problem = Problem.of(output(NUMBERS, Dense(2)), X, columns)
    random = np.random.default_rng(1)
    said = problem.y + random.normal(size=problem.y.shape)
    draws = [random.choice(len(said), len(said)) for _ in range(500)]
    expected = np.std([r2_score(problem.y[draw], said[draw]) for draw in draws])
    assert standard_error(problem, problem.y, said) == pytest.approx(expected, rel=0.15)


def test_counts_of_which_little_can_be_predicted_are_not_nothing():
    X, _ = waves()
    assert not learned(NUMBERS, X, np.random.default_rng(0).poisson(np.exp(0.5 * X[:, 0])), linear_gain).nothing


def test_nothing_is_what_chance_explains():
    assert Learnable(0.01, 0.0, "").nothing
    assert Learnable(0.2, 0.1, "").nothing
    assert not Learnable(0.2, 0.05, "").nothing


def by_heart(X, y):
    """The share of the rows that a table of the commonest answers gets right."""
    answers = defaultdict(Counter)
    for row, label in zip(X.tolist(), y.tolist(), strict=True):
        answers[tuple(row)][label] += 1
    return sum(one.most_common(1)[0][1] for one in answers.values()) / len(y)


def test_a_truth_table_can_be_known_by_heart():
    assert learned(TWO, *xor(3)) == Learnable(1.0, 0.0, "a table of the rows")


def test_contradictory_rows_are_what_a_table_cannot_know():
    random = np.random.default_rng(0)
    X, y = random.integers(0, 3, (300, 2)).astype(float), random.integers(0, 3, 300)
    constant = np.bincount(y).max() / 300
    assert learned(THREE, X, y).gain == pytest.approx((by_heart(X, y) - constant) / (1 - constant))
    means = {tuple(row): y[(row == X).all(axis=1)].mean() for row in X}
    said = np.array([means[tuple(row)] for row in X])
    assert learned(NUMBERS, X, y * 1.5).gain == pytest.approx(r2_score(y, said))


def test_a_linear_model_is_cross_validated_too():
    X, y = waves()
    problem = Problem.of(NUMBERS, X, y)
    said = cross_val_predict(LinearRegression(), problem.X, problem.y, cv=10)
    assert learned(NUMBERS, X, y, linear_gain).gain == pytest.approx(r2_score(problem.y, said), abs=0.03)
    assert learned(TWO, *quadrants(), linear_gain).nothing
    assert learned(THREE, *three_blobs(), linear_gain).gain > 0.9


def test_rows_that_are_all_judged_have_their_linear_model_fitted_to_them():
    X, y = waves(80)
    line = LinearRegression().fit(X, y).predict(X)
    assert learned(NUMBERS, X, y, linear_gain).gain == pytest.approx(r2_score(y, line), abs=1e-4)
    assert learned(TWO, *xor(3), linear_gain).gain <= 0
    X, y = quadrants(80)
    rare = (X[:, 0] > 1.0).astype(int)
    scores = LogisticRegression(C=10).fit(standardised(X), rare).decision_function(standardised(X))
    for targets in (rare, np.eye(2)[rare]):
        gain = learned(ONE_HOT, X, targets, linear_gain).gain
        assert gain == pytest.approx(2 * roc_auc_score(rare, scores) - 1, abs=0.01)


@pytest.mark.parametrize("measure", [learnable, linear_gain])
@pytest.mark.parametrize("rare", [1, 2, 3, 7])
def test_classes_of_hardly_any_rows_do_no_harm(measure, rare):
    X, y = moons(0.2)
    alone = np.zeros(320, int)
    alone[np.linspace(0, 319, rare).astype(int)] = 1
    assert learned(TWO, X, alone, measure).nothing
    third = np.where(alone, 2, y)
    assert learned(THREE, X, third, measure).gain == pytest.approx(learned(TWO, X, y, measure).gain, abs=0.15)
