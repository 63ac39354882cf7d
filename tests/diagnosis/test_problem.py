from __future__ import annotations

import hypothesis.extra.numpy as arrays
import numpy as np
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from tests.diagnosis.faulty import NUMBERS, THREE, TWO, output, quadrants, three_blobs, waves

from unstuck import Constant, DataError, Dense, Inputs, Recipe, Targets, train
from unstuck.data import spiral, xor
from unstuck.diagnosis.problem import Problem, classes_of, r2

NEARLY_ALL = (quadrants(400)[0], (quadrants(400)[0][:, 0] > 1.1).astype(int))
"""Two classes of which the larger has some 86 % of the rows."""


def trained(recipe, problem, **changes):
    return train(recipe.replace(**{"epochs": 5, **changes}), problem.X, problem.y, progress=False)


def share_of_the_largest(problem):
    constant = DummyClassifier(strategy="most_frequent").fit(problem.rows_judged, problem.targets_judged)
    return constant.score(problem.rows_judged, problem.targets_judged)


@pytest.mark.parametrize(("recipe", "data"), [(TWO, quadrants()), (THREE, three_blobs())])
def test_the_gain_of_classes_is_their_accuracy_over_the_best_constant(recipe, data):
    problem = Problem.of(recipe, *data)
    run = trained(recipe, problem)
    accuracy = accuracy_score(problem.targets_judged, run.predict(problem.rows_judged))
    constant = share_of_the_largest(problem)
    assert problem.metric == "accuracy"
    assert problem.gain(run) == pytest.approx((accuracy - constant) / (1 - constant))
    assert problem.in_metric(problem.gain(run)) == pytest.approx(accuracy)
    assert problem.constant == pytest.approx(constant)


def test_labels_may_be_texts():
    X, y = quadrants()
    named, numbered = (Problem.of(TWO, X, labels) for labels in (np.array(["no", "yes"])[y], y))
    assert named.classes.tolist() == ["no", "yes"]
    assert named.gain(trained(TWO, named)) == pytest.approx(numbered.gain(trained(TWO, numbered)))


@pytest.mark.parametrize("recipe", [TWO, output(THREE, Dense(2, "softmax"))])
@pytest.mark.parametrize("one_hot", [False, True])
def test_the_gain_of_lopsided_classes_is_the_area_under_the_curve(recipe, one_hot):
    if one_hot and recipe is TWO:
        recipe = output(TWO, Dense(2, "sigmoid"))
    X, y = NEARLY_ALL
    problem = Problem.of(recipe, X, np.eye(2)[y] if one_hot else y)
    run = trained(recipe, problem)
    scores = run.outputs(problem.rows_judged)[:, -1]
    right = problem.targets_judged[:, 1] if one_hot else problem.targets_judged
    assert problem.metric == "roc_auc"
    assert problem.constant == 0.5
    assert problem.gain(run) == pytest.approx(2 * roc_auc_score(right, scores) - 1)
    assert problem.in_metric(problem.gain(run)) == pytest.approx(roc_auc_score(right, scores))


@pytest.mark.parametrize("columns", [1, 2])
def test_the_gain_of_numbers_is_r2(columns):
    X, y = waves()
    y = y if columns == 1 else np.column_stack([y, X[:, 2] ** 2])
    recipe = output(NUMBERS, Dense(columns))
    problem = Problem.of(recipe, X, y)
    run = trained(recipe, problem, epochs=20)
    assert problem.metric == "r2"
    assert problem.gain(run) == pytest.approx(r2_score(problem.targets_judged, run.predict(problem.rows_judged)))
    assert problem.fit(run) == pytest.approx(r2_score(problem.y, run.predict(problem.X)))


NUMBER = st.floats(-1e3, 1e3, width=32)


@given(st.data(), st.integers(2, 20), st.integers(1, 3))
def test_r2_is_that_of_scikit_learn_but_for_constant_columns_and_never_below_minus_1(data, n, o):
    y, predictions = (data.draw(arrays.arrays(np.float64, (n, o), elements=NUMBER)) for _ in range(2))
    if (np.ptp(y, axis=0) < 1e-3).any():
        y[0] += 1 + np.abs(y).max()
    assert r2(y, predictions) == pytest.approx(max(-1.0, r2_score(y, predictions)), rel=1e-6, abs=1e-6)


def test_a_constant_column_gains_nothing():
    assert r2(np.ones(4), np.ones(4)) == 0
    assert r2(np.ones(4), np.zeros(4)) == 0


def test_the_best_constant_gains_nothing_and_perfect_predictions_1():
    for recipe, (X, y) in ((TWO, quadrants()), (THREE, three_blobs()), (NUMBERS, waves())):
        problem = Problem.of(recipe, X, y)
        judged = problem.targets_judged
        constant = np.full_like(judged, judged.mean() if recipe is NUMBERS else np.bincount(judged).argmax())
        assert problem.gain_from(judged, constant) == pytest.approx(0)
        assert problem.gain_from(judged, judged) == 1


def test_outputs_that_are_no_numbers_gain_minus_1():
    X, y = waves()
    problem = Problem.of(NUMBERS, X, y)
    recipe = NUMBERS.replace(layers=[Dense(4, "exponential", weight_start=Constant(1e4)), Dense(1)], epochs=1)
    assert problem.gain(train(recipe, problem.X, problem.y, progress=False)) == -1


