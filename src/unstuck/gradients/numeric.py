"""Numeric derivatives that know how far they can be trusted.

The slope of phi at 0 by central differences at steps h, h/4, h/16, ..., each pair extrapolated (Richardson):

    D(h) = (phi(h) - phi(-h)) / 2h          R(h) = (16 D(h/4) - D(h)) / 15

Large steps err by curvature and by the kinks within ±h, small ones by rounding, about eps max|phi| / h. The error of an
R is estimated as its difference from D(h), plus its rounding, plus its largest difference from an R of smaller steps
beyond the rounding of that one. The R of the least error is returned.

A kink at 0 itself spoils all steps alike. It shows in the jump S(h) between the slopes to the right and to the left,

    S(h) = (phi(h) - 2 phi(0) + phi(-h)) / h

which shrinks with h for a smooth function (fourfold here) and does not for a kink. Then there is no derivative to
speak of.

Where phi can be computed for complex numbers, Im phi(ih) / h is exact to the last digits, at any tiny h. It is believed
only where the differences confirm it: a phi that drops imaginary parts, by an abs() say, has another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array

STEPS = 10
LARGEST_STEP = 1e-2
EPS = float(np.finfo(np.float64).eps)
ROUNDING = 16 * EPS
COMPLEX_STEP = 1e-40
CONFIRMED = 5e-7


@dataclass(frozen=True)
class Slope:
    """A derivative and the estimate of its error; both NaN where phi has a kink at 0."""

    value: float
    error: float

    @property
    def kinked(self) -> bool:
        """Whether there is a kink too near to step around."""
        return bool(np.isnan(self.value))


def slope(phi: Callable[[float], float], scale: float = 1.0, noise: float = 0.0) -> Slope:
    """Return phi'(0).

    Args:
        phi: a function of one number, in float64.
        scale: how far phi has to go to change its character; the first step is a hundredth of it.
        noise: by how much values of phi may be off, beyond the rounding of float64.

    >>> round(slope(np.exp).value, 10)
    1.0
    >>> slope(abs).kinked, round(slope(lambda t: abs(t - 1e-5)).value, 6)
    (True, -1.0)
    """
    h = scale * LARGEST_STEP / 4.0 ** np.arange(STEPS)
    right, left = np.array([[phi(step), phi(-step)] for step in h]).T
    middle = phi(0.0)
    sizes = np.abs([*right, *left, middle])
    rounding = (ROUNDING * sizes[np.isfinite(sizes)].max(initial=0.0) + noise) / h

    with np.errstate(invalid="ignore"):  # phi may be infinite at the larger steps
        jump = np.abs(right - 2 * middle + left) / h
        seen = np.isfinite(jump) & (jump > 4 * rounding)
        if _kink_at_zero(jump, seen, rounding):
            return Slope(np.nan, np.nan)
        if jump[-1] > 2 * jump.min(where=np.isfinite(jump), initial=np.inf):  # phi is rougher than float64
            rounding = np.maximum(rounding, jump[-1] * h[-1] / h)
        central = (right - left) / (2 * h)
        R = (16 * central[1:] - central[:-1]) / 15
        apart = np.abs(R[:, None] - R) - rounding[1:]
        error = np.abs(R - central[:-1]) + rounding[1:] + np.triu(apart, 1).max(axis=1)
    if not (np.isfinite(error).any() and np.isfinite(middle)):
        return Slope(np.nan, np.nan)
    best = int(np.nanargmin(error))
    if (
        not noise and seen.any() and error[best] > 1e-3 * max(abs(R[best]), *jump[seen])
    ):  # a kink hides below the smallest steps
        return Slope(np.nan, np.nan)
    return Slope(float(R[best]), float(error[best]))


def with_complex_step(found: Slope, phi: Callable[[complex], complex]) -> Slope:
    """Return the slope by a complex step where that differs by less than the tolerance of a check can see.

    >>> with_complex_step(slope(np.exp), np.exp)
    Slope(value=1.0, error=2.220446049250313e-16)
    """
    value = complex(phi(1j * COMPLEX_STEP)).imag / COMPLEX_STEP
    confirmed = abs(value - found.value) <= 10 * found.error <= CONFIRMED * abs(found.value)
    return Slope(value, EPS * abs(value)) if confirmed else found


def _kink_at_zero(jump: Array, seen: npt.NDArray[np.bool_], rounding: Array) -> bool:
    """Tell whether S(h) has stopped shrinking before it is lost in rounding."""
    last = int(np.flatnonzero(seen)[-1]) if seen.any() else 0
    could_be_seen = 8 * np.append(rounding, np.inf)[last + 1]
    return last > 0 and bool(0.35 * jump[last - 1] < jump[last] < min(2 * jump[last - 1], could_be_seen))
