"""Whether a training fits into the machine's memory."""

from __future__ import annotations

import os

import numpy as np

from unstuck.errors import RecipeError
from unstuck.network import Network

KEPT_ROWS = 4096
"""The compiled engine goes through larger mini-batches in slabs of so many rows."""


def check_memory(network: Network, rows: int) -> None:
    """Refuse a training on so many rows that needs more memory than the machine has, before it takes it.

    Counted is what every engine needs at least: w, the best and the previous w, g and the optimizer's memory; and for
    the rows whose activations are kept at a time, z, a and delta.

    Raises:
        RecipeError: when that is too much.
    """
    recipe, available = network.recipe, physical_memory()
    if available is None:
        return
    number = np.dtype(recipe.precision).itemsize
    slots = len(recipe.optimizer.start(np.zeros(1)))
    parameters = number * network.size * (4 + slots)
    if parameters > available:
        needs = f"{network.size:,} parameters and what {recipe.optimizer.kind} keeps of them need {_shown(parameters)}"
        raise RecipeError([("layers", f"{needs}, but this machine has {_shown(available)}: take fewer units")])
    batch, units = recipe.rows_per_batch(rows), sum(layer.outputs for layer in network.dense)
    needed = parameters + 3 * number * min(batch, KEPT_ROWS) * units
    if needed > available:
        what = f"a mini-batch of {batch:,} rows through {units:,} units needs {_shown(needed)}"
        fits = max(1, int((available - parameters) / (6 * number * units)))
        raise RecipeError(
            [("batch_size", f"{what}, but this machine has {_shown(available)}: write batch_size={fits}, for example")]
        )


def physical_memory() -> int | None:
    """Return the bytes of memory this machine has, or None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _shown(size: float) -> str:
    return f"{size / 1e9:.3g} GB"
