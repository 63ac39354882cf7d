"""Probabilities that the loss turns into probabilities once more."""

from __future__ import annotations

import numpy as np

from unstuck.arrays import Array
from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.code.fits import in_proportion
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.functions.activations import Sigmoid, Softmax


def examine(evidence: CodeEvidence) -> Finding | None:
    """See whether the loss is the cross-entropy of softmax(predictions), and those are probabilities already."""
    if not evidence.predicts or evidence.targets is None:
        return None
    outputs = [evidence.outputs(w) for w in evidence.points]
    if not all(A.min() >= 0 and A.max() <= 1 and A.dtype.kind == "f" for A in outputs):
        return None
    Y = _like(evidence.targets.astype(np.float64), outputs[0])
    if Y is None:
        return None
    axis = _axis(outputs[0])
    if axis is not None:

        def twice(A: Array) -> float:
            rows = A if axis == 1 else A.T
            return float(-np.sum((Y if axis == 1 else Y.T) * np.log(Softmax().value(rows))))

        name, highest = "softmax", float(np.e / (np.e + outputs[0].shape[axis] - 1))
    else:

        def twice(A: Array) -> float:
            p = Sigmoid().value(A)
            return float(-np.sum(Y * np.log(p) + (1 - Y) * np.log(1 - p)))

        name, highest = "sigmoid", float(1 / (1 + np.exp(-1)))
    if not in_proportion(evidence.losses, np.array([twice(A) for A in outputs])):
        return None
    return Finding(
        "double_softmax",
        f"The {name} is taken twice: the predictions are probabilities, and the loss takes the {name} of them again.",
        (
            f"your loss is the cross-entropy of {name}(predictions) to rounding",
            f"of probabilities no {name} is more than {highest:.3f}: no row costs less than {-np.log(highest):.4f}",
        ),
        suspicion=0.9,
        fixes=(Fix(f"give the loss what the last layer has before its {name}, or take the {name} out of the loss"),),
    )


def _axis(A: Array) -> int | None:
    """Return the axis over which probabilities sum to 1, None where they do not."""
    if A.ndim != 2 or min(A.shape) < 2:
        return None
    return next((axis for axis in (1, 0) if np.abs(A.sum(axis=axis) - 1).max() < 1e-6), None)


def _like(y: Array, A: Array) -> Array | None:
    """Return the targets in the shape of the outputs: as they are, or class numbers as rows or columns."""
    if y.shape == A.shape:
        return y
    if y.size == A.size:
        return y.reshape(A.shape)
    if A.ndim == 2 and y.size in A.shape and np.array_equal(y, np.rint(y)):
        n, classes = y.size, A.size // y.size
        if y.min() >= 0 and y.max() < classes:
            one_hot = np.eye(classes)[y.reshape(-1).astype(int)]
            return one_hot if A.shape == (n, classes) else one_hot.T
    return None
