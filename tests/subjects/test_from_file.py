"""Networks in a person's own Python file, by name and by convention, and the command that checks them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from unstuck import FileError, SubjectError
from unstuck.cli import main
from unstuck.subjects.from_file import load_subject

FUNCTIONS = """
import numpy as np
from unstuck import HandWritten

rng = np.random.default_rng(0)
X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
parameters = {"W": rng.normal(size=(3, 1)), "b": np.zeros(1)}
factor = 2

def loss(p, X, y):
    return np.mean((X @ p["W"] + p["b"] - y) ** 2)

def gradient(p, X, y):
    delta = factor * (X @ p["W"] + p["b"] - y) / len(X)
    return {"W": X.T @ delta, "b": delta.sum(axis=0)}

class Network:
    def __init__(self):
        self.W, self.b = parameters["W"], parameters["b"]
    def cost(self, X, y):
        return loss(vars(self), X, y)
    def backprop(self, X, y):
        return gradient(vars(self), X, y)

def made():
    return HandWritten(parameters, loss=loss, gradient=gradient, data=(X, y))

ready = made()
network = Network()
number = 3
"""

RESIDUAL = """
def residual(p):
    return X @ p["V"] - y
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "network.py"
    path.write_text(FUNCTIONS)
    return path


def gradcheck(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["gradcheck", *map(str, arguments)])


@pytest.mark.parametrize("name", ["", ":made", ":ready", ":network"])
def test_every_way_to_name_it(file: Path, name: str) -> None:
    subject = load_subject(f"{file}{name}")
    assert [block.name for block in subject.blocks] == ["W", "b"]
    result = gradcheck(f"{file}{name}")
    assert result.exit_code == 0, result.output
    assert "the gradient is right" in result.stdout


def test_by_convention_where_nothing_is_made(file: Path) -> None:
    file.write_text(FUNCTIONS.replace("ready = made()", ""))
    assert gradcheck(file).exit_code == 0


@pytest.mark.parametrize("name", ["", ":network"])
def test_a_file_says_that_its_functions_take_one_row(file: Path, name: str) -> None:
    one = FUNCTIONS.replace("delta = factor * (", "x = X[None]\n    delta = factor * (").replace("/ len(X)", "")
    one = (
        one.replace('return {"W": X.T', 'return {"W": x.T').replace("delta.sum(axis=0)", "delta").replace("X @", "x @")
    )
    one = one.replace("return np.mean((x @", "x = X[None]\n    return np.mean((x @").replace("delta}", "delta[0]}")
    file.write_text(one.replace("ready = made()", 'per_row = "mean"'))
    assert load_subject(f"{file}{name}").per_row == "mean"
    result = gradcheck(f"{file}{name}")
    assert result.exit_code == 0, result.output


def test_a_wrong_gradient_ends_with_1(file: Path) -> None:
    file.write_text(FUNCTIONS.replace("factor = 2", "factor = -2"))
    result = gradcheck(file, "--picture", file.with_suffix(".png"))
    assert result.exit_code == 1
    assert "the whole gradient is of the wrong sign (W, b)" in result.stdout
    assert file.with_suffix(".png").stat().st_size > 1000


def test_a_gradient_that_cannot_be_judged_ends_with_3_and_the_reason_once(file: Path) -> None:
    file.write_text(FUNCTIONS.replace("ready = made()", "").replace("** 2", "** 2 + np.log(-1.0)"))
    result = gradcheck(file)
    assert result.exit_code == 3, result.output
    assert result.stdout.count("The loss is nan") == 1


def test_what_was_noticed_is_told_once(file: Path) -> None:
    file.write_text(FUNCTIONS.replace("ready = made()", "def cost(p, X, y): return 1.0\n\ndel loss"))
    result = gradcheck(file)
    assert result.exit_code == 1
    assert result.stdout.count("Your loss does not depend on the parameters") == 1


def test_the_report_as_data(file: Path) -> None:
    file.write_text(FUNCTIONS.replace("factor = 2", "factor = 1"))
    result = gradcheck(file, "--json", "-")
    data = json.loads(result.stdout)
    assert result.exit_code == 1
    assert data["verdict"] == "WRONG"
    assert [block["name"] for block in data["blocks"]] == ["W", "b"]
    assert data["explanation"]["mistakes"] == [
        {
            "kind": "factor",
            "layer": 0,
            "blocks": ["W", "b"],
            "text": "the whole gradient is half as large as it should be",
        }
    ]


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no file"):
        load_subject(str(tmp_path / "missing.py"))


