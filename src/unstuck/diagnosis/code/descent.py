"""Plain gradient descent on a person's parameters with one gradient or another, each at its own best learning rate.

The rates that are tried are counted in lengths of the first step, c = rate |g| / |w|. A gradient that is right but for
a factor then makes the same trainings as the right one, as it should: the factor is part of the learning rate.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable, Sequence

import numpy as np

from unstuck.arrays import Array
from unstuck.subjects.layout import Block

LENGTHS = tuple(float(10.0**power) for power in np.arange(-5, 1.6, 0.5))
"""Of the first step, as shares of |w|."""
SHORT = 4
"""All of them run for 1 / SHORT of the updates; ..."""
NEARBY = (0.5, 1.0, 2.0)
"""... the best, and rates around it, for all, from every start."""

SHORTLY, TIMED = 0.01, 4
"""Gradients of fewer seconds are timed so often again."""

Gradient = Callable[[Array, int], Array]
Cost = Callable[[Array], float]


def descend(gradient: Gradient, w: Array, rate: float, updates: int) -> Array:
    """Return w after so many updates w -= rate g(w, t); where it stops being finite, the last that was."""
    w = w.copy()
    for t in range(updates):
        after = w - rate * gradient(w, t)
        if not np.isfinite(after).all():
            return np.full_like(w, np.nan)
        w = after
    return w


def best_descent(gradient: Gradient, cost: Cost, at: Sequence[Array], updates: int) -> tuple[float, list[Array]]:
    """Return the rate with the lowest median cost over the starts, and where it led from each.

    The order of magnitude is chosen at the first start.
    """
    w = at[0]
    g = float(np.linalg.norm(gradient(w, 0)))
    if not 0 < g < np.inf:
        return 0.0, list(at)
    unit = (float(np.linalg.norm(w)) or 1.0) / g
    short = max(3, updates // SHORT)
    _, best = min((cost_of(cost, descend(gradient, w, c * unit, short)), c) for c in LENGTHS)
    rates = [best * factor * unit for factor in NEARBY]
    ends = [[descend(gradient, w, rate, updates) for w in at] for rate in rates]
    medians = [float(np.median([cost_of(cost, w) for w in of_rate])) for of_rate in ends]
    chosen = int(np.argmin(medians))
    return rates[chosen], ends[chosen]


def trainings(at: int) -> float:
    """Return how many whole trainings that takes, with so many starts."""
    return len(LENGTHS) / SHORT + len(NEARBY) * at


def starts(w: Array, blocks: Sequence[Block], count: int) -> list[Array]:
    """Return the person's start, and others whose blocks have its mean and spread."""
    random = np.random.default_rng(11)
    made = [w]
    while len(made) < count:
        other = w.copy()
        for block in blocks:
            part = w[block.part]
            if np.ptp(part) == 0:
                other[block.part] = part
            elif block.size >= 20:
                other[block.part] = random.choice(part, size=block.size)
            else:
                half = np.sqrt(3) * float(part.std())
                other[block.part] = random.uniform(part.mean() - half, part.mean() + half, size=block.size)
        made.append(other)
    return made


def seconds_of(gradient: Gradient, w: Array) -> float:
    """Return how long one gradient takes; of a short one the least of a few, as other processes come in between."""
    gradient(w, 0)
    timer = timeit.Timer(lambda: gradient(w, 1))
    once = timer.timeit(1)
    return once if once > SHORTLY else min(once, *timer.repeat(TIMED, 1))


def cost_of(cost: Cost, w: Array) -> float:
    """Return the cost, infinite where it is no number."""
    value = cost(w) if np.isfinite(w).all() else np.inf
    return value if np.isfinite(value) else np.inf
