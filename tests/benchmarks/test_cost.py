from __future__ import annotations

import json
import time

import pytest
from benchmarks.diagnosis.cost import RECIPES, cost, main, trained, training_time
from click.testing import CliRunner

from unstuck.diagnosis import measure as measuring


@pytest.mark.parametrize("name", ["xor", "iris", "diabetes"])
def test_trainings_are_a_part_of_what_measuring_takes(name):
    found = cost(name, repeats=1, seconds=0.02)
    assert 0 < found.trainings < found.measure
    assert found.evidence == found.measure - found.trainings
    assert found.seconds > 0


def test_the_time_of_trainings_is_noted_and_what_was_there_is_put_back(monkeypatch):
    def slept(*given):
        time.sleep(0.05)

    monkeypatch.setattr(measuring, "train_all", slept)
    with training_time() as spent:
        measuring.train_all([])
        measuring.train_all([])
    assert 0.1 <= sum(spent) < 1
    assert measuring.train_all is slept


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in ("pixels", "large and deep")])
def test_every_recipe_trains_with_and_without_signals(name):
    recipe, X, y = RECIPES[name]()
    for signals in (False, True):
        assert trained(recipe.replace(epochs=2), X, y, signals) > 0


def test_a_table_and_a_row_for_each_recipe_are_written(tmp_path):
    path = tmp_path / "cost.json"
    done = CliRunner().invoke(main, ["--only", "iris", "--repeats", "1", "--seconds", "0.01", "--json", str(path)])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(path.read_text())
    assert row["name"] == "iris"
    assert row["rows"] == 150
    assert row["evidence"] == pytest.approx(row["measure"] - row["trainings"])
