"""The command, as people use it and as they misuse it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from unstuck import Dense, HandWritten, Recipe, Run, __version__
from unstuck.cli import main
from unstuck.tabular import read_run

random = np.random.default_rng(0)
ROWS = 120
X = random.normal(size=(ROWS, 2))
TOWN = np.array(["Łódź", "Rome", "Tromsø"])[random.integers(3, size=ROWS)]
SCORE = 3 * X[:, 0] - X[:, 1] + 2 * (TOWN == "Rome")
TABLE = pl.DataFrame(
    {
        "size [m²]": X[:, 0],
        "age": [None if k % 10 == 0 else value for k, value in enumerate(X[:, 1])],
        "town": [None if k % 15 == 0 else str(name) for k, name in enumerate(TOWN)],
        "sold": np.where(SCORE > 1, "yes", "no"),
        "price [/EUR]": SCORE,
        "rooms": random.integers(1, 4, size=ROWS),
    }
)
QUICK = ("--set", "epochs=5")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of its own, with the table in it, to be in."""
    monkeypatch.chdir(tmp_path)
    TABLE.write_csv("houses.csv")
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def succeeds(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == "" or "--json" in arguments
    return result.stdout


def fails(*arguments):
    """The command ends with 2, says why once and on stderr, and leaves every folder as it was; return what it says."""
    before = everything()
    result = invoke(*arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(("error: ", "Usage: "))
    assert result.stderr.count("rror: ") == 1
    assert "Traceback" not in result.stderr
    assert everything() == before
    return result.stderr


def everything():
    return {path: path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


# Train --------------------------------------------------------------------------------------------------------------


def test_classification_of_text_with_missing_values(folder):
    text = succeeds("train", "houses.csv", "--target", "sold", "--json", "result.json")
    result = json.loads(Path("result.json").read_text())
    assert result["task"] == "classification"
    assert (result["train_rows"], result["test_rows"]) == (96, 24)
    assert result["metrics"]["accuracy"] > 0.8 > result["constant"]["accuracy"]
    assert result["run"] == str(Path("runs", "houses-sold"))
    assert Recipe.from_data(result["recipe"]) == Recipe.load("runs/houses-sold/recipe.toml")
    assert list(result) == [
        *("task", "train_rows", "test_rows", "metrics", "constant"),
        *("loss", "stopped", "best_epoch", "seconds", "naming_rows", "recipe", "run"),
    ]
    assert f"held-out accuracy  {result['metrics']['accuracy']:.4f}" in text
    assert "training loss" in text
    assert "classification of 'sold'" in text
    assert sorted(path.name for path in Path(result["run"]).iterdir()) == [
        *("arrays.safetensors", "curve.png", "recipe.toml", "run.toml", "source.toml")
    ]
    assert Path(result["run"], "curve.png").read_bytes().startswith(b"\x89PNG")
    features = ("size [m²]", "age", "price [/EUR]", "rooms", "town=Rome", "town=Tromsø", "town=Łódź", "town missing")
    assert Run.load(result["run"]).inputs.feature_names == features


def test_regression_of_numbers_whose_name_has_brackets(folder):
    text = succeeds("train", "houses.csv", "--target", "price [/EUR]", "--out", "[bold]run")
    assert "regression of 'price [/EUR]'" in text
    assert "[bold]run/" in text
    assert "held-out r2" in text
    assert "held-out rmse" in text
    assert Run.load("[bold]run").evaluate(TABLE, SCORE)["r2"] > 0.8


def test_whole_numbers_of_few_values_are_classes_unless_the_task_says_otherwise(folder):
    classes = json.loads(succeeds("train", "houses.csv", "--target", "rooms", "--json", "-", *QUICK))
    assert (classes["task"], list(classes["metrics"])) == ("classification", ["accuracy"])
    numbers = json.loads(
        succeeds("train", "houses.csv", "--target", "rooms", "--task", "regression", "--json", "-", *QUICK)
    )
    assert (numbers["task"], list(numbers["metrics"])) == ("regression", ["r2", "rmse"])
    assert numbers["run"].endswith("houses-rooms-2")


def test_json_on_standard_output_leaves_the_rest_to_standard_error(folder):
    result = invoke("train", "houses.csv", "--target", "sold", "--json", "-", *QUICK)
    assert json.loads(result.stdout)["stopped"] == "all epochs"
    assert "held-out accuracy" in result.stderr


def test_what_is_undefined_is_null_in_json(folder):
    TABLE[:3].select("size [m²]", "price [/EUR]").write_csv("three.csv")
    result = json.loads(succeeds("train", "three.csv", "--target", "price [/EUR]", "--json", "-", *QUICK))
    assert Path(result["run"]) == Path("runs", "three-price [-EUR]")  # a slash would make a folder
    assert result["test_rows"] == 1
    assert result["metrics"]["r2"] is None
    assert result["metrics"]["rmse"] > 0


@pytest.mark.parametrize("name", ["houses.parquet", "houses.tsv", "houses.csv.gz"])
def test_other_tables(folder, name):
    if name.endswith(".parquet"):
        TABLE.write_parquet(name)
    elif name.endswith(".tsv"):
        TABLE.write_csv(name, separator="\t")
    else:
        Path(name).write_bytes(gzip.compress(Path("houses.csv").read_bytes()))
    same = [
        json.loads(succeeds("train", file, "--target", "sold", "--json", "-", *QUICK)) for file in (name, "houses.csv")
    ]
    assert same[0]["loss"] == same[1]["loss"]
    assert same[0]["run"] == same[1]["run"].replace("houses-sold-2", "houses-sold")


def test_arrays(folder):
    np.savez("houses.npz", X=X, price=SCORE, both=np.column_stack([SCORE, -SCORE]))
    one = json.loads(succeeds("train", "houses.npz", "--target", "price", "--out", "one", "--json", "-"))
    assert one["metrics"]["r2"] > 0.5
    succeeds("train", "houses.npz", "--target", "both", "--out", "two", *QUICK)
    np.save("new.npy", X)
    predictions = pl.read_csv(succeeds("predict", "two", "new.npy").encode())
    assert predictions.columns == ["prediction_0", "prediction_1"]
    assert np.allclose(predictions.to_numpy(), Run.load("two").predict(X))


def test_columns_that_name_rows_are_told_and_can_be_left_out(folder):
    table = pl.read_csv("houses.csv").with_row_index("no", offset=5000)
    table.with_columns(pl.format("house {}", "no").alias("its name")).write_csv("named.csv")
    training = ("train", "named.csv", "--target", "rooms", *QUICK)
    told = succeeds(*training, "--out", "one", "--json", "one.json")
    assert "--leave-out no --leave-out 'its name'" in " ".join(told.split())
    assert json.loads(Path("one.json").read_text())["naming_rows"] == ["no", "its name"]
    assert "--leave-out" not in succeeds(*training, "--leave-out", "no", "--leave-out", "its name", "--out", "two")
    kept, X, _ = read_run(Path("two"))
    assert kept == Run.load("one").recipe
    assert X.columns == ["size [m²]", "age", "town", "sold", "price [/EUR]"]
    assert succeeds("predict", "two", "named.csv").count("\n") == len(table) + 1


def test_columns_that_cannot_be_left_out(folder):
    assert "no column 'prices'" in fails("train", "houses.csv", "--target", "sold", "--leave-out", "prices")
    assert "is the target" in fails("train", "houses.csv", "--target", "sold", "--leave-out", "sold")
    np.savez("arrays.npz", X=X, y=SCORE)
    assert "no names" in fails("train", "arrays.npz", "--target", "y", "--leave-out", "x0")


def test_no_rows_held_out(folder):
    result = json.loads(
        succeeds("train", "houses.csv", "--target", "sold", "--test-fraction", 0, "--json", "-", *QUICK)
    )
    assert (result["train_rows"], result["test_rows"], result["metrics"], result["constant"]) == (120, 0, {}, {})


def test_decimal_numbers_are_numbers(folder):
    TABLE.with_columns(
        pl.col("rooms").cast(pl.Decimal(9, 2)), rent=pl.Series(SCORE).cast(pl.Decimal(9, 2))
    ).write_parquet("houses.parquet")
    for target, task in (("rent", "regression"), ("rooms", "classification")):
        assert f"{task} of '{target}'" in succeeds("train", "houses.parquet", "--target", target, *QUICK)


@pytest.mark.parametrize("seed", range(5))
def test_a_class_of_a_single_row(folder, seed):
    TABLE.with_columns(sold=pl.Series(["perhaps", *TABLE["sold"][1:]])).write_csv("rare.csv")
    succeeds("train", "rare.csv", "--target", "sold", "--set", f"seed={seed}", "--set", "epochs=1")
    assert Run.load("runs/rare-sold").targets.classes == ("no", "perhaps", "yes")


def test_settings_change_the_recipe(folder):
    changes = {
        "optimizer.learning_rate=0.5": lambda recipe: recipe.optimizer.learning_rate == 0.5,
        "loss.rows=sum": lambda recipe: recipe.loss.rows == "sum",
        "layers.0.units=7": lambda recipe: recipe.layers[0].units == 7,
        "layers.0.activation=tanh": lambda recipe: recipe.layers[0].activation.kind == "tanh",
        'metrics=["f1_macro"]': lambda recipe: recipe.metrics == ("f1_macro",),
        "early_stopping.patience = 3": lambda recipe: recipe.early_stopping.patience == 3,
        "class_weights=balanced": lambda recipe: recipe.class_weights == "balanced",
        "epochs=2": lambda recipe: recipe.epochs == 2,
    }
    settings = [word for change in changes for word in ("--set", change)]
    succeeds("train", "houses.csv", "--target", "sold", "--out", "run", *settings)
    recipe = Run.load("run").recipe
    assert [change for change, made in changes.items() if not made(recipe)] == []


@pytest.mark.parametrize("none", ["none", "None", '"none"'])
def test_none_unsets_a_field_that_may_be_left_out(folder, none):
    given = {"stop_at_loss": 0.5, "clip_norm": 1.0, "clip_value": 2.0, "class_weights": "balanced", "epochs": 3}
    recipe = Recipe(
        [Dense(4, "relu", weight_start="zeros"), Dense(1)], loss="squared_error", early_stopping={}, **given
    )
    Path("mine.toml").write_text(recipe.to_toml())
    np.savez("houses.npz", X=X, price=SCORE)
    unset = ["early_stopping", "layers.0.weight_start", *(name for name in given if name != "epochs")]
    words = [word for name in unset for word in ("--set", f"{name}={none}")]
    words += ["--set", "inputs.scaling=none"]  # where it is a word of the recipe
    succeeds("train", "houses.npz", "--target", "price", "--recipe", "mine.toml", "--out", "run", *words)
    expected = Recipe([Dense(4, "relu"), Dense(1)], loss="squared_error", epochs=3)
    assert Run.load("run").recipe == expected


def test_a_recipe_of_ones_own(folder):
    recipe = Recipe([Dense(1)], loss="squared_error", epochs=3, seed=7)
    Path("mine.toml").write_text(recipe.to_toml())
    np.savez("houses.npz", X=X, price=SCORE)
    succeeds("train", "houses.npz", "--target", "price", "--recipe", "mine.toml", "--set", "epochs=4", "--out", "run")
    assert Run.load("run").recipe == recipe.replace(epochs=4)


def test_a_training_that_diverges_is_told_and_kept(folder):
    text = succeeds(
        "train",
        "houses.csv",
        "--target",
        "price [/EUR]",
        "--set",
        "optimizer=sgd",
        "--set",
        "optimizer.learning_rate=1e30",
        "--out",
        "run",
        "--json",
        "result.json",
    )
    assert "stopped by" in text
    assert "diverged" in text
    result = json.loads(Path("result.json").read_text())
    assert result["stopped"] == "diverged"
    assert result["loss"] is None
    assert Run.load("run").failure in " ".join(text.split())


# Predict ------------------------------------------------------------------------------------------------------------


def test_predictions_of_classes(folder):
    succeeds("train", "houses.csv", "--target", "sold", "--out", "run", *QUICK)
    run = Run.load("run")
    TABLE.drop("sold", "rooms").select(
        pl.all().reverse(), extra=pl.lit("unused"), rooms="rooms" and pl.lit(2)
    ).write_csv("new.csv")
    new = pl.read_csv("new.csv")
    printed = pl.read_csv(succeeds("predict", "run", "new.csv").encode())
    assert printed.columns == ["prediction", "probability_no", "probability_yes"]
    assert printed["prediction"].to_list() == run.predict(new).tolist()
    assert np.allclose(printed.select(pl.selectors.starts_with("prob")).to_numpy(), run.predict_proba(new), atol=1e-6)
    assert (
        succeeds("predict", "run", "new.csv", "--out", "made/predictions.csv")
        == "120 predictions in made/predictions.csv\n"
    )
    assert pl.read_csv("made/predictions.csv").equals(printed)
    records = json.loads(succeeds("predict", "run", "new.csv", "--json", "-"))
    assert records.keys() == {"predictions"}
    assert [record["prediction"] for record in records["predictions"]] == run.predict(new).tolist()


def test_predictions_of_numbers(folder):
    succeeds("train", "houses.csv", "--target", "price [/EUR]", "--out", "run", *QUICK)
    printed = pl.read_csv(succeeds("predict", "run", "houses.csv").encode())
    assert printed.columns == ["prediction"]
    assert np.allclose(printed["prediction"].to_numpy(), Run.load("run").predict(TABLE))


# Bad data -----------------------------------------------------------------------------------------------------------


def text_table(*lines):
    return "\n".join(lines).encode() + b"\n"


GOOD_LINES = [f"{k}.5,{k % 3},{'ab'[k % 2]}" for k in range(20)]
BAD_TABLES = {
    "an infinite value": (text_table("x,z,y", *GOOD_LINES, "inf,1,a", *GOOD_LINES), "in column 'x', first in row 20 ("),
    "an infinite target": (text_table("x,z,y", *(f"{k},{k},{k}.5" for k in range(30)), "1,1,inf"), "NaN or infinite"),
    "a missing target": (text_table("x,z,y", *GOOD_LINES, "1,1,"), "missing in 1 of 21 rows"),
    "an empty file": (b"", "empty"),
    "only line ends": (b"\n\n", "empty"),
    "no rows": (b"x,z,y\n", "no rows"),
    "one row": (
        b"x,z,y\n1,2,a\n",
        "leaves 0 to train on and 1 to measure on; both need at least one: give more rows, or another --test-fraction",
    ),
    "a class too many for the rows": (
        text_table("x,y", "1,3", "2,4", "3,5"),
        "leaves 2 to train on, and none of class 5",
    ),
    "one class": (text_table("x,z,y", *(f"{k},{k},a" for k in range(20))), "all 20 targets are 'a'"),
    "one number as the only class": (text_table("x,z,y", *(f"{k},{k},1" for k in range(20))), "all 20 targets are 1"),
    "no target column": (text_table("x,z,yy", *GOOD_LINES), "did you mean 'yy'"),
    "nothing but the target": (text_table("y", *"ababab"), "no column but the target"),
    "a line too long": (text_table("x,z,y", *GOOD_LINES, "1,2,a,4"), "line 22"),
    "a line too short": (text_table("x,z,y", *GOOD_LINES, "1,2"), "line 22"),
    "an open quote": (text_table("x,z,y", *GOOD_LINES, '1,2,"a'), "line 22"),
    "no text": (bytes(range(256)) * 4, "not text"),
    "names twice": (text_table("x,x,y", *GOOD_LINES), "more than one column called 'x'"),
    "values too large": (text_table("x,y", *["1e308,1.5", "-1e307,2.5"] * 20), "change their unit"),
    "targets too large": (text_table("x,y", *["1,1e308", "2,-1e308", "3,0.5"] * 10), "change their unit"),
}


@pytest.mark.parametrize("fault", BAD_TABLES)
def test_bad_tables(folder, fault):
    content, message = BAD_TABLES[fault]
    Path("bad.csv").write_bytes(content)
    assert message in fails("train", "bad.csv", "--target", "y", "--json", "result.json")


def test_columns_that_are_neither_numbers_nor_text(folder):
    dates = pl.Series(np.arange("2020-01-01", 120, dtype="datetime64[D]"))
    TABLE.with_columns(built=dates).write_parquet("houses.parquet")
    assert "column 'built' of X holds Date" in fails("train", "houses.parquet", "--target", "sold")
    assert "the target 'built' of houses.parquet holds Date" in fails("train", "houses.parquet", "--target", "built")


def test_missing_values_where_the_recipe_allows_none(folder):
    for name, usual in (("missing", "mean"), ("categories", "one_hot")):
        said = fails("train", "houses.csv", "--target", "sold", "--set", f"inputs.{name}=error")
        assert f"write --set inputs.{name}={usual}" in said


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X, "y": SCORE[:50]}, "120 rows of features and 50 targets"),
        ({"X": X[:50], "y": SCORE}, "50 rows of features and 120 targets"),
        ({"X": X.astype(object), "y": SCORE}, "object array"),
        ({"X": X, "y": SCORE.astype(object)}, "object array"),
        ({"X": X, "z": SCORE}, "no array 'y'"),
        ({"y": SCORE}, "no array 'X'"),
        ({"X": X, "y": 3.0}, "shape ()"),
        ({"X": 3.0, "y": SCORE}, "shape ()"),
        ({"X": X[:, 0], "y": SCORE}, "reshape"),
        ({"X": X, "y": SCORE * 1j}, "complex"),
        ({"X": np.where(X > 2, np.nan, X), "y": np.where(X[:, 0] > 0, np.nan, SCORE)}, "NaN or infinite in"),
        ({"X": X[:0], "y": SCORE[:0]}, "no rows: X has shape (0, 2)"),
    ],
)
def test_bad_arrays(folder, arrays, message):
    np.savez("bad.npz", **arrays)
    assert message in fails("train", "bad.npz", "--target", "y")


