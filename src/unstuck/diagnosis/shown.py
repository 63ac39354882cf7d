"""What is shown of a diagnosis, on whatever it is shown: plain texts, put in order and cut to what tells most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from unstuck.diagnosis.changes import rate_of
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding
from unstuck.diagnosis.layers import LayerEvidence, number_of_rows, signal_to_noise
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.trials import Trial
from unstuck.recipe import Recipe

if TYPE_CHECKING:
    from unstuck.diagnosis.conclusion import Conclusion

MOST_TRIALS = 12
MOST_REASONS = 8
LISTED_NAMES = 4
METRICS = {"accuracy": "accuracy", "roc_auc": "area under the ROC curve", "r2": "R²"}
STATES = {
    "learns": "It learns",
    "learns in spite of a fault": "It learns in spite of a fault",
    "needs longer": "It needs longer",
    "nothing to learn": "There is nothing to learn",
    "overfits": "It overfits",
    "does not learn": "It does not learn",
}


@dataclass(frozen=True)
class TrialRow:
    """One trial in words.

    Attributes:
        change: what was changed.
        before: median of the metric, untreated.
        after: the same, treated.
        interval: the smallest and the largest, treated; "" of a single seed.
        learned: from how many seeds it learned, before and after.
        p: of the test against the untreated trainings; "" of a single seed.
        verdict: in a word or two.
        proven: whether it is the cure's trial on fresh seeds.
        plain: whether it does not learn.
    """

    change: str
    before: str
    after: str
    interval: str
    learned: str
    p: str
    verdict: str
    proven: bool
    plain: bool


def headline(diagnosis: Conclusion) -> str:
    """Return the state in words, or what is true of it more exactly."""
    evidence = diagnosis.evidence
    if evidence is not None and diagnosis.gradient is None:
        if diagnosis.state == "nothing to learn" and evidence.facts.step:
            return "X and y are shifted against each other"
        if diagnosis.state == "learns" and not evidence.problem.held_out:
            return "It fits its training rows"
    return STATES[diagnosis.state]


def metric_name(problem: Problem) -> str:
    """Return the metric as people call it."""
    return METRICS[problem.metric]


def in_metric(problem: Problem, gain: float) -> str:
    """Return the metric's value for a gain. R2 is not counted below -1."""
    value = problem.in_metric(gain)
    return "≤ -1" if problem.metric == "r2" and value <= -1 else f"{value:.3f}"


def number(value: float) -> str:
    """Return a loss or a rate in a few digits."""
    return f"{value:.4g}" if math.isfinite(value) else "not finite"


def evidence_rows(evidence: Evidence) -> list[tuple[str, str, str]]:
    """Return what was measured: its name, its value, and what to see it beside."""
    problem = evidence.problem
    name = metric_name(problem)
    rows = [
        (f"{name} reached", in_metric(problem, evidence.gain), _starts(evidence)),
        ("    on the training rows", in_metric(problem, evidence.fit), ""),
        (
            "    that can be reached",
            in_metric(problem, evidence.attainable),
            f"{evidence.learnable.learner} {in_metric(problem, evidence.learnable.gain)}, "
            f"an ordinary network {in_metric(problem, evidence.reach.ordinary.gain)}",
        ),
        ("    of the best linear model", in_metric(problem, evidence.reach.linear.gain), ""),
        ("    of a constant", in_metric(problem, 0.0), "the same answer for every row"),
        ("loss at the end", number(evidence.loss), _end(evidence)),
    ]
    rows += [(f"    floor: {floor.name}", number(floor.loss), floor.predictor) for floor in evidence.floors]
    rows += _rate_rows(evidence)
    rows += _noise_rows(evidence)
    rows.append(
        (
            "a few rows by heart",
            in_metric(problem, evidence.small),
            f"{name} when it has 16 rows all to itself, with Adam and without dropout or penalties",
        )
    )
    if evidence.training_mode is not None:
        counted = in_metric(problem, evidence.training_mode)
        rows.append(("with dropout left on", counted, f"{name} on the training rows, counted as while it trains"))
    noise = evidence.learnable.noise
    if noise is not None:
        learner = evidence.learnable.learner
        beside = f"share of the labels contradicted with confidence by {learner}, from other rows"
        rows.append(("label noise", f"{noise.share:.3f}", f"± {noise.error:.3f}; {beside}"))
    rows += [("loss against metric", "", one.text) for one in evidence.agreement if one.text]
    rows += [("stands out", "", text) for text in outstanding(evidence)]
    rows += [("of the data", "", text) for text in of_the_data(evidence)]
    if evidence.cut:
        rows.append(("shortened", "", shortened(evidence)))
    return rows


