from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import hinge_loss
from tests.torch_twin import LOSSES, reduced
from torch.nn import functional

from unstuck.errors import DataError
from unstuck.functions.losses import Elementwise, Hinge, Huber, Loss, SquaredError

BASIC = [member() for member in Loss.family.values()] + [SquaredError(half=True), Huber(threshold=0.3)]
REDUCED = [loss.replace(rows=rows) for loss in BASIC for rows in ("mean", "sum")]
REDUCED += [loss.replace(outputs="sum") for loss in REDUCED if isinstance(loss, Elementwise)]
BASIC_LOSSES = pytest.mark.parametrize("loss", BASIC, ids=repr)
EVERY = pytest.mark.parametrize("loss", REDUCED, ids=repr)
WITH_CLIP = ["categorical_crossentropy", "binary_crossentropy", "poisson"]
ROWS, OUTPUTS = 9, 4


def targets_and_outputs(loss, dtype=np.float64):
    """Targets as the loss wants them and outputs from where it is smooth."""
    random = np.random.default_rng(5)
    shape = (ROWS, OUTPUTS)
    if loss.kind in ("categorical_crossentropy", "binary_crossentropy"):
        Y, A = random.dirichlet(np.ones(OUTPUTS), ROWS), random.uniform(0.01, 0.99, shape)
    elif loss.kind == "poisson":
        Y, A = random.poisson(3, shape), random.uniform(0.1, 8, shape)
    elif loss.kind == "hinge":
        Y, A = random.choice([-1.0, 1.0], shape), random.normal(size=shape)
    else:
        Y, A = random.normal(size=shape), random.normal(size=shape)
    return Y.astype(dtype), A.astype(dtype)


def from_pytorch(loss, Y, A, weights=None):
    """L and dL/dA by PyTorch, of the documented formula."""
    outputs = torch.tensor(A, requires_grad=True)
    w = None if weights is None else torch.tensor(weights)
    value = reduced(loss, LOSSES[loss.kind](loss, torch.tensor(Y), outputs), w)
    value.backward()
    return value.item(), outputs.grad.numpy()


@EVERY
@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_gradient_agree_with_pytorch(loss, weighted):
    Y, A = targets_and_outputs(loss)
    weights = np.random.default_rng(6).uniform(0, 3, ROWS) if weighted else None
    value, gradient = from_pytorch(loss, Y, A, weights)
    assert loss.value(Y, A, weights) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(loss.gradient(Y, A, weights), gradient, rtol=1e-12, atol=1e-15)


NAMED = {
    "squared_error": torch.nn.MSELoss,
    "absolute_error": torch.nn.L1Loss,
    "huber": torch.nn.HuberLoss,
    "binary_crossentropy": torch.nn.BCELoss,
}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("kind", NAMED)
def test_reductions_are_those_of_pytorchs_loss_of_the_same_name(kind, reduction):
    loss = Loss.from_data({"kind": kind, "outputs": reduction, "rows": reduction})
    Y, A = targets_and_outputs(loss)
    expected = NAMED[kind](reduction=reduction)(torch.tensor(A), torch.tensor(Y)).item()
    assert loss.value(Y, A) == pytest.approx(expected, rel=1e-12)


def test_categorical_crossentropy_of_one_hot_rows_is_pytorchs_negative_log_likelihood():
    loss = Loss.from_data("categorical_crossentropy")
    _, A = targets_and_outputs(loss)
    labels = np.arange(ROWS) % OUTPUTS
    expected = functional.nll_loss(torch.log(torch.tensor(A)), torch.tensor(labels)).item()
    assert loss.value(np.eye(OUTPUTS)[labels], A) == pytest.approx(expected, rel=1e-12)


def test_poisson_is_pytorchs():
    loss = Loss.from_data("poisson")
    Y, A = targets_and_outputs(loss)
    expected = functional.poisson_nll_loss(torch.tensor(A), torch.tensor(Y), log_input=False, eps=0).item()
    assert loss.value(Y, A) == pytest.approx(expected, rel=1e-12)