@pytest.mark.parametrize(
    ("target", "task", "message"),
    [
        ("price [/EUR]", "classification", "which are no classes; write --task regression"),
        ("town", "regression", "which is no number; write --task classification"),
    ],
)
def test_a_target_that_does_not_go_with_the_task(folder, target, task, message):
    pl.read_csv("houses.csv").drop_nulls().write_csv("houses.csv")
    assert message in fails("train", "houses.csv", "--target", target, "--task", task)


@pytest.mark.parametrize("name", ["bad.npz", "bad.npy", "bad.parquet", "images-idx3-ubyte", "images-idx3-ubyte.gz"])
@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\0\0\x08\x03" + struct.pack(">3I", 9, 4, 4) + b"cut", b"?" * 99]
)
def test_broken_files(folder, name, content):
    Path(name).write_bytes(content)
    Path("labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + struct.pack(">I", 3) + b"abc")
    assert name in fails("train", name, "--target", "labels-idx1-ubyte" if "idx" in name else "y")


@pytest.mark.parametrize("name", ["nothing.csv", "here", "houses.xlsx"])
def test_files_that_are_none(folder, name):
    Path("here").mkdir()
    Path("houses.xlsx").write_text("?")
    assert name in fails("train", name, "--target", "y")


def test_labels_outside_the_classes(folder):
    assert "y has 2 classes" in fails("train", "houses.csv", "--target", "sold", "--set", "layers.2.units=5")
    assert "holds text" in fails("train", "houses.csv", "--target", "sold", "--task", "regression")
    assert "fractions" in fails("train", "houses.csv", "--target", "price [/EUR]", "--task", "classification")


# Bad recipes and options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss = 'squared_error'\nlayers = [{kind = 'dense', units = 1}]\nepoks = 3", "did you mean 'epochs'"),
        ("loss = 'squared_error'\nlayers = [{kind = 'dense', units = 0}]", "layers.0.units"),
        ("loss = 'squared_error'\nlayers = [{kind = 'dense', units = 99999999999}]", "layers.0.units"),
        ("loss = 'squared_error'\nlayers = []", "the last layer must be a Dense"),
        ("loss = 'square'\nlayers = [{kind = 'danse', units = 1}]\nbatch_size = -1", "3 problems"),
        ("loss = = ", "not TOML"),
        ("", "2 problems"),
        (b"\xff\xfe", "cannot read the recipe"),
    ],
)
def test_bad_recipes(folder, text, message):
    Path("bad.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert message in fails("train", "houses.csv", "--target", "sold", "--recipe", "bad.toml")


def test_no_recipe(folder):
    assert "none.toml" in fails("train", "houses.csv", "--target", "sold", "--recipe", "none.toml")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "FIELD=VALUE"),
        ("=5", "FIELD=VALUE"),
        ("epoks=5", "did you mean 'epochs'"),
        ("epochs=many", "epochs"),
        ("epochs=none", "epochs"),
        ("epochs=1979-05-27", "epochs"),
        ("optimizer.rate=1", "optimizer"),
        ("optimiser.learning_rate=1", "optimiser"),
        ("layers.9.units=1", "layers.9.units"),
        ("layers.9=1", "layers.9"),
        ("layers.first=1", "layers.first"),
        ("seed.x=1", "seed.x"),
        ("layers.0.bias.x=1", "layers.0.bias.x"),
        ("metrics=rmse", "metrics"),
        ('metrics=["rmse"]', "cannot be measured on classes"),
        ("class_weights={maybe = 2.0}", "maybe"),
        (".=1", "unknown field"),
    ],
)
def test_bad_settings(folder, setting, message):
    assert message in fails("train", "houses.csv", "--target", "sold", "--set", setting)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--test-fraction", "1"),
        ("--test-fraction", "-0.1"),
        ("--test-fraction", "nan"),
        ("--test-fraction", "0.999"),
        ("--task", "ranking"),
        ("--colour", "blue"),
    ],
)
def test_bad_options(folder, arguments):
    fails("train", "houses.csv", "--target", "sold", *arguments)


