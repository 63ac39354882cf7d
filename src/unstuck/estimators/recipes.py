"""From scikit-learn's parameters to the recipe that means the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unstuck.data.inputs import Inputs
from unstuck.data.targets import Targets
from unstuck.errors import OptionError, did_you_mean
from unstuck.estimators.starts import uniform_start
from unstuck.functions.activations import Activation, Custom, Exponential, Identity, Sigmoid, Softmax
from unstuck.functions.initializers import Initializer, Zeros
from unstuck.functions.losses import BinaryCrossEntropy, CategoricalCrossEntropy, Loss, Poisson, SquaredError
from unstuck.functions.optimizers import LBFGS, SGD, Adam, Momentum, Nesterov, Optimizer
from unstuck.functions.penalties import L2, DecoupledDecay, MaxNorm, Penalty
from unstuck.functions.schedules import ConstantRate, InverseScalingByRows, Schedule
from unstuck.recipe import Dense, Dropout, Layer, Recipe

SCIKIT_LEARN_NAMES = {"sigmoid": "logistic", "exponential": "exp"}
ACTIVATIONS = {SCIKIT_LEARN_NAMES.get(kind, kind): kind for kind in Activation.family}
"""Activations by the names scikit-learn has for them, or else by ours."""
LARGEST_AUTO_BATCH = 200
SCIPY_COST_TOLERANCE = 2.220446049250313e-09


def activation_of(given: Any) -> Activation:
    """Return an activation given by its name, as a value, or as a pair (f, f') of functions of z.

    >>> activation_of("logistic"), activation_of((np.sin, np.cos)).value(np.zeros(1))
    (Sigmoid(), array([0.]))
    """
    if isinstance(given, Activation):
        return given
    if _is_pair(given):
        return Custom(*given)
    if not isinstance(given, str) or given not in ACTIVATIONS:
        raise OptionError(f"there is no activation {given!r}{did_you_mean(str(given), ACTIVATIONS)}")
    return Activation.from_data(ACTIVATIONS[given])


def name_of(activation: Activation) -> str:
    """Return scikit-learn's name of an activation, or ours."""
    return SCIKIT_LEARN_NAMES.get(activation.kind, activation.kind or "custom")


def is_logistic(estimator: Any) -> bool:
    """Tell whether scikit-learn would draw the start of logistic units."""
    return estimator.activation == "logistic"


def is_adaptive(estimator: Any) -> bool:
    """Tell whether the learning rate comes down where the training stands still."""
    return estimator.optimizer is None and estimator.solver == "sgd" and estimator.learning_rate == "adaptive"


def is_full_batch(estimator: Any) -> bool:
    """Tell whether every update sees all rows: with L-BFGS."""
    given = estimator.optimizer
    return estimator.solver == "lbfgs" if given is None else given == "lbfgs" or isinstance(given, LBFGS)


def hidden_sizes(given: Any) -> list[int]:
    """Return the units of each hidden layer, given as a number or a sequence of them."""
    sizes = list(given) if hasattr(given, "__iter__") else [given]
    if any(size <= 0 for size in sizes):
        raise OptionError(f"hidden_layer_sizes must be > 0, got {sizes}: each is the number of units of a hidden layer")
    return [int(size) for size in sizes]


def loss_and_output(loss: Any, output_activation: Any, many_classes: bool | None) -> tuple[Loss, Activation]:
    """Return the loss, and the output activation that goes with it unless another is given.

    Args:
        loss: "log_loss", "squared_error", "poisson" as scikit-learn means them, the kind of another loss, or a value.
        output_activation: None, or anything that `activation_of` takes.
        many_classes: whether a row has one of more than two classes; None where the targets are numbers.
    """
    if loss == "log_loss":
        loss = CategoricalCrossEntropy() if many_classes else BinaryCrossEntropy(outputs="sum")
    elif loss == "squared_error":
        loss = SquaredError(half=True, outputs="sum")
    elif loss == "poisson":
        loss = Poisson(outputs="sum")
    elif not isinstance(loss, Loss):
        loss = Loss.from_data(loss)
    if output_activation is not None:
        return loss, activation_of(output_activation)
    if many_classes is None:
        return loss, Exponential() if loss.kind == "poisson" else Identity()
    if loss.prefers == "signed":
        return loss, Identity()
    return loss, Softmax() if many_classes else Sigmoid()


def batch_rows(batch_size: Any, rows: int) -> int:
    """Return the rows of a mini-batch."""
    return min(LARGEST_AUTO_BATCH, rows) if batch_size == "auto" else min(int(batch_size), rows)


def recipe_of(
    estimator: Any, widths: Sequence[int], loss: Loss, output: Activation, *, rows: int, seen: int, dtype: Any
) -> Recipe:
    """Return the recipe of a fit on so many rows.

    Args:
        estimator: its parameters are translated.
        widths: the inputs, the units of each hidden layer, the outputs.
        loss: as `loss_and_output` returns it.
        output: likewise.
        rows: to train on.
        seen: rows seen in earlier calls of partial_fit, or of fit with warm_start; inverse scaling goes on from there.
        dtype: of X; the network computes in it, unless `precision` says otherwise.
    """
    optimizer = _optimizer(estimator)
    full = isinstance(optimizer, LBFGS)
    return Recipe(
        _layers(estimator, widths, output),
        loss=loss,
        optimizer=optimizer,
        schedule=_schedule(estimator, rows, seen),
        penalties=_penalties(estimator),
        batch_size="full" if full else batch_rows(estimator.batch_size, rows),
        epochs=estimator.max_iter,
        shuffle=bool(estimator.shuffle),
        inputs=Inputs(),
        targets=Targets(),
        measure_training=False,
        precision=estimator.precision or ("float32" if dtype == np.float32 else "float64"),
    )


def _layers(estimator: Any, widths: Sequence[int], output: Activation) -> list[Layer]:
    hidden = len(widths) - 2
    activations = _of_each(estimator.activation, hidden, "activation", activation_of)
    rates = _of_each(estimator.dropout, hidden, "dropout", float)
    layers: list[Layer] = []
    for k, activation in enumerate([*activations, output]):
        start = uniform_start(widths[k], widths[k + 1], is_logistic(estimator))
        layers.append(
            Dense(
                widths[k + 1],
                activation,
                weight_start=_start(estimator.weight_start, start),
                bias_start=_start(estimator.bias_start, start if estimator.weight_start is None else Zeros()),
            )
        )
        if k < hidden and rates[k]:
            layers.append(Dropout(rates[k]))
    return layers


def _start(given: Any, usual: Initializer) -> Initializer:
    return usual if given is None else Initializer.from_data(given)


def _of_each(given: Any, hidden: int, name: str, make: Any) -> list[Any]:
    """Return what is given for each hidden layer, or the one thing given for all of them."""
    if not isinstance(given, list | tuple) or _is_pair(given):
        return [make(given)] * hidden
    if len(given) != hidden:
        raise OptionError(
            f"{name} names {len(given)} layers, but there are {hidden} hidden layers: give one for each, or one for all"
        )
    return [make(one) for one in given]


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2 and all(map(callable, given))


def _optimizer(estimator: Any) -> Optimizer:
    given, rate = estimator.optimizer, float(estimator.learning_rate_init)
    if isinstance(given, Optimizer):
        return given
    if given is not None:
        return Optimizer.from_data({"kind": given} if given == "lbfgs" else {"kind": given, "learning_rate": rate})
    if estimator.solver == "lbfgs":
        return LBFGS(
            gradient_tolerance=estimator.tol, cost_tolerance=SCIPY_COST_TOLERANCE, calls=int(estimator.max_fun)
        )
    if estimator.solver == "adam":
        return Adam(rate, estimator.beta_1, estimator.beta_2, estimator.epsilon, epsilon_hat=True)
    if estimator.momentum == 0:
        return SGD(rate)
    return (Nesterov if estimator.nesterovs_momentum else Momentum)(rate, estimator.momentum)


def _schedule(estimator: Any, rows: int, seen: int) -> Schedule:
    if estimator.schedule is not None:
        return Schedule.from_data(estimator.schedule)
    if estimator.optimizer is None and estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
        return InverseScalingByRows(rows, estimator.power_t, seen)
    return ConstantRate()


def _penalties(estimator: Any) -> list[Penalty]:
    penalties: list[Penalty] = []
    if estimator.alpha:
        penalties.append(L2(estimator.alpha, per_row=True))
    if estimator.weight_decay:
        penalties.append(DecoupledDecay(estimator.weight_decay))
    if estimator.max_norm is not None:
        penalties.append(MaxNorm(estimator.max_norm))
    return penalties
