"""How far the values of a function are off beyond the rounding of float64: a loss in float32, say.

Values at 15 places close together differ by what the function does, which is smooth, and by noise. Fourth differences
leave nothing of the smooth part, and of noise of standard deviation s a median of 0.67 sqrt(70) s. That median
passes over a kink or two. Where the places are so close that the values stand still and jump, the jumps are the noise.

J. J. More and S. M. Wild, Estimating computational noise, SIAM Journal on Scientific Computing 33 (2011).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PLACES = 15
SPACINGS = (1e-6, 3e-5, 1e-3)
ORDER = 4
AMPLIFIED = 0.6745 * np.sqrt(70.0)


def noise_of(phi: Callable[[float], float]) -> float:
    """Return the noise of phi around 0, 0 where phi is constant.

    >>> noise_of(np.cos) < 1e-14, 1e-9 < noise_of(lambda t: np.float32(np.cos(1 + t))) < 1e-7
    (True, True)
    """
    for spacing in SPACINGS:
        values = np.array([phi(k * spacing) for k in range(PLACES)], dtype=np.float64)
        if not np.isfinite(values).all():
            return 0.0
        steps = np.abs(np.diff(values))
        if not steps.any():
            continue
        noise = float(np.median(np.abs(np.diff(values, ORDER))) / AMPLIFIED)
        if np.count_nonzero(steps == 0) > len(steps) / 4:
            noise = max(noise, float(steps[steps > 0].min()))
        return noise
    return 0.0