def test_the_target_is_needed(folder):
    assert "--target" in fails("train", "houses.csv")


# Bad places ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_training(monkeypatch):
    def train(*arguments, **options):
        pytest.fail("it trained, or predicted, though the result has nowhere to go")

    import unstuck.cases.proof  # noqa: F401  # imported later, it would keep what stands in for diagnose

    monkeypatch.setattr("unstuck.tabular.train", train)
    monkeypatch.setattr("unstuck.tabular.Run.load", train)
    monkeypatch.setattr("unstuck.cases.run_cases", train)
    monkeypatch.setattr("unstuck.diagnosis.diagnose.diagnose", train)


@pytest.mark.parametrize("place", ["here", "file/result.json"])
def test_json_that_cannot_be_written_is_noticed_first(folder, no_training, place):
    Path("here").mkdir()
    Path("file").write_text("mine")
    commands = [("train", "houses.csv", "--target", "sold"), ("predict", "run", "houses.csv"), ("cases", "1")]
    for command in (*commands, ("why", "houses.csv", "--target", "sold")):
        assert place in fails(*command, "--json", place)


def test_output_that_cannot_be_written_is_noticed_first(folder, no_training):
    Path("here").mkdir()
    Path("file").write_text("mine")
    assert "exists already" in fails("train", "houses.csv", "--target", "sold", "--out", "here")
    assert "exists already" in fails("train", "houses.csv", "--target", "sold", "--out", "file")
    assert "is no folder" in fails("train", "houses.csv", "--target", "sold", "--out", "file/run")
    assert "is a folder" in fails("predict", "run", "houses.csv", "--out", "here")
    assert "is no folder" in fails("cases", "1", "--out", "file")
    assert "is a folder" in fails("why", "houses.csv", "--target", "sold", "--html", "here")
    for option in ("--html", "--json"):
        said = fails("why", "houses.csv", "--target", "sold", option, "reports/of/today.html")
        assert "cannot write reports/of/today.html: there is no folder reports" in said
    assert "there is no folder my/own" in fails("train", "houses.csv", "--target", "sold", "--out", "my/own/new/run")


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="POSIX")
def test_devices_stay_devices(folder):
    succeeds("train", "houses.csv", "--target", "sold", "--json", "/dev/null", *QUICK)
    assert Path("/dev/null").is_char_device()


