"""Engines: what computes. All give the same numbers; `reference` specifies them."""

from __future__ import annotations

from unstuck.engines.engine import Engine
from unstuck.engines.native import NativeEngine
from unstuck.engines.reference import ReferenceEngine
from unstuck.errors import OptionError, did_you_mean

ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (ReferenceEngine, NativeEngine)}


def choose_engine(name: str) -> type[Engine]:
    """Return the engine of that name; "auto" is the fastest there is.

    Raises:
        OptionError: when there is none of that name.
    """
    if name == "auto":
        return NativeEngine
    if name not in ENGINES:
        raise OptionError(f"there is no engine {name!r}{did_you_mean(name, [*ENGINES, 'auto'])}")
    return ENGINES[name]
