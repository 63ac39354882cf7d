from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from tests.diagnosis.faulty import BUDGET, FAULTY, HIDDEN, TWO, Case, diagnosis_of, hidden, quadrants, started

from unstuck import L2, SGD, Adam, Constant, Dense, Dropout
from unstuck.diagnosis import cure
from unstuck.diagnosis.cure import FEWEST_FRESH, FRESH, MOST_FRESH, SEEDS, Search
from unstuck.diagnosis.diagnose import diagnose
from unstuck.diagnosis.faults import ORDER, examine
from unstuck.diagnosis.measure import measure
from unstuck.diagnosis.reach import LEARNED
from unstuck.diagnosis.trainings import Clock, train_all
from unstuck.diagnosis.trials import SURE

CURED = [name for name in FAULTY if name != "constant_inputs"]

DOUBLE = {
    ("dropout", "rate_too_low"): Case(
        hidden(TWO, HIDDEN, Dropout(0.95), HIDDEN, Dropout(0.95)).replace(optimizer=SGD(1e-6)), *quadrants()
    ),
    ("constant_start", "penalty"): Case(started(TWO, Constant(0.1)).replace(penalties=(L2(1.0),)), *quadrants()),
    ("clipping", "dropout"): Case(
        hidden(TWO, HIDDEN, Dropout(0.95), HIDDEN, Dropout(0.95)).replace(optimizer=SGD(0.1), clip_norm=1e-5),
        *quadrants(),
    ),
}
"""Recipes in which neither of two faults can be mended alone."""


@cache
def double(faults):
    case = DOUBLE[faults]
    return diagnose(case.recipe, case.X, case.y, budget=BUDGET, progress=False)


@pytest.mark.parametrize("faults", DOUBLE)
def test_two_faults_are_cured_by_two_fixes(faults):
    found = double(faults)
    assert found.cure is not None
    causes = {one.fault for one in found.findings if one.certainty == "contributes"}
    assert causes >= set(faults)
    final = next(trial for trial in found.trials if trial.fresh and trial.treatment.recipe == found.cure)
    assert len(final.treatment.parts) == 2


@pytest.mark.parametrize("faults", DOUBLE)
def test_a_cure_of_several_fixes_learns_with_none_of_them_left_out(faults):
    found = double(faults)
    evidence = found.evidence
    final = next(trial for trial in found.trials if trial.fresh and trial.treatment.recipe == found.cure)
    for left_out in final.treatment.parts:
        recipe = evidence.recipe
        for part in final.treatment.parts:
            if part is not left_out:
                recipe = part[1].change(recipe, evidence.problem)
        gains = [one.gain for one in train_all([recipe.replace(seed=seed) for seed in range(4)], evidence.problem)]
        assert np.median(gains) < evidence.goal


@pytest.mark.parametrize("faults", DOUBLE)
def test_fixes_that_are_not_needed_are_left_out_again(faults):
    evidence = double(faults).evidence
    findings = examine(evidence)
    search = Search(evidence, findings, Clock(BUDGET))
    together = {finding.fault: (finding, finding.fixes[0]) for finding in findings if finding.fixes[0].change}
    parts = [together[fault] for fault in (*faults, "too_small", "unscaled_inputs")]
    whole = search._tried(parts)
    assert whole.learned == 1
    assert set(search._pruned(whole).treatment.faults) == set(faults)


def curved(rows=600):
    """Two classes parted by a curved surface, of which 60 epochs at 0.001 learn most, and longer ones more."""
    X = np.random.default_rng(7).normal(size=(rows, 5))
    return X, (np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] > 0).astype(int)


WIDE = hidden(TWO, Dense(32, "relu"), Dense(32, "relu")).replace(optimizer=Adam())
SINGLE = {
    "early_stop": WIDE.replace(stop_at_loss=0.69),
    "class_weights": WIDE.replace(class_weights={1: 1000.0}),
}


@pytest.mark.parametrize("fault", SINGLE)
def test_what_learns_alone_is_the_cause_and_no_tuning_is_added(fault):
    found = diagnose(SINGLE[fault], *curved(), budget=10.0, progress=False)
    assert found.findings[0].fault == fault
    assert found.findings[0].certainty == "proven"
    assert not any(one.certainty == "contributes" for one in found.findings)
    assert len(found.changes) == 1


def test_tuning_is_left_out_of_a_set_before_a_fault_is():
    evidence = double(("dropout", "rate_too_low")).evidence
    fitting = Search(evidence, examine(evidence), Clock(BUDGET))
    parts = {finding.fault: (finding, finding.fixes[0]) for finding in examine(evidence)}
    trial = fitting._tried([parts["dropout"], parts["rate_too_low"], parts["too_few_steps"]])
    assert set(fitting._pruned(trial).treatment.faults) == {"dropout", "rate_too_low"}
    assert set(fitting._improved(trial, []).treatment.faults) == {"dropout", "rate_too_low"}


