"""The diagnosis of code in words: what its trials showed, then what the recipe's diagnosis says of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unstuck.diagnosis.code.equivalent import Equivalent
from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.code.own_training import OwnTraining
from unstuck.diagnosis.code.step import rates
from unstuck.diagnosis.code.trials import CodeTrial
from unstuck.diagnosis.conclusion import State
from unstuck.diagnosis.finding import LISTED, Finding
from unstuck.diagnosis.trials import SURE
from unstuck.diagnosis.verdict import Diagnosis

LEARNED = 0.8
"""Of what the best constant leaves, so much has to be gained before code that nothing else is known of has learned."""
COUNTED = 0.03
"""Dropout that is on while the training rows are counted takes away a gain of more than this."""
CERTAIN = 0.8
"""A fault of the code that no trial could be made of is the cause from this suspicion on."""


def joined(
    said: Diagnosis,
    evidence: CodeEvidence,
    findings: Sequence[Finding],
    trials: Sequence[CodeTrial],
    lines: tuple[str, ...],
    made: Equivalent,
    told: bool,
    seconds: float,
) -> Diagnosis:
    """Put the faults of the code before what the recipe's diagnosis found."""
    alone = said.state == "learns"
    judged = [_judged(finding, trials, alone) for finding in findings]
    judged = [finding for finding in judged if finding.certainty != "suspected" or finding.suspicion >= LISTED]
    causes = [one for one in judged if _is_cause(one)]
    rest = [one for one in judged if one not in causes]
    sentences = [
        _sentence(finding, trials) for finding in judged if finding.certainty != "suspected" or _is_cause(finding)
    ]
    if not judged:
        sentences.append(_nothing_wrong(evidence))
    if causes:
        sentences.append("With the code put right:" if trials else "For the rest of it:")
    if not told and (said.state != "learns" or made.recipe.optimizer.kind != "sgd"):
        sentences.append(_trained(evidence, made))
    sentences += [said.verdict, *_counted(said)]
    harmless = {trial.fault for trial in trials if trial.tells and not trial.decides}
    state: State = said.state
    if any(one.fault not in harmless for one in causes):
        state = "does not learn"
    elif causes and alone:
        state = "learns in spite of a fault"
    return replace(
        said,
        state=state,
        verdict=" ".join(sentences),
        findings=(*causes, *said.findings, *rest),
        cure=made.recipe if causes and alone else said.cure,
        ruled_out=(*_ruled_out(judged, trials), *said.ruled_out, *_settings(said)),
        seconds=seconds,
        gradient=evidence.explanation,
        lines=lines,
        code_trials=tuple(trials),
    )


def unrecognised(
    evidence: CodeEvidence,
    findings: Sequence[Finding],
    trials: Sequence[CodeTrial],
    lines: tuple[str, ...],
    own: OwnTraining | None,
    seconds: float,
) -> Diagnosis:
    """Say what the functions themselves show, where no recipe is known that computes the same."""
    gained = {trial.fault: _gain(trial) for trial in trials}
    judged = [_judged(finding, trials, gained.get(finding.fault, 0.0) >= LEARNED) for finding in findings]
    judged = [one for one in judged if one.certainty != "suspected" or one.suspicion >= LISTED]
    learned = own is not None and own.learns  # by the gradient alone: of the step that shows nothing
    doubtful = [one for one in judged if learned and one.certainty == "suspected" and one.fault != "not_updated"]
    causes = [one for one in judged if _is_cause(one) and one not in doubtful]
    sentences = [_sentence(finding, trials) for finding in judged]
    if not judged:
        sentences.append(_nothing_wrong(evidence))
    if own is not None:
        sentences.append(_own(own))
    elif not causes and np.isfinite(evidence.loss):
        sentences.append("Whether it learns was not judged: that takes predict=... and data=(X, y).")
    if np.isfinite(evidence.loss):
        sentences.append("The network was not recognised, so its settings were not tried.")
    return Diagnosis(
        state="does not learn" if causes or (own is not None and own.fails) else "learns",
        verdict=" ".join(sentences),
        findings=(*causes, *(one for one in judged if one not in causes)),
        trials=(),
        cure=None,
        evidence=None,
        ruled_out=_ruled_out(judged, trials),
        seconds=seconds,
        gradient=evidence.explanation,
        lines=lines,
        code_trials=tuple(trials),
    )


def _judged(finding: Finding, trials: Sequence[CodeTrial], alone: bool) -> Finding:
    trial = next((trial for trial in trials if trial.fault == finding.fault), None)
    if trial is None or not trial.tells:
        return finding
    if not trial.matters:
        return finding.judged("not the cause")
    return finding.judged("proven" if alone and trial.decides else "contributes")


def _is_cause(finding: Finding) -> bool:
    if finding.certainty == "suspected":
        return finding.suspicion >= CERTAIN
    return finding.certainty in ("proven", "contributes")


