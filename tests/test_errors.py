from __future__ import annotations

import pytest

from unstuck import DataError, FileError, OptionError, RecipeError, UnstuckError
from unstuck.errors import did_you_mean

LOSSES = ["absolute_error", "binary_crossentropy", "categorical_crossentropy", "hinge", "squared_error"]


@pytest.mark.parametrize(
    ("kind", "usual"),
    [(DataError, ValueError), (OptionError, ValueError), (RecipeError, ValueError), (FileError, OSError)],
)
def test_each_can_be_caught_by_a_name_one_already_uses(kind, usual):
    assert issubclass(kind, UnstuckError)
    assert issubclass(kind, usual)


def test_a_recipe_error_shows_every_problem():
    error = RecipeError(iter([("layers.0.units", "must be 1 or more; got 0"), ("", "no loss")]), "this file")
    assert error.problems == [("layers.0.units", "must be 1 or more; got 0"), ("", "no loss")]
    assert str(error) == "2 problems in this file:\n  layers.0.units: must be 1 or more; got 0\n  no loss"
    assert str(RecipeError([("loss", "missing")])) == "1 problem in this recipe:\n  loss: missing"


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("rleu", "; did you mean 'relu'?"),
        ("RELU", "; did you mean 'relu'?"),
        ("xyzzy", "; choose from relu, sigmoid, tanh"),
        ("", "; choose from relu, sigmoid, tanh"),
    ],
)
def test_did_you_mean(given, hint):
    assert did_you_mean(given, ["tanh", "relu", "sigmoid"]) == hint


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("cross_entropy", LOSSES, "'binary_crossentropy' or 'categorical_crossentropy'"),
        ("ce", LOSSES, "'binary_crossentropy' or 'categorical_crossentropy'"),
        ("bce", LOSSES, "'binary_crossentropy'"),
        ("mse", LOSSES, "'squared_error'"),
        ("mae", LOSSES, "'absolute_error'"),
        ("mse", ["mae", "r2", "rmse"], "'rmse'"),
        ("acc", ["accuracy", "roc_auc"], "'accuracy'"),
        ("lr", ["beta1", "learning_rate"], "'learning_rate'"),
        ("age", ["Age", "sex"], "'Age'"),
    ],
)
def test_common_short_names_and_parts_of_names_are_known(given, known, meant):
    assert did_you_mean(given, known) == f"; did you mean {meant}?"


def test_a_name_far_off_is_not_meant():
    assert did_you_mean("price", ["proline", "alcohol"]) == "; choose from alcohol, proline"
