"""What the classifier and the regressor share: fitting, going on, predicting."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from unstuck.arrays import Array, in_precision
from unstuck.data.inputs import Inputs
from unstuck.data.sparse import dense, dense_parts
from unstuck.engines.backprop import forward
from unstuck.engines.outputs import evaluate_outputs
from unstuck.engines.reference import CHUNK
from unstuck.errors import DataError, OptionError
from unstuck.estimators.attempts import LARGEST_SEED, Task, attempt
from unstuck.estimators.heldout import Examples, hold_out
from unstuck.estimators.model import DTYPES, Model
from unstuck.estimators.outcome import settle, warn_of
from unstuck.estimators.recipes import (
    hidden_sizes,
    is_adaptive,
    is_full_batch,
    is_logistic,
    loss_and_output,
    name_of,
    recipe_of,
)
from unstuck.estimators.starts import drawn_start, packed
from unstuck.functions.activations import Activation
from unstuck.network import DenseLayer, Network
from unstuck.recipe import Recipe

if TYPE_CHECKING:
    from unstuck.diagnosis.rate_range import RateRange


def goes_on(estimator: Any) -> bool:
    """Tell whether an estimator has partial_fit, which a full-batch method cannot offer."""
    if is_full_batch(estimator):
        raise AttributeError('"lbfgs" takes all rows at once and has no partial_fit; choose "adam" or "sgd"')
    return True


class MultilayerPerceptron(Model):
    """The base of both estimators."""

    # ---- fitting -------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation: Any = None) -> Self:
        """Fit the network to rows X with targets y.

        Args:
            X: an array or a SciPy sparse matrix (n, i), or a DataFrame of numbers.
            y: labels or numbers (n,), or (n, o) for several outputs or labels.
            sample_weight: a weight for each row.
            validation: rows of your own to score after every epoch, (X, y) or (X, y, sample_weight). With
                `early_stopping` they take the place of the rows that `validation_fraction` sets aside.

        Raises:
            ValueError: when parameters or data cannot be used, or the parameters of the network became infinite.
        """
        return self._fit(X, y, sample_weight, validation, incremental=False)

    @available_if(goes_on)  # type: ignore[untyped-decorator]  # scikit-learn has no types
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation: Any = None) -> Self:
        """Go on for one epoch on rows X with targets y; the arguments are those of `fit`.

        With `early_stopping` give rows in `validation`: once their score stands still, `stopped_` says so and the
        parameters of the best call are restored.
        """
        return self._fit(X, y, sample_weight, validation, incremental=True)

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: Any, incremental: bool) -> Self:
        self._validate_params()
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        data = X, y
        X, Y = self._checked(X, y, "partial_fit" if incremental else "fit", reset=first)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        examples = Examples(X, Y, self._row_weights(Y, weights))
        widths = [X.shape[1], *hidden_sizes(self.hidden_layer_sizes), Y.shape[1]]
        loss, output = loss_and_output(self.loss, self.output_activation, self._many_classes)
        if first:
            self._begin(widths, output, X)
        else:
            self._check_widths(widths)
        random = check_random_state(self.random_state)
        w = self._drawn(widths, random) if first else None  # before the rows are split, as scikit-learn draws
        kept, held = self._split(examples, validation, random, incremental)
        recipe = recipe_of(self, widths, loss, output, rows=kept.X.shape[0], seen=self.t_, dtype=X.dtype)
        if incremental:
            recipe = self._one_epoch(recipe)

        task = Task(recipe, kept, held, first, incremental)
        attempts = [attempt(self, task, w, random)]
        more = self.n_restarts - 1 if first and not incremental else 0
        attempts += [attempt(self, task, self._drawn(widths, random), random) for _ in range(more)]
        best = max(attempts, key=lambda one: one.merit)
        settle(self, task, best)
        if not incremental:
            warn_of(self, task, best)
        if self.keep_data:
            self.data_ = data
        return self

    def _begin(self, widths: list[int], output: Activation, X: Any) -> None:
        """Forget what was learned."""
        self.n_layers_, self.n_outputs_, self.out_activation_ = len(widths), widths[-1], name_of(output)
        self.n_iter_ = self.t_ = 0
        self._inputs = None if self.input_scaling == "none" else Inputs(self.input_scaling).fit(X)
        self._seen = self._optimizer = None

    def _check_widths(self, widths: list[int]) -> None:
        """Refuse to go on with a network of other layers."""
        there = [self.coefs_[0].shape[0], *(len(b) for b in self.intercepts_)]
        if there != widths:
            raise OptionError(
                f"the network has {there[1:]} units in its layers, but hidden_layer_sizes and y ask for {widths[1:]}: "
                "fit with warm_start=False to start over"
            )

    def _drawn(self, widths: list[int], random: np.random.RandomState) -> Array | None:
        """Return the start as scikit-learn draws it, or None where the recipe's own starts are wanted."""
        if self.weight_start is None and self.bias_start is None:
            return drawn_start(widths, is_logistic(self), random)
        return None

    def _split(
        self, examples: Examples, validation: Any, random: np.random.RandomState, incremental: bool
    ) -> tuple[Examples, Examples | None]:
        """Return the rows to train on and those to score, if any."""
        held = self._checked_validation(validation)
        if is_full_batch(self):
            return examples, held
        if self.early_stopping and held is None:
            if incremental:
                raise DataError(
                    "partial_fit does not support early_stopping=True without rows to score: pass "
                    "validation=(X_validation, y_validation)"
                )
            examples, held = hold_out(examples, float(self.validation_fraction), random, self._stratified)
        rows = examples.X.shape[0]
        if self.batch_size != "auto" and self.batch_size > rows:
            warnings.warn(f"batch_size={self.batch_size} is more than the {rows} rows: it is cut to them", stacklevel=4)
        return examples, held

    def _checked_validation(self, validation: Any) -> Examples | None:
        if validation is None:
            return None
        if not isinstance(validation, tuple | list) or len(validation) not in (2, 3):
            raise DataError(f"validation must be (X, y) or (X, y, sample_weight); got {type(validation).__name__}")
        X, Y = self._checked(validation[0], validation[1], "held", reset=False)
        weights = _check_sample_weight(validation[2], X) if len(validation) == 3 else None
        return Examples(X, Y, weights)

    def _one_epoch(self, recipe: Recipe) -> Recipe:
        """Return the recipe of a call of partial_fit, at the rate that an adaptive schedule has come down to."""
        recipe = recipe.replace(epochs=1)
        if self._optimizer is None or not is_adaptive(self):
            return recipe
        return recipe.replace(optimizer=recipe.optimizer.replace(learning_rate=self._optimizer.learning_rate))

    # ---- predicting ------------------------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> Array:
        """Return the raw outputs A (n, o)."""
        network, w, X = self._ready(X)
        return evaluate_outputs(network, w, X)

    def _ready(self, X: Any) -> tuple[Network, Array, Array]:
        check_is_fitted(self, "recipe_")
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=DTYPES, reset=False)
        network = Network(self.recipe_, X.shape[1])
        w = packed(network, self.coefs_, self.intercepts_)
        return network, w, in_precision(self._scaled(X), self.recipe_.precision)

    def transform(self, X: Any, layer: int = -1) -> Array:
        """Return the activations of a hidden layer, (n, units).

        Args:
            X: rows.
            layer: counted from 0 among the hidden layers, or from the last one backwards.
        """
        network, w, X = self._ready(X)
        hidden = network.dense[:-1]
        if not -len(hidden) <= layer < len(hidden):
            raise OptionError(f"there is no hidden layer {layer}: there are {len(hidden)}, counted from 0")
        return np.concatenate([_activations(network, w, part, hidden[layer]) for _, part in dense_parts(X, CHUNK)])

    @property
    def _n_features_out(self) -> int:
        return len(self.intercepts_[-2]) if len(self.intercepts_) > 1 else 0

    def _scaled(self, X: Any) -> Any:
        return X if self._inputs is None else self._inputs.transform(X)

    @property
    def validation_loss_curve_(self) -> list[float]:
        """The loss on the held-out rows after each epoch of the last fit, without penalties."""
        check_is_fitted(self, "run_")
        if "validation_loss" not in self.run_.history:
            raise AttributeError("no rows were held out: set early_stopping=True or pass validation=(X, y) to fit")
        return self.run_.history["validation_loss"].tolist()

    def diagnose_(self, X: Any = None, y: Any = None, **options: Any) -> Any:
        """Say why the network does not learn, and what makes it: `unstuck.diagnosis` on the fitted recipe.

        Args:
            X: training rows; None takes those that `keep_data=True` has kept.
            y: their targets.
            options: `budget`, `progress`.
        """
        from unstuck.diagnosis.diagnose import diagnose

        check_is_fitted(self, "recipe_")
        if X is None:
            if not hasattr(self, "data_"):
                raise OptionError(
                    "there are no training rows to look at: fit with keep_data=True, which no saved file holds, or "
                    "pass X and y"
                )
            X, y = self.data_
        return diagnose(self.recipe_, dense(X), y, **options)

    def find_learning_rate_(self, X: Any, y: Any, sample_weight: Any = None) -> RateRange:
        """Find a learning rate for rows X with targets y by `unstuck.find_learning_rate`; the estimator stays as it is.

        Write what it suggests into `learning_rate_init`, or into the optimizer where `optimizer` is a value.

        Raises:
            OptionError: with "lbfgs", which has no learning rate.
            ValueError: when parameters or data cannot be used.
        """
        from unstuck.diagnosis.rate_range import find_learning_rate

        self._validate_params()
        model = clone(self)  # what is fitted on X and y is fitted there
        X, Y = model._checked(X, y, "fit", reset=True)
        weights = model._row_weights(Y, None if sample_weight is None else _check_sample_weight(sample_weight, X))
        widths = [X.shape[1], *hidden_sizes(self.hidden_layer_sizes), Y.shape[1]]
        loss, output = loss_and_output(self.loss, self.output_activation, model._many_classes)
        model._begin(widths, output, X)
        recipe = recipe_of(self, widths, loss, output, rows=X.shape[0], seen=0, dtype=X.dtype)
        y, targets = model._coded(Y, loss)
        seed = int(check_random_state(self.random_state).randint(LARGEST_SEED))
        recipe = recipe.replace(targets=targets, seed=seed)
        return find_learning_rate(recipe, model._scaled(X), y, sample_weight=weights)

    # ---- kept and loaded -----------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator into a new folder, without pickle: see docs/estimators.md for what is kept.

        Raises:
            OptionError: when a parameter cannot be kept in a file, such as a function of your own; nothing is written.
            FileError: when the folder exists already or cannot be written; nothing is left half-written.
        """
        from unstuck.estimators.saved import save_estimator

        save_estimator(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            FileError: when a file is missing, cut short, damaged, of another version, or holds no such estimator.
        """
        from unstuck.estimators.saved import load_estimator

        return load_estimator(cls, path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _activations(network: Network, w: Array, X: Array, layer: DenseLayer) -> Array:
    return next(trace.a for trace in forward(network, w, X) if trace.layer is layer)