def _sentence(finding: Finding, trials: Sequence[CodeTrial]) -> str:
    trial = next((trial for trial in trials if trial.fault == finding.fault), None)
    if trial is None or not trial.tells:
        return finding.text
    before, after = (float(np.median(losses)) for losses in (trial.before, trial.after))
    ends = f"the loss goes from {trial.first:.4g} to {after:.4g}"
    ends += f", not to {before:.4g}" if np.isfinite(before) else "; with yours it goes beyond all bounds"
    if not trial.matters:
        how = "your step at its own rate" if trial.rates[0] is None else "each side at its best rate"
        return (
            f"{finding.text} But {_costs(trial)}: after {trial.updates:,} updates, {how}, the loss is {before:.4g}, "
            f"and {after:.4g} with {trial.text} ({len(trial.after)} starts, p = {trial.p:.2g})."
        )
    score = ""
    if trial.metric and np.isfinite(before):
        name = "R2" if trial.metric == "r2" else trial.metric
        score = f", {name} {trial.scores[1]:.3g} in place of {trial.scores[0]:.3g}"
    return (
        f"{finding.text} With {trial.text} {ends}{score} ({trial.updates:,} updates from {len(trial.after)} starts, "
        f"p = {trial.p:.2g})."
    )


def _costs(trial: CodeTrial) -> str:
    """Say what a fault costs that does not matter."""
    if trial.p < SURE and trial.cost > 0:
        return f"it costs only {trial.cost:.2g} of what the loss falls"
    return "it trains as well with the mistake"


def _ruled_out(judged: Sequence[Finding], trials: Sequence[CodeTrial]) -> tuple[str, ...]:
    by_fault = {trial.fault: trial for trial in trials}
    lines = []
    for finding in judged:
        if finding.certainty == "not the cause":
            trial = by_fault.get(finding.fault)
            if trial is None:
                lines.append(f"{finding.fault}: {finding.text}")
                continue
            lines.append(
                f"{finding.fault}: wrong, but it hardly matters: loss {np.median(trial.before):.4g}, with "
                f"{trial.text} {np.median(trial.after):.4g}"
            )
    return tuple(lines)


def _settings(said: Diagnosis) -> tuple[str, ...]:
    """Return what each setting by itself changes, where the network learns as it is."""
    if said.state != "learns" or said.evidence is None:
        return ()
    problem = said.evidence.problem
    as_it_is = problem.in_metric(said.evidence.gain)
    tried = {trial.treatment.text: trial for trial in said.trials if len(trial.treatment.parts) == 1}
    if said.evidence.successes < 1:
        return tuple(f"{text}: learns from {trial.learned:.0%} of the starts" for text, trial in tried.items())
    return tuple(
        f"{text}: {problem.metric} {problem.in_metric(trial.median):.3g} in place of {as_it_is:.3g}"
        for text, trial in tried.items()
    )


def _counted(said: Diagnosis) -> tuple[str, ...]:
    """Say what the training rows get when they are counted with dropout on."""
    evidence = said.evidence
    if evidence is None or evidence.training_mode is None or evidence.first.fit - evidence.training_mode < COUNTED:
        return ()
    problem = evidence.problem
    with_it, without = (problem.in_metric(gain) for gain in (evidence.training_mode, evidence.first.fit))
    return (f"Counted with dropout on, the training rows get {problem.metric} {with_it:.3g}; off, {without:.3g}.",)


def _nothing_wrong(evidence: CodeEvidence) -> str:
    explanation = evidence.explanation
    if explanation is None or explanation.obstacle:
        return "No fault of the code shows."
    if not explanation.right:
        return "The gradient has the wrong sign and the step adds it, which comes to the same as the right one."
    return "The gradient is right, and no fault of the code shows."


def _own(own: OwnTraining) -> str:
    name = "R2" if own.metric == "r2" else own.metric
    enough = "" if own.learns or own.fails else " So few updates tell nothing: more seconds as budget=... give more."
    end = name if own.finite else f"a loss that is no number and {name}"
    return (
        f"By its own functions, {own.updates:,} updates at the best rate, it gets {end} {own.score:.3g} on its rows, "
        f"where strong learners reach {own.attainable:.3g} on new ones and a constant {own.constant:.3g}.{enough}"
    )


def _gain(trial: CodeTrial) -> float:
    """Return the score of the mended side; for a metric that is not known, none."""
    return trial.scores[1] if trial.metric else 0.0


def _trained(evidence: CodeEvidence, made: Equivalent) -> str:
    optimizer = made.recipe.optimizer
    text = f"Trained for {made.recipe.epochs:,} epochs with {optimizer.kind} at {optimizer.learning_rate:g}"
    if evidence.updates and rates(evidence.whole, evidence.updates) is None:
        text += ", for your step is more than gradient descent: optimizer=... and epochs=... tell what it is"
    return f"({text}.)"
