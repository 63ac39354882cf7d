from __future__ import annotations

import json
import math
import pickle
import re
from functools import cache

import numpy as np
import polars
import pytest
from tests.diagnosis.faulty import (
    BUDGET,
    FAULTY,
    HEALTHY,
    NUMBERS,
    THREE,
    TWO,
    Case,
    diagnosis_of,
    hidden,
    output,
    quadrants,
    three_blobs,
    waves,
)

from unstuck import (
    SGD,
    Adam,
    AdamW,
    Constant,
    DataError,
    Dense,
    GlorotUniform,
    Inputs,
    Normal,
    OptionError,
    Recipe,
    RecipeError,
    Run,
    Targets,
    train,
    train_many,
)
from unstuck.data import xor
from unstuck.data.tables import default_names
from unstuck.diagnosis.diagnose import diagnose
from unstuck.diagnosis.faults import examine
from unstuck.diagnosis.finding import LISTED
from unstuck.diagnosis.measure import measure
from unstuck.diagnosis.trainings import Clock
from unstuck.diagnosis.verdict import Diagnosis

STATES = ("learns", "needs longer", "nothing to learn", "overfits", "does not learn")
X, Y = quadrants()


def diagnosed(recipe, X, y, budget=BUDGET, **changes):
    return diagnose(recipe.replace(**changes), X, y, budget=budget, progress=False)


def shuffled(y, seed=0):
    return np.random.default_rng(seed).permutation(y)


def flipped(y, share, seed=0):
    return np.where(np.random.default_rng(seed).random(len(y)) < share, 1 - y, y)


@pytest.mark.parametrize(
    ("recipe", "data"), [(TWO, quadrants(1000)), (THREE, three_blobs()), (NUMBERS, waves())], ids=["2", "3", "numbers"]
)
def test_shuffled_targets_hold_nothing_to_learn(recipe, data):
    found = diagnosed(recipe, data[0], shuffled(data[1]), epochs=20)
    assert found.state == "nothing to learn"
    assert found.cure is None
    assert [one.fault for one in found.findings] == ["nothing_to_learn"]
    assert "Nothing in these inputs says anything about the targets" in found.verdict


@pytest.mark.parametrize("late", [1, 2, 3, -1])
def test_rows_out_of_step_are_said_to_be(late):
    X, y = waves(600)
    found = diagnosed(NUMBERS, X, np.roll(y, late))
    assert found.state == "nothing to learn"
    assert found.verdict.startswith(f"The rows of X and y are shifted against each other by {abs(late)}")
    assert "There is nothing to learn" not in str(found)
    write = found.verdict.partition("With ")[2].partition(" they go together")[0]
    rows, targets = eval(write, {"X": X, "y": np.roll(y, late)})
    assert diagnosed(NUMBERS, rows, targets).state == "learns"


def test_lopsided_classes_learned_well_are_learned():
    X, y = quadrants(1000)[0], (quadrants(1000)[0][:, 0] > 1.65).astype(int)
    assert 0.03 < y.mean() < 0.07
    found = diagnosed(TWO, X, y)
    assert found.state == "learns"
    assert found.evidence.problem.metric == "roc_auc"


def test_lopsided_classes_of_which_nothing_is_learned_are_not_taken_for_95_percent_right():
    X, y = quadrants(1000)[0], (quadrants(1000)[0][:, 0] > 1.65).astype(int)
    found = diagnosed(TWO, X, y, optimizer=SGD(1e-9))
    assert found.state == "does not learn"
    assert found.findings[0].fault == "rate_too_low"


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_noisy_labels_at_their_bayes_rate_are_learned(share):
    X, y = quadrants(2000)
    found = diagnosed(TWO, X, flipped(y, share), epochs=20)
    assert found.state == "learns"
    assert found.evidence.problem.in_metric(found.evidence.gain) == pytest.approx(1 - share, abs=0.05)


