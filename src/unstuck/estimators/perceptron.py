"""What the classifier and the regressor share: fitting, going on, predicting."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from unstuck.arrays import Array, in_precision
from unstuck.data.inputs import FittedInputs, Inputs
from unstuck.data.targets import FittedTargets, Targets
from unstuck.engines.backprop import forward
from unstuck.engines.engine import Descent
from unstuck.engines.reference import CHUNK, evaluate_outputs
from unstuck.errors import DataError, OptionError
from unstuck.estimators.heldout import Examples, hold_out
from unstuck.estimators.parameters import CONSTRAINTS
from unstuck.estimators.plateau import Plateau, nothing_learned
from unstuck.estimators.recipes import hidden_sizes, is_logistic, loss_and_output, name_of, recipe_of
from unstuck.estimators.starts import drawn_start, packed, unpacked
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import LBFGS, Memory
from unstuck.functions.schedules import InverseScalingByRows
from unstuck.network import DenseLayer, Network
from unstuck.recipe import Recipe
from unstuck.run import Run
from unstuck.training.train import train

LARGEST_SEED = np.iinfo(np.int32).max
DTYPES = (np.float64, np.float32)


@dataclass
class OptimizerState:
    """What an optimizer hands on to the next call of partial_fit: its memory, its updates, and the learning rate."""

    memory: Memory
    updates: int
    learning_rate: float


class Task(NamedTuple):
    """What a call of fit or partial_fit has to do: the recipe, the rows, and whether it begins anew."""

    recipe: Recipe
    kept: Examples
    held: Examples | None
    first: bool
    incremental: bool


class Attempt(NamedTuple):
    """One training: what came of it, what was seen of it, and where it left the parameters."""

    run: Run
    seen: Plateau
    descent: Descent

    @property
    def merit(self) -> float:
        """The higher, the better: the best score on held-out rows, or else minus the last loss."""
        if self.run.stopped == "diverged" and self.seen.best_w is None:
            return -math.inf
        return self.seen.best_score if self.seen.score else -self.seen.losses[-1]


def _goes_on(estimator: Any) -> bool:
    """Tell whether an estimator has partial_fit, which a full-batch method cannot offer."""
    if estimator.optimizer == "lbfgs" or isinstance(estimator.optimizer, LBFGS):
        raise AttributeError("L-BFGS takes all rows at once and has no partial_fit; choose another optimizer")
    if estimator.optimizer is None and estimator.solver == "lbfgs":
        raise AttributeError('solver="lbfgs" takes all rows at once and has no partial_fit; choose "adam" or "sgd"')
    return True


class MultilayerPerceptron(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The base of both estimators. A subclass checks, codes and scores targets, and turns outputs into predictions."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS
    _inputs: FittedInputs | None = None
    _targets: FittedTargets | None = None
    _optimizer: OptimizerState | None = None
    _seen: Plateau | None = None

    # ---- what a subclass says ------------------------------------------------------------------------------------

    def _checked(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, npt.NDArray[Any]]:
        """Return X and the targets Y (n, o)."""
        raise NotImplementedError

    def _coded(self, Y: npt.NDArray[Any], loss: Loss) -> tuple[npt.NDArray[Any], Targets]:
        """Return the targets as `train` takes them, and how it is to code them."""
        raise NotImplementedError

    def _labelled(self, targets: FittedTargets) -> FittedTargets:
        """Return the targets of the Run with the user's own labels and units."""
        return targets

    def _score_of(self, A: Array, Y: npt.NDArray[Any], weights: Array | None) -> float:
        """Return accuracy or r2 of outputs A (n, o)."""
        raise NotImplementedError

    def _row_weights(self, Y: npt.NDArray[Any], weights: Array | None) -> Array | None:
        """Return the weights of the rows, those of their classes included."""
        return weights

    def _loss_shift(self, Y: npt.NDArray[Any], weights: Array | None) -> float:
        """Return the constant by which scikit-learn's loss differs from ours."""
        return 0.0

    @property
    def _many_classes(self) -> bool:
        return False

    @property
    def _stratified(self) -> bool:
        return False

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

    @available_if(_goes_on)  # type: ignore[untyped-decorator]  # scikit-learn has no types
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation: Any = None) -> Self:
        """Go on for one epoch on rows X with targets y; the arguments are those of `fit`.

        With `early_stopping` give rows in `validation`: once their score stands still, `stopped_` says so and the
        parameters of the best call are restored.
        """
        return self._fit(X, y, sample_weight, validation, incremental=True)

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: Any, incremental: bool) -> Self:
        self._validate_params()
        hidden = hidden_sizes(self.hidden_layer_sizes)
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X_given, y_given = X, y
        X, Y = self._checked(X, y, incremental, reset=first)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        examples = Examples(X, Y, self._row_weights(Y, weights))
        self.n_outputs_, widths = Y.shape[1], [X.shape[1], *hidden, Y.shape[1]]
        loss, output = loss_and_output(self.loss, self.output_activation, self._many_classes)
        if first:
            self._forget(len(widths), output, X)
        elif [self.coefs_[0].shape[0], *(len(b) for b in self.intercepts_)] != widths:
            raise OptionError(
                f"the network has layers of {[len(b) for b in self.intercepts_]} units, but hidden_layer_sizes and y "
                f"ask for {widths[1:]}: fit with warm_start=False to start over"
            )
        random = check_random_state(self.random_state)
        w = self._first_w(widths, random) if first else None
        held = self._checked_validation(validation)
        kept = examples
        if self.early_stopping and not _is_full_batch(self):
            if held is None and incremental:
                raise DataError(
                    "partial_fit does not support early_stopping=True without rows to stop by: pass "
                    "validation=(X_validation, y_validation)"
                )
            if held is None:
                kept, held = hold_out(examples, self.validation_fraction, random, self._stratified)
        rows = kept.X.shape[0]
        if self.batch_size != "auto" and self.batch_size > rows and not _is_full_batch(self):
            warnings.warn(f"batch_size={self.batch_size} is more than the {rows} rows: it is cut to them", stacklevel=3)

        recipe = recipe_of(self, widths, loss, output, rows=rows, seen=self.t_, dtype=X.dtype)
        if incremental:
            recipe = recipe.replace(epochs=1, optimizer=self._with_lowered_rate(recipe.optimizer))
        task = Task(recipe, kept, held, first, incremental)
        attempts = [self._attempt(task, w, random)]
        more = self.n_restarts - 1 if first and not incremental else 0
        attempts += [self._attempt(task, self._first_w(widths, random), random) for _ in range(more)]
        self._settle(max(attempts, key=lambda attempt: attempt.merit), kept, incremental)
        if self.keep_data:
            self.data_ = X_given, y_given
        return self

    def _forget(self, layers: int, output: Activation, X: Array) -> None:
        """Begin anew: as before the first epoch."""
        self.n_layers_, self.out_activation_ = layers, name_of(output)
        self.n_iter_ = self.t_ = 0
        self._inputs = None if self.input_scaling == "none" else Inputs(self.input_scaling).fit(_dense(X))
        self._seen = self._optimizer = None

    def _first_w(self, widths: list[int], random: np.random.RandomState) -> Array | None:
        """Return the start as scikit-learn draws it, or None where the recipe's own starts are wanted."""
        if self.weight_start is None and self.bias_start is None:
            return drawn_start(widths, is_logistic(self), random)
        return None

    def _attempt(self, task: Task, w: Array | None, random: np.random.RandomState) -> Attempt:
        """Train once, from w (None: the recipe's start), or from where the estimator stands."""
        kept, held = task.kept, task.held
        y, targets = self._coded(kept.Y, task.recipe.loss)
        recipe = task.recipe.replace(targets=targets, seed=int(random.randint(LARGEST_SEED)))
        network = Network(recipe, kept.X.shape[1])
        descent = self._descent(network, w, task)
        seen = self._plateau(network, task)
        own = None
        if held is not None:
            own = (self._scaled(held.X), self._coded(held.Y, recipe.loss)[0], held.weights)
        run = train(
            recipe,
            self._scaled(kept.X),
            y,
            sample_weight=kept.weights,
            validation=own,
            start=descent,
            callbacks=[seen, *(self.callbacks or ())],
            progress=False,
        )
        return Attempt(run, seen, descent)

    def _descent(self, network: Network, w: Array | None, task: Task) -> Descent:
        """Return where the training starts from."""
        if task.first:
            w = self._given_start(network, network.start() if w is None else w.astype(network.recipe.precision))
        else:
            w = packed(network, self.coefs_, self.intercepts_)
        memory, updates = network.recipe.optimizer.start(w), 0
        state = self._optimizer
        if task.incremental and state is not None and _alike(state.memory, memory):
            memory, updates = {name: values.copy() for name, values in state.memory.items()}, state.updates
        return Descent(w, memory, previous=w.copy(), earlier=updates)

    def _given_start(self, network: Network, w: Array) -> Array:
        """Put the weights and biases that the user gives in the place of those of w."""
        if self.initial_coefs is None and self.initial_intercepts is None:
            return w
        coefs, intercepts = unpacked(network, w)
        return packed(network, self.initial_coefs or coefs, self.initial_intercepts or intercepts)

    def _plateau(self, network: Network, task: Task) -> Plateau:
        """Return the rule that ends the training; one that takes all rows at once ends by itself."""
        full, held, score = _is_full_batch(self), task.held, None
        if held is not None:
            score = self._scorer(network, in_precision(self._scaled(held.X), network.recipe.precision), held)
        adaptive = self.optimizer is None and self.solver == "sgd" and self.learning_rate == "adaptive"
        patience = math.inf if full else self.n_iter_no_change
        judged = bool(self.early_stopping) and not full
        shift = self._loss_shift(task.kept.Y, task.kept.weights)
        seen = Plateau(self.tol, patience, judged, adaptive, score, bool(self.verbose), shift)
        if self._seen is not None and not task.first and not full:
            seen.go_on_from(self._seen)
        return seen

    def _scorer(self, network: Network, X: Array, held: Examples) -> Callable[[Array], float]:
        def score(w: Array) -> float:
            return self._score_of(evaluate_outputs(network, w, X), held.Y, held.weights)

        return score

    def _with_lowered_rate(self, optimizer: Any) -> Any:
        """Return the optimizer with the rate that an adaptive schedule has come down to in earlier calls."""
        state = self._optimizer
        if state is None or self.optimizer is not None or self.learning_rate != "adaptive" or self.solver != "sgd":
            return optimizer
        return optimizer.replace(learning_rate=state.learning_rate)

    # ---- what is left of a training --------------------------------------------------------------------------------

    def _settle(self, attempt: Attempt, kept: Examples, incremental: bool) -> None:
        """Set the fitted attributes, and say what should not go unsaid."""
        run, seen, descent = attempt
        restores = (seen.by_score and (seen.reached or not incremental)) or (self.restore_best and not incremental)
        if run.stopped == "diverged":
            seen.diverged()
            if not (restores and seen.best_w is not None):
                raise DataError(
                    "Solver produced non-finite parameter weights. The input data may contain large values and need to "
                    f'be preprocessed. ({run.failure}: scale X, input_scaling="standard", or lower '
                    f"learning_rate_init={self.learning_rate_init})"
                )
        w = seen.best_w if restores and seen.best_w is not None else descent.w
        self.coefs_, self.intercepts_ = unpacked(run.network, w)
        epochs = int(run.history.last().get("epoch", 0))
        self.n_iter_ = epochs
        self.t_ += epochs * kept.X.shape[0]
        self._keep_curves(seen)
        self._optimizer = OptimizerState(
            descent.memory, descent.earlier + descent.t, _next_rate(run.recipe, seen.rate, self.t_)
        )
        self.recipe_ = run.recipe.replace(
            epochs=self.max_iter,
            measure_training=True,
            inputs=Inputs(self.input_scaling),
            targets=Targets(scaling=getattr(self, "target_scaling", "none")),
        )
        self.run_ = replace(
            run,
            recipe=self.recipe_,
            inputs=self._inputs or run.inputs,
            targets=self._labelled(run.targets),
            final_parameters=w,
            best_parameters=w if seen.best_w is None else seen.best_w,
        )
        reached = "early stopping" if seen.by_score else "plateau"
        self.stopped_ = reached if seen.reached else "" if incremental else run.stopped
        if not incremental:
            self._say(run, seen, kept)

    def _keep_curves(self, seen: Plateau) -> None:
        self._seen = replace(seen, score=None)
        self._no_improvement_count = seen.waited
        self.loss_curve_ = seen.losses
        self.loss_ = seen.losses[-1] if seen.losses else math.nan
        self.best_loss_ = None if seen.by_score else seen.best_loss
        self.validation_scores_ = seen.scores or None
        self.best_validation_score_ = seen.best_score if seen.scores else None

    def _say(self, run: Run, seen: Plateau, kept: Examples) -> None:
        """Warn of a training that did not come to a good end."""
        what = None
        if run.stopped == "interrupted":
            warnings.warn("Training interrupted by user.", stacklevel=5)
        elif run.stopped in ("all epochs", "call budget", "line search"):
            what = f"the training ended ({run.stopped}: {self.n_iter_} of max_iter={self.max_iter}) before it converged"
        elif run.stopped == "diverged":
            what = f"the training diverged, {run.failure}; the best parameters before that are kept"
        elif seen.reached and not seen.by_score and kept.weights is None:
            Y = np.asarray(FittedTargets.transform(run.targets, self._coded(kept.Y, run.recipe.loss)[0]))
            what = nothing_learned(seen, run.recipe.loss, Y, self.n_iter_)
        if what:
            warnings.warn(f"{type(self).__name__}: {what}", ConvergenceWarning, stacklevel=5)

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
        return np.concatenate([_activations(network, w, X[k : k + CHUNK], hidden[layer]) for k in _chunks(X)])

    @property
    def _n_features_out(self) -> int:
        return len(self.intercepts_[-2]) if len(self.intercepts_) > 1 else 0

    def _scaled(self, X: Any) -> Array:
        X = _dense(X)
        inputs: FittedInputs | None = self._inputs
        return X if inputs is None else inputs.transform(X)

    def _checked_validation(self, validation: Any) -> Examples | None:
        if validation is None:
            return None
        if not isinstance(validation, tuple | list) or len(validation) not in (2, 3):
            raise DataError(
                f"validation must be (X, y) or (X, y, sample_weight); got {type(validation).__name__} of other length"
            )
        X, Y = self._checked(validation[0], validation[1], incremental=True, reset=False)
        weights = _check_sample_weight(validation[2], X) if len(validation) == 3 else None
        return Examples(X, Y, weights)

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
                raise OptionError("there are no training rows to look at: fit with keep_data=True, or pass X and y")
            X, y = self.data_
        return diagnose(self.recipe_, _dense(X), y, **options)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _dense(X: Any) -> Any:
    return X.toarray() if hasattr(X, "toarray") else X


def _chunks(X: Array) -> range:
    return range(0, max(1, len(X)), CHUNK)


def _activations(network: Network, w: Array, X: Array, layer: DenseLayer) -> Array:
    return next(trace.a for trace in forward(network, w, X) if trace.layer is layer)


def _is_full_batch(estimator: Any) -> bool:
    given = estimator.optimizer
    return estimator.solver == "lbfgs" if given is None else given == "lbfgs" or isinstance(given, LBFGS)


def _alike(memory: Memory, other: Memory) -> bool:
    return memory.keys() == other.keys() and all(
        (memory[name].shape, memory[name].dtype) == (other[name].shape, other[name].dtype) for name in memory
    )


def _next_rate(recipe: Recipe, rate: float, rows_seen: int) -> float:
    """Return the learning rate of the next epoch, after `rate` in the last."""
    schedule = recipe.schedule
    if not isinstance(schedule, InverseScalingByRows):
        return rate
    return recipe.optimizer.learning_rate / (rows_seen + 1) ** schedule.power
