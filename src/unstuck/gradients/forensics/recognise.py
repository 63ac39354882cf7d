"""What network a person's functions are: activations, loss, reduction and penalty that reproduce the loss to rounding.

The loss is called at some points w_k around the start. For every choice of activations and loss function the candidate

    L(w) = alpha sum_r l_r(w) + beta sum W^2 + gamma sum b^2 + beta' sum |W| + gamma' sum |b| + beta'' sum W + ...

is linear in what is unknown of it, so its coefficients are fitted, and a candidate is believed when nothing but
rounding is left over. alpha then tells the reduction (1/n, 1/2n, 1/no, ...), the rest the penalty. A term whose absence
the numbers do not show is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import ClassVar

import numpy as np

from unstuck.arrays import Array
from unstuck.functions.activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    Exponential,
    HardSigmoid,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from unstuck.functions.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Hinge,
    Huber,
    Loss,
    Poisson,
    SquaredError,
)
from unstuck.gradients.forensics.arrangement import Arrangement, Layer, arrangements
from unstuck.subjects.handwritten import HandWritten


class UnclippedCategorical(CategoricalCrossEntropy):
    """-sum_k y_k log(a_k + `added`), which people write, 0 log 0 being 0."""

    added: ClassVar[float] = 0.0

    def per_row(self, Y: Array, A: Array) -> Array:
        """Return l_r for every row, of shape (n,)."""
        return np.where(Y == 0, 0, -Y * np.log(A + self.added)).sum(axis=1)

    def derivative(self, Y: Array, A: Array) -> Array:
        """Return dl_r/dA, of shape (n, o)."""
        return np.where(Y == 0, 0, -Y / (A + self.added))


class UnclippedBinary(BinaryCrossEntropy):
    """-y log(a + `added`) - (1 - y) log(1 - a + `added`), which people write."""

    added: ClassVar[float] = 0.0

    def element(self, y: Array, a: Array) -> Array:
        """Return l(y, a), elementwise."""
        yes = np.where(y == 0, 0, y * np.log(a + self.added))
        no = np.where(y == 1, 0, (1 - y) * np.log(1 - a + self.added))
        return -yes - no

    def slope(self, y: Array, a: Array) -> Array:
        """Return dl/da, elementwise."""
        return np.where(y == 1, 0, (1 - y) / (1 - a + self.added)) - np.where(y == 0, 0, y / (a + self.added))


def _with_added(loss: type[Loss], added: float, **fields: str) -> Loss:
    made: Loss = type(f"{loss.__name__}{added:g}", (loss,), {"added": added})(**fields)
    return made


HIDDEN: tuple[Activation, ...] = (
    Sigmoid(),
    Tanh(),
    ReLU(),
    LeakyReLU(),
    Identity(),
    LeakyReLU(slope=0.1),
    LeakyReLU(slope=0.2),
    ELU(),
    SELU(),
    GELU(),
    SiLU(),
    Softplus(),
    Softsign(),
    HardSigmoid(),
    Softmax(),
)
OUTPUT = (*HIDDEN, Exponential())
LOSSES: tuple[Loss, ...] = (
    SquaredError(outputs="sum"),
    CategoricalCrossEntropy(),
    BinaryCrossEntropy(outputs="sum"),
    AbsoluteError(outputs="sum"),
    Huber(outputs="sum"),
    Hinge(outputs="sum"),
    Poisson(outputs="sum"),
)
ADDED = (0.0, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)
LOGARITHMS: dict[str, list[Loss]] = {
    "softmax": [_with_added(UnclippedCategorical, added) for added in ADDED],
    "sigmoid": [_with_added(UnclippedBinary, added, outputs="sum") for added in ADDED],
}
"""Losses that are tried on outputs of these kinds, with what is added to the probability before its logarithm."""
MIXED: tuple[Activation, ...] = (Sigmoid(), Tanh(), ReLU(), LeakyReLU(), ELU(), SiLU(), Softplus(), GELU(), Identity())
"""Those that are tried where hidden layers differ."""
POINTS = 14
SCREENED = 5
FEWEST = 3
"""Points at which most candidates are ruled out already."""
ROUNDING = {8: 1e-11, 4: 1e-5, 2: 1e-2}
"""What may be left over, relative to the loss, by the bytes of the number that the loss returns."""
NOTHING = 1e-13
"""A term that is no more of the loss is rounding."""
MOST_ORDERS = 4
"""Arrangements of a person's arrays that are tried with hidden layers of different activations."""
MOST_MIXED = 3
"""Hidden layers of different activations are looked for up to so many of them."""

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
            delta = f.backward(z, a, da if factor is None else da * factor)
            W = layer.weights(w)
            layer.weights(g)[...] = x.T @ delta + self.penalty_gradient("W", W)
            if layer.b is not None:
                b = layer.biases(w)
                layer.b.of(g)[...] = (delta.sum(axis=0) + self.penalty_gradient("b", b)).reshape(layer.b.shape)
            da = delta @ W.T
        return g

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
    """Return the name of an activation, with its slope where it has one."""
    slope = f"({f.slope:g})" if isinstance(f, LeakyReLU) else ""
    return f.kind.replace("_", " ") + slope


