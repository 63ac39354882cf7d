"""Engines: what computes. All give the same numbers; `reference` specifies them."""

from __future__ import annotations

from unstuck.engines.engine import Engine
from unstuck.engines.native import NativeEngine
from unstuck.engines.reference import ReferenceEngine
from unstuck.errors import OptionError, did_you_mean
from unstuck.functions.activations import Custom
from unstuck.recipe import Dense, Recipe

ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (ReferenceEngine, NativeEngine)}


def choose_engine(name: str, recipe: Recipe) -> type[Engine]:
    """Return the engine of that name; "auto" is the fastest that can train the recipe.

    Raises:
        OptionError: when there is none of that name, or it does not know the recipe's functions.
    """
    custom = any(isinstance(layer, Dense) and isinstance(layer.activation, Custom) for layer in recipe.layers)
    if name == "auto":
        return ReferenceEngine if custom else NativeEngine
    if name not in ENGINES:
        raise OptionError(f"there is no engine {name!r}{did_you_mean(name, [*ENGINES, 'auto'])}")
    if custom and ENGINES[name] is NativeEngine:
        raise OptionError('compiled code cannot call an activation of your own; write engine="auto" or "reference"')
    return ENGINES[name]
