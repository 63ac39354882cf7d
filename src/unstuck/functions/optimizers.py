"""Optimizers: how the gradient g moves the parameters w, both one flat vector of P numbers.

`start` makes the optimizer's memory, arrays by name; `update` changes w and the memory in place. t counts updates from
1; rate is the learning rate of this update, after the schedule.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Lt
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from unstuck.arrays import Array
from unstuck.description import Description, described

Memory = dict[str, Array]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Optimizer(Description):
    """The family of optimizers."""

    learning_rate: float
    slots: ClassVar[tuple[str, ...]] = ()
    """The names of the memory's vectors of P numbers, all zero at the start."""

    def start(self, w: Array) -> Memory:
        """Return the memory before the first update."""
        return {name: np.zeros_like(w) for name in self.slots}

    def update(self, w: Array, g: Array, memory: Memory, t: int, rate: float) -> None:
        """Change w, in place."""
        raise NotImplementedError


@described
class SGD(Optimizer, kind="sgd"):
    """w -= rate g: (stochastic) gradient descent."""

    learning_rate: PositiveFloat = 0.01

    def update(self, w: Array, g: Array, memory: Memory, t: int, rate: float) -> None:
        w -= rate * g


@described
class Momentum(Optimizer, kind="momentum"):
    """v = momentum v + g; w -= rate v. Source: Polyak 1964, in the form of Sutskever et al. 2013 (and PyTorch)."""

    learning_rate: PositiveFloat = 0.01
    momentum: Share = 0.9
    slots = ("velocity",)

    def update(self, w: Array, g: Array, memory: Memory, t: int, rate: float) -> None:
        v = memory["velocity"]
        v *= self.momentum
        v += g
        w -= rate * v


@described
class Nesterov(Optimizer, kind="nesterov"):
    """v = momentum v + g; w -= rate (g + momentum v). Source: Nesterov 1983, in the form of PyTorch."""

    learning_rate: PositiveFloat = 0.01
    momentum: Share = 0.9
    slots = ("velocity",)

    def update(self, w: Array, g: Array, memory: Memory, t: int, rate: float) -> None:
        v = memory["velocity"]
        v *= self.momentum
        v += g
        w -= rate * (g + self.momentum * v)


@described
class RMSProp(Optimizer, kind="rmsprop"):
    """s = decay s + (1 - decay) g^2; w -= rate g / (sqrt(s) + epsilon). Source: Tieleman and Hinton 2012."""

    learning_rate: PositiveFloat = 0.001
    decay: Fraction = 0.9
    epsilon: PositiveFloat = 1e-8
    slots = ("square",)

    def update(self, w: Array, g: Array, memory: Memory, t: int, rate: float) -> None:
        s = memory["square"]
        s *= self.decay
        s += (1 - self.decay) * g * g
        w -= rate * g / (np.sqrt(s) + self.epsilon)


@described
class AdaptiveRMSProp(Optimizer, kind="adaptive_rmsprop"):
    """RMSProp whose every parameter has a step of its own, grown while its gradient keeps its sign.

        gain = gain increment   where g and the previous g agree in sign
        gain = gain decrement   where they differ
        w   -= rate gain g / (sqrt(s) + epsilon), gain kept within [minimum, maximum]

    Source: Hinton's lecture 6 of 2012, which combines RMSProp with gains of this kind, and the bounds [0.1, 10]; the
    factors are those of the fifth case.
    """

    learning_rate: PositiveFloat = 0.001
    decay: Fraction = 0.9
    increment: Annotated[float, Field(ge=1)] = 1.3
    decrement: Annotated[float, Gt(0), Field(le=1)] = 0.5
    minimum: PositiveFloat = 0.1
    maximum: PositiveFloat = 10.0
    epsilon: PositiveFloat = 1e-8
    slots = ("square", "previous")

    def start(self, w: Array) -> Memory:
        return {**super().start(w), "gain": np.ones_like(w)}

    def update(self, w: Array, g: Array, memory: Memory, t: int, rate: float) -> None:
        s, previous, gain = memory["square"], memory["previous"], memory["gain"]
        s *= self.decay
        s += (1 - self.decay) * g * g
        agreement = g * previous
        gain *= np.where(agreement > 0, self.increment, np.where(agreement < 0, self.decrement, 1)).astype(w.dtype)
        np.clip(gain, self.minimum, self.maximum, out=gain)
        w -= rate * gain * g / (np.sqrt(s) + self.epsilon)
        previous[:] = g