def points_around(w: Array, layers: tuple[Layer, ...], count: int, seed: int = 0) -> list[Array]:
    """Return some parameters like w: each block moved by about half its size, or by 0.1 where it is all zeros."""
    random = np.random.default_rng(seed)
    spread = np.zeros_like(w)
    for layer in layers:
        for block in filter(None, (layer.W, layer.b)):
            spread[block.part] = np.sqrt(np.mean(w[block.part] ** 2)) / 2 or 0.1
    return [w + spread * random.normal(size=w.shape) for _ in range(count)]


def recognise(subject: HandWritten) -> Recognised | None:
    """Return a network that computes the subject's loss, or None where none of those known does."""
    with np.errstate(all="ignore"):
        usual_first = list(arrangements(subject.blocks, subject.data))
        for alike, tried in ((True, usual_first), (False, usual_first[:MOST_ORDERS])):
            for arrangement in tried:
                points = points_around(subject.w, arrangement.layers, POINTS)
                first = subject.loss_as_returned(points[0])
                tolerance = ROUNDING.get(getattr(first, "dtype", np.dtype(float)).itemsize, ROUNDING[8])
                screen = Screen(arrangement, _flipped(points[0], SCREENED), subject.cost, tolerance)
                for activations, loss in screen.passing(alike):
                    losses = np.array([subject.cost(w) for w in points])
                    found = _fitted(arrangement, activations, loss, points, losses, tolerance)
                    if found is not None:
                        return found
    return None


def _flipped(w: Array, count: int) -> list[Array]:
    """Return w with random signs: sums of squares and of sizes, the usual penalties, are the same for all of them."""
    random = np.random.default_rng(2)
    return [w * random.choice([-1.0, 1.0], size=w.shape) for _ in range(count)]


class Screen:
    """Finds the activations and losses whose differences between some points are in proportion to the person's."""

    def __init__(self, arrangement: Arrangement, points: list[Array], cost: Callable[[Array], float], tolerance: float):
        self.arrangement = arrangement
        losses = np.array([cost(w) for w in points])
        finite = np.isfinite(losses)
        self.points = [w for w, is_finite in zip(points, finite, strict=True) if is_finite]
        self.differences = losses[finite] - losses[finite][:1]
        self.allowed = 1e4 * tolerance * np.abs(losses[finite]).max(initial=0)
        self.Y = np.tile(arrangement.Y, (len(self.points), 1))

    def passing(self, alike: bool) -> Iterator[tuple[tuple[Activation, ...], Loss]]:
        """Yield those that pass, with all hidden layers alike or not."""
        if len(self.points) < FEWEST:
            return
        rows = FEWEST * len(self.arrangement.Y)
        for hidden, last in _hidden_layers(self.arrangement, self.points, alike):
            for f in OUTPUT:
                losses = self._in_proportion((*LOSSES, *LOGARITHMS.get(f.kind, ())), f.value(last[:rows]))
                if losses:
                    for loss in self._in_proportion(losses, f.value(last)):
                        yield (*hidden, f), loss

    def _in_proportion(self, losses: Sequence[Loss], outputs: Array) -> list[Loss]:
        """Return those of some losses that pass, with the outputs at the first points, one after another."""
        n = len(self.arrangement.Y)
        per_row = np.array([loss.per_row(self.Y[: len(outputs)], outputs) for loss in losses])
        sums = per_row.reshape(len(losses), -1, n).sum(axis=2)
        made, wanted = sums - sums[:, :1], self.differences[: sums.shape[1]]
        along = (made @ wanted) / np.square(made).sum(axis=1)
        apart = np.abs(wanted - along[:, None] * made).max(axis=1)  # NaN where the loss stays the same, or is infinite
        return [loss for loss, difference in zip(losses, apart, strict=True) if difference <= self.allowed]


