"""explain_gradient(): which mistake makes exactly the gradient that somebody has, and what it should be.

    recognise the network          784-300-10, sigmoid, sigmoid; half the squared error ...
    replay known mistakes on it    until one makes the same numbers, to rounding
    else look for relations        with the right gradient: a factor, something left over, another block's

Nothing is said that the numbers do not show: a block for which no known mistake makes exactly its numbers stays
unexplained, with what narrows it down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import SubjectError
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.gradients import remarks
from unstuck.gradients.check import check_gradient
from unstuck.gradients.examining import examining
from unstuck.gradients.forensics.candidates import Candidates, declared
from unstuck.gradients.forensics.explanation import Explanation
from unstuck.gradients.forensics.layers import array_of
from unstuck.gradients.forensics.lines import backward_pass
from unstuck.gradients.forensics.mistakes import fewest_mistakes
from unstuck.gradients.forensics.narrowed import narrowed
from unstuck.gradients.forensics.of_relations import mistakes_of
from unstuck.gradients.forensics.recognise import recognise
from unstuck.gradients.forensics.recognised import Recognised
from unstuck.gradients.forensics.relations import Relation, relation
from unstuck.gradients.forensics.replay import Replay
from unstuck.gradients.numeric import slope
from unstuck.gradients.probes import probe
from unstuck.gradients.rows import with_few_rows
from unstuck.subjects.handwritten import HandWritten
from unstuck.subjects.layout import Block

TOLERANCE = 1e-6
"""Of a gradient's difference from the recognised network's, relative to its norm."""
ROUNDING = 1e-11
"""What rounding leaves of it; more is wrong where a known mistake explains it."""
MOST_NUMERIC = 600
"""Parameters of a network that was not recognised, up to which all numeric derivatives are taken."""
POINTS = 3


def explain_gradient(
    subject: HandWritten, activations: Sequence[Activation | str] | None = None, loss: Loss | str | None = None
) -> Explanation:
    """Name the mistakes that make exactly the gradient of a subject.

    Args:
        subject: with loss, gradient and data (X, y). Where it has predict, that helps to recognise the network.
        activations: of every layer, or their kinds: then no others are tried. None finds them.
        loss: or its kind: then no other is tried. Its reduction and factor are found in any case. None finds it.

    Raises:
        SubjectError: when it has no gradient, or that is not finite at the start; when an activation or loss is
            unknown, or there is not one activation for each layer.

    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    >>> def loss(p, X, Y):
    ...     return np.mean((np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] - Y) ** 2)
    >>> def gradient(p, X, Y):
    ...     a = np.tanh(X @ p["W1"] + p["b1"])
    ...     delta = 2 * (a @ p["W2"] - Y) / Y.size
    ...     below = delta @ p["W2"].T
    ...     return {"W1": X.T @ (below * (1 - a**2)), "b1": below.sum(axis=0), "W2": a.T @ delta}
    >>> start = {"W1": rng.normal(size=(3, 5)), "b1": np.zeros(5), "W2": rng.normal(size=(5, 2))}
    >>> said = explain_gradient(HandWritten(start, loss=loss, gradient=gradient, data=(X, Y)))
    >>> [mistake.text for mistake in said.mistakes]
    ['layer 1, in the biases: the derivative of the tanh is left out']
    """
    candidates = declared(activations, loss)
    with examining(subject):
        probes = probe(subject, subject.w, calls=0)
        if probes.obstacle:
            return Explanation(None, (), (), (), (), obstacle=" ".join(probes.notes))
        said = _of_flat_loss if probes.flat else _explained
        return replace(said(with_few_rows(probes.subject, _works), candidates), notes=probes.notes)


def _of_flat_loss(subject: HandWritten, candidates: Candidates) -> Explanation:
    """Where the loss has no slope anything but zero is wrong, and no mistake's: it is the loss that is at fault."""
    g = subject.gradient(subject.w)
    wrong = tuple(block.name for block in subject.blocks if block.of(g).any())
    return Explanation(None, wrong, (), (), (), narrowed=narrowed(subject, candidates))


def _explained(subject: HandWritten, candidates: Candidates) -> Explanation:
    if not np.isfinite(subject.gradient(subject.w)).all():
        raise SubjectError("your gradient is not finite at the start: nothing can be compared with it")
    network = recognise(subject, candidates)
    if network is None:
        said = _unrecognised(subject)
        if said.wrong and not subject.data:
            said = replace(said, evidence=(*said.evidence, remarks.no_data()))
        return replace(said, narrowed=narrowed(subject, candidates))
    readings = [_recognised(subject, one) for one in _readings(network)]
    best = min(readings, key=lambda said: (len(said.unexplained), len(said.wrong), len(said.mistakes)))
    if best.right and not readings[0].right:
        left_out = f"but for the {getattr(network.loss, 'added', 0.0):g} added in the logarithm, which it leaves out"
        best = replace(best, evidence=(left_out,))
    return replace(best, recognised=network)


def _readings(network: Recognised) -> list[Recognised]:
    """Return the network as it is, and as its gradient is mostly written."""
    plain = network.without_additions()
    return [network] if plain is network else [network, plain]


def _works(subject: HandWritten) -> bool:
    subject.gradient(subject.w)
    return bool(np.isfinite(subject.cost(subject.w)))


