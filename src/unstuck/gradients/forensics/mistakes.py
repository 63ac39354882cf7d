"""The search's findings, read as mistakes that a person can mend.

One mistake shows in several places: a factor in all blocks below the layer where it came in, a derivative left out in
W, in b and on the way back. Where findings can be read in several ways, the one with the fewest mistakes is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from unstuck.functions.losses import SquaredError
from unstuck.functions.pairs import sensible_pair
from unstuck.gradients.forensics.recognised import Recognised, described
from unstuck.gradients.forensics.replay import Candidate, Explained
from unstuck.gradients.forensics.variants import SENTENCES

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


def fewest_mistakes(network: Recognised, found: Candidate) -> list[Mistake]:
    """Return the mistakes of a candidate, in the reading that has the fewest."""
    readings = (found, _read_as_difference(network, found))
    return min(([*_mistakes(network, reading)] for reading in readings), key=len)


def _read_as_difference(network: Recognised, found: Candidate) -> Candidate:
    """Read 2 (a - y) without f' as twice a - y, which saves a mistake where half of it was found."""
    top, left_out = len(network.activations) - 1, "derivative left out"
    last = network.arrangement.layers[top]
    here = [one for one in found.explained if one.block in {block.name for block in last.blocks}]
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
        return [block.name for block in layers[depth].blocks]

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
            "missing",
            network.arrangement.number_of(one.block),
            (one.block,),
            f"{one.block}: the gradient of the data is missing",
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
    names = [[block.name for block in layer.blocks if block.name in ratios] for layer in layers]
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


def _rounded(number: float, digits: int) -> float:
    return float(f"{number:.{digits}g}")


def _times(ratio: float, network: Recognised) -> str:
    """Return "twice as large as it should be", and where a factor like that comes from."""
    n, o = network.arrangement.Y.shape
    known = {
        float(o): f"{o} times too large, the number of outputs",
        1 / o: f"{o} times too small, the number of outputs",
        float(n): f"{n} times too large, the number of rows: it is summed over the rows where the loss is averaged",
        1 / n: f"{n} times too small, the number of rows: it is averaged over the rows once too often",
        2.0: "twice as large as it should be",
        0.5: "half as large as it should be",
        -1.0: "of the wrong sign",
    }
    if o == 2:
        known |= {
            2.0: known[2.0] + ", or counted for both outputs",
            0.5: known[0.5] + ", or averaged over both outputs",
        }
    for sign in (1, -1):
        for value, text in known.items():
            if abs(ratio / (sign * value) - 1) < 1e-6:
                return text if sign == 1 else f"{text}, and of the wrong sign"
    return f"{ratio:.6g} times what it should be"
