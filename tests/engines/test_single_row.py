"""The trainer for mini-batches of one row and one small hidden layer computes what the reference engine computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.combinations import rotated
from tests.levels import HERE

from unstuck import (
    L2,
    SGD,
    Dense,
    Dropout,
    ExponentialDecay,
    LeakyReLU,
    Normal,
    Recipe,
    Run,
    SquaredError,
    Targets,
    train,
)
from unstuck.engines import native
from unstuck.engines.engine import Descent
from unstuck.engines.native import NativeEngine
from unstuck.engines.reference import ReferenceEngine
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import Optimizer
from unstuck.training.prepare import Prepared, prepare

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 5))  # more rows than the trainer takes at a time
LABELS = np.arange(300) % 3
ONE_HOT = np.eye(3)[LABELS]
NUMBERS = X[:, :4] ** 2 - X[:, 1:]
TOLERANCE = {"float64": 1e-9, "float32": 5e-3}
HIDDEN = sorted(set(Activation.family) - {"softmax"})
STEPPING = sorted(set(Optimizer.family) - {"lbfgs"})
PRECISIONS = ["float64", "float32"]
LANES = {"baseline": 2, "x86-64-v3": 4, "x86-64-v4": 8}  # of a register, in float64


def recipe_of(*layers: Dense | Dropout, **options: object) -> Recipe:
    usual = {"loss": "squared_error", "optimizer": SGD(0.01), "batch_size": 1, "epochs": 3, "precision": "float64"}
    return Recipe(layers, **{**usual, **options})


def prepared(recipe: Recipe, X: np.ndarray = X, y: np.ndarray = NUMBERS) -> Prepared:
    return prepare(recipe.replace(targets=Targets("numbers")), X, y)


def trainer_of(recipe: Recipe, X: np.ndarray = X, y: np.ndarray = NUMBERS) -> str:
    data = prepared(recipe, X, y)
    return NativeEngine(data.network, data.rows)._trainer.name


def both(recipe: Recipe, X: np.ndarray, y: np.ndarray, **options: object) -> tuple[Run, Run]:
    return tuple(train(recipe, X, y, engine=name, progress=False, **options) for name in ("reference", "native"))


def assert_same(reference: Run, native: Run) -> None:
    assert (reference.stopped, reference.failure) == (native.stopped, native.failure)
    tolerance = TOLERANCE[reference.recipe.precision]
    scale = np.abs(reference.final_parameters).max()
    np.testing.assert_allclose(native.final_parameters, reference.final_parameters, rtol=0, atol=tolerance * scale)
    assert len(reference.history) == len(native.history)
    np.testing.assert_allclose(native.history["loss"], reference.history["loss"], rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("recipe", "chosen"),
    [
        (recipe_of(Dense(8, "relu"), Dropout(0.5), Dense(4)), True),
        (recipe_of(Dense(8, "tanh"), Dense(4, "softmax"), optimizer="adam"), True),
        (recipe_of(Dense(8, "relu"), Dense(4), batch_size=2), False),
        (recipe_of(Dense(8, "softmax"), Dense(4)), False),
        (recipe_of(Dense(999, "relu"), Dense(4)), False),
        (recipe_of(Dense(8, "relu"), Dense(8, "relu"), Dense(4)), False),
        (recipe_of(Dense(8, "relu"), Dropout(0.1), Dropout(0.1), Dense(4)), False),
        (recipe_of(Dropout(0.1), Dense(8, "relu"), Dense(4)), False),
        (recipe_of(Dense(4)), False),
        (recipe_of(Dense(8, "relu"), Dense(4), penalties=[L2(0.1)]), False),
        (recipe_of(Dense(8, "relu"), Dense(4), clip_norm=1.0), False),
        (recipe_of(Dense(8, "relu"), Dense(4), clip_value=1.0), False),
    ],
    ids=lambda value: "" if isinstance(value, Recipe) else str(value),
)
def test_is_chosen_for_one_row_and_one_small_hidden_layer(level: str, recipe: Recipe, chosen: bool) -> None:
    assert (trainer_of(recipe) == "single rows") == chosen


@pytest.mark.parametrize(
    ("hidden", "level", "precision", "rate"), rotated([None, 0.0, 0.5], HIDDEN, HERE, PRECISIONS), indirect=["level"]
)
def test_every_hidden_activation(level: str, hidden: str, rate: float | None, precision: str) -> None:
    dropout = [] if rate is None else [Dropout(rate)]
    recipe = recipe_of(
        Dense(7, hidden, weight_start=Normal(0.2)), *dropout, Dense(4), optimizer=SGD(1e-3), precision=precision
    )
    assert trainer_of(recipe) == "single rows"
    assert_same(*both(recipe, X, NUMBERS))


@pytest.mark.parametrize(("output", "loss", "level"), rotated(HERE, Activation.family, Loss.family), indirect=["level"])
def test_every_pairing(level: str, output: str, loss: str) -> None:
    gentle = {"optimizer": SGD(1e-3), "epochs": 1}  # some pairings are so steep that rounding grows without bound
    recipe = recipe_of(Dense(6, "relu"), Dropout(0.2), Dense(3, output, weight_start=Normal(0.3)), loss=loss, **gentle)
    Y = 2 * ONE_HOT - 1 if loss == "hinge" else ONE_HOT
    assert trainer_of(recipe, y=Y) == "single rows"
    assert_same(*both(recipe, X, Y))


EXTRAS = [
    {},
    {"schedule": ExponentialDecay(0.9), "class_weights": "balanced"},
    {"shuffle": False, "stop_at_loss": 0.9},
]


@pytest.mark.parametrize(
    ("optimizer", "level", "precision", "extra"),
    rotated(EXTRAS, STEPPING, HERE, PRECISIONS),
    indirect=["level"],
    ids=lambda value: value if isinstance(value, str) else "-".join(value) or "plain",
)
def test_every_optimizer(level: str, optimizer: str, extra: dict[str, object], precision: str) -> None:
    layers = [Dense(7, "sigmoid"), Dropout(0.3), Dense(3, "softmax")]
    options = {"optimizer": optimizer, "loss": "categorical_crossentropy", "precision": precision, **extra}
    recipe = recipe_of(*layers, **options).with_settings({"optimizer.learning_rate": 1e-3})
    data = prepare(recipe, X, LABELS)
    assert NativeEngine(data.network, data.rows)._trainer.name == "single rows"
    assert_same(*both(recipe, X, LABELS, sample_weight=np.random.default_rng(1).random(300)))


@pytest.mark.parametrize("biases", [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_layers_without_biases(level: str, optimizer: str, biases: tuple[bool, bool]) -> None:
    first, second = biases
    layers = [Dense(6, "relu", bias=first), Dense(4, bias=second)]
    assert_same(*both(recipe_of(*layers, optimizer=optimizer), X, NUMBERS))


@pytest.mark.parametrize(
    ("registers", "outputs", "hidden", "full"),
    rotated([False, True], [1, 2, 4], range(1, 9), ["relu", LeakyReLU(0.1)]),
)
def test_every_width_on_squared_errors(level: str, registers: int, outputs: int, hidden: object, full: bool) -> None:
    units = registers * LANES[level] if full else registers // 2 * LANES[level] + 1
    recipe = recipe_of(Dense(units, hidden), Dropout(0.25), Dense(outputs, weight_start=Normal(0.3)), epochs=2)
    Y = np.random.default_rng(1).normal(size=(300, outputs))
    assert trainer_of(recipe, y=Y) == "single rows"
    assert_same(*both(recipe, X, Y))


def test_what_is_wider_is_left_to_the_panels(level: str) -> None:
    widest = 4 * LANES[level]
    for units, outputs, chosen in (widest, 8, "single rows"), (widest + 1, 8, "panels"), (widest, 9, "panels"):
        recipe = recipe_of(Dense(units, "relu"), Dropout(0.25), Dense(outputs))
        assert trainer_of(recipe, y=np.random.default_rng(1).normal(size=(300, outputs))) == chosen


SQUARED_ERRORS = [
    SquaredError(half=half, outputs=o, rows=r) for half in (0, 1) for o in ("sum", "mean") for r in ("sum", "mean")
]


@pytest.mark.parametrize(
    ("loss", "weighted", "level"), rotated(HERE, SQUARED_ERRORS, [False, True]), indirect=["level"]
)
def test_every_form_of_the_squared_error(level: str, loss: Loss, weighted: bool) -> None:
    recipe = recipe_of(Dense(10, "relu"), Dropout(0.5), Dense(4), loss=loss)
    weights = np.random.default_rng(1).random(300) * (np.arange(300) % 7 > 0) if weighted else None
    assert_same(*both(recipe, X, NUMBERS, sample_weight=weights))


@given(
    rows=st.integers(1, 400),
    inputs=st.integers(1, 70),
    units=st.integers(1, 70),
    outputs=st.integers(1, 10),
    hidden=st.sampled_from(["relu", "leaky_relu", "tanh"]),
    optimizer=st.sampled_from(["sgd", "adam"]),
    rate=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=60, deadline=None)
def test_any_shape(rows, inputs, units, outputs, hidden, optimizer, rate, seed) -> None:
    layers = [Dense(units, hidden), Dropout(rate), Dense(outputs)]
    recipe = recipe_of(*layers, optimizer=optimizer, epochs=2)
    recipe = recipe.with_settings({"optimizer.learning_rate": 1e-3, "seed": seed})
    random = np.random.default_rng(seed)
    X, Y = random.normal(size=(rows, inputs)), random.normal(size=(rows, outputs))
    assert_same(*both(recipe.replace(targets=Targets("numbers")), X, Y))


@pytest.mark.parametrize(
    ("hidden", "output"),
    [
        ("relu", "identity"),
        ("leaky_relu", "identity"),
        ("identity", "identity"),
        ("exponential", "identity"),
        ("identity", "exponential"),
    ],
)
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_divergence_is_found_at_the_same_step_in_the_same_layer(
    level: str, hidden: str, output: str, precision: str
) -> None:
    recipe = recipe_of(Dense(5, hidden), Dense(2, output), optimizer=SGD(1.0), epochs=20, precision=precision)
    assert trainer_of(recipe, y=NUMBERS[:, :2]) == "single rows"
    reference, native = both(recipe, X, NUMBERS[:, :2])
    assert reference.stopped == "diverged"
    assert native.failure == reference.failure
    np.testing.assert_allclose(native.final_parameters, reference.final_parameters, rtol=1e-2)


def test_what_overflows_only_on_the_way_to_the_next_row_is_no_divergence(level: str) -> None:
    """The units are dead, so no update moves them, however large x x' is: 1e40 is too large for float32."""
    recipe = recipe_of(Dense(4, "relu"), Dense(4), precision="float32")
    data = prepared(recipe, np.full((300, 5), 1e20))
    w = data.network.start()
    data.network.dense[0].W(w)[...] = -1e-20
    reference, native = (
        descended(Engine(data.network, data.rows), w, 600) for Engine in (ReferenceEngine, NativeEngine)
    )
    np.testing.assert_allclose(native.w, reference.w, rtol=1e-5)


