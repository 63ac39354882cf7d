from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.differentiate import derivative
from tests.torch_twin import ACTIVATIONS

from unstuck import Dense, OptionError, Recipe, RecipeError, train, train_many
from unstuck.functions.activations import ELU, Activation, Custom, LeakyReLU
from unstuck.functions.initializers import Initializer

MEMBERS = [member() for member in Activation.family.values()]
MEMBERS += [LeakyReLU(slope=0.2), LeakyReLU(slope=0), ELU(alpha=2.5)]
EVERY = pytest.mark.parametrize("f", MEMBERS, ids=repr)
ELEMENTWISE = pytest.mark.parametrize("f", [f for f in MEMBERS if f.kind != "softmax"], ids=repr)
TINY = np.finfo(np.float64).smallest_subnormal
KINKS = np.array([-3.0, 0.0, 3.0])
EXTREME = np.array([0.0, -0.0, TINY, -TINY, 1e-300, -1e-300, 1e-8, -1e-8, -3.0, 3.0, 40.0, -40.0, 1e3, -1e3])


def pre_activations():
    normal = np.random.default_rng(0).normal(scale=4, size=(40, len(EXTREME)))
    return np.vstack([normal, EXTREME, EXTREME[::-1]])


@EVERY
def test_value_and_derivative_agree_with_pytorch(f):
    z = pre_activations()
    da = np.random.default_rng(1).normal(size=z.shape)
    Z = torch.tensor(z, requires_grad=True)
    A = ACTIVATIONS[f.kind](f, Z)
    A.backward(torch.tensor(da))
    with np.errstate(over="ignore"):  # exp(1000) is inf, for PyTorch too
        a = f.value(z)
        dz = f.backward(z, a, da)
    np.testing.assert_allclose(a, A.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dz, Z.grad.numpy(), rtol=1e-12, atol=1e-12)


@ELEMENTWISE
def test_derivative_agrees_with_scipy_away_from_kinks(f):
    z = np.linspace(-8, 8, 97)
    z = z[np.abs(z[:, None] - KINKS).min(axis=1) > 0.3]
    numeric = derivative(f.value, z, initial_step=0.25, order=8)
    np.testing.assert_allclose(f.derivative(z, f.value(z)), numeric.df, rtol=1e-9, atol=1e-9)


def test_softmax_has_its_full_jacobian():
    f = Activation.from_data("softmax")
    z = np.random.default_rng(2).normal(scale=3, size=(4, 5))
    a = f.value(z)
    for row in range(len(z)):
        expected = torch.autograd.functional.jacobian(lambda Z: torch.softmax(Z, dim=0), torch.tensor(z[row]))
        Jacobian = np.array([f.backward(z, a, np.tile(unit, (4, 1)))[row] for unit in np.eye(5)])
        np.testing.assert_allclose(Jacobian, expected, rtol=0, atol=1e-15)
        np.testing.assert_allclose(f.derivative(z, a)[row], np.diag(expected), rtol=0, atol=1e-15)


@EVERY
def test_float32_stays_float32_and_finite(f):
    z = np.clip(pre_activations(), -80, 80).astype(np.float32)  # exp(80) is the largest round one that float32 holds
    a = f.value(z)
    results = [a, f.derivative(z, a), f.backward(z, a, np.ones_like(z))]
    assert [result.dtype for result in results] == [np.float32] * 3
    assert all(np.isfinite(result).all() for result in results)
    np.testing.assert_allclose(a, f.value(z.astype(np.float64)), rtol=1e-5, atol=1e-6)


@EVERY
def test_range_holds_and_is_tight(f):
    z = np.concatenate([np.linspace(-6, 6, 40_001), [-500.0, 500.0, -1e5, 1e5]])
    with np.errstate(over="ignore"):
        a = f.value(np.stack([z, np.zeros_like(z)], axis=1))[:, 0]
    low, high = f.range
    assert low <= a.min()
    assert a.max() <= high
    assert a.min() == pytest.approx(low, abs=2e-5) if np.isfinite(low) else a.min() <= -500
    assert a.max() == pytest.approx(high, abs=2e-5) if np.isfinite(high) else a.max() >= 500


@EVERY
def test_not_a_number_is_passed_on(f):
    assert np.isnan(f.value(np.array([[np.nan, 1.0]]))[0, 0])


@EVERY
def test_arguments_are_left_alone(f):
    z = np.random.default_rng(3).normal(size=(3, 4))
    a = f.value(z)
    da = np.ones_like(z)
    kept = z.copy(), a.copy(), da.copy()
    f.backward(z, a, da)
    assert all(np.array_equal(now, before) for now, before in zip((z, a, da), kept, strict=True))


@EVERY
def test_the_start_it_asks_for_exists(f):
    assert f.start in Initializer.family


def test_a_function_of_ones_own_trains_as_the_one_it_copies():
    def recipe(activation):
        return Recipe([Dense(5, activation, weight_start="glorot_uniform"), Dense(1)], loss="squared_error", epochs=3)

    X = np.random.default_rng(0).normal(size=(40, 3))
    run = train(recipe(Custom(np.tanh, lambda z: 1 - np.tanh(z) ** 2)), X, X[:, 0], progress=False)
    twin = train(recipe("tanh"), X, X[:, 0], engine="reference", progress=False)
    assert run.engine == "reference"
    np.testing.assert_allclose(run.final_parameters, twin.final_parameters, rtol=1e-4, atol=1e-7)
    assert train_many(recipe(Custom(np.tanh, np.cos)), X, X[:, 0], seeds=2, progress=False)[0].engine == "reference"


def test_a_function_of_ones_own_can_be_neither_compiled_nor_written():
    recipe = Recipe([Dense(1, Custom(np.sin, np.cos))], loss="squared_error")
    with pytest.raises(OptionError, match=r"compiled code cannot call"):
        train(recipe, [[1.0], [2.0]], [1.0, 2.0], engine="native")
    with pytest.raises(RecipeError, match=r"cannot be written"):
        recipe.to_toml()
