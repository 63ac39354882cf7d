"""The gradient check is right where backprop is, and says so where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from unstuck import (
    L1,
    L2,
    SGD,
    Dense,
    Dropout,
    LeakyReLU,
    Network,
    Normal,
    OptionError,
    Recipe,
    Targets,
    Uniform,
    check_gradient,
    train,
)
from unstuck.cases import case3_parabola, case5_mnist
from unstuck.data.generators import parabola
from unstuck.engines import backprop
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.functions.pairs import sensible_pair
from unstuck.gradients.check import TOLERANCE, block_slices, compare

random = np.random.default_rng(0)
X = random.normal(size=(12, 3))
NUMBERS = random.uniform(0.1, 1, size=(12, 3))
TARGETS = {
    "hinge": np.sign(NUMBERS - 0.5),
    "categorical_crossentropy": NUMBERS / NUMBERS.sum(axis=1, keepdims=True),
}

# Right --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", sorted(Loss.family))
@pytest.mark.parametrize("activation", sorted(Activation.family))
def test_every_activation_with_every_loss(activation, loss):
    layers = [Dense(4, activation, bias_start=Uniform(-0.5, 0.5)), Dropout(0.3), Dense(3, activation)]
    recipe = Recipe(layers, loss=loss, targets=Targets(coding="numbers"))
    check = check_gradient(recipe, X, TARGETS.get(loss, NUMBERS))
    assert check.right, str(check)
    assert [block.name for block in check.blocks] == ["W1", "b1", "W2", "b2"]
    assert [len(block.comparisons) + block.set_aside for block in check.blocks] == [15, 7, 15, 6]


def test_among_them_are_the_sensible_pairs():
    pairs = [
        (activation, loss)
        for activation in Activation.family
        for loss in Loss.family
        if sensible_pair(Activation.from_data(activation), Loss.from_data(loss))
    ]
    assert set(pairs) == {
        ("softmax", "categorical_crossentropy"),
        ("sigmoid", "binary_crossentropy"),
        ("exponential", "poisson"),
    }


@pytest.mark.parametrize("on", ["weights", "all"])
def test_penalties_and_weights_of_rows(on):
    recipe = Recipe(
        [Dense(5, "tanh", bias_start=Normal(0.5)), Dense(2, "softmax")],
        loss="categorical_crossentropy",
        penalties=[L1(0.3, on=on), L2(0.7, on=on)],
    )
    check = check_gradient(recipe, X, np.arange(12) % 2, sample_weight=random.uniform(0, 2, 12))
    assert check.right, str(check)


def test_layers_without_biases_and_large_ones():
    recipe = Recipe([Dense(60, "gelu", bias=False), Dense(1)], loss="huber")
    check = check_gradient(recipe, X, NUMBERS[:, 0])
    assert check.right
    assert [(block.name, len(block.comparisons)) for block in check.blocks] == [("W1", 43), ("W2", 43), ("b2", 1)]


def test_it_checks_where_it_is_told_to_and_in_float64():
    recipe = Recipe([Dense(2, "tanh"), Dense(1)], loss="squared_error", precision="float32")
    w = random.normal(size=11)
    there = check_gradient(recipe, X, NUMBERS[:, 0], parameters=w)
    assert there.right
    network = Network(recipe.replace(precision="float64"), 3)
    _, g = backprop.cost_and_gradient(network, w, X, NUMBERS[:, :1])
    assert [one.backprop for block in there.blocks for one in block.comparisons if "[" in one.where] == g.tolist()
    with pytest.raises(OptionError, match="11 parameters"):
        check_gradient(recipe, X, NUMBERS[:, 0], parameters=w[:5])


# Case 3: many kinks -------------------------------------------------------------------------------------------------

x, y = parabola(case3_parabola.ROWS)


def relative_error_of_the_post(network, w):
    """Central differences of 1e-7 over every weight and bias: ||g - g_num|| / (||g|| + ||g_num||)."""

    def cost(w):
        return backprop.cost(network, w, x, y[:, None])

    _, g = backprop.cost_and_gradient(network, w, x, y[:, None])
    steps = 1e-7 * np.eye(w.size)
    numeric = np.array([(cost(w + step) - cost(w - step)) / 2e-7 for step in steps])
    return np.linalg.norm(g - numeric) / (np.linalg.norm(g) + np.linalg.norm(numeric))


@pytest.mark.parametrize("seed", range(20))
def test_case_3_at_its_start(seed):
    check = check_gradient(case3_parabola.AS_WAS.replace(seed=seed), x, y)
    assert check.right, str(check)


def test_case_3_once_biases_have_moved_where_the_check_of_the_post_is_erratic():
    """At the rate of 0.01, one of those it tried. With zero biases no row but x = 0, whose error is 0, is on a kink."""
    alarms = 0
    for seed in range(20):
        recipe = case3_parabola.AS_WAS.replace(seed=seed, optimizer=SGD(0.01), epochs=1)
        run = train(recipe, x, y)
        check = check_gradient(recipe, x, y, parameters=run.parameters)
        assert check.right, f"seed {seed}\n{check}"
        alarms += relative_error_of_the_post(run.network, run.parameters) > 2e-7
    assert 0 < alarms < 20


@pytest.mark.parametrize("hidden", [(8, 8), (16, 16, 16)])
@pytest.mark.parametrize("rate", [0.1, 0.01, 0.001])
def test_case_3_with_more_layers_and_other_rates(hidden, rate):
    layers = [*(Dense(units, LeakyReLU()) for units in hidden), Dense(1, LeakyReLU())]
    for seed in range(3):
        recipe = case3_parabola.AS_WAS.replace(layers=layers, seed=seed, optimizer=SGD(rate), epochs=2, record_every=2)
        check = check_gradient(recipe, x, y, parameters=train(recipe, x, y).parameters)
        assert check.right, f"seed {seed}\n{check}"


@pytest.mark.parametrize("seed", [8, 11, 18, 21, 24, 31, 36, 38])
def test_kinks_on_top_of_each_other_accuse_nobody(seed):
    """Rows of zeros and biases of zero put every layer on its kink, where the slope may be the same on both sides."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(12, 3)) * (random.random((12, 1)) > 0.3)
    layers = [Dense(6, "leaky_relu"), Dense(5, "leaky_relu"), Dense(1)]
    recipe = Recipe(layers, loss="squared_error", seed=seed)
    assert check_gradient(recipe, rows, random.normal(size=12)).right


