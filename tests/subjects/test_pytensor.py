"""Functions that PyTensor compiled, as subjects: case 4 as it was written, in the living successor of its library."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from unstuck import HandWritten, check_gradient, explain_gradient
from unstuck.data.generators import xor

if sys.version_info >= (3, 14):
    pytest.skip("pyproject.toml asks for PyTensor below Python 3.14 only", allow_module_level=True)

import pytensor
import pytensor.tensor as pt

pytensor.config.cxx = ""  # its own Python is fast enough here, and needs no compiler
pytensor.config.mode = "FAST_COMPILE"
LAMBDA = 1e-4


def functions(connected: bool):
    """Return cost(W1, b1, W2, b2, X, Y) and its gradient; if not connected, the cost gets predictions as data."""
    W1, W2, X, Y = pt.dmatrices("W1", "W2", "X", "Y")
    b1, b2 = pt.dvectors("b1", "b2")
    parameters = [W1, b1, W2, b2]
    outputs = pt.special.softmax(pt.sigmoid(X @ W1 + b1) @ W2 + b2, axis=1)
    seen = outputs if connected else pt.dmatrix("predictions")
    cost = -(Y * pt.log(seen)).sum(axis=1).mean() + LAMBDA * sum((one**2).sum() for one in parameters)
    inputs = [*parameters, X, Y]
    given = [] if connected else [seen]
    predict = pytensor.function([*parameters, X], outputs)
    value = pytensor.function([*inputs, *given], cost, on_unused_input="ignore")
    slope = pytensor.function([*inputs, *given], pytensor.grad(cost, parameters), on_unused_input="ignore")

    def with_predictions(function):
        def called(parameters, X, Y):
            more = [] if connected else [predict(*parameters, X)]
            return function(*parameters, X, Y, *more)

        return called

    return with_predictions(value), with_predictions(slope)


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "as it was"])
def test_case_4(connected):
    X, y = xor(copies=2)
    loss, gradient = functions(connected)
    random = np.random.default_rng(0)
    start = [random.uniform(0, 1, shape) for shape in ((2, 2), 2, (2, 2), 2)]
    theirs = HandWritten(start, loss=loss, gradient=gradient, data=(X, np.eye(2)[y]))
    said = explain_gradient(theirs)
    assert check_gradient(theirs).verdict == ("right" if connected else "WRONG")
    assert [mistake.kind for mistake in said.mistakes] == ([] if connected else ["disconnected"])
    assert str(said.recognised).startswith("2-2-2, sigmoid, softmax")