def test_noisy_numbers_at_their_bayes_rate_are_learned():
    X, y = waves(600)
    noisy = y + np.random.default_rng(0).normal(size=600)
    assert diagnosed(NUMBERS, X, noisy, epochs=30).state == "learns"


def test_a_deep_tanh_network_with_glorots_start_is_healthy():
    deep = hidden(TWO, *[Dense(24, "tanh", weight_start=GlorotUniform())] * 8).replace(optimizer=Adam(0.003))
    assert diagnosed(deep, X, Y).state == "learns"


def test_xor_on_its_saddle_before_the_drop_needs_longer():
    saddle = hidden(TWO, Dense(8, "tanh", weight_start=Normal(0.1))).replace(
        batch_size="full", optimizer=SGD(0.3), epochs=80, precision="float64"
    )
    before = train(saddle, *xor(), progress=False)
    assert before.history["training_loss"][-1] == pytest.approx(math.log(2), abs=1e-3)
    found = diagnosed(saddle, *xor())
    assert found.evidence.floor.name == "best constant"
    assert found.state == "needs longer"
    assert found.cure.replace(epochs=80) == saddle
    assert (train(found.cure, *xor(), progress=False).predict(xor()[0]) == xor()[1]).all()


def test_a_few_epochs_are_too_few():
    found = diagnosis_of("too_few_steps")
    assert found.state == "needs longer"
    assert found.changes == (f"epochs: 1 -> {found.cure.epochs}",)


def test_overfitting_is_said_as_such():
    found = diagnosis_of("overfitting")
    assert found.state == "overfits"
    assert found.evidence.fit > 0.95
    assert "by heart" in found.verdict


def test_the_floor_at_which_the_loss_is_flat_is_named():
    found = diagnosis_of("penalty")
    assert found.evidence.floor.name == "best constant"
    assert "which is what the best constant reaches" in found.verdict


@pytest.mark.parametrize("name", [*FAULTY, *HEALTHY])
def test_a_diagnosis_is_plain_data(name):
    found = diagnosis_of(name)
    data = json.loads(json.dumps(found.to_data()))
    assert data["state"] == found.state
    assert data["state"] in STATES
    assert data["verdict"]
    assert [one["fault"] for one in data["findings"]] == [one.fault for one in found.findings]
    assert len(data["trials"]) == len(found.trials)
    assert (Recipe.from_data(data["cure"]) if data["cure"] else None) == found.cure


def test_a_diagnosis_is_repeated_by_another():
    again = diagnosed(FAULTY["single_softmax"].recipe, FAULTY["single_softmax"].X, FAULTY["single_softmax"].y)
    first = diagnosis_of("single_softmax")
    assert (again.state, again.cure, again.evidence.gain) == (first.state, first.cure, first.evidence.gain)
    assert again.findings[0].fault == first.findings[0].fault


def test_a_diagnosis_leaves_the_data_alone():
    features, labels = X.copy(), Y.copy()
    features.flags.writeable = labels.flags.writeable = False
    diagnosed(TWO, features, labels, optimizer=SGD(1e-6))
    assert (features == X).all()
    assert (labels == Y).all()


@pytest.mark.parametrize("budget", [0, -1, -math.inf, math.nan])
def test_a_budget_that_is_no_positive_number_is_refused(budget):
    with pytest.raises(OptionError, match=f"budget must be a positive number of seconds; got {budget}"):
        diagnosed(TWO, X, Y, budget)


def test_hardly_any_budget_gives_evidence_and_no_claim():
    found = diagnosed(TWO, X, Y, 1e-6, optimizer=SGD(1e-6))
    assert found.state == "does not learn"
    assert not any(one.certainty == "proven" for one in found.findings)


def with_(value, X=X):
    changed = X.astype(float).copy()
    changed[3, 1] = value
    return changed


