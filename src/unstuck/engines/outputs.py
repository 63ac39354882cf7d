"""The outputs of a network alone, by the engine that trains such networks fastest."""

from __future__ import annotations

from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.data.sparse import dense_parts
from unstuck.engines import choose_engine, native, reference
from unstuck.engines.reference import CHUNK
from unstuck.network import Network


def evaluate_outputs(network: Network, w: Array, X: Any) -> Array:
    """Return A (n, o) for rows X (n, i), an array or sparse, in evaluation mode, a bounded number of rows at a time."""
    compiled = choose_engine("auto", network.recipe) is native.NativeEngine
    outputs = native.evaluate_outputs if compiled else reference.evaluate_outputs
    parts = [outputs(network, w, part) for _, part in dense_parts(X, CHUNK)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
