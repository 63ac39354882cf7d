"""Recipes that learn, drawn at random: sane choices of everything, kept only if they do learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.diagnosis import faulty
from benchmarks.diagnosis.pool import POOL, TABLE, VARIANTS, Known, known, reachable
from benchmarks.diagnosis.problem import LEARNS, Problem
from unstuck import (
    L2,
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    CosineDecay,
    Dense,
    Dropout,
    EarlyStopping,
    ExponentialDecay,
    Inputs,
    Momentum,
    NAdam,
    Nesterov,
    OneCycle,
    Recipe,
    RMSProp,
    Rprop,
    Targets,
)

SEEDS = (1, 2, 3)
"""The levels of a recipe are medians over these."""
HOPELESS = 0.6
"""One whose first seed reaches less is not tried from the others."""
TRIES = 100
HIDDEN = (
    ("relu",) * 6 + ("tanh",) * 4 + ("leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "sigmoid", "softsign")
)
RATES: dict[type, tuple[float, float]] = {
    Adam: (1e-3, 1e-2),
    AdamW: (1e-3, 1e-2),
    NAdam: (1e-3, 1e-2),
    RMSProp: (1e-3, 5e-3),
    SGD: (0.03, 0.3),
    Momentum: (0.005, 0.05),
    Nesterov: (0.005, 0.05),
    Adagrad: (0.02, 0.1),
    Rprop: (0.005, 0.02),
}
STEPWISE = (Adam,) * 6 + (AdamW, NAdam, RMSProp, SGD, SGD, Momentum, Momentum, Nesterov, Adagrad)
FULL_BATCH = (Rprop, Adam, Adam, Momentum)


@dataclass(frozen=True, eq=False)
class Healthy:
    """A recipe that learns.

    Attributes:
        seed: it is drawn from.
        name: of the data, or of the control.
        recipe: what is trained.
        problem: on what.
        level: its score, the median over `SEEDS`.
        best: the score that can be reached.
    """

    seed: int
    name: str
    recipe: Recipe
    problem: Problem
    level: float
    best: float


class Draw:
    """Random choices."""

    def __init__(self, *seed: int):
        self.random = np.random.default_rng(seed)

    def one_of(self, *options: Any) -> Any:
        return options[self.random.integers(len(options))]

    def chance(self, p: float) -> bool:
        return bool(self.random.random() < p)

    def between(self, low: float, high: float) -> float:
        """Return a number with a uniform logarithm, of two digits."""
        return float(f"{np.exp(self.random.uniform(np.log(low), np.log(high))):.2g}")


def drawn(problem: Problem, draw: Draw, seed: int) -> Recipe:
    """Return a recipe as one would write it for the problem."""
    n = len(problem.y)
    layers = hidden_layers(draw, n)
    output, more = output_and_loss(problem, draw)
    full = n <= 300 and draw.chance(0.4)
    recipe = Recipe(
        [*layers, output],
        **more,
        optimizer=optimizer(draw, full),
        batch_size="full" if full else draw.one_of(8, 16, 32, 32, 64),
        inputs=inputs(problem, draw),
        precision=draw.one_of("float32", "float32", "float64"),
        seed=seed,
    )
    updates = draw.between(1_000, 5_000)
    epochs = int(np.clip(updates * recipe.rows_per_batch(n) / n, 8, 2_000))
    recipe = recipe.replace(epochs=epochs, record_every=max(1, epochs // 200))
    if full and draw.chance(0.3):
        layers = [layer for layer in layers if not isinstance(layer, Dropout)]
        return recipe.replace(layers=(*layers, output), optimizer=LBFGS(), epochs=min(epochs, 200), record_every=1)
    recipe = recipe.replace(
        schedule=draw.one_of(*["constant"] * 6, CosineDecay(), OneCycle(), ExponentialDecay(0.5 ** (1 / epochs)))
    )
    if draw.chance(0.3):
        recipe = recipe.replace(penalties=[L2(draw.between(1e-6, 1e-3))])
    if draw.chance(0.1):
        recipe = recipe.replace(clip_norm=draw.one_of(1.0, 5.0))
    if n > 300 and draw.chance(0.15):
        patience = max(10, recipe.epochs // recipe.record_every // 5)
        recipe = recipe.replace(validation_fraction=0.15, early_stopping=EarlyStopping(patience))
    return recipe


def hidden_layers(draw: Draw, n: int) -> list[Dense | Dropout]:
    """Return one to three hidden layers, each with the start that suits it; dropout now and then."""
    activation = draw.one_of(*HIDDEN)
    depth = draw.one_of(1, 2, 2, 3) if activation not in ("sigmoid", "softplus") else draw.one_of(1, 2)
    dropout = draw.between(0.1, 0.3) if n > 300 and draw.chance(0.15) else 0.0
    layers: list[Dense | Dropout] = []
    for _ in range(depth):
        start = None
        if activation in ("relu", "tanh") and draw.chance(0.2):
            start = draw.one_of("he_uniform" if activation == "relu" else "glorot_normal", "orthogonal")
        layers.append(Dense(draw.one_of(8, 16, 32, 32, 64) * (2 if dropout else 1), activation, weight_start=start))
        if dropout:
            layers.append(Dropout(dropout))
    return layers


def output_and_loss(problem: Problem, draw: Draw) -> tuple[Dense, dict[str, Any]]:
    """Return an output layer, and a loss and targets that go with it."""
    if not problem.classes:
        well_scaled = 0.2 < problem.y.std() < 5 and abs(problem.y.mean()) < 3 * problem.y.std()
        targets = Targets() if well_scaled and draw.chance(0.5) else Targets(scaling="standard")
        loss = draw.one_of(*["squared_error"] * 6, "huber", "absolute_error")
        return Dense(1), {"loss": loss, "targets": targets}
    K = len(np.unique(problem.y))
    if K == 2 and draw.chance(0.6):
        kind = draw.one_of(*["sigmoid"] * 5, "tanh")
        if kind == "tanh":
            return Dense(1, "tanh"), {"loss": "squared_error", "targets": Targets(coding="signed")}
        return Dense(1, "sigmoid"), {"loss": draw.one_of(*["binary_crossentropy"] * 5, "squared_error"),
                                     "targets": Targets(coding="binary")}  # fmt: skip
    if draw.chance(0.1):
        return Dense(K, "sigmoid"), {"loss": "binary_crossentropy"}
    if draw.chance(0.1):
        return Dense(K), {"loss": "squared_error", "targets": Targets(coding="one_hot")}
    return Dense(K, "softmax"), {"loss": "categorical_crossentropy"}


def optimizer(draw: Draw, full: bool) -> Any:
    """Return an optimizer at a rate that is usual for it."""
    kind = draw.one_of(*(FULL_BATCH if full else STEPWISE))
    factor = 2 if full and kind is not Rprop else 1
    return kind(learning_rate=factor * draw.between(*RATES[kind]))


def inputs(problem: Problem, draw: Draw) -> Inputs:
    """Return a scaling, or none where the columns are well scaled already."""
    if not isinstance(problem.X, np.ndarray):
        return TABLE
    well_scaled = np.all(np.abs(problem.X.mean(axis=0)) <= 1) and 0.2 < problem.X.std() < 3
    if well_scaled and draw.chance(0.5):
        return Inputs()
    return Inputs(scaling=draw.one_of("standard", "standard", "standard", "minmax"))


def learns(recipe: Recipe, it: Known) -> tuple[bool, float]:
    """Return whether a recipe closes enough of the gap between the best constant and the best there is; its level."""
    level = it.problem.level(recipe, SEEDS[:1])
    if it.problem.share(level, it.best) < HOPELESS:
        return False, level
    level = it.problem.level(recipe, SEEDS)
    return it.problem.share(level, it.best) >= LEARNS, level


Control = Callable[[int], tuple[Recipe, Known]]


def of_pool(name: str, recipe: Recipe) -> Control:
    return lambda seed: (recipe.replace(seed=seed), known(name, seed % VARIANTS))


def cured(id: str) -> Control:
    def control(seed: int) -> tuple[Recipe, Known]:
        made = faulty.FAULTY[id](seed)
        assert made.cured is not None
        return made.cured.replace(seed=seed), Known(made.problem, reachable(made.problem))

    return control


def harmless(id: str) -> Control:
    def control(seed: int) -> tuple[Recipe, Known]:
        made = faulty.HARMLESS[id](seed)
        assert isinstance(made.subject, Recipe)
        return made.subject, Known(made.problem, reachable(made.problem))

    return control


SCALED = Inputs(scaling="standard")
CONTROLS: dict[str, Control] = {
    "deep tanh": of_pool(
        "circles",
        Recipe(
            [*[Dense(16, "tanh") for _ in range(8)], Dense(1, "sigmoid")],
            loss="binary_crossentropy",
            optimizer=Adam(0.002),
        ),
    ),
    "breast cancer": of_pool(
        "breast_cancer",
        Recipe([Dense(16, "relu"), Dense(1, "sigmoid")], loss="binary_crossentropy", inputs=SCALED, epochs=30),
    ),
    "iris 4-4-3": of_pool(
        "iris",
        Recipe(
            [Dense(4, "sigmoid"), Dense(3, "softmax")],
            loss="categorical_crossentropy",
            optimizer=Adam(0.02),
            batch_size=16,
            epochs=150,
        ),
    ),
    "xor": of_pool(
        "xor",
        Recipe(
            [Dense(8, "tanh"), Dense(1, "sigmoid")],
            loss="binary_crossentropy",
            optimizer=SGD(0.5),
            batch_size="full",
            epochs=2_000,
            record_every=10,
        ),
    ),
    **{f"cured {id}": cured(id) for id, make in faulty.FAULTY.items() if make(0).cured and id[:3] != "F16"},
    **{f"harmless {id}": harmless(id) for id in faulty.HARMLESS},
}
"""Networks that are known to learn, some of which look as if they did not; for the first seeds, two each."""


def healthy(seed: int) -> Healthy | None:
    """Return the healthy recipe of a seed: a control, or one drawn; None where none was found."""
    if seed < 2 * len(CONTROLS):
        name = list(CONTROLS)[seed // 2]
        recipe, it = CONTROLS[name](seed)
        good, level = learns(recipe, it)
        return Healthy(seed, name, recipe, it.problem, level, it.best) if good else None
    return drawn_healthy(seed)


def drawn_healthy(seed: int, suits: Callable[[Recipe, Problem], bool] = lambda recipe, problem: True) -> Healthy | None:
    """Return a recipe drawn at random that suits and learns; None where none was found in so many tries."""
    for attempt in range(TRIES):
        draw = Draw(seed, attempt)
        it = known(draw.one_of(*POOL), draw.one_of(*range(VARIANTS)))
        recipe = drawn(it.problem, draw, seed)
        if not suits(recipe, it.problem):
            continue
        good, level = learns(recipe, it)
        if good:
            return Healthy(seed, it.problem.name, recipe, it.problem, level, it.best)
    return None
