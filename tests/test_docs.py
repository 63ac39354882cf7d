"""The documents in docs/ against the code they describe; their examples run as doctests."""

import ast
import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from unstuck import Dense, Inputs, Recipe, Targets, diagnose
from unstuck.cases import Outcome
from unstuck.cli import main
from unstuck.errors import UnstuckError
from unstuck.functions.activations import Activation
from unstuck.functions.initializers import Initializer
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import Optimizer
from unstuck.functions.penalties import Penalty
from unstuck.functions.schedules import Schedule
from unstuck.metrics import METRICS
from unstuck.recipe import EarlyStopping, Layer
from unstuck.tabular import train_table

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "unstuck"
RECIPES, CONCEPTS, MATHEMATICS, COMMANDS = (
    (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("recipes", "concepts", "mathematics", "command-line")
)
FAMILIES = {
    "Layers": Layer,
    "Activations": Activation,
    "Losses": Loss,
    "Starts": Initializer,
    "Optimizers": Optimizer,
    "Schedules": Schedule,
    "Penalties": Penalty,
}


def section(document, heading):
    """Return the text from a heading to the next of the same rank."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^\1 |\Z)", document, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading!r}"
    return found[2]


def rows(document, heading):
    """Return the first table of a section: the rows of each first cell, less that cell and its backticks.

    A row whose first cell is empty belongs to the one before.
    """
    table = re.search(r"(?:^\|.*\n)+", section(document, heading), re.MULTILINE)
    found, name = {}, ""
    for line in table[0].splitlines()[2:]:
        first, *others = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        name = first.strip("`") or name
        found.setdefault(name, []).append(others)
    return found


def code(cell):
    return re.findall(r"`([^`]*)`", cell)


def blocks(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)


def default(field):
    if field.default_factory is not dataclasses.MISSING:
        return repr(field.default_factory())
    return "required" if field.default is dataclasses.MISSING else repr(field.default)


@pytest.mark.parametrize("described", [Recipe, Inputs, Targets, EarlyStopping])
def test_every_field_is_documented_with_its_default(described):
    documented = {name: lines[0][0].strip("`") for name, lines in rows(RECIPES, described.__name__).items()}
    assert documented == {field.name: default(field) for field in dataclasses.fields(described)}


@pytest.mark.parametrize(("heading", "family"), FAMILIES.items())
def test_every_member_of_a_family_is_documented(heading, family):
    documented = {kind: lines[0][0] for kind, lines in rows(RECIPES, heading).items()}
    assert documented == {kind: f"`{member.__name__}`" for kind, member in family.family.items()}


@pytest.mark.parametrize(("heading", "family"), FAMILIES.items())
def test_every_field_of_a_member_is_documented_with_its_default(heading, family):
    documented = {
        kind: [field for line in lines for field in code(line[-1])] for kind, lines in rows(RECIPES, heading).items()
    }
    assert documented == {
        kind: [
            field.name if default(field) == "required" else f"{field.name}={default(field)}"
            for field in dataclasses.fields(member)
        ]
        for kind, member in family.family.items()
    }


def test_every_activation_is_documented_with_its_start_of_weights():
    documented = {kind: code(lines[0][4]) for kind, lines in rows(RECIPES, "Activations").items()}
    assert documented == {kind: [member.start] for kind, member in Activation.family.items()}


def test_every_metric_is_documented():
    assert rows(RECIPES, "Metrics").keys() == METRICS.keys()


def test_recipes_in_toml_can_be_read():
    texts = blocks(RECIPES, "toml")
    assert texts
    for text in texts:
        recipe = Recipe.from_toml(text)
        assert Recipe.from_toml(recipe.to_toml()) == recipe


def test_quoted_lines_stand_in_the_source():
    source = {line.strip() for path in SOURCE.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()}
    quoted = [block for block in blocks(MATHEMATICS, "python") if ">>>" not in block]
    assert quoted
    assert [line for block in quoted for line in block.splitlines() if line.strip() not in source] == []


@pytest.mark.parametrize("name", main.commands)
def test_every_option_of_a_command_is_documented(name):
    documented = [cell.partition(" ")[0] for cell in rows(COMMANDS, f"unstuck {name}")]
    assert documented == [
        parameter.opts[0] if parameter.param_type_name == "option" else parameter.human_readable_name
        for parameter in main.commands[name].params
    ]


def test_the_json_of_train_is_documented(tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("x,y\n" + "".join(f"{x},{x % 2}\n" for x in range(40)))
    outcome = train_table(data, "y", tmp_path / "run", settings={"epochs": 1})
    assert list(rows(COMMANDS, "The JSON of train")) == [*outcome.to_data(), "run"]


def test_the_json_of_cases_is_documented():
    outcome = Outcome(0.5, {}, [], [], "", recipe=Recipe([Dense(1)], "hinge"))
    assert list(rows(COMMANDS, "The JSON of a training")) == list(outcome.to_data())


def test_the_json_of_why_is_documented():
    diagnosis = diagnose(Recipe([Dense(1)], "squared_error", epochs=2), [[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    documented = rows(COMMANDS, "The JSON of why")
    assert list(documented) == list(diagnosis.to_data())


def imports_of(path):
    """Yield the modules of unstuck that a file imports when it runs, wherever in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "unstuck":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("unstuck."):
            yield node.module.split(".")[1]


def test_a_room_imports_only_from_rooms_above_it():
    order = [re.sub(r"\.py$|/$", "", room) for room in rows(CONCEPTS, "Where each thing lives")]
    place = {room.replace("native", "_native"): k for k, room in enumerate(order)}
    wrong = []
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        assert room in place, f"{room} has no place in the table of rooms"
        wrong += [f"{room} imports {other}" for other in imports_of(path) if place[other] > place[room]]
    assert wrong == []


def test_every_error_is_in_the_tree_of_errors():
    named = re.findall(r"[├└]── (\w+)", section(CONCEPTS, "Errors"))
    assert sorted(named) == sorted(error.__name__ for error in UnstuckError.__subclasses__())


def test_what_is_told_to_be_installed_is_what_an_extra_installs():
    told = {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r"= needs\(\"[\w.]+\", \"(.+?)\"", path.read_text())
    }
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installed = {re.match(r"[\w-]+", extras[name][0])[0] for name in ("mlflow", "onnx", "tensorboard")}
    assert told == installed
