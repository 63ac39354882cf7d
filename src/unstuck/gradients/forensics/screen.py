"""Which activations and losses a person's network may have, by the differences of its loss between a few points.

What is added to the loss whatever the data are, as a penalty is, cancels in these differences where the points differ
in signs only; a factor is left. So almost all candidates are ruled out before anything is fitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

import numpy as np

from unstuck.arrays import Array
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.gradients.forensics.candidates import Candidates
from unstuck.gradients.forensics.layers import Arrangement
from unstuck.gradients.forensics.theirs import Theirs

FEWEST = 3
"""Points at which most candidates are ruled out already."""


class Screen:
    """Finds the activations and losses whose differences between some points are in proportion to the person's."""

    def __init__(self, arrangement: Arrangement, theirs: Theirs, candidates: Candidates):
        self.arrangement = arrangement
        self.candidates = candidates
        losses = theirs.flipped_losses
        finite = np.isfinite(losses)
        self.points = list(compress(theirs.flipped, finite))
        self.differences = losses[finite] - losses[finite][:1]
        self.allowed = 1e4 * theirs.tolerance * np.abs(losses[finite]).max(initial=0)
        self.predictions = self._arranged(list(compress(theirs.predictions or (), finite)))
        self.tolerance = theirs.tolerance
        self.flat = bool(
            np.abs(self.differences).max(initial=0) <= theirs.tolerance * np.abs(losses[finite]).max(initial=0)
        )

    def passing(self, alike: bool, by_predictions: bool = False) -> Iterator[tuple[tuple[Activation, ...], Loss]]:
        """Yield those that pass, with all hidden layers alike or not, and of those that make the predictions only."""
        if len(self.points) < FEWEST or self.flat:  # anything times nought makes a loss that stays the same
            return
        rows = FEWEST * len(self.arrangement.Y)
        for activations, last in self.forward(alike, by_predictions):
            f = activations[-1]
            losses = self._in_proportion(self.candidates.losses(f), f.value(last[:rows]))
            if losses:
                for loss in self._in_proportion(losses, f.value(last)):
                    yield activations, loss

    def forward(self, alike: bool, by_predictions: bool) -> Iterator[tuple[tuple[Activation, ...], Array]]:
        """Yield activations, and the last layer's z at all points, one after another."""
        if by_predictions and self.predictions is None:
            return
        hidden_layers = self.candidates.hidden(len(self.arrangement.layers) - 1, alike)
        for hidden, last in _through_hidden(self.arrangement, self.points, hidden_layers):
            for f in self.candidates.output:
                if not by_predictions or self._makes_predictions(f, last):
                    yield (*hidden, f), last

    def _makes_predictions(self, f: Activation, last: Array) -> bool:
        assert self.predictions is not None
        allowed = 100 * self.tolerance * np.abs(self.predictions).max()
        n = len(self.arrangement.Y)
        return all(
            bool(np.abs(f.value(last[part]) - self.predictions[part]).max() <= allowed)
            for part in (slice(n), slice(n, None))
        )

    def _arranged(self, predictions: list[Array]) -> Array | None:
        """Return predictions at all points as rows of outputs, one after another; None where they have other shapes."""
        n, o = self.arrangement.Y.shape
        shapes: list[tuple[int, ...]] = [(o, n)] if self.arrangement.in_columns else [(n, o)]
        if o == 1:
            shapes += [(n,), (n, 1), (1, n)]
        if len(predictions) < FEWEST or predictions[0].shape not in shapes:
            return None
        turned = predictions[0].shape == (o, n) and self.arrangement.in_columns
        return np.concatenate([(one.T if turned else one).reshape(n, o) for one in predictions])

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


def _through_hidden(
    arrangement: Arrangement, points: list[Array], choices: Iterable[tuple[Activation, ...]]
) -> Iterator[tuple[tuple[Activation, ...], Array]]:
    """Yield each choice of hidden activations, and with it the last layer's z at all points, one after another."""
    below = arrangement.layers[:-1]
    n, count = len(arrangement.X), len(points)
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
