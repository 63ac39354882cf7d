"""L-BFGS: SciPy's line search and curvature, our cost and gradient. One of its iterations counts as an epoch."""

from __future__ import annotations

import math

import numpy as np

from unstuck.arrays import Array
from unstuck.engines.engine import Failure
from unstuck.functions.optimizers import LBFGS
from unstuck.training.session import Session

_ENDINGS = {0: "converged", 1: "call budget"}
"""What SciPy's statuses mean. Its limit of iterations is never met: the record of the last epoch ends the training."""


class _Halt(Exception):  # noqa: N818  # no error: the way out of SciPy's loop
    pass


def minimize(session: Session) -> None:
    """Train until the session's state says why it stopped.

    "converged" means that the gradient is as good as zero; "line search", that no step along the descent lowers the
    cost any more: rounding hides it, or a kink is in the way; "call budget", that the optimizer's `calls` are used up.
    """
    from scipy.optimize import OptimizeResult
    from scipy.optimize import minimize as scipy_minimize

    recipe, descent = session.recipe, session.state.descent
    method = recipe.optimizer
    assert isinstance(method, LBFGS)

    def cost_and_gradient(w: Array) -> tuple[float, Array]:
        session.state.stopped = session.halted()
        if session.state.stopped:
            raise _Halt
        cost, g = session.engine.cost_and_gradient(w.astype(descent.w.dtype))
        if not (math.isfinite(cost) and np.isfinite(g).all()):
            session.state.failure = Failure(descent.t, "the network", "cost or gradient")
            session.state.stopped = "diverged"
            raise _Halt
        return cost, g.astype(np.float64)

    def iteration_done(intermediate_result: OptimizeResult) -> None:
        descent.previous[:] = descent.w
        descent.w[:] = intermediate_result.x
        descent.t += 1
        session.bar.update(descent.t)
        if session.due(descent.t, intermediate_result.fun):
            session.record(descent.t, float(intermediate_result.fun), rate=1.0)
        if session.state.stopped:
            raise _Halt

    options = {
        "maxiter": recipe.epochs,
        "maxfun": method.calls or 100 * recipe.epochs,
        "maxcor": method.history,
        "gtol": method.gradient_tolerance,
        "ftol": method.cost_tolerance,
    }
    try:
        result = scipy_minimize(
            cost_and_gradient,
            descent.w.astype(np.float64),
            jac=True,
            method="L-BFGS-B",
            callback=iteration_done,
            options=options,
        )
    except _Halt:
        return
    if session.state.history.last().get("epoch") != descent.t:
        session.record(descent.t, float(result.fun), rate=1.0)
    session.state.stopped = _ENDINGS.get(result.status, "line search")