def test_on_a_kink_it_moves_to_parameters_near_by():
    recipe = Recipe([Dense(3, "relu", weight_start="zeros"), Dense(1)], loss="squared_error")
    check = check_gradient(recipe, X, NUMBERS[:, 0])
    assert check.right
    assert all(block.comparisons for block in check.blocks)


# Wrong --------------------------------------------------------------------------------------------------------------

RECIPE = Recipe(
    [Dense(3, "tanh", bias_start=Normal(0.3)), Dense(3, "sigmoid", bias_start=Normal(0.3))],
    loss="squared_error",
    precision="float64",
    targets=Targets(coding="numbers"),
)
NETWORK = Network(RECIPE, 3)
BLOCKS = block_slices(NETWORK)


def right_gradient(w):
    return backprop.cost_and_gradient(NETWORK, w, X, NUMBERS)[1]


def spoilt(name, change):
    def gradient(w):
        g = right_gradient(w)
        g[BLOCKS[name]] = change(g[BLOCKS[name]])
        return g

    return gradient


def blocks_found_wrong(gradient, w=None):
    cost = lambda w: backprop.cost(NETWORK, w, X, NUMBERS)  # noqa: E731
    check = compare(cost, gradient, NETWORK.start() if w is None else w, BLOCKS)
    return [block.name for block in check.blocks if not block.right]


MISTAKES = {
    "a missing factor": lambda g: g / 2,
    "a factor of one in a thousand": lambda g: g * 1.001,
    "the wrong sign": lambda g: -g,
    "forgotten": np.zeros_like,
    "one entry": lambda g: np.where(np.arange(g.size) == g.size - 1, g + 0.01, g),
    "not a number": lambda g: g * np.nan,
}


def test_the_right_gradient_is_right():
    assert blocks_found_wrong(right_gradient) == []


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_one_block_is_found_there_and_nowhere_else(mistake, name):
    assert blocks_found_wrong(spoilt(name, MISTAKES[mistake])) == [name]


