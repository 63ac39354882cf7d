"""The command `unstuck export`."""

import runpy
import sys

import pytest
from click.testing import CliRunner
from tests.exports.pipelines import X, classes

from unstuck.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = classes()
    made.save("run")
    return made


def invoke(*arguments):
    return CliRunner().invoke(main, ["export", "run", *arguments])


def test_it_writes_what_is_asked_for(run, tmp_path):
    result = invoke("--onnx", "net.onnx", "--pytorch", "in_torch.py", "--numpy", "in_numpy.py")
    assert (result.exit_code, result.stdout) == (0, "net.onnx\nin_torch.py\nin_numpy.py\n")
    assert runpy.run_path("in_numpy.py")["predict"](X).tolist() == run.predict(X).tolist()
    assert (tmp_path / "net.onnx").stat().st_size > 100
    assert "nn.Module" in (tmp_path / "in_torch.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to write"),
        (["--numpy", "same.py", "--pytorch", "same.py"], "a name of its own"),
        (["--numpy", "net.txt"], "net.py instead of net.txt"),
        (["--onnx", "run"], "it is a folder"),
    ],
)
def test_what_cannot_be_is_told(run, tmp_path, arguments, message):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_missing_package_says_how_to_install_it_into_this_very_environment(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = invoke("--onnx", "net.onnx")
    assert result.exit_code == 2
    assert f"the package onnx, which is not installed: {sys.executable} -m pip install onnx\n" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
