"""What somebody's own update does with their gradient.

At some points w_k the step moves the parameters by u_k. In plain gradient descent, block by block and at every point,

    u_k = -rate g_k

to rounding. Where that holds, it is told which rate that is, whether the step goes uphill, and whether it goes too far.
Momentum, Adam, penalties in the update, and batches that are not all the data make other u_k; of those only what holds
for any update is told: a block that stays where it is though it has a gradient, and NaN.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import SubjectError
from unstuck.gradients import remarks
from unstuck.gradients.numeric import slope
from unstuck.subjects.handwritten import HandWritten
from unstuck.subjects.layout import Block

POINTS = 4
MORE_POINTS = 12
"""Before a block is said never to move: on a batch of one row, ReLUs that are all dead leave it without a gradient."""
PATIENCE = 5.0
MULTIPLE = 1e-6
EPS = float(np.finfo(np.float64).eps)
CERTAIN = 10
HALVINGS = 40


@dataclass(frozen=True)
class Update:
    """Parameters, their gradient, and how far the step moved them."""

    w: Array
    g: Array
    u: Array

    def rate(self, block: Block) -> float | None:
        """Return by how many times its gradient a block went down; None if in another direction, NaN if unclear."""
        w, g, u = (vector[block.part] for vector in (self.w, self.g, self.u))
        rounding = EPS * (np.linalg.norm(w) + np.linalg.norm(u))
        square = float(g @ g)  # zero also of entries that are too small to be squared
        if not square or rounding > MULTIPLE * np.linalg.norm(u):
            return np.nan
        rate = -float(u @ g) / square
        return rate if np.linalg.norm(u + rate * g) <= MULTIPLE * np.linalg.norm(u) + rounding else None

    def stays(self, block: Block) -> bool:
        """Tell whether a block stays exactly where it is."""
        return not self.u[block.part].any()


def notes_on_step(subject: HandWritten, w: Array, gradient_right: bool) -> list[str]:
    """Return what is to be said of a subject's step at w.

    Args:
        subject: with a step. That is called a few times, and once more for each block that does not move.
        w: the parameters, (P,), where the loss is finite.
        gradient_right: whether the check found the gradient right.
    """
    taken = _updates(subject, w)
    try:
        updates = [next(taken) for _ in range(2)]
        started = time.perf_counter()
        while len(updates) < POINTS and time.perf_counter() - started < PATIENCE:
            updates.append(next(taken))
        first = updates[0]
        broken = [block.name for block in subject.blocks if not np.isfinite(first.u[block.part]).all()]
        if broken or not np.isfinite(first.g).all():
            return [remarks.step_not_finite(broken)] if np.isfinite(first.g).all() else []
        blocks = [block for block in subject.blocks if first.g[block.part].any()]
        while _still(blocks, updates) and len(updates) < POINTS + MORE_POINTS:
            updates.append(next(taken))
    except SubjectError as error:
        return [remarks.step_failed(str(error))]
    still = _still(blocks, updates)
    if len(still) == len(blocks):
        return [remarks.nothing_moves(len(updates))] if blocks else []
    notes = [remarks.never_moves([block.name for block in still])] if still else []
    moving = [block for block in subject.blocks if block not in still and not all(one.stays(block) for one in updates)]
    return notes + _of_plain_descent(subject, moving, updates, gradient_right)


def _updates(subject: HandWritten, w: Array) -> Iterator[Update]:
    """Yield the update at w, and at more and more distant points around it."""
    random = np.random.default_rng(0)
    size = float(np.sqrt(np.mean(w**2))) or 0.4
    point, number = w, 0
    while True:
        g = subject.gradient(point)
        yield Update(point, g, subject.after_step(point) - point)
        number += 1
        point = w + size * (0.25 if number < POINTS else 1.0) * random.normal(size=w.shape)


def _still(blocks: Sequence[Block], updates: Sequence[Update]) -> list[Block]:
    return [block for block in blocks if all(one.stays(block) for one in updates)]


def _of_plain_descent(
    subject: HandWritten, blocks: Sequence[Block], updates: Sequence[Update], gradient_right: bool
) -> list[str]:
    """Return rate and direction of a step that is a multiple of the gradient at every point; nothing of another."""
    rates: dict[str, float] = {}
    for block in blocks:
        of_points = [update.rate(block) for update in updates]
        clear = [rate for rate in of_points if rate is not None and not np.isnan(rate)]
        if None in of_points or len(clear) < 2 or np.ptp(clear) > 10 * MULTIPLE * np.max(np.abs(clear)):
            return []
        rates[block.name] = clear[0]
    first = updates[0]
    added = [block for block in blocks if rates[block.name] < 0]
    uphill = [block for block in added if _rises_along(subject, block, first)]
    before, after = subject.cost(first.w), subject.cost(first.w + first.u)
    if added:
        names, rate = [block.name for block in added], -rates[added[0].name]
        if not uphill:
            return [] if gradient_right else [remarks.signs_cancel(names, rate)]
        return [remarks.goes_uphill([block.name for block in uphill], rate, before, after)]
    notes = [remarks.plain_descent(_grouped(rates), before, after)]
    if gradient_right and not after <= before + MULTIPLE * abs(before):
        fraction = next((0.5**k for k in range(1, HALVINGS) if subject.cost(first.w + 0.5**k * first.u) < before), 0.0)
        notes += [remarks.too_far(fraction, subject.cost(first.w + fraction * first.u))] if fraction else []
    return notes


def _rises_along(subject: HandWritten, block: Block, update: Update) -> bool:
    direction = np.zeros_like(update.w)
    direction[block.part] = update.u[block.part] / np.linalg.norm(update.u[block.part])
    found = slope(lambda t: subject.cost(update.w + t * direction))
    return found.value > CERTAIN * found.error


def _grouped(rates: dict[str, float]) -> list[tuple[float, list[str]]]:
    """Return each rate with its blocks."""
    groups: list[tuple[float, list[str]]] = []
    for name, rate in rates.items():
        same = [names for other, names in groups if abs(rate - other) <= 10 * MULTIPLE * other]
        if same:
            same[0].append(name)
        else:
            groups.append((rate, [name]))
    return groups
