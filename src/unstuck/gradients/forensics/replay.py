"""Known mistakes, replayed on the recognised network until one makes the person's numbers.

The search goes down the layers, as backprop does. At each it has a few candidates for da, the mistakes already made in
it; every variant of delta is tried against the layer's W and b, and those candidates are kept from which both follow.
So the mistakes of different layers are found one after another, not in all combinations.

A block is explained when, at all points together and to rounding,

    g = s G + p w + q sign(w) + r

G being a variant's data gradient. s against the loss's own scale tells a wrong factor; p, q and r against the penalty's
derivative tell a penalty that is missing, doubled or where it does not belong.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.gradients.forensics.layers import Layer
from unstuck.gradients.forensics.recognised import TERMS, Recognised
from unstuck.gradients.forensics.relations import least_squares
from unstuck.gradients.forensics.theirs import points_around
from unstuck.gradients.forensics.variants import (
    SENTENCES,
    bias_gradients,
    carried,
    deltas,
    loss_derivatives,
    same_numbers,
    weight_gradients,
)

POINTS = 4
TOLERANCE = 1e-8
"""Of what may be left over, relative to the gradient's norm."""
ROUNDING = 1e-12
KEPT = 24
"""Candidates that go on to the next layer."""
TRIED = 48
"""Variants are tried on W between so many inputs and units; what fits there is tried on all of it."""


@dataclass(frozen=True)
class Explained:
    """How a block's gradient comes about.

    Attributes:
        block: its name.
        ways: the names of the variants that were taken at this layer.
        ratio: of its data part to what the loss asks for; 1 where that is right, 0 where it is missing.
        penalty: the factors of w, sign(w) and 1.
        wanted: what the loss asks for in their place.
    """

    block: str
    ways: tuple[str, ...]
    ratio: float
    penalty: tuple[float, float, float]
    wanted: tuple[float, float, float]
    updated: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """What may arrive at a layer from above: da at every point, and how it was made.

    Attributes:
        da: of shape (n, o), at every point.
        tangent: what an update of W before its use adds to da, per unit of the learning rate; or None.
        mistakes: made above: the layer, where in it ("loss", "delta" or "carried"), and the variant's name.
        explained: the blocks above.
    """

    da: list[Array]
    tangent: list[Array] | None = None
    mistakes: tuple[tuple[int, str, str], ...] = ()
    explained: tuple[Explained, ...] = ()

    @property
    def cost(self) -> tuple[int, int, int]:
        """Fewer blocks left unexplained, then fewer mistakes, then the more usual ones."""
        ways = [way for _, _, way in self.mistakes] + [way for one in self.explained for way in one.ways]
        factors = {float(f"{one.ratio:.6g}") for one in self.explained} - {1.0}
        return -len(self.explained), len(set(ways)) + len(factors), sum(map(list(SENTENCES).index, ways))


