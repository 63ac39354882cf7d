"""What network a person's functions are: activations, loss, reduction and penalty that reproduce the loss to rounding.

The loss is called at some points w_k around the start. For every choice of activations and loss function the candidate

    L(w) = alpha sum_r l_r(w) + beta sum W^2 + gamma sum b^2 + beta' sum |W| + gamma' sum |b| + beta'' sum W + ...

is linear in what is unknown of it, so its coefficients are fitted, and a candidate is believed when nothing but
rounding is left over. alpha then tells the reduction (1/n, 1/2n, 1/no, ...), the rest the penalty. A term whose absence
the numbers do not show is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import compress, product

import numpy as np

from unstuck.arrays import Array
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.gradients.forensics.arrangement import Arrangement, arrangements
from unstuck.gradients.forensics.candidates import HIDDEN, LOGARITHMS, LOSSES, MIXED, OUTPUT
from unstuck.gradients.forensics.recognised import TERMS, Recognised
from unstuck.subjects.handwritten import HandWritten
from unstuck.subjects.layout import Block

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


def points_around(w: Array, blocks: Sequence[Block], count: int, seed: int = 0) -> list[Array]:
    """Return some parameters like w: each block moved by about half its size, or by 0.1 where it is all zeros."""
    random = np.random.default_rng(seed)
    spread = np.zeros_like(w)
    for block in blocks:
        spread[block.part] = np.sqrt(np.mean(w[block.part] ** 2)) / 2 or 0.1
    return [w + spread * random.normal(size=w.shape) for _ in range(count)]


def recognise(subject: HandWritten) -> Recognised | None:
    """Return a network that computes the subject's loss, or None where none of those known does."""
    with np.errstate(all="ignore"):
        theirs = Theirs(subject)
        usual_first = [Screen(arrangement, theirs) for arrangement in arrangements(subject.blocks, subject.data)]
        for alike, tried in ((True, usual_first), (False, usual_first[:MOST_ORDERS])):
            for screen in tried:
                for activations, loss in screen.passing(alike):
                    found = _fitted(screen.arrangement, activations, loss, theirs)
                    if found is not None:
                        return found
    return None


class Theirs:
    """The person's loss at some points, each called when it is first asked for.

    Attributes:
        points: at which a network has to make the same loss.
        flipped: the first of them with random signs: sums of squares and of sizes, the usual penalties, are the same
            for all of them.
    """

    def __init__(self, subject: HandWritten):
        self.subject = subject
        self.points = points_around(subject.w, subject.blocks, POINTS)
        random = np.random.default_rng(2)
        signs = [random.choice([-1.0, 1.0], size=subject.w.shape) for _ in range(SCREENED)]
        self.flipped = [self.points[0] * sign for sign in signs]

    @cached_property
    def losses(self) -> Array:
        """At the points."""
        return np.array([self.subject.cost(w) for w in self.points])

    @cached_property
    def flipped_losses(self) -> Array:
        """At the flipped points."""
        return np.array([self.subject.cost(w) for w in self.flipped])

    @cached_property
    def tolerance(self) -> float:
        """What rounding may leave over, relative to the loss."""
        returned = self.subject.loss_as_returned(self.points[0])
        return ROUNDING.get(getattr(returned, "dtype", np.dtype(float)).itemsize, ROUNDING[8])


class Screen:
    """Finds the activations and losses whose differences between some points are in proportion to the person's."""

    def __init__(self, arrangement: Arrangement, theirs: Theirs):
        self.arrangement = arrangement
        losses = theirs.flipped_losses
        finite = np.isfinite(losses)
        self.points = list(compress(theirs.flipped, finite))
        self.differences = losses[finite] - losses[finite][:1]
        self.allowed = 1e4 * theirs.tolerance * np.abs(losses[finite]).max(initial=0)

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
        Y = np.tile(self.arrangement.Y, (len(outputs) // n, 1))
        per_row = np.array([loss.per_row(Y, outputs) for loss in losses])
        sums = per_row.reshape(len(losses), -1, n).sum(axis=2)
        made, wanted = sums - sums[:, :1], self.differences[: sums.shape[1]]
        along = (made @ wanted) / np.square(made).sum(axis=1)
        apart = np.abs(wanted - along[:, None] * made).max(axis=1)  # NaN where the loss stays the same, or is infinite
        return [loss for loss, difference in zip(losses, apart, strict=True) if difference <= self.allowed]


def _fitted(
    arrangement: Arrangement, activations: tuple[Activation, ...], loss: Loss, theirs: Theirs
) -> Recognised | None:
    """Return the network with its scale and penalty, if it reproduces the losses."""
    candidate, points, losses = Recognised(arrangement, activations, loss, 1.0), theirs.points, theirs.losses
    sums = np.array([loss.per_row(arrangement.Y, candidate.forward(w)[-1][2]).sum() for w in points])
    penalties = np.array([[_term(arrangement, term, w) for term in TERMS] for w in points])
    usable = np.isfinite(losses) & np.isfinite(sums)
    if usable.sum() <= len(TERMS) + 2:
        return None
    fitted = _coefficients(np.column_stack([sums, penalties])[usable], losses[usable], theirs.tolerance)
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
