"""When to stop: scikit-learn's rule, as a callback of `train`.

An epoch is no improvement when

    the loss lies above the best loss so far - tol                  or, where rows are held out to stop by,
    the score lies below the best score so far + tol

The best is the best of all epochs, so a creep slower than tol an epoch counts as standing still. After more than
`patience` epochs in a row without improvement training stops. With an adaptive rate a fifth of the learning rate is
tried first, as long as it is above 1e-6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from unstuck.arrays import Array

LEAST_RATE, RATE_FACTOR = 1e-6, 0.2


@dataclass
class Plateau:
    """What was seen of a training, and whether it should go on.

    Attributes:
        tol: the least improvement that counts.
        patience: epochs in a row that may go by without it.
        by_score: judge by the score, not by the loss.
        adaptive: lower the learning rate first.
        score: measures the parameters (P,) on held-out rows, or None.
        verbose: print a line an epoch.
        shift: a constant added to the losses.
        waited: epochs in a row without improvement.
        best_loss: the lowest so far.
        best_score: the highest so far.
        best_w: the parameters of the best score, or of the best loss where there is no score.
        losses: of each epoch.
        scores: likewise.
        rate: the learning rate from here on.
        reached: the rule has ended the training.
    """

    tol: float
    patience: float
    by_score: bool
    adaptive: bool
    score: Callable[[Array], float] | None
    verbose: bool
    shift: float = 0.0
    waited: int = 0
    best_loss: float = math.inf
    best_score: float = -math.inf
    best_w: Array | None = None
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    rate: float = 0.0
    reached: bool = False

    def __call__(self, row: Mapping[str, float], w: Array) -> bool | float:
        """Look at an epoch: True ends the training, a float multiplies its learning rate."""
        loss, score = row["loss"] + self.shift, None if self.score is None else self.score(w)
        self.rate = row["learning_rate"]
        self._count(loss, score)
        self._keep(loss, score, w)
        if self.verbose:
            shown = "" if score is None else f", validation score = {score:.6f}"
            print(f"Iteration {int(row['epoch'])}, loss = {loss:.8f}{shown}")
        if self.waited <= self.patience:
            return False
        if self.adaptive and self.rate > LEAST_RATE:
            self.waited, self.rate = 0, self.rate * RATE_FACTOR
            self._say(f"Setting learning rate to {self.rate:f}")
            return RATE_FACTOR
        self.reached = True
        self._say("Stopping.")
        return True

    def _say(self, consequence: str) -> None:
        if self.verbose:
            what, epochs = "Validation score" if self.by_score else "Training loss", int(self.patience)
            print(f"{what} did not improve more than tol={self.tol:f} for {epochs} consecutive epochs. {consequence}")

    def diverged(self) -> None:
        """Take note of an epoch that ended in numbers that are not finite."""
        if self.score is not None:
            self.scores.append(math.nan)

    def go_on_from(self, before: Plateau) -> None:
        """Take over what was seen in earlier calls."""
        self.waited, self.rate = before.waited, before.rate
        self.best_loss, self.best_score, self.best_w = before.best_loss, before.best_score, before.best_w
        self.losses, self.scores = list(before.losses), list(before.scores)

    def _count(self, loss: float, score: float | None) -> None:
        if self.by_score and score is not None:
            stands_still = score < self.best_score + self.tol
        else:
            stands_still = loss > self.best_loss - self.tol
        self.waited = self.waited + 1 if stands_still else 0

    def _keep(self, loss: float, score: float | None, w: Array) -> None:
        best = loss < self.best_loss if score is None else score > self.best_score
        if best or self.best_w is None:
            self.best_w = w
        self.losses.append(loss)
        self.best_loss = min(self.best_loss, loss)
        if score is not None:
            self.scores.append(score)
            self.best_score = max(self.best_score, score)
