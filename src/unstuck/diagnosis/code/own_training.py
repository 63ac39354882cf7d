"""How well a person's network learns by their own functions, for want of a recipe that computes the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unstuck.arrays import Array
from unstuck.diagnosis.code.descent import best_descent, cost_of, seconds_of, trainings
from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.code.score import Score
from unstuck.diagnosis.code.trials import ENOUGH, suitable_updates
from unstuck.diagnosis.learnable import learnable
from unstuck.diagnosis.problem import Problem
from unstuck.functions.activations import Identity, Softmax
from unstuck.functions.losses import CategoricalCrossEntropy, SquaredError
from unstuck.recipe import Dense, Recipe

FEWEST = 100
SHARE = 0.6
"""Of what strong learners gain on new rows, a network that learns gains this on its own."""


@dataclass(frozen=True)
class OwnTraining:
    """A training by the person's own gradient, at its best rate, judged on its rows.

    Attributes:
        metric: "accuracy" or "r2".
        score: its value at the end.
        constant: its value for the best constant.
        attainable: what strong learners reach, cross-validated.
        updates: how many.
        finite: whether the loss is a number at the end.
    """

    metric: str
    score: float
    constant: float
    attainable: float
    updates: int
    finite: bool = True

    @property
    def learns(self) -> bool:
        """Whether it gains most of what can be gained, and its loss stays a number."""
        return self.finite and self.score - self.constant >= SHARE * (self.attainable - self.constant)

    @property
    def fails(self) -> bool:
        """Whether it does not, though it had enough updates to show it."""
        return not self.learns and self.updates >= ENOUGH


def own_training(evidence: CodeEvidence, seconds: float) -> OwnTraining | None:
    """Train and judge; None where there is no gradient, or predictions cannot be judged."""
    subject, X, Y = evidence.subject, evidence.rows_of_X, evidence.rows_of_Y
    if not subject.has_gradient or not evidence.predicts or X is None or Y is None or not np.isfinite(evidence.loss):
        return None
    score = Score(Y)

    def gradient(w: Array, t: int) -> Array:
        return subject.gradient(w)

    one = seconds_of(gradient, subject.w)
    updates = suitable_updates(seconds / (trainings(1) * max(one, 1e-6)), FEWEST)
    _, (w,) = best_descent(gradient, subject.cost, [subject.w], updates)
    reached = score.of(evidence.outputs(w)) if np.isfinite(w).all() else -1.0
    labels = score.labels
    last = Dense(Y.shape[1], Identity()) if labels is None else Dense(max(2, Y.shape[1]), Softmax())
    described = Recipe([last], loss=SquaredError() if labels is None else CategoricalCrossEntropy())
    problem = Problem.of(described, X, (Y if Y.shape[1] > 1 else Y[:, 0]) if labels is None else labels)
    spread = problem.X.std(axis=0)
    found = learnable(problem, (problem.X - problem.X.mean(axis=0)) / np.where(spread > 0, spread, 1))
    attainable = score.constant + max(found.gain, 0.0) * (1 - score.constant)
    finite = bool(np.isfinite(cost_of(subject.cost, w)))
    return OwnTraining(score.metric, reached, score.constant, attainable, updates, finite)
