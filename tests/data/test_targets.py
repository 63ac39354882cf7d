import json
import tomllib

import numpy as np
import polars as pl
import pytest
import tomli_w
from sklearn.preprocessing import LabelBinarizer, MinMaxScaler, OneHotEncoder, StandardScaler

from unstuck.data import FittedTargets, Targets
from unstuck.errors import DataError, RecipeError

LABELS = {
    "text": np.array(["b", " a ", "c", "b"]),
    "integers": np.array([3, -1, 7, 3]),
    "whole numbers": np.array([2.0, 0.0, 1.0, 2.0]),
}


@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS)
def test_one_hot_is_scikit_learns(y):
    fitted = Targets().fit(y, outputs=3, prefers="numbers")
    Y = fitted.transform(y)
    np.testing.assert_array_equal(Y, OneHotEncoder(sparse_output=False).fit_transform(y[:, None]))
    predicted = fitted.predictions(Y)
    np.testing.assert_array_equal(predicted, y)
    assert predicted.dtype == y.dtype


@pytest.mark.parametrize("y", [np.array(["no", "yes", "no"]), np.array([True, False, True]), np.array([1, 2, 1])])
@pytest.mark.parametrize(("prefers", "negative"), [("binary", 0), ("signed", -1)])
def test_two_classes_on_one_output(y, prefers, negative):
    fitted = Targets().fit(y, outputs=1, prefers=prefers)
    Y = fitted.transform(y)
    np.testing.assert_array_equal(Y, LabelBinarizer(neg_label=negative).fit_transform(y))
    np.testing.assert_array_equal(fitted.predictions(Y), y)
    assert fitted.predictions(Y).dtype == y.dtype
    np.testing.assert_array_equal(fitted.probabilities(Y), np.eye(2)[fitted.probabilities(Y)[:, 1].astype(int)])


def test_hinge_with_several_outputs_sets_each_class_against_the_rest():
    y = np.array([0, 2, 1])
    Y = Targets().fit(y, outputs=3, prefers="signed").transform(y)
    np.testing.assert_array_equal(Y, LabelBinarizer(neg_label=-1).fit_transform(y))


@pytest.mark.parametrize(("scaling", "scaler"), [("standard", StandardScaler), ("minmax", MinMaxScaler)])
@pytest.mark.parametrize("width", [1, 3])
def test_numbers_are_scaled_and_back(scaling, scaler, width):
    y = np.random.default_rng(0).normal(100, 20, size=(30, width))
    fitted = Targets(scaling=scaling).fit(y, outputs=width, prefers="numbers")
    Y = fitted.transform(y)
    np.testing.assert_allclose(Y, scaler().fit_transform(y), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fitted.predictions(Y), y[:, 0] if width == 1 else y)


def test_constant_numbers_come_back():
    fitted = Targets(scaling="standard").fit([5.0, 5.0], outputs=1, prefers="numbers")
    assert fitted.predictions(fitted.transform([5.0, 5.0])).tolist() == [5, 5]


def test_case_1s_three_labels_are_numbers_for_one_output_of_squared_error():
    fitted = Targets().fit([0, 1, 2], outputs=1, prefers="numbers")
    assert fitted.transform([0, 1, 2]).tolist() == [[0], [1], [2]]
    assert fitted.classes is None


def test_several_columns_are_numbers_as_given():
    y = np.eye(3)
    fitted = Targets().fit(y, outputs=3, prefers="numbers")
    np.testing.assert_array_equal(fitted.transform(y), y)
    np.testing.assert_array_equal(fitted.predictions(y), y)


@pytest.mark.parametrize("y", [["a", "b"], pl.Series(["a", "b"]), pl.DataFrame({"y": ["a", "b"]}), [["a"], ["b"]]])
def test_every_kind_of_column_will_do(y):
    fitted = Targets().fit(y, outputs=2, prefers="numbers")
    assert fitted.classes == ("a", "b")
    assert fitted.transform(y).tolist() == [[1, 0], [0, 1]]


def test_pandas():
    pd = pytest.importorskip("pandas")
    fitted = Targets().fit(pd.Series(["a", "b"]), outputs=2, prefers="numbers")
    assert fitted.transform(pd.Series(["b"], index=[7])).tolist() == [[0, 1]]


def test_probabilities():
    several = Targets().fit(["a", "b", "c"], outputs=3, prefers="numbers")
    A = np.array([[0.2, 0.3, 0.4]])
    assert several.probabilities(A) is A
    one = Targets().fit(["a", "b"], outputs=1, prefers="binary")
    np.testing.assert_allclose(one.probabilities(np.array([[0.2]])), [[0.8, 0.2]])
    assert one.predictions(np.array([[0.5], [0.51]])).tolist() == ["a", "b"]
    signed = Targets().fit(["a", "b"], outputs=1, prefers="signed")
    np.testing.assert_allclose(signed.probabilities(np.array([[-0.6]])), [[0.8, 0.2]])
    assert signed.predictions(np.array([[-0.1], [0.1]])).tolist() == ["a", "b"]
    with pytest.raises(DataError, match="no class probabilities"):
        Targets().fit([1.0, 2.0], outputs=1, prefers="numbers").probabilities(np.ones((1, 1)))


