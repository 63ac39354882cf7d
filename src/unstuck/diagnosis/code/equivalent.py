"""The recipe that a recognised network is, with its data in rows, so that the recipe's diagnosis can be asked.

The recipe's starts have the spread of the person's, block by block, so that other seeds are other starts of the same
kind. Its loss is alpha' sum l_r with alpha' = 1, 1/n, 1/o or 1/(n o); where the person's alpha is another, c alpha',
the penalties are divided by c and the learning rate is multiplied by it, which leaves gradient descent the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from unstuck.arrays import Array, evenly
from unstuck.data.targets import Targets
from unstuck.functions.initializers import Constant, Initializer, Normal, Uniform, Zeros
from unstuck.functions.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Hinge,
    Huber,
    Loss,
    Poisson,
    SquaredError,
)
from unstuck.functions.optimizers import SGD, Momentum, Nesterov, Optimizer
from unstuck.functions.penalties import L1, L2, Penalty
from unstuck.gradients.forensics.arrangement import arrangements
from unstuck.gradients.forensics.recognised import TERMS, Recognised
from unstuck.recipe import Dense, Dropout, Layer, Recipe
from unstuck.subjects.handwritten import HandWritten

FAMILIES: dict[str, type[Loss]] = {
    loss.kind: loss
    for loss in (SquaredError, CategoricalCrossEntropy, BinaryCrossEntropy, AbsoluteError, Huber, Hinge, Poisson)
}
FLAT = 1.85
"""Numbers whose largest distance from their mean is no more than so many standard deviations look uniform."""
ONE_SIDED = 0.5
"""A mean of more standard deviations than this is no accident."""


@dataclass(frozen=True, eq=False)
class Equivalent:
    """A recipe and its data, X (n, i) and y.

    Attributes:
        recipe: with `factor` in its learning rate and penalties.
        X: features.
        y: targets.
        factor: c, by which the person's loss is larger than the recipe's.
        left_out: terms of the person's loss that no recipe has.
    """

    recipe: Recipe
    X: Array
    y: Any
    factor: float
    left_out: tuple[str, ...]


def with_all_rows(network: Recognised, whole: HandWritten) -> Recognised:
    """Return the network with all rows of the subject; the forensics look at some of them only."""
    known = network.arrangement
    n = len(known.X)
    for one in arrangements(whole.blocks, whole.data if len(whole.data) > 2 and known.dropped else whole.data[:2]):
        if len(one.X) == n:
            return network
        places = evenly(len(one.X), n)
        alike = one.layers == known.layers and one.in_columns == known.in_columns
        masked = one.keeps == known.keeps or not one.dropped
        if alike and masked and one.Y.shape[1] == known.Y.shape[1] and np.array_equal(one.Y[places], known.Y):
            if known.dropped and not one.dropped:  # the functions draw their mask
                dropped = tuple(m if m is None else np.resize(m, (len(one.X), m.shape[1])) for m in known.dropped)
                one = replace(one, dropped=dropped, keeps=known.keeps)
            every = replace(network, arrangement=one)
            averaged = replace(every, scale=network.scale * n / len(one.X))
            w = whole.w
            return min((averaged, every), key=lambda candidate: abs(cost(candidate, w) - whole.cost(w)))
    return network


def cost(network: Recognised, w: Array) -> float:
    """Return the loss that a recognised network has at w, its penalties included."""
    arrangement = network.arrangement
    total = network.scale * float(network.loss.per_row(arrangement.Y, network.forward(w)[-1][2]).sum())
    for term, coefficient in network.penalty.items():
        on_biases, value, _ = TERMS[term]
        parts = [layer.biases(w) if on_biases else layer.weights(w) for layer in arrangement.layers]
        total += coefficient * sum(map(value, parts))
    return total


def equivalent(
    network: Recognised,
    w: Array,
    *,
    optimizer: Optimizer | None = None,
    rate: float | None = None,
    epochs: int,
    batch_size: int | None = None,
    times: float = 1.0,
) -> Equivalent:
    """Return the recipe of a recognised network that starts like w.

    Args:
        network: with all its rows.
        w: the person's start.
        optimizer: the caller's.
        rate: of plain gradient descent on the person's loss, where that is known; else 0.1 stands there.
        epochs: passes.
        batch_size: rows an update, None for all.
        times: what the person's gradient is of the right one.
    """
    arrangement = network.arrangement
    n, o = arrangement.Y.shape
    loss, factor = _reduced(network.loss, network.scale, n, o)
    layers: list[Layer] = []
    for depth, (layer, f) in enumerate(zip(arrangement.layers, network.activations, strict=True)):
        layers.append(
            Dense(
                layer.outputs,
                f,
                bias=layer.b is not None,
                weight_start=start_like(layer.weights(w)),
                bias_start=start_like(layer.biases(w)),
            )
        )
        if (mask := arrangement.factor(depth)) is not None:
            layers.append(Dropout(float(f"{np.mean(mask == 0):.1g}")))
    penalties, left_out = _penalties(network.penalty, factor)
    taken = (rate or 0.1) * (factor * times if rate else 1)
    if isinstance(optimizer, SGD | Momentum | Nesterov):  # the step is in proportion to the gradient
        optimizer = optimizer.replace(learning_rate=optimizer.learning_rate * factor * times)
    return Equivalent(
        Recipe(
            layers,
            loss=loss,
            optimizer=optimizer or SGD(learning_rate=float(f"{taken:.6g}")),
            penalties=penalties,
            batch_size=batch_size or "full",
            epochs=epochs,
            targets=Targets(coding="numbers") if o > 1 and loss.kind != "categorical_crossentropy" else Targets(),
            precision="float64",
        ),
        arrangement.X,
        arrangement.Y if o > 1 else arrangement.Y[:, 0],
        factor,
        left_out,
    )


def start_like(values: Array) -> Initializer:
    """Return a start with mean and spread of these numbers."""
    mean, std = float(values.mean()), float(values.std())
    if not values.any():
        return Zeros()
    if values.size == 1:
        return Normal(float(f"{abs(mean):.3g}"))
    if std <= 1e-9 * abs(mean):
        return Constant(float(f"{mean:.6g}"))
    one_sided = abs(mean) > ONE_SIDED * std and abs(mean) * np.sqrt(values.size) > 3 * std
    centre = mean if one_sided else 0.0
    std = float(np.sqrt(np.mean((values - centre) ** 2)))
    if one_sided or float(np.abs(values - centre).max()) <= FLAT * std:
        half = np.sqrt(3) * std
        return Uniform(float(f"{centre - half:.2g}"), float(f"{centre + half:.2g}"))
    return Normal(float(f"{std:.3g}"))


def _reduced(loss: Loss, scale: float, n: int, o: int) -> tuple[Loss, float]:
    """Return the recipe's loss and c, with scale = c alpha'; c is 1 where that can be."""
    family = FAMILIES[loss.kind]
    fields: dict[str, Any] = {"threshold": loss.threshold} if isinstance(loss, Huber) else {}
    choices: list[tuple[Loss, float]] = []
    for rows, over_rows in (("mean", 1 / n), ("sum", 1.0)):
        if family is CategoricalCrossEntropy:
            choices.append((family.from_data({"kind": loss.kind, "rows": rows}), over_rows))
            continue
        for outputs, over_outputs in (("sum", 1.0), ("mean", 1 / o)):
            for half in (False, True) if family is SquaredError else (False,):
                more = {**fields, "half": True} if half else fields
                made = family.from_data({"kind": loss.kind, "rows": rows, "outputs": outputs, **more})
                choices.append((made, over_rows * over_outputs * (0.5 if half else 1.0)))
    found, factor = min(
        choices, key=lambda choice: (abs(np.log(scale / choice[1])) > 1e-6, abs(np.log(scale / choice[1])))
    )
    c = scale / factor
    return found, 1.0 if abs(c - 1) < 1e-6 else c


def _penalties(terms: dict[str, float], c: float) -> tuple[tuple[Penalty, ...], tuple[str, ...]]:
    """Return the penalties that a recipe can have; those on biases only together with the same on weights."""
    made: list[Penalty] = []
    taken: set[str] = set()
    for family, power, doubled in ((L2, "²", 2.0), (L1, "", 1.0)):
        W, b = (f"sum {name}²" if power else f"sum |{name}|" for name in "Wb")
        if (strength := terms.get(W, 0.0)) > 0:
            everywhere = terms.get(b, 0.0) > 0.5 * strength
            made.append(family(float(f"{doubled * strength / c:.6g}"), on="all" if everywhere else "weights"))
            taken |= {W, b} if everywhere else {W}
    return tuple(made), tuple(term for term in terms if term not in taken)