def _fitted(
    arrangement: Arrangement,
    activations: tuple[Activation, ...],
    loss: Loss,
    points: list[Array],
    losses: Array,
    tolerance: float,
) -> Recognised | None:
    """Return the network with its scale and penalty, if it reproduces the losses."""
    candidate = Recognised(arrangement, activations, loss, 1.0)
    sums = np.array([loss.per_row(arrangement.Y, candidate.forward(w)[-1][2]).sum() for w in points])
    penalties = np.array([[_term(arrangement, term, w) for term in TERMS] for w in points])
    usable = np.isfinite(losses) & np.isfinite(sums)
    if usable.sum() <= len(TERMS) + 2:
        return None
    fitted = _coefficients(np.column_stack([sums, penalties])[usable], losses[usable], tolerance)
    if fitted is None or not fitted[0][0]:
        return None
    c, left_over = fitted
    penalty = {term: float(value) for term, value in zip(TERMS, c[1:], strict=True) if value}
    return Recognised(arrangement, activations, loss, float(c[0]), penalty, left_over)


def _hidden_layers(
    arrangement: Arrangement, points: list[Array], alike: bool
) -> Iterator[tuple[tuple[Activation, ...], Array]]:
    """Yield hidden activations, alike or not, and the last layer's z at all points, one after another."""
    below = arrangement.layers[:-1]
    n, count = len(arrangement.X), len(points)
    choices: Iterable[tuple[Activation, ...]] = ()
    if alike:
        choices = [(f,) * len(below) for f in HIDDEN] if below else [()]
    elif 1 < len(below) <= MOST_MIXED:
        choices = (one for one in product(MIXED, repeat=len(below)) if len(set(one)) > 1)
    kept: dict[tuple[Activation, ...], Array] = {(): np.tile(arrangement.X, (count, 1))}
    parameters = [
        (np.array([layer.weights(w) for w in points]), np.array([layer.biases(w) for w in points])[:, None])
        for layer in arrangement.layers
    ]

    def through(depth: int, x: Array) -> Array:
        W, b = parameters[depth]
        return (x.reshape(count, n, -1) @ W + b).reshape(count * n, -1)

    def activations(hidden: tuple[Activation, ...]) -> Array:
        if hidden not in kept:
            made = hidden[-1].value(through(len(hidden) - 1, activations(hidden[:-1])))
            factor = arrangement.factor(len(hidden) - 1)
            if factor is not None:
                made = made * np.tile(factor, (count, 1))
            if len(hidden) == len(below):
                return made
            kept[hidden] = made
        return kept[hidden]

    for hidden in choices:
        yield hidden, through(len(below), activations(hidden))


def _term(arrangement: Arrangement, term: str, w: Array) -> float:
    on_biases, value, _ = TERMS[term]
    parts = [layer.biases(w) if on_biases else layer.weights(w) for layer in arrangement.layers]
    return sum(map(value, parts))


def _coefficients(F: Array, losses: Array, tolerance: float) -> tuple[Array, float] | None:
    """Return c with F c = losses to rounding, as many of them zero as the numbers allow, and what is left over."""
    if not np.isfinite(F).all():
        return None
    size = np.abs(losses).max()
    norms = np.linalg.norm(F, axis=0)
    columns = [k for k in range(F.shape[1]) if norms[k] > 0]

    def fit(chosen: list[int]) -> tuple[Array, float]:
        c, *_ = np.linalg.lstsq(F[:, chosen] / norms[chosen], losses, rcond=None)
        return c / norms[chosen], float(np.abs(F[:, chosen] @ (c / norms[chosen]) - losses).max()) / size

    c, left_over = fit(columns)
    if left_over > tolerance or columns[0] != 0:
        return None
    floor = max(8 * left_over, 4e-15)
    for k in reversed(columns[1:]):  # the rarest term first
        fewer = [column for column in columns if column != k]
        share = abs(fit(columns)[0][columns.index(k)]) * np.abs(F[:, k]).max() / size
        if share <= NOTHING or fit(fewer)[1] <= floor:
            columns = fewer
    c, left_over = fit(columns)
    found = np.zeros(F.shape[1])
    found[columns] = c
    return found, left_over
