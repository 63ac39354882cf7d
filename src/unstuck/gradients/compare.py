"""compare(): any gradient of a flat vector against numeric derivatives of its cost, block by block.

Along a direction d the slope of the cost must be g . d. Three directions go through all entries of a block, so that no
entry escapes: two at random, whose components are all of about the same size, and the gradient's own, along which the
slope is steepest. Single entries are compared too: of small networks always, of large ones where a direction
disagrees. If few of these entries are wrong, those that are get found by bisection: halves of the block that disagree
are halved again, down to the entry.

Where the cost has a kink at the parameters themselves (a ReLU's z is exactly 0 for some row), there is no derivative to
compare with; the comparison moves to parameters nearby.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.gradients.comparisons import GRANTED, VAGUE, BlockCheck, Comparison, GradientCheck
from unstuck.gradients.numeric import LARGEST_STEP, ROUNDING, Slope, slope, with_complex_step

ENTRIES = 40
SPOT_CHECKS = 8
DIRECTIONS = 3
LARGE = 5_000
NUDGES = 4
SECOND_OPINIONS = 3
MANY = 0.1
BRANCHES = 8
COARSE = 1e3
"""An error so many times what rounding explains comes from a kink or an edge, which may be absent nearby."""


def compare(
    cost: Callable[[Array], float],
    gradient: Callable[[Array], Array],
    w: Array,
    blocks: Mapping[str, slice],
    seed: int = 0,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    entries: int = ENTRIES,
    directions: int = DIRECTIONS,
    noise: float = 0.0,
    complex_cost: Callable[[npt.NDArray[np.complex128]], complex] | None = None,
) -> GradientCheck:
    """Compare any gradient of a flat vector with numeric derivatives of its cost, block by block.

    Args:
        cost: the cost at parameters (P,).
        gradient: (P,), at parameters (P,).
        w: where to check, (P,).
        blocks: where each block lies in w.
        seed: of the choice of entries and directions.
        shapes: of the blocks, to name entries by; a block without one is a vector.
        entries: so many of each block are compared singly.
        directions: so many through each block; less than 3 for no more than a second opinion.
        noise: by how much the cost may be off beyond the rounding of float64.
        complex_cost: the cost at complex parameters, where it can be had.
    """
    comparing = _Comparing(cost, gradient, w, np.random.default_rng(seed), noise, complex_cost)
    entries = entries if w.size <= LARGE else 0
    checks = [
        comparing.block(name, block, (shapes or {}).get(name, (block.stop - block.start,)), entries, directions)
        for name, block in blocks.items()
        if block.stop > block.start
    ]
    sizes = [one.size for check in checks for one in check.comparisons if math.isfinite(one.size)]
    return GradientCheck(tuple(replace(check, largest=max(sizes, default=0.0)) for check in checks))


class _Comparing:
    """What all comparisons of one check share."""

    def __init__(
        self,
        cost: Callable[[Array], float],
        gradient: Callable[[Array], Array],
        w: Array,
        random: np.random.Generator,
        noise: float,
        complex_cost: Callable[[npt.NDArray[np.complex128]], complex] | None,
    ):
        self.cost, self.gradient, self.random = cost, gradient, random
        self.noise, self.complex_cost = noise, complex_cost
        nudges = (0.0, *[1e-3] * NUDGES, *[3e-2] * SECOND_OPINIONS)
        self.points = [w + nudge * random.normal(size=w.shape) for nudge in nudges]
        self.gradients: dict[int, Array] = {}
        self.coarse = COARSE * (ROUNDING * abs(cost(w)) + noise) / LARGEST_STEP

    def gradient_at(self, k: int) -> Array:
        """Return the gradient at the k-th of the points; the 0th is w."""
        if k not in self.gradients:
            self.gradients[k] = self.gradient(self.points[k])
        return self.gradients[k]

    def along(self, where: str, direction: Array, part: slice, place: int | None = None) -> Comparison | None:
        """Compare the derivatives along a direction that is zero outside a part; None where kinks forbid it.

        Where a kink or an edge leaves the slope at w unsure, the best of the points nearby is taken. Two kinks on top
        of each other may pass for none: of two leaky ReLUs in a row, both at 0, one is steep where the other is flat.
        So what is wrong has to be wrong at another point, too; under noise, at one farther away.
        """
        best: Comparison | None = None
        for k in range(1 + NUDGES):
            one = self.at(k, where, direction, part, place)
            if one is not None and (best is None or one.error < best.error):
                best = one
            if best is not None and (best.error <= self.coarse or GRANTED * best.error <= VAGUE * best.size):
                break
        if best is None or best.right:
            return best
        if self.noise:
            others = (self.at(k, where, direction, part, place) for k in range(1 + NUDGES, len(self.points)))
            return next((one for one in others if one is not None and one.right), best)
        other = self.at(1, where, direction, part, place)
        tells = other is not None and GRANTED * other.error <= VAGUE * best.difference
        return other if other is not None and tells and other.right else best

    def at(self, k: int, where: str, direction: Array, part: slice, place: int | None) -> Comparison | None:
        """Compare the derivatives along a direction at the k-th of the points; None on a kink."""
        numeric = self.slope(k, direction)
        if numeric.kinked:
            return None
        backprop = float(self.gradient_at(k)[part] @ direction[part])
        return Comparison(where, backprop, numeric.value, numeric.error, place)

    def slope(self, k: int, direction: Array) -> Slope:
        """Return the slope of the cost along a direction at the k-th of the points."""
        point, complex_cost = self.points[k], self.complex_cost
        found = slope(lambda t: self.cost(point + t * direction), noise=self.noise)
        if found.kinked or complex_cost is None:
            return found
        return with_complex_step(found, lambda t: complex_cost(point + t * direction))

    def entry(self, name: str, block: slice, shape: tuple[int, ...], place: int) -> Comparison | None:
        """Compare the derivatives by one entry of a block."""
        direction = np.zeros_like(self.points[0])
        direction[block.start + place] = 1.0
        index = np.unravel_index(place, shape) if len(shape) > 1 else (place,)
        where = f"{name}[{', '.join(str(k) for k in index)}]" if shape else name
        return self.along(where, direction, block, place)

    def through(self, where: str, block: slice, number: int, pieces: slice | None = None) -> Comparison | None:
        """Compare the derivatives along direction 1, 2 or 3 through a piece of a block, or all of it."""
        piece = block if pieces is None else slice(block.start + pieces.start, block.start + pieces.stop)
        direction = np.zeros_like(self.points[0])
        direction[piece] = self.random.uniform(0.5, 1.5, piece.stop - piece.start)
        direction[piece] *= self.random.choice([-1.0, 1.0], piece.stop - piece.start)
        if number == DIRECTIONS:
            own = self.gradient_at(0)[piece]
            steepness = np.linalg.norm(own)
            if np.isfinite(steepness) and steepness > 0:
                direction[piece] = own / steepness
        direction[piece] /= np.linalg.norm(direction[piece])
        return self.along(where, direction, piece)

    def block(self, name: str, block: slice, shape: tuple[int, ...], entries: int, directions: int) -> BlockCheck:
        """Compare all there is to compare of one block."""
        size = block.stop - block.start
        numbers = range(1 + DIRECTIONS - directions, 1 + DIRECTIONS) if size > 1 else ()
        attempts = [self.through(f"direction {number}", block, number) for number in numbers]
        wrong = directions == DIRECTIONS and any(one is not None and not one.right for one in attempts)
        entries = max(entries, SPOT_CHECKS if wrong else 0, 1 if size == 1 else 0)
        chosen = range(size) if size <= entries else self._chosen(size, entries)
        singles = [self.entry(name, block, shape, int(place)) for place in chosen]
        located = len(singles) == size and None not in singles
        if wrong and not located and _few([one for one in singles if one is not None]):
            found = self.bisected(name, block, shape)
            seen = {one.place for one in singles if one is not None}
            singles += [one for one in found if one.place not in seen]
            located = bool(found)
        attempts = [*singles, *attempts]
        made = tuple(attempt for attempt in attempts if attempt is not None)
        return BlockCheck(name, made, len(attempts) - len(made), shape, located=located)

    def _chosen(self, size: int, entries: int) -> npt.NDArray[np.intp]:
        return np.sort(self.random.choice(size, entries, replace=False))

    def bisected(self, name: str, block: slice, shape: tuple[int, ...]) -> list[Comparison]:
        """Return the entries that are wrong, or none where they are many or cannot be told apart."""
        pieces = [slice(0, block.stop - block.start)]
        found: list[Comparison] = []
        while pieces and len(pieces) + len(found) <= BRANCHES:
            halves = [half for piece in pieces for half in _halves(piece)]
            pieces = []
            for half in halves:
                alone = half.stop - half.start == 1
                compared = self.entry(name, block, shape, half.start) if alone else self.through("", block, 1, half)
                if compared is not None and not compared.right:
                    if alone:
                        found.append(compared)
                    else:
                        pieces.append(half)
        return [] if pieces else found


def _halves(piece: slice) -> tuple[slice, slice]:
    middle = (piece.start + piece.stop) // 2
    return slice(piece.start, middle), slice(middle, piece.stop)


def _few(singles: list[Comparison]) -> bool:
    wrong = sum(not one.right for one in singles)
    return wrong <= max(1, MANY * len(singles))
