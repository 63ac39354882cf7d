"""Changes of recipes that several fixes are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from unstuck.data.inputs import Inputs
from unstuck.data.targets import Targets
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.rates import RATES, sweep
from unstuck.errors import UnstuckError
from unstuck.functions.activations import Activation, Identity, ReLU, Softmax
from unstuck.functions.losses import CategoricalCrossEntropy, Loss, SquaredError
from unstuck.functions.optimizers import LBFGS, Adam
from unstuck.recipe import Dense, EarlyStopping, Layer, Recipe
from unstuck.training.prepare import prepare

USUAL_RATE = 0.003


def hidden(recipe: Recipe) -> list[Dense]:
    """Return the Dense layers before the last."""
    return [layer for layer in recipe.layers[:-1] if isinstance(layer, Dense)]


def output(recipe: Recipe) -> Dense:
    """Return the last layer."""
    last = recipe.layers[-1]
    assert isinstance(last, Dense)
    return last


def with_hidden(recipe: Recipe, change: Callable[[Dense], Layer]) -> Recipe:
    """Change each Dense layer before the last."""
    layers = [change(layer) if isinstance(layer, Dense) else layer for layer in recipe.layers[:-1]]
    return recipe.replace(layers=(*layers, recipe.layers[-1]))


def with_dense(recipe: Recipe, change: Callable[[Dense], Layer]) -> Recipe:
    """Change each Dense layer."""
    return recipe.replace(layers=tuple(change(layer) if isinstance(layer, Dense) else layer for layer in recipe.layers))


def with_output(
    recipe: Recipe, activation: Activation, units: int | None = None, loss: Loss | None = None, **changes: Any
) -> Recipe:
    """Change the last layer's activation and, where they are given, its units and the loss.

    A target for the loss goes with the loss it was meant for.
    """
    last = output(recipe)
    if loss is not None and loss != recipe.loss:
        changes = {"stop_at_loss": None, **changes}
    usual = last.activation.start != activation.start or units not in (None, last.units)
    last = last.replace(
        activation=activation,
        units=units or last.units,
        weight_start=None if usual else last.weight_start,
    )
    layers = (*recipe.layers[:-1], last)
    return recipe.replace(layers=layers, loss=loss or recipe.loss, **changes)


def as_classes(recipe: Recipe, problem: Problem) -> Recipe:
    """Take one softmax unit a class, with cross-entropy."""
    classes = np.unique(problem.y) if problem.classes is None else problem.classes
    return with_output(recipe, Softmax(), len(classes), CategoricalCrossEntropy(), targets=Targets(), metrics=())


def as_numbers(recipe: Recipe, problem: Problem) -> Recipe:
    """Take linear output units with the squared error, not half of it."""
    loss, targets = SquaredError(), recipe.targets
    if targets.resolve(problem.y, recipe.outputs, loss.prefers) != "numbers":
        targets = targets.replace(coding="numbers")
    return with_output(recipe, Identity(), loss=loss, targets=targets)


def proper_output(recipe: Recipe, problem: Problem) -> Recipe:
    """Take the output and loss that suit the targets."""
    return as_numbers(recipe, problem) if problem.classes is None else as_classes(recipe, problem)


PROPER_OUTPUT = "the output and loss that go with the targets"


def with_usual_starts(recipe: Recipe, problem: Problem | None = None) -> Recipe:
    """Take the start that suits each activation, and zero biases."""
    defaults = Dense(1)
    return with_dense(recipe, lambda layer: layer.replace(weight_start=None, bias_start=defaults.bias_start))


def with_relu(recipe: Recipe, problem: Problem | None = None) -> Recipe:
    """Take ReLU with He's start in the layers before the last."""
    return with_hidden(recipe, lambda layer: layer.replace(activation=ReLU(), weight_start=None))


def with_scaled_inputs(recipe: Recipe, problem: Problem | None = None) -> Recipe:
    """Standardise the inputs."""
    return recipe.replace(inputs=replace(recipe.inputs, scaling="standard"))


