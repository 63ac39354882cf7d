"""What a person's functions return at some points around the start."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import SubjectError
from unstuck.subjects.handwritten import HandWritten
from unstuck.subjects.layout import Block

POINTS = 14
SCREENED = 5
ROUNDING = {8: 1e-11, 4: 1e-5, 2: 1e-2}
"""What may be left over, relative to the loss, by the bytes of the number that the loss returns."""


def points_around(w: Array, blocks: Sequence[Block], count: int, seed: int = 0) -> list[Array]:
    """Return some parameters like w: each block moved by about half its size, or by 0.1 where it is all zeros."""
    random = np.random.default_rng(seed)
    spread = np.zeros_like(w)
    for block in blocks:
        block.of(spread)[...] = np.sqrt(np.mean(block.of(w) ** 2)) / 2 or 0.1
    return [w + spread * random.normal(size=w.shape) for _ in range(count)]


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

    @cached_property
    def seed(self) -> int | None:
        """Of the random numbers that the loss depends on; None where it depends on none."""
        seed = self.subject.seed
        if seed is None or self.subject.per_row is not None:
            return None
        other = self.subject.seeded(seed + 1).cost(self.points[0])
        return seed if other != self.subject.cost(self.points[0]) else None

    @cached_property
    def predictions(self) -> list[Array] | None:
        """At the flipped points; None where there are none, or they are classes instead of the network's outputs."""
        if not self.subject.has_predict or not self.subject.data:
            return None
        asked = self.subject.with_data(copy.deepcopy(self.subject.data))
        try:
            made = [asked.outputs(w) for w in self.flipped]
        except (SubjectError, TypeError, ValueError):  # it takes one row, or returns more than its outputs
            return None
        usable = all(np.isfinite(outputs).all() for outputs in made)
        return made if usable and any(np.any(outputs != np.rint(outputs)) for outputs in made) else None
