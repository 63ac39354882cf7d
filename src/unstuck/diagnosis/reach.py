"""What can be gained on a problem, and the gain from which on a network has learned it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unstuck.diagnosis.learnable import Learnable
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.trainings import Trained

LEARNED = 0.85
"""A network has learned when its gain is this share of what can be gained ..."""
BELOW_A_LINE = 0.05
"""... does not fall so far below the gain of a linear model ..."""
STRAIGHT = 4.0
"""... and it is more than a straight line, where that leaves so many times as much unexplained as the best there is."""


@dataclass(frozen=True, eq=False)
class Reach:
    """What others gain.

    Attributes:
        learnable: strong learners that are no networks.
        linear: the best linear model.
        ordinary: a training of an ordinary network, see `changes.reference`.
        problem: what it is about.
    """

    learnable: Learnable
    linear: Learnable
    ordinary: Trained
    problem: Problem

    @property
    def attainable(self) -> float:
        """The largest gain that is known to be possible."""
        return max(self.learnable.gain, self.ordinary.gain, self.linear.gain, 1e-9)

    @property
    def bent(self) -> bool:
        """Whether a straight line, however good, falls clearly short of what can be gained."""
        short = 1 - self.linear.gain > STRAIGHT * (1 - self.attainable) and self.problem.held_out
        return short and self.attainable - self.linear.gain > 4 * self.learnable.error

    @property
    def error(self) -> float:
        """The standard error of what can be gained, and of a gain on the judged rows."""
        return math.hypot(self.learnable.error, self.problem.error(self.attainable))

    @property
    def goal(self) -> float:
        """The gain from which on a network has learned, but for the error with which it is known."""
        goal = max(LEARNED * self.attainable, self.linear.gain - BELOW_A_LINE) - self.error
        return max(goal, (self.linear.gain + self.attainable) / 2) if self.bent else goal