def test_hinge_is_scikit_learns():
    Y, A = targets_and_outputs(Hinge())
    weights = np.arange(1.0, ROWS + 1)
    assert Hinge().value(Y[:, :1], A[:, :1]) == pytest.approx(hinge_loss(Y[:, 0], A[:, 0]), rel=1e-12)
    expected = hinge_loss(Y[:, 0], A[:, 0], sample_weight=weights)
    assert Hinge().value(Y[:, :1], A[:, :1], weights) == pytest.approx(expected, rel=1e-12)


@EVERY
def test_a_row_of_weight_two_counts_as_two_rows(loss):
    Y, A = targets_and_outputs(loss)
    weights = np.where(np.arange(ROWS) % 3 == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(ROWS), weights.astype(int))
    assert loss.value(Y, A, weights) == pytest.approx(loss.value(Y[twice], A[twice]), rel=1e-12)


@EVERY
def test_weights_that_are_all_zero_make_everything_zero(loss):
    Y, A = targets_and_outputs(loss)
    assert loss.value(Y, A, np.zeros(ROWS)) == 0
    assert not loss.gradient(Y, A, np.zeros(ROWS)).any()


@EVERY
def test_float32_stays_float32_and_sums_rows_in_float64(loss):
    Y, A = targets_and_outputs(loss, np.float32)
    weights = np.linspace(0.5, 2, ROWS, dtype=np.float32)
    assert loss.gradient(Y, A, weights).dtype == np.float32
    many = 100_000
    per_row = np.full(many, 0.1, np.float32)
    expected = float(np.float32(0.1)) * (1 if loss.rows == "mean" else many)
    assert loss.reduce(per_row, None) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", WITH_CLIP)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip_keeps_the_value_finite_and_stops_the_gradient(kind, dtype):
    loss = Loss.from_data({"kind": kind})
    eps = np.finfo(dtype).eps
    Y = np.array([[1, 1], [0, 1], [1, 0]], dtype)
    A = np.array([[0, 0.5], [eps / 2, 0.25], [-3, 0.75]], dtype)
    gradient = loss.gradient(Y, A)
    assert np.isfinite(loss.value(Y, A))
    assert not gradient[:, 0].any()
    assert gradient[:2, 1].all()
    largest = loss.value(np.ones((1, 1), dtype), np.zeros((1, 1), dtype))
    assert largest == pytest.approx(-np.log(eps), rel=1e-6)
    assert loss.gradient(np.ones((1, 1), dtype), np.full((1, 1), eps)).item() == pytest.approx(-1 / eps, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_only_binary_crossentropy_clips_from_above(dtype):
    Y, A = np.zeros((1, 1), dtype), np.ones((1, 1), dtype)
    binary = Loss.from_data("binary_crossentropy")
    assert binary.value(Y, A) == pytest.approx(-np.log(np.finfo(dtype).eps), rel=1e-6)
    assert binary.gradient(Y, A).item() == 0
    assert Loss.from_data("categorical_crossentropy").value(1 - Y, 5 * A) == pytest.approx(-np.log(5), rel=1e-6)
    assert Loss.from_data("poisson").gradient(2 * A, 5 * A).item() == pytest.approx(1 - 2 / 5, rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "y", "a", "slope"),
    [
        ("absolute_error", 1.0, 1.0, 0.0),
        ("hinge", 1.0, 1.0, 0.0),
        ("hinge", -1.0, 2.0, 1.0),
        ("huber", 0.0, 1.0, 1.0),
        ("huber", 0.0, -1.0, -1.0),
    ],
)
def test_slope_at_and_beyond_kinks(loss, y, a, slope):
    assert Loss.from_data(loss).gradient(np.array([[y]]), np.array([[a]])).item() == slope


@BASIC_LOSSES
@pytest.mark.parametrize("method", ["value", "gradient"])
@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 1), (1, OUTPUTS), (OUTPUTS, ROWS), (ROWS, OUTPUTS, 1), ()])
def test_shapes_that_differ_are_refused(loss, method, shape):
    _, A = targets_and_outputs(loss)
    with pytest.raises(DataError, match=rf"targets of shape \({', '.join(map(str, shape))},?\).*\({ROWS}, {OUTPUTS}\)"):
        getattr(loss, method)(np.ones(shape), A)


@BASIC_LOSSES
def test_outputs_that_are_no_number_are_seen_in_the_value(loss):
    Y, A = targets_and_outputs(loss)
    A[2, 1] = np.nan
    assert np.isnan(loss.value(Y, A))