def test_classes_asked_of_one_number_are_the_nearest_ones():
    X, y = three_blobs()
    problem = Problem.of(output(NUMBERS, Dense(1, "sigmoid")), X, y)
    assert problem.classes.tolist() == [0, 1, 2]
    said = problem.targets_judged + np.where(np.arange(len(problem.targets_judged)) % 2, 0.4, -0.4)
    assert problem.gain_from(problem.targets_judged, said) == 1


LINEAR, SIGMOID = NUMBERS, output(NUMBERS, Dense(1, "sigmoid"))
ZERO_ONE, COUNTS = np.array([0, 1] * 20), np.arange(40) % 5


@pytest.mark.parametrize(
    ("recipe", "y", "classes"),
    [
        (TWO, ZERO_ONE, [0, 1]),
        (TWO, np.array(["a", "b"])[ZERO_ONE], ["a", "b"]),
        (output(THREE, Dense(5, "softmax")), COUNTS, [0, 1, 2, 3, 4]),
        (LINEAR, ZERO_ONE, [0, 1]),
        (LINEAR, 2 * ZERO_ONE - 1, [-1, 1]),
        (LINEAR, ZERO_ONE + 1.0, [1, 2]),
        (LINEAR, ZERO_ONE * 7.5, None),
        (SIGMOID, COUNTS, [0, 1, 2, 3, 4]),
        (SIGMOID, COUNTS + 1.0, [1, 2, 3, 4, 5]),
        (SIGMOID, COUNTS + 2, None),
        (SIGMOID, COUNTS / 2, None),
        (SIGMOID, np.arange(40), None),
        (LINEAR, COUNTS, None),
        (LINEAR, np.linspace(0, 1, 40), None),
        (output(LINEAR, Dense(2)), np.eye(2)[ZERO_ONE], [0, 1]),
        (output(LINEAR, Dense(2)), 2.0 * np.eye(2)[ZERO_ONE], None),
        (output(TWO, Dense(2, "sigmoid")), np.ones((40, 2)), None),
    ],
)
def test_classes_are_told_from_numbers(recipe, y, classes):
    found, one_hot = classes_of(recipe, y)
    assert (found if found is None else found.tolist()) == classes
    assert one_hot == (y.ndim == 2 and classes is not None)


def test_a_quarter_of_the_rows_is_held_out_and_no_row_is_in_both_parts():
    X, y = quadrants(400)
    problem = Problem.of(TWO, X, y)
    kept, held = ({tuple(row) for row in part} for part in (problem.X, problem.rows_judged))
    assert problem.held_out
    assert len(held) == 100
    assert not kept & held
    assert kept | held == {tuple(row) for row in X}
    assert problem.targets_judged.mean() == pytest.approx(y.mean(), abs=0.01)
    pairs = {tuple(row): label for row, label in zip(X, y, strict=True)}
    assert all(pairs[tuple(row)] == label for row, label in zip(problem.X, problem.y, strict=True))
    assert (X[problem.places] == problem.X).all()
    assert (np.diff(problem.places) > 0).all()


def test_never_more_than_2000_rows_are_held_out():
    assert len(Problem.of(TWO, *quadrants(12_000)).targets_judged) == 2000


@pytest.mark.parametrize(("X", "y"), [quadrants(99), xor(60)])
def test_few_rows_and_the_same_ones_again_and_again_are_judged_themselves(X, y):
    problem = Problem.of(TWO, X, y)
    assert not problem.held_out
    assert len(problem) == len(problem.targets_judged) == len(y)


def test_tables_are_repetitive_as_arrays_are():
    X, y = xor(60)
    inputs = Inputs(categories="one_hot")
    table = polars.DataFrame({"a": np.array(["f", "t"])[X[:, 0].astype(int)], "b": X[:, 1]})
    assert not Problem.of(TWO.replace(inputs=inputs), table, y).held_out
    assert Problem.of(TWO.replace(inputs=inputs), table.with_columns(c=np.arange(240.0)), y).held_out


@pytest.mark.parametrize("held_out", [True, False])
def test_fewer_rows_come_from_all_over(held_out):
    X, y = spiral(600 if held_out else 99)
    problem = Problem.of(THREE, X, y).with_rows(30)
    assert len(problem) == 30
    assert np.bincount(problem.y).tolist() == pytest.approx([10, 10, 10], abs=2)
    assert len(problem.targets_judged) == (150 if held_out else 30)
    assert (X[problem.places] == problem.X).all()
    assert problem.with_rows(30) is problem


def test_data_that_do_not_fit_are_refused():
    X, y = quadrants()
    with pytest.raises(DataError, match="320 rows of features and 319 targets"):
        Problem.of(TWO, X, y[1:])
    with pytest.raises(DataError, match="no rows"):
        Problem.of(TWO, X[:0], y[:0])


def test_a_recipe_says_what_is_classes():
    numbers = Recipe([Dense(1)], loss="squared_error", targets=Targets(coding="numbers"))
    X, y = three_blobs()
    assert Problem.of(numbers, X, y).metric == "r2"
    assert Problem.of(THREE, X, y).metric == "accuracy"


@pytest.mark.parametrize("missing", ["error", "mean"])
def test_bad_rows_are_counted_as_they_were_given(missing):
    X, y = waves()
    X = X.copy()
    X[217, 0] = np.nan if missing == "error" else np.inf
    with pytest.raises(DataError, match="1 in column 'x0', first in row 217 "):
        Problem.of(NUMBERS.replace(inputs=Inputs(missing=missing)), X, y)
