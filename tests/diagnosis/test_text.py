from __future__ import annotations

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from tests.diagnosis.diagnosed import RECIPES, diagnosed

from unstuck import Dense, Recipe, diagnose
from unstuck.diagnosis import shown
from unstuck.diagnosis.curves import Curve, curves
from unstuck.diagnosis.floors import Floor
from unstuck.diagnosis.text import floor_picture, show


def curve(epochs, losses, *floors, top=1.0):
    found = tuple(Floor(name, loss, "") for name, loss in floors)
    return Curve("title", np.array(epochs, float), np.array(losses, float), found, 0.0, top)


def heights(picture):
    """The rows in which each column of a picture has braille dots, by column."""
    columns = {}
    for row, line in enumerate(picture.splitlines()):
        for column, sign in enumerate(line):
            if 0x2800 < ord(sign) <= 0x28FF:
                columns.setdefault(column, []).append(row)
    return [columns[column] for column in sorted(columns)]


@pytest.mark.parametrize("name", RECIPES)
def test_it_fits_a_hundred_columns_without_colour(name):
    text = str(diagnosed(name))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert " ".join(diagnosed(name).verdict.split()[:6]) in text


def test_a_faulty_recipe_is_shown_with_cause_floors_trials_and_cure():
    diagnosis = diagnosed("out of range")
    text = " ".join(str(diagnosis).split())
    assert diagnosis.cure is not None
    assert text.startswith("╭─ It does not learn")
    for floor in diagnosis.evidence.floors:
        assert f"{floor.name} {shown.number(floor.loss)}" in text
    for finding in shown.causes(diagnosis):
        assert f"{finding.certainty} {finding.text}" in text
    for change in diagnosis.changes:
        assert f"· {change}" in text
    assert text.count("the cure") >= 1


def test_a_healthy_recipe_has_no_causes_and_no_cure():
    text = str(diagnosed("learns"))
    assert "It learns" in text
    assert "What was measured" in text
    assert not any(title in text for title in ("Why", "What was tried", "The cure", "Ruled out"))


def test_what_diverged_says_where():
    failure = diagnosed("diverges").evidence.first.run.failure
    assert failure
    assert f"The training diverged: {failure}" in " ".join(str(diagnosed("diverges")).split())


def test_texts_with_brackets_are_no_markup():
    assert "[bold]x[/bold] [0]" in str(replace(diagnosed("learns"), verdict="[bold]x[/bold] [0]"))


def test_long_lists_are_cut_and_what_is_left_out_is_counted():
    diagnosis = diagnosed("too slow")
    proven = diagnosis.proof
    assert proven is not None
    recipes = [diagnosis.evidence.recipe.replace(epochs=k) for k in range(1, 31)]
    treatment = diagnosis.trials[0].treatment
    more = [replace(proven, treatment=replace(treatment, recipe=one), fresh=False, after=(0.01,)) for one in recipes]
    lines = tuple(f"reason {k}: none" for k in range(30))
    long = replace(diagnosis, trials=(*more, proven), ruled_out=lines)
    rows = shown.trial_rows(long)
    assert len(rows) == 12
    assert [row.proven for row in rows] == [True, *[False] * 11]
    assert "19 more trials came to R² 0.010 at most" in str(long)
    assert "and 22 more" in str(long)


def test_of_one_recipe_the_trial_with_the_most_seeds_is_shown():
    diagnosis = diagnosed("too slow")
    trial = next(trial for trial in diagnosis.trials if len(trial.after) > 1 and not trial.fresh)
    twice = replace(diagnosis, trials=(replace(trial, after=trial.after[:1]), trial))
    assert shown.telling_trials(twice) == [trial]


def test_a_single_seed_has_neither_interval_nor_probability():
    diagnosis = diagnosed("too slow")
    trial = replace(diagnosis.trials[0], after=(0.5,))
    (row,) = shown.trial_rows(replace(diagnosis, trials=(trial,)))
    assert (row.interval, row.p) == ("", "")