def _recognised(subject: HandWritten, network: Recognised) -> Explanation:
    replay = Replay(network, subject.gradient, subject.w)
    arrangement = network.arrangement
    blocks = sorted(arrangement.blocks, key=lambda block: block.part.start)
    measured = Measured(blocks, replay.points, replay.given, [network.gradient(w) for w in replay.points])
    wrong = measured.wrong(TOLERANCE)
    slightly = measured.wrong(ROUNDING)
    if not slightly:
        return Explanation(network, (), (), (), ())
    found = replay.explain()
    mistakes = fewest_mistakes(network, found)
    spoilt = {name for mistake in mistakes for name in mistake.blocks}
    wrong = [block for block in blocks if block in wrong or (block in slightly and block.name in spoilt)]
    if not wrong:
        return Explanation(network, (), (), (), ())
    explained = {one.block for one in found.explained}
    related, remarks = measured.related([block for block in wrong if block.name not in explained])
    mistakes += mistakes_of(related, blocks, arrangement.number_of)
    wrong, remarks = _without_doubt(subject, wrong, remarks)
    return Explanation(
        network,
        arrangement.arrays([block.name for block in wrong]),
        tuple(replace(mistake, blocks=arrangement.arrays(mistake.blocks)) for mistake in mistakes),
        arrangement.arrays(list(remarks)),
        tuple(remarks.values()),
        tuple(backward_pass(network)) if wrong else (),
    )


def _unrecognised(subject: HandWritten) -> Explanation:
    """Compare with numeric derivatives, all of them where there are few."""
    if subject.w.size > MOST_NUMERIC:
        judged = check_gradient(subject)
        names = tuple(block.name for block in judged.blocks if block.verdict == "WRONG")
        evidence = (f"{subject.w.size:,} parameters are too many to compare the gradient with all numeric derivatives",)
        obstacle = " ".join(judged.notes) or "its gradient cannot be checked" if judged.verdict == "?" else ""
        return Explanation(None, names, (), names, evidence if names else (), obstacle=obstacle)
    random = np.random.default_rng(0)
    size = float(np.sqrt(np.mean(subject.w**2))) / 4 or 0.1
    points = [subject.w + size * random.normal(size=subject.w.shape) for _ in range(POINTS)]
    given = [subject.gradient(w) for w in points]
    right = [np.nan_to_num(_numeric(subject, w)) for w in points]
    measured = Measured(subject.blocks, points, given, right)
    wrong = measured.wrong(TOLERANCE)
    related, remarks = measured.related(wrong)
    wrong, remarks = _without_doubt(subject, wrong, remarks)
    mistakes = tuple(mistakes_of(related, subject.blocks, lambda name: 0))
    names = tuple(block.name for block in wrong)
    return Explanation(None, names, mistakes, tuple(remarks), tuple(remarks.values()))


def _without_doubt(
    subject: HandWritten, wrong: list[Block], remarks: dict[str, str]
) -> tuple[list[Block], dict[str, str]]:
    """Return the wrong blocks, and what is known of those unexplained, but for those that check_gradient doubts."""
    if not remarks:
        return wrong, remarks
    judged = {block.name: block.verdict == "WRONG" for block in check_gradient(subject).blocks}
    kept = [block for block in wrong if block.name not in remarks or judged[array_of(block).name]]
    return kept, {block.name: remarks[block.name] for block in kept if block.name in remarks}


@dataclass(frozen=True)
class Measured:
    """The gradient given, and the right one, at some points."""

    blocks: Sequence[Block]
    points: Sequence[Array]
    given: Sequence[Array]
    right: Sequence[Array]

    def wrong(self, tolerance: float) -> list[Block]:
        """Return the blocks that differ by more, relative to their norm."""
        return [block for block in self.blocks if _differ(*self._of(block), tolerance)]

    def related(self, wrong: Sequence[Block]) -> tuple[list[Relation], dict[str, str]]:
        """Return the relations of wrong blocks with the right gradient, and by name what is known of the others."""
        found: list[Relation] = []
        remarks: dict[str, str] = {}
        for block in wrong:
            one = relation(block, self.blocks, self.points, self.given, self.right)
            if one is not None:
                found.append(one)
            else:
                remarks[block.name] = _evidence(block.name, *self._of(block))
        return found, remarks

    def _of(self, block: Block) -> tuple[Array, Array]:
        g, G = (
            np.concatenate([block.of(vector).ravel() for vector in vectors]) for vectors in (self.given, self.right)
        )
        return g, G


def _numeric(subject: HandWritten, w: Array) -> Array:
    def along(place: int) -> float:
        def moved(t: float) -> float:
            there = w.copy()
            there[place] += t
            return subject.cost(there)

        return slope(moved).value

    return np.array([along(place) for place in range(len(w))])


def _differ(g: Array, G: Array, tolerance: float) -> bool:
    return bool(np.linalg.norm(g - G) > tolerance * max(float(np.linalg.norm(g)), float(np.linalg.norm(G)), 1e-12))


def _evidence(name: str, g: Array, G: Array) -> str:
    norms = float(np.linalg.norm(g)), float(np.linalg.norm(G))
    if not norms[1]:
        return f"{name}: the loss has no slope there, and your gradient has the length {norms[0]:.3g}"
    cosine = float(g @ G) / (norms[0] * norms[1]) if norms[0] else 0.0
    wrong = np.abs(g - G) > TOLERANCE * (np.abs(G) + np.abs(G).max())
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return (
        f"{name}: {wrong.mean():.0%} of its entries are wrong; it points {angle:.0f}° away from the right "
        f"gradient and is {norms[0] / norms[1]:.3g} times as long"
    )
