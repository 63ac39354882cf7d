"""Gradient descent: epoch after epoch, mini-batch after mini-batch, until there is a reason to stop."""

from __future__ import annotations

import numpy as np

from unstuck import random
from unstuck.training.session import Session


def descend(session: Session) -> None:
    """Train until the session's state says why it stopped.

    Epoch e visits the rows in the order `random.batch_order(seed, e, n)`, in batches of the recipe's size, the last one
    smaller where n is no multiple of it. A full batch is never shuffled. Update t (from 0) has the learning rate
    learning_rate * schedule.factor(t).
    """
    recipe, state = session.recipe, session.state
    n, per_epoch = len(session.data.rows), session.epoch_steps

    def poll(done: int) -> bool:
        session.bar.update(begun + done)
        return bool(session.halted())

    while not state.stopped:
        begun = state.descent.t
        epoch, first = divmod(begun, per_epoch)
        order = random.batch_order(recipe.seed, epoch, n) if recipe.shuffle and per_epoch > 1 else np.arange(n)
        updates = np.arange(begun, (epoch + 1) * per_epoch)
        factors = recipe.schedule.factor(updates, per_epoch, session.total) * state.plateau[0]
        rates = recipe.optimizer.learning_rate * factors
        progress = session.engine.steps(state.descent, order, first, rates, poll)
        if progress.failure:
            state.failure, state.stopped = progress.failure, "diverged"
        elif progress.steps < len(updates):
            state.stopped = session.halted()
        else:
            cost = state.descent.cost_sum / state.descent.rows_seen
            state.descent.cost_sum, state.descent.rows_seen = 0.0, 0
            if session.due(epoch + 1, cost):
                session.record(epoch + 1, cost, float(rates[-1]))
            session.save()
