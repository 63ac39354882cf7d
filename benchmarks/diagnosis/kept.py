"""Drawn recipes, kept on disk: to draw three hundred takes longer than to diagnose them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from joblib import Memory

from benchmarks.diagnosis import healthy as healthy_recipes
from benchmarks.diagnosis import injected as injected_faults
from benchmarks.diagnosis.healthy import Healthy
from benchmarks.diagnosis.injected import Injected
from benchmarks.diagnosis.pool import POOL

HERE = Path(__file__).parent
DRAWN_BY = ("problem", "by_hand", "pool", "faulty", "healthy", "injected")
memory = Memory(HERE.parent / "results" / "drawn", verbose=0)


@cache
def fingerprint() -> str:
    """Return a digest of what decides the draws: the programs that draw, and the data at hand."""
    texts = [(HERE / f"{name}.py").read_text() for name in DRAWN_BY]
    return hashlib.sha256("\n".join([*texts, *POOL]).encode()).hexdigest()


@memory.cache
def _healthy(seed: int, fingerprint: str) -> Healthy | None:
    return healthy_recipes.healthy(seed)


@memory.cache
def _injected(seed: int, fingerprint: str) -> Injected | None:
    return injected_faults.injected(seed)


def healthy(seed: int) -> Healthy | None:
    """Return the healthy recipe of a seed."""
    return _healthy(seed, fingerprint())


def injected(seed: int) -> Injected | None:
    """Return the faulty recipe of a seed."""
    return _injected(seed, fingerprint())
