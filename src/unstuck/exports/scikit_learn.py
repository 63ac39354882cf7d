"""A fitted MLP of scikit-learn as a Run: diagnosed, exported and kept like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unstuck.data.inputs import Inputs
from unstuck.data.tables import default_names
from unstuck.data.targets import FittedTargets
from unstuck.errors import OptionError
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import LBFGS, SGD, Adam, Momentum, Nesterov, Optimizer
from unstuck.functions.penalties import L2
from unstuck.history import History
from unstuck.network import Network
from unstuck.recipe import Dense, EarlyStopping, Recipe
from unstuck.run import Run

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

KINDS = {"logistic": "sigmoid", "exp": "exponential"}
"""Activations that scikit-learn has under another name."""


def from_scikit_learn(mlp: MLPClassifier | MLPRegressor) -> Run:
    """Return a fitted MLPClassifier or MLPRegressor as a Run that predicts the same, but for rounding.

    The recipe has its layers, loss, optimizer, batch size, epochs, early stopping, precision, seed (of a random_state
    that is an integer) and penalty: L2(alpha / rows of a batch), where the number of rows can be told. What no recipe
    says is left out: the schedules "invscaling" (over samples) and "adaptive", and `max_fun`. The history has the loss
    curve and the validation scores. `seconds` is 0, since scikit-learn does not keep it.

    Args:
        mlp: fitted; multilabel targets have no equivalent here.

    Raises:
        OptionError: when it is something else, not fitted, or fitted to several labels a row.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> mlp = MLPClassifier(solver="lbfgs", random_state=0).fit(X, y)
    >>> run = from_scikit_learn(mlp)
    >>> bool((run.predict(X) == mlp.predict(X)).all())
    True
    """
    _check(mlp)
    recipe = _recipe(mlp)
    network = Network(recipe, mlp.n_features_in_)
    w = np.empty(network.size, dtype=recipe.precision)
    for layer, W, b in zip(network.dense, mlp.coefs_, mlp.intercepts_, strict=True):
        layer.W(w)[...], layer.b(w)[...] = W, b
    scores = np.asarray(getattr(mlp, "validation_scores_", None) or [])
    return Run(
        recipe=recipe,
        inputs=_inputs(mlp),
        targets=_targets(mlp),
        final_parameters=w,
        best_parameters=w.copy(),
        best_epoch=int(scores.argmax()) + 1 if scores.size else mlp.n_iter_,  # it restores the best of its scores
        history=_history(mlp, scores),
        stopped="all epochs" if mlp.n_iter_ >= mlp.max_iter else "converged" if _lbfgs(mlp) else "early stopping",
        failure="",
        seconds=0.0,
        engine="scikit-learn",
    )


def _check(mlp: Any) -> None:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    if not isinstance(mlp, MLPClassifier | MLPRegressor):
        raise OptionError(f"a fitted MLPClassifier or MLPRegressor of scikit-learn is needed; got {type(mlp).__name__}")
    if not hasattr(mlp, "coefs_"):
        raise OptionError(f"this {type(mlp).__name__} has not been fitted; call its fit(X, y) first")
    if hasattr(mlp, "classes_") and mlp.out_activation_ == "logistic" and mlp.n_outputs_ > 1:
        raise OptionError(
            f"this MLPClassifier tells for each of {mlp.n_outputs_} labels whether a row has it, and a Run has one "
            "label a row; for the network alone, set its weights by Given in a recipe of your own"
        )


def _lbfgs(mlp: Any) -> bool:
    return bool(mlp.solver == "lbfgs")


def _recipe(mlp: Any) -> Recipe:
    *hidden, outputs = (len(b) for b in mlp.intercepts_)
    activation = Activation.from_data(KINDS.get(mlp.activation, mlp.activation))
    layers = [Dense(units, activation) for units in hidden]
    layers += [Dense(outputs, Activation.from_data(KINDS.get(mlp.out_activation_, mlp.out_activation_)))]
    rows = _rows_per_batch(mlp)
    stopping = None
    if not _lbfgs(mlp):
        stopping = EarlyStopping(mlp.n_iter_no_change, max(mlp.tol, 0.0), restore_best=mlp.early_stopping)
    return Recipe(
        layers,
        _loss(mlp),
        optimizer=_optimizer(mlp),
        penalties=[L2(mlp.alpha / rows)] if rows and mlp.alpha else [],
        batch_size="full" if _lbfgs(mlp) or rows is None else rows,
        epochs=mlp.max_iter,
        shuffle=mlp.shuffle,
        early_stopping=stopping,
        validation_fraction=mlp.validation_fraction if mlp.early_stopping and not _lbfgs(mlp) else 0.0,
        precision="float32" if mlp.coefs_[0].dtype == np.float32 else "float64",
        seed=int(mlp.random_state) if isinstance(mlp.random_state, int | np.integer) else 0,
    )


def _rows_per_batch(mlp: Any) -> int | None:
    """Return the rows of a mini-batch, or None where they cannot be told: L-BFGS keeps no count of the rows."""
    if _lbfgs(mlp):
        return None
    n = mlp.t_ // max(mlp.n_iter_, 1)
    return max(1, min(200 if mlp.batch_size == "auto" else mlp.batch_size, n))


def _loss(mlp: Any) -> Loss:
    if mlp.loss == "log_loss":
        return Loss.from_data("binary_crossentropy" if mlp.n_outputs_ == 1 else "categorical_crossentropy")
    return Loss.from_data("poisson" if mlp.loss == "poisson" else {"kind": "squared_error", "half": True})


def _optimizer(mlp: Any) -> Optimizer:
    if _lbfgs(mlp):
        return LBFGS(gradient_tolerance=mlp.tol)
    if mlp.solver == "adam":
        return Adam(mlp.learning_rate_init, mlp.beta_1, mlp.beta_2, mlp.epsilon)
    if not mlp.momentum:
        return SGD(mlp.learning_rate_init)
    return (Nesterov if mlp.nesterovs_momentum else Momentum)(mlp.learning_rate_init, mlp.momentum)


def _inputs(mlp: Any) -> Any:
    names = getattr(mlp, "feature_names_in_", None)
    named = default_names(mlp.n_features_in_) if names is None else tuple(names.tolist())
    fitted = Inputs().fit(np.zeros((1, mlp.n_features_in_)))
    return fitted.replace(numbers=named, by_name=names is not None)


def _targets(mlp: Any) -> FittedTargets:
    classes = getattr(mlp, "classes_", None)
    if classes is None:
        return FittedTargets("numbers", mlp.n_outputs_, flat=mlp.n_outputs_ == 1)
    return FittedTargets("one_hot" if mlp.n_outputs_ > 1 else "binary", mlp.n_outputs_, tuple(classes.tolist()))


def _history(mlp: Any, scores: Any) -> History:
    curve = getattr(mlp, "loss_curve_", [])
    columns = {"epoch": np.arange(1, len(curve) + 1), "loss": curve}
    if len(scores) == len(curve) > 0:
        columns["validation_accuracy" if hasattr(mlp, "classes_") else "validation_r2"] = scores
    return History(columns if len(curve) else {})
