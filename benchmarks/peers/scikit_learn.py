"""scikit-learn's MLPClassifier and MLPRegressor with the workload's start and, epoch by epoch, its order of rows.

Where they cannot do the same mathematics they do the nearest they can, and the remark says what.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.peers import Trained
from benchmarks.workloads import Workload
from unstuck import Dropout
from unstuck.arrays import Array


class GivenStart:
    """Puts given weights and biases in the place of scikit-learn's random ones."""

    given: Iterator[tuple[Array, Array]]

    def _init_coef(self, *sizes: Any) -> tuple[Array, Array]:
        W, b = next(self.given)
        return W.copy(), b.copy()


class Classifier(GivenStart, MLPClassifier):
    pass


class Regressor(GivenStart, MLPRegressor):
    pass


def settings(workload: Workload) -> dict[str, Any]:
    """Return what the estimators call the recipe's settings."""
    recipe = workload.recipe
    o = recipe.optimizer
    hidden = [layer for layer in recipe.layers[:-1] if not isinstance(layer, Dropout)]
    kinds = {"sigmoid": "logistic", "leaky_relu": "relu"}
    # its squared error is halved and summed over the outputs; ours is their mean
    factor = recipe.outputs / 2 if recipe.loss.kind == "squared_error" else 1
    return {
        "hidden_layer_sizes": [layer.units for layer in hidden],
        "activation": kinds.get(hidden[0].activation.kind, hidden[0].activation.kind),
        "alpha": 0.0,
        "batch_size": workload.batch_size,
        "max_iter": recipe.epochs,
        "shuffle": False,
        "tol": 0.0,
        "n_iter_no_change": np.inf,
        **(
            {"solver": "adam", "learning_rate_init": o.learning_rate, "epsilon": getattr(o, "epsilon", 1e-8) * factor}
            if o.kind in ("adam", "rmsprop")
            else {
                "solver": "sgd",
                "learning_rate_init": o.learning_rate / factor,
                "momentum": getattr(o, "momentum", 0.0),
                "nesterovs_momentum": False,
            }
        ),
    }


def differences(workload: Workload) -> list[str]:
    """Return what is not as in the workload."""
    recipe = workload.recipe
    known = {
        "no dropout": workload.drops,
        "ReLU for leaky ReLU": recipe.layers[0].activation.kind == "leaky_relu",
        "Adam for RMSProp": recipe.optimizer.kind == "rmsprop",
        "one logistic output for two softmax outputs": classifies(workload) and recipe.outputs == 2,
    }
    return [text for text, differs in known.items() if differs]


def classifies(workload: Workload) -> bool:
    return workload.recipe.loss.kind == "categorical_crossentropy"


def fit(workload: Workload, network: int) -> MLPClassifier | MLPRegressor:
    X, Y = workload.XY
    single = workload.networks == 1
    start = workload.layers(workload.start if single else workload.start[network])
    if classifies(workload):
        y, estimator, extra = Y.argmax(axis=1), Classifier(**settings(workload)), {"classes": np.arange(Y.shape[1])}
        if Y.shape[1] == 2:
            W, b = start[-1]
            start[-1] = (W[:, 1:] - W[:, :1], b[1:] - b[:1])
    else:
        y, estimator, extra = Y if Y.shape[1] > 1 else Y[:, 0], Regressor(**settings(workload)), {}
    estimator.given = iter(start)

    if workload.orders is None:
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            return estimator.fit(X, y)
    for order in workload.orders if single else workload.orders[:, network]:
        estimator.partial_fit(X[order], y[order], **extra)
    return estimator


def outputs_of(estimator: MLPClassifier | MLPRegressor, X: Array) -> Array:
    if isinstance(estimator, MLPClassifier):
        return estimator.predict_proba(X)
    return estimator.predict(X).reshape(len(X), -1)


def prepare(workload: Workload, threads: int) -> Callable[[], Trained]:
    remark = ", ".join(differences(workload))

    def run() -> Trained:
        started = time.perf_counter()
        fitted = Parallel(n_jobs=min(threads, workload.networks))(
            delayed(fit)(workload, network) for network in range(workload.networks)
        )
        seconds = time.perf_counter() - started

        def outputs(X: Array) -> Array:
            A = [outputs_of(estimator, X) for estimator in fitted]
            return A[0] if workload.networks == 1 else np.stack(A)

        return Trained(seconds, outputs, remark, exact=not remark)

    return run
