"""The gradient check of networks people wrote: what they did to it is noticed, and nobody is accused wrongly."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from tests.straight_line import P, X, gradient, line, loss, y

from unstuck import Dense, HandWritten, OptionError, Recipe, SubjectError, check_gradient, explain_gradient
from unstuck.gradients.noise import noise_of
from unstuck.gradients.rows import rows_of

random = np.random.default_rng(0)


def network(sizes, *, rows=30, seed=0, spoil=None, precision=np.float64, **options):
    """A ReLU network with softmax and cross-entropy, as people write it; spoil changes its gradient."""
    draw = np.random.default_rng(seed)
    layers = range(1, len(sizes))
    parameters = {}
    for k, (i, o) in enumerate(pairwise(sizes), start=1):
        parameters |= {f"W{k}": draw.normal(size=(i, o)) * np.sqrt(2 / i), f"b{k}": draw.normal(size=o) * 0.1}
    X = draw.normal(size=(rows, sizes[0]))
    Y = np.eye(sizes[-1])[draw.integers(sizes[-1], size=rows)]

    def forward(p, X):
        a, trace = X.astype(precision) if precision != np.float64 else X, []
        for k in layers:
            z = a @ np.asarray(p[f"W{k}"]).astype(precision, copy=False) + p[f"b{k}"].astype(precision, copy=False)
            trace.append((a, z))
            a = np.maximum(z, 0)
        z = z - z.max(axis=1, keepdims=True)
        return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), trace

    def loss(p, X, Y):
        h, _ = forward(p, X)
        return -np.mean(np.log((h * Y).sum(axis=1)), dtype=precision)

    def gradient(p, X, Y):
        h, trace = forward(p, X)
        delta, g = (h - Y) / len(X), {}
        for k in reversed(layers):
            a, _ = trace[k - 1]
            g |= {f"W{k}": a.T @ delta, f"b{k}": delta.sum(axis=0)}
            if k > 1:
                delta = delta @ p[f"W{k}"].T * (trace[k - 2][1] > 0)
        if spoil is not None:
            spoil(g)
        return g

    return HandWritten(parameters, loss=loss, gradient=gradient, data=(X, Y), **options)


# Right and wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_right_relu_networks_are_not_accused(seed):
    sizes = [int(units) for units in np.random.default_rng(seed).integers(2, 12, size=4)]
    check = check_gradient(network(sizes, seed=seed))
    assert check.right, str(check)
    assert check.notes == ()


@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2"])
def test_a_factor_of_one_in_a_thousand_is_found_where_it_is(name):
    check = check_gradient(network((5, 8, 3), spoil=lambda g: g.update({name: g[name] * 1.001})))
    assert [block.name for block in check.blocks if block.verdict == "WRONG"] == [name]


def test_one_wrong_entry_in_a_network_for_mnist():
    def spoil(g):
        g["W1"][300, 17] += 0.01 * np.sqrt(sum((part**2).sum() for part in g.values()))

    calls = []
    subject = network((784, 300, 10), rows=50, spoil=spoil)
    cost = subject._loss
    subject._loss = lambda *arguments: calls.append(1) or cost(*arguments)
    check = check_gradient(subject)
    assert [block.verdict for block in check.blocks] == ["WRONG", "right", "right", "right"]
    assert [one.where for one in check.blocks[0].wrong_entries] == ["W1[300, 17]"]
    assert "W1 is wrong in 1 entry of 235,200, W1[300, 17], and right in all others." in str(check)
    assert len(calls) < 2000


def test_all_entries_of_small_networks_are_compared():
    check = check_gradient(network((5, 8, 3)))
    assert [len(block.comparisons) for block in check.blocks] == [40 + 3, 8 + 3, 24 + 3, 3 + 3]


def test_it_checks_where_it_is_told_to():
    subject = line(loss=lambda p: p["w"] ** 3, gradient=lambda p: {"w": 3.0}, parameters={"w": 2.0}, data=())
    assert check_gradient(subject).verdict == "WRONG"
    assert check_gradient(subject, parameters={"w": -1.0}).verdict == "right"
    assert check_gradient(subject, parameters=np.array([1.0])).verdict == "right"


def test_functions_of_one_row_and_other_layouts():
    one = line(
        loss=lambda p, x, y: (x @ p["w"] + p["b"] - y) ** 2,
        gradient=lambda p, x, y: {"w": 2 * x * (x @ p["w"] + p["b"] - y), "b": 2 * (x @ p["w"] + p["b"] - y)},
        per_row="mean",
    )
    assert check_gradient(one).right
    flat = HandWritten(
        np.ones(4),
        shapes={"w": (3,), "b": (1,)},
        loss=lambda w, X, y: loss({"w": w[:3], "b": w[3]}, X, y),
        gradient=lambda w, X, y: np.append(*gradient({"w": w[:3], "b": w[3]}, X, y).values()),
        data=(X, y),
    )
    check = check_gradient(flat)
    assert check.right
    assert [block.name for block in check.blocks] == ["w", "b"]


# Random -------------------------------------------------------------------------------------------------------------


def dropped(function, draw):
    return lambda p, X, y: function(p, X * (draw(X.shape) > 0.5), y)


def numpys(shape):
    return np.random.random(shape)  # noqa: NPY002


def test_dropout_by_numpy_s_global_numbers_is_frozen():
    check = check_gradient(line(loss=dropped(loss, numpys), gradient=dropped(gradient, numpys)))
    assert check.right, str(check)
    (note,) = check.notes
    assert "Your loss is random: two calls with the same parameters gave" in note
    assert "np.random.seed(0)" in note


def test_dropout_by_a_generator_of_their_own_cannot_be_checked():
    draw = np.random.default_rng(0).random
    check = check_gradient(line(loss=dropped(loss, draw), gradient=dropped(gradient, draw)))
    assert [block.verdict for block in check.blocks] == ["?", "?"]
    assert "cannot be checked: make the generator inside your functions" in check.notes[0]


def test_a_gradient_alone_that_is_random():
    check = check_gradient(line(gradient=dropped(gradient, numpys)))
    assert check.verdict == "WRONG"
    assert "Your gradient is random: two calls with the same parameters differ by 0." in check.notes[0]


def test_a_gradient_with_momentum_inside_cannot_be_checked():
    velocity = {"w": 0.0, "b": 0.0}

    def with_momentum(p, X, y):
        for name, g in gradient(p, X, y).items():
            velocity[name] = 0.9 * velocity[name] + g
        return dict(velocity)

    check = check_gradient(line(gradient=with_momentum))
    assert check.verdict == "?"
    assert "momentum kept from one call to the next" in check.notes[0]


def test_numpy_s_global_numbers_go_on_as_if_nothing_had_been():
    np.random.seed(5)  # noqa: NPY002
    expected = numpys(3).tolist()
    np.random.seed(5)  # noqa: NPY002
    check_gradient(line(loss=dropped(loss, numpys), gradient=dropped(gradient, numpys)))
    assert numpys(3).tolist() == expected


# Side effects and data ----------------------------------------------------------------------------------------------


def test_functions_that_change_what_they_are_given():
    def spoiling(p, X, y):
        X -= X.mean(axis=0)
        return loss(p, X, y)

    def stepping(p, X, y):
        X = X - X.mean(axis=0)
        g = gradient(p, X, y)
        p["w"] -= 0.1 * g["w"]
        return g

    theirs = X.copy()
    check = check_gradient(line(loss=spoiling, gradient=stepping, data=(theirs, y)))
    assert check.right, str(check)
    assert (theirs == X).all()
    assert check.notes[0].startswith("Your loss changes data[0] in place.")
    assert check.notes[1].startswith("Your gradient changes w in place.")


def test_data_that_are_not_used():
    check = check_gradient(line(gradient=lambda p, *_: gradient(p, X, y)))
    assert check.right
    assert check.notes[0].startswith(
        "Your gradient does not use the data it is given: with 20 of the 40 rows the loss goes from "
        f"{loss(P, X, y):.6g} to {loss(P, X[:20], y[:20]):.6g}"
    )
    check = check_gradient(line(loss=lambda p, *_: loss(p, X, y)))
    assert check.notes[0].startswith("Your loss does not use the data it is given: with 20 of the 40 rows it stays")


@pytest.mark.parametrize("data", [(), (X, y[:7]), (X[:2], y[:2]), (3.0,)])
def test_nothing_is_said_of_data_that_cannot_be_cut(data):
    check = check_gradient(line(loss=lambda p, *_: loss(p, X, y), gradient=lambda p, *_: gradient(p, X, y), data=data))
    assert check.right
    assert check.notes == ()


def test_what_to_write_where_functions_find_their_data_themselves():
    closed = line(loss=lambda p: loss(p, X, y), gradient=lambda p: {"w": np.ones(3), "b": 1.0}, data=())
    assert "Let them take the data, loss(parameters, X, y)" in check_gradient(closed).notes[0]
    halved = line(gradient=lambda p, X, y: {name: g / 2 for name, g in gradient(p, X, y).items()})
    assert not check_gradient(halved).notes


def test_rows_may_be_columns():
    def turned(function):
        return lambda p, X, y: function(p, X.T, y[0])

    assert rows_of((X.T, y[None])).rows == 40
    check = check_gradient(line(loss=turned(loss), gradient=lambda p, *_: gradient(p, X, y), data=(X.T, y[None])))
    assert "20 of the 40 rows" in check.notes[0]
    assert rows_of((X, y[:7])) is None


def test_slow_networks_are_checked_on_fewer_rows(monkeypatch, capsys):
    monkeypatch.setattr("unstuck.gradients.probes.PATIENCE", 0.2)
    monkeypatch.setattr("unstuck.gradients.probes.QUICK", 0.0)
    monkeypatch.setattr("unstuck.gradients.check.WORTH_SAYING", 0.0)

    def slow(p, X, y):
        time.sleep(len(X) * 1e-4)
        return loss(p, X, y)

    many = np.tile(X, (5, 1)), np.tile(y, 5)
    check = check_gradient(line(loss=slow, data=many))
    assert check.right
    assert "With all 200 rows the check would take about" in check.notes[0]
    assert "rows were used" in check.notes[0]
    assert "calls your loss about 230 times" in capsys.readouterr().err

    def of_200_rows(p, X, y):
        return {name: g * len(X) / 200 for name, g in gradient(p, X, y).items()}

    check = check_gradient(line(loss=slow, gradient=of_200_rows, data=many))
    assert check.right, str(check)
    assert "the gradient for w, b is wrong, on all rows it is not" in check.notes[1]
    check = check_gradient(line(loss=slow, gradient=lambda p, X, y: {"w": np.ones(3), "b": 0.0}, data=many))
    assert [block.verdict for block in check.blocks] == ["WRONG", "WRONG"]


# Numbers ------------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite():
    check = check_gradient(line(loss=lambda p, X, y: np.log(0.0)))
    assert [block.verdict for block in check.blocks] == ["?", "?"]
    assert check.notes[0].startswith("The loss is -inf at these parameters")
    assert str(check).splitlines()[1].split() == ["w", "?", "-", "-", "0", "0", "-"]


def test_a_gradient_that_is_not_finite():
    check = check_gradient(line(gradient=lambda p, X, y: gradient(p, X, y) | {"w": np.array([1.0, np.nan, np.inf])}))
    assert [block.verdict for block in check.blocks] == ["WRONG", "right"]
    assert "for w holds NaN or infinity in 2 of 3 entries" in check.notes[0]


@pytest.mark.parametrize("seed", range(10))
def test_float32_is_noticed_and_not_accused(seed):
    check = check_gradient(network((4, 8, 3), seed=seed, precision=np.float32))
    assert check.verdict != "WRONG", str(check)
    assert "Your loss is computed in float32" in check.notes[0]
    doubled = network((4, 8, 3), seed=seed, precision=np.float32, spoil=lambda g: g.update(W2=2 * g["W2"]))
    assert [block.name for block in check_gradient(doubled).blocks if block.verdict == "WRONG"] == ["W2"]


def test_float32_inside_is_noticed_by_its_noise():
    def single(p, X, y):
        return float(loss({name: np.float32(part) for name, part in p.items()}, np.float32(X), np.float32(y)))

    check = check_gradient(line(loss=single))
    assert check.verdict != "WRONG", str(check)
    assert "rougher than float64" in check.notes[0]


def test_float16_cannot_tell():
    def half(p, X, y):
        return loss({name: np.float16(part) for name, part in p.items()}, np.float16(X), np.float16(y))

    assert check_gradient(line(loss=half)).verdict == "?"


@pytest.mark.parametrize("function", [np.cos, lambda t: 2 + t, lambda t: 3 + 5 * t * t, lambda t: np.sin(1 + 40 * t)])
def test_the_noise_of_a_precision_is_about_its_rounding(function):
    for precision in (np.float64, np.float32):
        eps = np.finfo(precision).eps * abs(function(0.0))
        assert noise_of(lambda t, precision=precision: precision(function(t))) <= 2 * eps
    assert noise_of(lambda t: np.float32(function(t))) >= np.finfo(np.float32).eps * abs(function(0.0)) / 50


@pytest.mark.parametrize("place", [0.0, 2e-6, 5.5e-6])
def test_a_kink_is_no_noise(place):
    assert noise_of(lambda t: 1 + max(0.0, t - place)) < 1e-14
    assert noise_of(lambda t: 1 + 3 * abs(t - place)) < 1e-14


def test_constants_and_what_is_not_finite_have_no_noise():
    assert noise_of(lambda t: 3.0) == 0
    assert noise_of(lambda t: np.nan) == 0


# Refused ------------------------------------------------------------------------------------------------------------


def test_arguments_that_do_not_go_together():
    with pytest.raises(OptionError, match="leave X and y out"):
        check_gradient(line(), X, y)
    with pytest.raises(OptionError, match="takes a HandWritten network or a Recipe; got 3"):
        check_gradient(3)
    with pytest.raises(OptionError, match="the recipe comes first"):
        check_gradient(X, y, Recipe([Dense(1)], loss="squared_error"))
    with pytest.raises(SubjectError, match="give gradient="):
        check_gradient(line(gradient=None))
    with pytest.raises(SubjectError, match="the parameters lack"):
        check_gradient(line(), parameters=[1.0])


def test_a_recipe_needs_data():
    from unstuck import Dense, Recipe

    with pytest.raises(OptionError, match=r"check_gradient\(recipe, X, y\)"):
        check_gradient(Recipe([Dense(1)], loss="squared_error"))


# The picture --------------------------------------------------------------------------------------------------------


def test_the_picture_shows_each_block_and_marks_what_is_wrong():
    check = check_gradient(network((5, 8, 3), spoil=lambda g: g["W1"].__setitem__((2, 6), 9.0)))
    figure = check.plot()
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [
        "W1 (5, 8): WRONG",
        "b1 (8,): right",
        "W2 (8, 3): right",
        "b2 (3,): right",
    ]
    shown = panels[0].images[0].get_array()
    assert np.unravel_index(np.argmax(shown), shown.shape) == (2, 6)
    (marks,) = panels[0].collections
    assert marks.get_offsets().tolist() == [[6, 2]]


def test_the_picture_of_a_large_network_has_dots_where_entries_were_compared():
    check = check_gradient(network((100, 100, 2), spoil=lambda g: g["W1"].__setitem__((2, 6), 9.0)))
    panels = [axes for axes in check.plot().axes if axes.get_title()]
    dots, marks = panels[0].collections
    assert len(dots.get_offsets()) == len([one for one in check.blocks[0].comparisons if one.place is not None])
    assert marks.get_offsets().tolist() == [[6, 2]]
    assert panels[1].images[0].get_array().mask.all()


def test_a_picture_of_nothing_compared():
    check = check_gradient(line(loss=lambda p, X, y: np.nan))
    assert check.plot().axes[0].get_title() == "w (3,): ?"


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_targets_that_are_broadcast_against_outputs_in_a_column(start):
    column = HandWritten(
        {"w": np.full((3, 1), start)},
        loss=lambda p, X, y: np.mean((X @ p["w"] - y) ** 2),
        gradient=lambda p, X, y: {"w": 2 * X.T @ (X @ p["w"] - y[:, None]) / len(y)},
        data=(X, y),
    )
    check = check_gradient(column)
    assert check.verdict == "WRONG"
    assert f"NumPy makes y - a a table of ({len(y)}, {len(y)})" in check.notes[-1]
    assert not check_gradient(line()).notes


# What is left out of the gradient ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("added", "verdict"), [(1e-8, "right"), (1e-7, "WRONG"), (1e-5, "WRONG")])
def test_what_is_added_in_a_logarithm_and_left_out_of_the_gradient(added, verdict):
    random = np.random.default_rng(0)
    labels = random.integers(3, size=len(X))

    def probabilities(p, X):
        e = np.exp(np.maximum(X @ p["W1"], 0) @ p["W2"])
        return e / e.sum(axis=1, keepdims=True)

    def backprop(p, X, labels):
        delta = (probabilities(p, X) - np.eye(3)[labels]) / len(X)
        a = np.maximum(X @ p["W1"], 0)
        return {"dW1": X.T @ (delta @ p["W2"].T * (a > 0)), "dW2": a.T @ delta}

    network = HandWritten(
        {"W1": random.normal(size=(3, 8)), "W2": random.normal(size=(8, 3)) / 2},
        loss=lambda p, X, labels: -np.mean(np.log(probabilities(p, X)[range(len(X)), labels] + added)),
        gradient=backprop,
        data=(X, labels),
    )
    check = check_gradient(network)
    assert check.verdict == verdict, str(check)
    assert ("log(p + 1e-8) in the loss where the gradient is p - y does it" in " ".join(str(check).split())) == (
        verdict == "WRONG"
    )
    said = explain_gradient(network)
    assert said.right
    assert f"categorical crossentropy of p + {added:g}" in str(said.recognised)
    assert f"the gradient is right, but for the {added:g} added in the logarithm" in str(said)