@dataclass
class Replay:
    """The search, on one network and one gradient.

    Args:
        network: as it was recognised.
        gradient: the person's, of the flat vector.
        w: where they start.
    """

    network: Recognised
    gradient: Callable[[Array], Array]
    w: Array
    points: list[Array] = field(init=False)
    given: list[Array] = field(init=False)

    def __post_init__(self) -> None:
        candidates = points_around(self.w, self.network.arrangement.blocks, POINTS, seed=1)
        with np.errstate(all="ignore"):
            pairs = [(w, self.gradient(w)) for w in candidates]
        pairs = [(w, g) for w, g in pairs if np.isfinite(g).all()]
        self.points, self.given = [w for w, _ in pairs], [g for _, g in pairs]
        self.traces = [self.network.forward(w) for w in self.points]

    def explain(self) -> Candidate:
        """Return the candidate that explains most blocks with fewest mistakes."""
        layers = self.network.arrangement.layers
        with np.errstate(all="ignore"):
            candidates = list(self._at_the_top())
            for depth in reversed(range(len(layers))):
                followed = [self._through(depth, layers[depth], candidate) for candidate in candidates]
                most = max(len(done.explained) for done, _ in followed)
                kept = [pair for pair in followed if len(pair[0].explained) == most]
                candidates = []
                for done, made in kept:
                    candidates += [done] if depth == 0 else self._below(depth, layers[depth], done, made)
                candidates = sorted(candidates, key=lambda one: one.cost)[:KEPT]
        return candidates[0]

    def _at_the_top(self) -> Iterable[Candidate]:
        Y = self.network.arrangement.Y
        ways = [list(loss_derivatives(self.network.loss, Y, traces[-1][2])) for traces in self.traces]
        seen: list[Array] = []
        for at_points in zip(*ways, strict=True):
            together = _together([way.made for way in at_points])
            if same_numbers(together, seen):
                continue
            seen.append(together)
            name = at_points[0].name
            top = len(self.network.arrangement.layers) - 1
            yield Candidate([way.made for way in at_points], mistakes=((top, "loss", name),) if name else ())

    def _deltas(self, depth: int, da: list[Array], only: Container[str] | None = None) -> dict[str, list[Array]]:
        """Return the variants of delta, at every point, by name: those with numbers of their own, or only some."""
        f = self.network.activations[depth]
        last = depth == len(self.network.activations) - 1
        Y = self.network.arrangement.Y
        ways = []
        for traces, da_here in zip(self.traces, da, strict=True):
            _, z, a = traces[depth]
            difference = a - Y if last else None
            ways.append(list(deltas(f, z, a, da_here, difference, self.network.arrangement.factor(depth))))
        made: dict[str, list[Array]] = {}
        seen: list[Array] = []
        for at_points in zip(*ways, strict=True):
            name, arrays = at_points[0].name, [way.made for way in at_points]
            together = _together(arrays)
            own = np.isfinite(together).all() and not same_numbers(together, seen)
            if own if only is None else name in only:
                made[name] = arrays
                seen.append(together)
        return made

    def _through(self, depth: int, layer: Layer, candidate: Candidate) -> tuple[Candidate, dict[str, list[Array]]]:
        """Explain a layer's blocks with what arrives from above; return that, and the deltas that were tried."""
        made = self._deltas(depth, candidate.da)
        tangents = self._deltas(depth, candidate.tangent, made) if candidate.tangent else {}
        found = []
        for name in ("W", "b"):
            if name == "b" and layer.b is None:
                continue
            explained = self._block(depth, layer, name, made, tangents)
            if explained is not None:
                found.append(explained)
        rate = next((one.updated for one in found if one.updated), 0.0)
        for of_delta in made.keys() & tangents.keys():
            pairs = zip(made[of_delta], tangents[of_delta], strict=True)
            made[of_delta] = [delta - rate * tangent for delta, tangent in pairs]
        return Candidate(candidate.da, candidate.tangent, candidate.mistakes, (*candidate.explained, *found)), made

    def _block(
        self, depth: int, layer: Layer, name: str, made: dict[str, list[Array]], tangents: dict[str, list[Array]]
    ) -> Explained | None:
        block = layer.W if name == "W" else layer.b
        assert block is not None
        inputs, units = self._tried(depth)
        every = np.ix_(np.arange(layer.inputs), np.arange(layer.outputs))
        some = np.ix_(inputs, units)
        wanted = self._penalty_wanted(name)

        def read(vectors: list[Array], part: tuple[npt.NDArray[np.intp], ...]) -> Array:
            if name == "b":
                return np.concatenate([layer.biases(vector) for vector in vectors])
            return np.concatenate([layer.weights(vector)[part].ravel() for vector in vectors])

        given, parameters = read(self.given, some), read(self.points, some)
        if not np.any(read(self.given, every)):
            return Explained(block.name, (), 0.0, (0.0, 0.0, 0.0), wanted)
        for of_delta, arrays in made.items():
            tangent = tangents.get(of_delta)
            for of_gradient, G, extra in self._gradients(depth, name, arrays, tangent, inputs, units):
                fitted = _fit(given, G, parameters, wanted, extra)
                if fitted is None:
                    continue
                if len(inputs) < layer.inputs or len(units) < layer.outputs:
                    whole = self._gradients(depth, name, arrays, tangent, every[0].ravel(), every[1].ravel())
                    _, G, extra = next(way for way in whole if way[0] == of_gradient)
                    fitted = _fit(read(self.given, every), G, read(self.points, every), wanted, extra)
                    if fitted is None:
                        continue
                ratio, penalty, updated = fitted
                ways = tuple(filter(None, (of_delta, of_gradient)))
                return Explained(block.name, ways, ratio / self.network.scale, penalty, wanted, updated)
        return None

    def _tried(self, depth: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return the inputs and units of a layer on which variants are tried first."""
        x, z, _ = self.traces[0][depth]
        inputs = _some(x.shape[1], TRIED, np.abs(x).sum(axis=0))
        return inputs, inputs if x.shape[1] == z.shape[1] else _some(z.shape[1], TRIED, np.abs(z).sum(axis=0))

    def _gradients(
        self,
        depth: int,
        name: str,
        delta: list[Array],
        tangent: list[Array] | None,
        inputs: npt.NDArray[np.intp],
        units: npt.NDArray[np.intp],
    ) -> Iterable[tuple[str, Array, Array | None]]:
        """Yield the variants of a block's gradient, or of some of W, all points one after another."""

        def at_all_points(arrays: list[Array]) -> list[tuple[str, Array]]:
            ways = []
            for traces, d in zip(self.traces, arrays, strict=True):
                if name == "b":
                    ways.append(list(bias_gradients(d)))
                    continue
                below = traces[depth - 1][1][:, inputs] if depth else None
                ways.append(list(weight_gradients(traces[depth][0][:, inputs], below, d[:, units])))
            together = zip(*ways, strict=True)
            return [(some[0].name, np.concatenate([way.made.ravel() for way in some])) for some in together]

        extras = at_all_points(tangent) if tangent else []
        for k, (way, G) in enumerate(at_all_points(delta)):
            yield way, G, extras[k][1] if extras else None

    def _below(self, depth: int, layer: Layer, done: Candidate, made: dict[str, list[Array]]) -> list[Candidate]:
        """Return what may arrive at the layer below: every delta, carried down in every way."""
        found: list[Candidate] = []
        seen: list[Array] = []
        for of_delta, arrays in made.items():
            ways = [
                list(carried(d, layer.weights(w), layer.weights(g)))
                for d, w, g in zip(arrays, self.points, self.given, strict=True)
            ]
            for at_points in zip(*ways, strict=True):
                name, _, tangent = at_points[0]
                together = _together([way[1] for way in at_points])
                if tangent is None and same_numbers(together, seen):
                    continue
                seen.append(together)
                new = [(depth, "delta", of_delta)] if of_delta else []
                new += [(depth, "carried", name)] if name else []
                tangents = None if tangent is None else [way[2] for way in at_points]
                found.append(Candidate([way[1] for way in at_points], tangents, (*done.mistakes, *new), done.explained))
        return found

    def _penalty_wanted(self, name: str) -> tuple[float, float, float]:
        """Return the factors of w, sign(w) and 1 in the penalty's derivative."""
        squares, sizes, sums = (self.network.penalty.get(term, 0.0) for term in list(TERMS)[name == "b" :: 2])
        return 2 * squares, sizes, sums


def _fit(
    given: Array, G: Array, parameters: Array, wanted: tuple[float, float, float], extra: Array | None
) -> tuple[float, tuple[float, float, float], float] | None:
    """Return s, (p, q, r) and the learning rate of an update in between, if they make what is given, to rounding.

    First to the rounding of one operation, so that a penalty far smaller than the rest is not overlooked.
    """
    shapes = [parameters, np.sign(parameters), np.ones_like(parameters)]
    as_wanted = sum((c * shape for c, shape in zip(wanted, shapes, strict=True)), np.zeros_like(given))
    data = [G] if np.any(G) else []
    between = [] if extra is None else [extra]
    size = np.linalg.norm(given)
    if least_squares([*data, *between, *shapes], given)[1] > TOLERANCE * size:
        return None
    for tolerance in (ROUNDING, TOLERANCE):
        for terms in (None, (0,), (1,), (2,), (0, 1), (0, 2)):
            free = [] if terms is None else [shapes[k] for k in terms]
            columns = [*data, *between, *free]
            if (not columns and terms is not None) or len(given) <= len(columns):
                continue
            c, left = least_squares(columns, given - as_wanted if terms is None else given)
            if left > tolerance * size:
                continue
            s = float(c[0]) if data else 0.0
            if data and abs(s) * np.linalg.norm(G) <= TOLERANCE * size:
                s = 0.0
            if between and not s:
                continue
            penalty = list(wanted) if terms is None else [0.0, 0.0, 0.0]
            for k, value in zip(terms or (), c[len(data) + len(between) :], strict=True):
                penalty[k] = float(value)
            p, q, r = penalty
            return s, (p, q, r), float(-c[1] / c[0]) if between else 0.0
    return None


def _together(arrays: list[Array]) -> Array:
    return np.concatenate([array.ravel() for array in arrays])


def _some(size: int, most: int, weights: Array) -> npt.NDArray[np.intp]:
    """Return at most so many places among `size`, where the weights are not zero if there are enough of those."""
    if size <= most:
        return np.arange(size)
    alive = np.flatnonzero(weights) if np.count_nonzero(weights) >= most else np.arange(size)
    return np.sort(np.random.default_rng(0).choice(alive, most, replace=False))
