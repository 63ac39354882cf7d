"""Small networks are trained with lane = row of the batch: the numbers of the reference engine, where it pays."""

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
    Adam,
    Dense,
    Dropout,
    Given,
    Huber,
    Identity,
    LeakyReLU,
    Momentum,
    Normal,
    OneCycle,
    Recipe,
    ReLU,
    Run,
    SquaredError,
    Targets,
    train,
)
from unstuck.engines import native
from unstuck.engines.native import NativeEngine
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import Optimizer
from unstuck.training.prepare import prepare

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(70, 3))
LABELS = np.arange(70) % 3
ONE_HOT = np.eye(3)[LABELS]
CORNERS = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
XOR = np.array([0, 1, 1, 0])
TOLERANCE = {"float64": 1e-9, "float32": 5e-3}
STEPPING = sorted(set(Optimizer.family) - {"lbfgs"})
KNOWN_FROM_A = ["identity", "leaky_relu", "relu", "sigmoid", "tanh"]
PRECISIONS = ["float64", "float32"]

TWO_SLOPES = [Identity(), ReLU(), *(LeakyReLU(slope) for slope in (0.0, 0.01, 0.3, 1.0, 2.5))]

precisions = pytest.mark.parametrize("precision", PRECISIONS)


def trainer_name(recipe: Recipe, X: np.ndarray, y: np.ndarray) -> str:
    data = prepare(recipe, X, y)
    return NativeEngine(data.network, data.rows)._trainer.name


def trained(recipe: Recipe, X: np.ndarray, y: np.ndarray, **options: object) -> Run:
    """Train on the compiled engine, in lanes of rows, and compare with the reference engine."""
    single = recipe.rows_per_batch(len(X)) == 1  # which has a trainer of its own
    assert trainer_name(recipe, X, y) in ("row lanes", "single rows" if single else "")
    expected, run = (train(recipe, X, y, engine=name, progress=False, **options) for name in ("reference", "native"))
    assert (run.stopped, run.failure) == (expected.stopped, expected.failure)
    tolerance = TOLERANCE[recipe.precision]
    scale = np.abs(expected.final_parameters).max()
    np.testing.assert_allclose(run.final_parameters, expected.final_parameters, rtol=0, atol=tolerance * scale)
    assert len(run.history) == len(expected.history)
    if len(run.history):
        losses = (one.history["loss"] for one in (run, expected))
        np.testing.assert_allclose(*losses, rtol=10 * tolerance, atol=tolerance)
    return run


@precisions
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("hidden", [2, 3, 4])
def test_sizes_compiled_in(level: str, hidden: int, outputs: int, precision: str) -> None:
    train_size(4, hidden, outputs, precision)


@pytest.mark.parametrize(
    ("rows", "hidden", "outputs", "precision", "level"),
    rotated(HERE, [1, 2, 4, 5], range(1, 6), [1, 2, 3], PRECISIONS),
    indirect=["level"],
)
def test_sizes_around_those_compiled_in(level: str, rows: int, hidden: int, outputs: int, precision: str) -> None:
    train_size(rows, hidden, outputs, precision)


def train_size(rows: int, hidden: int, outputs: int, precision: str) -> None:
    head = Dense(outputs, "softmax" if outputs > 1 else "sigmoid")
    loss = "categorical_crossentropy" if outputs > 1 else "binary_crossentropy"
    random = np.random.default_rng(rows)
    X, Y = random.normal(size=(rows, 2)), random.random((rows, outputs))
    recipe = Recipe([Dense(hidden, "sigmoid"), head], loss=loss, optimizer=Momentum(0.1), targets=Targets("numbers"))
    trained(recipe.replace(batch_size="full", epochs=30, precision=precision), X, Y)


@pytest.mark.parametrize(
    ("hidden", "output", "precision", "level"),
    rotated(HERE, KNOWN_FROM_A, KNOWN_FROM_A, PRECISIONS),
    indirect=["level"],
)
def test_activations_of_networks_compiled_in(level: str, hidden: str, output: str, precision: str) -> None:
    layers = [Dense(4, hidden), Dense(1, output, weight_start=Normal(0.5))]
    recipe = Recipe(layers, loss=SquaredError(half=True), optimizer=SGD(0.1), batch_size="full", epochs=50)
    trained(recipe.replace(precision=precision), CORNERS, XOR)


@pytest.mark.parametrize(("output", "loss", "level"), rotated(HERE, Activation.family, Loss.family), indirect=["level"])
def test_every_pairing(level: str, output: str, loss: str) -> None:
    layers = [Dense(5, "tanh"), Dense(4, "sigmoid", bias=False), Dense(3, output, weight_start=Normal(0.3))]
    Y = 2 * ONE_HOT - 1 if loss == "hinge" else ONE_HOT
    recipe = Recipe(layers, loss=loss, optimizer=SGD(0.01), batch_size="full", epochs=10, precision="float64")
    trained(recipe, X, Y)


