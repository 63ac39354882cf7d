"""What network a person's functions are: activations, loss, reduction and penalty that reproduce the loss to rounding.

The loss is called at some points w_k around the start. For every choice of activations and loss function the candidate

    L(w) = alpha sum_r l_r(w) + beta sum W^2 + gamma sum b^2 + beta' sum |W| + gamma' sum |b| + beta'' sum W + ...

is linear in what is unknown of it, so its coefficients are fitted, and a candidate is believed when nothing but
rounding is left over. alpha then tells the reduction (1/n, 1/2n, 1/no, ...), the rest the penalty. A term whose absence
the numbers do not show is left out.
"""

from __future__ import annotations

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import SubjectError
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.gradients.forensics.arrangement import arrangements
from unstuck.gradients.forensics.candidates import Candidates
from unstuck.gradients.forensics.dropout import with_drawn_masks
from unstuck.gradients.forensics.layers import Arrangement
from unstuck.gradients.forensics.recognised import TERMS, Recognised
from unstuck.gradients.forensics.screen import Screen
from unstuck.gradients.forensics.theirs import Theirs
from unstuck.subjects.handwritten import HandWritten

NOTHING = 1e-13
"""A term that is no more of the loss is rounding."""
MOST_ORDERS = 4
"""Arrangements of a person's arrays that are tried with hidden layers of different activations."""


def recognise(subject: HandWritten, candidates: Candidates | None = None) -> Recognised | None:
    """Return a network that computes the subject's loss, or None where none of the candidates does.

    Raises:
        SubjectError: when other than one activation for each layer was declared.
    """
    with np.errstate(all="ignore"):
        theirs = Theirs(subject)
        usual_first = screens(theirs, candidates or Candidates())
        for by_predictions in (True, False) if theirs.predictions is not None else (False,):
            for alike, tried in ((True, usual_first), (False, usual_first[:MOST_ORDERS])):
                for screen in tried:
                    for activations, loss in screen.passing(alike, by_predictions):
                        found = _fitted(screen.arrangement, activations, loss, theirs)
                        if found is not None:
                            return found
    return None


def predicting(theirs: Theirs, candidates: Candidates) -> tuple[Arrangement, tuple[Activation, ...]] | None:
    """Return a network that makes the person's predictions, if there is one, whatever its loss."""
    with np.errstate(all="ignore"):
        if theirs.predictions is None:
            return None
        for alike in (True, False):
            for screen in screens(theirs, candidates)[: None if alike else MOST_ORDERS]:
                for activations, _ in screen.forward(alike, by_predictions=True):
                    return screen.arrangement, activations
    return None


def screens(theirs: Theirs, candidates: Candidates) -> list[Screen]:
    """Return a screen for each arrangement of the person's arrays, the most usual first."""
    arranged = list(arrangements(theirs.subject.blocks, theirs.subject.data))
    counts = sorted({len(arrangement.layers) for arrangement in arranged})
    if candidates.activations is not None and counts and len(candidates.activations) not in counts:
        raise SubjectError(
            f"declared activations: {len(candidates.activations)}; layers that your arrays make: "
            f"{' or '.join(map(str, counts))}; give one activation for each layer, the output's last"
        )
    if theirs.seed is not None and len(theirs.subject.data) < 3:
        arranged += [dropping for plain in list(arranged) for dropping in with_drawn_masks(plain, theirs.seed)]
    return [Screen(arrangement, theirs, candidates) for arrangement in arranged]


def _fitted(
    arrangement: Arrangement, activations: tuple[Activation, ...], loss: Loss, theirs: Theirs
) -> Recognised | None:
    """Return the network with its scale and penalty, if it reproduces the losses."""
    candidate, points, losses = Recognised(arrangement, activations, loss, 1.0), theirs.points, theirs.losses
    sums = np.array([loss.per_row(arrangement.Y, candidate.forward(w)[-1][2]).sum() for w in points])
    penalties = np.array([[_term(arrangement, term, w) for term in TERMS] for w in points])
    usable = np.isfinite(losses) & np.isfinite(sums)
    if usable.sum() <= len(TERMS) + 2:
        return None
    fitted = _coefficients(np.column_stack([sums, penalties])[usable], losses[usable], theirs.tolerance)
    if fitted is None or not fitted[0][0]:
        return None
    c, left_over = fitted
    penalty = {term: float(value) for term, value in zip(TERMS, c[1:], strict=True) if value}
    return Recognised(arrangement, activations, loss, float(c[0]), penalty, left_over)


def _term(arrangement: Arrangement, term: str, w: Array) -> float:
    on_biases, value, _ = TERMS[term]
    parts = [layer.biases(w) if on_biases else layer.weights(w) for layer in arrangement.layers]
    return sum(map(value, parts))


def _coefficients(F: Array, losses: Array, tolerance: float) -> tuple[Array, float] | None:
    """Return c with F c = losses to rounding, as many of them zero as the numbers allow, and what is left over."""
    if not np.isfinite(F).all():
        return None
    size = np.abs(losses).max()
    norms = np.linalg.norm(F, axis=0)
    columns = [k for k in range(F.shape[1]) if norms[k] > 0]

    def fit(chosen: list[int]) -> tuple[Array, float]:
        c, *_ = np.linalg.lstsq(F[:, chosen] / norms[chosen], losses, rcond=None)
        return c / norms[chosen], float(np.abs(F[:, chosen] @ (c / norms[chosen]) - losses).max()) / size

    c, left_over = fit(columns)
    if left_over > tolerance or columns[0] != 0:
        return None
    floor = max(8 * left_over, 4e-15)
    for k in reversed(columns[1:]):  # the rarest term first
        fewer = [column for column in columns if column != k]
        share = abs(fit(columns)[0][columns.index(k)]) * np.abs(F[:, k]).max() / size
        if share <= NOTHING or fit(fewer)[1] <= floor:
            columns = fewer
    c, left_over = fit(columns)
    found = np.zeros(F.shape[1])
    found[columns] = c
    return found, left_over
