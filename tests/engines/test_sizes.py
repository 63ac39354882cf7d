"""Sizes at the edge, and arrays that lie in memory in other ways than the engines want them."""

from __future__ import annotations

import numpy as np
import pytest

from unstuck import DataError, Dense, Recipe, RecipeError, Run, check_gradient, train
from unstuck.engines.native import NativeEngine
from unstuck.engines.reference import ReferenceEngine
from unstuck.training import memory
from unstuck.training.prepare import prepare

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(20, 3))
Y = X @ [1.0, -2.0, 0.5]
BOTH = pytest.mark.parametrize("engine", ["reference", "native"])


def recipe(*layers: Dense, **settings: object) -> Recipe:
    defaults = {"loss": "squared_error", "epochs": 3, "batch_size": 6, "precision": "float64"}
    return Recipe(layers or (Dense(5, "tanh"), Dense(1)), **{**defaults, **settings})


def trained(recipe: Recipe, X: object, y: object, engine: str) -> Run:
    return train(recipe, X, y, engine=engine, progress=False)


def assert_engines_agree(recipe: Recipe, X: object, y: object) -> None:
    reference, native = (trained(recipe, X, y, engine) for engine in ("reference", "native"))
    scale = np.abs(reference.final_parameters).max()
    np.testing.assert_allclose(native.final_parameters, reference.final_parameters, rtol=0, atol=1e-9 * scale)
    data = prepare(recipe, X, y)
    w = reference.final_parameters
    (cost, g), (native_cost, native_g) = (
        engine(data.network, data.rows).cost_and_gradient(w) for engine in (ReferenceEngine, NativeEngine)
    )
    assert native_cost == pytest.approx(cost, rel=1e-10)
    np.testing.assert_allclose(native_g, g, rtol=1e-9, atol=1e-11 * max(1, np.abs(g).max()))


@pytest.mark.parametrize("batch_size", [1, 6, 19, 20, 21, 2**40, 2**70, "full"])
def test_batches_of_any_size(batch_size: object) -> None:
    assert_engines_agree(recipe(batch_size=batch_size), X, Y)


def test_one_row_one_column_one_unit() -> None:
    assert_engines_agree(recipe(), X[:1], Y[:1])
    assert_engines_agree(recipe(), X[:, :1], Y)
    assert_engines_agree(recipe(Dense(1, "sigmoid"), Dense(1, "tanh"), Dense(1)), X[:1, :1], Y[:1])


def test_a_hundred_thousand_inputs_and_as_many_outputs() -> None:
    wide = RANDOM.normal(size=(9, 100_000))
    assert_engines_agree(recipe(Dense(3, "tanh"), Dense(1), batch_size=4), wide, Y[:9])
    assert_engines_agree(recipe(Dense(3, "tanh"), Dense(100_000), batch_size=4), X[:9], wide)


@pytest.mark.parametrize(
    "given",
    [
        np.asfortranarray(X),
        np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
        X[::-1, ::-1][::-1, ::-1],
        X.astype(">f8"),
        X.astype(np.longdouble),
        X.tolist(),
    ],
    ids=["Fortran", "strided", "backwards", "big-endian", "longdouble", "list"],
)
@BOTH
def test_how_an_array_lies_in_memory_changes_nothing(engine: str, given: object) -> None:
    usual = trained(recipe(), X, Y, engine)
    other = trained(recipe(), given, Y, engine)
    assert other.final_parameters.tobytes() == usual.final_parameters.tobytes()
    assert other.predict(given).tobytes() == usual.predict(X).tobytes()
    assert other.evaluate(given, Y) == usual.evaluate(X, Y)


@BOTH
def test_read_only_arrays_are_read_and_arrays_are_left_as_they_were(engine: str) -> None:
    for precision in ("float64", "float32"):
        fixed, fixed_y, weights = (values.astype(precision) for values in (X, Y, np.ones(len(X))))
        for values in (fixed, fixed_y, weights):
            values.flags.writeable = False
        run = train(recipe(precision=precision), fixed, fixed_y, sample_weight=weights, engine=engine, progress=False)
        run.predict(fixed)
        run.evaluate(fixed, fixed_y)


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.int64, np.uint64, np.float16])
@BOTH
def test_numbers_of_any_kind(engine: str, kind: type) -> None:
    given = (X > 0).astype(kind)
    usual, other = (trained(recipe(), values, Y, engine) for values in ((X > 0).astype(float), given))
    assert other.final_parameters.tobytes() == usual.final_parameters.tobytes()