def test_bad_runs(folder):
    succeeds("train", "houses.csv", "--target", "sold", "--out", "run", *QUICK)
    assert "nowhere" in fails("predict", "nowhere", "houses.csv")
    assert "houses.csv is no saved run" in fails("predict", "houses.csv", "houses.csv")
    assert "the run comes first: unstuck predict run houses.csv" in fails("predict", "houses.csv", "run")
    assert ". is no saved run, but has some in it: run" in fails("predict", ".", "houses.csv")
    pl.DataFrame({"age": [1]}).write_csv("narrow.csv")
    assert "X lacks 4 of the 5 columns" in fails("predict", "run", "narrow.csv", "--out", "predictions.csv")
    arrays = Path("run", "arrays.safetensors")
    arrays.write_bytes(arrays.read_bytes()[:1000])
    assert "cut short" in fails("predict", "run", "houses.csv", "--out", "predictions.csv")


# Cases --------------------------------------------------------------------------------------------------------------


def test_cases_as_data_and_pictures(folder):
    result = invoke("cases", "1", "4", "1", "--out", "pictures", "--json", "-")
    assert result.exit_code == 0, result.output
    cases = json.loads(result.stdout)
    assert [case["id"] for case in cases] == [1, 4]
    for case in cases:
        assert isinstance(case["seconds"], float)
        for name in ("as_was", "cured"):
            assert isinstance(case[name]["loss"], float)
            assert all(isinstance(value, float | int) for value in case[name]["metrics"].values())
        assert Recipe.from_data(case["cured"]["recipe"])
    assert cases[1].keys() == {"id", "as_was", "connected_only", "cured", "proof", "seconds"}
    assert "Five networks that did not learn" in result.stderr
    assert sorted(path.name for path in Path("pictures").iterdir()) == ["case1.png", "case4.png"]


