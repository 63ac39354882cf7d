"""check_gradient(): backprop against numeric derivatives, block by block.

Single entries of each block (W1, b1, ...) are compared, chosen at random where there are many, and random directions
through all of a block's entries, so that no entry escapes. Where the cost has a kink at the parameters themselves (a
ReLU's z is exactly 0 for some row), there is no derivative to compare with; the comparison moves to parameters nearby.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.engines import backprop
from unstuck.errors import OptionError
from unstuck.gradients.numeric import slope
from unstuck.network import Network
from unstuck.recipe import Recipe
from unstuck.training.prepare import prepare

ENTRIES = 40
DIRECTIONS = 3
NUDGES = 4
TOLERANCE = 1e-6
"""Of the difference relative to the derivative; a few times the numeric derivative's own error is always granted."""


@dataclass(frozen=True)
class Comparison:
    """One derivative, both ways. `where` names the entry, or the direction."""

    where: str
    backprop: float
    numeric: float
    error: float

    @property
    def right(self) -> bool:
        """Whether the two agree as well as the numeric one allows."""
        granted = 10 * self.error + TOLERANCE * max(abs(self.backprop), abs(self.numeric))
        return abs(self.backprop - self.numeric) <= granted


@dataclass(frozen=True)
class BlockCheck:
    """What was found about one block of parameters.

    Attributes:
        name: of the block: W1, b1, ...
        comparisons: all that were made.
        set_aside: how many could not be made, because of kinks.
    """

    name: str
    comparisons: tuple[Comparison, ...]
    set_aside: int

    @property
    def right(self) -> bool:
        """Whether every comparison agrees; where none could be made, nothing is known to be right."""
        return bool(self.comparisons) and all(comparison.right for comparison in self.comparisons)

    @property
    def verdict(self) -> str:
        """Whether the block is "right" or "WRONG", or "?" where nothing could be compared."""
        return "?" if not self.comparisons else "right" if self.right else "WRONG"

    @property
    def relative_error(self) -> float:
        """||g - g_num|| / (||g|| + ||g_num||), 0 where both are zero."""
        g = np.array([comparison.backprop for comparison in self.comparisons])
        numeric = np.array([comparison.numeric for comparison in self.comparisons])
        norm = np.linalg.norm(g) + np.linalg.norm(numeric)
        return float(np.linalg.norm(g - numeric) / norm) if norm else 0.0

    @property
    def worst(self) -> Comparison | None:
        """The comparison with the largest difference."""
        return max(self.comparisons, key=lambda one: abs(one.backprop - one.numeric), default=None)


@dataclass(frozen=True)
class GradientCheck:
    """The verdict on a gradient; `print` shows it as a table."""

    blocks: tuple[BlockCheck, ...]

    @property
    def right(self) -> bool:
        """Whether every block is right."""
        return all(block.right for block in self.blocks)

    @property
    def relative_error(self) -> float:
        """The largest of the blocks' relative errors."""
        return max(block.relative_error for block in self.blocks)

    def __str__(self) -> str:
        lines = [f"{'block':<6} {'':<6} {'relative error':>14} {'compared':>9} {'set aside':>9}   largest difference"]
        for block in self.blocks:
            worst = block.worst
            detail = f"{worst.where}: backprop {worst.backprop:.6g}, numeric {worst.numeric:.6g}" if worst else ""
            lines.append(
                f"{block.name:<6} {block.verdict:<6} {block.relative_error:>14.1e} "
                f"{len(block.comparisons):>9} {block.set_aside:>9}   {detail}"
            )
        return "\n".join(lines)


def check_gradient(
    recipe: Recipe, X: Any, y: Any, *, parameters: Array | None = None, sample_weight: Any = None, seed: int = 0
) -> GradientCheck:
    """Compare the backprop of a recipe's network with numeric derivatives of its cost, in float64.

    Args:
        recipe: its network, loss and penalties are checked, on the full batch, with the dropout masks of update 0.
        X: features.
        y: targets.
        parameters: where to check, P numbers; None takes the start.
        sample_weight: a weight for each row.
        seed: of the choice of entries and directions.

    >>> from unstuck import Dense, Recipe
    >>> recipe = Recipe([Dense(8, "tanh"), Dense(3, "softmax")], loss="categorical_crossentropy")
    >>> check_gradient(recipe, np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 3).right
    True
    """
    precise = recipe.replace(precision="float64", validation_fraction=0.0)
    data = prepare(precise, X, y, sample_weight=sample_weight)
    network, rows = data.network, data.rows
    w = network.start() if parameters is None else np.array(parameters, dtype=np.float64)
    if w.shape != (network.size,):
        raise OptionError(f"this network has {network.size} parameters; got an array of shape {w.shape}")
    with np.errstate(all="ignore"):
        return compare(
            lambda w: backprop.cost(network, w, rows.X, rows.Y, rows.weights, t=0),
            lambda w: backprop.cost_and_gradient(network, w, rows.X, rows.Y, rows.weights, t=0)[1],
            w,
            block_slices(network),
            seed,
        )


def block_slices(network: Network) -> dict[str, slice]:
    """Return where each block lies in the flat vector: W1, b1, W2, ..."""
    slices = {}
    for number, layer in enumerate(network.dense, start=1):
        slices[f"W{number}"] = layer.weights
        if layer.has_bias:
            slices[f"b{number}"] = layer.biases
    return slices


def compare(
    cost: Callable[[Array], float],
    gradient: Callable[[Array], Array],
    w: Array,
    blocks: Mapping[str, slice],
    seed: int = 0,
) -> GradientCheck:
    """Compare any gradient of a flat vector with numeric derivatives of its cost, block by block."""
    random = np.random.default_rng(seed)
    nearby = [w + nudge * random.normal(size=w.shape) for nudge in (0.0, *[1e-3] * NUDGES)]
    gradients: dict[int, Array] = {}

    def compared(where: str, block: slice, direction: Array) -> Comparison | None:
        for k, point in enumerate(nearby):
            numeric = slope(lambda t, point=point: cost(point + t * direction))  # type: ignore[misc]
            if not numeric.kinked:
                if k not in gradients:
                    gradients[k] = gradient(point)
                return Comparison(where, float(gradients[k][block] @ direction[block]), numeric.value, numeric.error)
        return None

    checks = []
    for name, block in blocks.items():
        places = np.arange(w.size)[block]
        chosen = places if len(places) <= ENTRIES else np.sort(random.choice(places, ENTRIES, replace=False))
        attempts = [compared(f"{name}[{place - places[0]}]", block, _unit(w.size, place)) for place in chosen]
        for number in range(DIRECTIONS if len(places) > 1 else 0):
            direction = np.zeros_like(w)
            direction[block] = random.normal(size=len(places)) / np.sqrt(len(places))
            attempts.append(compared(f"direction {number + 1}", block, direction))
        made = tuple(attempt for attempt in attempts if attempt is not None)
        checks.append(BlockCheck(name, made, len(attempts) - len(made)))
    return GradientCheck(tuple(checks))


def _unit(size: int, place: int) -> Array:
    direction = np.zeros(size)
    direction[place] = 1.0
    return direction