@pytest.mark.parametrize(
    "fitted",
    [
        *(Targets().fit(y, outputs=3, prefers="numbers") for y in LABELS.values()),
        Targets().fit([True, False], outputs=1, prefers="binary"),
        Targets().fit([0.1, 1 / 3], outputs=1, prefers="numbers"),
        Targets(scaling="standard").fit([[0.1, 1 / 3], [2, 3]], outputs=2, prefers="numbers"),
    ],
    ids=lambda fitted: f"{fitted.coding} {fitted.classes}",
)
def test_plain_data_round_trip(fitted):
    for data in (json.loads(json.dumps(fitted.to_data())), tomllib.loads(tomli_w.dumps(fitted.to_data()))):
        read = FittedTargets.from_data(data)
        assert read == fitted
        assert repr(read.classes) == repr(fitted.classes)  # 1, 1.0 and True are equal, but not the same label


def test_the_default_metric_follows_the_coding():
    assert Targets().fit([0, 1], 2, "numbers").default_metrics == ("accuracy",)
    assert Targets().fit([0, 1], 1, "numbers").default_metrics == ("r2",)


def test_classes_are_not_scaled():
    with pytest.raises(RecipeError, match="only numbers are scaled, and the coding is 'one_hot'"):
        Targets(coding="one_hot", scaling="standard")
    with pytest.raises(RecipeError, match="only numbers are scaled"):
        Targets(scaling="standard").fit([0, 1], outputs=2, prefers="numbers")


@pytest.mark.parametrize(
    ("y", "outputs", "message"),
    [
        ([0, 1, 2], 2, r"3 classes \(0, 1, 2\), but 2 units .* can tell 2 apart; end with Dense\(3, \"softmax\"\)"),
        ([0, 1], 10, r"2 classes \(0, 1\), but 10 units"),
        (list(range(20)), 2, r"20 classes \(0, 1, 2, 3, 4, 5, 6, 7, \.\.\.\)"),
        (["a", "a"], 2, "all 2 targets are 'a'"),
        ([0.5, 1.5, 2.0], 2, r"fractions such as 0.5.*coding=\"numbers\""),
        ([0.0, np.nan, np.inf, 1.0], 2, "NaN or infinite in 2 rows, first in row 1"),
        (["a", "b"], 1, "y holds text such as a, but the network is to predict numbers"),
        ([[1.0, 2.0], [3.0, 4.0]], 3, "y has 2 numbers a row, but the last layer has 3 units"),
        (np.array(["a", None, "b"], dtype=object), 2, "objects of type NoneType, str"),
        (np.array([0, 1], dtype=object), 2, r"objects of type int; .* y.astype\(float\)"),
        ([[1], [2, 3]], 2, "rows of y differ in length"),
        (np.ma.array([0, 1, 2], mask=[0, 0, 1]), 2, "masked in 1 places"),
        ([], 2, r"shape \(0,\)"),
        (np.ones((2, 2, 2)), 2, r"shape \(2, 2, 2\)"),
        (np.array([b"a", b"b"]), 2, r"array of \|S1"),
    ],
)
def test_targets_that_cannot_be_used(y, outputs, message):
    with pytest.raises(DataError, match=message):
        Targets().fit(y, outputs, prefers="numbers")


def test_three_classes_for_a_binary_output():
    with pytest.raises(DataError, match=r"3 classes .* but 1 unit \(binary\) can tell 2 apart"):
        Targets().fit([0, 1, 2], outputs=1, prefers="binary")


def test_one_hot_of_one_hot_is_refused():
    with pytest.raises(DataError, match=r"y.argmax\(axis=1\)"):
        Targets(coding="one_hot").fit(np.eye(3), outputs=3, prefers="numbers")


def test_new_labels_are_refused():
    fitted = Targets().fit(["cat", "dog"], outputs=2, prefers="numbers")
    with pytest.raises(DataError, match=r"y holds 'cow', first in row 1 .*classes in training were 'cat', 'dog'"):
        fitted.transform(["cat", "cow"])
    with pytest.raises(DataError, match="y holds 0"):
        fitted.transform([0, 1])


def test_a_class_that_is_no_label_is_one_problem():
    with pytest.raises(RecipeError) as refused:
        Targets(classes=["a", [1]])
    [(place, problem)] = refused.value.problems
    assert place == "classes.1"
    assert problem.endswith("or a valid string; got [1]")


def test_rows_need_not_show_every_class_that_is_named():
    fitted = Targets(classes=("a", "b", "c")).fit(["c", "a"], outputs=3, prefers="numbers")
    np.testing.assert_array_equal(fitted.transform(["c", "a"]), [[0, 0, 1], [1, 0, 0]])
    assert fitted.predictions(np.eye(3)).tolist() == ["a", "b", "c"]
    with pytest.raises(DataError, match=r"2 units"):
        Targets(classes=("a", "b", "c")).fit(["c", "a"], outputs=2, prefers="numbers")
