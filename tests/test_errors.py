from __future__ import annotations

import pytest

from unstuck import DataError, FileError, OptionError, RecipeError, UnstuckError
from unstuck.errors import did_you_mean


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
