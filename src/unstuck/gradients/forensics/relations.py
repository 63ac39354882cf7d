"""What a wrong gradient has to do with the right one, without knowing the network.

    g = s g_right + p w + q sign(w) + r         of a block, at all points together
    g = the right gradient of another block, or of the point before

The right gradient comes from numeric derivatives, or from the recognised network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unstuck.arrays import Array
from unstuck.subjects.layout import Block

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Relation:
    """How a block's gradient follows from the right one.

    Attributes:
        block: its name.
        kind: "factor", "missing", "left over", "penalty alone", "transposed", "other block" or "point before".
        ratio: of the part along the right gradient.
        left_over: the factors of w, sign(w) and 1 that are beside it.
        other: the name of the other block.
    """

    block: str
    kind: str
    ratio: float = 1.0
    left_over: tuple[float, float, float] = (0.0, 0.0, 0.0)
    other: str = ""


def relation(
    block: Block, blocks: Sequence[Block], points: Sequence[Array], given: Sequence[Array], right: Sequence[Array]
) -> Relation | None:
    """Return how a block's gradient at some points follows from the right one; None where it does in no known way."""
    g, G, w = (np.concatenate([block.of(vector).ravel() for vector in vectors]) for vectors in (given, right, points))
    size = np.linalg.norm(g)
    if not size:
        return Relation(block.name, "missing", 0.0)
    if (s := _factor(g, G)) is not None:
        return Relation(block.name, "factor", s)
    for other in blocks:
        if other.size == block.size and other.name != block.name:
            there = np.concatenate([other.of(vector).ravel() for vector in right])
            if (s := _factor(g, there)) is not None:
                return Relation(block.name, "other block", s, other=other.name)
    if len(block.shape) == 2 and block.shape[0] == block.shape[1]:
        turned = np.concatenate([block.of(vector).T.ravel() for vector in right])
        if (s := _factor(g, turned)) is not None:
            return Relation(block.name, "transposed", s)
    before = np.concatenate([block.of(vector).ravel() for vector in right[:-1]])
    if (s := _factor(g[block.size :], before)) is not None:
        return Relation(block.name, "point before", s)
    shapes = [w, np.sign(w), np.ones_like(w)]
    for terms in ((0,), (2,), (1,), (0, 2), (0, 1)):
        for with_gradient in (False, True):
            columns = [G] * with_gradient + [shapes[k] for k in terms]
            c, left = least_squares(columns, g)
            if len(g) > 2 * len(columns) and left <= TOLERANCE * size:
                left_over = [0.0, 0.0, 0.0]
                for k, value in zip(terms, c[with_gradient:], strict=True):
                    left_over[k] = float(value)
                ratio, kind = (float(c[0]), "left over") if with_gradient else (0.0, "penalty alone")
                return Relation(block.name, kind, ratio, tuple(left_over))  # type: ignore[arg-type]
    return None


def _factor(g: Array, G: Array) -> float | None:
    """Return s with g = s G, if there is one."""
    norm = float(G @ G)
    if not norm or g.shape != G.shape or len(g) < 2:
        return None
    s = float(g @ G) / norm
    return s if s and np.linalg.norm(g - s * G) <= TOLERANCE * np.linalg.norm(g) else None


def least_squares(columns: list[Array], given: Array) -> tuple[Array, float]:
    """Return the coefficients of the columns, and the norm of what they leave over.

    By the normal equations, which a few columns of very many rows are solved by fastest, refined once.
    """
    c, left = np.zeros(len(columns)), given
    F = np.column_stack(columns) if columns else np.zeros((len(given), 0))
    norms = np.linalg.norm(F, axis=0)
    norms[norms == 0] = 1
    inverse = np.linalg.pinv(F.T @ F / np.outer(norms, norms), hermitian=True)
    for _ in range(2):
        c = c + inverse @ (left @ F / norms) / norms
        left = given - F @ c
    return c, float(np.linalg.norm(left))