@pytest.mark.parametrize("number", ["0", "6", "one"])
def test_no_such_case(folder, number):
    fails("cases", number)


def test_mnist_that_is_not_there(folder, monkeypatch):
    monkeypatch.setenv("UNSTUCK_DATA", str(folder))
    assert "nowhere lacks 4 of the 4 files" in fails("cases", "5", "--mnist", "nowhere")


# Why ----------------------------------------------------------------------------------------------------------------

FAULTY = Recipe(
    [Dense(8, "relu"), Dense(1)],
    loss="squared_error",
    optimizer={"kind": "sgd", "learning_rate": 1e-9},
    inputs={"missing": "mean", "categories": "one_hot", "scaling": "standard"},
    epochs=10,
)


def finds_a_fault(*arguments):
    result = invoke("why", *arguments, "--budget", "2")
    assert result.exit_code == 1, result.output
    return result.stdout


def test_a_recipe_that_does_not_learn_from_a_table(folder):
    Path("slow.toml").write_text(FAULTY.to_toml())
    arguments = ("houses.csv", "--target", "price [/EUR]", "--recipe", "slow.toml", "--set", "seed=3")
    text = finds_a_fault(*arguments, "--json", "found.json", "--html", "found.html")
    found = json.loads(Path("found.json").read_text())
    assert found["state"] == "does not learn"
    assert " ".join(found["verdict"].split()[:8]) in text
    assert max(map(len, text.splitlines())) <= 100
    assert Recipe.from_data(found["cure"]).seed == 3
    assert Path("found.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_recipe_that_learns_from_a_table(folder):
    np.savez("line.npz", X=X, y=X[:, 0])
    Path("line.toml").write_text(Recipe([Dense(1)], "squared_error", optimizer="lbfgs", batch_size="full").to_toml())
    result = invoke("why", "line.npz", "--target", "y", "--recipe", "line.toml", "--budget", "2", "--json", "-")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["state"] == "learns"
    assert "It learns" in result.stderr


@pytest.fixture
def given(monkeypatch):
    """What `diagnose` was given, each time it was called; it finds that everything learns."""
    from unstuck import diagnose

    healthy = diagnose(Recipe([Dense(1)], "squared_error", optimizer="lbfgs", batch_size="full"), X, X[:, 0], budget=1)
    calls = []

    def recording(*arguments, **options):
        calls.append((arguments, options))
        return healthy

    monkeypatch.setattr("unstuck.diagnosis.diagnose.diagnose", recording)
    return calls


def test_without_a_recipe_it_is_the_one_that_train_takes(folder, given):
    succeeds("why", "houses.csv", "--target", "sold", "--set", "epochs=7", "--budget", "3")
    succeeds("train", "houses.csv", "--target", "sold", "--set", "epochs=7", "--out", "run")
    (((recipe, features, targets), options),) = given
    assert recipe == Run.load("run").recipe
    assert features.equals(pl.read_csv("houses.csv").drop("sold"))
    assert targets.tolist() == TABLE["sold"].to_list()
    assert options["budget"] == 3


def test_a_run_knows_its_rows_and_they_may_move_together(folder, given):
    succeeds("train", "houses.csv", "--target", "sold", "--out", "runs/one", *QUICK)
    assert "../../houses.csv" in Path("runs/one/source.toml").read_text()
    recipe = Run.load("runs/one").recipe
    Path("moved").mkdir()
    for name in ("runs", "houses.csv"):
        Path(name).rename(Path("moved", name))
    succeeds("why", "moved/runs/one")
    ((found, features, targets), _) = given[-1]
    assert found == recipe
    assert features.equals(pl.read_csv("moved/houses.csv").drop("sold"))
    assert targets.tolist() == TABLE["sold"].to_list()


def test_rows_elsewhere_are_known_by_their_full_name(folder, given, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "houses.csv"
    TABLE.write_csv(elsewhere)
    succeeds("train", elsewhere, "--target", "sold", "--out", "run", *QUICK)
    Path("deeper").mkdir()
    Path("run").rename("deeper/run")
    succeeds("why", "deeper/run")
    assert len(given) == 1


def test_other_rows_for_a_run(folder, given):
    succeeds("train", "houses.csv", "--target", "sold", "--out", "run", *QUICK)
    TABLE[:50].write_csv("fewer.csv")
    succeeds("why", "run", "--data", "fewer.csv")
    assert len(given[-1][0][2]) == 50
    Path("run/source.toml").unlink()
    succeeds("why", "run", "--data", "fewer.csv", "--target", "sold")
    assert len(given[-1][0][2]) == 50
    assert "add --data FILE and --target COLUMN" in fails("why", "run", "--data", "fewer.csv")
    Path("run/source.toml").write_text("data = 'houses.csv'")
    assert "should have data = FILE and target = COLUMN" in fails("why", "run")


def test_a_network_of_ones_own(folder, given):
    Path("mine.py").write_text(
        "import numpy as np\n"
        "from unstuck import HandWritten\n"
        "net = HandWritten({'w': 2.0}, loss=lambda p, x: np.mean((p['w'] * x) ** 2), data=(np.ones(3),))\n"
    )
    succeeds("why", "mine.py:net")
    ((subject,), _) = given[-1]
    assert subject.w.tolist() == [2.0]


@pytest.mark.parametrize("number", [2, 4, 5])
def test_cases_that_are_code(given, number):
    succeeds("why", f"case:{number}")
    ((subject,), options) = given[-1]
    assert isinstance(subject, HandWritten)
    assert {"optimizer", "epochs"} <= set(options)


@pytest.mark.parametrize("number", [1, 3])
def test_cases_that_are_recipes(given, number):
    succeeds("why", f"case:{number}")
    recipe, features, targets = given[-1][0]
    assert isinstance(recipe, Recipe)
    assert len(features) == len(targets) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("houses.csv",), "which column of houses.csv is to be predicted? Add --target COLUMN"),
        (("houses.csv", "--target", "sold", "--data", "houses.csv"), "--data cannot be combined with a table"),
        (("none.csv", "--target", "sold"), "none.csv"),
        (("none.csv",), "there is no file none.csv"),
        (("runs/nope",), "there is no runs/nope, neither a file of rows nor the folder of a run"),
        (("houses.csv", "--target", "solt"), "did you mean 'sold'"),
        (("houses.csv", "--target", "sold", "--budget", "-1"), "budget must be a positive number of seconds; got -1"),
        (("case:9",), "there is no case:9; the cases are case:1 to case:5"),
        (("case:x",), "there is no case:x"),
        (("case:1", "--target", "sold"), "--target cannot be combined with case:1"),
        (("none.py:net",), "there is no file none.py"),
    ],
)
def test_subjects_that_cannot_be_diagnosed(folder, arguments, message):
    assert message in fails("why", *arguments)


