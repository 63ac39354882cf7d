"""The network behind a person's predictions, whatever their loss makes of them.

A loss that is wrong in itself hides the network from the forensics, which go by the loss. Predictions do not: for every
arrangement of the arrays and every choice of activations the outputs are computed, and one that gives the predictions
at several points is the network. Outputs that kill the gradient, or share it over the batch, are among the choices;
each stands beside the one that was meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from unstuck.arrays import Array
from unstuck.functions.activations import Activation, Identity, Sigmoid, Softmax
from unstuck.functions.losses import BinaryCrossEntropy, CategoricalCrossEntropy, Loss, SquaredError
from unstuck.gradients.forensics.arrangement import arrangements
from unstuck.gradients.forensics.candidates import HIDDEN, OUTPUT
from unstuck.gradients.forensics.layers import Arrangement
from unstuck.gradients.forensics.recognised import Recognised
from unstuck.subjects.handwritten import HandWritten

TOLERANCE = 1e-7
MOST_ARRANGEMENTS = 6


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """A network that makes the predictions.

    Attributes:
        network: with the output that was meant, and the loss that goes with it, averaged over the rows.
        output: what the person's last layer does, in words: "softmax", "softmax over the rows", "clipped to 0 ... 1".
        mended: whether the output that was meant is another.
    """

    network: Recognised
    output: str
    mended: bool


def forward_pass(subject: HandWritten, points: Sequence[Array], predictions: Sequence[Array]) -> ForwardPass | None:
    """Return the network that predicts this at these points, None where none of those known does."""
    if len(subject.data) < 2:
        return None
    for place, arrangement in enumerate(arrangements(subject.blocks, subject.data[:2])):
        if place == MOST_ARRANGEMENTS:
            break
        n, o = arrangement.Y.shape
        for hidden in HIDDEN if len(arrangement.layers) > 1 else (Identity(),):
            activations = (hidden,) * (len(arrangement.layers) - 1)
            linear = Recognised(arrangement, (*activations, Identity()), SquaredError(outputs="sum"), 1.0)
            zs = [linear.forward(w)[-1][2] for w in points]
            for name, value, meant, mended in _outputs(arrangement, zs, predictions):
                if all(_is(value(z), A, n, o) for z, A in zip(zs, predictions, strict=True)):
                    loss, scale = proper_loss(meant, n, o)
                    return ForwardPass(Recognised(arrangement, (*activations, meant), loss, scale), name, mended)
    return None


def proper_loss(f: Activation, n: int, o: int) -> tuple[Loss, float]:
    """Return the loss that goes with an output activation, summed, and the factor that makes it a mean."""
    if isinstance(f, Softmax):
        return CategoricalCrossEntropy(), 1 / n
    if isinstance(f, Sigmoid):
        return BinaryCrossEntropy(outputs="sum"), 1 / (n * o)
    return SquaredError(outputs="sum"), 1 / (n * o)


Output = tuple[str, Callable[[Array], Array], Activation, bool]


def _outputs(arrangement: Arrangement, zs: Sequence[Array], predictions: Sequence[Array]) -> Iterator[Output]:
    """Yield name, function, the activation that was meant, and whether that is another."""
    for f in OUTPUT:
        yield f.kind, f.value, f, False
    Y = arrangement.Y
    meant: Activation = Identity()
    if np.isin(Y, (0, 1)).all():
        meant = Softmax() if Y.shape[1] > 1 and (Y.sum(axis=1) == 1).all() else Sigmoid()
    low, high = (float(end(list(map(end, predictions)))) for end in (np.min, np.max))
    if Y.shape[1] > 1:
        yield "softmax over the rows", _softmax_over_rows, Softmax(), True
        yield "the largest output", lambda z: z.argmax(axis=1)[:, None], meant, True
    yield f"clipped to {low:g} ... {high:g}", lambda z: np.clip(z, low, high), meant, True
    yield "rounded", np.round, meant, True
    yield "rounded", lambda z: np.round(Sigmoid().value(z)), meant, True


def _softmax_over_rows(z: Array) -> Array:
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


def _is(made: Array, predictions: Array, n: int, o: int) -> bool:
    if made.shape[1] != o and predictions.size != n:
        return False
    given = predictions.T if predictions.shape == (o, n) and o > 1 and n != o else predictions
    if given.size != made.size:
        return False
    size = float(np.abs(made).max()) or 1.0
    return bool(np.abs(made - given.reshape(made.shape)).max() <= TOLERANCE * size)
