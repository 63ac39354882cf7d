"""explain_gradient(): which mistake makes exactly the gradient that somebody has, and what it should be.

    recognise the network          784-300-10, sigmoid, sigmoid; half the squared error ...
    replay known mistakes on it    until one makes the same numbers, to rounding
    else look for relations        with the right gradient: a factor, something left over, another block's

Nothing is said that the numbers do not show: a block for which no known mistake makes exactly its numbers stays
unexplained, with what narrows it down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import compress
from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import SubjectError
from unstuck.functions.losses import SquaredError
from unstuck.functions.pairs import sensible_pair
from unstuck.gradients.check import check_gradient
from unstuck.gradients.forensics.lines import backward_pass
from unstuck.gradients.forensics.recognise import Recognised, described, recognise
from unstuck.gradients.forensics.relations import Relation, relation
from unstuck.gradients.forensics.replay import Candidate, Explained, Replay
from unstuck.gradients.forensics.variants import SENTENCES
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
NEGLIGIBLE = 1e-13
"""What rounding may leave of a factor of the penalty that is zero."""


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes:
        kind: its name in the catalogue.
        layer: the number of the layer it is made in, from 1; 0 where it concerns all.
        blocks: the blocks whose gradient it spoils.
        text: what is wrong, in a sentence.
    """

    kind: str
    layer: int
    blocks: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Explanation:
    """What is known about a gradient; `print` shows it.

    Attributes:
        recognised: the network, or None.
        wrong: the blocks that are wrong.
        mistakes: that make exactly the numbers given.
        unexplained: the wrong blocks for which no known mistake does.
        evidence: what narrows those down.
        lines: the right backward pass, where the network was recognised.
        obstacle: why nothing can be said, or "".
    """

    recognised: Recognised | None
    wrong: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    unexplained: tuple[str, ...]
    evidence: tuple[str, ...]
    lines: tuple[str, ...] = ()
    obstacle: str = ""

    @property
    def right(self) -> bool:
        """Whether nothing is wrong, as far as that can be said."""
        return not self.wrong and not self.obstacle

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "recognised": str(self.recognised) if self.recognised else None,
            "wrong": list(self.wrong),
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
            "unexplained": list(self.unexplained),
            "evidence": list(self.evidence),
            "lines": list(self.lines),
            "obstacle": self.obstacle,
        }

    def __str__(self) -> str:
        if self.obstacle:
            return f"nothing can be said of the mistake: {self.obstacle}"
        parts = [f"recognised: {self.recognised}" if self.recognised else "the network was not recognised"]
        if self.right:
            return "\n".join([*parts, ", ".join(["the gradient is right", *self.evidence])])
        parts.append(f"wrong: {', '.join(self.wrong)}")
        for number, mistake in enumerate(self.mistakes, start=1):
            parts.append(f"  {number}. {mistake.text} ({', '.join(mistake.blocks)})")
        if self.unexplained:
            parts.append(f"  no known mistake makes the numbers of {', '.join(self.unexplained)}")
        parts += [f"     {line}" for line in self.evidence]
        if self.lines:
            parts += ["the right backward pass:", *(f"    {line}" for line in self.lines)]
        return "\n".join(parts)


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
    readings = (found, _read_as_difference(network, found))
    mistakes = min(([*_mistakes(network, reading)] for reading in readings), key=len)
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
            mistakes.append(_of_relation(related, _layer_of(network, block)))
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
            mistakes.append(_of_relation(related, 0))
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


def _read_as_difference(network: Recognised, found: Candidate) -> Candidate:
    """Read 2 (a - y) without f' as twice a - y, which saves a mistake where half of it was found."""
    top, left_out = len(network.activations) - 1, "derivative left out"
    last = network.arrangement.layers[top]
    here = [one for one in found.explained if one.block in {block.name for block in (last.W, last.b) if block}]
    own = [one for one in here if left_out in one.ways]
    if not isinstance(network.loss, SquaredError) or not own:
        return found
    sent_back = (top, "delta", left_out) in found.mistakes

    def read(one: Explained) -> Explained:
        if one in own:
            ways = tuple("a - y" if way == left_out else way for way in one.ways)
            return replace(one, ways=ways, ratio=2 * one.ratio)
        return replace(one, ratio=2 * one.ratio) if sent_back and one not in here else one

    mistakes = tuple((k, where, "a - y" if k == top and way == left_out else way) for k, where, way in found.mistakes)
    return replace(found, mistakes=mistakes, explained=tuple(map(read, found.explained)))


