"""Starts: where weights W (i, o) and biases b (o,) begin.

The scaled starts keep the variance of the signal (Glorot's also that of the gradient) the same from layer to layer:
Var(w) = gain / fan, with fan the inputs of a unit, or the mean of inputs and outputs. Uniform ones draw from
±sqrt(3 Var(w)).
"""

from __future__ import annotations

import math
import reprlib
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, PositiveFloat

from unstuck.arrays import Array
from unstuck.description import Description, described

Shape = tuple[int, ...]


class Initializer(Description):
    """The family of starts. Biases are drawn with the fans of the layer they belong to."""

    def sample(self, random: np.random.Generator, shape: Shape, inputs: int, outputs: int) -> Array:
        """Return float64 values of `shape`, for a layer of i inputs and o outputs."""
        raise NotImplementedError


@described
class Zeros(Initializer, kind="zeros"):
    """w = 0. Right for biases; weights that start so stay equal within a layer."""

    def sample(self, random: np.random.Generator, shape: Shape, inputs: int, outputs: int) -> Array:
        return np.zeros(shape)


@described
class Constant(Initializer, kind="constant"):
    """w = value."""

    value: float

    def sample(self, random: np.random.Generator, shape: Shape, inputs: int, outputs: int) -> Array:
        return np.full(shape, self.value)


@described
class Uniform(Initializer, kind="uniform"):
    """w ~ U(low, high)."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"low must not exceed high; got low={self.low}, high={self.high}")

    def sample(self, random: np.random.Generator, shape: Shape, inputs: int, outputs: int) -> Array:
        return random.uniform(self.low, self.high, shape)


@described
class Normal(Initializer, kind="normal"):
    """w ~ N(0, std^2)."""

    std: PositiveFloat = 1.0

    def sample(self, random: np.random.Generator, shape: Shape, inputs: int, outputs: int) -> Array:
        return self.std * random.standard_normal(shape)


class _Scaled(Initializer):
    """Var(w) = gain / fan."""

    gain: ClassVar[float]
    fan: ClassVar[Literal["inputs", "mean"]]
    distribution: ClassVar[Literal["uniform", "normal"]]

    def sample(self, random: np.random.Generator, shape: Shape, inputs: int, outputs: int) -> Array:
        fan = inputs if self.fan == "inputs" else (inputs + outputs) / 2
        std = math.sqrt(self.gain / fan)
        if self.distribution == "normal":
            return std * random.standard_normal(shape)
        return random.uniform(-math.sqrt(3) * std, math.sqrt(3) * std, shape)


@described
class LeCunUniform(_Scaled, kind="lecun_uniform"):
    """Var(w) = 1 / i, uniform. Source: LeCun et al. 1998."""

    gain, fan, distribution = 1, "inputs", "uniform"


@described
class LeCunNormal(_Scaled, kind="lecun_normal"):
    """Var(w) = 1 / i, normal. The start of SELU. Source: LeCun et al. 1998."""

    gain, fan, distribution = 1, "inputs", "normal"


@described
class GlorotUniform(_Scaled, kind="glorot_uniform"):
    """Var(w) = 2 / (i + o), uniform. The start of sigmoid, tanh and linear layers. Source: Glorot and Bengio 2010.

    >>> W = GlorotUniform().sample(np.random.default_rng(0), (300, 100), 300, 100)
    >>> round(float(W.var()) * 200, 1)
    1.0
    """

    gain, fan, distribution = 1, "mean", "uniform"


@described
class GlorotNormal(_Scaled, kind="glorot_normal"):
    """Var(w) = 2 / (i + o), normal. Source: Glorot and Bengio 2010."""

    gain, fan, distribution = 1, "mean", "normal"


@described
class HeUniform(_Scaled, kind="he_uniform"):
    """Var(w) = 2 / i, uniform. Source: He et al. 2015."""

    gain, fan, distribution = 2, "inputs", "uniform"


@described
class HeNormal(_Scaled, kind="he_normal"):
    """Var(w) = 2 / i, normal. The start of ReLU and its kin. Source: He et al. 2015."""

    gain, fan, distribution = 2, "inputs", "normal"


@described
class Orthogonal(Initializer, kind="orthogonal"):
    """W = gain Q, with Q the orthogonal factor of a normal matrix: W^T W = gain^2 I, or W W^T where i < o. b = 0.

    Source: Saxe, McClelland and Ganguli 2014.
    """

    gain: PositiveFloat = 1.0

    def sample(self, random: np.random.Generator, shape: Shape, inputs: int, outputs: int) -> Array:
        if len(shape) == 1:
            return np.zeros(shape)
        long, short = max(shape), min(shape)
        Q, R = np.linalg.qr(random.normal(size=(long, short)))
        Q *= np.sign(np.diag(R))  # else Q is not uniform over the orthogonal matrices
        return self.gain * (Q if shape[0] == long else Q.T)


def _nested_tuples(values: Any) -> Any:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"expected numbers, in rows of equal length; got {reprlib.repr(values)}") from None
    if array.ndim not in (1, 2):
        raise ValueError(f"expected an array of shape (i, o) for weights or (o,) for biases; got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"expected finite numbers; {np.count_nonzero(~np.isfinite(array))} of {array.size} are not")
    return tuple(map(tuple, array.tolist())) if array.ndim == 2 else tuple(array.tolist())


Values = tuple[tuple[float, ...], ...] | tuple[float, ...]


@described
class Given(Initializer, kind="given"):
    """The very values given: an array of shape (i, o) for W, (o,) for b.

    >>> Given(np.eye(2))
    Given(((1.0, 0.0), (0.0, 1.0)))
    """

    values: Annotated[Values, BeforeValidator(_nested_tuples)]

    def sample(self, random: np.random.Generator, shape: Shape, inputs: int, outputs: int) -> Array:
        array = np.array(self.values)
        if array.shape != shape:
            raise ValueError(f"given values of shape {array.shape} for parameters of shape {shape}")
        return array
