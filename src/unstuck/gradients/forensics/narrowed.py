"""What can be said of a network that was not recognised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.gradients.forensics.arrangement import Arrangement, arrangements
from unstuck.gradients.forensics.candidates import LOSSES, Candidates
from unstuck.gradients.forensics.recognise import predicting
from unstuck.gradients.forensics.recognised import Recognised, described
from unstuck.subjects.handwritten import HandWritten


def narrowed(subject: HandWritten, candidates: Candidates) -> str:
    """Return in words what is known of a network of which no candidate makes the loss; "" where that is nothing."""
    loss = f"your loss is {subject.cost(subject.w):.6g} at the start"
    predicted = predicting(subject, candidates)
    if predicted is not None:
        kind = f"{_named(candidates.loss)}, as declared, is" if candidates.loss else "none of the known losses is"
        return f"{_network(*predicted)} makes your predictions, but {kind} its loss: {loss}"
    if candidates.activations is None:
        return f"no known activations make the declared {_named(candidates.loss)}: {loss}" if candidates.loss else ""
    arranged = arrangements(subject.blocks, subject.data)
    fits = (one for one in arranged if len(one.layers) == len(candidates.activations))
    if (arrangement := next(fits, None)) is None:
        shapes = ", ".join(f"{block.name} {block.shape}" for block in subject.blocks)
        return f"{shapes} are not the arrays of {len(candidates.activations)} layers that take these data"
    losses = [candidates.loss] if candidates.loss else LOSSES
    made = ", ".join(_values(subject, arrangement, candidates.activations, losses))
    return f"{loss}, and that of {_network(arrangement, candidates.activations)}, as declared, is {made}"


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