TEXTS = np.array(["no", "yes"])[Y]
ONE_CLASS = np.zeros(320, int)
TARGETS = waves()[1]


@pytest.mark.parametrize(
    ("recipe", "X", "y", "error", "said"),
    [
        (TWO, X, Y[1:], DataError, "320 rows of features and 319 targets"),
        (TWO, X[:0], Y[:0], DataError, "no rows"),
        (TWO, with_(np.nan), Y, DataError, "missing values: 1 in column 'x1'"),
        (TWO, with_(np.inf), Y, DataError, "infinite values: 1 in column 'x1'"),
        (NUMBERS, X, with_(np.nan)[:, 1], DataError, "y is NaN or infinite in 1 rows"),
        (TWO, X, ONE_CLASS, DataError, "with one class there is nothing to tell apart"),
        (TWO, X[:1], Y[:1], DataError, "with one class there is nothing to tell apart"),
        (THREE, X, Y, DataError, "y has 2 classes"),
        (output(THREE, Dense(2, "softmax")), *three_blobs(), DataError, "y has 3 classes"),
        (NUMBERS, X, TEXTS, DataError, "y holds text"),
        (TWO, np.array([["a", "b"]] * 320), Y, DataError, "array of text"),
        (TWO, np.zeros((320, 2, 2)), Y, DataError, "rows, columns"),
        (TWO, X[:, 0], Y, DataError, "X.reshape"),
        (TWO, None, Y, OptionError, "depends on the data"),
        (TWO, X, None, OptionError, "depends on the data"),
        (TWO, polars.DataFrame({"a": X[:, 0], "b": TEXTS}), Y, DataError, 'categories="one_hot"'),
        (output(NUMBERS, Dense(2)), X, TARGETS, DataError, "fractions such as"),
        (hidden(TWO, Dense(3, weight_start={"kind": "given", "values": [[1.0]]})), X, Y, RecipeError, "layers.0"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(recipe, X, y, error, said):
    with pytest.raises(error, match=said):
        diagnosed(recipe, X, y, 5.0)


def counted_rows(rows):
    return X[:rows], np.arange(rows) % 2


CATEGORIES = Inputs(categories="one_hot")
TABLE = polars.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "u", "v")})
TWO_NUMBERS = np.column_stack([TARGETS, waves()[0][:, 2] ** 2])
ODD = {
    "one row": Case(NUMBERS, X[:1], TARGETS[:1]),
    "two rows": Case(TWO, *counted_rows(2)),
    "three rows": Case(NUMBERS, X[:3], TARGETS[:3]),
    "constant numbers": Case(NUMBERS, X, np.full(320, 3.5)),
    "few constant numbers": Case(NUMBERS, X[:50], np.full(50, 3.5)),
    "one constant feature": Case(NUMBERS, np.ones((320, 1)), TARGETS),
    "one constant feature, classes": Case(TWO, np.ones((320, 1)), Y),
    "text labels": Case(TWO, X, TEXTS),
    "text labels as objects": Case(TWO, X, TEXTS.astype(object)),
    "lopsided text labels": Case(TWO, X, np.where(X[:, 0] > 1.2, "yes", "no")),
    "true and false": Case(TWO, X, Y > 0),
    "lists": Case(TWO, X.tolist(), [str(label) for label in Y]),
    "signs": Case(output(TWO, Dense(1), loss="hinge"), X, 2 * Y - 1),
    "a table with categories": Case(TWO.replace(inputs=CATEGORIES), TABLE, Y),
    "a few rows of a table": Case(TWO.replace(inputs=CATEGORIES), TABLE[:30], Y[:30]),
    "one-hot": Case(output(THREE, Dense(2, "softmax")), X, np.eye(2)[Y]),
    "a few one-hot rows": Case(output(THREE, Dense(2, "softmax")), X[:30], np.eye(2)[Y[:30]]),
    "lopsided one-hot": Case(output(THREE, Dense(2, "softmax")), X, np.eye(2)[(X[:, 0] > 1.2).astype(int)]),
    "labels in a column": Case(TWO, X, Y[:, None]),
    "numbers in a column": Case(NUMBERS, waves()[0], TARGETS[:, None]),
    "several numbers": Case(output(NUMBERS, Dense(2)), waves()[0], TWO_NUMBERS),
    "a few rows of several numbers": Case(output(NUMBERS, Dense(2)), waves()[0][:50], TWO_NUMBERS[:50]),
    "several labels at once": Case(output(TWO, Dense(3, "sigmoid")), waves()[0], (waves()[0] > 0).astype(int)),
    "a class of one row": Case(TWO, X, (np.arange(320) == 7).astype(int)),
    "a third class of one row": Case(THREE, X, np.where(np.arange(320) == 7, 2, Y)),
    "missing values": Case(TWO.replace(inputs=Inputs(missing="mean")), with_(np.nan), Y),
    "numbers near the end of float32": Case(NUMBERS, waves()[0], 1e30 * TARGETS),
    "tiny numbers": Case(NUMBERS, waves()[0] * 1e-30, TARGETS * 1e-30),
    "a start that overflows": Case(hidden(NUMBERS, *[Dense(8, "relu", weight_start=Constant(1e30))] * 2), *waves()),
    "no hidden layer": Case(hidden(NUMBERS), *waves()),
    "whole numbers": Case(TWO, np.rint(100 * X).astype(int), Y),
    "bytes": Case(TWO, np.random.default_rng(0).integers(0, 256, (320, 5)).astype(np.uint8), Y),
    "a batch beyond the rows": Case(TWO.replace(batch_size=10**6), X, Y),
    "numbers that are few": Case(output(NUMBERS, Dense(1), targets=Targets(coding="numbers")), *three_blobs()),
}


