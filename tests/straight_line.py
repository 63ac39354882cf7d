"""The smallest network of one's own, a line fitted by least squares, with its gradient as one writes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from unstuck import HandWritten

_random = np.random.default_rng(0)
X, y = _random.normal(size=(40, 3)), _random.normal(size=40)
P = {"w": np.ones(3), "b": 0.5}


def loss(p, X, y):
    return np.mean((X @ p["w"] + p["b"] - y) ** 2)


def gradient(p, X, y):
    delta = 2 * (X @ p["w"] + p["b"] - y) / len(y)
    return {"w": X.T @ delta, "b": delta.sum()}


def line(**changed: Any) -> HandWritten:
    """Return the line as a subject, with some of it changed."""
    return HandWritten(**{"parameters": P, "loss": loss, "gradient": gradient, "data": (X, y)} | changed)
