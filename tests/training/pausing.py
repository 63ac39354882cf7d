"""Trainings that are stopped on purpose, and what has to be equal after they went on."""

from __future__ import annotations

from unstuck.engines import native


def outcome(run):
    """All that has to be equal, to the bit."""
    columns = {name: values.tobytes() for name, values in run.history.arrays().items() if name != "seconds"}
    arrays = (run.final_parameters.tobytes(), run.best_parameters.tobytes())
    return arrays, columns, run.best_epoch, run.stopped, run.failure


def stop_after(monkeypatch, updates):
    """Have the next training end as a time budget ends it, after so many updates, each of them followed by a poll."""
    from unstuck.training.session import Session

    left = iter(range(updates))

    def halted(self):
        return "time budget" if next(left, None) is None else ""

    monkeypatch.setattr(Session, "halted", halted)
    monkeypatch.setattr(native, "POLL_SECONDS", 0.0)  # so that it asks after every update