@cache
def odd(name, slow) -> Diagnosis:
    case = ODD[name]
    return diagnosed(case.recipe.replace(optimizer=SGD(1e-7)) if slow else case.recipe, case.X, case.y, 4.0)


SLOW = {
    "two rows",
    "lopsided text labels",
    "a table with categories",
    "a few rows of a table",
    "one-hot",
    "lopsided one-hot",
    "a few rows of several numbers",
    "a third class of one row",
    "no hidden layer",
}
"""Those that are also diagnosed with a rate at which nothing moves, so that fixes are tried on them."""


@pytest.mark.parametrize(("name", "slow"), [*((name, False) for name in ODD), *((name, True) for name in sorted(SLOW))])
def test_odd_data_are_diagnosed_whether_the_network_learns_or_not(name, slow):
    found = odd(name, slow)
    assert found.state in STATES
    assert np.isfinite(found.evidence.gain)
    assert found.cure is None or found.cure != ODD[name].recipe
    json.dumps(found.to_data())


LEARNABLE = ["text labels", "a table with categories", "one-hot", "labels in a column", "several numbers"]


@pytest.mark.parametrize("name", LEARNABLE)
def test_forms_of_the_data_are_no_fault_and_hide_none(name):
    assert odd(name, False).state == "learns"
    slow = odd(name, True)
    assert slow.findings[0].fault == "rate_too_low"
    assert slow.findings[0].certainty == "proven"


@pytest.mark.parametrize("name", ["constant numbers", "a class of one row"])
def test_targets_that_hold_nothing_are_told_from_faults(name):
    assert odd(name, False).state == "nothing to learn"


@pytest.mark.parametrize("name", ["one constant feature", "one constant feature, classes"])
def test_inputs_that_say_nothing_are_told_from_faults(name):
    assert odd(name, False).findings[0].fault == "constant_inputs"
    assert odd(name, False).cure is None


def test_five_thousand_columns_are_diagnosed():
    many = np.random.default_rng(0).normal(size=(200, 5000))
    found = diagnosed(TWO, many, Y[:200], 4.0, epochs=5)
    assert found.state == "nothing to learn"


