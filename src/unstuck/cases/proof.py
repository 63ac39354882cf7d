"""The five cases by experiment: each diagnosed, and each change that its post offers tried over several seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from unstuck.cases.case import Case
from unstuck.diagnosis.diagnose import diagnose
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.trainings import seeds_after
from unstuck.diagnosis.trials import Treatment, Trial, run_trials
from unstuck.diagnosis.verdict import Diagnosis

SEEDS = 5
SECONDS = 12.0
"""All changes offered in one post may take so long together."""


@dataclass(frozen=True, eq=False)
class Proof:
    """What the experiments say of a case.

    Attributes:
        diagnosis: of the network as it was; of hand-written code with its gradient put right, where trials are named.
        offered: a trial for each change that the post offers.
    """

    diagnosis: Diagnosis
    offered: tuple[Trial, ...]

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        assert self.diagnosis.evidence is not None
        in_metric = self.diagnosis.evidence.problem.in_metric
        return {
            "state": self.diagnosis.state,
            "verdict": self.diagnosis.verdict,
            "faults": [f"{finding.fault}: {finding.certainty}" for finding in self.diagnosis.findings],
            "cure": list(self.diagnosis.changes),
            "offered": [
                {
                    "change": trial.treatment.text,
                    self.diagnosis.evidence.problem.metric: in_metric(trial.median),
                    "learned": trial.learned,
                    "seeds": len(trial.after),
                }
                for trial in self.offered
            ],
        }


def prove(case: Case) -> Proof:
    """Diagnose a case, and try what its post offers; KeyboardInterrupt where Ctrl-C ended either."""
    diagnosis = diagnose(*case.subject(), **case.training, progress=False)
    if diagnosis.interrupted:
        raise KeyboardInterrupt
    evidence = diagnosis.evidence
    assert evidence is not None  # each of the five is recognised
    treatments = [
        Treatment(((Finding("offered", name, (), 0.0), Fix(name)),), change(evidence.recipe))
        for name, change in case.offered.items()
    ]
    with np.errstate(all="ignore"):
        seeds = seeds_after(evidence.recipe, 0, SEEDS)
        trials = run_trials(treatments, evidence.problem, evidence.untreated, seeds, evidence.goal, SECONDS)
    return Proof(diagnosis, tuple(trials))