def _mistakes(network: Recognised, found: Candidate) -> Iterator[Mistake]:
    """Yield the mistakes of a candidate, one that shows in several places once."""
    layers = network.arrangement.layers
    by_block = {one.block: one for one in found.explained}
    sent_back = {(depth, where): way for depth, where, way in found.mistakes}

    def named(depth: int) -> list[str]:
        return [block.name for block in (layers[depth].W, layers[depth].b) if block is not None]

    def below(depth: int) -> tuple[str, ...]:
        return tuple(name for k in reversed(range(depth)) for name in named(k))

    for depth in reversed(range(len(layers))):
        f = described(network.activations[depth])
        place = f"layer {depth + 1}"
        if way := sent_back.get((depth, "loss")):
            yield Mistake(way, depth + 1, (*named(depth), *below(depth)), f"{place}: {SENTENCES[way]}")
        here = {name: by_block[name].ways for name in named(depth) if name in by_block and by_block[name].ratio}
        back = sent_back.get((depth, "delta"))
        everywhere = set.intersection(*(set(ways) for ways in here.values())) if here else set()
        for way in sorted(everywhere | ({back} if back else set())):
            assert way is not None
            sentence = SENTENCES[way].format(f=f)
            if (
                way == "derivative twice"
                and depth == len(layers) - 1
                and sensible_pair(network.activations[-1], network.loss)
            ):
                sentence += "; delta = a - y holds it already"
            if way in everywhere and (way == back or depth == 0):
                yield Mistake(way, depth + 1, (*named(depth), *below(depth)), f"{place}: {sentence}")
            elif way in everywhere:
                yield Mistake(way, depth + 1, tuple(here), f"{place}, in {' and '.join(here)}: {sentence}")
            else:
                yield Mistake(way, depth + 1, below(depth), f"{place}, on the way back to layer {depth}: {sentence}")
        for name, ways in here.items():
            part = "the biases" if layers[depth].b is not None and name == named(depth)[-1] else "the weights"
            for way in ways:
                if way not in everywhere:
                    yield Mistake(way, depth + 1, (name,), f"{place}, in {part}: {SENTENCES[way].format(f=f)}")
        if way := sent_back.get((depth, "carried")):
            updated = next((one.updated for one in by_block.values() if one.updated), 0.0)
            rate = f", at a rate of {updated:.4g}" if updated else ""
            yield Mistake(
                way, depth + 1, below(depth), f"{place}, on the way back to layer {depth}: {SENTENCES[way]}{rate}"
            )
    yield from _factors(network, found.explained)


def _factors(network: Recognised, explained: Sequence[Explained]) -> Iterator[Mistake]:
    """Yield what is missing, and wrong factors: the reading with the fewest mistakes."""
    missing = [one for one in explained if one.ratio == 0]
    if missing and len(missing) == len(explained) and any(any(one.penalty) for one in missing):
        names = tuple(one.block for one in missing)
        yield Mistake(
            "disconnected",
            0,
            names,
            "the data's part of the loss does not reach the parameters: only the penalty is differentiated",
        )
        return
    for one in missing:
        yield Mistake(
            "missing", _number(network, one), (one.block,), f"{one.block}: the gradient of the data is missing"
        )
    of_whole = {1.0} | {one.ratio for one in explained if one.ratio} | _of_penalties(explained)
    readings = [[*_ratios(network, explained, whole), *_penalties(network, explained, whole)] for whole in of_whole]
    yield from min(readings, key=len)


def _of_penalties(explained: Sequence[Explained]) -> set[float]:
    """Return what the penalty's derivative is multiplied by, which tells a factor of the whole gradient."""
    pairs = [pair for one in explained for pair in zip(one.penalty, one.wanted, strict=True)]
    return {_rounded(got / wanted, 9) for got, wanted in pairs if min(abs(got), abs(wanted)) > NEGLIGIBLE}


def _ratios(network: Recognised, explained: Sequence[Explained], whole: float) -> Iterator[Mistake]:
    """Yield wrong factors, if the whole gradient is taken to be so many times too large."""
    ratios = {one.block: one.ratio / whole for one in explained if one.ratio}
    if not _is_one(whole):
        yield Mistake("factor", 0, tuple(ratios), f"the whole gradient is {_times(whole, network)}")
    layers = network.arrangement.layers
    names = [[b.name for b in (layer.W, layer.b) if b is not None and b.name in ratios] for layer in layers]
    so_far = 1.0
    for depth in reversed(range(len(layers))):
        here_and_below = [name for k in range(depth, -1, -1) for name in names[k]]
        delta = ratios[here_and_below[0]] if here_and_below else 1.0
        if (
            (len(here_and_below) > 1 or network.arrangement.factor(depth) is not None)
            and here_and_below
            and not _is_one(delta / so_far)
            and all(_is_one(ratios[name] / delta) for name in here_and_below)
        ):
            keeps = network.arrangement.keeps
            if network.arrangement.factor(depth) is not None and _is_one(delta / so_far * keeps):
                kind = "dropout scale forgotten"
                text = f"layer {depth + 1}: {SENTENCES[kind]}, {keeps:g}"
            else:
                kind, text = "factor", f"layer {depth + 1}: delta is {_times(delta / so_far, network)}"
            yield Mistake(kind, depth + 1, tuple(here_and_below), text)
            so_far = delta
        for name in names[depth]:
            if not _is_one(ratios[name] / so_far):
                text = f"{name} is {_times(ratios[name] / so_far, network)}"
                yield Mistake("factor", depth + 1, (name,), text)


