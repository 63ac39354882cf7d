"""search(): random search over recipes, the honest baseline beside a diagnosis.

Bergstra and Bengio 2012: settings drawn independently, trained, and the best kept. Drawn are the learning rate
(log-uniform from 1e-5 to 1), optimizer, batch size, hidden layers and their activation, output and loss (as they are,
or those that suit the targets), scaling of X and y, dropout, penalty and start (as they are, or none and the usual).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from unstuck.diagnosis.changes import applicable, output, proper_output, with_usual_starts
from unstuck.diagnosis.faults.dropout import without_dropout
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.trainings import Clock, Trained, train_all
from unstuck.engines.native import thread_count
from unstuck.functions.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from unstuck.functions.optimizers import SGD, Adam, Momentum, RMSProp
from unstuck.recipe import Dense, Recipe

ACTIVATIONS = (ReLU(), LeakyReLU(), Tanh(), Sigmoid())
OPTIMIZERS = (SGD(), Momentum(), RMSProp(), Adam())
WIDTHS = (4, 8, 16, 32, 64, 128)


def search(recipe: Recipe, X: Any, y: Any, *, budget: float = 10.0, seed: int = 0) -> Recipe | None:
    """Return the best of as many random recipes as can be trained in the time, None where none could be.

    Args:
        recipe: where each draw starts from.
        X: features.
        y: targets.
        budget: seconds.
        seed: of the draws.
    """
    problem, clock = Problem.of(recipe, X, y), Clock(budget)
    random = np.random.default_rng(seed)
    best: Trained | None = None
    while not clock.over:
        recipes = [drawn for _ in range(thread_count()) if applicable(drawn := draw(recipe, problem, random), problem)]
        for trained in train_all(recipes, problem, clock.left):
            if best is None or trained.gain > best.gain:
                best = trained
    return best.run.recipe if best is not None else None


def draw(recipe: Recipe, problem: Problem, random: np.random.Generator) -> Recipe:
    """Return a recipe drawn around the given one."""
    drawn = recipe
    if random.random() < 0.5:
        drawn = proper_output(drawn, problem)
    if random.random() < 0.5:
        drawn = without_dropout(drawn, problem).replace(penalties=())
    if random.random() < 0.5:
        drawn = with_usual_starts(drawn)
    if random.random() < 0.5:
        activation = ACTIVATIONS[random.integers(len(ACTIVATIONS))]
        hidden = [Dense(int(random.choice(WIDTHS)), activation) for _ in range(random.integers(1, 4))]
        drawn = drawn.replace(layers=(*hidden, output(drawn)))
    numbers = output(drawn).activation.kind == "identity" and problem.classes is None
    optimizer = OPTIMIZERS[random.integers(len(OPTIMIZERS))]
    return drawn.replace(
        optimizer=optimizer.replace(learning_rate=float(10 ** random.uniform(-5, 0))),
        schedule="constant",
        batch_size=int(random.choice([16, 32, 64, 128])),
        inputs=drawn.inputs.replace(scaling=str(random.choice(["none", "standard"]))),
        targets=drawn.targets.replace(scaling=str(random.choice(["none", "standard"])) if numbers else "none"),
        early_stopping=None,
        stop_at_loss=None,
        clip_value=None,
        clip_norm=None,
        class_weights=None,
    )
