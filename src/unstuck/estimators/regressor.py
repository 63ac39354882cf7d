"""MLPRegressor."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import validate_data

from unstuck.arrays import Array
from unstuck.data.targets import FittedTargets, Targets
from unstuck.estimators.model import DTYPES, Purpose
from unstuck.estimators.parameters import CONSTRAINTS, keep
from unstuck.estimators.perceptron import MultilayerPerceptron
from unstuck.functions.losses import Loss


class MLPRegressor(RegressorMixin, MultilayerPerceptron):  # type: ignore[misc]  # scikit-learn has no types
    """A multilayer perceptron that predicts numbers, with the names and rules of scikit-learn's class of that name.

    The parameters are those of `MLPClassifier`, without `class_weight`, and with

    Args:
        loss: "squared_error" (half of it) or "poisson", or the kind or value of any loss.
        target_scaling: "none", "standard" or "minmax", of y, fitted at the first call and undone in predictions.

    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> model = MLPRegressor(hidden_layer_sizes=16, activation="tanh", solver="lbfgs", random_state=0)
    >>> round(model.fit(X, X[:, 0] ** 2).score(X, X[:, 0] ** 2), 2)
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "loss": [StrOptions(set(Loss.family)), Loss],
        "target_scaling": [StrOptions({"none", "standard", "minmax"})],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        output_activation: Any = None,
        dropout: Any = 0.0,
        optimizer: Any = None,
        schedule: Any = None,
        weight_decay: float = 0.0,
        max_norm: float | None = None,
        weight_start: Any = None,
        bias_start: Any = None,
        initial_coefs: Any = None,
        initial_intercepts: Any = None,
        input_scaling: str = "none",
        target_scaling: str = "none",
        restore_best: bool = False,
        n_restarts: int = 1,
        callbacks: Any = None,
        keep_data: bool = False,
        precision: str | None = None,
    ):
        keep(self, locals())

    def predict(self, X: Any) -> Array:
        """Return the predicted numbers, (n,), or (n, o) for several outputs."""
        numbers = self._in_units(self._outputs(X))
        return numbers.ravel() if numbers.shape[1] == 1 else numbers

    def _checked(self, X: Any, y: Any, purpose: Purpose, reset: bool) -> tuple[Any, npt.NDArray[Any]]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=DTYPES,
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        Y = y.reshape(len(y), -1).astype(np.float64)
        if reset:
            scales = self.target_scaling != "none"
            self._targets = Targets("numbers", self.target_scaling).fit(Y, Y.shape[1], "numbers") if scales else None
        return X, Y

    def _coded(self, Y: npt.NDArray[Any], loss: Loss) -> tuple[npt.NDArray[Any], Targets]:
        return (Y if self._targets is None else self._targets.transform(Y)), Targets(coding="numbers")

    def _labelled(self, targets: FittedTargets) -> FittedTargets:
        return targets if self._targets is None else self._targets

    def _in_units(self, A: Array) -> Array:
        return A if self._targets is None else self._targets.predictions(A).reshape(A.shape)

    def _score_of(self, A: Array, Y: npt.NDArray[Any], weights: Array | None) -> float:
        if not np.isfinite(A).all():
            return float("nan")
        return float(r2_score(Y, self._in_units(A), sample_weight=weights))

    def _loss_shift(self, Y: npt.NDArray[Any], weights: Array | None) -> float:
        """Return the mean of y log(y) - y, which scikit-learn counts in the Poisson loss."""
        if self.loss != "poisson":
            return 0.0
        return float(np.average(xlogy(Y, Y) - Y, axis=0, weights=weights).sum())
