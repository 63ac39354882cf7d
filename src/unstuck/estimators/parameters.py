"""What scikit-learn's checks allow for each parameter."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from unstuck.estimators.recipes import ACTIVATIONS
from unstuck.functions.activations import Activation
from unstuck.functions.initializers import Initializer
from unstuck.functions.optimizers import Optimizer
from unstuck.functions.schedules import Schedule

POSITIVE_INTEGER = Interval(Integral, 1, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
SHARE = Interval(Real, 0, 1, closed="left")

OF_SCIKIT_LEARN: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", POSITIVE_INTEGER],
    "activation": [StrOptions(set(ACTIVATIONS)), Activation, tuple, list],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [NOT_NEGATIVE],
    "batch_size": [StrOptions({"auto"}), POSITIVE_INTEGER],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [POSITIVE],
    "power_t": [NOT_NEGATIVE],
    "max_iter": [POSITIVE_INTEGER],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [NOT_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [SHARE],
    "beta_1": [SHARE],
    "beta_2": [SHARE],
    "epsilon": [POSITIVE],
    "n_iter_no_change": [POSITIVE_INTEGER, Options(Real, {np.inf})],
    "max_fun": [POSITIVE_INTEGER],
}
OF_UNSTUCK: dict[str, list[Any]] = {
    "output_activation": [StrOptions(set(ACTIVATIONS)), Activation, tuple, None],
    "dropout": [SHARE, list, tuple],
    "optimizer": [StrOptions(set(Optimizer.family)), Optimizer, None],
    "schedule": [str, Schedule, None],
    "weight_decay": [NOT_NEGATIVE],
    "max_norm": [POSITIVE, None],
    "weight_start": [StrOptions(set(Initializer.family)), Initializer, None],
    "bias_start": [StrOptions(set(Initializer.family)), Initializer, None],
    "initial_coefs": [list, tuple, None],
    "initial_intercepts": [list, tuple, None],
    "input_scaling": [StrOptions({"none", "standard", "minmax"})],
    "restore_best": ["boolean"],
    "n_restarts": [POSITIVE_INTEGER],
    "callbacks": [list, tuple, None],
    "keep_data": ["boolean"],
    "precision": [StrOptions({"float32", "float64"}), None],
}
CONSTRAINTS = {**OF_SCIKIT_LEARN, **OF_UNSTUCK}


def keep(estimator: Any, given: Mapping[str, Any]) -> None:
    """Set the parameters that a constructor was given, its `locals()`, as they are."""
    for name, value in given.items():
        if name != "self":
            setattr(estimator, name, value)
