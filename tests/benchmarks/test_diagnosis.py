"""What the diagnosis is judged with: networks that fail, faults put into healthy ones, and how answers are counted."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest
from benchmarks.diagnosis import __main__ as program
from benchmarks.diagnosis import by_hand, healthy, kept, pool
from benchmarks.diagnosis.faulty import FAULTY, HARMLESS
from benchmarks.diagnosis.injected import INCURABLE, INJECTIONS, injected
from benchmarks.diagnosis.judge import FRESH, Task, judge
from benchmarks.diagnosis.problem import LEARNS, Problem
from click.testing import CliRunner

from unstuck import SGD, Adam, Dense, HandWritten, Recipe, check_gradient, train

ALWAYS = [id for id, make in FAULTY.items() if make(0).fails_in >= 0.8 and make(0).cured]
CLASSES = Recipe(
    [Dense(16, "relu"), Dense(16, "relu"), Dense(3, "softmax")],
    loss="categorical_crossentropy",
    optimizer=SGD(0.1),
    epochs=40,
)
NUMBERS = Recipe([Dense(16, "tanh"), Dense(1)], loss="squared_error", optimizer=Adam(0.01), epochs=40)
TWO_CLASSES = NUMBERS.replace(layers=(Dense(16, "tanh"), Dense(1, "sigmoid")), loss="binary_crossentropy")


def three_blobs():
    random = np.random.default_rng(0)
    y = np.arange(600) % 3
    return Problem.split("three blobs", random.normal(size=(600, 2)) + 3.0 * np.eye(3)[y, :2], y, classes=True, seed=0)


def waves():
    return Problem.split("waves", *pool.waves(0), classes=False, seed=0)


@pytest.mark.parametrize("id", ALWAYS)
def test_a_faulty_network_fails_in_most_seeds_and_learns_once_cured(id):
    made = [FAULTY[id](seed) for seed in range(3)]
    gains = [one.problem.level(one.cured, [one_seed]) - one.problem.constant for one_seed, one in enumerate(made)]
    lost = [one.level() - one.problem.constant < LEARNS * gain for one, gain in zip(made, gains, strict=True)]
    assert sum(lost) >= 2
    assert np.median(gains) > 0.05


def test_what_was_called_a_fault_and_is_none_learns():
    for make in HARMLESS.values():
        made = make(0)
        assert made.problem.share(made.level(), made.problem.level(made.cured, [0])) >= LEARNS


def test_the_gradients_of_hand_written_networks_are_wrong_where_they_are_said_to_be():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(20, 4)), random.normal(size=20)
    Y = np.eye(3)[np.arange(20) % 3]
    right = [by_hand.line_with_broadcasting(X, y, 0), by_hand.regression(X, y, 0, flat_targets=True)]
    right.append(by_hand.regression(X, y, 0))
    wrong = [by_hand.target_minus_output(X, Y, 0), by_hand.regression(X, y, 0, sign=-1)]
    wrong += [by_hand.slopes_left_out(X, Y, 0), by_hand.cost_of_given_predictions(X[:, :2], Y[:, :2], 0)]
    assert all(check_gradient(subject).right for subject in right)
    assert not any(check_gradient(subject).right for subject in wrong)


def test_scores_take_numbers_and_rows_of_outputs_for_classes():
    problem = Problem.whole("three", np.zeros((4, 1)), np.array([0, 1, 2, 2]), classes=True)
    assert problem.constant == 0.5
    assert problem.score(np.array([0.2, 0.9, 1.8, 5.0])) == 1
    assert problem.score(np.eye(3)[[0, 1, 2, 0]]) == 0.75
    assert problem.score(np.full(4, np.nan)) == 0.25
    numbers = Problem.whole("numbers", np.zeros((4, 1)), np.array([0.0, 1, 2, 3]), classes=False)
    assert numbers.constant == 0
    assert numbers.score(np.array([0.0, 1, 2, np.inf])) == numbers.score(1e9 * np.ones(4)) == -1


@pytest.mark.parametrize("kind", INJECTIONS)
def test_each_injection_changes_what_is_trained_and_leaves_it_trainable(kind):
    applied = 0
    for recipe, problem in ((CLASSES, three_blobs()), (NUMBERS, waves()), (TWO_CLASSES, two_of(three_blobs()))):
        for seed in range(4):
            changed = INJECTIONS[kind](recipe, problem, healthy.Draw(seed))
            if changed is None:
                continue
            applied += 1
            assert changed[0] != recipe or changed[1] is not problem
            train(changed[0].replace(epochs=1), changed[1].X, changed[1].y, progress=False)
    assert applied >= 4


def two_of(problem):
    return problem.with_targets(lambda y: np.minimum(y, 1))


@pytest.fixture
def small_pool(monkeypatch):
    monkeypatch.setattr(healthy, "POOL", {name: pool.POOL[name] for name in ("circles", "waves")})
    monkeypatch.setattr(healthy, "VARIANTS", 1)


@pytest.mark.usefixtures("small_pool")
def test_drawn_recipes_learn_and_come_again():
    first, again = healthy.drawn_healthy(5), healthy.drawn_healthy(5)
    assert first.recipe == again.recipe
    assert first.level == again.level
    assert first.problem.share(first.level, first.best) >= LEARNS


@pytest.mark.usefixtures("small_pool")
def test_injected_faults_cost_at_least_half_of_the_gain():
    found = injected(0)
    assert found.kinds[0] == next(iter(INJECTIONS))
    assert found.causes.intersection(found.kinds)
    gain = found.twin.level - found.twin.problem.constant
    assert found.problem.level(found.recipe, healthy.SEEDS) - found.problem.constant < gain / 2


def test_what_no_recipe_can_cure_is_marked():
    assert set(INJECTIONS) >= INCURABLE


@dataclass(frozen=True)
class Finding:
    fault: str


@dataclass(frozen=True)
class Diagnosis:
    state: str
    findings: tuple[Finding, ...]
    cure: Recipe | None


def stub(state, faults=(), cure=None):
    return lambda *arguments: Diagnosis(state, tuple(map(Finding, faults)), cure)


def test_a_right_answer_counts():
    made = FAULTY["F4"](0)
    said = judge(Task("faulty", 0, "F4"), stub("does not learn", ["output_range"], made.cured), None)
    assert (said.noticed, said.first, said.among_first, said.cured) == (True, True, True, True)
    assert said.share == pytest.approx(1)
    assert (said.half, said.group) == ("working", "F4")


def test_a_wrong_answer_does_not():
    made = FAULTY["F4"](1)
    faults = ["rate_too_low", "no_bias", "penalty", "output_range"]
    said = judge(Task("faulty", 1, "F4"), stub("learns", faults, made.subject), lambda *a, **k: made.cured)
    assert (said.noticed, said.first, said.among_first, said.cured) == (False, False, False, False)
    assert said.found
    assert said.half == "validation"


def test_where_nothing_can_be_learned_a_cure_is_wrong():
    task = Task("faulty", 0, "F13")
    assert judge(task, stub("nothing to learn", ["nothing_to_learn"]), None).cured
    assert not judge(task, stub("nothing to learn", ["nothing_to_learn"], FAULTY["F13"](0).subject), None).cured


def test_the_cure_of_a_hand_written_network_is_trained_on_its_own_data():
    cure = Recipe([Dense(30, "relu"), Dense(10, "softmax")], loss="categorical_crossentropy", epochs=40)
    subjects = []

    def diagnose(*arguments):
        subjects.extend(arguments)
        return stub("does not learn", ["rows_mixed"], cure)()

    said = judge(Task("faulty", 0, "F3"), diagnose, lambda *a, **k: pytest.fail("searched without a recipe"))
    assert said.cured
    assert len(subjects) == 1
    assert isinstance(subjects[0], HandWritten)


def test_an_error_is_kept_and_counts_as_not_noticed():
    def diagnose(*arguments):
        raise ValueError("no")

    said = judge(Task("faulty", 0, "F4"), diagnose, None)
    assert said.error == "ValueError: no"
    assert (said.noticed, said.first, said.cured) == (False, False, False)
    assert program.missed(said)


def test_a_start_that_learns_after_all_is_left_out():
    learning = [seed for seed in range(10) if learns_anyway(seed)]
    assert learning
    assert judge(Task("faulty", learning[0], "F7"), stub("learns"), None) is None


def learns_anyway(seed):
    made = FAULTY["F7"](seed)
    return made.problem.share(made.level(), made.problem.level(made.cured, FRESH)) >= LEARNS


def test_a_healthy_network_called_faulty_is_accused(monkeypatch):
    problem = three_blobs()
    it = healthy.Healthy(0, "three blobs", CLASSES, problem, 0.9, 0.9)
    monkeypatch.setattr(kept, "healthy", lambda seed: it)
    assert judge(Task("healthy", 0), stub("overfits"), None).noticed
    assert not judge(Task("healthy", 0), stub("learns", ["penalty"]), None).noticed


def test_a_healthy_network_told_to_train_longer_is_counted_apart(monkeypatch):
    it = healthy.Healthy(0, "three blobs", CLASSES, three_blobs(), 0.9, 0.9)
    monkeypatch.setattr(kept, "healthy", lambda seed: it)
    said = judge(Task("healthy", 0), stub("needs longer", ["too_few_steps"]), None)
    assert said.longer
    assert not said.noticed
    assert program.missed(said)


def test_the_program_counts_and_keeps_rows(monkeypatch, tmp_path):
    cure = FAULTY["F20"](0).cured
    for name, function in (
        ("diagnose", stub("needs longer", ["too_few_steps"], cure)),
        ("search", lambda *a, **k: None),
    ):
        module = ModuleType(name)
        setattr(module, name, function)
        monkeypatch.setitem(sys.modules, f"unstuck.diagnosis.{name}", module)
    monkeypatch.setitem(sys.modules, "unstuck.diagnosis", ModuleType("diagnosis"))
    path = tmp_path / "rows.json"
    options = ["--part", "faulty", "--only", "F20", "--count", "4", "--processes", "1", "--show", "--json", str(path)]
    result = CliRunner().invoke(program.main, options, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    rows = json.loads(path.read_text())
    assert {row["half"] for row in rows} == {"working", "validation"}
    assert all(row["first"] and row["cured"] and row["found"] is False for row in rows)
    assert {"working", "validation"} <= set(result.output.split())