def with_best_rate(recipe: Recipe, problem: Problem, below: float = 1.0) -> Recipe:
    """Take the learning rate after which the loss is lowest in a short sweep, times `below`."""
    found = sweep(prepare(recipe.replace(validation_fraction=0.0), problem.X, problem.y), RATES)
    if found is None:
        return recipe
    return with_rate(recipe, found.best * below)


def with_rate(recipe: Recipe, rate: float) -> Recipe:
    """Take another learning rate, in one digit."""
    return recipe.replace(optimizer=recipe.optimizer.replace(learning_rate=float(f"{rate:.1g}")))


def with_adam(recipe: Recipe, problem: Problem | None = None) -> Recipe:
    """Take Adam at its usual rate."""
    return recipe.replace(optimizer=Adam(learning_rate=USUAL_RATE))


def reference(recipe: Recipe, problem: Problem) -> Recipe:
    """Return a network that learns most things: two ReLU layers, standardised data, Adam, proper output and loss.

    Of the subject it keeps what it has to: the inputs' categories and missing values, the seed and the precision.
    """
    classes = problem.classes
    numbers = problem.y.reshape(len(problem.y), -1).shape[1]
    last = Dense(numbers, Identity()) if classes is None else Dense(len(classes), Softmax())
    rows = len(problem)
    return Recipe(
        [Dense(64, ReLU()), Dense(64, ReLU()), last],
        loss=SquaredError() if classes is None else CategoricalCrossEntropy(),
        optimizer=Adam(learning_rate=USUAL_RATE),
        batch_size=32 if rows >= 200 else "full" if rows < 64 else 16,
        epochs=int(np.clip(100_000 / rows, 5, 800)),
        inputs=Inputs(scaling="standard", missing=recipe.inputs.missing, categories=recipe.inputs.categories),
        targets=Targets(scaling="standard" if classes is None else "none"),
        validation_fraction=0.15 if rows >= 200 else 0.0,
        early_stopping=EarlyStopping(patience=20) if rows >= 200 else None,
        seed=recipe.seed,
        precision=recipe.precision,
    )


def rate_of(recipe: Recipe) -> float | None:
    """Return the learning rate, None for L-BFGS."""
    return None if isinstance(recipe.optimizer, LBFGS) else recipe.optimizer.learning_rate


def differences(before: Recipe, after: Recipe) -> tuple[str, ...]:
    """Return the fields in which two recipes differ, as lines `optimizer.learning_rate: 1e-06 -> 0.01`."""
    return tuple(_differences(before.to_data(), after.to_data(), ""))


def _differences(before: Any, after: Any, place: str) -> list[str]:
    if before == after:
        return []
    if isinstance(before, str) and isinstance(after, dict):
        before = {"kind": before}
    if isinstance(after, str) and isinstance(before, dict):
        after = {"kind": after}
    if isinstance(before, dict) and isinstance(after, dict):
        if before.get("kind") != after.get("kind") and "units" not in before:
            return [f"{place}: {_shown(before)} -> {_shown(after)}"]
        names = dict.fromkeys([*before, *after])
        lines = [
            _differences(before.get(name), after.get(name), f"{place}.{name}" if place else name) for name in names
        ]
        return [line for part in lines for line in part]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        lines = [_differences(b, a, f"{place}.{k}") for k, (b, a) in enumerate(zip(before, after, strict=True))]
        return [line for part in lines for line in part]
    if place.endswith("_start"):
        before, after = ("the usual" if value is None else value for value in (before, after))
    return [f"{place}: {_shown(before)} -> {_shown(after)}"]


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        rest = ", ".join(f"{name}={_shown(part)}" for name, part in value.items() if name != "kind")
        kind = value.get("kind", "")
        return f"{kind}({rest})" if rest else kind
    if isinstance(value, list):
        return "[" + ", ".join(_shown(part) for part in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def applicable(recipe: Recipe, problem: Problem) -> bool:
    """Tell whether a changed recipe can be trained on the problem's data at all."""
    try:
        prepare(recipe, problem.X, problem.y).network.start()
    except UnstuckError:
        return False
    return True