def test_tables_of_pandas_are_diagnosed():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": X[:, 0], "b": pandas.Categorical(np.where(X[:, 1] > 0, "u", "v"))})
    assert diagnosed(TWO, table, Y, inputs=CATEGORIES).state == "learns"


def test_a_run_is_diagnosed_on_the_rows_it_was_trained_on():
    slow = TWO.replace(optimizer=SGD(1e-7), epochs=5)
    of_run, of_recipe = diagnose(train(slow, X, Y, progress=False), progress=False), diagnosed(slow, X, Y, budget=None)
    assert of_run.state == of_recipe.state == "does not learn"
    assert (of_run.evidence.problem.X == of_recipe.evidence.problem.X).all()
    assert of_run.evidence.gain == of_recipe.evidence.gain
    (other,) = train_many(slow, X, Y, seeds=[3], progress=False)
    assert diagnose(other, progress=False).evidence.recipe.seed == 3


def test_a_run_on_few_rows_is_not_trained_again():
    run = train(TWO, *xor(), progress=False)
    assert diagnose(run, budget=BUDGET, progress=False).evidence.first.run is run


@pytest.mark.parametrize(
    "how", [{"time_budget": 1e-9}, {"sample_weight": [1, 1, 1, 0]}, {"callbacks": [lambda *_: 0.1]}]
)
def test_a_run_that_other_things_had_a_part_in_is_trained_again(how):
    run = train(TWO, *xor(), progress=False, **how)
    again = diagnose(run, budget=BUDGET, progress=False).evidence.first.run
    whole = train(TWO, *xor(), progress=False)
    assert (again.final_parameters == whole.final_parameters).all()
    assert not (run.final_parameters == whole.final_parameters).all()


@pytest.mark.parametrize("how", ["saved", "pickled"])
def test_a_run_without_its_rows_says_what_to_write(how, tmp_path):
    run = train(TWO, *xor(), progress=False)
    run.save(tmp_path / "run")
    without = Run.load(tmp_path / "run") if how == "saved" else pickle.loads(pickle.dumps(run))
    with pytest.raises(OptionError, match=r"diagnose\(run, X, y\)"):
        diagnose(without)
    assert diagnose(without, *xor(), budget=BUDGET, progress=False).state == "learns"
    with pytest.raises(OptionError, match=r"all of them"):
        diagnose(run, xor()[0])


def test_labels_that_contradict_the_rows_around_them_are_why_more_is_not_to_be_had():
    X, y = quadrants(2000)
    noisy = diagnosed(TWO, X, flipped(y, 0.2), epochs=20)
    assert "of the labels contradict the rows around them" in noisy.verdict
    assert noisy.to_data()["measured"]["label_noise"]["share"] == pytest.approx(0.2, abs=0.06)
    assert "contradict" not in diagnosed(TWO, X, y, epochs=20).verdict


def test_no_more_labels_are_said_to_be_wrong_than_the_best_predictions_get_wrong():
    X, y = quadrants(500)
    found = diagnosed(TWO, X, flipped(y, 0.3))
    said = re.search(r"About (\d+)% of the labels", found.verdict)
    assert said is None or int(said[1]) / 100 <= 1 - found.evidence.problem.in_metric(found.evidence.gain) + 0.005


@pytest.mark.parametrize("rows", [3, 80])
def test_noise_known_by_heart_is_not_called_learning(rows):
    random = np.random.default_rng(1)
    noise, labels = random.normal(size=(rows, 40)), np.arange(rows) % 2
    found = diagnosed(hidden(TWO, Dense(64, "relu")), noise, labels, epochs=200)
    assert found.verdict.startswith("It fits its training rows: accuracy 1")
    assert f"With {rows} rows there are too few to hold some out" in found.verdict
    assert "Nothing is wrong" not in found.verdict
    for shown in (str(found), found.to_html()):
        assert "It learns" not in shown