@pytest.mark.parametrize("name", ["W1", "W2"])
def test_a_transposed_block(name):
    assert blocks_found_wrong(spoilt(name, lambda g: g.reshape(3, 3).T.ravel())) == [name]


def test_missing_derivatives_of_the_activations():
    def gradient(without):
        def backward(w):
            hidden, output = backprop.forward(NETWORK, w, X)
            delta = 2 * (output.a - NUMBERS) / output.a.size
            if without != "output":
                delta = delta * output.a * (1 - output.a)
            back = delta @ output.layer.W(w).T
            if without != "hidden":
                back = back * (1 - hidden.a**2)
            blocks = X.T @ back, back.sum(axis=0), hidden.a.T @ delta, delta.sum(axis=0)
            return np.concatenate([block.ravel() for block in blocks])

        return backward

    assert blocks_found_wrong(gradient(None)) == []
    assert blocks_found_wrong(gradient("output")) == ["W1", "b1", "W2", "b2"]
    assert blocks_found_wrong(gradient("hidden")) == ["W1", "b1"]


def test_a_mistake_in_an_entry_that_is_not_picked_is_found_along_a_direction():
    network = Network(RECIPE.replace(layers=[Dense(100, "tanh"), Dense(3)]), 3)
    w = network.start()

    def gradient(w):
        g = backprop.cost_and_gradient(network, w, X, NUMBERS)[1]
        g[network.dense[0].weights] += np.where(np.arange(300) % 7 == 3, 0.01, 0.0)
        return g

    check = compare(lambda w: backprop.cost(network, w, X, NUMBERS), gradient, w, block_slices(network))
    wrong = {one.where for one in check.blocks[0].comparisons if not one.right}
    assert {"direction 1", "direction 2", "direction 3"} <= wrong
    assert check.blocks[0].worst.where in wrong


def test_where_nothing_can_be_compared_nothing_is_right():
    start = Normal(100.0)
    recipe = Recipe(
        [Dense(4, "exponential", weight_start=start), Dense(4, "exponential", weight_start=start)], loss="poisson"
    )
    check = check_gradient(recipe, X, NUMBERS[:, [0, 1, 2, 0]])
    assert not check.right
    assert check.blocks[0].comparisons == ()
    assert check.blocks[0].relative_error == 0
    assert check.blocks[0].worst is None
    assert str(check).splitlines()[1].split()[:2] == ["W1", "?"]


def test_the_table_names_the_largest_difference():
    cost = lambda w: backprop.cost(NETWORK, w, X, NUMBERS)  # noqa: E731
    w = NETWORK.start()
    check = compare(cost, spoilt("b1", lambda g: g + np.array([0.0, 0.5, 0.0])), w, {"b1": BLOCKS["b1"]})
    (block,) = check.blocks
    assert not check.right
    assert block.verdict == "WRONG"
    assert check.relative_error == block.relative_error > TOLERANCE
    assert block.worst.backprop - block.worst.numeric == pytest.approx(0.5)
    header, line = str(check).splitlines()
    assert header.split()[0] == "block"
    assert line.startswith("b1     WRONG")
    assert "b1[1]: backprop" in line


# Case 5: a gradient written by hand ---------------------------------------------------------------------------------


class Mended(case5_mnist.HandWritten):
    """The same cost with its four mistakes put right, each as the file's own list has it."""

    def gradient(self, w, X, Y):
        _W1, _, W2, _ = self.views(w)
        a, h = self.forward(w, X)
        delta = (h - Y) * h * (1 - h) / len(X)
        back = delta @ W2.T * a * (1 - a)
        blocks = X.T @ back, back.sum(axis=0), a.T @ delta, delta.sum(axis=0)
        return np.concatenate([block.ravel() for block in blocks]) + self.penalty * w


def test_the_hand_written_gradient_of_case_5_is_wrong_in_all_four_blocks():
    digits = load_digits()
    X, Y = digits.data / 16, np.eye(10)[digits.target]
    wrong = case5_mnist.HandWritten(64).check(X, Y)
    assert [block.right for block in wrong.blocks] == [False] * 4
    mended = Mended(64).check(X, Y)
    assert mended.right, str(mended)