def shortened(evidence: Evidence) -> str:
    """Say what was left out to save time; "" for nothing."""
    return f"to save time it was trained here with {evidence.cut}" if evidence.cut else ""


def of_the_data(evidence: Evidence) -> list[str]:
    """Return what to know of the data whatever the network is."""
    facts, names = evidence.facts, evidence.first.run.inputs.feature_names
    lines = []
    if facts.constant:
        lines.append(f"the same number in every row: {_listed([names[j] for j in facts.constant])}")
    if facts.repeated:
        pairs = [f"{names[j]} and {names[k]}" for j, k in facts.repeated]
        lines.append(f"equal but for scale and shift: {_listed(pairs)}")
    if facts.leaking:
        leaking = _listed([names[j] for j in facts.leaking])
        what = "the target itself, but for scale and shift" if evidence.problem.classes is None else "tells the class"
        lines.append(f"{what}: {leaking}; is it known when it is to be predicted?")
    if facts.truncated:
        lines.append("nothing but 0 and a few 1, in many columns only 0: is that x // 255, where x / 255 was meant?")
    if facts.target_spread == 0:
        lines.append("the target is the same in every row")
    if facts.contradictory > 0.01:
        lines.append(f"{facts.contradictory:.0%} of the rows have the same inputs as others with another target")
    if facts.largest_class > 0.8:
        lines.append(f"{facts.largest_class:.0%} of the rows are of one class")
    return lines


def _listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - LISTED_NAMES} more" if len(names) > LISTED_NAMES else ""
    return ", ".join(names[:LISTED_NAMES]) + more


def outstanding(evidence: Evidence) -> list[str]:
    """Return the signals of the layers that an ordinary network does not have."""
    lines = []
    for before, after, moved in zip(evidence.start.layers, evidence.end.layers, evidence.moved, strict=True):
        if after is evidence.end.output:
            after = replace(after, saturated=0.0)  # an output that is sure of itself
        place = f"layer {before.number} ({before.units} {before.activation})"
        lines += [f"{place}: {text}" for text in _outstanding_of(before, after, moved)]
    end = evidence.end
    if end.output_spread < 0.05 * end.target_spread:
        spreads = f"they vary by {number(end.output_spread)}, the targets by {number(end.target_spread)}"
        lines.append(f"the outputs hardly depend on the inputs: {spreads}")
    if end.hidden and end.linear > 0.999 and evidence.reach.linear.gain < evidence.attainable - 0.1:
        lines.append("the trained network is a straight line in its inputs")
    first, last = evidence.start.layers[0], evidence.start.output
    if len(evidence.start.layers) > 1 and first.gradient < 1e-3 * last.gradient:
        sizes = f"{number(first.gradient)} in the first layer, {number(last.gradient)} in the last"
        lines.append(f"the gradient vanishes on its way back: {sizes}")
    return lines


def trial_rows(diagnosis: Conclusion) -> list[TrialRow]:
    """Return the trials that tell most, the best first."""
    proven = diagnosis.proof
    return [_trial_row(diagnosis.measured.problem, trial, trial is proven) for trial in telling_trials(diagnosis)]


def telling_trials(diagnosis: Conclusion) -> list[Trial]:
    """Return at most twelve trials: the cure, the others that learn, and those of the largest effect."""
    proven = diagnosis.proof
    kept = sorted(
        _distinct(diagnosis),
        key=lambda trial: (trial is not proven, not trial.succeeded, -abs(trial.effect)),
    )[:MOST_TRIALS]
    return sorted(kept, key=lambda trial: (trial is not proven, -trial.median))


