"""The learning rates that people use with each optimizer on scaled data: what lies outside is out of the ordinary."""

from __future__ import annotations

import math

from unstuck.recipe import Recipe

ADAPTIVE = ("adam", "adamw", "nadam", "rmsprop", "adaptive_rmsprop", "rprop")


def usual_rates(recipe: Recipe) -> tuple[float, float]:
    """Return the lowest and the highest usual rate: 1e-4 to 3e-2 where steps are normalised, else 1e-3 to 1."""
    kind = recipe.optimizer.kind
    if kind in ADAPTIVE:
        return 1e-4, 3e-2
    return (1e-3, 0.3) if kind in ("momentum", "nesterov") else (1e-3, 1.0)


def beyond_usual(recipe: Recipe, rate: float) -> str:
    """Say where a rate lies beside the usual ones."""
    low, high = usual_rates(recipe)
    return f"{rate:g} lies outside the rates that are usual with {recipe.optimizer.kind}, {low:g} to {high:g}"


def decades_below(recipe: Recipe, rate: float) -> float:
    """Return how many powers of ten a rate lies below the usual ones, 0 if it does not."""
    return max(0.0, math.log10(usual_rates(recipe)[0] / rate))


def decades_above(recipe: Recipe, rate: float) -> float:
    """Return how many powers of ten a rate lies above the usual ones, 0 if it does not."""
    return max(0.0, math.log10(rate / usual_rates(recipe)[1]))
