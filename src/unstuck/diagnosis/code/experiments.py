"""Which trials can be made of a person's code, and their sides: the functions as they are, and put right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from unstuck.arrays import Array
from unstuck.diagnosis.code.descent import Gradient, starts
from unstuck.diagnosis.code.draws import draws
from unstuck.diagnosis.code.equivalent import cost, with_all_rows
from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.code.faults import OF_THE_LOSS
from unstuck.diagnosis.code.score import Score
from unstuck.diagnosis.code.step import usual_rate
from unstuck.diagnosis.code.trials import FRESH, STARTS, CodeTrial, run_trial
from unstuck.diagnosis.finding import Finding
from unstuck.errors import SubjectError
from unstuck.gradients.forensics.recognised import Recognised
from unstuck.subjects.handwritten import HandWritten

MOST_NUMERIC = 150
STEP = 1e-5
TRIED = ("wrong_gradient", "not_updated", *OF_THE_LOSS)
MENDED = {
    "wrong_gradient": "the right gradient",
    "not_updated": "w -= rate * g for every array",
    "disconnected": "the loss of the network's own output",
    "broadcasting": "targets in the shape of the outputs",
    "double_softmax": "softmax taken once",
    "rows_mixed": "softmax over the classes",
    "clamped": "outputs as they are, neither rounded nor clipped",
}


class Experiments:
    """Makes the trials.

    Args:
        evidence: of the person's functions.
        network: the right one, None where it was not recognised.
        loss_is_wrong: whether its loss is another than the person's.
        usual: rate and number of the updates that the person makes, see `run_trial`.
    """

    def __init__(
        self,
        evidence: CodeEvidence,
        network: Recognised | None,
        loss_is_wrong: bool,
        usual: tuple[float, int] | None = None,
    ):
        self.evidence, self.loss_is_wrong, self.usual = evidence, loss_is_wrong, usual
        self.subject = evidence.subject
        self.network = with_all_rows(network, self.subject) if network is not None else None
        self.draws = draws(self.subject, self.network) if self.network is not None else []
        self.at = starts(self.subject.w, self.subject.blocks, STARTS + FRESH)

    def run(self, findings: Sequence[Finding], seconds: float) -> list[CodeTrial]:
        """Try every finding that can be tried, in equal parts of the time."""
        tried = [finding for finding in findings if finding.fault in TRIED and finding.certainty == "suspected"]
        made = [self._trial(finding, seconds / len(tried)) for finding in tried]
        return [trial for trial in made if trial is not None]

    def _trial(self, finding: Finding, seconds: float) -> CodeTrial | None:
        right = self._right()
        if right is None or not np.isfinite([self._cost(w) for w in self.at]).all():
            return None
        if finding.fault == "not_updated":
            return run_trial(
                finding.fault,
                MENDED[finding.fault],
                self._own_training,
                right,
                self._cost,
                self.at,
                seconds,
                own_step=True,
                rate=usual_rate(self.subject, self.evidence.updates),
                judge=self._judge(),
            )
        theirs = self._theirs()
        if theirs is None:
            return None
        text = MENDED[finding.fault]
        usual = None if self.loss_is_wrong else self.usual
        judge = self._judge()
        return run_trial(finding.fault, text, theirs, right, self._cost, self.at, seconds, judge=judge, usual=usual)

    def _own_training(self, w: Array, updates: int) -> Array:
        for _ in range(updates):
            w = self.subject.after_step(w)
            if not np.isfinite(w).all():
                break
        return w

    def _theirs(self) -> Gradient | None:
        if not self.subject.has_gradient:
            return numeric(self.subject)
        subjects = [theirs for theirs, _ in self.draws] or [self.subject]
        return lambda w, t: subjects[t % len(subjects)].gradient(w)

    def _right(self) -> Gradient | None:
        if self.network is None:
            if self.loss_is_wrong:
                return None
            return numeric(self.subject) or self._theirs_if_right()
        networks = [network for _, network in self.draws]
        return lambda w, t: networks[t % len(networks)].gradient(w)

    def _theirs_if_right(self) -> Gradient | None:
        explanation = self.evidence.explanation
        return self._theirs() if explanation is not None and explanation.right else None

    def _cost(self, w: Array) -> float:
        """Return the right loss: the person's, or that of the network where theirs is another or no number.

        0 log 0 is NaN in the formula of many, though a prediction that is certain and right costs nothing.
        """
        if self.network is not None and self.loss_is_wrong:
            return cost(self.network, w)
        try:
            theirs = self.subject.cost(w)
        except SubjectError:
            return np.inf
        return theirs if np.isfinite(theirs) or self.network is None else cost(self.network, w)

    def _judge(self) -> tuple[str, Callable[[Array], float]] | None:
        """Return how predictions are judged, with dropout off."""
        if self.network is None:
            Y = self.evidence.rows_of_Y
            if Y is None:
                return None
            score = Score(Y)
            return score.metric, lambda w: score.of(self.evidence.outputs(w))
        plain = replace(self.network, arrangement=replace(self.network.arrangement, dropped=()))
        score = Score(plain.arrangement.Y)
        return score.metric, lambda w: score.of(plain.forward(w)[-1][2])


def numeric(subject: HandWritten) -> Gradient | None:
    """Return the gradient by central differences, (L(w + h) - L(w - h)) / 2h; None where there are too many."""
    if subject.w.size > MOST_NUMERIC:
        return None

    def gradient(w: Array, t: int) -> Array:
        g = np.empty_like(w)
        for k in range(len(w)):
            h = STEP * (1 + abs(w[k]))
            up, down = w.copy(), w.copy()
            up[k] += h
            down[k] -= h
            g[k] = (subject.cost(up) - subject.cost(down)) / (2 * h)
        return g

    return gradient
