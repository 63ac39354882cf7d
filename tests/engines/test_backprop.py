from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_sample_weight
from tests import torch_twin

from unstuck.engines import ENGINES
from unstuck.engines.backprop import cost, cost_and_gradient, forward
from unstuck.functions.activations import Activation, LeakyReLU
from unstuck.functions.losses import Hinge, Loss, SquaredError
from unstuck.functions.optimizers import AdaptiveRMSProp, Optimizer
from unstuck.functions.penalties import L1, L2, DecoupledDecay, MaxNorm
from unstuck.functions.schedules import CosineDecay, ExponentialDecay, OneCycle, ReduceOnPlateau, StepDecay, WarmUp
from unstuck.network import Network
from unstuck.recipe import Dense, Dropout, Recipe
from unstuck.training import train

EXACT = {"precision": "float64", "seed": 11}


def data(recipe, rows, inputs, seed=0):
    """X, and targets that suit the loss; any would do."""
    random = np.random.default_rng(seed)
    X, shape = random.normal(size=(rows, inputs)), (rows, recipe.outputs)
    draw = {
        "categorical_crossentropy": lambda: random.dirichlet(np.ones(shape[1]), rows),
        "binary_crossentropy": lambda: random.uniform(size=shape),
        "hinge": lambda: random.choice([-1.0, 1.0], shape),
        "poisson": lambda: random.poisson(2, shape).astype(float),
    }
    return X, draw.get(recipe.loss.kind, lambda: random.normal(size=shape))()


def assert_agrees_with_pytorch(recipe, X, Y, weights=None, t=None):
    network = Network(recipe, X.shape[1])
    w = np.random.default_rng(1).normal(scale=0.5, size=network.size)
    with np.errstate(all="ignore"):
        value, g = cost_and_gradient(network, w, X, Y, weights, t)
        assert value == cost(network, w, X, Y, weights, t)
    W = torch.tensor(w, requires_grad=True)
    tensors = [None if array is None else torch.tensor(array) for array in (X, Y, weights)]
    expected = torch_twin.cost(recipe, W, *tensors, t)
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(g, W.grad.numpy(), rtol=1e-9, atol=1e-9 * max(1, np.abs(g).max()))


@pytest.mark.parametrize("loss", Loss.family)
@pytest.mark.parametrize("activation", Activation.family)
def test_every_output_activation_with_every_loss(activation, loss):
    recipe = Recipe([Dense(4, "tanh"), Dense(3, activation)], loss=loss, **EXACT)
    assert_agrees_with_pytorch(recipe, *data(recipe, rows=6, inputs=5))


activations = st.sampled_from([*Activation.family, LeakyReLU(slope=0.3)])
dense = st.builds(Dense, st.integers(1, 4), activations, st.booleans())
dropout = st.builds(Dropout, st.sampled_from([0, 0.2, 0.7]))
strength, on = st.sampled_from([0, 0.01, 1]), st.sampled_from(["weights", "all"])
losses = st.sampled_from([*Loss.family, SquaredError(half=True), SquaredError(outputs="sum"), Hinge(rows="sum")])


@st.composite
def recipes(draw):
    layers = []
    for layer in draw(st.lists(dense, min_size=1, max_size=3)):
        layers += [draw(dropout), layer] if draw(st.booleans()) else [layer]
    penalties = draw(st.lists(st.builds(L1, strength, on) | st.builds(L2, strength, on), max_size=2))
    return Recipe(layers, loss=draw(losses), penalties=penalties, **EXACT)


@settings(max_examples=300, deadline=None)
@given(
    recipe=recipes(),
    rows=st.integers(1, 6),
    inputs=st.integers(1, 4),
    weighted=st.booleans(),
    t=st.none() | st.integers(0, 9),
)
def test_networks_of_any_shape(recipe, rows, inputs, weighted, t):
    X, Y = data(recipe, rows, inputs)
    weights = np.random.default_rng(2).uniform(0, 2, rows) if weighted else None
    assert_agrees_with_pytorch(recipe, X, Y, weights, t)


def test_dropout_in_evaluation_does_nothing():
    X = np.random.default_rng(0).normal(size=(5, 3))
    with_dropout = Recipe([Dropout(0.4), Dense(4, "tanh"), Dropout(0.5), Dense(2)], loss="squared_error", **EXACT)
    without = with_dropout.replace(layers=[Dense(4, "tanh"), Dense(2)])
    w = np.random.default_rng(1).normal(size=Network(without, 3).size)
    outputs = [forward(Network(recipe, 3), w, X)[-1].a for recipe in (with_dropout, without)]
    assert np.array_equal(*outputs)


def test_float32_stays_float32():
    layers = [Dropout(0.3), Dense(4, "gelu"), Dense(3, "softmax")]
    recipe = Recipe(layers, loss="categorical_crossentropy", penalties=[L2(1)])
    X, Y = (array.astype(np.float32) for array in data(recipe, rows=6, inputs=5))
    network = Network(recipe, 5)
    traces = forward(network, network.start(), X, t=0)
    assert {array.dtype for trace in traces for array in (trace.x, trace.z, trace.a)} == {np.dtype(np.float32)}
    assert cost_and_gradient(network, network.start(), X, Y, np.ones(6, np.float32), 0)[1].dtype == np.float32


# Whole trainings: 40 rows in batches of 12 make 4 updates an epoch, the last of 4 rows; 5 epochs make 20 updates.

BY_EVERY_ENGINE = pytest.mark.parametrize("engine", ENGINES)
BASE = Recipe([Dense(5, "tanh"), Dense(2)], loss="squared_error", batch_size=12, epochs=5, **EXACT)


