"""Slopes against derivatives that are known, and against SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.differentiate import derivative
from scipy.special import erf, expit

from unstuck.gradients.numeric import slope

SMOOTH = {
    "sine": (lambda t: np.sin(t + 0.3), math.cos(0.3)),
    "fast sine": (lambda t: np.sin(3000 * t), 3000.0),
    "steep exponential": (lambda t: np.exp(80 * t), 80.0),
    "square at its minimum": (lambda t: t * t, 0.0),
    "tenth power": (lambda t: (1 + t) ** 10, 10.0),
    "pole near by": (lambda t: 1 / (t + 0.02), -2500.0),
    "logarithm": (lambda t: np.log(t + 0.02), 50.0),
    "small": (lambda t: 1e-12 * np.tanh(t), 1e-12),
    "large": (lambda t: 1e12 * np.tanh(t), 1e12),
    "on a hill": (lambda t: 1e6 + np.sin(t), 1.0),
    "constant": (lambda t: 7.0, 0.0),
    "sigmoid's cross-entropy": (lambda t: -np.log(expit(2 + t)), expit(2.0) - 1),
    "two bends": (lambda t: abs(t) * t, 0.0),  # its second derivative jumps at 0
}


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth(name):
    phi, exact = SMOOTH[name]
    found = slope(phi)
    assert not found.kinked
    assert abs(found.value - exact) <= max(found.error, 1e-300)
    assert found.error <= 1e-4 * max(1.0, abs(exact)) or name == "large"


@pytest.mark.parametrize("phi", [np.sin, np.exp, erf, expit, np.arctan, lambda t: np.log1p(t * t + t)])
@pytest.mark.parametrize("at", [-1.5, -0.3, 0.0, 0.8, 2.0])
def test_as_scipy_differentiates(phi, at):
    oracle = derivative(phi, at)
    found = slope(lambda t: float(phi(at + t)))
    assert found.value == pytest.approx(float(oracle.df), rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("curve", [0.0, 1.0, -30.0])
@pytest.mark.parametrize("jump", [2.0, -1.0, 1e-3])
def test_a_kink_at_zero_has_no_slope(jump, curve):
    assert slope(lambda t: 0.5 * jump * abs(t) + curve * t * t + 0.7 * t).kinked


@given(
    distance=st.floats(-7.0, 0.0).map(lambda exponent: 10.0**exponent),
    side=st.sampled_from([-1, 1]),
    jump=st.floats(-4, 4).map(lambda exponent: 10.0**exponent),
)
@settings(max_examples=400, deadline=None)
def test_a_kink_near_zero_is_stepped_around(distance, side, jump):
    found = slope(lambda t: np.sin(t) + jump * max(0.0, side * t - distance))
    assert found.kinked or abs(found.value - 1) <= 10 * found.error
    assert found.kinked or found.error < 2e-3 * max(jump, 1)
    if distance > 1e-6 and distance * jump > 1e-6:
        assert not found.kinked


@given(st.lists(st.tuples(st.floats(-1e-2, 1e-2), st.floats(-0.1, 0.1)), min_size=1, max_size=50))
@settings(max_examples=200, deadline=None)
def test_many_kinks(kinks):
    def phi(t):
        return np.exp(t) + sum(size * abs(t - place) for place, size in kinks)

    found = slope(phi)
    if min(abs(place) for place, _ in kinks) > 1e-6:
        exact = 1 + sum(size * -np.sign(place) for place, size in kinks)
        assert not found.kinked
        assert abs(found.value - exact) <= 10 * found.error + 1e-6


@pytest.mark.parametrize("noise", [1e-12, 1e-9, 1e-6])
def test_noise_widens_the_error(noise):
    random = np.random.default_rng(0)
    found = [slope(lambda t: np.sin(t) + noise * random.uniform(-1, 1)) for _ in range(50)]
    values = [one for one in found if not one.kinked]
    assert len(values) > 25
    for one in values:
        assert abs(one.value - 1) <= 10 * one.error < 1


def test_an_edge_is_no_kink_but_leaves_the_slope_unsure():
    for edge in (lambda t: float(t > 0), lambda t: math.sqrt(abs(t))):
        found = slope(edge)
        assert found.kinked or found.error > 0.05


def test_infinite_values_are_stepped_around():
    assert slope(lambda t: 3 * t if abs(t) < 1e-3 else math.inf).value == pytest.approx(3)
    assert slope(lambda t: 3 * t if abs(t) < 1e-3 else math.copysign(math.inf, t)).value == pytest.approx(3)


@pytest.mark.parametrize(
    "phi",
    [
        lambda t: math.nan,
        lambda t: math.inf,
        lambda t: math.inf if t == 0 else t,
        lambda t: math.copysign(math.inf, t) if t else 0.0,
    ],
)
def test_where_nothing_is_finite_there_is_no_slope(phi):
    assert slope(phi).kinked


def test_scale_moves_the_steps():
    reached = []
    slope(lambda t: reached.append(abs(t)) or t, scale=1e-3)
    assert max(reached) == 1e-5


def test_only_ten_steps_to_each_side_are_taken():
    calls = []
    slope(lambda t: calls.append(t) or t)
    assert len(calls) == 21
