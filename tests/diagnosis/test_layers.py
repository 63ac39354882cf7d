from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests import torch_twin
from tests.diagnosis.faulty import NUMBERS, THREE, TWO, hidden, output, quadrants, three_blobs, waves

from unstuck import L1, L2, Adam, Constant, Dense, Dropout, Given, LeakyReLU, Network, Normal, Recipe
from unstuck.diagnosis.layers import look
from unstuck.engines.backprop import cost_and_gradient
from unstuck.engines.engine import Rows
from unstuck.training.prepare import prepare

MIXED = hidden(
    THREE, Dense(7, "tanh"), Dropout(0.5), Dense(6, "relu", bias_start=Normal(2.0)), Dense(5, LeakyReLU(0.2))
)
RECIPES = {
    "mixed layers": (MIXED, three_blobs()),
    "weights that saturate": (hidden(TWO, Dense(9, "sigmoid", weight_start=Normal(20.0))), quadrants()),
    "dead units": (hidden(TWO, Dense(9, "relu", bias_start=Normal(5.0)), Dense(4, "relu")), quadrants()),
    "equal units": (hidden(NUMBERS, Dense(6, "tanh", weight_start=Constant(0.1))), waves()),
    "no bias": (NUMBERS.replace(layers=tuple(layer.replace(bias=False) for layer in NUMBERS.layers)), waves()),
}


@pytest.fixture(params=RECIPES)
def looked_at(request):
    """A network, its parameters, its rows, and what `look` says."""
    recipe, (X, y) = RECIPES[request.param]
    prepared = prepare(recipe, X[:200], y[:200])
    w = prepared.network.start()
    return prepared.network, w.astype(np.float64), prepared.rows, look(prepared.network, w, prepared.rows)


def passed_through(network, w, X):
    """Layer by layer (z, a, W), in PyTorch; dropout lets everything through."""
    layers, x = [], torch.as_tensor(X, dtype=torch.float64)
    for layer in network.dense:
        W, b = torch.as_tensor(layer.W(w)).requires_grad_(), torch.as_tensor(layer.b(w))
        z = x @ W + (b if layer.has_bias else 0)
        z.retain_grad()
        x = torch_twin.ACTIVATIONS[layer.activation.kind](layer.activation, z)
        layers.append((z, x, W))
    return layers


def root_mean_square(values):
    return math.sqrt(np.mean(np.square(values)))


def test_signals_are_mean_and_spread_of_the_pre_activations(looked_at):
    network, w, rows, found = looked_at
    for layer, (z, _, _) in zip(found.layers, passed_through(network, w, rows.X), strict=True):
        assert layer.z_mean == pytest.approx(z.detach().numpy().mean(), rel=1e-5, abs=1e-7)
        assert layer.z_spread == pytest.approx(z.detach().numpy().std(), rel=1e-5)


def test_gradients_are_those_of_automatic_differentiation(looked_at):
    network, w, rows, found = looked_at
    layers = passed_through(network, w, rows.X)
    loss, last = network.recipe.loss, layers[-1][1]
    elements = torch_twin.LOSSES[loss.kind](loss, torch.as_tensor(rows.Y, dtype=torch.float64), last)
    torch_twin.reduced(loss, elements).backward()
    for layer, (_, _, W) in zip(found.layers, layers, strict=True):
        assert layer.gradient == pytest.approx(root_mean_square(W.grad.numpy()), rel=1e-4)


def test_the_noise_scale_is_that_of_the_gradients_row_by_row(looked_at):
    network, w, rows, found = looked_at
    loss, of_rows = network.recipe.loss, []
    for k in range(len(rows)):
        layers = passed_through(network, w, rows.X[k : k + 1])
        b = [layer.b(w) for layer in network.dense]
        target = torch.as_tensor(rows.Y[k : k + 1], dtype=torch.float64)
        torch_twin.reduced(loss, torch_twin.LOSSES[loss.kind](loss, target, layers[-1][1])).backward()
        of_biases = [z.grad.numpy().ravel()[: len(part)] for (z, _, _), part in zip(layers, b, strict=True)]
        parts = zip(layers, of_biases, strict=True)
        of_rows.append([np.append(W.grad.numpy().ravel(), of_bias) for (_, _, W), of_bias in parts])
    whole = [np.array([row[k] for row in of_rows]) for k in range(len(network.dense))]
    for g, layer in zip(whole, found.layers, strict=True):
        assert layer.noise_scale == pytest.approx(noise_scale(g), rel=1e-3)
    assert found.noise_scale == pytest.approx(noise_scale(np.hstack(whole)), rel=1e-3)


def noise_scale(g):
    """The simple noise scale of gradients, a row each."""
    noise = np.var(g, axis=0, ddof=1).sum()
    signal = (g.mean(axis=0) ** 2).sum() - noise / len(g)
    return 0 if noise == 0 else noise / signal if signal > 0 else math.inf


