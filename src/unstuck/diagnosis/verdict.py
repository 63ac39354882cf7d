"""Diagnosis: what is wrong, how sure that is, and what makes it learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unstuck.diagnosis.conclusion import Conclusion, State
from unstuck.diagnosis.cure import STRONG, Search
from unstuck.diagnosis.curves import curves
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import LISTED, Finding
from unstuck.diagnosis.problem import FEW_ROWS, Problem
from unstuck.diagnosis.text import as_text
from unstuck.diagnosis.trials import SURE, Trial
from unstuck.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CERTAIN = 0.9
"""A finding that needs no trial: it is there whatever the network learns."""
MATTERS = 0.1
"""A cure has to gain at least this share of what can be gained before a network is said to have a fault."""


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Conclusion):
    """What was found, and how it is shown: `print` shows it, too."""

    def to_html(self) -> str:
        """Return one page that needs no other file, with the figures in it."""
        from unstuck.diagnosis.page import as_page

        return as_page(self)

    def plot(self) -> Figure:
        """Return the floor picture: the training loss among its floors, and the cure's beside it."""
        from unstuck.diagnosis.figures import floor_figure

        return floor_figure(curves(self))

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        return f"Diagnosis(state={self.state!r}, changes={self.changes!r})"


def learns(evidence: Evidence) -> bool:
    """Tell whether the untreated recipe learns from every seed tried."""
    return evidence.successes == 1


def decide(evidence: Evidence, findings: Sequence[Finding], search: Search | None, seconds: float) -> Diagnosis:
    """Put the findings in order, by what the trials showed, and say it."""
    if evidence.nothing:
        return _nothing(evidence, findings, seconds)
    if search is None:
        return _healthy(evidence, findings, (), seconds)
    cure = search.cure
    trials = tuple(search.trials)
    sure = [trial for trial in trials if trial.succeeded and trial.p < SURE]
    promising = [trial for trial in sure if trial.treatment.recipe not in search.refuted]  # time ran out on them
    better = any(_matters(trial, evidence) for trial in ([cure] if cure is not None else promising))
    overfitting = any(one.fault == "overfitting" and one.suspicion > STRONG for one in findings)
    in_vain = not (better or overfitting or search.interrupted)
    if evidence.gain >= evidence.goal or (in_vain and evidence.share > 0.5):
        return _healthy(evidence, findings, trials, seconds)
    judged = _judged(findings, search)
    listed = tuple(one for one in judged if one.certainty in ("proven", "contributes") or one.suspicion >= LISTED)
    causes = [one for one in listed if one.certainty in ("proven", "contributes")]
    state: State = "does not learn"
    if causes and causes[0].fault == "too_few_steps":
        state = "needs longer"
    elif overfitting and (not causes or causes[0].fault == "overfitting"):
        state = "overfits"
    return Diagnosis(
        state=state,
        verdict=_verdict(evidence, causes, listed, cure, trials),
        findings=listed,
        trials=trials,
        cure=_whole(cure.treatment.recipe, evidence) if cure is not None else None,
        evidence=evidence,
        ruled_out=_ruled_out(judged, search),
        seconds=seconds,
        proof=cure,
    )


def _whole(cure: Recipe, evidence: Evidence) -> Recipe:
    """Return a cure for as many epochs as the subject has, where they were left out to save time."""
    return cure.replace(epochs=evidence.whole.epochs) if cure.epochs == evidence.recipe.epochs else cure


def _matters(trial: Trial, evidence: Evidence) -> bool:
    """Tell whether a trial does so much better that the untreated recipe can be said to have a fault."""
    straight = evidence.reach.bent and evidence.gain < evidence.goal <= trial.median
    return straight or trial.effect >= MATTERS * evidence.attainable


