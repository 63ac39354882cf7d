"""ONNX models, run by ONNX Runtime, against the run they came from."""

import json
import sys

import numpy as np
import onnxruntime
import pytest
from tests.exports.pipelines import ACTIVATIONS, PIPELINES, TABLE, X, classes, of_a_table, of_activation

from unstuck import Dense, FileError, Inputs, OptionError, Recipe, train
from unstuck.exports.onnx import export_onnx, to_onnx


def session(run, path):
    export_onnx(run, path / "net.onnx")
    return onnxruntime.InferenceSession(path / "net.onnx", providers=["CPUExecutionProvider"])


def answers(run, path, X):
    feed = X if isinstance(X, dict) else {"X": X}
    made = session(run, path)
    return dict(zip([output.name for output in made.get_outputs()], made.run(None, feed), strict=True))


def close(found, expected):
    """To 1e-6, of the largest number where that is above 1."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert np.abs(found - expected).max() <= 1e-6 * max(1, np.abs(expected).max())
    return True


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_every_activation(kind, precision, tmp_path):
    run = of_activation(kind, precision)
    assert close(answers(run, tmp_path, X)["outputs"], run.outputs(X))


@pytest.mark.parametrize("name", PIPELINES)
def test_every_kind_of_target_and_scaling(name, tmp_path):
    run = PIPELINES[name]()
    found = answers(run, tmp_path, X)
    assert close(found["outputs"], run.outputs(X))
    if run.targets.classes is None:
        assert found.keys() == {"outputs", "prediction"}
        assert close(found["prediction"], run.predict(X))
    else:
        assert found.keys() == {"outputs", "label", "probabilities"}
        assert found["label"].tolist() == run.predict(X).tolist()
        assert close(found["probabilities"], run.predict_proba(X))


def test_any_number_of_rows(tmp_path):
    run = classes()
    made = session(run, tmp_path)
    for n in (1, 2, 80):
        assert made.run(["label"], {"X": X[:n]})[0].tolist() == run.predict(X[:n]).tolist()


def test_missing_values_are_filled_in(tmp_path):
    run = PIPELINES["missing values"]()
    gaps = np.where(np.arange(X.size).reshape(X.shape) % 5, X, np.nan)
    assert close(answers(run, tmp_path, gaps)["prediction"], run.predict(gaps))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_table_with_text(precision, tmp_path):
    run = of_a_table(precision)
    towns = ["elsewhere", *TABLE["town"].to_list()[1:]]
    feed = {
        "X": TABLE.select("age", "income").cast(float).to_numpy(),
        "X.town": np.array([[town or ""] for town in towns], dtype=object),
    }
    table = TABLE.to_dict(as_series=False) | {"town": towns}
    assert close(answers(run, tmp_path, feed)["prediction"], run.predict(table))


def test_a_table_of_text_alone(tmp_path):
    recipe = Recipe([Dense(1)], "squared_error", inputs=Inputs(categories="one_hot"), epochs=2)
    run = train(recipe, {"town": ["a", "b", "b"]}, [1.0, 2.0, 3.0])
    feed = {"X.town": np.array([["b"], ["a"], ["c"]], dtype=object)}
    assert close(answers(run, tmp_path, feed)["prediction"], run.predict({"town": ["b", "a", "c"]}))


def test_empty_text_beside_missing_text_is_refused():
    recipe = Recipe([Dense(1)], "squared_error", epochs=2)
    recipe = recipe.replace(inputs=Inputs(missing="mean", categories="one_hot"))
    run = train(recipe, {"town": ["a", "", None]}, [1.0, 2.0, 3.0])
    with pytest.raises(OptionError, match=r'column .town. has the category "" and missing values'):
        to_onnx(run)


def test_the_model_says_what_it_is(tmp_path):
    made = session(of_a_table(), tmp_path)
    facts = made.get_modelmeta().custom_metadata_map
    assert json.loads(facts["columns"]) == ["age", "income"]
    assert json.loads(facts["classes"]) is None
    assert [(value.name, value.type, value.shape) for value in made.get_inputs()] == [
        ("X", "tensor(double)", ["n", 2]),
        ("X.town", "tensor(string)", ["n", 1]),
    ]
    model = to_onnx(classes())
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17), ("ai.onnx.ml", 3)]


def test_without_the_package_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(OptionError, match="-m pip install onnx"):
        to_onnx(classes())


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(FileError, match="cannot write"):
        export_onnx(classes(), tmp_path)
