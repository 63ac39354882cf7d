"""Trials of code: the person's functions trained as they are, and with what is wrong put right.

Both sides begin at the same starts, make as many updates, and are judged by the same right loss. Whether the mended
losses lie below the others is asked of the Mann-Whitney U test (exact, one-sided).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.diagnosis.code.descent import Cost, Gradient, best_descent, cost_of, descend, seconds_of, trainings
from unstuck.diagnosis.trials import SURE

STARTS, FRESH = 5, 15
FEWEST, ENOUGH, MOST = 30, 200, 2000
PATIENCE = 3
"""So many times its part of the time a trial may take for the fewest updates, or for enough of them."""
MATTERS = 0.01
"""A fault has to cost this share of what the loss falls without it, or it is as good as none."""
DECIDES = 0.05
"""From this share on it keeps the network from learning."""
HALF = 0.5
"""At the person's own rate, where another might do as well with the fault, it has to cost this share."""


@dataclass(frozen=True)
class CodeTrial:
    """What mending a fault did.

    Attributes:
        fault: its kind.
        text: what was put right.
        first: the right loss at the start, the median over the starts.
        before: the right loss at the end with the code as it is, one a start.
        after: the same with the fault mended.
        rates: the learning rates of both, None where the person's own step was used.
        updates: that each training made.
        metric: "accuracy" or "r2", or "" where predictions cannot be judged.
        scores: its medians before and after.
    """

    fault: str
    text: str
    first: float
    before: tuple[float, ...]
    after: tuple[float, ...]
    rates: tuple[float | None, float | None]
    updates: int
    metric: str = ""
    scores: tuple[float, float] = (0.0, 0.0)

    @property
    def cost(self) -> float:
        """The share of what the loss falls with the fault mended that the fault takes away, from 0 to 1 or more."""
        fall = self.first - float(np.median(self.after))
        lost = float(np.median(self.before)) - float(np.median(self.after))
        if not fall > 0:
            return 0.0
        return float(lost / fall) if np.isfinite(lost) else np.inf

    @property
    def p(self) -> float:
        """The probability of losses so much lower if the mending did nothing."""
        from scipy.stats import mannwhitneyu

        return float(mannwhitneyu(self.after, self.before, alternative="less").pvalue)

    @property
    def matters(self) -> bool:
        """Whether the fault costs something that can be measured."""
        return self.cost >= MATTERS and self.p < SURE

    @property
    def decides(self) -> bool:
        """Whether what it costs is what keeps the network from learning."""
        return self.matters and self.cost >= DECIDES

    @property
    def acquits(self) -> bool:
        """Whether it shows that the fault costs next to nothing: both sides learn, and one as well as the other.

        Losses that are no numbers, or that fall on neither side, are alike, too, and show nothing.
        """
        return not self.matters and all(map(self._falls, (self.before, self.after))) and self.updates >= ENOUGH

    @property
    def tells(self) -> bool:
        """Whether it shows that the fault matters, or that it does not."""
        return self.matters or self.acquits

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.matters:
            return "learns better"
        if self.acquits:
            return "trains as well with the mistake"
        if self.updates < ENOUGH:
            return "too few updates to tell"
        return "no certain difference" if self._falls(self.after) else "does not learn with it mended either"

    def _falls(self, ends: Sequence[float]) -> bool:
        return float(np.median(ends)) < self.first

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "fault": self.fault,
            "change": self.text,
            "before": list(self.before),
            "after": list(self.after),
            "p": self.p,
            "cost": self.cost,
            "verdict": self.verdict,
            "rates": list(self.rates),
            "updates": self.updates,
            "metric": self.metric,
            "scores": list(self.scores),
        }


Descent = Callable[[Array, int], Array]
"""From a start and a number of updates to the parameters at the end."""


def run_trial(
    fault: str,
    text: str,
    before: Gradient | Descent,
    after: Gradient,
    cost: Cost,
    at: Sequence[Array],
    seconds: float,
    *,
    own_step: bool = False,
    rate: float | None = None,
    judge: tuple[str, Callable[[Array], float]] | None = None,
    usual: tuple[float, int] | None = None,
) -> CodeTrial | None:
    """Train with two gradients, or with the person's step and a gradient; None where that would take far too long.

    The first `STARTS` starts choose the rates. Where a difference shows at them that might be chance, the others, which
    had no part in that, decide.

    Args:
        fault: the kind it is about.
        text: what was put right.
        before: the person's gradient, or with `own_step` their training.
        after: the right gradient.
        cost: the right loss, by which both are judged.
        at: the starts.
        seconds: about how long it may take.
        own_step: whether `before` is a training.
        rate: of the right side; None for the best.
        judge: a metric's name, and its value for parameters.
        usual: rate and number of the person's updates, where they make plain descent. A fault that another rate makes
            up for is tried at theirs, too, if the mended side does well there.
    """
    first, fresh = at[:STARTS], at[STARTS:]
    one = seconds_of(after, at[0]) + (seconds_of(before, at[0]) if not own_step else 0.0)
    affordable = seconds / ((trainings(STARTS) + FRESH / 2) * max(one, 1e-6))
    if affordable * PATIENCE < FEWEST:
        return None
    updates = suitable_updates(affordable, FEWEST)
    rate_before, ends_before = (
        (None, [before(w, updates) for w in first]) if own_step else best_descent(before, cost, first, updates)
    )
    rate_after, ends_after = (
        best_descent(after, cost, first, updates)
        if rate is None
        else (rate, [descend(after, w, rate, updates) for w in first])
    )

    def trial(starts: Sequence[Array], ends_before: Sequence[Array], ends_after: Sequence[Array]) -> CodeTrial:
        metric, value = judge or ("", lambda w: 0.0)
        return CodeTrial(
            fault,
            text,
            float(np.median([cost(w) for w in starts])),
            tuple(cost_of(cost, w) for w in ends_before),
            tuple(cost_of(cost, w) for w in ends_after),
            (rate_before, rate_after),
            updates,
            metric,
            (_median(value, ends_before), _median(value, ends_after)),
        )

    made = trial(first, ends_before, ends_after)
    if not made.matters and made.cost >= MATTERS and fresh:
        made = trial(
            fresh,
            [before(w, updates) if rate_before is None else descend(before, w, rate_before, updates) for w in fresh],
            [descend(after, w, rate_after, updates) for w in fresh],
        )
    if made.decides or own_step or usual is None:
        return made
    best, (rate_before, count) = made, usual
    rate_after, updates = rate_before, int(min(count, MOST, PATIENCE * seconds / (STARTS * max(one, 1e-6))))
    ends_before, ends_after = ([descend(side, w, rate_before, updates) for w in first] for side in (before, after))
    made = trial(first, ends_before, ends_after)
    does_well = np.median(made.after) <= made.first - HALF * (best.first - np.median(best.after))
    return made if does_well and made.matters and made.cost >= HALF else best


def suitable_updates(affordable: float, fewest: int) -> int:
    """Return as many updates as the time allows, but enough of them where patience suffices, and some at least."""
    return int(np.clip(affordable, max(fewest, min(ENOUGH, affordable * PATIENCE)), MOST))


def _median(value: Callable[[Array], float], ends: Sequence[Array]) -> float:
    return float(np.median([value(w) if np.isfinite(w).all() else -1.0 for w in ends]))
