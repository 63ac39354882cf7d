"""How large the first updates are beside the parameters they change.

update ratio of layer k = Euclidean norm of an update of its W and b / that of W and b before it

Ratios of some 1e-3 to 1e-2 are usual. At 1e-6 a network stands still; at 1 each update throws away what the others have
learned.
"""

from __future__ import annotations

import numpy as np

from unstuck.engines.native import NativeEngine
from unstuck.engines.signals import norms_of_layers
from unstuck.functions.optimizers import LBFGS
from unstuck.network import Network
from unstuck.training.prepare import Prepared
from unstuck.training.state import State

UPDATES = 10


def update_ratios(prepared: Prepared) -> tuple[float, ...] | None:
    """Return each layer's median ratio over the first ten updates, at the recipe's own rate and batches.

    It is None for L-BFGS, whose steps are not chosen by a rate, and infinite for parameters that are all 0.
    """
    recipe, rows = prepared.network.recipe, prepared.rows
    if isinstance(recipe.optimizer, LBFGS):
        return None
    network = Network(recipe.replace(stop_at_loss=None), prepared.network.inputs)
    engine, descent = NativeEngine(network, rows, threads=1), State.at_start(network).descent
    per_epoch = -(-len(rows) // recipe.rows_per_batch(len(rows)))
    factors = recipe.schedule.factor(np.arange(UPDATES), per_epoch, recipe.epochs * per_epoch)
    ratios = []
    for rate in recipe.optimizer.learning_rate * factors:
        before, earlier = norms_of_layers(network, descent.w), descent.w.copy()
        if engine.steps(descent, np.array([rate]), lambda done: False).failure is not None:
            break
        ratios.append(norms_of_layers(network, descent.w - earlier) / np.where(before > 0, before, np.nan))
    if not ratios:
        return (float("inf"),) * len(network.dense)
    return tuple(float(ratio) if np.isfinite(ratio) else float("inf") for ratio in np.median(ratios, axis=0))
