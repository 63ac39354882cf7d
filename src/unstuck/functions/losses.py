"""Loss functions L(Y, A), each beside its derivative dL/dA.

Y are the targets, A the outputs, both of shape (n, o). A loss is reduced in two steps, which its fields spell out:
over the outputs of a row to l_r (`outputs`: their mean or their sum), then over the rows (`rows`):

    "mean":  L = sum_r w_r l_r / sum_r w_r        "sum":  L = sum_r w_r l_r

with w the row weights, 1 where none are given. "Half the squared error, summed over outputs, averaged over rows" is
`SquaredError(half=True, outputs="sum")`.

Logarithms and quotients are taken of outputs clipped to [eps, 1 - eps] (or from eps on, where outputs may exceed 1),
with eps the machine epsilon of the dtype: 1.2e-7 in float32, 2.2e-16 in float64. Where the clip acts, the derivative is
that of the clipped function, zero. The sensible pairs (softmax with cross-entropy, ...) need no clip: `pairs.py`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import PositiveFloat

from unstuck.arrays import Array
from unstuck.description import Description, described
from unstuck.errors import DataError

Reduction = Literal["mean", "sum"]
Coding = Literal["numbers", "binary", "signed"]


class Loss(Description):
    """The family of loss functions."""

    outputs: Reduction = "sum"
    rows: Reduction = "mean"
    prefers: ClassVar[Coding] = "numbers"
    """How the targets of a one-unit network are coded unless the recipe says otherwise: 0/1, -1/1 or as they are."""

    def value(self, Y: Array, A: Array, weights: Array | None = None) -> float:
        """Return L(Y, A), a number.

        Raises:
            DataError: when Y and A differ in shape; they are never broadcast.
        """
        return self.reduce(self.per_row(Y, A), weights)

    def gradient(self, Y: Array, A: Array, weights: Array | None = None) -> Array:
        """Return dL/dA, of shape (n, o)."""
        return self.row_factors(len(A), weights, A.dtype) * self.derivative(Y, A)

    def per_row(self, Y: Array, A: Array) -> Array:
        """Return l_r for every row, of shape (n,)."""
        raise NotImplementedError

    def derivative(self, Y: Array, A: Array) -> Array:
        """Return dl_r/dA, of shape (n, o)."""
        raise NotImplementedError

    def reduce_outputs(self, elements: Array) -> Array:
        """Return l_r, the mean or sum of l over the outputs, of shape (n,)."""
        return elements.sum(axis=1) * self.output_factor(elements)

    def output_factor(self, A: Array) -> float:
        """Return dl_r/dl: 1/o for the mean, 1 for the sum."""
        return 1 / A.shape[1] if self.outputs == "mean" else 1.0

    def reduce(self, per_row: Array, weights: Array | None) -> float:
        """Return the weighted mean or sum of l_r over the rows, accumulated in float64."""
        return float(self.row_factors(len(per_row), weights, np.dtype(np.float64))[:, 0] @ per_row)

    def row_factors(self, n: int, weights: Array | None, dtype: np.dtype[np.floating]) -> Array:
        """Return dL/dl_r, of shape (n, 1): w_r / sum w for the mean, w_r for the sum."""
        w = np.ones((n, 1), dtype) if weights is None else weights.reshape(n, 1).astype(dtype)
        total = w.sum() if self.rows == "mean" else 1
        return w / total if total else w


class Elementwise(Loss):
    """A loss that treats every output alike, by l(y, a) and dl/da."""

    def per_row(self, Y: Array, A: Array) -> Array:
        same_shape(Y, A)
        return self.reduce_outputs(self.element(Y, A))

    def derivative(self, Y: Array, A: Array) -> Array:
        same_shape(Y, A)
        return self.slope(Y, A) * self.output_factor(A)

    def element(self, y: Array, a: Array) -> Array:
        """Return l(y, a), elementwise."""
        raise NotImplementedError

    def slope(self, y: Array, a: Array) -> Array:
        """Return dl/da, elementwise."""
        raise NotImplementedError


def same_shape(Y: Array, A: Array) -> None:
    """Refuse to compare arrays that NumPy would broadcast: (n,) against (n, 1) silently becomes n x n."""
    if Y.shape != A.shape:
        raise DataError(
            f"targets of shape {Y.shape} cannot be compared with outputs of shape {A.shape}; "
            "NumPy would broadcast them and the network would learn the mean: give both the shape (rows, outputs)"
        )


def clip(A: Array, upper: float = np.inf) -> tuple[Array, Array]:
    """Return A clipped to [eps, upper - eps], and 1 where the clip left it alone, else 0."""
    eps = np.finfo(A.dtype).eps
    inside = (eps <= A) & (upper - eps >= A)
    return np.clip(A, eps, upper - eps), inside.astype(A.dtype)


@described
class SquaredError(Elementwise, kind="squared_error"):
    """l = (a - y)^2, or half of it. dl/da = 2 (a - y), or (a - y).

    >>> y, a = np.array([[0.0, 2.0]]), np.array([[1.0, 0.0]])
    >>> SquaredError().value(y, a), SquaredError(half=True, outputs="sum").value(y, a)
    (2.5, 2.5)
    """

    half: bool = False
    outputs: Reduction = "mean"
    rows: Reduction = "mean"

    def element(self, y: Array, a: Array) -> Array:
        return (a - y) ** 2 * (0.5 if self.half else 1)

    def slope(self, y: Array, a: Array) -> Array:
        return (a - y) * (1 if self.half else 2)


@described
class AbsoluteError(Elementwise, kind="absolute_error"):
    """l = |a - y|. dl/da = sign(a - y). The best constant is the median."""

    outputs: Reduction = "mean"
    rows: Reduction = "mean"

    def element(self, y: Array, a: Array) -> Array:
        return np.abs(a - y)

    def slope(self, y: Array, a: Array) -> Array:
        return np.sign(a - y)


@described
class Huber(Elementwise, kind="huber"):
    """l = e^2 / 2 where |e| <= d, else d (|e| - d / 2), with e = a - y and d the threshold. dl/da = e cut off at ±d.

    Source: Huber 1964.
    """

    threshold: PositiveFloat = 1.0
    outputs: Reduction = "mean"
    rows: Reduction = "mean"

    def element(self, y: Array, a: Array) -> Array:
        e, d = np.abs(a - y), self.threshold
        return np.where(e <= d, e * e / 2, d * (e - d / 2))

    def slope(self, y: Array, a: Array) -> Array:
        return np.clip(a - y, -self.threshold, self.threshold)


@described
class CategoricalCrossEntropy(Loss, kind="categorical_crossentropy"):
    """l_r = -sum_k y_k log(a_k), over the classes of a row. dl_r/da_k = -y_k / a_k.

    Y are one-hot rows (or any distribution over the classes), A probabilities.

    >>> CategoricalCrossEntropy().value(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]]))
    0.6931471805599453
    """

    rows: Reduction = "mean"

    def per_row(self, Y: Array, A: Array) -> Array:
        same_shape(Y, A)
        clipped, _ = clip(A)
        return self.reduce_outputs(-Y * np.log(clipped))

    def derivative(self, Y: Array, A: Array) -> Array:
        same_shape(Y, A)
        clipped, inside = clip(A)
        return -Y / clipped * inside


@described
class BinaryCrossEntropy(Elementwise, kind="binary_crossentropy"):
    """l = -y log(a) - (1 - y) log(1 - a). dl/da = (a - y) / (a (1 - a)). Each output answers a yes/no question."""

    outputs: Reduction = "mean"
    rows: Reduction = "mean"
    prefers = "binary"

    def element(self, y: Array, a: Array) -> Array:
        a, _ = clip(a, upper=1)
        return -y * np.log(a) - (1 - y) * np.log1p(-a)

    def slope(self, y: Array, a: Array) -> Array:
        a, inside = clip(a, upper=1)
        return (a - y) / (a * (1 - a)) * inside


@described
class Hinge(Elementwise, kind="hinge"):
    """l = max(0, 1 - y a), y in {-1, 1}. dl/da = -y where y a < 1, else 0. Source: Cortes and Vapnik 1995."""

    outputs: Reduction = "mean"
    rows: Reduction = "mean"
    prefers = "signed"

    def element(self, y: Array, a: Array) -> Array:
        return np.maximum(0, 1 - y * a)

    def slope(self, y: Array, a: Array) -> Array:
        return np.where(y * a < 1, -y, y.dtype.type(0))


@described
class Poisson(Elementwise, kind="poisson"):
    """l = a - y log(a), the negative log-likelihood of counts y with expectation a, less log(y!). dl/da = 1 - y / a."""

    outputs: Reduction = "mean"
    rows: Reduction = "mean"

    def element(self, y: Array, a: Array) -> Array:
        a, _ = clip(a)
        return a - y * np.log(a)

    def slope(self, y: Array, a: Array) -> Array:
        a, inside = clip(a)
        return (1 - y / a) * inside
