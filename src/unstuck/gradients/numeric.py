"""Numeric derivatives that know how far they can be trusted.

The slope of phi at 0 by central differences at steps h, h/4, h/16, ..., each pair extrapolated (Richardson):

    D(h) = (phi(h) - phi(-h)) / 2h          R(h) = (16 D(h/4) - D(h)) / 15

Large steps err by curvature, small ones by rounding, about eps max|phi| / h. The R that agrees best with its neighbour,
given its rounding, is returned with that disagreement as its error.

A kink within ±h spoils D(h). It shows in the jump S(h) between the slopes to the right and to the left,

    S(h) = (phi(h) - 2 phi(0) + phi(-h)) / h

which shrinks with h for a smooth function (fourfold here) and does not for a kink. Steps that straddle one are not
used; where all do, the point lies on the kink, and there is no derivative to speak of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

STEPS = 10
LARGEST_STEP = 1e-2
ROUNDING = 16 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Slope:
    """A derivative and the estimate of its error; both NaN where phi has a kink at 0."""

    value: float
    error: float

    @property
    def kinked(self) -> bool:
        """Whether there is a kink too near to step around."""
        return bool(np.isnan(self.value))


def slope(phi: Callable[[float], float], scale: float = 1.0) -> Slope:
    """Return phi'(0).

    Args:
        phi: a function of one number, in float64.
        scale: how far phi has to go to change its character; the first step is a hundredth of it.

    >>> round(slope(np.exp).value, 10)
    1.0
    >>> slope(abs).kinked, round(slope(lambda t: abs(t - 1e-5)).value, 6)
    (True, -1.0)
    """
    h = scale * LARGEST_STEP / 4.0 ** np.arange(STEPS)
    right, left = np.array([[phi(step), phi(-step)] for step in h]).T
    middle = phi(0.0)
    sizes = np.abs([*right, *left, middle])
    rounding = ROUNDING * sizes[np.isfinite(sizes)].max(initial=0.0) / h

    jump = np.abs(right - 2 * middle + left) / h
    straddles = np.append(True, (jump[1:] > 0.5 * jump[:-1]) & (jump[1:] > 4 * rounding[1:]))
    central = (right - left) / (2 * h)
    extrapolated = (16 * central[1:] - central[:-1]) / 15
    disagreement = np.abs(extrapolated - central[1:]) + rounding[1:]

    usable = ~(straddles[1:] | np.append(False, straddles[1:-1])) & np.isfinite(extrapolated)
    if not usable.any():
        return Slope(np.nan, np.nan)
    best = int(np.argmin(np.where(usable, disagreement, np.inf)))
    return Slope(float(extrapolated[best]), float(disagreement[best]))