@precisions
@pytest.mark.parametrize("hidden", Activation.family)
def test_every_hidden_activation(level: str, hidden: str, precision: str) -> None:
    start = Normal(0.2)
    layers = [Dense(6, hidden, weight_start=start), Dense(7, hidden, weight_start=start), Dense(1)]
    recipe = Recipe(layers, loss="squared_error", optimizer=SGD(0.01), batch_size=33, epochs=10, precision=precision)
    trained(recipe, X, X[:, 0] ** 2)


@precisions
@pytest.mark.parametrize("hidden", Activation.family)
def test_curves(level: str, hidden: str, precision: str) -> None:
    layers = [Dense(21, hidden, weight_start=Normal(0.5)), Dense(1)]
    recipe = Recipe(layers, loss="squared_error", optimizer=SGD(0.02), batch_size="full", epochs=50)
    trained(recipe.replace(precision=precision), X[:, :1], X[:, 0] ** 2)


@precisions
@pytest.mark.parametrize("hidden", TWO_SLOPES, ids=str)
@pytest.mark.parametrize("output", ["identity", "leaky_relu", "sigmoid"])
def test_splines(level: str, hidden: Activation, output: str, precision: str) -> None:
    loss = "binary_crossentropy" if output == "sigmoid" else "squared_error"
    layers = [Dense(13, hidden, weight_start=Normal(0.8), bias_start=Normal(0.5)), Dense(1, output)]
    recipe = Recipe(layers, loss=loss, optimizer=SGD(0.05), epochs=200, record_every=40, targets=Targets("numbers"))
    for batches in ({"batch_size": "full"}, {"batch_size": 16}):  # splines, and what mini-batches take
        trained(recipe.replace(precision=precision, **batches), X[:, :1], X[:, 0] ** 2 > 0.5)


@given(
    units=st.integers(1, 20),
    hidden=st.sampled_from(TWO_SLOPES),
    biases=st.tuples(st.booleans(), st.booleans()),
    rows=st.integers(2, 90),
    grid=st.sampled_from([1, 3, 1000]),
    weighted=st.booleans(),
    optimizer=st.sampled_from([SGD(0.01), Momentum(0.005), Adam(0.01)]),
    every=st.sampled_from([1, 100]),  # updates a call: knots are found anew, or moved
    seed=st.integers(0, 2**32),
)
@settings(max_examples=100, deadline=None)
def test_any_spline(units, hidden, biases, rows, grid, weighted, optimizer, every, seed) -> None:
    layers = [Dense(units, hidden, bias=biases[0], weight_start=Normal(0.5)), Dense(1, bias=biases[1])]
    recipe = Recipe(layers, loss="squared_error", optimizer=optimizer, batch_size="full", epochs=100, seed=seed)
    recipe = recipe.replace(record_every=every)
    random = np.random.default_rng(seed)
    x = np.round(random.normal(size=(rows, 1)) * grid) / grid  # the same x many times over
    weights = random.integers(0, 3, rows) + np.eye(rows)[0] if weighted else None
    trained(recipe.replace(precision="float64"), x, random.normal(size=rows), sample_weight=weights)


@pytest.mark.parametrize("hidden", TWO_SLOPES, ids=str)
@pytest.mark.parametrize("optimizer", STEPPING)
def test_splines_by_every_optimizer(optimizer: str, hidden: Activation) -> None:
    recipe = Recipe([Dense(9, hidden), Dense(1)], loss="squared_error", optimizer=optimizer, batch_size="full")
    trained(recipe.replace(epochs=50, precision="float64"), X[:, :1], X[:, 0] ** 2)


@pytest.mark.parametrize("hidden", TWO_SLOPES, ids=str)
def test_a_unit_is_not_active_on_a_row_at_its_knot(level: str, hidden: Activation) -> None:
    x = np.arange(-4.0, 5)
    w = np.array([1, -1, 2, -2, 0.5, -0.5, 0, 0, 0, 1, -1, 1, -1])
    b = -w * np.array([0, 0, 1, -3, 4, 4, 0, 0, 0, -4, -4, 9, -9]) + np.array([0] * 6 + [0, 1, -1] + [0] * 4)
    z = x[:, None] * w + b
    assert ((z == 0).any(axis=0) == [1] * 7 + [0, 0, 1, 1, 0, 0]).all()
    first = Dense(13, hidden, weight_start=Given(w[None]), bias_start=Given(b))
    recipe = Recipe([first, Dense(1)], loss="squared_error", optimizer=SGD(1e-3), batch_size="full", epochs=1)
    trained(recipe.replace(precision="float64"), x[:, None], np.sin(x))


