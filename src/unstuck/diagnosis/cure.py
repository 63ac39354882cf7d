"""The search for a cure: single fixes first, then several together, pruned to the smallest set that learns.

    1. every fix alone, from one seed; those that learn, from more
    2. where what the evidence speaks for most does not learn alone: it, with others
    3. where none of these does: the most promising two, three, ... together, and all of them
    4. of a set that learns, fixes are left out one after the other as long as it still learns; what the evidence
       speaks for strongly is added where it gains clearly more, unless it is merely tuning: longer training or another
       rate makes most networks a little better, and is no cause of theirs
    5. the cure and the untreated recipe once more, from fresh seeds

Where several make it learn, the one for which the evidence speaks most is the cure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from unstuck.diagnosis.changes import reference
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.faults import ORDER, TUNING
from unstuck.diagnosis.finding import LISTED, Finding, Fix
from unstuck.diagnosis.reach import LEARNED
from unstuck.diagnosis.trainings import Clock, Trained, seeds_after, train_all
from unstuck.diagnosis.trials import SURE, Treatment, Trial, pooled, run_trials, treat
from unstuck.engines.native import thread_count
from unstuck.recipe import Recipe

SEEDS = 4
"""A set of fixes is tried from so many."""
FRESH = 1_000
FEWEST_FRESH, MOST_FRESH = 5, 16
PROMISING = 6
STRONG = 0.5
PARTNERS = 5
CLEARLY = 0.05
"""A share of what can be gained."""
SINGLES_SHARE = 0.35
"""Of the time that is left, for the first trainings of the single fixes."""

Part = tuple[Finding, Fix]


@dataclass
class Search:
    """What was tried, and what came of it.

    Attributes:
        evidence: of the untreated recipe.
        findings: of its faults, the most suspicious first.
        clock: what is left of the budget.
        trials: in the order in which they were run.
        cure: the trial on fresh seeds of the treatment that makes it learn.
        refuted: recipes that did not learn from fresh seeds.
        interrupted: by Ctrl-C, so that not all was tried.
    """

    evidence: Evidence
    findings: Sequence[Finding]
    clock: Clock
    trials: list[Trial] = field(default_factory=list)
    cure: Trial | None = None
    refuted: set[Recipe] = field(default_factory=set)
    interrupted: bool = False
    _known: dict[Recipe, Trial] = field(default_factory=dict)

    def run(self) -> Search:
        """Look for a cure until one is found, time is up, or Ctrl-C is pressed."""
        try:
            self._look()
        except KeyboardInterrupt:
            self.interrupted = True
        return self

    def _look(self) -> None:
        singles = self._singles()
        alone = [one for one in singles if self._learns(one)]
        for trial in sorted([*alone, *self._strong(singles, alone)], key=self._preference):
            if self._confirmed(self._improved(self._pruned(trial), singles)):
                return
        for trial in self._sets(singles):
            if self._confirmed(self._pruned(trial)):
                return

    def _singles(self) -> list[Trial]:
        """Try each fix for itself, those that make the training longer last."""
        treatments: dict[Recipe, Treatment] = {}
        for finding in self.findings:
            for fix in finding.fixes:
                made = self._treated([(finding, fix)])
                if made is None:
                    continue
                same = treatments.get(made.recipe)
                if same is None:
                    treatments[made.recipe] = made
                elif finding.fault not in same.faults:
                    treatments[made.recipe] = replace(same, also=(*same.also, finding))
        longer = [one for recipe, one in treatments.items() if recipe.epochs > self.evidence.recipe.epochs]
        trials = self._try([one for one in treatments.values() if one not in longer], 1, SINGLES_SHARE)
        trials += self._try(longer, 1, SINGLES_SHARE)
        promising = sorted((one for one in trials if one.succeeded), key=self._preference)
        promising = promising[: self._affordable(promising)]
        again = self._try([trial.treatment for trial in promising], SEEDS - 1, SINGLES_SHARE, start=1)
        more = {trial.treatment.recipe: trial for trial in again}
        found = [
            pooled(trial, more[trial.treatment.recipe]) if trial.treatment.recipe in more else trial for trial in trials
        ]
        self.trials += found
        return found

    def _affordable(self, trials: Sequence[Trial]) -> int:
        """Return of how many trials the other seeds can be run in their share of the time."""
        seconds = max((trial.seconds for trial in trials), default=0.0) * (SEEDS - 1) / thread_count()
        return int(np.clip(SINGLES_SHARE * self.clock.left / max(seconds, 1e-3), 1, PROMISING))

    def _strong(self, singles: Sequence[Trial], alone: Sequence[Trial]) -> list[Trial]:
        """Try what the evidence speaks for most with other fixes, where it does not suffice alone."""
        strong = [finding for finding in self.findings if finding.suspicion >= STRONG and finding.fixes]
        if not strong or any(trial.treatment.suspicion >= STRONG for trial in alone):
            return []
        best = self._best_fixes(singles)
        first = [part for part in best if part[0].suspicion >= STRONG]
        sets = [first] if len(first) > 1 else []
        sets += [[*first[:1], part] for part in best[:PARTNERS] if first and part is not first[0]]
        tried = [self._tried(parts) for parts in sets]
        return [trial for trial in tried if trial is not None and self._learns(trial)]

    def _sets(self, singles: Sequence[Trial]) -> Iterator[Trial]:
        """Yield sets of fixes that learn, the smaller ones first, and the reference network last."""
        best = self._best_fixes(singles)
        sizes = [size for size in (2, 3, 4, 6) if size < len(best)]
        for parts in [*(best[:size] for size in sizes), best, [part for part in best if part[0].suspicion >= LISTED]]:
            trial = self._tried(parts)
            if trial is not None and self._learns(trial):
                yield trial
        if self.evidence.reach.ordinary.gain >= self.evidence.goal:
            made = reference(self.evidence.recipe, self.evidence.problem)
            yield from filter(self._learns, self._try([Treatment((), made)], SEEDS, 0.5))

    def _best_fixes(self, singles: Sequence[Trial]) -> list[Part]:
        """Return each finding's most helpful fix, the most suspicious and most helpful ones first."""
        best: dict[str, Trial] = {}
        for trial in singles:
            ((finding, _),) = trial.treatment.parts
            if finding.fault not in best or trial.median > best[finding.fault].median + 0.02:
                best[finding.fault] = trial
        scale = self.evidence.attainable

        def promise(trial: Trial) -> float:
            return trial.treatment.suspicion + max(0.0, trial.effect) / scale

        return [trial.treatment.parts[0] for trial in sorted(best.values(), key=promise, reverse=True)]

    def _pruned(self, trial: Trial) -> Trial:
        """Leave fixes out as long as it still learns, tuning first, then the least suspicious."""
        for part in sorted(trial.treatment.parts, key=lambda part: (part[0].fault not in TUNING, part[0].suspicion)):
            trial = self._without(part, trial) or trial
        return trial

    def _improved(self, trial: Trial, singles: Sequence[Trial]) -> Trial:
        """Add what the evidence speaks for strongly, where that gains clearly more: one fault may hide another.

        Tuning is not added, and is left out again where it learns with the other fault mended alone.
        """
        for part in self._best_fixes(singles):
            if part[0].suspicion < STRONG or part[0].fault in {*TUNING, *trial.treatment.faults}:
                continue
            more = self._tried([*trial.treatment.parts, part])
            enough = trial.median + CLEARLY * self.evidence.attainable
            if more and more.median > enough and min(more.after) > trial.median:
                trial = more
        for part in trial.treatment.parts:
            if part[0].fault in TUNING:
                trial = self._without(part, trial) or trial
        return trial

    def _without(self, part: Part, trial: Trial) -> Trial | None:
        """Try a set without one of its fixes; None where that does not learn.

        It has to learn from every seed; where the fix is merely tuning, as reliably as a cure.
        """
        others = [other for other in trial.treatment.parts if other is not part]
        without = self._tried(others) if others else None
        if without is None or without.treatment.recipe in self.refuted:
            return None
        learns = without.reliable if part[0].fault in TUNING else without.learned == 1
        return without if learns else None

    def _tried(self, parts: Sequence[Part]) -> Trial | None:
        made = self._treated(parts)
        if made is None or self.clock.over:
            return None
        if made.recipe not in self._known or len(self._known[made.recipe].after) < SEEDS:
            tried = self._try([made], SEEDS, 0.5)
            if not tried:
                return None
            self._known[made.recipe] = tried[0]
            self.trials += tried
        return replace(self._known[made.recipe], treatment=made)

    def _treated(self, parts: Sequence[Part]) -> Treatment | None:
        changing = [part for part in parts if part[1].change is not None]
        if not changing or self.clock.over:
            return None
        ordered = sorted(changing, key=lambda part: ORDER[part[0].fault])
        return treat(self.evidence.recipe, self.evidence.problem, ordered)

    def _try(self, treatments: Sequence[Treatment], seeds: int, share: float, start: int = 0) -> list[Trial]:
        if not treatments:
            return []
        self.clock.tell(f"trying {treatments[0].text}" if len(treatments) == 1 else f"trying {len(treatments)} changes")
        return run_trials(
            treatments,
            self.evidence.problem,
            self.evidence.untreated,
            seeds_after(self.evidence.recipe, start, seeds),
            self.goal,
            share * self.clock.left,
        )

    @property
    def goal(self) -> float:
        """The gain from which on a network has learned: trials may show that more is possible than was known."""
        reliable = [min(trial.after) for trial in self.trials if len(trial.after) >= SEEDS]
        return max([self.evidence.goal, *(LEARNED * gain for gain in reliable)])

    def _learns(self, trial: Trial) -> bool:
        return trial.median >= self.goal

    def _preference(self, trial: Trial) -> float:
        """Return what sorts trials: by evidence, by what they do, by how much they change and how long they take."""
        treatment = trial.treatment
        suspicion = max((finding.suspicion for finding, _ in treatment.parts), default=0.0)
        longer = math.log10(treatment.recipe.epochs / self.evidence.recipe.epochs)
        better = trial.median / self.evidence.attainable
        return -(suspicion + 0.3 * better - 0.1 * len(treatment.parts) - 0.1 * max(0.0, longer))

    def _confirmed(self, trial: Trial) -> bool:
        """Run treated and untreated from fresh seeds; keep the trial as the cure if it still learns.

        Returns:
            Whether the search is over.
        """
        if trial.treatment.recipe in self.refuted:
            return False
        evidence = self.evidence
        untreated = self._fresh_untreated
        seeds = [one.seed for one in untreated]
        self.clock.tell(f"confirming {trial.treatment.text}")
        seconds = max(1.0, self.clock.left)
        for fresh in run_trials([trial.treatment], evidence.problem, untreated, seeds, self.goal, seconds):
            fresh = replace(fresh, fresh=True)
            self.trials.append(fresh)
            if fresh.reliable and fresh.p < SURE:
                self.cure = fresh
            elif not fresh.reliable:
                self.refuted.add(trial.treatment.recipe)
            if fresh.reliable and evidence.gain >= evidence.goal:
                return True  # the untreated recipe learns in the median: more cannot be shown
        return self.cure is not None

    @cached_property
    def _fresh_untreated(self) -> list[Trained]:
        """Train the untreated recipe from as many fresh seeds as a tenth of the budget allows."""
        evidence = self.evidence
        one = max(1e-3, float(np.median([trained.run.seconds for trained in evidence.untreated])))
        seeds = int(np.clip(0.1 * self.clock.seconds / one, FEWEST_FRESH, MOST_FRESH))
        recipes = [evidence.recipe.replace(seed=seed) for seed in seeds_after(evidence.recipe, FRESH, seeds)]
        return train_all(recipes, evidence.problem, max(1.0, 0.5 * self.clock.left))