PAUSED = {
    "one step of delta": recipe_of(Dense(7, "relu"), Dropout(0.5), Dense(4)),
    "the same in full registers": recipe_of(Dense(8, "leaky_relu"), Dense(4)),
    "any other": recipe_of(Dense(7, "tanh"), Dropout(0.5), Dense(4), optimizer="nadam"),
}


def descended(engine: NativeEngine | ReferenceEngine, w: np.ndarray, *counts: int) -> Descent:
    """Return what so many updates, call by call, lead to."""
    descent = Descent(w.copy(), engine.network.recipe.optimizer.start(w), w.copy())
    for count in counts:
        progress = engine.steps(descent, np.full(count, 0.01), lambda done: False)
        assert (progress.steps, progress.failure) == (count, None)
    return descent


def bits(descent: Descent) -> list[object]:
    memory = [values.tobytes() for values in descent.memory.values()]
    return [descent.w.tobytes(), descent.previous.tobytes(), descent.cost_sum, descent.rows_seen, descent.t, *memory]


@pytest.mark.parametrize("recipe", PAUSED.values(), ids=PAUSED)
@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_pauses_leave_the_same_bits(level: str, recipe: Recipe, seconds: float, monkeypatch) -> None:
    data = prepared(recipe)
    engine, w = NativeEngine(data.network, data.rows), data.network.start()
    whole = bits(descended(engine, w, 700))
    monkeypatch.setattr(native, "POLL_SECONDS", seconds)
    assert bits(descended(engine, w, 700)) == whole
    assert bits(descended(engine, w, 300, 300, 100)) == whole
    assert bits(descended(engine, w, 1, 2, 124, 1, 1, 128, 129, 300, 14)) == whole


