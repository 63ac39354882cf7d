"""Hand-written networks drawn at random, with mistakes from a catalogue, in NumPy that shares nothing with unstuck.

Samples lie in rows with W (i, o), or in columns with W (o, i). The gradient is as one writes it by hand, with a place
for each mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Parameters = dict[str, Array]


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


# f, f' written in z and a
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "sigmoid": (sigmoid, lambda z, a: a * (1 - a)),
    "tanh": (np.tanh, lambda z, a: 1 - a * a),
    "relu": (lambda z: np.maximum(z, 0), lambda z, a: (z > 0) * 1.0),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z, a: np.where(z > 0, 1, 0.01)),
    "softplus": (lambda z: np.log1p(np.exp(z)), lambda z, a: sigmoid(z)),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(z)), lambda z, a: np.where(z > 0, 1, np.exp(z))),
    "silu": (lambda z: z * sigmoid(z), lambda z, a: sigmoid(z) * (1 + z * (1 - sigmoid(z)))),
    "identity": (lambda z: z, lambda z, a: np.ones_like(z)),
}
# loss summed over a row, dl/da
LOSSES: dict[str, tuple[Callable[[Array, Array], Array], Callable[[Array, Array], Array]]] = {
    "squared_error": (lambda y, a: ((a - y) ** 2).sum(axis=1), lambda y, a: 2 * (a - y)),
    "absolute_error": (lambda y, a: np.abs(a - y).sum(axis=1), lambda y, a: np.sign(a - y)),
    "binary_crossentropy": (
        lambda y, a: -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum(axis=1),
        lambda y, a: (a - y) / (a * (1 - a)),
    ),
    "categorical_crossentropy": (lambda y, a: -(y * np.log(a)).sum(axis=1), lambda y, a: -y / a),
}
PAIRS = [
    ("identity", "squared_error"),
    ("sigmoid", "squared_error"),
    ("tanh", "squared_error"),
    ("softmax", "squared_error"),
    ("softmax", "categorical_crossentropy"),
    ("sigmoid", "binary_crossentropy"),
    ("identity", "absolute_error"),
]


@dataclass(frozen=True)
class Injected:
    """A mistake: its kind, and the layer it is made in, from 1 (0: all)."""

    kind: str
    layer: int


@dataclass
class Written:
    """A network somebody wrote."""

    widths: tuple[int, ...]
    hidden: tuple[str, ...]
    output: str
    loss_name: str
    half: bool
    averaged: bool
    penalty: float
    on_biases: bool
    in_columns: bool
    X: Array
    Y: Array
    start: Parameters
    mistakes: tuple[Injected, ...] = ()
    outside: str = ""
    noise: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    @property
    def depth(self) -> int:
        return len(self.widths) - 1

    @property
    def spoilt(self) -> str:
        """The block that a mistake of no catalogue is made in."""
        return f"W{1 + len(self.outside) % self.depth}"

    @property
    def scale(self) -> float:
        return (0.5 if self.half else 1.0) / (len(self.X) if self.averaged else 1)

    @property
    def data(self) -> tuple[Array, Array]:
        return (self.X.T, self.Y.T) if self.in_columns else (self.X, self.Y)

    def parameters(self) -> Parameters:
        return {name: self._outward(name, array) for name, array in self.start.items()}

    def loss(self, given: Parameters, X: Array, Y: Array) -> float:
        p, X, Y = self._inward(given), *((X.T, Y.T) if self.in_columns else (X, Y))
        a = self._forward(p, X)[-1][2]
        value = self.scale * LOSSES[self.loss_name][0](Y, a).sum()
        penalized = [array for name, array in p.items() if name[0] == "W" or self.on_biases]
        return float(value + self.penalty / 2 * sum((array**2).sum() for array in penalized))

    def gradient(self, given: Parameters, X: Array, Y: Array) -> Parameters:
        p, X, Y = self._inward(given), *((X.T, Y.T) if self.in_columns else (X, Y))
        traces = self._forward(p, X)
        g: Parameters = {}
        da = self.scale * LOSSES[self.loss_name][1](Y, traces[-1][2])
        if self.has("derivative of squared error", self.depth):
            da = self.scale * 2 * (traces[-1][2] - Y)
        for k in range(self.depth, 0, -1):
            x, z, a = traces[k - 1]
            right = self._delta(k, z, a, da)
            wrong = self._wrong_delta(k, z, a, da, Y, right)
            delta = right if wrong is None or self._in_biases_only(k) else wrong
            W = p[f"W{k}"]
            g[f"W{k}"] = self._of_weights(k, x, traces, delta)
            of_biases = right if wrong is None else wrong
            g[f"b{k}"] = self._of_biases(k, of_biases)
            da = self._carried(k, delta, W, g[f"W{k}"])
        for name in g:
            g[name] = g[name] + self._of_penalty(name, p[name])
            if self.has("missing", int(name[1:])) and name[0] == "W":
                g[name] = np.zeros_like(g[name])
        whole = next((one.kind for one in self.mistakes if one.kind.startswith("factor") and one.layer == 0), None)
        if whole:
            g = {name: array * self._number(whole) for name, array in g.items()}
        self._outside(g, p)
        return {name: self._outward(name, array) for name, array in g.items()}

    def has(self, kind: str, layer: int) -> bool:
        return Injected(kind, layer) in self.mistakes

    def _in_biases_only(self, k: int) -> bool:
        return self.has("derivative left out in biases", k)

    def _number(self, kind: str) -> float:
        n = len(self.X)
        return {"factor 2": 2.0, "factor 1/2": 0.5, "factor n": n, "factor 1/n": 1 / n, "factor -1": -1.0}[kind]

    def _forward(self, p: Parameters, X: Array) -> list[tuple[Array, Array, Array]]:
        traces, x = [], X
        for k in range(1, self.depth + 1):
            z = x @ p[f"W{k}"] + p[f"b{k}"]
            name = self.output if k == self.depth else self.hidden[k - 1]
            a = softmax(z) if name == "softmax" else ACTIVATIONS[name][0](z)
            traces.append((x, z, a))
            x = a
        return traces

    def _name(self, k: int) -> str:
        return self.output if k == self.depth else self.hidden[k - 1]

    def _delta(self, k: int, z: Array, a: Array, da: Array) -> Array:
        if self._name(k) == "softmax":
            return a * (da - (da * a).sum(axis=1, keepdims=True))
        return da * ACTIVATIONS[self._name(k)][1](z, a)

    def _wrong_delta(self, k: int, z: Array, a: Array, da: Array, Y: Array, right: Array) -> Array | None:
        name = self._name(k)
        if self.has("derivative left out", k) or self._in_biases_only(k):
            return da
        if self.has("softmax unit by unit", k):
            return da * a * (1 - a)
        if self.has("derivative twice", k):
            return self._delta(k, z, a, right)
        if name != "softmax":
            f, slope = ACTIVATIONS[name]
            if self.has("derivative at a", k):
                return da * slope(a, f(a))
            if self.has("derivative given z", k):
                return da * slope(z, z)
        if self.has("derivative of sigmoid", k):
            return da * a * (1 - a)
        if self.has("derivative of relu", k):
            return da * (z > 0)
        if self.has("a - y", k):
            return self.scale * (a - Y)
        if self.has("factor 2 in delta", k):
            return 2 * right
        return None

    def _of_weights(self, k: int, x: Array, traces: list[tuple[Array, Array, Array]], delta: Array) -> Array:
        if self.has("z below", k):
            x = traces[k - 2][1]
        if self.has("last row only", k):
            return x[-1:].T @ delta[-1:]
        g = x.T @ delta
        if self.has("transposed", k):
            g = g.T
        for kind in ("factor 2", "factor n", "factor -1"):
            if self.has(f"{kind} in W", k):
                g = g * self._number(kind)
        return g

    def _of_biases(self, k: int, delta: Array) -> Array:
        if self.has("biases: last row only", k):
            return delta[-1]
        if self.has("biases: averaged", k):
            return delta.mean(axis=0)
        return delta.sum(axis=0)

    def _carried(self, k: int, delta: Array, W: Array, g: Array) -> Array:
        if self.has("W not transposed", k):
            return delta @ W
        if self.has("not through W", k):
            return delta
        if self.has("summed, not through W", k):
            return np.repeat(delta.sum(axis=1, keepdims=True), len(W), axis=1)
        if self.has("W already updated", k):
            return delta @ (W - 0.1 * (g + self._of_penalty(f"W{k}", W))).T
        return delta @ W.T

    def _of_penalty(self, name: str, w: Array) -> Array:
        factor = self.penalty
        if name[0] == "b" and not self.on_biases:
            factor = 0.0
            if self.has("penalty not in the loss", 0):
                factor = self.penalty or 0.01
        elif self.has("penalty missing", 0):
            factor = 0.0
        elif self.has("penalty factor 2", 0):
            factor = 2 * self.penalty
        elif self.has("penalty factor 1/n", 0):
            factor = self.penalty / len(self.X)
        return factor * w

    def _outside(self, g: Parameters, p: Parameters) -> None:
        """Something no catalogue has."""
        name = self.spoilt
        match self.outside:
            case "one row scaled":
                g[name][0] *= 1.7
            case "absolute value":
                g[name] = np.abs(g[name])
            case "rows shuffled":
                g[name] = g[name][np.random.default_rng(1).permutation(len(g[name]))]
            case "cosine added":
                g[name] = g[name] + 0.1 * np.cos(3 * p[name])
            case "square root":
                g[name] = np.sign(g[name]) * np.sqrt(np.abs(g[name]))
            case "half masked":
                g[name] = g[name] * (np.arange(g[name].size).reshape(g[name].shape) % 2)
            case "cubed":
                g[name] = g[name] ** 3

    def _inward(self, given: Parameters) -> Parameters:
        if not self.in_columns:
            return given
        return {name: array.T if name[0] == "W" else array[:, 0] for name, array in given.items()}

    def _outward(self, name: str, array: Array) -> Array:
        if not self.in_columns:
            return array
        return array.T if name[0] == "W" else array[:, None]


OUTSIDE = ("one row scaled", "absolute value", "rows shuffled", "cosine added", "square root", "half masked", "cubed")


def draw(random: np.random.Generator) -> Written:
    """Draw a correct network: 1 to 4 layers, all activations and losses, both orientations, with or without penalty."""
    depth = int(random.integers(1, 5))
    n, i = int(random.integers(8, 60)), int(random.integers(1, 9))
    output, loss = PAIRS[random.integers(len(PAIRS))]
    o = int(random.integers(2 if output == "softmax" else 1, 6))
    width = int(random.integers(2, 14))
    hidden_widths = [width if random.random() < 0.4 else int(random.integers(2, 14)) for _ in range(depth - 1)]
    widths = (i, *hidden_widths, o)
    names = list(ACTIVATIONS)[:-1]
    one = names[random.integers(len(names))]
    alike = random.random() < 0.7
    hidden = tuple(one if alike else names[random.integers(len(names))] for _ in range(depth - 1))
    start: Parameters = {}
    for k in range(1, depth + 1):
        start[f"W{k}"] = random.normal(size=(widths[k - 1], widths[k])) / np.sqrt(widths[k - 1])
        start[f"b{k}"] = random.normal(size=widths[k]) * random.choice([0.0, 0.3])
    Y = random.normal(size=(n, o))
    if "crossentropy" in loss or output in ("softmax", "sigmoid"):
        Y = np.eye(o)[random.integers(o, size=n)] if output == "softmax" else random.integers(2, size=(n, o)) * 1.0
    return Written(
        widths,
        hidden,
        output,
        loss,
        half=bool(random.random() < 0.5),
        averaged=bool(random.random() < 0.7),
        penalty=float(random.choice([0.0, 0.001, 0.1])),
        on_biases=bool(random.random() < 0.3),
        in_columns=bool(random.random() < 0.5),
        X=random.normal(size=(n, i)),
        Y=Y,
        start=start,
    )


def possible(network: Written) -> list[Injected]:
    """Return the mistakes that somebody could make in this network."""
    found = [Injected(f"factor {number}", 0) for number in ("2", "1/2", "n", "1/n", "-1")]
    if network.penalty:
        found += [Injected(kind, 0) for kind in ("penalty missing", "penalty factor 2", "penalty factor 1/n")]
    if not network.on_biases:
        found.append(Injected("penalty not in the loss", 0))
    per_layer = [
        "derivative left out",
        "derivative left out in biases",
        "derivative at a",
        "derivative given z",
        "derivative twice",
        "derivative of sigmoid",
        "derivative of relu",
        "factor 2 in delta",
        "factor 2 in W",
        "factor n in W",
        "factor -1 in W",
        "last row only",
        "biases: last row only",
        "biases: averaged",
        "missing",
    ]
    for k in range(1, network.depth + 1):
        of_softmax = k == network.depth and network.output == "softmax"
        found += [Injected(kind, k) for kind in per_layer if not (of_softmax and kind == "derivative of sigmoid")]
        square = network.widths[k - 1] == network.widths[k]
        if square:
            found.append(Injected("transposed", k))
        if k > 1:
            found += [Injected(kind, k) for kind in ("z below", "summed, not through W", "W already updated")]
            if square:
                found += [Injected(kind, k) for kind in ("W not transposed", "not through W")]
    last = network.depth
    found.append(Injected("a - y", last))
    if network.loss_name != "squared_error":
        found.append(Injected("derivative of squared error", last))
    if network.output == "softmax":
        found.append(Injected("softmax unit by unit", last))
    return found