@pytest.mark.parametrize("name", CURED)
def test_a_cure_is_announced_after_trials_on_fresh_seeds_alone(name):
    found = diagnosis_of(name)
    (final,) = [trial for trial in found.trials if trial.fresh and trial.treatment.recipe == found.cure]
    assert final.reliable
    assert final.p < SURE
    assert FEWEST_FRESH <= len(final.after) <= MOST_FRESH
    assert len(final.before) >= FEWEST_FRESH
    assert final.median >= LEARNED * found.evidence.attainable - found.evidence.learnable.error


@pytest.mark.parametrize("name", ["single_softmax", "rate_too_low"])
def test_fresh_seeds_are_others_than_those_of_the_search(name, monkeypatch):
    used = {False: set(), True: set()}

    def recorded(treatments, problem, untreated, seeds, goal, seconds):
        fresh = min(seeds) >= FRESH
        used[fresh] |= {*seeds, *((one.seed for one in untreated) if fresh else ())}
        return run_trials(treatments, problem, untreated, seeds, goal, seconds)

    run_trials = cure.run_trials
    monkeypatch.setattr(cure, "run_trials", recorded)
    case = FAULTY[name]
    found = diagnose(case.recipe, case.X, case.y, budget=BUDGET, progress=False)
    assert found.cure is not None
    assert used[False] == set(range(SEEDS))
    assert len(used[True]) >= FEWEST_FRESH
    assert not used[False] & used[True]
    assert not {one.seed for one in found.evidence.untreated} & used[True]


@pytest.mark.parametrize("name", ["single_softmax", "rate_too_low"])
def test_what_learns_from_the_seeds_of_the_search_alone_is_no_cure(name, monkeypatch):
    def lucky(treatments, problem, untreated, seeds, goal, seconds):
        trials = run_trials(treatments, problem, untreated, seeds, goal, seconds)
        if min(seeds) < FRESH:
            return trials
        return [replace(trial, after=trial.before) for trial in trials]

    run_trials = cure.run_trials
    monkeypatch.setattr(cure, "run_trials", lucky)
    case = FAULTY[name]
    found = diagnose(case.recipe, case.X, case.y, budget=5.0, progress=False)
    assert found.cure is None
    assert found.state != "learns"
    assert not any(one.certainty in ("proven", "contributes") for one in found.findings)
    assert "none of the trials made it learn" in found.verdict.lower()


def searched(name, seconds=BUDGET, findings=None):
    case = FAULTY[name]
    clock = Clock(seconds)
    evidence = measure(case.recipe, case.X, case.y, Clock(BUDGET))
    return Search(evidence, examine(evidence) if findings is None else findings(examine(evidence)), clock).run()


def test_without_findings_there_is_still_an_ordinary_network():
    found = searched("single_softmax", findings=lambda all_of_them: [])
    assert found.cure is not None
    assert found.cure.treatment.parts == ()
    assert found.cure.treatment.text == ""


def test_fixes_that_come_to_the_same_recipe_are_one_trial():
    found = diagnosis_of("class_numbers")
    recipes = [trial.treatment.recipe for trial in found.trials if len(trial.treatment.parts) == 1 and not trial.fresh]
    assert len(set(recipes)) == len(recipes)


def test_fixes_are_applied_in_the_order_of_the_catalogue():
    for faults in DOUBLE:
        for trial in double(faults).trials:
            places = [ORDER[finding.fault] for finding, _ in trial.treatment.parts]
            assert places == sorted(places)


def test_the_goal_rises_with_what_trials_show_to_be_possible():
    search = searched("rate_too_low")
    assert search.goal >= search.evidence.goal
    worst = max(min(trial.after) for trial in search.trials if len(trial.after) >= SEEDS)
    assert search.goal >= LEARNED * worst


def test_when_time_is_up_no_fix_is_tried_or_claimed():
    search = searched("rate_too_low", seconds=1e-9)
    assert all(trial.treatment.parts == () for trial in search.trials)
    assert search.cure is None or search.cure.treatment.parts == ()


@pytest.mark.parametrize("seed", [0, 7])
def test_trials_before_and_after_have_the_same_goal_and_gains_below_1(seed):
    case = FAULTY["dropout"]
    found = diagnose(case.recipe.replace(seed=seed), case.X, case.y, budget=BUDGET, progress=False)
    assert found.cure is not None
    assert found.findings[0].fault == "dropout"
    for trial in found.trials:
        assert all(-1 <= gain <= 1 for gain in (*trial.before, *trial.after))
        assert trial.goal <= found.evidence.attainable * 1.2
