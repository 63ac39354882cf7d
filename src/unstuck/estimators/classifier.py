"""MLPClassifier."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from unstuck.arrays import Array
from unstuck.data.targets import FittedTargets, Targets
from unstuck.errors import DataError
from unstuck.estimators.model import DTYPES, Purpose
from unstuck.estimators.parameters import CONSTRAINTS, keep
from unstuck.estimators.perceptron import MultilayerPerceptron, goes_on
from unstuck.functions.losses import Loss


class MLPClassifier(ClassifierMixin, MultilayerPerceptron):  # type: ignore[misc]  # scikit-learn has no types
    """A multilayer perceptron that tells classes apart, with the names and rules of scikit-learn's class of that name.

    The parameters up to `max_fun` are scikit-learn's, with its defaults and its meaning; docs/estimators.md lists what
    differs. Those from `loss` on are unstuck's own. `activation` takes more than scikit-learn's: the kind or value of
    any activation, a pair (f, f') of functions of z, or a list with one for each layer.

    Args:
        hidden_layer_sizes: the units of each hidden layer.
        activation: of the hidden layers.
        solver: "adam", "sgd" or "lbfgs".
        alpha: the cost has alpha / 2 sum w^2 over the rows of the mini-batch added to it.
        batch_size: rows of a mini-batch; "auto" is min(200, n).
        learning_rate: "constant", "invscaling" or "adaptive", of "sgd".
        learning_rate_init: the learning rate.
        power_t: the exponent of "invscaling".
        max_iter: epochs at most, or iterations of "lbfgs".
        shuffle: visit the rows in a new order every epoch.
        random_state: of the start, the split, the order of the rows and the dropout masks.
        tol: the least improvement of loss or score that counts.
        verbose: print a line an epoch.
        warm_start: fit goes on from where the last call ended.
        momentum: of "sgd".
        nesterovs_momentum: Nesterov's form of it.
        early_stopping: stop by the score on rows held out, and restore the best parameters.
        validation_fraction: their share.
        beta_1: of "adam".
        beta_2: of "adam".
        epsilon: of "adam".
        n_iter_no_change: epochs in a row that may pass without improvement.
        max_fun: of "lbfgs": costs computed at most.
        loss: "log_loss", or the kind or value of any loss.
        output_activation: None for the one that goes with the loss.
        dropout: the share of units dropped behind each hidden layer, one number or one for each.
        class_weight: None, "balanced", or a weight for each class.
        optimizer: the kind or value of any optimizer, in place of `solver`.
        schedule: of the learning rate.
        weight_decay: decoupled, w *= 1 - rate weight_decay.
        max_norm: the longest that the incoming weights of a unit may be.
        weight_start: kind or value of any initializer; None draws as scikit-learn does.
        bias_start: likewise.
        initial_coefs: the weights of each layer to start from.
        initial_intercepts: the biases.
        input_scaling: "none", "standard" or "minmax", fitted at the first call.
        restore_best: end with the parameters of the best epoch, by score where rows are held out, else by loss.
        n_restarts: trainings from as many starts; the best is kept.
        callbacks: called after each epoch, see `unstuck.train`.
        keep_data: keep the training rows for `diagnose_`.
        precision: "float32" or "float64"; None takes that of X.

    Attributes:
        coefs_, intercepts_: W (i, o) and b (o,) of each layer.
        classes_: the labels.
        loss_, best_loss_, loss_curve_: of the last epoch, the best, and of all.
        validation_scores_, best_validation_score_, validation_loss_curve_: on the rows held out.
        n_iter_, t_: epochs of the last fit, rows seen in all.
        stopped_: why the last fit ended.
        run_, recipe_: unstuck's Run and Recipe.

    >>> from unstuck.data import spiral
    >>> X, y = spiral(rows=600)
    >>> model = MLPClassifier((64, 64), learning_rate_init=0.01, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95, model.stopped_
    (True, 'plateau')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "loss": [StrOptions({"log_loss", *Loss.family}), Loss],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
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
        loss: Any = "log_loss",
        output_activation: Any = None,
        dropout: Any = 0.0,
        class_weight: Any = None,
        optimizer: Any = None,
        schedule: Any = None,
        weight_decay: float = 0.0,
        max_norm: float | None = None,
        weight_start: Any = None,
        bias_start: Any = None,
        initial_coefs: Any = None,
        initial_intercepts: Any = None,
        input_scaling: str = "none",
        restore_best: bool = False,
        n_restarts: int = 1,
        callbacks: Any = None,
        keep_data: bool = False,
        precision: str | None = None,
    ):
        keep(self, locals())

    @available_if(goes_on)  # type: ignore[untyped-decorator]  # scikit-learn has no types
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None, *, validation: Any = None
    ) -> Self:
        """Go on for one epoch on rows X with targets y; the first call needs all `classes`.

        With `early_stopping` give rows in `validation`: once their score stands still, `stopped_` says so and the
        parameters of the best call are restored.
        """
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer().fit(y if type_of_target(y).startswith("multilabel") else classes)
        return self._fit(X, y, sample_weight, validation, incremental=True)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the class of each row, (n,), or 0 and 1 for each label, (n, labels)."""
        A = self._shares(self._outputs(X))
        return self._label_binarizer.inverse_transform(A.ravel() if self.n_outputs_ == 1 else A)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (n, K), or that each label holds."""
        a = self._shares(self._outputs(X))
        return np.hstack([1 - a, a]) if self.n_outputs_ == 1 else a

    def predict_log_proba(self, X: Any) -> Array:
        """Return log(predict_proba(X))."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _checked(self, X: Any, y: Any, purpose: Purpose, reset: bool) -> tuple[Any, npt.NDArray[Any]]:
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=DTYPES, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (reset and purpose == "fit"):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y), all_of_them=self.warm_start and purpose != "held")
        return X, self._label_binarizer.transform(y).astype(bool)

    def _check_classes(self, classes: npt.NDArray[Any], all_of_them: bool) -> None:
        """Refuse rows of classes that the network has no outputs for, or, if so wanted, that lack one it has."""
        if all_of_them and set(classes) != set(self.classes_):
            raise DataError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {classes}"
            )
        new = np.setdiff1d(classes, self.classes_)
        if len(new):
            raise DataError(f"`y` has classes {new} that are not in `self.classes_`, {self.classes_}")

    def _coded(self, Y: npt.NDArray[Any], loss: Loss) -> tuple[npt.NDArray[Any], Targets]:
        signed = loss.prefers == "signed"
        if self._label_binarizer.y_type_.startswith("multilabel"):
            return (2.0 * Y - 1 if signed else Y.astype(float)), Targets(coding="numbers")
        if self.n_outputs_ == 1:
            return Y[:, 0].astype(np.int64), Targets(coding="signed" if signed else "binary", classes=(0, 1))
        numbers = tuple(range(self.n_outputs_))
        return Y.argmax(axis=1), Targets(coding="signed" if signed else "one_hot", classes=numbers)

    def _labelled(self, targets: FittedTargets) -> FittedTargets:
        labels = self.classes_.tolist()
        if targets.classes is None or len(labels) != len(targets.classes):
            return targets
        return targets.replace(classes=tuple(labels))

    def _shares(self, A: Array) -> Array:
        """Return outputs A (n, o) as shares of 1: those of signed targets, -1 and 1, are moved there."""
        return (A + 1) / 2 if self.recipe_.loss.prefers == "signed" else A

    def _score_of(self, A: Array, Y: npt.NDArray[Any], weights: Array | None) -> float:
        if not np.isfinite(A).all():
            return float("nan")
        if self._many_classes:
            right = A.argmax(axis=1) == Y.argmax(axis=1)
        else:
            middle = 0 if self._signed else 0.5
            right = ((middle < A) == Y).all(axis=1)
        return float(np.average(right, weights=weights))

    @property
    def _signed(self) -> bool:
        return self.loss == "hinge" or getattr(self.loss, "prefers", "") == "signed"

    def _row_weights(self, Y: npt.NDArray[Any], weights: Array | None) -> Array | None:
        if self.class_weight is None:
            return weights
        y = Y.astype(int) if self._label_binarizer.y_type_.startswith("multilabel") else self._labels_of(Y)
        factors = compute_sample_weight(self.class_weight, y)
        return factors if weights is None else weights * factors

    def _labels_of(self, Y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return self.classes_[Y[:, 0].astype(int) if Y.shape[1] == 1 else Y.argmax(axis=1)]

    @property
    def _many_classes(self) -> bool:
        return self._label_binarizer.y_type_ == "multiclass"

    @property
    def _stratified(self) -> bool:
        return self.n_outputs_ == 1

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