@BOTH
def test_no_rows(engine: str) -> None:
    with pytest.raises(DataError, match="the training data have no rows"):
        trained(recipe(), np.empty((0, 3)), np.empty(0), engine)
    with pytest.raises(DataError, match="the validation data have no rows"):
        train(recipe(), X, Y, validation=(X[:0], Y[:0]), engine=engine, progress=False)
    run = trained(recipe(), X, Y, engine)
    with pytest.raises(DataError, match="no rows"):
        run.predict(X[:0])
    with pytest.raises(DataError, match="no rows"):
        run.evaluate(X[:0], Y[:0])
    with pytest.raises(DataError, match="no rows"):
        check_gradient(recipe(), X[:0], Y[:0])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y[:-1], "20 rows of features and 19 targets"),
        (np.stack([Y, Y], axis=1), "2 numbers a row, but the last layer has 1 units"),
        (Y[None], "20 rows of features and 1 targets"),
        (Y[:, None, None], r"shape \(20, 1, 1\)"),
        (Y[0], r"shape \(\)"),
        (np.empty((20, 0)), r"shape \(20, 0\)"),
    ],
    ids=["short", "wide", "a row", "three dimensions", "a number", "no columns"],
)
def test_targets_of_another_shape(y: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        trained(recipe(), X, y, "native")


def test_a_column_of_targets_is_as_good_as_a_vector() -> None:
    usual, column = (trained(recipe(), X, y, "native") for y in (Y, Y[:, None]))
    assert column.final_parameters.tobytes() == usual.final_parameters.tobytes()


def test_metrics_need_targets_as_wide_as_in_the_training() -> None:
    run = trained(recipe(), X, Y, "native")
    with pytest.raises(DataError, match="y has 2 columns, but the targets of the training had 1"):
        run.evaluate(X, np.stack([Y, Y], axis=1))
    classes = trained(recipe(Dense(3, "softmax"), loss="categorical_crossentropy"), X, np.arange(20) % 3, "native")
    with pytest.raises(DataError, match="y has 3 columns, but the targets of the training had 1"):
        classes.evaluate(X, np.eye(3)[np.arange(20) % 3])


def test_what_is_too_large_for_float32_is_no_prediction_either() -> None:
    run = trained(recipe(precision="float32"), X, Y, "native")
    with pytest.raises(DataError, match=r"as large as 1e\+300 do not fit into float32"):
        run.predict(np.full((2, 3), 1e300))


@pytest.mark.parametrize("units", [0, -1, 2**24 + 1, 2**40, 2**70])
def test_layers_no_machine_has_room_for(units: int) -> None:
    with pytest.raises(RecipeError, match=f"got {units}"):
        Dense(units)


def test_networks_whose_size_overflows() -> None:
    huge = recipe(Dense(2**24, "relu"), Dense(2**24, "relu"), Dense(1))
    with pytest.raises(RecipeError, match="281,475,077,373,953 parameters"):
        trained(huge, X, Y, "native")


def test_networks_and_batches_beyond_the_memory_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "physical_memory", lambda: 10_000_000)
    with pytest.raises(RecipeError, match=r"layers: 500,001 parameters .* need 0\.024 GB, but .* has 0\.01 GB"):
        trained(recipe(Dense(100_000, "relu"), Dense(1)), X, Y, "native")
    with pytest.raises(RecipeError, match=r"batch_size: a mini-batch of 20 rows through 30,001 units .* batch_size=1,"):
        trained(recipe(Dense(30_000, "relu"), Dense(1), batch_size="full"), X, Y, "native")
    monkeypatch.setattr(memory, "physical_memory", lambda: None)
    trained(recipe(), X, Y, "native")