def _is_one(ratio: float) -> bool:
    return abs(ratio - 1) < 1e-6


def _penalties(network: Recognised, explained: Sequence[Explained], whole: float) -> Iterator[Mistake]:
    """Yield what is wrong with the penalty's derivative, if the whole gradient is so many times too large."""
    groups: dict[tuple[str, float, int], list[Explained]] = {}
    for one in explained:
        if not one.ratio and not any(one.penalty):
            continue
        for k, (got, wanted) in enumerate(zip(one.penalty, one.wanted, strict=True)):
            allowed = 1e-6 * max(abs(got), abs(wanted))
            negligible = max(abs(got), abs(wanted)) < NEGLIGIBLE
            if negligible or abs(got - whole * wanted) <= allowed:
                continue
            if abs(got) < NEGLIGIBLE:
                group = ("penalty missing", _rounded(wanted, 4), k)
            elif abs(wanted) < NEGLIGIBLE:
                group = ("penalty not in the loss", _rounded(got, 4), k)
            else:
                group = ("penalty factor", _rounded(got / wanted / whole, 4), k)
            groups.setdefault(group, []).append(one)
    for (kind, number, k), ones in groups.items():
        w = (" w", " sign(w)", "")[k]
        text = {
            "penalty missing": f"the penalty's gradient, {number:.4g}{w}, is missing",
            "penalty not in the loss": f"{number:.4g}{w} is added, which is no part of the loss's derivative",
            "penalty factor": f"the penalty's gradient is {ones[0].penalty[k]:.4g}{w} where the loss asks for "
            f"{ones[0].wanted[k]:.4g}{w}: {_times(number, network)}",
        }[kind]
        yield Mistake(kind, 0, tuple(one.block for one in ones), text)


def _of_relation(found: Relation, layer: int) -> Mistake:
    block = found.block
    texts = {
        "factor": f"{block} is {found.ratio:.6g} times the right gradient",
        "missing": f"{block} is zero: its gradient is missing",
        "other block": f"{block} holds {_often(found.ratio)}the gradient of {found.other}",
        "transposed": f"{block} is {_often(found.ratio)}the transpose of the right gradient",
        "point before": f"{block} is {_often(found.ratio)}the gradient at the parameters of the call before",
        "left over": f"{block} is {_often(found.ratio)}the right gradient and {_left(found)}",
        "penalty alone": f"{block} is {_left(found)} and nothing else: the data do not reach it",
    }
    return Mistake(found.kind, layer, (block,), texts[found.kind])


def _often(ratio: float) -> str:
    return "" if abs(ratio - 1) < 1e-6 else f"{ratio:.6g} times "


def _left(found: Relation) -> str:
    names = ("w", "sign(w)", "")
    return " + ".join(f"{c:.6g} {name}".strip() for c, name in zip(found.left_over, names, strict=True) if c)


def _number(network: Recognised, one: Explained) -> int:
    layers = network.arrangement.layers
    return next(k for k, layer in enumerate(layers, 1) if one.block in {b.name for b in (layer.W, layer.b) if b})


def _rounded(number: float, digits: int) -> float:
    return float(f"{number:.{digits}g}")


def _times(ratio: float, network: Recognised) -> str:
    """Return "twice as large as it should be", and where a factor like that comes from."""
    n, o = network.arrangement.Y.shape
    known = {
        -1.0: "of the wrong sign",
        2.0: "twice as large as it should be",
        0.5: "half as large as it should be",
        float(n): f"{n} times too large, the number of rows: it is summed over the rows where the loss is averaged",
        1 / n: f"{n} times too small, the number of rows: it is averaged over the rows once too often",
        float(o): f"{o} times too large, the number of outputs",
        1 / o: f"{o} times too small, the number of outputs",
    }
    for sign in (1, -1):
        for value, text in known.items():
            if abs(ratio / (sign * value) - 1) < 1e-6:
                return text if sign == 1 else f"{text}, and of the wrong sign"
    return f"{ratio:.6g} times what it should be"


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
