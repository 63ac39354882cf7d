"""Networks in NumPy as people write them, trained by their own functions, with a place for each fault of code.

The mistakes in the gradient are those of `benchmarks.forensics.written`; here are those in the loss, the predictions
and the step, and the ways in which the same network is written: samples in rows or columns, parameters in a dict, a
list, one flat vector or an object's attributes. Nothing of it shares code with unstuck but the wrapper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.forensics.written import ACTIVATIONS, LOSSES, Parameters, Written, sigmoid, softmax
from unstuck import SGD, HandWritten, Momentum

Array = npt.NDArray[np.float64]
ADDED = 1e-12
"""What people add before a logarithm."""
PAIRED = {("softmax", "categorical_crossentropy"), ("sigmoid", "binary_crossentropy")}
"""Output and loss whose delta is written a - y."""


@dataclass
class Program(Written):
    """A network somebody wrote, and how they train it: by full-batch gradient descent.

    Attributes:
        rate: of the step.
        updates: that are made.
        momentum: of the step; 0 for plain descent.
        style: "dict", "list", "flat" or "object": where the parameters are.
        own_step: the step is handed over; else the optimizer is told.
        dropped: share of the hidden activations that training drops, by inverted dropout.
        labels: targets are class numbers.
        predicts_labels: `predict` returns the class.
        flaw: the fault in loss, predictions or step; "" for none.
        honest: the gradient is that of the faulty loss; else that of the loss that was meant.
        held_fixed: arrays that the step leaves.
        rows: of the call.
        masks: of the last way forward, by layer.
        velocity: of the step.
    """

    rate: float = 0.1
    updates: int = 1_000
    momentum: float = 0.0
    style: str = "dict"
    own_step: bool = True
    dropped: float = 0.0
    labels: bool = False
    predicts_labels: bool = False
    flaw: str = ""
    honest: bool = True
    held_fixed: tuple[str, ...] = ()
    rows: int = 0
    masks: dict[int, Array] = field(default_factory=dict)
    velocity: Parameters = field(default_factory=dict)

    # The functions that a person hands over -------------------------------------------------------------------------

    def loss(self, given: Any, X: Array, Y: Array) -> float:
        p, X, Y = self.read(given), *self._in_rows(X, Y)
        seen = self.start if self.flaw == "loss of given predictions" else p
        return self._cost(Y, self._forward(seen, X)[-1][2]) + self._penalty(p)

    def gradient(self, given: Any, X: Array, Y: Array) -> Any:
        p, X, Y = self.read(given), *self._in_rows(X, Y)
        g: Parameters = {}
        if self.flaw in ("gradient of the penalty", "loss of given predictions"):
            g = {name: np.zeros_like(array) for name, array in p.items()}
        else:
            traces = self._forward(p, X)
            da = self._slope_of_loss(Y, traces[-1][2])
            for k in range(self.depth, 0, -1):
                x, z, a = traces[k - 1]
                right = self._delta_of(k, z, a, da, Y)
                wrong = self._wrong_delta(k, z, a, da, Y, right)
                delta = right if wrong is None or self._in_biases_only(k) else wrong
                g[f"W{k}"] = self._of_weights(k, x, traces, delta)
                g[f"b{k}"] = self._of_biases(k, right if wrong is None else wrong)
                da = self._carried(k, delta, p[f"W{k}"], g[f"W{k}"])
                if k - 1 in self.masks:
                    da = da * self.masks[k - 1]
        g = {name: g[name] + self._of_penalty(name, p[name]) for name in p}
        for name in g:
            if self.has("missing", int(name[1:])) and name[0] == "W":
                g[name] = np.zeros_like(g[name])
        whole = next((one.kind for one in self.mistakes if one.kind.startswith("factor") and one.layer == 0), None)
        if whole:
            g = {name: array * self._number(whole) for name, array in g.items()}
        self._outside(g, p)
        return self.write(g)

    def predict(self, given: Any, X: Array) -> Array:
        p, rows = self.read(given), X.T if self.in_columns else X
        match self.flaw:
            case "predictions of the start":
                p = self.start
            case "inputs scaled in predictions only":
                rows = (rows - 3.0) / 5.0
        a = self._forward(p, rows, training=self.flaw == "dropout in predictions")[-1][2]
        if self.flaw == "activation missing in predictions":
            a = self._without_activations(p, rows)
        if self.flaw == "argmax over the rows":
            return a.argmax(axis=0)[np.arange(len(a)) % a.shape[1]]
        if self.flaw == "threshold of another range":
            return (a > 0.0).astype(int).reshape(-1)
        if self.predicts_labels:
            return a.argmax(axis=1) if a.shape[1] > 1 else (a > 0.5).astype(int).reshape(-1)
        return a.T if self.in_columns else a

    def step(self, given: Any, X: Array, Y: Array) -> Any:
        p, g = self.read(given), self.read(self.gradient(given, X, Y))
        for name in g:
            if self.momentum:
                self.velocity[name] = self.momentum * self.velocity.get(name, 0.0) + g[name]
        moves = self.velocity if self.momentum else g
        sign = -1.0 if self.flaw == "step adds" else 1.0
        return self.write(
            {name: p[name] if name in self.held_fixed else p[name] - sign * self.rate * moves[name] for name in p}
        )

    # How it is written ----------------------------------------------------------------------------------------------

    @property
    def data(self) -> tuple[Array, Array]:
        Y: Array = self.Y.argmax(axis=1) if self.labels else self.Y
        if self.flaw == "targets flat":
            Y = Y[:, 0]
        return (self.X.T, Y.T) if self.in_columns else (self.X, Y)

    def parameters(self) -> Any:
        return self.write(self.start)

    def write(self, p: Parameters) -> Any:
        """Return arrays the way the person keeps them."""
        arrays = {name: self._outward(name, p[name]) for name in p}
        if self.style == "list":
            return list(arrays.values())
        if self.style == "flat":
            return np.concatenate([array.ravel() for array in arrays.values()])
        return arrays

    def read(self, given: Any) -> Parameters:
        """Return W (i, o) and b (o,) by name."""
        if isinstance(given, Mapping):
            return self._inward(dict(given))
        if self.style == "list":
            return self._inward(dict(zip(self.start, given, strict=True)))
        found, first = {}, 0
        for name, shape in self.shapes().items():
            size = int(np.prod(shape))
            found[name] = given[first : first + size].reshape(shape)
            first += size
        return self._inward(found)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: self._outward(name, array).shape for name, array in self.start.items()}

    def subject(self) -> HandWritten:
        """Return it as it is handed to the diagnosis."""
        if self.style == "object":
            return HandWritten.of_object(
                AsObject(self), loss="loss", gradient="gradient", parameters=list(self.start), predict="predict",
                data=self.data,
            )  # fmt: skip
        return HandWritten(
            self.parameters(),
            loss=self.loss,
            gradient=self.gradient,
            predict=self.predict,
            step=self.step if self.own_step else None,
            data=self.data,
            shapes=self.shapes() if self.style == "flat" else None,
        )

    def told(self) -> dict[str, Any]:
        """Return what its writer says of the training."""
        optimizer = Momentum(self.rate, self.momentum) if self.momentum else SGD(self.rate)
        plain = self.own_step and not self.momentum
        return {"epochs": self.updates} | ({} if plain else {"optimizer": optimizer})

    def trained(self) -> Any:
        """Return the parameters after the person's training."""
        other, p = replace(self, velocity={}, masks={}), self.parameters()
        np.random.seed(0)  # noqa: NPY002  # the masks are drawn from it
        with np.errstate(all="ignore"):
            for _ in range(self.updates):
                p = other.step(p, *other.data)
        return p

    # The mathematics ------------------------------------------------------------------------------------------------

    def _in_rows(self, X: Array, Y: Array) -> tuple[Array, Array]:
        if self.labels:
            Y = np.eye(self.widths[-1])[np.asarray(Y, dtype=int)]
        if self.in_columns:
            X, Y = X.T, Y.T
        self.rows = len(X)
        return X, Y

    def _forward(self, p: Parameters, X: Array, training: bool = True) -> list[tuple[Array, Array, Array]]:
        traces, x = [], X
        self.masks = {}
        for k in range(1, self.depth + 1):
            z = x @ p[f"W{k}"] + p.get(f"b{k}", 0.0)
            a = self._activation(k, z)
            traces.append((x, z, a))
            x = a
            if training and self.dropped and k < self.depth:
                keep = 1 - self.dropped
                scale = 1.0 if self.flaw == "mask not scaled" else 1 / keep
                shape = a.shape[::-1] if self.in_columns else a.shape
                mask = (np.random.rand(*shape) < keep) * scale  # noqa: NPY002
                self.masks[k] = mask.T if self.in_columns else mask
                x = a * self.masks[k]
        return traces

    def _activation(self, k: int, z: Array) -> Array:
        name = self._name(k)
        if k == self.depth:
            match self.flaw:
                case "softmax over the rows":
                    e = np.exp(z - z.max(axis=0))
                    return e / e.sum(axis=0)
                case "output clipped":
                    return np.clip(z, 0, 1)
                case "output rounded":
                    return np.round(softmax(z) if name == "softmax" else ACTIVATIONS[name][0](z))
        return softmax(z) if name == "softmax" else ACTIVATIONS[name][0](z)

    def _without_activations(self, p: Parameters, X: Array) -> Array:
        x = X
        for k in range(1, self.depth + 1):
            x = x @ p[f"W{k}"] + p.get(f"b{k}", 0.0)
        return self._activation(self.depth, x)

    def _cost(self, Y: Array, a: Array) -> float:
        if self.flaw == "activation twice":
            a = self._again(a)
        per_output = {
            "squared_error": lambda: (a - Y) ** 2,
            "categorical_crossentropy": lambda: -Y * np.log(a + ADDED),
            "binary_crossentropy": lambda: -Y * np.log(a + ADDED) - (1 - Y) * np.log(1 - a + ADDED),
        }[self.loss_name]()
        if self.flaw == "targets flat":  # (n, n)
            per_output = per_output / len(Y)
        return float(self.scale * per_output.sum())

    @property
    def scale(self) -> float:
        return (0.5 if self.half else 1.0) / (self.rows if self.averaged else 1)

    def _number(self, kind: str) -> float:
        return {"factor n": float(self.rows), "factor 1/n": 1 / self.rows}.get(kind) or super()._number(kind)

    def _again(self, a: Array) -> Array:
        return softmax(a) if self.output == "softmax" else sigmoid(a)

    def _penalty(self, p: Parameters) -> float:
        penalized = [array for name, array in p.items() if name[0] == "W" or self.on_biases]
        return float(self.penalty / 2 * sum((array**2).sum() for array in penalized))

    def _slope_of_loss(self, Y: Array, a: Array) -> Array:
        if self.flaw == "targets flat":
            Y = np.full_like(a, Y.mean())
        if self.flaw == "activation twice" and self.honest:
            return self.scale * (self._again(a) - Y)
        if self.has("derivative of squared error", self.depth):
            return self.scale * 2 * (a - Y)
        return self.scale * LOSSES[self.loss_name][1](Y, a)

    def _delta_of(self, k: int, z: Array, a: Array, da: Array, Y: Array) -> Array:
        if k < self.depth:
            return self._delta(k, z, a, da)
        if self.honest:
            match self.flaw:
                case "softmax over the rows":
                    da = np.where(Y == 0, 0.0, da)
                    return a * (da - (da * a).sum(axis=0))
                case "output clipped":
                    return da * ((z > 0) & (z < 1))
                case "output rounded":
                    return np.zeros_like(da)
                case "activation twice" | "targets flat":
                    return self._delta(k, z, a, da)
        meant = (self.output, self.loss_name) in PAIRED
        if meant and not self.has("derivative of squared error", k):
            return self.scale * (a - Y)
        return self._delta(k, z, a, da)


class AsObject:
    """The same network as an object with its parameters in attributes."""

    def __init__(self, program: Program):
        self._program, self._names = program, tuple(program.start)
        for name, array in program.parameters().items():
            setattr(self, name, array)

    def _parameters(self) -> Parameters:
        return {name: getattr(self, name) for name in self._names}

    def loss(self, X: Array, Y: Array) -> float:
        return self._program.loss(self._parameters(), X, Y)

    def gradient(self, X: Array, Y: Array) -> Any:
        return self._program.gradient(self._parameters(), X, Y)

    def predict(self, X: Array) -> Array:
        return self._program.predict(self._parameters(), X)