def assert_training_agrees_with_pytorch(engine, recipe, X, y, Y, sample_weight=None, row_weights=None):
    run = train(recipe, X, y, sample_weight=sample_weight, engine=engine, progress=False)
    expected = torch_twin.train(recipe, X, Y, sample_weight if row_weights is None else row_weights)
    start = Network(recipe, X.shape[1]).start()
    assert np.abs(expected - start).max() > 1e-3  # it went somewhere
    np.testing.assert_allclose(run.final_parameters, expected, rtol=1e-9, atol=1e-9)


@BY_EVERY_ENGINE
@pytest.mark.parametrize("kind", [kind for kind in Optimizer.family if kind != "lbfgs"])
@pytest.mark.parametrize("batch_size", [12, "full"])
def test_trainings_by_every_optimizer(engine, kind, batch_size):
    recipe = BASE.replace(optimizer=kind, batch_size=batch_size, epochs=5 if batch_size == 12 else 20)
    X, Y = data(recipe, rows=40, inputs=3)
    assert_training_agrees_with_pytorch(engine, recipe, X, Y, Y)


@BY_EVERY_ENGINE
@pytest.mark.parametrize(
    "changes",
    [
        {"shuffle": False},
        {"batch_size": 1, "epochs": 1},
        {"batch_size": 100, "epochs": 20},
        {"layers": [Dropout(0.2), Dense(8, "relu"), Dropout(0.5), Dense(4, "sigmoid", bias=False), Dense(2)]},
        {"clip_value": 0.05},
        {"clip_norm": 0.1},
        {"clip_value": 0.1, "clip_norm": 0.2},
        {"clip_norm": 1e6},
        {"penalties": [L1(0.02)]},
        {"penalties": [L2(0.1, on="all"), L1(0.01, on="all")]},
        {"penalties": [DecoupledDecay(0.5)]},
        {"penalties": [DecoupledDecay(0.5, on="all"), L2(0.1)]},
        {"penalties": [MaxNorm(0.5)]},
        {"penalties": [L2(0.3), DecoupledDecay(0.3), MaxNorm(0.8)], "clip_norm": 0.3},
        {"schedule": StepDecay(every=2, drop=0.3)},
        {"schedule": ExponentialDecay(0.7)},
        {"schedule": "inverse_scaling"},
        {"schedule": CosineDecay(final=0.1)},
        {"schedule": WarmUp(epochs=1.5, then=CosineDecay())},
        {"schedule": OneCycle(rise=0.4)},
        {"schedule": ReduceOnPlateau(drop=0.3, patience=0, threshold=0.5)},
        {"schedule": CosineDecay(), "penalties": [DecoupledDecay(0.5)]},
        {"optimizer": AdaptiveRMSProp(learning_rate=0.03), "schedule": "one_cycle", "clip_value": 0.1},
        {"optimizer": "adamw", "layers": [Dense(6, "gelu"), Dropout(0.3), Dense(2, "softplus")], "loss": "poisson"},
        {"seed": 2**40 + 3},
    ],
    ids=repr,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_trainings_with_everything_a_recipe_can_say(engine, changes, weighted):
    recipe = BASE.replace(optimizer={"kind": "momentum", "learning_rate": 0.05}).replace(**changes)
    X, Y = data(recipe, rows=40, inputs=3)
    weights = np.random.default_rng(3).uniform(0, 2, 40) if weighted else None
    assert_training_agrees_with_pytorch(engine, recipe, X, Y, Y, weights)


@BY_EVERY_ENGINE
@pytest.mark.parametrize("class_weights", ["balanced", {"a": 0.5, "c": 3}])
@pytest.mark.parametrize("weighted", [False, True])
def test_trainings_with_class_weights(engine, class_weights, weighted):
    layers = [Dense(5, "relu"), Dense(3, "softmax")]
    recipe = BASE.replace(layers=layers, loss="categorical_crossentropy", class_weights=class_weights)
    random = np.random.default_rng(4)
    X, y = random.normal(size=(40, 3)), random.choice(["a", "b", "c"], 40, p=[0.6, 0.3, 0.1])
    sample_weight = random.uniform(0, 2, 40) if weighted else None
    of_classes = compute_sample_weight("balanced" if class_weights == "balanced" else {**class_weights, "b": 1}, y)
    Y = (y[:, None] == ["a", "b", "c"]).astype(float)
    row_weights = of_classes if sample_weight is None else of_classes * sample_weight
    assert_training_agrees_with_pytorch(engine, recipe, X, y, Y, sample_weight, row_weights)


@BY_EVERY_ENGINE
def test_clipping_by_norm_holds_where_the_square_of_the_norm_overflows(engine):
    recipe = Recipe([Dense(1)], loss="squared_error", optimizer={"kind": "sgd", "learning_rate": 0.25}, clip_norm=1)
    recipe = recipe.replace(epochs=1, batch_size="full", precision="float32")
    before = Network(recipe, 1).start()
    after = train(recipe, np.array([[3e12]]), np.array([3e12]), engine=engine, progress=False).final_parameters
    assert np.linalg.norm(after - before) == pytest.approx(0.25, rel=1e-6)


@BY_EVERY_ENGINE
def test_the_history_holds_the_mean_cost_of_the_updates(engine):
    recipe = BASE.replace(epochs=1, batch_size="full", penalties=[L2(0.1)])
    X, Y = data(recipe, rows=40, inputs=3)
    w = torch.tensor(Network(recipe, 3).start())
    expected = torch_twin.cost(recipe, w, torch.tensor(X), torch.tensor(Y))
    run = train(recipe, X, Y, engine=engine, progress=False)
    assert run.history["loss"][0] == pytest.approx(expected.item(), rel=1e-12)
