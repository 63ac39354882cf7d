"""Faults put into healthy recipes: one small function a kind, of random strength, kept only if learning suffers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.diagnosis.healthy import SEEDS, Draw, Healthy, drawn_healthy
from benchmarks.diagnosis.problem import Problem
from unstuck import (
    L2,
    LBFGS,
    SGD,
    Constant,
    Dense,
    Dropout,
    EarlyStopping,
    ExponentialDecay,
    Inputs,
    InverseScaling,
    Momentum,
    Nesterov,
    Normal,
    Recipe,
    StepDecay,
    Targets,
    Uniform,
)

SUFFERS = 0.5
"""Learning suffers when so much of the healthy twin's gain is lost."""
TRIES = 12
OFFSET = 1_000_000
"""The healthy twins are drawn from other seeds than those of `healthy`."""

Changed = tuple[Recipe, Problem] | None
Injection = Callable[[Recipe, Problem, Draw], Changed]
"""Returns the recipe and problem with the fault in them; None where it does not apply."""


@dataclass(frozen=True, eq=False)
class Injected:
    """A healthy recipe with one or two faults.

    Attributes:
        seed: it is drawn from.
        kinds: of the faults put in.
        causes: the kinds of fault that count as the right first cause: of two faults, those that do harm alone.
        recipe: with the faults.
        problem: its data, with the faults.
        twin: the recipe as it was.
        level: what is left of the twin's level.
        curable: a recipe can cure it.
    """

    seed: int
    kinds: tuple[str, ...]
    causes: frozenset[str]
    recipe: Recipe
    problem: Problem
    twin: Healthy
    level: float
    curable: bool


def power(draw: Draw, low: float, high: float) -> float:
    return draw.between(10.0**low, 10.0**high)


def hidden(recipe: Recipe) -> list[Dense]:
    return [layer for layer in recipe.layers[:-1] if isinstance(layer, Dense)]


def with_hidden(recipe: Recipe, **changes: Any) -> Recipe:
    """Return the recipe with all hidden layers changed."""
    changed = [replace(layer, **changes) if isinstance(layer, Dense) else layer for layer in recipe.layers[:-1]]
    return recipe.replace(layers=(*changed, recipe.layers[-1]))


def with_all(recipe: Recipe, **changes: Any) -> Recipe:
    """Return the recipe with all layers changed."""
    changed = with_hidden(recipe, **changes)
    return changed.replace(layers=(*changed.layers[:-1], replace(recipe.layers[-1], **changes)))  # type: ignore[type-var]


def with_output(recipe: Recipe, output: Dense, **more: Any) -> Recipe:
    return recipe.replace(layers=(*recipe.layers[:-1], output), **more)


def with_rate(recipe: Recipe, factor: float) -> Recipe:
    return recipe.replace(optimizer=recipe.optimizer.replace(learning_rate=recipe.optimizer.learning_rate * factor))


def stepwise(recipe: Recipe) -> bool:
    return not isinstance(recipe.optimizer, LBFGS)