@pytest.mark.parametrize("first_x", [-1.0, 1.0])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("hidden", TWO_SLOPES, ids=str)
def test_slopes_change_places_when_a_weight_changes_its_sign(
    level: str, hidden: Activation, bias: bool, first_x: float
) -> None:
    x = np.linspace(first_x, 2, 9)[:, None]
    first = Dense(1, hidden, bias=bias, weight_start=Given(np.array([[0.1]])))
    layers = [first, Dense(1, bias=False, weight_start=Given(np.ones((1, 1))))]
    recipe = Recipe(layers, loss="squared_error", optimizer=SGD(0.05), batch_size="full", epochs=3, record_every=3)
    run = trained(recipe.replace(precision="float64"), x, -2 * x[:, 0])
    assert run.final_parameters[0] < 0


def test_where_the_gradient_is_zero_adam_stays(level: str) -> None:
    x = X[:, :1]
    weights = (x[:, 0] < 0.3).astype(float)
    w, b = np.ones((1, 12)), -np.linspace(-1.5, 1.5, 12)  # the knots: beyond 0.3 there is no weight
    layers = [Dense(12, "relu", weight_start=Given(w), bias_start=Given(b)), Dense(1)]
    recipe = Recipe(layers, loss="squared_error", optimizer=Adam(0.01), batch_size="full", epochs=10)
    run = trained(recipe.replace(precision="float64"), x, x[:, 0] ** 2, sample_weight=weights)
    assert (run.final_parameters[:12] == 1).sum() == 5


@pytest.mark.parametrize("hidden", ["relu", "leaky_relu", "identity"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_an_overflow_before_small_weights_is_found(level: str, hidden: str, sign: int) -> None:
    x = np.linspace(1, 2, 9)[:, None] * 1e10
    first = Dense(4, hidden, weight_start=Given(sign * np.array([[1.0, 1, 1, 1e300]])))
    layers = [first, Dense(1, weight_start=Given(np.full((4, 1), 1e-305)))]
    recipe = Recipe(layers, loss="squared_error", optimizer=SGD(1e-30), batch_size="full", epochs=2)
    run = trained(recipe.replace(precision="float64"), x, np.zeros(9))
    assert run.stopped == ("all epochs" if hidden == "relu" and sign < 0 else "diverged")


BATCHES = {
    "full": {"batch_size": "full"},
    "shuffled": {"batch_size": 16, "schedule": OneCycle()},
    "in order": {"batch_size": 7, "shuffle": False, "class_weights": "balanced"},
}


@pytest.mark.parametrize(
    ("optimizer", "layers", "level", "precision", "batches"),
    rotated([*BATCHES], STEPPING, [[4, 3], [5, 4, 3]], HERE, PRECISIONS),
    indirect=["level"],
    ids=str,
)
def test_every_optimizer(level: str, optimizer: str, layers: list[int], batches: str, precision: str) -> None:
    *hidden, last = layers
    recipe = Recipe(
        [*(Dense(units, "tanh") for units in hidden), Dense(last, "softmax")],
        loss="categorical_crossentropy",
        optimizer=optimizer,
        epochs=8,
        precision=precision,
        **BATCHES[batches],
    )
    trained(recipe, X, LABELS, sample_weight=np.random.default_rng(1).random(70))


@pytest.mark.parametrize("optimizer", STEPPING)
def test_every_optimizer_in_registers(level: str, optimizer: str) -> None:
    recipe = Recipe([Dense(3, "tanh"), Dense(2, "softmax")], loss="categorical_crossentropy", optimizer=optimizer)
    recipe = recipe.replace(batch_size="full", epochs=30, precision="float64")
    trained(recipe, CORNERS, XOR, sample_weight=[1.0, 2.0, 0.0, 0.5])


@pytest.mark.parametrize(
    ("rows", "units", "level", "precision"),
    rotated(PRECISIONS, [1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 65, 201, 1024], [[20, 1], [6, 2], [5, 5, 1]], HERE),
    indirect=["level"],
    ids=str,
)
def test_any_number_of_rows(level: str, rows: int, units: list[int], precision: str) -> None:
    *hidden, last = units
    layers = [*(Dense(count, "leaky_relu", weight_start=Normal(0.3)) for count in hidden), Dense(last)]
    random = np.random.default_rng(rows)
    X, Y = random.normal(size=(rows, 1)), random.normal(size=(rows, last))
    recipe = Recipe(layers, loss=Huber(0.5) if last == 2 else "squared_error", optimizer=Adam(0.01), batch_size="full")
    trained(recipe.replace(epochs=20, precision=precision, targets=Targets("numbers")), X, Y)


@given(
    hidden=st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(sorted(Activation.family)), st.booleans()), max_size=3
    ),
    rows=st.integers(1, 90),
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 4),
    batch=st.one_of(st.integers(8, 40), st.just("full")),
    weighted=st.booleans(),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_any_shape(hidden, rows, inputs, outputs, batch, weighted, seed) -> None:
    layers = [Dense(*shape, weight_start=Normal(0.1)) for shape in hidden] + [Dense(outputs, weight_start=Normal(0.1))]
    recipe = Recipe(layers, loss="squared_error", optimizer=SGD(1e-3), batch_size=batch, epochs=5, precision="float64")
    random = np.random.default_rng(seed)
    X, Y = random.normal(size=(rows, inputs)), random.normal(size=(rows, outputs))
    weights = 0.1 + random.random(rows) if weighted else None
    trained(recipe.replace(seed=seed, targets=Targets("numbers")), X, Y, sample_weight=weights)


