"""Gradient descent: record after record, until there is a reason to stop."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unstuck.training.session import Session

UPDATES_AHEAD = 1 << 14
"""The engine is asked for no more at a time, or for one epoch, so that the list of their learning rates stays small."""


def descend(session: Session) -> None:
    """Train until the session's state says why it stopped.

    Update t (from 0) has the learning rate learning_rate * schedule.factor(t); which rows it sees, the engine knows.
    """
    state, per_epoch = session.state, session.epoch_steps
    descent, rates_of = state.descent, Rates(session)

    def poll(done: int) -> bool:
        session.bar.update(begun + done)
        return session.halted() != "" or (done > 0 and session.save_due())

    while not state.stopped:
        begun = descent.t
        epoch = begun // per_epoch
        epochs = min(session.next_record(epoch) - epoch, max(1, UPDATES_AHEAD // per_epoch))
        rates = rates_of.updates(begun, (epoch + epochs) * per_epoch)
        progress = session.engine.steps(descent, rates, poll)
        epoch, inside = divmod(descent.t, per_epoch)
        if progress.failure:
            state.failure, state.stopped = progress.failure, "diverged"
        elif progress.steps and not inside and session.due(epoch, cost := descent.cost_sum / descent.rows_seen):
            session.record(epoch, cost, float(rates[progress.steps - 1]))
        state.stopped = state.stopped or session.halted()
        session.save()


class Rates:
    """The learning rate of each update. The schedule is asked for many at a time: an epoch may have a single one."""

    def __init__(self, session: Session):
        self._session = session
        self._begin, self._scheduled = 0, np.empty(0)

    def updates(self, begin: int, end: int) -> npt.NDArray[np.float64]:
        """Return the rate of each update from number `begin` on, before number `end`."""
        session, recipe = self._session, self._session.recipe
        if not self._begin <= begin <= end <= self._begin + len(self._scheduled):
            ahead = np.arange(begin, max(end, min(begin + UPDATES_AHEAD, session.total)))
            self._begin, self._scheduled = begin, recipe.schedule.factor(ahead, session.epoch_steps, session.total)
        scheduled = self._scheduled[begin - self._begin : end - self._begin]
        return recipe.optimizer.learning_rate * (scheduled * session.state.plateau[0])