def test_at_the_noise_scale_a_batch_is_off_by_as_much_as_the_gradient_is_long():
    X, y = waves(256)
    prepared = prepare(NUMBERS, X, y)
    network, w = prepared.network, prepared.network.start().astype(np.float64)
    rows = int(look(network, w, prepared.rows).noise_scale + 0.5)
    random, everything = np.random.default_rng(0), prepared.rows
    whole = cost_and_gradient(network, w, everything.X, everything.Y)[1]
    errors = []
    for _ in range(2000):
        some = everything.pick(random.integers(0, 256, rows))
        errors.append(((cost_and_gradient(network, w, some.X, some.Y)[1] - whole) ** 2).sum())
    assert rows > 3
    assert np.mean(errors) == pytest.approx((whole**2).sum(), rel=0.15)


def test_a_gradient_that_is_zero_has_no_noise_and_one_that_is_noise_alone_has_no_end_of_it():
    X, y = waves()
    still = prepare(
        output(NUMBERS, Dense(1, "relu", weight_start=Given(((0.0,),) * 16), bias_start=Constant(-1))), X, y
    )
    assert look(still.network, still.network.start(), still.rows).noise_scale == 0
    centred = prepare(hidden(NUMBERS), X, y - y.mean())
    found = look(centred.network, np.zeros(centred.network.size), Rows(np.ones_like(X), y[:, None] - y.mean(), None))
    assert found.noise_scale > 1000


def test_dead_and_saturated_units_are_those_whose_slope_says_so(looked_at):
    network, w, rows, found = looked_at
    for seen, layer, (z, a, _) in zip(found.layers, network.dense, passed_through(network, w, rows.X), strict=True):
        if layer.activation.kind == "softmax":
            continue
        (slopes,) = torch.autograd.grad(a.sum(), z, retain_graph=True)
        steepest = {"sigmoid": 0.25, "tanh": 1.0}.get(layer.activation.kind)
        dead = [all(slope == 0 for slope in unit) for unit in slopes.numpy().T]
        flat = [steepest and np.abs(unit).mean() < 0.05 * steepest for unit in slopes.numpy().T]
        assert seen.dead == pytest.approx(np.mean(dead))
        assert seen.saturated == pytest.approx(np.mean([bool(f and not d) for f, d in zip(flat, dead, strict=True)]))


def test_a_unit_is_straight_that_stays_on_one_side_of_its_kink(looked_at):
    network, w, rows, found = looked_at
    for seen, layer, (z, _, _) in zip(found.layers, network.dense, passed_through(network, w, rows.X), strict=True):
        sides = [{value > 0 for value in unit} for unit in z.detach().numpy().T]
        kinked = layer.activation.kind in ("relu", "leaky_relu")
        assert seen.straight == pytest.approx(np.mean([kinked and len(side) == 1 for side in sides]))


def test_duplicates_are_units_that_equal_another_one(looked_at):
    network, w, rows, found = looked_at
    for seen, (_, a, _) in zip(found.layers, passed_through(network, w, rows.X), strict=True):
        units = a.detach().numpy().T
        scale = np.abs(units).max()
        twins = [
            any(j != k and np.abs(one - other).max() < 1e-6 * scale for k, other in enumerate(units))
            for j, one in enumerate(units)
        ]
        assert seen.duplicates == pytest.approx(np.mean(twins))


def test_the_effective_rank_is_the_entropy_of_the_principal_components(looked_at):
    network, w, rows, found = looked_at
    for seen, (_, a, _) in zip(found.layers, passed_through(network, w, rows.X), strict=True):
        covariance = np.atleast_2d(np.cov(a.detach().numpy().T))
        shares = np.clip(np.linalg.eigvalsh(covariance), 0, None)
        if shares.sum() < 1e-20:
            assert seen.rank == 0
            continue
        shares = [share for share in shares / shares.sum() if share > 1e-15]
        assert seen.rank == pytest.approx(math.exp(-sum(share * math.log(share) for share in shares)), rel=1e-3)
        assert seen.rank <= np.linalg.matrix_rank(a.detach().numpy() - a.detach().numpy().mean(axis=0)) + 1e-3


def test_weights_are_measured_beside_the_usual_start(looked_at):
    network, w, _, found = looked_at
    for seen, layer in zip(found.layers, network.dense, strict=True):
        W = layer.W(w)
        assert (seen.units, seen.inputs) == (layer.outputs, layer.inputs)
        assert seen.weights == pytest.approx(root_mean_square(W))
        assert seen.one_sided == pytest.approx(abs(W.mean()) / root_mean_square(W))


