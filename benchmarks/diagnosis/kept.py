"""Drawn recipes, kept on disk: to draw three hundred takes longer than to diagnose them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from joblib import Memory

from benchmarks.diagnosis import healthy as healthy_recipes
from benchmarks.diagnosis import injected as injected_faults
from benchmarks.diagnosis import injected_code as faults_of_code
from benchmarks.diagnosis.healthy import Healthy
from benchmarks.diagnosis.injected import Injected
from benchmarks.diagnosis.injected_code import InjectedCode
from benchmarks.diagnosis.pool import POOL

HERE = Path(__file__).parent
DRAWN_BY = ("problem", "by_hand", "pool", "faulty", "healthy", "injected")
CODE_DRAWN_BY = ("problem", "pool", "healthy", "hand_written", "injected_code")
memory = Memory(HERE.parent / "results" / "drawn", verbose=0)


@cache
def fingerprint(drawn_by: tuple[str, ...] = DRAWN_BY) -> str:
    """Return a digest of what decides the draws: the programs that draw, and the data at hand."""
    texts = [(HERE / f"{name}.py").read_text() for name in drawn_by]
    return hashlib.sha256("\n".join([*texts, *POOL]).encode()).hexdigest()


@memory.cache
def _healthy(seed: int, fingerprint: str) -> Healthy | None:
    return healthy_recipes.healthy(seed)


@memory.cache
def _injected(seed: int, fingerprint: str) -> Injected | None:
    return injected_faults.injected(seed)


@memory.cache
def _injected_code(seed: int, fingerprint: str) -> InjectedCode | None:
    return faults_of_code.injected_code(seed)


@memory.cache
def _code_control(seed: int, fingerprint: str) -> InjectedCode | None:
    return faults_of_code.control(seed)


def healthy(seed: int) -> Healthy | None:
    """Return the healthy recipe of a seed."""
    return _healthy(seed, fingerprint())


def injected(seed: int) -> Injected | None:
    """Return the faulty recipe of a seed."""
    return _injected(seed, fingerprint())


def injected_code(seed: int) -> InjectedCode | None:
    """Return the faulty hand-written network of a seed."""
    return _injected_code(seed, fingerprint(CODE_DRAWN_BY))


def code_control(seed: int) -> InjectedCode | None:
    """Return the hand-written network of a seed that learns."""
    return _code_control(seed, fingerprint(CODE_DRAWN_BY))