@precisions
@pytest.mark.parametrize(
    ("units", "activation", "rows"),
    [
        ([3, 1], "identity", 4),
        ([3, 1], "relu", 4),
        ([30, 1], "leaky_relu", 70),
        ([30, 1], "identity", 70),
        ([4, 4, 1], "exponential", 70),
    ],
    ids=str,
)
def test_divergence_is_found_at_the_same_step(
    level: str, units: list[int], activation: str, rows: int, precision: str
) -> None:
    layers = [*(Dense(count, activation) for count in units[:-1]), Dense(1)]
    recipe = Recipe(layers, loss="squared_error", optimizer=SGD(3.0), batch_size="full", epochs=2000)
    inputs = 1 if units[0] == 30 else 2
    run = trained(recipe.replace(precision=precision), X[:rows, :inputs], X[:rows, 0] + 1)
    assert run.stopped == "diverged"


@pytest.mark.parametrize(
    ("units", "hidden", "inputs", "rows", "batch"),
    [
        ([2, 1], "tanh", 2, 4, "full"),
        ([16, 1], "tanh", 1, 70, "full"),
        ([16, 1], "relu", 1, 70, "full"),
        ([5, 3, 1], "tanh", 3, 70, "full"),
        ([5, 1], "tanh", 3, 70, 20),
    ],
    ids=str,
)
@pytest.mark.parametrize("optimizer", ["momentum", "adam", "nadam"])
def test_pauses_leave_the_same_bits(
    level: str,
    monkeypatch: pytest.MonkeyPatch,
    optimizer: str,
    units: list[int],
    hidden: str,
    inputs: int,
    rows: int,
    batch: object,
) -> None:
    layers = [*(Dense(count, hidden) for count in units[:-1]), Dense(1)]
    recipe = Recipe(layers, loss="squared_error", optimizer=optimizer, batch_size=batch, epochs=150, record_every=75)
    runs = []
    for seconds in (60.0, 1e-5, 0.0):
        monkeypatch.setattr(native, "POLL_SECONDS", seconds)
        runs.append(train(recipe, X[:rows, :inputs], X[:rows, 0] ** 2, engine="native", progress=False))
    assert trainer_name(recipe, X[:rows, :inputs], X[:rows, 0]) == "row lanes"
    assert len({run.final_parameters.tobytes() for run in runs}) == 1
    assert len({run.history["loss"].tobytes() for run in runs}) == 1


@pytest.mark.parametrize(
    ("units", "inputs", "rows", "batch"), [([3, 1], 2, 4, "full"), ([16, 1], 1, 70, "full"), ([8, 1], 3, 70, 20)]
)
def test_training_stops_at_the_wanted_loss(level: str, units: list[int], inputs: int, rows: int, batch: object) -> None:
    layers = [Dense(units[0], "tanh"), Dense(1)]
    recipe = Recipe(layers, loss="squared_error", optimizer=Adam(0.01), batch_size=batch, epochs=3000, stop_at_loss=0.1)
    run = trained(recipe.replace(precision="float64"), X[:rows, :inputs], X[:rows, 0] ** 2)
    assert run.stopped == "target loss"


def test_what_panels_do_better_is_left_to_them(level: str) -> None:
    layers = [Dense(200, "relu"), Dense(200, "relu"), Dense(3, "softmax")]
    wide = Recipe(layers, loss="categorical_crossentropy", batch_size=16)
    assert trainer_name(wide, X, LABELS) == "panels"
    small = Recipe([Dense(4, "relu"), Dense(3, "softmax")], loss="categorical_crossentropy", batch_size="full")
    assert trainer_name(small, X, LABELS) == "row lanes"
    for other in (
        small.replace(layers=[Dense(4, "relu"), Dropout(0.1), Dense(3, "softmax")]),
        small.replace(penalties=[L2(0.1)]),
        small.replace(clip_norm=1.0),
        small.replace(clip_value=1.0),
    ):
        assert trainer_name(other, X, LABELS) == "panels"