def left_out(diagnosis: Conclusion) -> str:
    """Say how many trials are not shown, and the best they came to; "" for none."""
    hidden = [trial for trial in _distinct(diagnosis) if trial not in telling_trials(diagnosis)]
    if not hidden:
        return ""
    problem = diagnosis.measured.problem
    best = in_metric(problem, max(trial.median for trial in hidden))
    more = "1 more trial" if len(hidden) == 1 else f"{len(hidden)} more trials"
    return f"{more} came to {metric_name(problem)} {best} at most."


def _distinct(diagnosis: Conclusion) -> list[Trial]:
    """Return the trials, of those of one recipe that with the most seeds."""
    longest: dict[tuple[Recipe, bool], Trial] = {}
    for trial in diagnosis.trials:
        key = (trial.treatment.recipe, trial.fresh)
        if key not in longest or len(trial.after) > len(longest[key].after):
            longest[key] = trial
    return list(longest.values())


def ruled_out(diagnosis: Conclusion) -> tuple[str, ...]:
    """Return what is not the cause, and why, in a few lines."""
    texts = {finding.fault: finding.text for finding in diagnosis.findings}
    lines = tuple(_as_words(line, texts) for line in diagnosis.ruled_out)
    if len(lines) <= MOST_REASONS:
        return lines
    return (*lines[:MOST_REASONS], f"... and {len(lines) - MOST_REASONS} more settings that undoing does not cure")


def caption(diagnosis: Conclusion) -> str:
    """Say in a sentence what the floor picture shows."""
    evidence = diagnosis.measured
    if evidence.diverged:
        return f"The training diverged: {evidence.first.run.failure}."
    whose = "The training loss" if diagnosis.gradient is None else "The training loss of the same network as a recipe"
    ends = f"{whose} ends at {number(evidence.loss)}"
    at = f", at the floor of the {evidence.floor.name}" if evidence.floor is not None else ""
    cured = "; beside it the loss of the cured training" if diagnosis.proof is not None else ""
    return f"{ends}{at}{cured}."


def code_trials(diagnosis: Conclusion) -> tuple[str, ...]:
    """Return what putting each fault of the code right did, in a line each."""
    return tuple(
        f"{trial.text}: loss {number(float(np.median(trial.before)))} -> {number(float(np.median(trial.after)))}, "
        f"{trial.updates:,} updates from {len(trial.after)} starts, p = {trial.p:.2g}: {trial.verdict}"
        for trial in diagnosis.code_trials
    )


def causes(diagnosis: Conclusion) -> list[Finding]:
    """Return the findings that no trial has refuted."""
    return [finding for finding in diagnosis.findings if finding.certainty != "not the cause"]


def _as_words(line: str, texts: Mapping[str, str]) -> str:
    """Take the text of a fault for its kind, where it has one."""
    kind, colon, rest = line.partition(": ")
    if kind in texts:
        return f"{texts[kind]} It is not that: {rest}"
    return f"{kind.replace('_', ' ')}{colon}{rest}"


def _starts(evidence: Evidence) -> str:
    problem = evidence.problem
    gains = [one.gain for one in evidence.untreated]
    where = "on rows held out" if problem.held_out else "on the training rows"
    if len(gains) == 1:
        return where
    learned = round(evidence.successes * len(gains))
    low, high = in_metric(problem, min(gains)), in_metric(problem, max(gains))
    return f"{where}; {low} to {high} from {len(gains)} seeds, {learned or 'none'} of which learned"


def _end(evidence: Evidence) -> str:
    if evidence.diverged:
        return f"it diverged: {evidence.first.run.failure}"
    floor = evidence.floor
    at = f"flat at the floor of the {floor.name}" if floor is not None else "at none of the floors"
    if floor is None and evidence.loss > max(floor.loss for floor in evidence.floors):
        at = "above all floors: a constant would do better"
    fell = evidence.falling
    if fell <= 0.001:
        return at
    scatter = f", in which records scatter by {evidence.fluctuation:.1%}" if evidence.fluctuation > 0.001 else ""
    return f"{at}; it fell by {fell:.1%} over the last fifth of the training{scatter}"