def rate_too_high(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    return (with_rate(recipe, power(draw, 1.5, 4)), problem) if stepwise(recipe) else None


def rate_too_low(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    return (with_rate(recipe, 1 / power(draw, 1.5, 4)), problem) if stepwise(recipe) else None


def rate_decay(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if not stepwise(recipe):
        return None
    falling = (
        ExponentialDecay(1 / power(draw, 0.3, 1.5)),
        StepDecay(every=draw.one_of(1, 2, 3), drop=0.1),
        InverseScaling(power=draw.between(1.2, 2.5)),
    )
    return recipe.replace(schedule=draw.one_of(*falling)), problem


def constant_start(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    return with_all(recipe, weight_start=draw.one_of("zeros", Constant(draw.between(0.01, 1)))), problem


def small_start(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    return with_all(recipe, weight_start=Normal(1 / power(draw, 2, 6))), problem


def large_start(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    return with_all(recipe, weight_start=Normal(power(draw, 0.5, 2))), problem


def one_sided_start(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if draw.chance(0.5):
        return with_all(recipe, weight_start=Uniform(0, draw.between(0.5, 2))), problem
    return with_hidden(recipe, bias_start=Constant(-power(draw, 0.7, 2))), problem


def off_centre(problem: Problem, by: float) -> Problem:
    """Return the problem with every column moved by so many of its standard deviations."""
    shift = by * problem.X.std(axis=0)
    return problem.with_inputs(lambda X: X + shift)


def no_bias(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if not isinstance(problem.X, np.ndarray):
        return None
    return with_all(recipe, bias=False).replace(inputs=Inputs()), off_centre(problem, power(draw, 0.5, 1.5))


def output_range(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if problem.classes:
        return None
    output = Dense(1, draw.one_of("sigmoid", "tanh"))
    return with_output(recipe, output, targets=Targets()), moved(problem, draw)


def moved(problem: Problem, draw: Draw) -> Problem:
    """Return a regression whose targets have a mean off zero by some of their standard deviations, as most have."""
    off = draw.between(1, 5) * problem.y.std()
    return problem.with_targets(lambda y: y + off)


def output_activation(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if problem.classes:
        return None
    top = np.median(problem.y) + draw.one_of(0, 1) * problem.y.std()
    below = problem.with_targets(lambda y: y - top)
    return with_output(recipe, Dense(1, "relu"), targets=Targets()), below


def class_numbers(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if not problem.classes or len(np.unique(problem.y)) < 3:
        return None
    output = Dense(1, draw.one_of("identity", "sigmoid"))
    return with_output(recipe, output, loss="squared_error", targets=Targets(coding="numbers")), problem


def loss_mismatch(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if not problem.classes:
        loss = draw.one_of("categorical_crossentropy", "binary_crossentropy", "poisson", "hinge")
        return recipe.replace(loss=loss, targets=Targets(coding="numbers", scaling=recipe.targets.scaling)), problem
    if recipe.outputs == 1:
        return recipe.replace(loss="categorical_crossentropy", targets=Targets(coding="binary")), problem
    wrong = draw.one_of(("identity", "categorical_crossentropy"), ("identity", "binary_crossentropy"))
    return with_output(recipe, Dense(recipe.outputs, wrong[0]), loss=wrong[1], targets=Targets("one_hot")), problem


def single_softmax(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    return (with_output(recipe, Dense(1, "softmax")), problem) if recipe.outputs == 1 else None


def hidden_activation(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    return with_hidden(recipe, activation=draw.one_of("exponential", "softmax")), problem


def linear_network(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    return with_hidden(recipe, activation="identity"), problem


def vanishing_gradient(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    layers = [Dense(hidden(recipe)[0].units, draw.one_of("sigmoid", "sigmoid", "hard_sigmoid"))] * draw.one_of(
        8, 10, 14
    )
    return recipe.replace(layers=(*layers, recipe.layers[-1])), problem


def unscaled_inputs(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if not isinstance(problem.X, np.ndarray):
        return recipe.replace(inputs=recipe.inputs.replace(scaling="none")), problem
    factor = power(draw, 2, 6)
    mode = draw.one_of("large", "small", "off")
    if mode == "off":
        far = off_centre(problem, power(draw, 2, 4))
    else:
        far = problem.with_inputs(lambda X: X * factor if mode == "large" else X / factor)
    return recipe.replace(inputs=Inputs()), far


def unscaled_targets(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if problem.classes:
        return None
    factor = power(draw, 2, 5)
    return recipe.replace(targets=Targets()), problem.with_targets(lambda y: factor * y)


def too_small(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    return with_hidden(recipe, units=1), problem


def too_few_steps(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    epochs = int(recipe.epochs / power(draw, 1, 2))
    return (recipe.replace(epochs=epochs, record_every=1), problem) if epochs else None


def early_stop(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if draw.chance(0.3):
        return recipe.replace(stop_at_loss=1e6), problem
    stopping = EarlyStopping(patience=draw.one_of(1, 2), min_delta=draw.between(0.1, 10), restore_best=False)
    return recipe.replace(early_stopping=stopping, record_every=1), problem


def batch_size(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if recipe.batch_size == "full" or len(problem.y) < 300:
        return None
    return recipe.replace(batch_size="full", epochs=min(recipe.epochs, 30)), problem


def optimizer(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    it = recipe.optimizer
    if isinstance(it, Momentum | Nesterov):
        return recipe.replace(optimizer=it.replace(momentum=draw.one_of(0.999, 0.9999))), problem
    if not hasattr(it, "epsilon"):
        return None
    return recipe.replace(optimizer=it.replace(epsilon=power(draw, 0.5, 4))), problem


def clipping(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if not isinstance(recipe.optimizer, SGD | Momentum | Nesterov):
        return None
    name = draw.one_of("clip_value", "clip_norm")
    return recipe.replace(**{name: 1 / power(draw, 4, 8)}), problem


def dropout(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if not stepwise(recipe):
        return None
    rate = draw.one_of(0.9, 0.95, 0.98)
    layers = [part for layer in hidden(recipe) for part in (layer, Dropout(rate))]
    return recipe.replace(layers=(*layers, recipe.layers[-1])), problem


def penalty(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    return recipe.replace(penalties=[L2(power(draw, -1, 2))]), problem


def no_shuffle(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if not stepwise(recipe) or recipe.batch_size == "full":
        return None
    order = np.argsort(problem.y, kind="stable")
    return recipe.replace(shuffle=False), replace(problem, X=problem.X[order], y=problem.y[order])


def class_weights(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if not problem.classes or recipe.targets.coding == "numbers":
        return None
    labels = np.unique(problem.y).tolist()
    heavy = labels[draw.one_of(*range(len(labels)))]
    factor = power(draw, 2, 4)
    return recipe.replace(class_weights={label: factor if label == heavy else 1.0 for label in labels}), problem


def nothing_to_learn(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if len(problem.y) < 100 or problem.floor is not None:
        return None
    y_held = draw.random.permutation(problem.y_held)
    return recipe, replace(problem, y=draw.random.permutation(problem.y), y_held=y_held)


def constant_inputs(recipe: Recipe, problem: Problem, draw: Draw) -> Changed:
    if not isinstance(problem.X, np.ndarray):
        return None
    divisor = 2 * np.abs(problem.X_held).max() + 2 * np.abs(problem.X).max()
    return recipe, problem.with_inputs(lambda X: np.trunc(X / divisor))  # integers divided by 255


INJECTIONS: dict[str, Injection] = {
    injection.__name__: injection
    for injection in (
        rate_too_high, rate_too_low, rate_decay, constant_start, small_start, large_start, one_sided_start, no_bias,
        output_range, output_activation, class_numbers, loss_mismatch, single_softmax, hidden_activation,
        linear_network, vanishing_gradient, unscaled_inputs, unscaled_targets, too_small, too_few_steps, early_stop,
        batch_size, optimizer, clipping, dropout, penalty, no_shuffle, class_weights, nothing_to_learn, constant_inputs,
    )
}  # fmt: skip
SAME = {
    "no_bias": {"unscaled_inputs"},  # it only harms where the data lie off centre
    "output_activation": {"output_range"},  # negative targets out of a ReLU
    "class_numbers": {"loss_mismatch", "output_range"},
    "batch_size": {"too_few_steps"},  # the same number of epochs has fewer steps
}
"""What else may be said of a fault, being true of it too."""
INCURABLE = {"nothing_to_learn", "constant_inputs"}


def injected(seed: int) -> Injected | None:
    """Return the faulty recipe of a seed; None where none was found.

    The kinds take turns, those of even and odd seeds alike; three in ten get a second fault.
    """
    first = list(INJECTIONS)[seed // 2 % len(INJECTIONS)]
    for attempt in range(TRIES):
        draw = Draw(OFFSET, seed, attempt)
        kinds = [first]
        if draw.chance(0.3) and first not in INCURABLE:
            kinds.append(draw.one_of(*(kind for kind in INJECTIONS if kind != first and kind not in INCURABLE)))
        found = with_faults(seed, attempt, tuple(kinds))
        if found:
            return found
    return None


def with_faults(seed: int, attempt: int, kinds: tuple[str, ...]) -> Injected | None:
    """Draw a healthy recipe and put faults in it; None where they do not apply, or learning does not suffer."""

    def put_in(recipe: Recipe, problem: Problem, chosen: tuple[str, ...] = kinds) -> Changed:
        changed: Changed = (recipe, problem)
        for kind in chosen:
            changed = changed and INJECTIONS[kind](*changed, Draw(OFFSET, seed, attempt, kinds.index(kind)))
        return changed

    twin = drawn_healthy(OFFSET + TRIES * seed + attempt, lambda *healthy: put_in(*healthy) is not None)
    if twin is None:
        return None

    def remaining(chosen: tuple[str, ...]) -> tuple[float, Recipe, Problem]:
        changed = put_in(twin.recipe, twin.problem, chosen)
        assert changed
        return changed[1].level(changed[0], SEEDS), *changed

    def suffers(level: float, problem: Problem) -> bool:
        return level - problem.constant < (1 - SUFFERS) * (twin.level - twin.problem.constant)

    level, recipe, problem = remaining(kinds)
    if not suffers(level, problem):
        return None
    harmful = kinds
    if len(kinds) > 1:
        alone = {kind: remaining((kind,)) for kind in kinds}
        harmful = tuple(kind for kind, (level, _, there) in alone.items() if suffers(level, there)) or kinds
    causes = frozenset(harmful).union(*(SAME.get(kind, ()) for kind in harmful))
    return Injected(seed, kinds, causes, recipe, problem, twin, level, not INCURABLE.intersection(kinds))
