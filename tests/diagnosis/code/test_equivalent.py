"""The recipe of a recognised network computes the person's loss: on the engine, at their parameters."""

from __future__ import annotations

import numpy as np
import pytest
from tests.diagnosis.code.networks import LABELS, RIGHT, X, Y, classifier, regression

from unstuck import SGD, Adam, Momentum
from unstuck.cases import case2_dropout, case4_xor
from unstuck.diagnosis.code.equivalent import equivalent, start_like, with_all_rows
from unstuck.diagnosis.code.evidence import look
from unstuck.engines import backprop
from unstuck.functions.initializers import Constant, Normal, Uniform, Zeros
from unstuck.recipe import Dropout
from unstuck.training.prepare import prepare

WITHOUT_DROPOUT = [
    "dict of arrays",
    "samples in columns",
    "flat vector",
    "targets in a column",
    "labels predicted",
    "clipped logarithm",
    "row by row",
]


def recipe_of(subject):
    evidence = look(subject)
    network = with_all_rows(evidence.recognised, evidence.whole)
    return network, equivalent(network, subject.w, epochs=10)


def engine_cost(network, made, w):
    """Return the loss that the reference engine computes with the person's parameters."""
    prepared = prepare(made.recipe, made.X, made.y)
    parameters = np.zeros(prepared.network.size)
    views = prepared.network.views(parameters)
    for number, layer in enumerate(network.arrangement.layers, start=1):
        views[f"W{number}"][...] = layer.weights(w)
        if layer.b is not None:
            views[f"b{number}"][...] = layer.biases(w)
    rows = prepared.rows
    return backprop.cost(prepared.network, parameters, rows.X, rows.Y, rows.weights, t=None)


@pytest.mark.parametrize("name", WITHOUT_DROPOUT)
def test_the_engine_computes_their_loss(name):
    subject = RIGHT[name]()
    network, made = recipe_of(subject)
    w = subject.w + 0.1 * np.random.default_rng(0).normal(size=subject.w.shape)
    assert engine_cost(network, made, w) == pytest.approx(subject.cost(w), rel=1e-9)


def test_a_loss_of_another_factor_divides_penalties_and_multiplies_the_rate():
    plain = classifier()
    tripled = classifier(
        loss_of=lambda a, Y: -3 * np.mean(np.sum(Y * np.log(a), axis=1)), delta=lambda a, Y: 3 * (a - Y) / len(Y)
    )
    network, made = recipe_of(tripled)
    assert made.factor == pytest.approx(3)
    assert 3 * engine_cost(network, made, plain.w) == pytest.approx(tripled.cost(plain.w))
    faster = equivalent(network, plain.w, epochs=1, rate=0.1)
    assert faster.recipe.optimizer.learning_rate == pytest.approx(0.3)


@pytest.mark.parametrize(("told", "wanted"), [(SGD(0.1), 0.6), (Momentum(0.1), 0.6), (Adam(0.1), 0.1)])
def test_a_factor_of_the_gradient_goes_where_steps_are_in_proportion_to_it(told, wanted):
    tripled = classifier(
        loss_of=lambda a, Y: -3 * np.mean(np.sum(Y * np.log(a), axis=1)), delta=lambda a, Y: 6 * (a - Y) / len(Y)
    )
    evidence = look(tripled)
    assert evidence.factor == pytest.approx(2)
    network = with_all_rows(evidence.recognised, evidence.whole)
    made = equivalent(network, tripled.w, epochs=1, optimizer=told, times=evidence.factor)
    assert made.recipe.optimizer.learning_rate == pytest.approx(wanted)


WITHOUT_A_FACTOR = {
    "right": lambda a, Y: (a - Y) / len(Y),
    "climbing": lambda a, Y: (Y - a) / len(Y),
    "another direction": lambda a, Y: a * (a - Y) / len(Y),
}


@pytest.mark.parametrize("name", WITHOUT_A_FACTOR)
def test_neither_a_right_gradient_nor_another_direction_has_a_factor(name):
    assert look(classifier(delta=WITHOUT_A_FACTOR[name])).factor is None


def test_a_penalty_on_everything_is_the_recipes():
    subject = case4_xor.subject()
    network, made = recipe_of(subject)
    (penalty,) = made.recipe.penalties
    assert (penalty.on, penalty.strength) == ("all", pytest.approx(2e-4))
    assert engine_cost(network, made, subject.w) == pytest.approx(subject.cost(subject.w), rel=1e-6)


def test_many_rows_are_all_in_the_recipe():
    network, made = recipe_of(case2_dropout.subject(rows=500))
    assert made.X.shape == (500, 5)
    assert network.scale == pytest.approx(0.5)  # half the squared error, summed over all rows
    assert [layer.rate for layer in made.recipe.layers if isinstance(layer, Dropout)] == [0.5]


def test_a_mean_over_many_rows_stays_a_mean():
    many = np.tile(X, (3, 1)), np.tile(Y, (3, 1))
    network, made = recipe_of(classifier(data=many))
    assert len(made.X) == 450
    assert network.scale == pytest.approx(1 / 450)


def test_starts_have_the_spread_of_theirs():
    random = np.random.default_rng(0)
    assert start_like(np.zeros((3, 4))) == Zeros()
    assert start_like(np.full((3, 4), 0.5)) == Constant(0.5)
    normal = start_like(random.normal(size=(50, 40)) * 0.1)
    assert isinstance(normal, Normal)
    assert normal.std == pytest.approx(0.1, rel=0.1)
    uniform = start_like(random.uniform(0, 1, (50, 40)))
    assert isinstance(uniform, Uniform)
    assert (uniform.low, uniform.high) == pytest.approx((0, 1), abs=0.05)
    centred = start_like(random.uniform(-0.3, 0.3, (50, 40)))
    assert isinstance(centred, Uniform)
    assert (centred.low, centred.high) == pytest.approx((-0.3, 0.3), abs=0.02)


def test_labels_and_numbers_keep_their_kind():
    assert recipe_of(classifier())[1].y.shape == Y.shape
    assert recipe_of(regression(y=(LABELS == 1).astype(float)))[1].y.ndim == 1
