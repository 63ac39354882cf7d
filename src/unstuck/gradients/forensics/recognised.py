"""A network that reproduces a person's loss: its forward pass, its gradient by backprop, and how it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from unstuck.arrays import Array
from unstuck.functions.activations import Activation, LeakyReLU, Sigmoid, Softmax
from unstuck.functions.losses import Huber, Loss
from unstuck.gradients.forensics.candidates import LOSSES
from unstuck.gradients.forensics.layers import Arrangement

TERMS: dict[str, tuple[bool, Callable[[Array], float], Callable[[Array], Array]]] = {
    "sum W²": (False, lambda W: float(np.sum(W * W)), lambda W: 2 * W),
    "sum b²": (True, lambda b: float(np.sum(b * b)), lambda b: 2 * b),
    "sum |W|": (False, lambda W: float(np.abs(W).sum()), np.sign),
    "sum |b|": (True, lambda b: float(np.abs(b).sum()), np.sign),
    "sum W": (False, lambda W: float(W.sum()), np.ones_like),
    "sum b": (True, lambda b: float(b.sum()), np.ones_like),
}
"""The terms of a penalty: whether it is of the biases, its value and its derivative."""


@dataclass(frozen=True)
class Recognised:
    """A network that reproduces the loss.

    Attributes:
        arrangement: its layers and data.
        activations: of every layer.
        loss: with its outputs and rows summed.
        scale: alpha, which multiplies that sum.
        penalty: the coefficients of TERMS that are not zero.
        left_over: the largest difference from the person's loss, relative to it.
    """

    arrangement: Arrangement
    activations: tuple[Activation, ...]
    loss: Loss
    scale: float
    penalty: dict[str, float] = field(default_factory=dict)
    left_over: float = 0.0

    def without_additions(self) -> Recognised:
        """Return it without what is added before a logarithm, as its gradient is mostly written."""
        if not getattr(self.loss, "added", 0.0):
            return self
        return replace(self, loss=next(loss for loss in LOSSES if loss.kind == self.loss.kind))

    def forward(self, w: Array) -> list[tuple[Array, Array, Array]]:
        """Return x, z and a of every layer, each of n rows."""
        x = self.arrangement.X
        traces: list[tuple[Array, Array, Array]] = []
        for depth, (layer, f) in enumerate(zip(self.arrangement.layers, self.activations, strict=True)):
            z = x @ layer.weights(w) + layer.biases(w)
            a = f.value(z)
            traces.append((x, z, a))
            factor = self.arrangement.factor(depth)
            x = a if factor is None else a * factor
        return traces

    def penalty_gradient(self, name: str, parameters: Array) -> Array:
        """Return the derivative of the penalty's term on W or b, "W" or "b", by those parameters."""
        g = np.zeros_like(parameters)
        for term, coefficient in self.penalty.items():
            on_biases, _, derivative = TERMS[term]
            if on_biases == (name == "b"):
                g += coefficient * derivative(parameters)
        return g

    def gradient(self, w: Array) -> Array:
        """Return dL/dw by backprop, in the person's layout, of shape (P,)."""
        g = np.zeros_like(w)
        traces = self.forward(w)
        da = self.loss.derivative(self.arrangement.Y, traces[-1][2]) * self.scale
        for depth in reversed(range(len(traces))):
            layer, f, (x, z, a) = self.arrangement.layers[depth], self.activations[depth], traces[depth]
            factor = self.arrangement.factor(depth)
            if depth == len(traces) - 1 and self._is_pair():
                Y = self.arrangement.Y
                delta = self.scale * ((a * Y.sum(axis=1, keepdims=True) if isinstance(f, Softmax) else a) - Y)
            else:
                delta = f.backward(z, a, da if factor is None else da * factor)
            W = layer.weights(w)
            layer.weights(g)[...] = x.T @ delta + self.penalty_gradient("W", W)
            if layer.b is not None:
                b = layer.biases(w)
                layer.b.of(g)[...] = (delta.sum(axis=0) + self.penalty_gradient("b", b)).reshape(layer.b.shape)
            da = delta @ W.T
        return g

    def _is_pair(self) -> bool:
        """Tell whether delta is a - y, which has a value where a probability is 0 and dl/da is infinite."""
        pairs = {Softmax: "categorical_crossentropy", Sigmoid: "binary_crossentropy"}
        added = getattr(self.loss, "added", 0.0)
        return not added and pairs.get(type(self.activations[-1])) == self.loss.kind

    def __str__(self) -> str:
        widths = "-".join(map(str, self.arrangement.widths))
        activations = ", ".join(map(described, self.activations))
        terms = [self._reduction()]
        terms += [f"{coefficient:.6g} {term}" for term, coefficient in self.penalty.items()]
        if any(factor is not None for factor in self.arrangement.dropped):
            activations += f", dropout times {self.arrangement.keeps:g}"
        return f"{widths}, {activations}; loss = {' + '.join(terms)}"

    def _reduction(self) -> str:
        n, o = self.arrangement.Y.shape
        name = self.loss.kind.replace("_", " ")
        if added := getattr(self.loss, "added", 0.0):
            name += f" of p + {added:g}"
        if isinstance(self.loss, Huber) and self.loss.threshold != 1:
            name += f" of threshold {self.loss.threshold:g}"
        for factor, half in ((1.0, ""), (0.5, "half the "), (2.0, "twice the ")):
            for divided, words in (
                (1, "summed over outputs and rows"),
                (n, "summed over the outputs, averaged over the rows"),
                (o, "averaged over the outputs, summed over the rows"),
                (n * o, "averaged over outputs and rows"),
            ):
                if abs(self.scale * divided / factor - 1) < 1e-8:
                    return f"{half}{name} {words if o > 1 else words.split(', ')[-1]}"
        return f"{self.scale:.6g} times the {name} summed over outputs and rows"


def described(f: Activation) -> str:
    """Return the name of an activation, with its parameters where they are not the usual ones."""
    values = [f"{value:g}" for name, value in f.to_data().items() if isinstance(value, float) and name != "kind"]
    own = values and (isinstance(f, LeakyReLU) or f != type(f)())
    return f.kind.replace("_", " ") + (f"({', '.join(values)})" if own else "")