# As a process -------------------------------------------------------------------------------------------------------


def process(*arguments, **options):
    command = [sys.executable, "-W", "error", "-c", "from unstuck.cli import main; main()", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_a_real_process(folder):
    with process("train", "houses.csv", "--target", "sold", "--json", "-", *QUICK) as training:
        out, err = training.communicate()
    assert training.returncode == 0, err
    assert json.loads(out)["task"] == "classification"
    with process("train", "houses.csv", "--target", "solt") as training:
        out, err = training.communicate()
    assert (training.returncode, out) == (2, b"")
    assert err.decode().splitlines() == ["error: houses.csv has no column 'solt'; did you mean 'sold'?"]


def test_a_terminal_without_unicode(folder):
    with process(
        "train", "houses.csv", "--target", "sold", *QUICK, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    ) as training:
        out, err = training.communicate()
    assert (training.returncode, err) == (0, b"")
    assert b"held-out accuracy" in out
    with process("predict", "runs/houses-sold", "houses.csv") as prediction:
        assert len(prediction.communicate()[0].splitlines()) == 121


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_keeps_the_run_so_far(folder):
    begun = """
import unstuck.training.session as session
from unstuck.cli import main
record = session.Session.record
def announced(self, *arguments):
    record(self, *arguments)
    if len(self.state.history) == 3:
        print("begun", flush=True)
session.Session.record = announced
main()
"""
    endless = ("--set", "epochs=100000000", "--set", "early_stopping.patience=100000000")
    arguments = ("train", "houses.csv", "--target", "sold", "--out", "run", "--json", "result.json", *endless)
    command = [sys.executable, "-W", "error", "-c", begun, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as training:
        assert training.stdout.readline() == "begun\n"
        training.send_signal(signal.SIGINT)
        out, err = training.communicate()
    assert (training.returncode, err) == (0, "")
    assert "interrupted" in out
    assert json.loads(Path("result.json").read_text())["stopped"] == "interrupted"
    run = Run.load("run")
    assert len(run.history) >= 3
    assert run.score(TABLE, TABLE["sold"]) > 0.5


def test_version_and_help():
    assert succeeds("--version") == f"unstuck {__version__}\n"
    for arguments in ((), ("train",), ("predict",), ("cases",)):
        assert "Usage: " in succeeds(*arguments, "--help")


def test_ctrl_c_says_what_had_not_ended(monkeypatch):
    def pressed(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("unstuck.cases.run_cases", pressed)
    result = CliRunner().invoke(main, ["cases", "1"])
    assert result.exit_code == 1
    assert result.stderr == "interrupted: unstuck cases had not ended; what it printed or wrote until then holds\n"
