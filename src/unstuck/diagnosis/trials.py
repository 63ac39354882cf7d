"""Trials: a change of the recipe, run over several seeds beside the untreated recipe.

The effect is the difference of the median gains. The interval around a median is from the smallest to the largest gain
of the seeds: of n independent ones it holds the true median with probability 1 - 2^(1 - n), 94 % for five. Whether the
treated gains lie above the untreated ones is asked of the Mann-Whitney U test (exact, one-sided).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from unstuck.diagnosis.changes import applicable
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.trainings import Trained, train_all
from unstuck.history import History
from unstuck.recipe import Recipe

SURE = 0.05
RELIABLE, NEARLY = 0.8, 0.75
"""A cure has to come this far, from the untreated median to the goal, from this share of its seeds."""


@dataclass(frozen=True, eq=False)
class Treatment:
    """One or several fixes together, each with the finding it belongs to, in the order in which they are applied.

    `also` are other findings whose fixes come to the same recipe.
    """

    parts: tuple[tuple[Finding, Fix], ...]
    recipe: Recipe
    also: tuple[Finding, ...] = ()

    @property
    def text(self) -> str:
        """What is done, in words."""
        return " + ".join(dict.fromkeys(fix.text for _, fix in self.parts))

    @property
    def faults(self) -> tuple[str, ...]:
        """The kinds of fault it is for."""
        return tuple(finding.fault for finding in (*(finding for finding, _ in self.parts), *self.also))

    @property
    def suspicion(self) -> float:
        """How much the evidence speaks for it: its weakest part."""
        return min((finding.suspicion for finding, _ in self.parts), default=0.0)


@dataclass(frozen=True, eq=False)
class Trial:
    """What a treatment did.

    Attributes:
        treatment: what was changed.
        before: gains of the untreated recipe, one a seed.
        after: gains of the treated one, from those trainings that ended in time or had learned by then.
        goal: the gain from which on a network has learned.
        seconds: the longest of its trainings took.
        history: of the first of them.
        fresh: whether the seeds are others than those by which the treatment was chosen.
    """

    treatment: Treatment
    before: tuple[float, ...]
    after: tuple[float, ...]
    goal: float
    seconds: float
    history: History
    fresh: bool = False

    @property
    def median(self) -> float:
        """Median gain of the treated recipe."""
        return float(np.median(self.after))

    @property
    def interval(self) -> tuple[float, float]:
        """The smallest and the largest gain of the treated recipe."""
        return min(self.after), max(self.after)

    @property
    def effect(self) -> float:
        """Difference of the median gains."""
        return self.median - float(np.median(self.before))

    @property
    def learned(self) -> float:
        """Share of the seeds from which the treated recipe learns."""
        return float(np.mean([gain >= self.goal for gain in self.after]))

    @property
    def reliable(self) -> bool:
        """Whether it learns in the median, and nearly every seed comes at least three quarters of the way there."""
        untreated = float(np.median(self.before))
        near = untreated + NEARLY * (self.goal - untreated)
        return self.succeeded and float(np.mean([gain >= near for gain in self.after])) >= RELIABLE

    @property
    def succeeded(self) -> bool:
        """Whether it learns in the median."""
        return self.median >= self.goal

    @property
    def p(self) -> float:
        """The probability of gains so much larger if the treatment did nothing."""
        from scipy.stats import mannwhitneyu

        if len(self.after) < 2 or len(self.before) < 2:
            return 1.0
        return float(mannwhitneyu(self.after, self.before, alternative="greater").pvalue)

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if self.reliable:
            return "learns"
        if self.succeeded:
            return f"learns from {self.learned:.0%}"
        if self.effect > 0.1 * max(self.goal, 1e-9):
            return "helps"
        return "makes it worse" if self.effect < -0.1 * max(self.goal, 1e-9) else "no change"


def treat(recipe: Recipe, problem: Problem, parts: Sequence[tuple[Finding, Fix]]) -> Treatment | None:
    """Apply fixes one after the other; None where the result cannot be trained, or is what was there before."""
    changed = recipe
    for _, fix in parts:
        assert fix.change is not None
        try:
            changed = fix.change(changed, problem)
        except ValueError:  # the fixes do not go together
            return None
    if changed == recipe or not applicable(changed, problem):
        return None
    return Treatment(tuple(parts), changed)


def run_trials(
    treatments: Sequence[Treatment],
    problem: Problem,
    untreated: Sequence[Trained],
    seeds: Sequence[int],
    goal: float,
    seconds: float,
) -> list[Trial]:
    """Train every treatment from every seed, all at once, within a number of seconds.

    Returns:
        A trial for each treatment of which at least one training ended.
    """
    recipes = [treatment.recipe.replace(seed=seed) for treatment in treatments for seed in seeds]
    trained = train_all(recipes, problem, seconds)
    before = tuple(one.gain for one in untreated)
    trials = []
    for treatment, part in zip(treatments, _chunks(trained, len(seeds)), strict=True):
        ended = [one for one in part if one.run.stopped != "time budget" or one.gain >= goal]
        if ended:
            after = tuple(one.gain for one in ended)
            seconds = max(one.run.seconds for one in ended)
            trials.append(Trial(treatment, before, after, goal, seconds, ended[0].run.history))
    return trials


def pooled(first: Trial, second: Trial) -> Trial:
    """Return one trial of the seeds of both."""
    return replace(
        first,
        after=first.after + second.after,
        seconds=max(first.seconds, second.seconds),
    )


def _chunks(trained: Sequence[Trained], size: int) -> list[Sequence[Trained]]:
    return [trained[k : k + size] for k in range(0, len(trained), size)]
