from __future__ import annotations

import numpy as np
import pytest

from unstuck.errors import RecipeError
from unstuck.functions.activations import Activation
from unstuck.functions.initializers import Given, Normal
from unstuck.network import LARGEST_NETWORK, DropoutLayer, Network
from unstuck.recipe import LARGEST_LAYER, Dense, Dropout, Recipe


def network(*layers, inputs=3, **fields):
    return Network(Recipe(layers, loss="squared_error", **fields), inputs)


def test_parameters_lie_layer_after_layer_weights_row_by_row_then_biases():
    net = network(Dense(2), Dropout(0.1), Dense(2, bias=False), Dense(1))
    assert net.size == 6 + 2 + 4 + 0 + 2 + 1
    w = np.arange(float(net.size))
    views = {name: view.tolist() for name, view in net.views(w).items()}
    assert views == {
        "W1": [[0, 1], [2, 3], [4, 5]],
        "b1": [6, 7],
        "W2": [[8, 9], [10, 11]],
        "W3": [[12], [13]],
        "b3": [14],
    }


def test_views_share_memory():
    net = network(Dense(2), Dense(1))
    w = np.zeros(net.size)
    for number, view in enumerate(net.views(w).values(), start=1):
        view += number
    assert w.tolist() == [1] * 6 + [2] * 2 + [3] * 2 + [4]


def test_layers_know_their_place_and_their_shapes():
    net = network(Dropout(0.2), Dense(4, "relu"), Dropout(0.5), Dense(2))
    assert [layer.index for layer in net.dense] == [1, 3]
    assert [(layer.inputs, layer.outputs) for layer in net.dense] == [(3, 4), (4, 2)]
    dropouts = [layer for layer in net.layers if isinstance(layer, DropoutLayer)]
    assert [(layer.units, layer.rate) for layer in dropouts] == [(3, 0.2), (4, 0.5)]
    assert (net.inputs, net.outputs) == (3, 2)


def test_penalties_reach_the_weights_or_everything():
    net = network(Dense(2), Dense(1, bias=False))
    w = np.zeros(net.size)
    for part in net.on("weights"):
        w[part] += 1
    assert w.tolist() == [1] * 6 + [0] * 2 + [1] * 2
    assert [w[part].size for part in net.on("all")] == [net.size]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_same_seed_same_start_in_either_precision(precision):
    layers = [Dense(4, "relu"), Dense(2, bias_start=Normal(0.1))]
    start = network(*layers, seed=5, precision=precision).start()
    assert start.dtype == precision
    assert np.array_equal(start, network(*layers, seed=5, precision=precision).start())
    assert np.array_equal(start, network(*layers, seed=5, precision="float64").start().astype(precision))
    assert not np.array_equal(start, network(*layers, seed=6, precision=precision).start())


def test_layers_and_their_weights_and_biases_start_differently():
    net = network(*[Dense(3, weight_start=Normal(), bias_start=Normal())] * 3)
    starts = net.views(net.start())
    drawn = [tuple(view.ravel()[:3]) for view in starts.values()]
    assert len(set(drawn)) == 6


def test_the_start_depends_on_nothing_but_layers_and_seed():
    """Hence on no engine, and comparisons of recipes that differ elsewhere start alike."""
    recipe = Recipe([Dense(4, "relu"), Dense(1)], loss="squared_error")
    other = recipe.replace(loss="hinge", optimizer="sgd", batch_size=7, epochs=3, clip_norm=1)
    assert np.array_equal(Network(recipe, 3).start(), Network(other, 3).start())


def test_a_layer_keeps_its_start_when_a_later_one_changes():
    first, second = network(Dense(4), Dense(1)), network(Dense(4), Dense(9, "tanh"), Dense(1))
    assert np.array_equal(first.views(first.start())["W1"], second.views(second.start())["W1"])


@pytest.mark.parametrize("activation", Activation.family)
def test_weights_start_as_suits_the_activation_and_biases_at_zero(activation):
    chosen = Activation.from_data(activation).start
    net, same = network(Dense(4, activation)), network(Dense(4, activation, weight_start=chosen))
    assert np.array_equal(net.start(), same.start())
    assert net.views(net.start())["W1"].any()
    assert not net.views(net.start())["b1"].any()


def test_given_values_are_the_start():
    W, b = np.arange(6.0).reshape(3, 2), np.array([-1.0, -2.0])
    net = network(Dense(2, weight_start=Given(W), bias_start=Given(b)))
    views = net.views(net.start())
    assert np.array_equal(views["W1"], W)
    assert np.array_equal(views["b1"], b)


def test_all_given_values_of_another_shape_are_reported_at_once():
    net = network(
        Dense(2, weight_start=Given(np.eye(2)), bias_start=Given([1, 2, 3])),
        Dense(2, weight_start=Given(np.eye(2))),
        Dense(1, weight_start=Given([1, 2])),
    )
    with pytest.raises(RecipeError) as raised:
        net.start()
    assert raised.value.problems == [
        ("layers.0.weight_start", "given values of shape (2, 2) for parameters of shape (3, 2)"),
        ("layers.0.bias_start", "given values of shape (3,) for parameters of shape (2,)"),
        ("layers.2.weight_start", "given values of shape (2,) for parameters of shape (2, 1)"),
    ]


def test_a_bias_start_without_bias_is_not_looked_at():
    net = network(Dense(2, bias=False, bias_start=Given([1, 2, 3])))
    assert net.start().size == 6


def test_networks_too_large_to_address_are_refused_before_anything_is_allocated():
    inputs = LARGEST_NETWORK // LARGEST_LAYER
    assert network(Dense(LARGEST_LAYER, bias=False), inputs=inputs).size == LARGEST_NETWORK
    with pytest.raises(RecipeError, match=r"2,164,260,864 parameters; more than 2,147,483,648"):
        network(Dense(LARGEST_LAYER), inputs=inputs)