def test_a_name_mistyped(file: Path) -> None:
    with pytest.raises(SubjectError, match="did you mean 'ready'"):
        load_subject(f"{file}:reddy")


def test_a_name_for_something_else(file: Path) -> None:
    with pytest.raises(SubjectError, match=r"number in .* is neither a HandWritten"):
        load_subject(f"{file}:number")


def test_a_file_that_raises(file: Path) -> None:
    file.write_text("1 / 0")
    with pytest.raises(SubjectError, match="raised ZeroDivisionError") as error:
        load_subject(str(file))
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    assert gradcheck(file).exit_code == 2


def test_the_traceback_of_their_code_is_shown_and_none_of_ours(file: Path) -> None:
    file.write_text(FUNCTIONS.replace('X @ p["W"] + p["b"] - y) **', "residual(p)) **") + RESIDUAL)
    result = gradcheck(file)
    assert result.exit_code == 2
    frames = [line for line in result.stderr.splitlines() if line.startswith("  File")]
    assert [frame.split(", in ")[1] for frame in frames] == ["loss", "residual"]
    assert all(str(file) in frame for frame in frames)
    assert "error: your loss raised KeyError: 'V' (line" in result.stderr
    assert 'of network.py, return X @ p["V"] - y; called with the parameters W (3, 1)' in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def made(): return missing", "made in .* raised NameError when it was called without arguments"),
        ("def made(X): return X", "made in .* raised TypeError when it was called without arguments"),
        (
            "class made:\n    def __init__(self, units): pass",
            r"made\(\) in .*'units'.* made\(\.\.\.\), and check .*:network",
        ),
        ("import sys; sys.exit()", "raised SystemExit when it was run"),
        ("def loss(:", "raised SyntaxError when it was run"),
    ],
)
def test_a_file_whose_code_cannot_be_used(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(SubjectError, match=message):
        load_subject(f"{file}:made")


def test_a_file_with_nothing_in_it(file: Path) -> None:
    file.write_text("x = 1")
    with pytest.raises(SubjectError, match=r"lacks parameters = .* def loss\(.*, def gradient\(.* name the network"):
        load_subject(str(file))


def test_parameters_in_variables_of_their_own(file: Path) -> None:
    arrays = "import numpy as np\nX = W = np.ones((2, 2))\nb = np.ones(2)\n"
    file.write_text(arrays + "def loss(W, b): return 0.0\ndef gradient(W, b): return W, b")
    with pytest.raises(SubjectError, match=r'lacks parameters = \{"W": W, "b": b\}\. Write that') as error:
        load_subject(str(file))
    assert "def loss" not in str(error.value)


@pytest.mark.parametrize(("step", "said"), [("def step(p, X, y): return p", True), ("step = 0.1", False)])
def test_a_step_beside_the_functions(file: Path, step: str, said: bool) -> None:
    file.write_text(FUNCTIONS.replace("ready = made()", step))
    result = gradcheck(file)
    assert result.exit_code == 0
    assert ("Your step changes nothing" in result.stdout) == said


def test_an_object_with_its_data_in_it_and_a_class(file: Path) -> None:
    closed = FUNCTIONS.replace("(self, X, y)", "(self)").replace("def __init__(self)", "def __init__(self, rows=X)")
    file.write_text(closed)
    for name in ("network", "Network"):
        subject = load_subject(f"{file}:{name}")
        assert subject.data == ()
        assert [block.name for block in subject.blocks] == ["W", "b"]
        assert gradcheck(f"{file}:{name}").exit_code == 0


def test_without_a_name_what_could_be_meant_is_listed(tmp_path):
    path = tmp_path / "theirs.py"
    path.write_text(
        "import math\nfrom collections import OrderedDict\nimport numpy as np\n"
        "class Net:\n    def loss(self): return 0.0\n"
        "def make(): return Net()\ndef _hidden(): pass\nnet = Net()\nsize = 3\n"
    )
    with pytest.raises(SubjectError, match=r"theirs\.py:NAME; in the file are Net, make, net$"):
        load_subject(str(path))
