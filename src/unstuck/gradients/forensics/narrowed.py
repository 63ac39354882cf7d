"""What can be said of a network that was not recognised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.gradients.forensics.arrangement import arrangements
from unstuck.gradients.forensics.candidates import LOSSES, Candidates
from unstuck.gradients.forensics.layers import Arrangement
from unstuck.gradients.forensics.recognise import predicting
from unstuck.gradients.forensics.recognised import Recognised, described
from unstuck.gradients.forensics.theirs import Theirs
from unstuck.subjects.handwritten import HandWritten


def narrowed(subject: HandWritten, candidates: Candidates) -> str:
    """Return in words what is known of a network of which no candidate makes the loss; "" where that is nothing."""
    theirs = Theirs(subject)
    known = [_of_network(theirs, candidates)]
    if theirs.seed is not None:
        known.append("a dropout mask that your functions are given, as a third part of data, would be recognised")
    return "; ".join(filter(None, known))


def _of_network(theirs: Theirs, candidates: Candidates) -> str:
    subject = theirs.subject
    loss = f"your loss is {subject.cost(subject.w):.6g} at the start"
    predicted = predicting(theirs, candidates)
    if candidates.activations is None:
        which = f"the declared {_named(candidates.loss)} is not" if candidates.loss else "none of the known losses is"
        if predicted is not None:
            return f"{_network(*predicted)} makes your predictions, but {which} its loss: {loss}"
        return f"no known activations make the declared {_named(candidates.loss)}: {loss}" if candidates.loss else ""
    arranged = arrangements(subject.blocks, subject.data)
    fits = next((one for one in arranged if len(one.layers) == len(candidates.activations)), None)
    if fits is None:
        shapes = ", ".join(f"{block.name} {block.shape}" for block in subject.blocks)
        return f"{shapes} do not follow each other as layers that take these data, one for each declared activation"
    arrangement, which = (fits, "") if predicted is None else (predicted[0], ", which makes your predictions")
    losses = [candidates.loss] if candidates.loss else LOSSES
    made = ", ".join(_values(subject, arrangement, candidates.activations, losses))
    return f"{loss}, and that of {_network(arrangement, candidates.activations)}, as declared{which}, is {made}"


def _values(
    subject: HandWritten, arrangement: Arrangement, activations: tuple[Activation, ...], losses: Sequence[Loss]
) -> Iterator[str]:
    """Yield the losses that a declared network has at the start."""
    n, o = arrangement.Y.shape
    for loss in losses:
        outputs = Recognised(arrangement, activations, loss, 1.0).forward(subject.w)[-1][2]
        total = float(loss.per_row(arrangement.Y, outputs).sum())
        if np.isfinite(total):
            of_outputs = f" ({total / n / o:.6g} over the outputs too)" if o > 1 else ""
            yield f"{total / n:.6g} for the {_named(loss)} averaged over the rows{of_outputs}"


def _named(loss: Loss) -> str:
    return loss.kind.replace("_", " ")


def _network(arrangement: Arrangement, activations: tuple[Activation, ...]) -> str:
    return f"{'-'.join(map(str, arrangement.widths))}, {', '.join(map(described, activations))}"
