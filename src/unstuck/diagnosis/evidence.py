"""Evidence: numbers measured on a recipe and its data; no opinion in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unstuck.diagnosis.facts import Facts
from unstuck.diagnosis.floors import Floor, flat_at
from unstuck.diagnosis.layers import NetworkEvidence
from unstuck.diagnosis.learnable import Learnable
from unstuck.diagnosis.loss_and_metric import LossAndMetric
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.rates import RateSweep
from unstuck.diagnosis.reach import Reach
from unstuck.diagnosis.trainings import Trained
from unstuck.functions.optimizers import LBFGS
from unstuck.network import Network
from unstuck.recipe import Dropout, Recipe
from unstuck.training.prepare import Prepared

ENOUGH_RECORDS = 15
"""Their last fifth is three: the fewest that have a fall and a scatter."""
LEAST_FALL = 0.001


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured.

    Attributes:
        recipe: the subject, as it was trained here: with fewer epochs or rows where time was short, see `cut`.
        problem: what it is to learn.
        network: its layout.
        prepared: the rows as the engine gets them.
        facts: about the data.
        floors: losses that limited predictors reach.
        reach: what others gain.
        untreated: its trainings, one a seed.
        start: the network before the first update.
        end: after the last one, of the first training.
        moved: how far each layer's parameters went from their start, relative to the larger of both norms.
        rates: the loss after a few updates by learning rate, None with L-BFGS.
        update_ratios: of each layer over the first ten updates, None with L-BFGS: see `updates.py`.
        agreement: the loss and the metric over the first training, on training rows and held-out ones.
        small: the gain of the recipe on some 16 rows that it is given all to itself, fitted to them.
        training_mode: the gain on the training rows counted with dropout on, None without dropout.
        cut: what was left out to save time, in words; "" if nothing was.
        whole: the subject, with nothing left out.
        rows: training rows, with none left out.
    """

    recipe: Recipe
    problem: Problem
    network: Network
    prepared: Prepared
    facts: Facts
    floors: tuple[Floor, ...]
    reach: Reach
    untreated: tuple[Trained, ...]
    start: NetworkEvidence
    end: NetworkEvidence
    moved: tuple[float, ...]
    rates: RateSweep | None
    update_ratios: tuple[float, ...] | None
    agreement: tuple[LossAndMetric, ...]
    small: float
    training_mode: float | None
    cut: str
    whole: Recipe
    rows: int

    @property
    def first(self) -> Trained:
        """The first of the untreated trainings."""
        return self.untreated[0]

    @property
    def gain(self) -> float:
        """The median gain of the untreated trainings."""
        return float(np.median([one.gain for one in self.untreated]))

    @property
    def fit(self) -> float:
        """The median of their gains on the training rows."""
        return float(np.median([one.fit for one in self.untreated]))

    @property
    def learnable(self) -> Learnable:
        """What strong learners gain."""
        return self.reach.learnable

    @property
    def attainable(self) -> float:
        """The largest gain that is known to be possible."""
        return self.reach.attainable

    @property
    def goal(self) -> float:
        """The gain from which on it has learned."""
        return self.reach.goal

    @property
    def share(self) -> float:
        """The median gain as a share of what can be gained."""
        return self.gain / self.attainable

    @property
    def successes(self) -> float:
        """The share of the seeds from which it learned."""
        return float(np.mean([one.gain >= self.goal for one in self.untreated]))

    @property
    def nothing(self) -> bool:
        """Whether neither strong learners, a line nor an ordinary network find anything in these data."""
        if not self.problem.held_out:
            return self.attainable < 1e-6
        found = max(self.reach.linear.gain, self.reach.ordinary.gain, self.gain)
        return self.learnable.nothing and found < max(0.03, 3 * self.reach.error)

    @property
    def diverged(self) -> bool:
        """Whether the first training ended with numbers that are not finite."""
        return self.first.run.stopped == "diverged"

    @property
    def loss(self) -> float:
        """The loss, without penalties, at the end of the first training; of the start where nothing was recorded."""
        history = self.first.run.history
        return float(history["training_loss"][-1]) if len(history) else (self.rates.start if self.rates else np.inf)

    @property
    def floor(self) -> Floor | None:
        """The floor the loss is flat at, if it is at one."""
        return flat_at(self.loss, self.floors)

    @property
    def falling(self) -> float:
        """The share of the final loss by which it fell over the last fifth of the records; 0 for fewer than five."""
        history = self.first.run.history
        if len(history) < 5:
            return 0.0
        losses = history["training_loss"]
        last = losses[-max(2, len(losses) // 5) :]
        before = float(np.median(last[: max(1, len(last) // 2)]))
        after = float(np.median(last[len(last) // 2 :]))
        return (before - after) / abs(before) if before else 0.0

    @property
    def fluctuation(self) -> float:
        """The standard deviation of the loss about a straight line over the last fifth, as a share of its median."""
        history = self.first.run.history
        if len(history) < 5:
            return 0.0
        losses = history["training_loss"]
        last = losses[-max(3, len(losses) // 5) :]
        if not np.isfinite(last).all():
            return 0.0
        places = np.arange(len(last)) - (len(last) - 1) / 2
        left = last - last.mean() - places * (places @ last) / (places @ places)
        middle = abs(float(np.median(last)))
        return float(np.sqrt((left @ left) / (len(last) - 2))) / middle if middle else 0.0

    @property
    def still_falling(self) -> bool:
        """Whether there are enough records to tell that the loss fell to the end, by more than they scatter."""
        enough = len(self.first.run.history) >= ENOUGH_RECORDS
        return enough and self.falling > max(LEAST_FALL, self.fluctuation)

    @property
    def updates(self) -> int:
        """Updates that the recipe makes, those left out here to save time among them."""
        run, rows = self.first.run, max(1, self.rows)
        if len(run.history) and not self.cut and run.stopped != "time budget":
            return int(run.history["step"][-1])
        by_itself = len(run.history) and run.stopped not in ("all epochs", "time budget")
        epochs = int(run.history["epoch"][-1]) if by_itself else self.whole.epochs
        return epochs * -(-rows // self.whole.rows_per_batch(rows))

    @property
    def full_updates(self) -> float:
        """Updates of the first training, each counted as the share of the learning rate the schedule left of it."""
        history = self.first.run.history
        if not len(history) or isinstance(self.recipe.optimizer, LBFGS):
            return float(self.updates)
        return self.updates * float(np.mean(history["learning_rate"])) / self.recipe.optimizer.learning_rate

    @property
    def dropout(self) -> float:
        """The largest dropout rate."""
        return max((layer.rate for layer in self.recipe.layers if isinstance(layer, Dropout)), default=0.0)