@described
class Rprop(Optimizer, kind="rprop"):
    """Steps of the gradient's sign only, meant for full batches.

        step = step increment   where g and the previous g agree in sign
        step = step decrement   where they differ; there g counts as 0, this time and as the next previous g
        w   -= step sign(g), step kept within [minimum, maximum] and starting at learning_rate

    A schedule scales the steps. Source: Riedmiller and Braun 1993, in the form of PyTorch.
    """

    learning_rate: PositiveFloat = 0.01
    increment: Annotated[float, Gt(1)] = 1.2
    decrement: Annotated[float, Gt(0), Lt(1)] = 0.5
    minimum: PositiveFloat = 1e-6
    maximum: PositiveFloat = 50.0
    slots = ("previous",)

    def start(self, w: Array) -> Memory:
        return {**super().start(w), "step": np.full_like(w, self.learning_rate)}

    def update(self, w: Array, g: Array, memory: Memory, t: int, rate: float) -> None:
        previous, step = memory["previous"], memory["step"]
        agreement = g * previous
        step *= np.where(agreement > 0, self.increment, np.where(agreement < 0, self.decrement, 1)).astype(w.dtype)
        np.clip(step, self.minimum, self.maximum, out=step)
        previous[:] = np.where(agreement < 0, 0, g)
        w -= rate / self.learning_rate * step * np.sign(previous)


@described
class Adagrad(Optimizer, kind="adagrad"):
    """s = s + g^2; w -= rate g / (sqrt(s) + epsilon). Source: Duchi, Hazan and Singer 2011."""

    learning_rate: PositiveFloat = 0.01
    epsilon: PositiveFloat = 1e-10
    slots = ("square",)

    def update(self, w: Array, g: Array, memory: Memory, t: int, rate: float) -> None:
        s = memory["square"]
        s += g * g
        w -= rate * g / (np.sqrt(s) + self.epsilon)


@described
class Adam(Optimizer, kind="adam"):
    """m = beta1 m + (1 - beta1) g; s = beta2 s + (1 - beta2) g^2, both corrected for their start at zero.

        w -= rate (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + epsilon)

    With `epsilon_hat` epsilon stands beside sqrt(s), before s is corrected: it is epsilon / sqrt(1 - beta2^t) above,
    which matters where gradients are near epsilon. So have it scikit-learn and TensorFlow. Source: Kingma and Ba 2015,
    the second form at the end of their section 2.
    """

    learning_rate: PositiveFloat = 0.001
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-8
    epsilon_hat: bool = False
    slots = ("mean", "square")

    def update(self, w: Array, g: Array, memory: Memory, t: int, rate: float) -> None:
        m, s = memory["mean"], memory["square"]
        m *= self.beta1
        m += (1 - self.beta1) * g
        s *= self.beta2
        s += (1 - self.beta2) * g * g
        mean_factor, square_factor = 1 / (1 - self.beta1**t), 1 / (1 - self.beta2**t)
        epsilon = self.epsilon * (square_factor**0.5 if self.epsilon_hat else 1)
        w -= rate * mean_factor * m / (np.sqrt(square_factor * s) + epsilon)


@described
class AdamW(Adam, kind="adamw"):
    """w *= 1 - rate weight_decay, on weights and biases alike, then Adam. Source: Loshchilov and Hutter 2019."""

    learning_rate: PositiveFloat = 0.001
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-8
    epsilon_hat: bool = False
    weight_decay: NonNegativeFloat = 0.01

    def update(self, w: Array, g: Array, memory: Memory, t: int, rate: float) -> None:
        w *= 1 - rate * self.weight_decay
        super().update(w, g, memory, t, rate)


@described
class NAdam(Optimizer, kind="nadam"):
    """Adam with Nesterov's momentum, beta1 warming up: mu_t = beta1 (1 - 0.96^(0.004 t) / 2).

        ahead = mu_{t+1} m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 ... mu_t)
        w    -= rate ahead / (sqrt(s / (1 - beta2^t)) + epsilon)

    Source: Dozat 2016, in the form of PyTorch.
    """

    learning_rate: PositiveFloat = 0.002
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-8
    slots = ("mean", "square")

    def start(self, w: Array) -> Memory:
        return {**super().start(w), "momenta": np.ones(1)}

    def update(self, w: Array, g: Array, memory: Memory, t: int, rate: float) -> None:
        m, s, momenta = memory["mean"], memory["square"], memory["momenta"]
        m *= self.beta1
        m += (1 - self.beta1) * g
        s *= self.beta2
        s += (1 - self.beta2) * g * g
        now, soon = self._momentum(t), self._momentum(t + 1)
        momenta *= now
        ahead = soon / (1 - momenta[0] * soon) * m + (1 - now) / (1 - momenta[0]) * g
        w -= (rate * ahead / (np.sqrt(s / (1 - self.beta2**t)) + self.epsilon)).astype(w.dtype)

    def _momentum(self, t: int) -> float:
        return self.beta1 * (1 - 0.5 * 0.96 ** (t * 0.004))


@described
class LBFGS(Optimizer, kind="lbfgs"):
    """Limited-memory BFGS with line search, by SciPy, on the full batch; an epoch is one of its iterations.

    `history` is the number of past steps that model the curvature; it stops when the largest entry of the gradient is
    below `gradient_tolerance`, when an iteration lowers the cost by no more than the share `cost_tolerance` of it (of 1
    where the cost is smaller), or after `calls` costs, 100 an epoch where that is None. Source: Byrd, Lu, Nocedal and
    Zhu 1995.
    """

    history: PositiveInt = 10
    gradient_tolerance: NonNegativeFloat = 1e-8
    cost_tolerance: NonNegativeFloat = 0.0
    calls: PositiveInt | None = None
    learning_rate = 1.0  # not a field