def _judged(findings: Sequence[Finding], search: Search) -> list[Finding]:
    """Return the findings with what the trials say of them, causes first."""
    cure = search.cure
    cured_by: list[str] = []
    if cure is not None:
        cured_by += [finding.fault for finding, _ in cure.treatment.parts]
        cured_by += [finding.fault for finding in cure.treatment.also if finding.suspicion >= LISTED]
    alone: dict[str, list[Trial]] = {}
    for trial in search.trials:
        if len(trial.treatment.parts) == 1 and not trial.fresh:
            for fault in trial.treatment.faults:
                alone.setdefault(fault, []).append(trial)
    judged = []
    for finding in findings:
        if finding.fault in cured_by:
            alone_enough = cure is not None and len(cure.treatment.parts) == 1
            judged.append(finding.judged("proven" if alone_enough else "contributes"))
        elif finding.fault in alone and not any(trial.succeeded for trial in alone[finding.fault]) and cure is not None:
            judged.append(finding.judged("not the cause"))
        else:
            judged.append(finding.judged("suspected"))
    rank = {"proven": 0, "contributes": 1, "suspected": 2, "not the cause": 3}
    return sorted(judged, key=lambda finding: (rank[finding.certainty], -finding.suspicion))


def _ruled_out(judged: Sequence[Finding], search: Search) -> tuple[str, ...]:
    lines = [line for finding in judged if finding.certainty == "proven" for line in finding.rules_out]
    for finding in judged:
        if finding.certainty != "not the cause":
            continue
        best = max(
            (
                trial
                for trial in search.trials
                if len(trial.treatment.parts) == 1 and not trial.fresh and finding.fault in trial.treatment.faults
            ),
            key=lambda trial: trial.median,
        )
        problem = search.evidence.problem
        lines.append(f"{finding.fault}: with {best.treatment.text}, {problem.metric} {_said(problem, best.median)}")
    return tuple(lines)


def _verdict(
    evidence: Evidence,
    causes: Sequence[Finding],
    listed: Sequence[Finding],
    cure: Trial | None,
    trials: Sequence[Trial],
) -> str:
    problem = evidence.problem
    floor = evidence.floor
    at = f", which is what the {floor.name} reaches" if floor is not None else ""
    name = problem.metric.replace("_", " ")
    seen = (
        f"The loss ends at {evidence.loss:.4g}{at}: {name} {_said(problem, evidence.gain)}, where "
        f"{_said(problem, evidence.attainable)} can be reached and a constant gets {problem.constant:.3g}."
    )
    if cure is None:
        suspect = f"Most suspicious: {listed[0].text}" if listed else "No known fault shows."
        best = max(trials, key=lambda trial: (len(trial.after) > 1) + trial.median, default=None)
        if best is None or best.effect < MATTERS * evidence.attainable:
            return f"{seen} {suspect} But none of the trials made it learn."
        return (
            f"{seen} {suspect} None of the trials made it learn reliably; {best.treatment.text} helps most, "
            f"to {_said(problem, best.median)}."
        )
    low, high = (_said(problem, gain) for gain in cure.interval)
    said = " ".join(finding.text for finding in causes) or "Several settings at once keep it from learning."
    return (
        f"{seen} {said} With {cure.treatment.text or 'an ordinary network'} it learns: {name} "
        f"{_said(problem, cure.median)} ({low} to {high} over {len(cure.after)} fresh seeds)."
    )


def _healthy(evidence: Evidence, findings: Sequence[Finding], trials: tuple[Trial, ...], seconds: float) -> Diagnosis:
    problem = evidence.problem
    name = problem.metric.replace("_", " ")
    reached = f"{name} {_said(problem, evidence.gain)}"
    mismatch = [one.text for one in findings if one.fault == "loss_mismatch" and one.suspicion >= CERTAIN]
    if not problem.held_out:
        text = (
            f"It fits its training rows: {reached}, where a constant gets {problem.constant:.3g}. "
            f"{_why_none(problem)}, so whether it learns something that holds for others cannot be told. "
        )
    else:
        text = (
            f"It learns: {reached}, where the best of other learners gets {_said(problem, evidence.attainable)} and a "
            f"constant {problem.constant:.3g}. "
        )
    if mismatch:
        text += f"But one thing is not as it should be. {mismatch[0]}"
    elif trials:
        text += "Nothing that was tried does much better."
    elif problem.held_out:
        text += "Nothing is wrong."
    text = text.rstrip()
    text += _noise(evidence) + _parted(evidence) + _luck(evidence, trials)
    return Diagnosis("learns", text, (), trials, None, evidence, (), seconds)


