"""How far the values of a function are off beyond the rounding of float64: a loss in float32, say.

Values at 31 places close together differ by what the function does, which is smooth, and by noise. Fourth differences
leave nothing of the smooth part, and about sqrt(70) s of noise of standard deviation s. Their upper quartile ignores
a kink. Where the places are so close that the values stand still and jump, again and again, the jumps are the noise.

J. J. More and S. M. Wild, Estimating computational noise, SIAM Journal on Scientific Computing 33 (2011).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PLACES = 31
SPACINGS = (1e-6, 3e-5, 1e-3)
ORDER = 4
AMPLIFIED = 1.15 * np.sqrt(70.0)  # the upper quartile of |N(0, 1)| is 1.15


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
        noise = float(np.quantile(np.abs(np.diff(values, ORDER)), 0.75) / AMPLIFIED)
        stands = steps == 0
        switches = np.count_nonzero(np.diff(stands))
        if np.count_nonzero(stands) > len(steps) / 4 and (switches > 2 or np.count_nonzero(steps) == 1):
            noise = max(noise, float(steps[steps > 0].min()))
        return noise
    return 0.0
