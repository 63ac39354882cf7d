"""What is left out of a training to save time is said, and never taken for a fault of the recipe."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from unstuck.cases import CASES
from unstuck.cases.proof import prove
from unstuck.diagnosis import measure as measuring
from unstuck.diagnosis.cutting import SHARE, cut_down
from unstuck.diagnosis.diagnose import diagnose
from unstuck.diagnosis.faults import batch_size, examine, too_few_steps
from unstuck.diagnosis.measure import measure
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.trainings import Clock, train_all
from unstuck.reports.terminal import proof_panel

SPIRAL, X, Y = CASES[1].subject()
BUDGET = 3.0


@pytest.fixture
def cut_to(monkeypatch):
    """Have every training cut down to a share of its epochs, as if it took that much longer than is affordable."""

    def cutting(share):
        work = SHARE * BUDGET / share
        monkeypatch.setattr(
            measuring, "cut_down", lambda recipe, problem, first, *_: cut_down(recipe, problem, first, work, BUDGET)
        )

    return cutting


def evidence_of(recipe):
    return measure(recipe, X, Y, Clock(BUDGET))


def test_what_is_cut_depends_on_the_work_and_not_on_how_long_others_made_it_take():
    problem = Problem.of(SPIRAL, X, Y)
    (first,) = train_all([SPIRAL], problem)
    waiting = replace(first, run=replace(first.run, seconds=100.0))
    assert cut_down(SPIRAL, problem, waiting, 0.05, BUDGET) == (SPIRAL, problem, "")
    shorter, same, said = cut_down(SPIRAL, problem, first, 2 * SHARE * BUDGET, BUDGET)
    assert (shorter.epochs, len(same), said) == (500, len(problem), "500 of 1,000 epochs")


def test_the_first_training_is_charged_no_more_than_it_computed(monkeypatch):
    charged = []

    def seen(recipe, problem, first, work, budget):
        charged.append(work)
        return recipe, problem, ""

    real = measuring.train_all

    def held_up(recipes, *arguments, **options):
        return [replace(one, run=replace(one.run, seconds=1e3)) for one in real(recipes, *arguments, **options)]

    monkeypatch.setattr(measuring, "cut_down", seen)
    monkeypatch.setattr(measuring, "train_all", held_up)
    evidence_of(SPIRAL)
    assert charged[0] < 100


def test_the_updates_counted_are_the_recipes_own(cut_to):
    cut_to(0.3)
    evidence = evidence_of(SPIRAL)
    assert evidence.cut == "300 of 1,000 epochs"
    assert evidence.recipe.epochs == 300
    assert evidence.updates == 1000
    assert batch_size.examine(evidence) is None
    assert not any("300 updates" in finding.text for finding in examine(evidence))


def test_few_updates_of_its_own_are_found_in_a_shortened_training_too(cut_to):
    cut_to(0.3)
    found = batch_size.examine(evidence_of(SPIRAL.replace(epochs=100)))
    assert found is not None
    assert found.text == "With 750 rows to an update there are only 100 updates."
    assert found.evidence[0] == "100 epochs of 1 updates"


def test_longer_is_longer_than_the_recipe_itself(cut_to):
    cut_to(0.1)
    evidence = evidence_of(SPIRAL.replace(epochs=200))
    finding = too_few_steps.examine(evidence)
    longer = [fix.change(evidence.recipe, evidence.problem).epochs for fix in finding.fixes]
    assert longer == [4 * 200, 16 * 200, 64 * 200]
    assert "still falling" not in finding.text


def test_a_cure_of_a_shortened_training_leaves_the_epochs_as_they_are(cut_to):
    cut_to(0.7)
    found = diagnose(SPIRAL, X, Y, budget=BUDGET, progress=False)
    assert found.evidence.recipe.epochs == 700
    assert found.cure is not None
    assert found.proof.treatment.recipe.epochs == 700
    assert found.cure.epochs == 1000
    assert not any(change.startswith("epochs") for change in found.changes)


def test_the_panel_of_a_case_says_what_was_left_out(cut_to):
    cut_to(0.3)
    proof = prove(CASES[1])
    console = Console(file=StringIO(), width=140)
    console.print(proof_panel(CASES[1], proof))
    said = console.file.getvalue()
    assert "Shortened: to save time it was trained here with 300 of 1,000 epochs" in said
    assert "unstuck why case:1 --budget 60" in said