@pytest.mark.parametrize("recipe", PAUSED.values(), ids=PAUSED)
def test_another_engine_goes_on_after_a_pause_with_the_same_bits(level: str, recipe: Recipe, monkeypatch) -> None:
    data = prepared(recipe)
    whole = bits(descended(NativeEngine(data.network, data.rows), data.network.start(), 700))
    monkeypatch.setattr(native, "POLL_SECONDS", 0.0)
    rates, pauses = np.full(700, 0.01), iter([False, False, True])
    descent = descended(NativeEngine(data.network, data.rows), data.network.start())
    first = NativeEngine(data.network, data.rows).steps(descent, rates, lambda done: next(pauses))
    assert 0 < first.steps < 700
    NativeEngine(data.network, data.rows).steps(descent, rates[first.steps :], lambda done: False)
    assert bits(descent) == whole


@pytest.mark.parametrize("recipe", PAUSED.values(), ids=PAUSED)
@pytest.mark.parametrize("count", [1, 2, 128, 129, 300, 301, 450])
def test_keeps_the_parameters_before_the_last_update(level: str, recipe: Recipe, count: int) -> None:
    data = prepared(recipe)
    engine, w = NativeEngine(data.network, data.rows), data.network.start()
    before = descended(engine, w, count - 1).w
    assert descended(engine, w, count).previous.tobytes() == before.tobytes()


def test_loss_and_gradient_are_of_the_parameters_at_hand_whatever_was_trained_before(level: str) -> None:
    data = prepared(PAUSED["one step of delta"])
    w = data.network.start()
    for Engine in (NativeEngine, ReferenceEngine):
        engine = Engine(data.network, data.rows)
        descended(engine, w, 450)
        (cost, g), (loss, A) = engine.cost_and_gradient(w), engine.evaluate(w, data.rows)
        if Engine is NativeEngine:
            expected = cost, g, loss, A
    for value, other in zip(expected, (cost, g, loss, A), strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-10, atol=1e-12)
