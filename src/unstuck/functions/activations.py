"""Activation functions a = f(z), each beside its derivative.

All work on pre-activations z of shape (n, o) and keep their dtype. `value` is f; `derivative` is da/dz, elementwise,
and may use a where that is shorter. `backward` turns dL/da into dL/dz; only softmax, whose outputs depend on each
other, needs more than the elementwise product. At a kink (z = 0 of ReLU) the derivative is the left one, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat

from unstuck.arrays import Array
from unstuck.description import Description, described
from unstuck.errors import RecipeError

INF = float("inf")


class Activation(Description):
    """The family of activation functions."""

    start: ClassVar[str] = "glorot_uniform"
    """The kind of initializer that keeps the signal's variance through layers of this activation."""

    @classmethod
    def from_data(cls, data: object) -> Self:
        """Build from plain data, as for every description; a function is refused, for it comes without a derivative.

        Raises:
            RecipeError: with all problems at once.
        """
        if not callable(data):
            return super().from_data(data)
        name = getattr(data, "__name__", "f")
        if isinstance(data, type) and issubclass(data, Activation):
            raise RecipeError([("", f"the class {name} is no activation yet; write {name}()")], cls._label())
        own = f"Custom({name if name.isidentifier() else 'f'}, derivative)"
        instead = f"{name!r}, or {own}" if name in cls.family else own
        raise RecipeError([("", f"a function alone has no derivative to learn by; write {instead}")], cls._label())

    @property
    def range(self) -> tuple[float, float]:
        """The smallest interval that holds every output."""
        return (-INF, INF)

    def value(self, z: Array) -> Array:
        """Return a = f(z)."""
        raise NotImplementedError

    def derivative(self, z: Array, a: Array) -> Array:
        """Return f'(z), elementwise."""
        raise NotImplementedError

    def backward(self, z: Array, a: Array, da: Array) -> Array:
        """Return dL/dz = dL/da f'(z)."""
        return da * self.derivative(z, a)


@described
class Identity(Activation, kind="identity"):
    """f(z) = z, the linear output unit. f' = 1."""

    def value(self, z: Array) -> Array:
        return z

    def derivative(self, z: Array, a: Array) -> Array:
        return np.ones_like(z)


@described
class Sigmoid(Activation, kind="sigmoid"):
    """f(z) = 1 / (1 + exp(-z)), the logistic function. f' = a (1 - a). Range (0, 1).

    >>> Sigmoid().value(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """

    range = (0.0, 1.0)

    def value(self, z: Array) -> Array:
        e = np.exp(-np.abs(z))  # never overflows
        return np.where(z >= 0, 1, e) / (1 + e)

    def derivative(self, z: Array, a: Array) -> Array:
        return a * (1 - a)


@described
class Tanh(Activation, kind="tanh"):
    """f(z) = tanh(z). f' = 1 - a^2. Range (-1, 1)."""

    range = (-1.0, 1.0)

    def value(self, z: Array) -> Array:
        return np.tanh(z)

    def derivative(self, z: Array, a: Array) -> Array:
        return 1 - a * a


@described
class ReLU(Activation, kind="relu"):
    """f(z) = max(0, z), the rectifier. f' = 1 where z > 0, else 0. Range [0, inf). Source: Nair and Hinton 2010."""

    range = (0.0, INF)
    start = "he_normal"

    def value(self, z: Array) -> Array:
        return np.maximum(z, 0)

    def derivative(self, z: Array, a: Array) -> Array:
        return (z > 0).astype(z.dtype)


@described
class LeakyReLU(Activation, kind="leaky_relu"):
    """f(z) = z where z > 0, else slope z. f' = 1 or slope. Source: Maas, Hannun and Ng 2013.

    >>> LeakyReLU(slope=0.1).value(np.array([-2.0, 3.0]))
    array([-0.2,  3. ])
    """

    slope: NonNegativeFloat = 0.01
    start = "he_normal"

    @property
    def range(self) -> tuple[float, float]:
        return (-INF if self.slope else 0.0, INF)

    def value(self, z: Array) -> Array:
        return np.where(z > 0, z, self.slope * z)

    def derivative(self, z: Array, a: Array) -> Array:
        return np.where(z > 0, z.dtype.type(1), z.dtype.type(self.slope))


@described
class ELU(Activation, kind="elu"):
    """f(z) = z where z > 0, else alpha (exp(z) - 1). f' = 1 or a + alpha. Range (-alpha, inf).

    Source: Clevert, Unterthiner and Hochreiter 2016.
    """

    alpha: PositiveFloat = 1.0
    start = "he_normal"

    @property
    def range(self) -> tuple[float, float]:
        return (-self.alpha, INF)

    def value(self, z: Array) -> Array:
        return np.where(z > 0, z, self.alpha * np.expm1(np.minimum(z, 0)))

    def derivative(self, z: Array, a: Array) -> Array:
        return np.where(z > 0, z.dtype.type(1), a + self.alpha)


