from __future__ import annotations

import collections
import copy
import pickle
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import unstuck
from unstuck import (
    L2,
    LBFGS,
    SGD,
    Adam,
    Dense,
    Dropout,
    EarlyStopping,
    FileError,
    Given,
    HeNormal,
    LeakyReLU,
    MaxNorm,
    Recipe,
    RecipeError,
    Tanh,
    Targets,
    Uniform,
)
from unstuck.description import Description
from unstuck.functions.optimizers import Optimizer
from unstuck.metrics import METRICS
from unstuck.recipe import LARGEST_LAYER, Layer

PLAIN = Recipe([Dense(3, "relu"), Dropout(0.2), Dense(1)], loss="squared_error")
finite = st.floats(allow_nan=False, allow_infinity=False)


# What is drawn for a field follows from its annotation, so that a new member of a family is drawn as soon as it exists.


def built(cls: type[Description], **own: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a description, any of its fields left to their defaults, the fields `own` as given."""
    fields = cls.__pydantic_fields__
    drawn = {name: values(field.annotation, field.metadata) for name, field in fields.items()} | own
    needed = {name: drawn.pop(name) for name, field in fields.items() if field.is_required()}
    return st.fixed_dictionaries(needed, optional=drawn).map(lambda chosen: cls(**chosen))


def values(annotation: Any, limits: Any = ()) -> st.SearchStrategy[Any]:
    """Draw what an annotation allows."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values(inner[0], inner[1:])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (Union, types.UnionType):
        return st.one_of([values(choice) for choice in inner])
    if origin is tuple and ... not in inner:
        return st.tuples(*map(values, inner))
    if origin in (tuple, collections.abc.Sequence):
        return st.lists(values(inner[0]), max_size=2)
    if annotation in (int, float):
        return numbers(annotation, limits)
    if issubclass(annotation, Description):
        return st.deferred(lambda: members(annotation))
    return {bool: st.booleans(), str: st.text(max_size=3), types.NoneType: st.none()}[annotation]


def members(family: type[Description]) -> st.SearchStrategy[Any]:
    """Draw one of a family, or the description itself where it has none."""
    return st.one_of([OWN[cls] if cls in OWN else built(cls) for cls in family.family.values() or [family]])


def numbers(kind: type, limits: Any) -> st.SearchStrategy[Any]:
    signs = ("gt", "ge", "lt", "le")
    bounds = {sign: getattr(limit, sign) for limit in limits for sign in signs if hasattr(limit, sign)}
    low, high = bounds.get("gt", bounds.get("ge")), bounds.get("lt", bounds.get("le"))
    every = st.integers(low, high) if kind is int else st.floats(low, high, allow_nan=False, allow_infinity=False)
    return every.filter(lambda x: x not in (bounds.get("gt"), bounds.get("lt")))


OWN = {
    Given: arrays(np.float64, array_shapes(min_dims=1, max_dims=2, max_side=3), elements=finite).map(Given),
    Uniform: st.tuples(finite, finite).map(sorted).map(lambda ends: Uniform(*ends)),
    Targets: st.sampled_from([Targets("signed"), Targets("numbers", "minmax"), Targets(scaling="standard")]),
}
recipes = built(
    Recipe,
    layers=st.builds(lambda hidden, last: [*hidden, last], st.lists(members(Layer), max_size=2), built(Dense)),
    optimizer=members(Optimizer).filter(lambda optimizer: optimizer.kind != "lbfgs"),
    metrics=st.lists(st.sampled_from(sorted(METRICS)), max_size=2),
)


@settings(max_examples=300, deadline=None)
@given(recipes)
def test_nothing_is_lost_in_toml_repr_and_copies(recipe):
    public = {name: getattr(unstuck, name) for name in unstuck.__all__}
    for again in (
        Recipe.from_toml(recipe.to_toml()),
        eval(repr(recipe), public),
        pickle.loads(pickle.dumps(recipe)),
        copy.deepcopy(recipe),
        recipe.replace(),
        recipe.with_settings({}),
    ):
        assert again == recipe
        assert hash(again) == hash(recipe)
        assert repr(again) == repr(recipe)
        assert again.to_data() == recipe.to_data()


def test_the_toml_is_what_a_person_would_write():
    recipe = PLAIN.replace(
        layers=[Dense(2, LeakyReLU(slope=0.2), weight_start=Given(np.eye(2))), Dense(1, "sigmoid")],
        optimizer=Adam(learning_rate=0.01),
        class_weights={"no": 1, "yes": 2.5},
        early_stopping=EarlyStopping(patience=3),
    )
    text = """
        loss = "squared_error"
        optimizer = {kind = "adam", learning_rate = 0.01}
        class_weights = {no = 1, yes = 2.5}
        early_stopping.patience = 3

        [[layers]]
        kind = "dense"
        units = 2
        activation = {kind = "leaky_relu", slope = 0.2}
        weight_start = {kind = "given", values = [[1, 0], [0, 1]]}

        [[layers]]
        kind = "dense"
        units = 1
        activation = "sigmoid"
    """
    assert Recipe.from_toml(text) == recipe


def test_a_recipe_is_read_from_its_file(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(PLAIN.to_toml(), encoding="utf-8")
    assert Recipe.load(path) == Recipe.load(str(path)) == PLAIN


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("folder", "binary", "absent"):
        with pytest.raises(FileError, match=f"cannot read the recipe .*{name}"):
            Recipe.load(tmp_path / name)


def problems(call, *arguments, **fields):
    with pytest.raises(RecipeError) as raised:
        call(*arguments, **fields)
    return dict(raised.value.problems)


def test_text_that_is_no_toml():
    assert "not TOML" in problems(Recipe.from_toml, "layers = [")[""]


def test_all_problems_at_once():
    found = problems(
        Recipe,
        [Dense(3), {"kind": "dense", "units": 0, "activation": "rleu"}, "dropuot"],
        loss="squared_eror",
        optimizer={"kind": "sgd", "learning_rate": -1},
        penalties=[{"kind": "l2"}],
        epochs=0,
        early_stopping={"patients": 3},
        inputs={"scaling": "standart"},
        epoch=3,
    )
    assert found == {
        "layers.1.units": "input should be greater than or equal to 1; got 0",
        "layers.1.activation": "there is no activation 'rleu'; did you mean 'relu'?",
        "layers.2": "there is no layer 'dropuot'; did you mean 'dropout'?",
        "loss": "there is no loss 'squared_eror'; did you mean 'squared_error'?",
        "optimizer.learning_rate": "input should be greater than 0; got -1",
        "penalties.0.strength": "missing",
        "epochs": "input should be greater than 0; got 0",
        "early_stopping.patients": "unknown field",
        "inputs.scaling": "input should be 'none', 'standard' or 'minmax'; got 'standart'",
        "epoch": "unknown field; did you mean 'epochs'?",
    }


@pytest.mark.parametrize(
    ("changes", "place", "text"),
    [
        ({"layers": []}, "layers", "the last layer must be a Dense layer"),
        ({"layers": [Dense(2), Dropout()]}, "layers", "the last layer must be a Dense layer"),
        ({"layers": Dense(2)}, "layers", "got Dense(2)"),
        ({"layers": "dense"}, "layers", "got 'dense'"),
        ({"layers": [Dense]}, "layers.0", "expected one of dense, dropout"),
        ({"loss": None}, "loss", "got None"),
        ({"epochs": 2.5}, "epochs", "got 2.5"),
        ({"record_every": 0}, "record_every", "got 0"),
        ({"seed": -1}, "seed", "got -1"),
        ({"seed": 2**63}, "seed", "got 9223372036854775808"),
        ({"clip_norm": 0}, "clip_norm", "got 0"),
        ({"clip_value": float("nan")}, "clip_value", "got nan"),
        ({"stop_at_loss": float("inf")}, "stop_at_loss", "finite"),
        ({"validation_fraction": 1}, "validation_fraction", "less than 1"),
        ({"precision": "float16"}, "precision", "'float32' or 'float64'"),
        ({"metrics": ["acuracy"]}, "metrics", "did you mean 'accuracy'?"),
        ({"metrics": "accuracy"}, "metrics", "got 'accuracy'"),
        ({"penalties": L2(0.1)}, "penalties", "got L2(0.1)"),
        ({"optimizer": "adma"}, "optimizer", "did you mean 'adam'?"),
        ({"targets": {"coding": "one_hot", "scaling": "minmax"}}, "targets.scaling", "only numbers are scaled"),
    ],
    ids=repr,
)
def test_a_single_wrong_field(changes, place, text):
    found = problems(PLAIN.replace, **changes)
    assert list(found) == [place]
    assert text in found[place]


@pytest.mark.parametrize(("size", "wanted"), [(0, "greater than 0"), ("all", "a valid integer")])
def test_a_size_that_is_neither_a_number_of_rows_nor_full_is_one_problem(size, wanted):
    with pytest.raises(RecipeError) as refused:
        PLAIN.replace(batch_size=size)
    assert refused.value.problems == [("batch_size", f"input should be {wanted} or 'full'; got {size!r}")]


def test_a_function_is_no_activation_without_its_derivative():
    expected = "a function alone has no derivative to learn by; write 'tanh', or Custom(tanh, derivative)"
    assert problems(Dense, 8, np.tanh) == {"activation": expected}
    assert problems(Dense, 8, lambda z: z)["activation"].endswith("write Custom(f, derivative)")
    assert problems(Dense, 8, Tanh)["activation"] == "the class Tanh is no activation yet; write Tanh()"


@pytest.mark.parametrize("units", [0, -1, LARGEST_LAYER + 1, 2.5, None, "many", float("inf")])
def test_impossible_sizes(units):
    (text,) = problems(Dense, units).values()
    assert text.endswith(f"got {units!r}")


@pytest.mark.parametrize("field", ["epochs", "batch_size", "seed", "clip_norm", "stop_at_loss"])
def test_true_is_no_number(field):
    assert problems(PLAIN.replace, **{field: True}) == {field: "this is not a question of yes or no; got True"}


def test_a_field_of_two_types_is_called_by_its_name():
    assert problems(PLAIN.replace, batch_size="ful") == {
        "batch_size": "input should be a valid integer or 'full'; got 'ful'"
    }


def test_lbfgs_says_all_that_does_not_go_with_it():
    recipe = PLAIN.replace(schedule="cosine", clip_norm=1, penalties=[MaxNorm(1)])
    assert problems(recipe.replace, optimizer="lbfgs").keys() == {"batch_size", "layers", "optimizer", "penalties"}
    fitting = Recipe([Dropout(0), Dense(1)], "squared_error", optimizer="lbfgs", batch_size="full", penalties=[L2(0.1)])
    assert fitting.optimizer == LBFGS()


def test_sequences_of_any_kind_become_tuples():
    layers = [Dense(3), Dense(1)]
    for sequence in (layers, tuple(layers), collections.deque(layers)):
        recipe = Recipe(sequence, loss="squared_error", metrics=collections.deque(["r2"]))
        assert (type(recipe.layers), type(recipe.metrics)) == (tuple, tuple)
        assert recipe == Recipe(layers, loss="squared_error", metrics=["r2"])
        assert hash(recipe)


def test_numpy_scalars_become_pythons_own():
    python = {"epochs": 7, "clip_norm": 0.5, "shuffle": False, "seed": 2**62}
    numpy = {"epochs": np.int64(7), "clip_norm": np.float32(0.5), "shuffle": np.bool_(False), "seed": np.uint64(2**62)}
    recipe = PLAIN.replace(**numpy)
    assert recipe == PLAIN.replace(**python)
    assert [type(getattr(recipe, name)) for name in python] == [int, float, bool, int]
    assert Recipe.from_toml(recipe.to_toml()) == recipe


def test_labels_of_class_weights_are_kept_as_they_are():
    weights = {" <=50K": 1, "": 2, np.int64(3): 3, np.str_("x "): 4, 0.5: 5}
    assert repr(PLAIN.replace(class_weights=weights).class_weights) == (
        "((' <=50K', 1.0), ('', 2.0), (3, 3.0), ('x ', 4.0), (0.5, 5.0))"
    )


def test_a_person_can_read_it():
    assert repr(PLAIN.replace(epochs=7)) == (
        "Recipe((Dense(3, activation=ReLU()), Dropout(rate=0.2), Dense(1)), loss=SquaredError(), epochs=7)"
    )
    assert repr(Uniform(-1, 1)) == "Uniform(-1.0, high=1.0)"


def test_equal_recipes_are_one_key():
    assert len({PLAIN, PLAIN.replace(), PLAIN.replace(epochs=100.0), PLAIN.replace(epochs=101)}) == 2


def test_a_recipe_knows_its_outputs():
    assert PLAIN.replace(layers=[Dense(5), Dense(7, "softmax")]).outputs == 7


@pytest.mark.parametrize(
    ("given_settings", "changes"),
    [
        ({"epochs": 7}, {"epochs": 7}),
        ({"optimizer.learning_rate": 0.1}, {"optimizer": Adam(learning_rate=0.1)}),
        ({"optimizer": "sgd", "optimizer.learning_rate": 0.1}, {"optimizer": SGD(0.1)}),
        ({"optimizer": SGD(), "optimizer.learning_rate": 0.1}, {"optimizer": SGD(0.1)}),
        ({"loss": "hinge"}, {"loss": "hinge"}),
        ({"layers.0.units": 9}, {"layers": [Dense(9, "relu"), Dropout(0.2), Dense(1)]}),
        ({"layers.-1.units": 9}, {"layers": [Dense(3, "relu"), Dropout(0.2), Dense(9)]}),
        ({"layers.1": "dropout"}, {"layers": [Dense(3, "relu"), Dropout(), Dense(1)]}),
        ({"layers.1.rate": 0.3}, {"layers": [Dense(3, "relu"), Dropout(0.3), Dense(1)]}),
        ({"layers.2.weight_start": HeNormal()}, {"layers": [*PLAIN.layers[:2], Dense(1, weight_start="he_normal")]}),
        ({"layers": (Dense(4), Dense(1)), "layers.0.units": 5}, {"layers": [Dense(5), Dense(1)]}),
        ({"schedule": "warm_up", "schedule.then": "step"}, {"schedule": {"kind": "warm_up", "then": "step"}}),
        ({"optimizer.kind": "sgd"}, {"optimizer": "sgd"}),
        ({"optimizer.kind": "sgd", "optimizer.learning_rate": 0.3}, {"optimizer": SGD(learning_rate=0.3)}),
        ({"optimizer.learning_rate": 0.3, "optimizer.kind": "adam"}, {"optimizer": Adam(learning_rate=0.3)}),
        ({"early_stopping.patience": 4}, {"early_stopping": EarlyStopping(4)}),
        ({"clip_norm": 2, "epochs": 3}, {"clip_norm": 2, "epochs": 3}),
        ({"clip_norm": None}, {}),
    ],
    ids=repr,
)
def test_settings_change_what_their_paths_lead_to(given_settings, changes):
    assert PLAIN.with_settings(given_settings) == PLAIN.replace(**changes)


@pytest.mark.parametrize(
    ("path", "place", "text"),
    [
        ("epoch", "epoch", "unknown field; did you mean 'epochs'?"),
        ("optmizer.learning_rate", "optmizer", "unknown field; did you mean 'optimizer'?"),
        (
            "optimizer.rate",
            "optimizer.rate",
            "unknown field; did you mean 'learning_rate'?",
        ),
        ("optimizer.step", "optimizer.step", "unknown field; choose from beta1, beta2, epsilon, epsilon_hat"),
        ("epochs.x", "epochs.x", "100 has no parts, so there is no 'x' in it"),
        ("loss.half.x.y", "loss.half.x.y", "False has no parts, so there is no 'x' in it"),
        ("layers.3.units", "layers.3.units", "'3' is no place in a list of 3, counted from 0"),
        ("layers.-4", "layers.-4", "'-4' is no place in a list of 3, counted from 0"),
        ("layers.first.units", "layers.first.units", "'first' is no place in a list of 3, counted from 0"),
        ("layers.", "layers.", "'' is no place in a list of 3, counted from 0"),
        ("penalties.0.strength", "penalties.0.strength", "'0' is no place in a list of 0, counted from 0"),
        ("layers.0.units.", "layers.0.units.", "3 has no parts, so there is no '' in it"),
        ("layers.0.weight_start.std", "layers.0.weight_start.kind", "missing; choose from constant, given"),
        ("layers.1.units", "layers.1.units", "unknown field; choose from rate"),
        ("optimizer.learning_rate", "optimizer.learning_rate", "input should be greater than 0; got -1"),
    ],
)
def test_settings_whose_paths_lead_nowhere(path, place, text):
    before = PLAIN.to_data()
    found = problems(PLAIN.with_settings, {path: -1})
    assert list(found) == [place]
    assert found[place].startswith(text)
    assert PLAIN.to_data() == before


def test_settings_leave_the_callers_values_alone():
    layers = [{"kind": "dense", "units": 2}, {"kind": "dense", "units": 1}]
    PLAIN.with_settings({"layers": layers, "layers.0.units": 5})
    assert layers == [{"kind": "dense", "units": 2}, {"kind": "dense", "units": 1}]
