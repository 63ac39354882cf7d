"""Conclusion: what a diagnosis comes to, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from unstuck.diagnosis.changes import differences
from unstuck.diagnosis.code.trials import CodeTrial
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding
from unstuck.diagnosis.trials import Trial
from unstuck.errors import SubjectError
from unstuck.files import as_json
from unstuck.gradients.forensics.explanation import Explanation
from unstuck.recipe import Recipe

State = Literal[
    "learns", "learns in spite of a fault", "needs longer", "nothing to learn", "overfits", "does not learn"
]


@dataclass(frozen=True, eq=False)
class Conclusion:
    """What was found.

    Attributes:
        state: "learns", "needs longer", "nothing to learn", "overfits" or "does not learn"; "learns in spite of a
            fault" where somebody's code is wrong in a way that costs little.
        verdict: two sentences.
        findings: the causes, the most certain first; then what is out of the ordinary and not the cause.
        trials: what was tried, and what it did.
        cure: a recipe that learns, None if none was needed or found; of hand-written code, what it
            computes once it is put right.
        proof: the trial of the cure on fresh seeds.
        evidence: what was measured; None for a hand-written network that was not recognised.
        ruled_out: causes that were looked for, and why they are none.
        seconds: how long it took.
        gradient: what the forensics say of a hand-written gradient, None for a recipe.
        lines: changed lines for hand-written code.
        code_trials: a hand-written network trained as it is and with a fault of its code put right.
        interrupted: whether Ctrl-C ended the trials, so that there might have been more to find.
    """

    state: State
    verdict: str
    findings: tuple[Finding, ...]
    trials: tuple[Trial, ...]
    cure: Recipe | None
    evidence: Evidence | None
    ruled_out: tuple[str, ...]
    seconds: float
    proof: Trial | None = None
    gradient: Explanation | None = None
    lines: tuple[str, ...] = ()
    code_trials: tuple[CodeTrial, ...] = ()
    interrupted: bool = False

    @property
    def measured(self) -> Evidence:
        """The evidence.

        Raises:
            SubjectError: when there is none: a hand-written network was not recognised.
        """
        if self.evidence is None:
            raise SubjectError("this network was not recognised, so no recipe was trained: there is no curve to draw")
        return self.evidence

    @property
    def changes(self) -> tuple[str, ...]:
        """The fields in which the cure differs from the recipe, with nothing left out of either to save time."""
        if self.cure is None or self.evidence is None:
            return ()
        return differences(self.evidence.whole, self.cure)

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "state": self.state,
            "verdict": self.verdict,
            "findings": [
                {
                    "fault": finding.fault,
                    "text": finding.text,
                    "certainty": finding.certainty,
                    "suspicion": finding.suspicion,
                    "evidence": list(finding.evidence),
                    "fixes": [fix.text for fix in finding.fixes],
                }
                for finding in self.findings
            ],
            "trials": [
                {
                    "change": trial.treatment.text,
                    "faults": list(trial.treatment.faults),
                    "before": list(trial.before),
                    "after": list(trial.after),
                    "p": trial.p,
                    "verdict": trial.verdict,
                    "fresh": trial.fresh,
                }
                for trial in self.trials
            ],
            "cure": self.cure.to_data() if self.cure is not None else None,
            "changes": list(self.changes),
            **(_measured(self.evidence) if self.evidence is not None else {}),
            "ruled_out": list(self.ruled_out),
            **({"cut": self.evidence.cut} if self.evidence is not None else {}),
            "seconds": round(self.seconds, 3),
            "interrupted": self.interrupted,
            **self._of_code(),
        }

    def _of_code(self) -> dict[str, Any]:
        if self.gradient is None and not self.code_trials:
            return {}
        return {
            "gradient": self.gradient.to_data() if self.gradient is not None else None,
            "lines": list(self.lines),
            "code_trials": [trial.to_data() for trial in self.code_trials],
        }

    def to_json(self) -> str:
        """Return `to_data()` as JSON, with null for what is no finite number."""
        return as_json(self.to_data())


def _measured(evidence: Evidence) -> dict[str, Any]:
    return {
        "gain": evidence.gain,
        "attainable": evidence.attainable,
        "metric": evidence.problem.metric,
        "floors": [{"name": floor.name, "loss": floor.loss} for floor in evidence.floors],
        "loss": evidence.loss,
        "measured": _signals(evidence),
    }


def _signals(evidence: Evidence) -> dict[str, Any]:
    """Return what else was measured."""
    rates, noise = evidence.rates, evidence.learnable.noise
    return {
        "fit": evidence.fit,
        "small": evidence.small,
        "training_mode": evidence.training_mode,
        "falling": evidence.falling,
        "fluctuation": evidence.fluctuation,
        "seeds": [{"seed": one.seed, "gain": one.gain, "fit": one.fit} for one in evidence.untreated],
        "learnable": {
            "learner": evidence.learnable.learner,
            "gain": evidence.learnable.gain,
            "error": evidence.learnable.error,
            "linear": evidence.reach.linear.gain,
            "ordinary": evidence.reach.ordinary.gain,
        },
        "label_noise": asdict(noise) if noise is not None else None,
        "loss_and_metric": [{**asdict(one), "text": one.text} for one in evidence.agreement],
        "rates": asdict(rates) if rates is not None else None,
        "facts": asdict(evidence.facts),
        "layers": {
            "start": asdict(evidence.start),
            "end": asdict(evidence.end),
            "moved": list(evidence.moved),
            "update_ratios": list(evidence.update_ratios) if evidence.update_ratios is not None else None,
        },
    }
