"""explain_gradient(): which mistake makes exactly the gradient that somebody has, and what it should be.

    recognise the network          784-300-10, sigmoid, sigmoid; half the squared error ...
    replay known mistakes on it    until one makes the same numbers, to rounding
    else look for relations        with the right gradient: a factor, something left over, another block's

Nothing is said that the numbers do not show: a block for which no known mistake makes exactly its numbers stays
unexplained, with what narrows it down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import SubjectError
from unstuck.gradients.check import check_gradient
from unstuck.gradients.forensics.explanation import Explanation
from unstuck.gradients.forensics.lines import backward_pass
from unstuck.gradients.forensics.mistakes import Mistake, fewest_mistakes, of_relation
from unstuck.gradients.forensics.recognise import recognise
from unstuck.gradients.forensics.recognised import Recognised
from unstuck.gradients.forensics.relations import relation
from unstuck.gradients.forensics.replay import Replay
from unstuck.gradients.numeric import slope
from unstuck.gradients.probes import probe, random_numbers_kept, rows_of
from unstuck.subjects.handwritten import HandWritten
from unstuck.subjects.layout import Block

TOLERANCE = 1e-6
"""Of a gradient's difference from the recognised network's, relative to its norm."""
ROUNDING = 1e-11
"""What rounding leaves of it; more is wrong where a known mistake explains it."""
MOST_ROWS = 200
MOST_NUMERIC = 600
"""Parameters of a network that was not recognised, up to which all numeric derivatives are taken."""
POINTS = 3


def explain_gradient(subject: HandWritten) -> Explanation:
    """Name the mistakes that make exactly the gradient of a subject.

    Args:
        subject: with loss, gradient and data (X, y).

    Raises:
        SubjectError: when it has no gradient, or that is not finite at the start.

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
    with random_numbers_kept(), np.errstate(all="ignore"):
        probes = probe(subject, subject.w, calls=0)
        if probes.obstacle:
            return Explanation(None, (), (), (), (), obstacle=" ".join(probes.notes))
        subject = _with_some_rows(probes.subject)
        if not np.isfinite(subject.gradient(subject.w)).all():
            raise SubjectError("your gradient is not finite at the start: nothing can be compared with it")
        network = recognise(subject)
        if network is None:
            return _unrecognised(subject)
        readings = [_recognised(subject, one) for one in _readings(network)]
        best = min(readings, key=lambda said: (len(said.unexplained), len(said.wrong), len(said.mistakes)))
        if best.right and not readings[0].right:
            left_out = (
                f"but for the {getattr(network.loss, 'added', 0.0):g} added in the logarithm, which it leaves out"
            )
            best = replace(best, evidence=(left_out,))
        return replace(best, recognised=network)


def _readings(network: Recognised) -> list[Recognised]:
    """Return the network as it is, and as its gradient is mostly written."""
    plain = network.without_additions()
    return [network] if plain is network else [network, plain]


def _with_some_rows(subject: HandWritten) -> HandWritten:
    """Return the subject with fewer rows, where there are many and its functions take them."""
    cut = rows_of(subject.data)
    if cut is None or cut.rows <= MOST_ROWS:
        return subject
    smaller = subject.with_data(cut.spread(MOST_ROWS))
    try:
        smaller.gradient(smaller.w)
        return smaller if np.isfinite(smaller.cost(smaller.w)) else subject
    except SubjectError:
        return subject


def _recognised(subject: HandWritten, network: Recognised) -> Explanation:
    replay = Replay(network, subject.gradient, subject.w)
    right = [network.gradient(w) for w in replay.points]
    wrong = [block for block in subject.blocks if _differ(block, replay.given, right, TOLERANCE)]
    slightly = [block for block in subject.blocks if _differ(block, replay.given, right, ROUNDING)]
    if not slightly:
        return Explanation(network, (), (), (), ())
    found = replay.explain()
    mistakes = fewest_mistakes(network, found)
    spoilt = {name for mistake in mistakes for name in mistake.blocks}
    wrong = [block for block in subject.blocks if block in wrong or (block in slightly and block.name in spoilt)]
    if not wrong:
        return Explanation(network, (), (), (), ())
    explained = {one.block for one in found.explained}
    unexplained: list[str] = []
    evidence: list[str] = []
    for block in wrong:
        if block.name in explained:
            continue
        related = relation(block, subject.blocks, replay.points, replay.given, right)
        if related is not None:
            mistakes.append(of_relation(related, _layer_of(network, block)))
        else:
            unexplained.append(block.name)
            evidence.append(_evidence(block, replay.given, right))
    if unexplained:
        judged = {block.name: block.verdict for block in check_gradient(subject).blocks}
        wrong = [block for block in wrong if block.name not in unexplained or judged[block.name] == "WRONG"]
        kept = [judged[name] == "WRONG" for name in unexplained]
        unexplained, evidence = list(compress(unexplained, kept)), list(compress(evidence, kept))
    lines = tuple(backward_pass(network)) if wrong else ()
    names = tuple(block.name for block in wrong)
    return Explanation(network, names, tuple(mistakes), tuple(unexplained), tuple(evidence), lines)


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
    wrong = [block for block in subject.blocks if _differ(block, given, right, TOLERANCE)]
    mistakes: list[Mistake] = []
    unexplained: list[str] = []
    remarks: list[str] = []
    for block in wrong:
        related = relation(block, subject.blocks, points, given, right)
        if related is None:
            unexplained.append(block.name)
            remarks.append(_evidence(block, given, right))
        else:
            mistakes.append(of_relation(related, 0))
    names = tuple(block.name for block in wrong)
    return Explanation(None, names, tuple(mistakes), tuple(unexplained), tuple(remarks))


def _numeric(subject: HandWritten, w: Array) -> Array:
    def along(place: int) -> float:
        def moved(t: float) -> float:
            there = w.copy()
            there[place] += t
            return subject.cost(there)

        return slope(moved).value

    return np.array([along(place) for place in range(len(w))])


def _differ(block: Block, given: Sequence[Array], right: Sequence[Array], tolerance: float) -> bool:
    g, G = (np.concatenate([vector[block.part] for vector in vectors]) for vectors in (given, right))
    return bool(np.linalg.norm(g - G) > tolerance * max(float(np.linalg.norm(g)), float(np.linalg.norm(G)), 1e-12))


def _layer_of(network: Recognised, block: Block) -> int:
    layers = network.arrangement.layers
    return next(k for k, layer in enumerate(layers, start=1) if block in (layer.W, layer.b))


def _evidence(block: Block, given: Sequence[Array], right: Sequence[Array]) -> str:
    g, G = (np.concatenate([vector[block.part] for vector in vectors]) for vectors in (given, right))
    norms = float(np.linalg.norm(g)), float(np.linalg.norm(G))
    cosine = float(g @ G) / (norms[0] * norms[1]) if all(norms) else 0.0
    wrong = np.abs(g - G) > TOLERANCE * (np.abs(G) + np.abs(G).max())
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    length = norms[0] / norms[1] if norms[1] else np.inf
    return (
        f"{block.name}: {wrong.mean():.0%} of its entries are wrong; it points {angle:.0f}° away from the right "
        f"gradient and is {length:.3g} times as long"
    )