def _why_none(problem: Problem) -> str:
    """Say why no rows are held out."""
    if len(problem) < FEW_ROWS:
        return f"With {len(problem)} rows there are too few to hold some out"
    return "Most of the rows are repetitions of others, so that none were held out"


def _said(problem: Problem, gain: float) -> str:
    """Return the metric's value for a gain. R2 is not counted below -1."""
    value = problem.in_metric(gain)
    return "≤ -1" if problem.metric == "r2" and value <= -1 else f"{value:.3g}"


def _nothing(evidence: Evidence, findings: Sequence[Finding], seconds: float) -> Diagnosis:
    problem, facts = evidence.problem, evidence.facts
    constant = [finding for finding in findings if finding.fault == "constant_inputs"]
    found, error = evidence.learnable.gain, evidence.learnable.error
    numbers = [
        f"{evidence.learnable.learner}, cross-validated: gain {found:.3f} ± {error:.3f}",
        f"an ordinary network: {evidence.reach.ordinary.gain:.3f}; yours: {evidence.gain:.3f}",
    ]
    noise = evidence.learnable.noise
    if noise is not None:
        numbers.append(
            f"{noise.share:.0%} ± {noise.error:.0%} of the labels are not what the rows around them say; it would be "
            f"about {noise.shuffled:.0%} if they had been shuffled"
        )
    text = "Nothing in these inputs says anything about the targets."
    if facts.target_spread == 0:
        text = "The target is the same in every row, as integers divided by integers may leave it."
    elif facts.step:
        text = _shifted(facts.step)
    nothing = Finding("nothing_to_learn", text, tuple(numbers), 0.95)
    name = problem.metric.replace("_", " ")
    begin = "As they are, the network" if facts.step else "It"
    verdict = (
        f"{text} {begin} gets the {name} {_said(problem, evidence.gain)}, a constant {problem.constant:.3g}, and "
        "neither gradient boosting, nearest neighbours nor an ordinary network do better on rows they have not seen."
    )
    listed = (*constant, nothing)
    if constant:
        verdict = f"{constant[0].text} {verdict}"
    return Diagnosis("nothing to learn", verdict, listed, (), None, evidence, (), seconds)


def _shifted(step: int) -> str:
    """Say that targets come so many rows later than their rows, and what to write."""
    rows = abs(step)
    where, write = (f"+ {rows}", f"X[:-{rows}], y[{rows}:]") if step > 0 else (f"- {rows}", f"X[{rows}:], y[:-{rows}]")
    return (
        f"The rows of X and y are shifted against each other by {rows}: the target of row i of X is in row i {where} "
        f"of y. With {write} they go together."
    )


def _noise(evidence: Evidence) -> str:
    """Say that labels are wrong, where that is what keeps a network from doing better."""
    noise, problem = evidence.learnable.noise, evidence.problem
    if noise is None or not noise.certain or problem.metric != "accuracy":
        return ""
    if problem.in_metric(evidence.gain) < 1 - noise.share - 2 * noise.error:
        return ""
    wrong = 1 - problem.in_metric(max(evidence.gain, evidence.attainable))
    share = min(noise.share, wrong)  # what somebody gets right contradicts nothing
    return f" About {share:.0%} of the labels contradict the rows around them: more is hardly to be had."


def _parted(evidence: Evidence) -> str:
    """Say that loss and metric do not go together, where they do not."""
    said = [one.text for one in evidence.agreement if one.stands_still or one.parted]
    return f" {said[-1]}" if said else ""


def _luck(evidence: Evidence, trials: Sequence[Trial]) -> str:
    """Say from how many starts a network learns that learns from most, and with what it learns from all."""
    fresh = [trial for trial in trials if trial.fresh]
    gains = [one.gain for one in evidence.untreated] + (list(fresh[0].before) if fresh else [])
    learned = sum(gain >= evidence.goal for gain in gains)
    if learned in (0, len(gains)):
        return ""
    text = f" But it is luck of the seed: {learned} of {len(gains)} starts get there."
    best = max((trial for trial in fresh if trial.treatment.text), key=lambda trial: trial.learned, default=None)
    if best is not None and best.learned * len(gains) > learned:
        text += f" With {best.treatment.text} {best.learned:.0%} of {len(best.after)} do."
    return text
