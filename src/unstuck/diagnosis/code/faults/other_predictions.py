"""Predictions that are not those of the network whose loss is minimised: it may learn, and they do not show it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.diagnosis.code.equivalent import with_all_rows
from unstuck.diagnosis.code.evidence import CodeEvidence
from unstuck.diagnosis.code.faults import evaluation_mode
from unstuck.diagnosis.code.score import Score
from unstuck.diagnosis.finding import Finding, Fix

EQUAL = 1e-9
"""Differences below this share of the outputs' spread are rounding."""
OFTEN = 0.1
"""From this share of rows on."""


def examine(evidence: CodeEvidence) -> Finding | None:
    """Compare them with the outputs of the network of the loss, by rank or by class.

    Any increasing function of the outputs is one of them: logits, probabilities, labels, targets in their own units.
    """
    recognised = evidence.recognised
    if recognised is None or not evidence.predicts:
        return None
    network = with_all_rows(recognised, evidence.subject)
    plain = replace(network, arrangement=replace(network.arrangement, dropped=()))
    points = [evidence.subject.w, *evidence.points]
    made = [plain.forward(w)[-1][2] for w in points]
    given = [evidence.outputs(w) for w in points]
    classes = Score(plain.arrangement.Y).metric == "accuracy"
    apart = _of_one(made, given, classes) if made[0].shape[1] == 1 else _of_several(made, given)
    if apart < OFTEN or evaluation_mode.examine(evidence) is not None:
        return None
    numbers = [f"for {apart:.0%} of the rows they say another than the outputs that the loss is computed from"]
    if all(np.array_equal(one, given[0]) for one in given):
        numbers.append(f"they are the same at {len(points)} points far apart, where the outputs are not")
    return Finding(
        "other_predictions",
        "The predictions are not those of the network whose loss is minimised: however well it learns, they do not "
        "show it.",
        tuple(numbers),
        suspicion=0.9,
        fixes=(Fix("predict with the same way forward, the same parameters and inputs as the loss"),),
    )


def _of_one(made: list[Array], given: list[Array], classes: bool) -> float:
    """Return the share of rows whose predictions are out of order; 0 where they are an increasing function.

    Labels that are the same for all rows, with outputs on both sides of the middle, tell no class from another.
    """
    if any(A.size != Z.size for A, Z in zip(given, made, strict=True)):
        return 0.0
    labels = classes and len(np.unique(np.concatenate([A.ravel() for A in given]))) <= 2
    if labels:
        outputs = np.concatenate([Z.ravel() for Z in made])
        middle = 0.5 if outputs.min() >= 0 else 0.0
        share = float(np.mean(outputs > middle))
        if all(np.ptp(A) == 0 for A in given):
            return min(share, 1 - share)
    return max(_out_of_order(Z.ravel(), A.ravel()) for Z, A in zip(made, given, strict=True))


def _out_of_order(outputs: Array, predictions: Array) -> float:
    """Return (1 - Spearman's correlation) / 2, 0 where one is an increasing function of the other."""
    if not np.isfinite(outputs).all() or np.ptp(outputs) == 0:
        return 0.0
    ordered = predictions[np.argsort(outputs, kind="stable")]
    if (np.diff(ordered) >= -EQUAL * max(np.ptp(ordered), EQUAL * np.abs(ordered).max())).all():
        return 0.0
    from scipy.stats import spearmanr

    return float(1 - spearmanr(outputs, predictions).statistic) / 2


def _of_several(made: list[Array], given: list[Array]) -> float:
    """Return the share of rows with another largest output, or with labels that do not go with it."""
    n, o = made[0].shape
    clear = np.concatenate([_clear(Z) for Z in made])
    chosen = np.concatenate([Z.argmax(axis=1) for Z in made])[clear]
    if not len(chosen):
        return 0.0
    if all(A.size == n for A in given):
        return _unmatched(chosen, np.concatenate([A.ravel() for A in given])[clear])
    if any(A.shape not in ((n, o), (o, n)) for A in given):
        return 0.0
    said = [A if A.shape == (n, o) else A.T for A in given]
    of_columns = max(_out_of_order(Z[:, k], A[:, k]) for Z, A in zip(made, said, strict=True) for k in range(o))
    of_largest = float(np.mean(np.concatenate([A.argmax(axis=1) for A in said])[clear] != chosen))
    return min(of_columns, of_largest)


def _unmatched(chosen: Array, labels: Array) -> float:
    """Return the share of rows outside the best one-to-one matching of classes to labels."""
    from scipy.optimize import linear_sum_assignment
    from scipy.stats.contingency import crosstab

    table = crosstab(chosen, labels).count
    return 1 - float(table[linear_sum_assignment(table, maximize=True)].sum()) / len(chosen)


def _clear(Z: Array) -> npt.NDArray[np.bool_]:
    """Tell which rows have a largest output by more than rounding."""
    second, first = np.sort(Z, axis=1)[:, -2:].T
    clear: npt.NDArray[np.bool_] = first - second > EQUAL * max(float(np.abs(Z).max()), EQUAL)
    return clear
