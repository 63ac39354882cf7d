"""Exported source code, run as its reader would run it, against the run it came from."""

import re
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.exports.pipelines import ACTIVATIONS, PIPELINES, TABLE, X, classes, numbers, of_a_table, of_activation

from unstuck import Dense, FileError, OptionError
from unstuck.exports.numpy_source import export_numpy, to_numpy
from unstuck.exports.pytorch import export_pytorch, to_pytorch
from unstuck.exports.source import INLINE


def close(found, expected, tolerance=1e-6):
    """To 1e-6, of the largest number where that is above 1."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * max(1, np.abs(expected).max())
    return True


def in_numpy(run, folder):
    export_numpy(run, folder / "net.py")
    made = runpy.run_path(str(folder / "net.py"))
    return made["outputs"], made["predict"], made.get("encode")


def in_torch(run, folder):
    export_pytorch(run, folder / "net.py")
    made = runpy.run_path(str(folder / "net.py"))
    network = made["load"]()
    assert not network.training

    def outputs(X):
        with torch.no_grad():
            return network(torch.as_tensor(X)).numpy()

    def predict(X):
        predictions = network.predict(torch.as_tensor(X))
        return predictions.numpy() if isinstance(predictions, torch.Tensor) else predictions

    return outputs, predict, made.get("encode")


KINDS = [in_numpy, in_torch]


@pytest.mark.parametrize("export", KINDS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_every_activation(export, kind, precision, tmp_path):
    run = of_activation(kind, precision)
    outputs, _, _ = export(run, tmp_path)
    assert outputs(X).dtype == run.outputs(X).dtype
    assert close(outputs(X), run.outputs(X), 1e-6 if precision == "float32" else 1e-12)


@pytest.mark.parametrize("export", KINDS)
@pytest.mark.parametrize("name", PIPELINES)
def test_every_kind_of_target_and_scaling(export, name, tmp_path):
    run = PIPELINES[name]()
    outputs, predict, _ = export(run, tmp_path)
    assert close(outputs(X), run.outputs(X))
    if run.targets.classes is None:
        assert close(predict(X), run.predict(X))
    else:
        assert list(predict(X)) == run.predict(X).tolist()
        assert {type(label) for label in np.asarray(predict(X)).tolist()} == {type(run.targets.classes[0])}
        assert len(set(run.predict(X).tolist())) > 1


@pytest.mark.parametrize("export", KINDS)
def test_missing_values_are_filled_in(export, tmp_path):
    run = PIPELINES["missing values"]()
    gaps = np.where(np.arange(X.size).reshape(X.shape) % 5, X, np.nan)
    _, predict, _ = export(run, tmp_path)
    assert close(predict(gaps), run.predict(gaps))


@pytest.mark.parametrize("export", KINDS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_table_with_text(export, precision, tmp_path):
    run = of_a_table(precision)
    _, predict, encode = export(run, tmp_path)
    table = TABLE.to_dict(as_series=False) | {"town": ["elsewhere", *TABLE["town"].to_list()[1:]]}
    assert close(predict(encode(table)), run.predict(table))


@pytest.mark.parametrize("export", [export_numpy, export_pytorch])
def test_many_numbers_lie_in_a_file_beside(export, tmp_path):
    run = PIPELINES["many weights"]()
    assert run.parameters.size > INLINE
    export(run, tmp_path / "net.py")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.npz", "net.py"]
    assert len((tmp_path / "net.py").read_text()) < 4000
    export(numbers(), tmp_path / "small.py")
    assert not (tmp_path / "small.npz").exists()


def test_the_numpy_source_needs_numpy_alone_and_names_every_step():
    source = to_numpy(classes())
    assert re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE) == ["numpy"]
    for line in ("z1 = a0 @ W1 + b1", "a1 = np.tanh(z1)", "z2 = a1 @ W2 + b2", "# dropout 0.3: in training only"):
        assert f"    {line}\n" in source


def test_in_a_process_without_unstuck(tmp_path):
    run = classes()
    (tmp_path / "net.py").write_text(to_numpy(run))
    program = f"import net, sys; print(*net.predict({X[:5].tolist()}), sep='|'); print('unstuck' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout == "|".join(run.predict(X[:5])) + "\nFalse\n"


def test_the_pytorch_module_can_be_trained_further():
    made = {}
    exec(to_pytorch(classes()), made)
    network = made["load"]().train()
    kinds = [type(layer) for layer in network.layers]
    assert kinds == [torch.nn.Linear, torch.nn.Tanh, torch.nn.Dropout, torch.nn.Linear, torch.nn.Softmax]
    network(torch.as_tensor(X)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert {name for name, _ in network.named_buffers()} == {"shift", "scale"}


def test_labels_cannot_smuggle_code_in():
    hostile = np.array(['"""', "'); raise SystemExit(", "\\'"])[np.arange(80) % 3]
    for source in (to_numpy(classes(hostile)), to_pytorch(classes(hostile))):
        made = {}
        exec(source, made)
        assert set(made["CLASSES"]) == set(hostile.tolist())


@pytest.mark.parametrize("export", [export_numpy, export_pytorch])
def test_names_that_cannot_be(export, tmp_path):
    run = numbers(layers=[Dense(1)])
    with pytest.raises(OptionError, match=r"net\.py instead of"):
        export(run, tmp_path / "net.txt")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileError, match="cannot write"):
        export(run, tmp_path / "file" / "net.py")