@described
class SELU(Activation, kind="selu"):
    """f(z) = s z where z > 0, else s alpha (exp(z) - 1). f' = s or a + s alpha. Range (-1.758, inf).

    With alpha = 1.67326... and s = 1.05070... mean 0 and variance 1 are a fixed point of deep networks that start with
    LeCun's normal. Source: Klambauer et al. 2017.
    """

    alpha: ClassVar[float] = 1.6732632423543772848170429916717
    scale: ClassVar[float] = 1.0507009873554804934193349852946
    range = (-alpha * scale, INF)
    start = "lecun_normal"

    def value(self, z: Array) -> Array:
        return self.scale * np.where(z > 0, z, self.alpha * np.expm1(np.minimum(z, 0)))

    def derivative(self, z: Array, a: Array) -> Array:
        return np.where(z > 0, z.dtype.type(self.scale), a + self.scale * self.alpha)


@described
class GELU(Activation, kind="gelu"):
    """f(z) = z Phi(z), Phi the standard normal distribution function. f' = Phi(z) + z phi(z). Range [-0.170, inf).

    The exact form, not its tanh approximation. Source: Hendrycks and Gimpel 2016.
    """

    range = (-0.16997120747990369, INF)
    start = "he_normal"

    def value(self, z: Array) -> Array:
        return z * self._distribution(z)

    def derivative(self, z: Array, a: Array) -> Array:
        density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi).astype(z.dtype)
        return self._distribution(z) + z * density

    def _distribution(self, z: Array) -> Array:
        from scipy.special import ndtr

        Phi: Array = ndtr(z)
        return Phi


@described
class SiLU(Activation, kind="silu"):
    """f(z) = z s, s = sigmoid(z); also called swish. f' = s (1 + z (1 - s)). Range [-0.278, inf).

    Source: Elfwing, Uchibe and Doya 2018.
    """

    range = (-0.27846454276107378, INF)
    start = "he_normal"

    def value(self, z: Array) -> Array:
        return z * Sigmoid().value(z)

    def derivative(self, z: Array, a: Array) -> Array:
        s = Sigmoid().value(z)
        return s * (1 + z * (1 - s))


@described
class Softplus(Activation, kind="softplus"):
    """f(z) = log(1 + exp(z)), a smooth ReLU. f' = sigmoid(z). Range (0, inf). Source: Dugas et al. 2001."""

    range = (0.0, INF)
    start = "he_normal"

    def value(self, z: Array) -> Array:
        return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))

    def derivative(self, z: Array, a: Array) -> Array:
        return Sigmoid().value(z)


@described
class Softmax(Activation, kind="softmax"):
    """a_k = exp(z_k) / sum_c exp(z_c), over the units of a row. Range (0, 1), rows sum to 1.

    da_k/dz_c = a_k ([k = c] - a_c), hence dL/dz = a (dL/da - sum_c a_c dL/da_c).

    >>> Softmax().value(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """

    range = (0.0, 1.0)

    def value(self, z: Array) -> Array:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def derivative(self, z: Array, a: Array) -> Array:
        """Return the diagonal of the Jacobian, da_k/dz_k = a_k (1 - a_k)."""
        return a * (1 - a)

    def backward(self, z: Array, a: Array, da: Array) -> Array:
        """Return dL/dz by the full Jacobian."""
        return a * (da - (a * da).sum(axis=1, keepdims=True))


@described
class Exponential(Activation, kind="exponential"):
    """f(z) = exp(z). f' = a. Range (0, inf). The output of a Poisson regression; in hidden layers it explodes."""

    range = (0.0, INF)

    def value(self, z: Array) -> Array:
        return np.exp(z)

    def derivative(self, z: Array, a: Array) -> Array:
        return a


@described
class HardSigmoid(Activation, kind="hard_sigmoid"):
    """f(z) = z / 6 + 1/2, cut off at 0 and 1. f' = 1/6 where -3 < z < 3, else 0. Range [0, 1].

    Source: the form of Howard et al. 2019 (MobileNetV3), as in PyTorch.
    """

    range = (0.0, 1.0)

    def value(self, z: Array) -> Array:
        return np.clip(z / 6 + 0.5, 0, 1)

    def derivative(self, z: Array, a: Array) -> Array:
        return np.where(np.abs(z) < 3, z.dtype.type(1 / 6), z.dtype.type(0))


@described
class Softsign(Activation, kind="softsign"):
    """f(z) = z / (1 + |z|). f' = 1 / (1 + |z|)^2. Range (-1, 1). Source: Bergstra et al. 2009."""

    range = (-1.0, 1.0)

    def value(self, z: Array) -> Array:
        return z / (1 + np.abs(z))

    def derivative(self, z: Array, a: Array) -> Array:
        return 1 / (1 + np.abs(z)) ** 2


@described
class Custom(Activation):
    """f of your own, as a function of z, with its derivative f' as another; both work elementwise on arrays (n, o).

    The reference engine trains it, since compiled code knows only the activations above. It is the one part of a recipe
    that has no kind, and that no file can hold.

    >>> square = Custom(np.square, lambda z: 2 * z)
    >>> square.value(np.array([3.0])), square.derivative(np.array([3.0]), np.array([9.0]))
    (array([9.]), array([6.]))
    """

    function: Callable[[Any], Any]
    slope: Callable[[Any], Any]

    def value(self, z: Array) -> Array:
        return np.asarray(self.function(z), dtype=z.dtype)

    def derivative(self, z: Array, a: Array) -> Array:
        return np.asarray(self.slope(z), dtype=z.dtype)

    def to_data(self) -> dict[str, Any]:
        raise RecipeError([("activation", "a function of your own cannot be written to a file")], "Custom")
