from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from unstuck.errors import RecipeError
from unstuck.functions.initializers import Constant, Given, Initializer, Normal, Orthogonal, Uniform, Zeros

INPUTS, OUTPUTS = 240, 60
TORCH = {
    "lecun_uniform": lambda W: torch.nn.init.kaiming_uniform_(W, nonlinearity="linear"),
    "lecun_normal": lambda W: torch.nn.init.kaiming_normal_(W, nonlinearity="linear"),
    "glorot_uniform": torch.nn.init.xavier_uniform_,
    "glorot_normal": torch.nn.init.xavier_normal_,
    "he_uniform": lambda W: torch.nn.init.kaiming_uniform_(W, nonlinearity="relu"),
    "he_normal": lambda W: torch.nn.init.kaiming_normal_(W, nonlinearity="relu"),
}
PLAIN = [Zeros(), Constant(0.25), Uniform(-0.1, 0.4), Normal(0.3), Orthogonal(), Given(np.eye(2))]


def sample(start, shape=(INPUTS, OUTPUTS), inputs=INPUTS, outputs=OUTPUTS, seed=0):
    return start.sample(np.random.default_rng(seed), shape, inputs, outputs)


def test_every_start_is_tested():
    assert Initializer.family.keys() == TORCH.keys() | {start.kind for start in PLAIN}


@pytest.mark.parametrize("kind", TORCH)
@pytest.mark.parametrize(("i", "o"), [(INPUTS, OUTPUTS), (OUTPUTS, INPUTS)])
def test_scaled_starts_have_the_distribution_of_pytorchs(kind, i, o):
    torch.manual_seed(1)
    theirs = TORCH[kind](torch.empty(o, i)).numpy().ravel()  # PyTorch's weights are (outputs, inputs)
    ours = sample(Initializer.from_data(kind), (i, o), i, o).ravel()
    assert stats.ks_2samp(ours, theirs).pvalue > 0.01
    # var(w) over N values of kurtosis k has a relative error of sqrt((k - 1) / N), for both
    kurtosis = 1.8 if kind.endswith("uniform") else 3
    assert ours.var() == pytest.approx(theirs.var(), rel=4 * np.sqrt(2 * (kurtosis - 1) / ours.size))
    if kind.endswith("uniform"):
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=2e-3)


@pytest.mark.parametrize("kind", TORCH)
def test_biases_are_drawn_with_the_fans_of_their_layer(kind):
    start = Initializer.from_data(kind)
    b = np.concatenate([sample(start, (OUTPUTS,), seed=seed) for seed in range(100)])
    assert b.var() == pytest.approx(sample(start).var(), rel=0.1)


@pytest.mark.parametrize(("start", "value"), [(Zeros(), 0), (Constant(0.25), 0.25), (Uniform(0.5, 0.5), 0.5)], ids=repr)
def test_starts_that_leave_nothing_to_chance(start, value):
    assert (sample(start) == value).all()


@pytest.mark.parametrize(
    ("start", "distribution"), [(Uniform(-0.1, 0.4), stats.uniform(-0.1, 0.5)), (Normal(0.3), stats.norm(0, 0.3))]
)
def test_distribution_of_unscaled_starts(start, distribution):
    W = sample(start).ravel()
    assert stats.kstest(W, distribution.cdf).pvalue > 0.01
    low, high = distribution.support()
    assert low <= W.min()
    assert W.max() <= high


@pytest.mark.parametrize("shape", [(7, 3), (3, 7), (5, 5), (1, 4), (4, 1), (1, 1)])
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_orthogonal_has_orthogonal_rows_or_columns(shape, gain):
    W = sample(Orthogonal(gain), shape, *shape)
    assert W.shape == shape
    product = W.T @ W if shape[0] >= shape[1] else W @ W.T
    np.testing.assert_allclose(product, gain**2 * np.eye(min(shape)), rtol=0, atol=1e-13)


def test_orthogonal_is_uniform_over_the_orthogonal_matrices():
    signs = np.array([np.diag(sample(Orthogonal(), (3, 3), 3, 3, seed)) > 0 for seed in range(400)])
    assert min(stats.binomtest(int(count), 400, 0.5).pvalue for count in signs.sum(axis=0)) > 0.01
    corner = [sample(Orthogonal(), (3, 3), 3, 3, seed)[2, 2] for seed in range(400)]
    assert stats.kstest(corner, stats.uniform(-1, 2).cdf).pvalue > 0.01  # Archimedes: a coordinate of the sphere


def test_orthogonal_leaves_biases_zero():
    assert not sample(Orthogonal(), (4,), 3, 4).any()


@pytest.mark.parametrize("start", [*map(Initializer.from_data, TORCH), *PLAIN[2:5]], ids=repr)
def test_same_seed_same_values(start):
    W = sample(start, seed=3)
    assert W.dtype == np.float64
    assert W.shape == (INPUTS, OUTPUTS)
    assert np.array_equal(W, sample(start, seed=3))
    assert not np.array_equal(W, sample(start, seed=4))


def test_given_is_copied():
    start = Given([[1, 2], [3, 4]])
    first = sample(start, (2, 2), 2, 2)
    first += 1
    assert sample(start, (2, 2), 2, 2).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("shape", [(3, 2), (2,), (6,), (2, 3, 1)])
def test_given_values_must_have_the_shape_of_the_parameters(shape):
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        sample(Given(np.zeros((2, 3))), shape)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 2], [3]], "equal length"),
        ("abc", "abc"),
        (["1", "x"], "numbers"),
        (None, r"shape \(\)"),
        ({"a": 1}, "numbers"),
        (3.0, r"shape \(\)"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        ([1.0, np.nan], "finite"),
        ([[1.0, np.inf]], "finite"),
        ([1 + 2j], "numbers"),
    ],
)
def test_given_refuses_what_is_no_vector_or_matrix_of_numbers(values, message):
    with pytest.raises(RecipeError, match=message) as raised:
        Given(values)
    assert [place for place, _ in raised.value.problems] == ["values"]


def test_uniform_refuses_a_range_that_is_upside_down():
    with pytest.raises(RecipeError, match=r"low=2\.0, high=1\.0"):
        Uniform(2, 1)
