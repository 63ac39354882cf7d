"""What a person's own update does with the gradient: block by block, u = w after - w before against -rate g."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unstuck.arrays import Array
from unstuck.functions.optimizers import SGD, Momentum, Nesterov, Optimizer
from unstuck.subjects.handwritten import HandWritten
from unstuck.subjects.layout import Block

POINTS = 4
TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Update:
    """Parameters w, the person's gradient g there, and how far their step went, u; all of shape (P,)."""

    w: Array
    g: Array
    u: Array

    def rate(self, block: Block) -> float | None:
        """Return the rate of u = -rate g in a block; None where u is no multiple of g, NaN where g is zero."""
        g, u = self.g[block.part], self.u[block.part]
        if not g.any():
            return np.nan
        rate = -float(u @ g) / float(g @ g)
        rounding = 1e-15 * float(np.linalg.norm(self.w[block.part]))
        apart = float(np.linalg.norm(u + rate * g))
        return rate if apart <= TOLERANCE * float(np.linalg.norm(u)) + rounding else None


def updates(subject: HandWritten) -> list[Update]:
    """Return what the step does at the start and around it; nothing where there is no step or no gradient."""
    if not subject.has_step or not subject.has_gradient:
        return []
    random = np.random.default_rng(0)
    size = float(np.sqrt(np.mean(subject.w**2))) / 4 or 0.1
    points = [subject.w + k * size * random.normal(size=subject.w.shape) for k in range(POINTS)]
    made = [Update(w, subject.gradient(w), subject.after_step(w) - w) for w in points]
    return [one for one in made if np.isfinite(one.u).all() and np.isfinite(one.g).all()]


def usual_rate(subject: HandWritten, made: list[Update]) -> float | None:
    """Return the median rate, up or down, of the blocks that plain descent moves; None where there are none."""
    moved = [one.rate(block) for block in subject.blocks for one in made if one.u[block.part].any()]
    known = [abs(rate) for rate in moved if rate is not None and np.isfinite(rate)]
    return float(np.median(known)) if known else None


def rate_of_descent(subject: HandWritten, made: list[Update], optimizer: Optimizer | None) -> float | None:
    """Return the rate of the plain descent that the training is, or with momentum m is like: rate / (1 - m)."""
    if isinstance(optimizer, Momentum | Nesterov):
        return optimizer.learning_rate / (1 - optimizer.momentum)
    if optimizer is not None:
        return optimizer.learning_rate if isinstance(optimizer, SGD) else None
    found = rates(subject, made) if made else None
    rate = next(iter(found.values())) if found else 0.0
    return rate if rate > 0 else None


def rates(subject: HandWritten, made: list[Update]) -> dict[str, float] | None:
    """Return the learning rate of every block, if the step is plain gradient descent; else None."""
    found: dict[str, float] = {}
    for block in subject.blocks:
        each = [one.rate(block) for one in made]
        known = [rate for rate in each if rate is not None and not np.isnan(rate)]
        if None in each or not known or np.ptp(known) > 1e-3 * max(map(abs, known)):
            return None
        found[block.name] = known[0]
    return found
