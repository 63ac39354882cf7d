"""A learning rate to train with: a range test says where to look, short trainings decide.

The range test is one short training whose rate rises with every mini-batch. From the recipe's start, with its own
optimizer and batches, update k of K is done at the rate

    rate_k = low (high / low)^(k / (K - 1))

and the loss of each mini-batch is noted, and smoothed over log rate by a Gaussian. It stays where it is while the rate
is too low to get anywhere, falls, and rises once the rate is too high. The test is due to Smith, "Cyclical Learning
Rates for Training Neural Networks" (WACV 2017, arXiv 1506.01186, section 3.3).

Its lowest point moves about in the noise of the mini-batches, and what was learned at the first rates hides what the
later ones do. So several rates between the one at which the loss has begun to fall and the last one that gave a number
are tried from the start, each for itself. The one after which the loss is lowest is suggested, or the least of those
that come as low.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unstuck.diagnosis.rates import RateSweep, sweep
from unstuck.engines import choose_engine
from unstuck.engines.engine import Rows
from unstuck.errors import OptionError
from unstuck.functions.optimizers import LBFGS
from unstuck.network import Network
from unstuck.recipe import Recipe
from unstuck.training.prepare import prepare
from unstuck.training.state import State
from unstuck.training.train import check_recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = npt.NDArray[np.float64]

LOWEST, HIGHEST = 1e-6, 10.0
UPDATES, TRIAL_UPDATES = 300, 200
"""Of the range test, and of each of the rates tried after it."""
FEWEST = 10
WIDTH = 0.15
"""Standard deviation of the Gaussian that smooths the losses, in powers of ten of the rate."""
BEGUN = 0.2
"""The loss has begun to fall where it has done this share of its way."""
AS_LOW = 0.001
"""A loss this share of the fall above the lowest counts as just as low."""
EXPLODED = 100.0
"""The range test ends at a loss that is so many times the first."""


@dataclass(frozen=True, eq=False)
class RateRange:
    """What was found of a recipe's learning rates.

    Attributes:
        rates: of each update of the range test, ascending (K,).
        losses: of each mini-batch before its update, penalties included (K,).
        smoothed: the losses, smoothed (K,).
        trials: the losses after trainings at several rates, each from the start.
    """

    rates: Numbers
    losses: Numbers
    smoothed: Numbers
    trials: RateSweep

    @property
    def suggestion(self) -> float:
        """The learning rate to train with."""
        losses = np.array(self.trials.losses)
        as_low = losses <= losses.min() + AS_LOW * max(self.trials.start - losses.min(), 0.0)
        return self.trials.rates[int(as_low.argmax())]

    def plot(self) -> Figure:
        """Return a figure of the losses over the rates; `figure.savefig(path)` keeps it."""
        from unstuck.drawing import rates_figure

        tried = np.array(self.trials.rates), np.array(self.trials.losses)
        return rates_figure(self.rates, self.losses, self.smoothed, tried, self.suggestion)

    def __repr__(self) -> str:
        tried = ", ".join(
            f"{rate:.2g}: {loss:.3g}" for rate, loss in zip(self.trials.rates, self.trials.losses, strict=True)
        )
        return f"RateRange(suggestion={self.suggestion:.2g}, loss after {self.trials.updates} updates by rate: {tried})"


def find_learning_rate(recipe: Recipe, X: Any, y: Any, *, sample_weight: Any = None) -> RateRange:
    """Find a learning rate for a recipe on rows X with targets y.

    It costs 300 updates one after another and then 200 at each of up to 15 rates, on as many cores as there are. The
    recipe's own rate and its schedule have no say in it. No rows are held out.

    Args:
        recipe: what is to be trained.
        X: features, as `train` takes them.
        y: targets, likewise.
        sample_weight: a weight for each row.

    Raises:
        OptionError: when there is no recipe; with L-BFGS, which has no learning rate; or when the loss is no number
            from the start.
        DataError: when the data cannot be used.

    >>> from unstuck import Dense, Recipe
    >>> from unstuck.data import spiral
    >>> X, y = spiral(rows=600)
    >>> recipe = Recipe([Dense(32, "tanh"), Dense(3, "softmax")], loss="categorical_crossentropy", optimizer="adam")
    >>> found = find_learning_rate(recipe, X, y)
    >>> 0.001 < found.suggestion < 0.3
    True
    >>> better = recipe.with_settings({"optimizer.learning_rate": found.suggestion})
    """
    check_recipe(recipe, X, y, call="find_learning_rate(recipe, X, y)")
    if isinstance(recipe.optimizer, LBFGS):
        raise OptionError("L-BFGS searches the length of each step itself: it has no learning rate to find")
    data = prepare(recipe.replace(validation_fraction=0.0), X, y, None, sample_weight)
    rates, losses = _range_test(data.network, data.rows)
    smoothed = _smoothed(np.log10(rates), losses)
    begun = rates[smoothed <= smoothed[0] - BEGUN * (smoothed[0] - smoothed.min())][0]
    powers = np.arange(math.floor(2 * math.log10(begun)), math.ceil(2 * math.log10(rates[-1])) + 1) / 2
    trials = sweep(data, tuple(float(10.0**power) for power in powers), TRIAL_UPDATES)
    assert trials is not None  # it has a learning rate
    return RateRange(rates, losses, smoothed, trials)


def _range_test(network: Network, rows: Rows) -> tuple[Numbers, Numbers]:
    """Return the rates and the losses of the updates, up to the last that is a number."""
    network = Network(network.recipe.replace(stop_at_loss=None), network.inputs)
    engine = choose_engine("auto", network.recipe)(network, rows)
    descent = State.at_start(network).descent
    rates = np.geomspace(LOWEST, HIGHEST, UPDATES)
    losses: list[float] = []
    for rate in rates:
        cost, seen = descent.cost_sum, descent.rows_seen
        if engine.steps(descent, np.array([rate]), lambda done: False).failure is not None:
            break
        if descent.rows_seen <= seen:  # the first of an epoch
            cost, seen = 0.0, 0
        losses.append((descent.cost_sum - cost) / (descent.rows_seen - seen))
        if losses[-1] > EXPLODED * abs(losses[0]):
            break
    if len(losses) < FEWEST:
        raise OptionError(
            f"the loss is no number any more after {len(losses)} updates, at a learning rate of {rate:.2g}: scale the "
            'data, as by Inputs(scaling="standard"), or let the weights start smaller'
        )
    return rates[: len(losses)], np.array(losses)


def _smoothed(places: Numbers, losses: Numbers) -> Numbers:
    """Return for each place the mean of the losses around it, weighted by a Gaussian of the distance."""
    kernel = np.exp(-0.5 * ((places[:, None] - places) / WIDTH) ** 2)
    return kernel @ losses / kernel.sum(axis=1)
