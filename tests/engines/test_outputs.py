"""Outputs alone: those of the specification, and the same to the bit whatever rows are beside them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from tests.levels import HERE

from unstuck import Dense, Dropout, Recipe, _native
from unstuck.engines import reference
from unstuck.engines.outputs import evaluate_outputs
from unstuck.functions.activations import Custom
from unstuck.network import Network

HIDDEN = ["identity", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "sigmoid", "tanh", "softplus", "softsign"]
X = np.random.default_rng(0).normal(size=(300, 70)) * (np.random.default_rng(1).random((300, 70)) < 0.3)


def network(hidden: str, output: str, outputs: int, precision: str) -> Network:
    layers = [Dense(90, hidden), Dropout(0.5), Dense(130, hidden), Dense(outputs, output)]
    return Network(Recipe(layers, loss="squared_error", precision=precision), inputs=X.shape[1])


@pytest.fixture(params=HERE)
def level(request, monkeypatch):
    monkeypatch.setattr(_native, "cpu_level", lambda: request.param)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("output", "outputs"), [("softmax", 3), ("softmax", 40), ("identity", 1), ("sigmoid", 17)])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_outputs_are_those_of_the_specification_and_do_not_depend_on_the_rows_beside_them(
    level, hidden, output, outputs, precision
):
    net = network(hidden, output, outputs, precision)
    w, rows = net.start(), X.astype(precision)
    A = evaluate_outputs(net, w, rows)
    tolerance = {"float32": 2e-5, "float64": 1e-12}[precision]
    np.testing.assert_allclose(A, reference.evaluate_outputs(net, w, rows), rtol=tolerance, atol=tolerance)
    for part in (slice(0, 1), slice(299, 300), slice(13, 20), slice(50, 195)):
        assert (evaluate_outputs(net, w, rows[part]) == A[part]).all()


def test_sparse_rows_have_the_outputs_of_dense_ones():
    net = network("relu", "softmax", 3, "float64")
    w = net.start()
    assert (evaluate_outputs(net, w, csr_array(X)) == evaluate_outputs(net, w, X)).all()


def test_no_rows_have_no_outputs():
    net = network("relu", "softmax", 3, "float64")
    assert evaluate_outputs(net, net.start(), X[:0]).shape == (0, 3)


def test_parameters_may_be_read_only():
    net = network("relu", "softmax", 3, "float64")
    w = net.start()
    expected = evaluate_outputs(net, w, X)
    w.flags.writeable = False  # so are those of a large model that joblib maps into its workers
    assert (evaluate_outputs(net, w, X) == expected).all()


def test_rows_of_another_precision_have_the_outputs_of_the_network():
    net = network("relu", "softmax", 3, "float32")
    w = net.start()
    assert (evaluate_outputs(net, w, X) == evaluate_outputs(net, w, X.astype("float32"))).all()


def test_an_activation_of_your_own_is_called():
    doubled = Custom(lambda z: 2 * z, lambda z: np.full_like(z, 2.0))
    net = Network(Recipe([Dense(1, doubled)], loss="squared_error"), inputs=1)
    w = np.array([3.0, 1.0], np.float32)
    assert evaluate_outputs(net, w, np.array([[5.0]], np.float32)).tolist() == [[32.0]]