def _rate_rows(evidence: Evidence) -> list[tuple[str, str, str]]:
    rates, used = evidence.rates, rate_of(evidence.recipe)
    if rates is None or used is None:
        return []
    grows = f"; the loss grows above {number(rates.largest_stable)}" if rates.largest_stable < rates.rates[-1] else ""
    after = f"after {rates.updates} updates: {number(rates.start)} -> {number(rates.loss_at(used))}"
    best = f"of {len(rates.rates)} rates {number(rates.best)} does best: {number(min(rates.losses))}"
    return [("learning rate", number(used), f"loss {after}; {best}{grows}")]


def _noise_rows(evidence: Evidence) -> list[tuple[str, str, str]]:
    rows = len(evidence.problem)
    batch = evidence.recipe.rows_per_batch(rows)
    if batch >= rows:
        return []
    start, end = evidence.start.noise_scale, evidence.end.noise_scale
    ratios = " -> ".join(signal_to_noise(batch, scale) for scale in (start, end))
    scales = f"{number_of_rows(start)} -> {number_of_rows(end)}"
    beside = f"signal to noise of the gradient of {batch:,} rows, start -> end; it is 1 with {scales}"
    return [("gradient noise", ratios, beside)]


def layer_table(evidence: Evidence) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return what was measured of each layer, at the start and at the end: the heads of the columns, and the rows."""
    signals = ("z_mean", "z_spread", "rank", "gradient", "penalty", "noise_scale")
    head = ("layer", "at the", "dead", "saturated", *(name.replace("_", " ") for name in signals), "update")
    ratios = evidence.update_ratios or (math.nan,) * len(evidence.start.layers)
    rows = []
    for before, after, ratio in zip(evidence.start.layers, evidence.end.layers, ratios, strict=True):
        update = f"{ratio:.2g}" if math.isfinite(ratio) else ""
        names = (f"{before.number}: {before.units} {before.activation}", "start"), ("", "end")
        for name, one, last in zip(names, (before, after), (update, ""), strict=True):
            numbers = (f"{getattr(one, signal):.3g}" for signal in signals)
            rows.append((*name, f"{one.dead:.0%}", f"{one.saturated:.0%}", *numbers, last))
    return head, rows


def _outstanding_of(before: LayerEvidence, after: LayerEvidence, moved: float) -> list[str]:
    lines = []
    shares = (
        ("dead", "are dead: their slope is zero on every row", 0.3),
        ("saturated", "are saturated: their slope is as good as zero", 0.5),
        ("duplicates", "do the same as another unit", 0.3),
        ("straight", "never change side: on these data they are linear", 0.8),
    )
    for name, words, least in shares:
        first, last = getattr(before, name), getattr(after, name)
        if name in ("duplicates", "straight"):  # dead units are both, and told already
            first, last = first - before.dead, last - after.dead
        if max(first, last) > least:
            lines.append(f"{last:.0%} of the units {words} ({first:.0%} at the start)")
    ratio = before.weights / before.usual if before.usual else 1.0
    if ratio == 0:
        lines.append("its weights start at 0")
    elif not 0.2 < ratio < 5:
        lines.append(f"its weights start {number(ratio)} times as large as is usual")
    if moved < 1e-3:
        lines.append(f"its parameters hardly moved: by {number(moved)} of their size" if moved else "it did not move")
    if after.penalty > 10 * after.gradient and after.penalty > 0:
        lines.append(
            f"the penalty pulls harder than the data: {number(after.penalty)} against {number(after.gradient)}"
        )
    return lines


def _trial_row(problem: Problem, trial: Trial, proven: bool) -> TrialRow:
    low, high = trial.interval
    several = len(trial.after) > 1
    again = ", fresh seeds" if trial.fresh else ""
    learned = [sum(gain >= trial.goal for gain in gains) for gains in (trial.before, trial.after)]
    return TrialRow(
        change=f"{trial.treatment.text or 'an ordinary network'}{again}",
        before=in_metric(problem, float(np.median(trial.before))),
        after=in_metric(problem, trial.median),
        interval=f"{in_metric(problem, low)} to {in_metric(problem, high)}" if several else "",
        learned=f"{learned[0]}/{len(trial.before)} -> {learned[1]}/{len(trial.after)}",
        p=_probability(trial.p) if several else "",
        verdict="the cure" if proven else trial.verdict,
        proven=proven,
        plain=not trial.succeeded,
    )


def _probability(p: float) -> str:
    return f"{p:.1e}" if p < 0.001 else f"{p:.3f}"