def test_r2_below_minus_one_is_not_given_as_a_number():
    problem = diagnosed("learns").evidence.problem
    assert (shown.in_metric(problem, -1.0), shown.in_metric(problem, 0.25)) == ("≤ -1", "0.250")


def test_a_narrow_terminal_is_not_exceeded():
    for width in (60, 80):
        console = Console(file=StringIO(), width=width, color_system=None)
        show(diagnosed("too slow"), console)
        assert max(map(len, console.file.getvalue().splitlines())) <= width


def test_dead_units_are_not_told_again_as_duplicates_or_as_linear():
    evidence = diagnosed("learns").evidence
    layer = replace(evidence.end.layers[0], dead=0.5, duplicates=0.5, straight=0.9)
    dead = replace(evidence, end=replace(evidence.end, layers=(layer,)))
    assert shown.outstanding(evidence) == []
    assert [line.partition(": ")[2][:20] for line in shown.outstanding(dead)] == ["50% of the units are"]


# The floor picture --------------------------------------------------------------------------------------------------


def test_a_flat_curve_lies_on_the_line_of_its_floor():
    picture = floor_picture([curve([0, 10], [0.5, 0.5], ("half", 0.5), ("none", 0.01))])
    (row,) = {rows[0] for rows in heights(picture)}
    assert picture.splitlines()[row].endswith("half 0.5")
    assert all(len(rows) == 1 for rows in heights(picture))


def test_a_falling_curve_falls_over_the_whole_width():
    drawn = heights(floor_picture([curve([0, 5, 10], [1.0, 0.5, 0.0])]))
    assert drawn[0][0] < drawn[-1][-1]
    tops = [rows[0] for rows in drawn]
    assert tops == sorted(tops)


def test_a_curve_ends_where_its_records_end():
    assert len(heights(floor_picture([curve([0], [0.5])]))) == 1
    assert not heights(floor_picture([curve([], [])]))


def test_what_lies_above_the_picture_is_not_drawn():
    drawn = heights(floor_picture([curve([0, 10], [100.0, 0.0])]))
    assert 0 < len(drawn) < 10


def test_floors_close_together_each_have_their_name():
    picture = floor_picture([curve([0, 1], [1, 0.5], ("first", 0.501), ("second", 0.5), ("third", 0.499))])
    named = [line.split()[-2] for line in picture.splitlines() if line.rstrip().endswith(("0.501", "0.5", "0.499"))]
    assert named == ["first", "second", "third"]


def test_the_ends_of_both_curves_are_on_a_common_scale_only_for_the_same_loss():
    untreated, cured = curves(diagnosed("too slow"))
    assert (untreated.top, untreated.floors) == (cured.top, cured.floors)
    assert cured.losses[-1] < 0.1 * untreated.losses[-1]
    untreated, cured = curves(diagnosed("out of range"))
    same = diagnosed("out of range").cure.targets == diagnosed("out of range").evidence.recipe.targets
    assert (cured.floors == untreated.floors) == same
    assert len(curves(diagnosed("learns"))) == 1


@pytest.mark.parametrize("name", RECIPES)
def test_the_picture_has_the_floors_and_the_last_loss_in_it(name):
    for drawn in curves(diagnosed(name)):
        assert np.isfinite(drawn.losses).all()
        assert drawn.bottom < drawn.top
        assert all(floor.loss <= drawn.top for floor in drawn.floors)
        assert drawn.bottom <= drawn.losses[-1] <= drawn.top


def test_what_is_odd_about_the_data_is_shown():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = np.sin(2 * X[:, 0]) + X[:, 1]
    columns = {"a": X[:, 0], "b": X[:, 1], "still": np.full(300, 3.0), "twin": 5 * X[:, 0], "answer": 2 * y + 1}
    recipe = Recipe([Dense(8, "tanh"), Dense(1)], loss="squared_error", epochs=20)
    text = " ".join(str(diagnose(recipe, columns, y, budget=5)).split())
    assert "the same number in every row: still" in text
    assert "equal but for scale and shift: a and twin" in text
    assert "the target itself, but for scale and shift: answer" in text
