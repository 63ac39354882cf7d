"""Gradient descent: record after record, until there is a reason to stop."""

from __future__ import annotations

import numpy as np

from unstuck.training.session import Session

UPDATES_AHEAD = 1 << 14
"""The engine is asked for no more at a time, or for one epoch, so that the list of their learning rates stays small."""


def descend(session: Session) -> None:
    """Train until the session's state says why it stopped.

    Update t (from 0) has the learning rate learning_rate * schedule.factor(t); which rows it sees, the engine knows.
    """
    recipe, state, per_epoch = session.recipe, session.state, session.epoch_steps
    descent = state.descent

    def poll(done: int) -> bool:
        session.bar.update(begun + done)
        return session.halted() != "" or (done > 0 and session.save_due())

    while not state.stopped:
        begun = descent.t
        epoch = begun // per_epoch
        epochs = min(session.next_record(epoch) - epoch, max(1, UPDATES_AHEAD // per_epoch))
        updates = np.arange(begun, (epoch + epochs) * per_epoch)
        factors = recipe.schedule.factor(updates, per_epoch, session.total) * state.plateau[0]
        rates = recipe.optimizer.learning_rate * factors
        progress = session.engine.steps(descent, rates, poll)
        epoch, inside = divmod(descent.t, per_epoch)
        if progress.failure:
            state.failure, state.stopped = progress.failure, "diverged"
        elif progress.steps and not inside and session.due(epoch, cost := descent.cost_sum / descent.rows_seen):
            session.record(epoch, cost, float(rates[progress.steps - 1]))
        state.stopped = state.stopped or session.halted()
        session.save()