@pytest.mark.parametrize(("activation", "variance"), [("relu", 2 / 400), ("tanh", 2 / 500), ("sigmoid", 2 / 500)])
def test_the_usual_size_of_weights_is_that_of_he_or_glorot(activation, variance):
    network = Network(NUMBERS.replace(layers=[Dense(100, activation, weight_start=Normal(3.0)), Dense(1)]), 400)
    rows = Rows(np.random.default_rng(0).normal(size=(50, 400)), np.zeros((50, 1)), None)
    first = look(network, network.start(), rows).layers[0]
    assert first.usual == pytest.approx(math.sqrt(variance), rel=0.02)
    assert first.weights / first.usual == pytest.approx(3 / math.sqrt(variance), rel=0.03)


def test_penalties_are_measured_beside_the_gradient():
    X, y = waves()
    recipe = NUMBERS.replace(penalties=[L2(0.1), L1(0.01)])
    prepared = prepare(recipe, X, y)
    w = prepared.network.start()
    for seen, layer in zip(look(prepared.network, w, prepared.rows).layers, prepared.network.dense, strict=True):
        W = torch.as_tensor(layer.W(w.astype(np.float64))).requires_grad_()
        (sum(penalty_of(penalty, W) for penalty in recipe.penalties)).backward()
        assert seen.penalty == pytest.approx(root_mean_square(W.grad.numpy()), rel=1e-4)
    assert look(prepare(NUMBERS, X, y).network, w, prepared.rows).layers[0].penalty == 0


def penalty_of(penalty, W):
    return penalty.strength * (W.abs().sum() if isinstance(penalty, L1) else (W**2).sum() / 2)


def test_row_weights_weigh_the_gradient():
    X, y = quadrants()
    weighted = prepare(TWO.replace(class_weights={0: 1, 1: 3}), X, y)
    few = Rows(weighted.rows.X[:100], weighted.rows.Y[:100], weighted.rows.weights[:100])
    repeated = np.concatenate([np.arange(100), *[np.flatnonzero(y[:100])] * 2])
    many = Rows(weighted.rows.X[repeated], weighted.rows.Y[repeated], None)
    w = weighted.network.start()
    for one, other in zip(look(weighted.network, w, few).layers, look(weighted.network, w, many).layers, strict=True):
        assert one.gradient == pytest.approx(other.gradient, rel=1e-5)


def test_a_network_of_identities_is_a_straight_line_and_a_bent_one_is_not():
    X, y = waves()
    straight, bent = (prepare(hidden(NUMBERS, Dense(16, f)), X, y) for f in ("identity", "relu"))
    assert look(straight.network, straight.network.start(), straight.rows).linear == pytest.approx(1)
    assert look(bent.network, bent.network.start(), bent.rows).linear < 0.95


def test_outputs_and_targets_are_measured():
    X, y = waves()
    prepared = prepare(output(NUMBERS, Dense(1, "sigmoid")), X, 3 * y)
    w = prepared.network.start()
    found = look(prepared.network, w, prepared.rows)
    rows = np.linspace(0, len(X) - 1, 256).astype(int)
    outputs = passed_through(prepared.network, w.astype(np.float64), X[rows])[-1][1].detach().numpy()
    assert found.target_spread == pytest.approx(3 * y[rows].std(), rel=1e-5)
    assert found.outside == np.mean((3 * y[rows] < 0) | (3 * y[rows] > 1))
    assert found.output_spread == pytest.approx(outputs.std(), rel=1e-5)


def test_units_that_start_equal_have_a_rank_of_one():
    X, y = waves()
    equal = prepare(hidden(NUMBERS, Dense(8, "tanh", weight_start=Constant(0.3))), X, y)
    found = look(equal.network, equal.network.start(), equal.rows).layers[0]
    assert found.duplicates == 1
    assert found.rank == pytest.approx(1)
    assert found.one_sided == pytest.approx(1)


def test_numbers_that_overflow_are_said_and_do_no_harm():
    X, y = waves()
    prepared = prepare(hidden(NUMBERS, Dense(4, "exponential", weight_start=Constant(1e4))), X, y)
    found = look(prepared.network, prepared.network.start(), prepared.rows)
    assert found.layers[0].gradient == math.inf
    assert found.linear == 0
    assert found.layers[0].rank == 0


def test_a_network_of_one_row_one_unit_and_no_hidden_layer_can_be_looked_at():
    prepared = prepare(Recipe([Dense(1)], loss="squared_error", optimizer=Adam()), [[1.0]], [2.0])
    found = look(prepared.network, prepared.network.start(), prepared.rows)
    assert found.hidden == ()
    assert found.output.duplicates == 0
    assert found.output_spread == 0


def test_given_weights_are_seen_as_they_are():
    given = Given(((3.0, -3.0), (3.0, 3.0), (3.0, 3.0)))
    prepared = prepare(hidden(NUMBERS, Dense(2, "relu", weight_start=given)), *waves())
    first = look(prepared.network, prepared.network.start(), prepared.rows).layers[0]
    assert first.weights == pytest.approx(3)
    assert first.one_sided == pytest.approx(2 / 3)