def test_the_others_beside_which_a_network_is_said_to_learn_are_the_best_of_the_table():
    X = quadrants(500)[0]
    found = diagnosed(TWO, X, (X[:, 0] + X[:, 1] > 0).astype(int))
    best = found.evidence.problem.in_metric(found.evidence.attainable)
    assert f"where the best of other learners gets {best:.3g}" in found.verdict


def test_r2_that_is_not_counted_below_minus_1_is_shown_as_at_most_that():
    found = diagnosed(NUMBERS, waves()[0], 1e4 * waves()[1] + 1e6, epochs=2)
    assert found.evidence.gain == -1
    assert "r2 ≤ -1," in found.verdict


def test_a_loss_that_does_not_go_with_the_output_is_told_of_a_network_that_learns_as_much_as_others():
    X = np.random.default_rng(7).normal(size=(600, 5))
    y = np.exp(3 * np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2])
    found = diagnosed(NUMBERS, X, y, loss="poisson")
    assert "the Poisson loss is for counts and positive outputs" in found.verdict
    assert "Nothing is wrong" not in found.verdict


def test_a_decay_of_adamw_that_leaves_no_weights_is_the_cause_and_lowered():
    found = diagnosed(TWO, X, Y, optimizer=AdamW(0.01, weight_decay=100.0))
    assert (found.findings[0].fault, found.findings[0].certainty) == ("penalty", "proven")
    assert found.changes == ("optimizer.weight_decay: 100 -> 0",)
    assert found.findings[0].text == "The weight decay of 100 outweighs the data."
    usual = measure(TWO.replace(optimizer=AdamW(0.01)), X, Y, Clock(BUDGET))
    (finding,) = [one for one in examine(usual) if one.fault == "penalty"]
    assert finding.suspicion < LISTED


def test_shuffled_labels_are_said_to_look_shuffled():
    X, y = quadrants(1000)
    (nothing,) = diagnosed(TWO, X, shuffled(y), epochs=20).findings
    assert "it would be about 50% if they had been shuffled" in nothing.evidence[-1]


def test_a_target_that_is_the_same_in_every_row_is_said_to_be():
    found = diagnosed(NUMBERS, X, np.zeros(len(X)))
    assert found.state == "nothing to learn"
    assert found.verdict.startswith("The target is the same in every row")


def test_what_was_measured_of_layers_data_and_trainings_is_in_the_data():
    found = diagnosis_of("two classes")
    data = json.loads(found.to_json())["measured"]
    assert [layer["units"] for layer in data["layers"]["end"]["layers"]] == [16, 16, 1]
    assert data["layers"]["start"]["noise_scale"] == found.evidence.start.noise_scale
    assert len(data["layers"]["update_ratios"]) == len(data["layers"]["moved"]) == 3
    assert len(data["seeds"]) == len(found.evidence.untreated)
    assert data["facts"]["contradictory"] == 0
    assert {one["rows"] for one in data["loss_and_metric"]} == {"training", "held-out"}
    assert len(data["rates"]["rates"]) == len(data["rates"]["losses"])


def test_leaking_columns_and_pixels_cut_off_are_shown():
    leaking = diagnosed(TWO, np.column_stack([X, Y]), Y)
    assert f"tells the class: {default_names(3)[2]};" in str(leaking)
    pixels = np.zeros((320, 64))
    pixels[np.arange(320), np.arange(320) % 20] = Y
    assert "is that x // 255" in " ".join(str(diagnosed(TWO, np.where(pixels > 0, 1.0, 0.0), Y)).split())


def test_the_page_has_a_row_for_each_layer():
    page = diagnosis_of("two classes").to_html()
    assert "noise scale" in page
    for place in ("1: 16 relu", "2: 16 relu", "3: 1 sigmoid"):
        assert place in page
