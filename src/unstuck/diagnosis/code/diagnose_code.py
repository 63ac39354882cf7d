"""diagnose_code(): the functions are examined, their faults tried, and what they compute is diagnosed as a recipe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from unstuck.diagnosis.changes import with_best_rate
from unstuck.diagnosis.code.descent import seconds_of
from unstuck.diagnosis.code.equivalent import Equivalent, equivalent, with_all_rows
from unstuck.diagnosis.code.evidence import CodeEvidence, look
from unstuck.diagnosis.code.experiments import Experiments
from unstuck.diagnosis.code.faults import OF_THE_LOSS, examine
from unstuck.diagnosis.code.faults.wrong_gradient import corrected_lines
from unstuck.diagnosis.code.own_training import own_training
from unstuck.diagnosis.code.say import joined, unrecognised
from unstuck.diagnosis.code.step import rate_of_descent, rates
from unstuck.diagnosis.finding import Finding
from unstuck.diagnosis.of_recipe import diagnose_recipe
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.trainings import Clock
from unstuck.diagnosis.verdict import Diagnosis
from unstuck.errors import SubjectError
from unstuck.functions.optimizers import Optimizer
from unstuck.gradients.forensics.lines import backward_pass
from unstuck.gradients.forensics.recognised import Recognised
from unstuck.subjects.calls import random_numbers_kept
from unstuck.subjects.handwritten import HandWritten

BUDGET, LONGER = 5.0, 10.0
SLOW = 1e-3
"""Seconds of one gradient, from which on the longer budget is taken."""
CODE_SHARE = 0.3
"""Of the budget, for trials of the code."""
UPDATES = 2_000
"""Where neither the person nor the caller says how long the network is trained."""


def diagnose_code(
    subject: HandWritten,
    budget: float | None = None,
    *,
    optimizer: Optimizer | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Diagnosis:
    """Find out why a network that somebody wrote does not learn; see `diagnose`."""
    clock = Clock(budget or BUDGET)
    with random_numbers_kept(), np.errstate(all="ignore"):
        evidence = look(subject)
        if budget is None and _slow(evidence.subject):
            clock.limit(LONGER)
        findings = examine(evidence)
        network = right_network(evidence, findings)
        loss_is_wrong = network is not None and evidence.recognised is None
        if any(finding.fault == "loss_not_finite" for finding in findings):
            return unrecognised(evidence, findings, [], (), None, clock.spent)
        share = CODE_SHARE * clock.seconds
        rate = rate_of_descent(evidence.subject, evidence.updates, optimizer)
        usual = (rate, epochs or UPDATES) if rate is not None and batch_size is None else None
        experiments = Experiments(evidence, network, loss_is_wrong or _of_the_loss(findings, network), usual)
        trials = experiments.run(findings, share)
        lines = _lines(evidence, findings)
        if network is None:
            own = own_training(evidence, share)
            return unrecognised(evidence, findings, trials, lines, own, clock.spent)
        made = _equivalent(evidence, network, optimizer, epochs, batch_size)
        left = None if budget is None else max(1.0, clock.left)
        said = diagnose_recipe(made.recipe, made.X, made.y, left, progress)
        unstuck_chose = optimizer is None and rate is None
        if unstuck_chose and said.cure is not None and said.cure.optimizer != made.recipe.optimizer:
            made = replace(made, recipe=made.recipe.replace(optimizer=said.cure.optimizer))  # no fault of the person's
            left = None if budget is None else max(1.0, clock.left)
            said = diagnose_recipe(made.recipe, made.X, made.y, left, progress)
        told = bool(optimizer and epochs)
        return joined(said, evidence, findings, trials, lines, made, told, clock.spent)


def _slow(subject: HandWritten) -> bool:
    try:
        return subject.has_gradient and seconds_of(lambda w, t: subject.gradient(w), subject.w) > SLOW
    except SubjectError:  # it is told of later
        return False


def right_network(evidence: CodeEvidence, findings: list[Finding]) -> Recognised | None:
    """Return the network as it was meant: the one of the loss, or where that is wrong the one of the predictions."""
    if evidence.recognised is not None:
        return evidence.recognised
    if any(finding.fault in OF_THE_LOSS and finding.suspicion >= 0.5 for finding in findings):
        return evidence.forward.network if evidence.forward is not None else None
    return None


def _of_the_loss(findings: list[Finding], network: Recognised | None) -> bool:
    return network is None and any(finding.fault in OF_THE_LOSS for finding in findings)


def _equivalent(
    evidence: CodeEvidence,
    network: Recognised,
    optimizer: Optimizer | None,
    epochs: int | None,
    batch_size: int | None,
) -> Equivalent:
    subject = evidence.whole
    every = with_all_rows(network, subject)
    found = rates(subject, evidence.updates) if evidence.updates else None
    rate = next(iter(found.values())) if found else None
    rate = rate if rate is not None and rate > 0 else None
    n = len(every.arrangement.X)
    per_epoch = -(-n // batch_size) if batch_size else 1
    passes = epochs or max(1, UPDATES // per_epoch)
    settings: dict[str, Any] = {"optimizer": optimizer, "rate": rate, "epochs": passes, "batch_size": batch_size}
    settings["times"] = evidence.factor or 1.0
    made = equivalent(every, subject.w, **settings)
    if optimizer is None and rate is None:
        problem = Problem.of(made.recipe, made.X, made.y)
        made = replace(made, recipe=with_best_rate(made.recipe, problem))
    return made


def _lines(evidence: CodeEvidence, findings: list[Finding]) -> tuple[str, ...]:
    """Return the lines to change: of the backward pass, or what each finding's first fix says."""
    lines: list[str] = []
    for finding in findings:
        if finding.fault == "wrong_gradient":
            lines += corrected_lines(evidence)
        elif finding.fault in ("broadcasting", "rows_mixed", "not_updated") and finding.fixes:
            lines.append(finding.fixes[0].text)
        elif finding.fault == "disconnected" and evidence.recognised is not None:
            lines += backward_pass(with_all_rows(evidence.recognised, evidence.whole))
    return tuple(lines)
