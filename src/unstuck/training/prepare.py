"""From the user's data to the arrays an engine trains on: checked once, at the door."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array, in_precision
from unstuck.data.blocks import RowSource
from unstuck.data.inputs import FittedInputs
from unstuck.data.mapped import MappedRows
from unstuck.data.sparse import dense, is_small, is_sparse, sparse_numbers
from unstuck.data.splits import held_count, hold_out
from unstuck.data.streamed import InputsInParts
from unstuck.data.tables import as_table, number_array
from unstuck.data.targets import FittedTargets, Label, as_targets
from unstuck.engines.engine import Rows
from unstuck.engines.reference import CHUNK
from unstuck.errors import DataError, RecipeError
from unstuck.functions.optimizers import LBFGS
from unstuck.metrics import CLASSIFICATION, REGRESSION
from unstuck.network import Network
from unstuck.recipe import Recipe
from unstuck.training.memory import check_memory


@dataclass(frozen=True)
class Prepared:
    """A recipe met with data. `y` and `validation_y` are the targets as the user gave them, for the metrics."""

    network: Network
    inputs: FittedInputs
    targets: FittedTargets
    rows: Rows
    y: Any
    validation: Rows | None
    validation_y: Any

    def fingerprint(self) -> str:
        """Return a hash of everything an engine sees, to recognise the same data again."""
        digest = hashlib.sha256()
        for rows in filter(None, (self.rows, self.validation)):
            update_digest(digest, rows)
        return digest.hexdigest()

    def close(self) -> None:
        """Do nothing: all rows are in memory."""


def update_digest(digest: hashlib._Hash, rows: Rows) -> None:
    """Add rows to a hash."""
    X = rows.X
    stored = (X.data, X.indices, X.indptr) if is_sparse(X) else X.parts(CHUNK) if isinstance(X, MappedRows) else (X,)
    for array in chain(stored, (rows.Y, rows.weights)):
        if array is not None:
            digest.update(f"{array.shape}{array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).data)


def prepare(recipe: Recipe, X: Any, y: Any, validation: Any = None, sample_weight: Any = None) -> Prepared:
    """Hold rows out, fit the preprocessing on the rest, and transform everything.

    Args:
        recipe: says how.
        X: features, an array (n, i), a table, or MappedRows, which stay in their file.
        y: targets, n of them.
        validation: None, or (X, y), or (X, y, sample_weight).
        sample_weight: None, or n weights.

    Raises:
        DataError: when the data cannot be used.
    """
    X, y = matched(X, y, "training")
    weights = row_weights(sample_weight, y)
    if validation is None and recipe.validation_fraction > 0:
        kept, held = part_rows(recipe, X, y, recipe.validation_fraction)
        validation = (X[held], y[held], None if weights is None else weights[held])
        X, y, weights = X[kept], y[kept], None if weights is None else weights[kept]
    elif isinstance(X, MappedRows):
        recipe.inputs.check(X)  # which are fitted in parts that do not know their place

    inputs = _fit_mapped(recipe, X) if isinstance(X, MappedRows) else recipe.inputs.fit(X)
    targets = recipe.targets.fit(y, recipe.outputs, recipe.loss.prefers)
    check_metrics(recipe, targets)
    weights = _with_class_weights(recipe, targets, y, weights)
    rows = engine_rows(recipe, inputs, targets, X, y, weights)
    network = Network(recipe, inputs=rows.X.shape[1])
    check_memory(network, len(rows))
    if validation is None:
        return Prepared(network, inputs, targets, rows, y, None, None)
    held_rows, held_y = own_validation(recipe, inputs, targets, validation)
    return Prepared(network, inputs, targets, rows, y, held_rows, held_y)


def check_rows(recipe: Recipe, X: Any, y: Any) -> None:
    """Refuse features and targets that the recipe cannot be fitted to.

    It is done before rows are held out or left out, because the messages say which rows, and of how many.

    Raises:
        DataError: when there are any.
    """
    recipe.inputs.check(X)
    recipe.targets.fit(y, recipe.outputs, recipe.loss.prefers)


def part_rows(
    recipe: Recipe, X: Any, y: Any, fraction: float, option: str = "validation_fraction"
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the numbers of the rows to keep and of those to hold out, as `hold_out` does, of rows that can be used.

    Raises:
        DataError: when they cannot, or too few are left to train on.
    """
    held_count(len(y), fraction, option)
    check_rows(recipe, X, y)
    classes = recipe.targets.resolve(y, recipe.outputs, recipe.loss.prefers) != "numbers"
    kept, held = hold_out(y, fraction, recipe.seed, stratify=classes, option=option)
    if classes and recipe.targets.classes is None:
        lost = np.setdiff1d(y, y[kept])
        if len(lost):
            raise DataError(
                f"holding out {fraction:g} of {len(y):,} rows leaves {len(kept):,} to train on, and none of class "
                f"{lost.tolist()[0]!r}; each class needs at least one: give more rows, or another {option}"
            )
    return kept, held


def own_validation(recipe: Recipe, inputs: FittedInputs, targets: FittedTargets, validation: Any) -> tuple[Rows, Any]:
    """Return validation rows of the user's own, and their targets.

    Raises:
        DataError: when they cannot be used.
    """
    if not isinstance(validation, tuple | list) or len(validation) not in (2, 3):
        raise DataError(f"validation must be a pair (X, y) or (X, y, sample_weight); got {type(validation).__name__}")
    X, y, weights = (*validation, None)[:3]
    X, y = matched(X, y, "validation")
    return engine_rows(recipe, inputs, targets, X, y, row_weights(weights, y)), y


def _fit_mapped(recipe: Recipe, X: MappedRows) -> FittedInputs:
    """Return the recipe's inputs, fitted part by part where one pass can, and else on a copy of all rows."""
    if recipe.inputs.missing not in ("error", "mean"):
        return recipe.inputs.fit(X.toarray())
    inputs = InputsInParts(recipe.inputs)
    for part in X.parts(CHUNK):
        inputs.add(part)
    return inputs.fit()


class Preparations:
    """The same data for several recipes, prepared once for all those that agree in what `prepare` takes from them."""

    def __init__(self, X: Any, y: Any, validation: Any = None, sample_weight: Any = None):
        self._data = X, y, validation, sample_weight
        self._own_rows = validation is not None
        self._made: dict[Hashable, Prepared] = {}

    def of(self, recipe: Recipe) -> Prepared:
        """Return what `prepare` would.

        Nothing is kept where rows are held out at random: each seed has its own, and they would be as many copies.
        """
        if recipe.validation_fraction and not self._own_rows:
            return prepare(recipe, *self._data)
        key = (
            *(recipe.inputs, recipe.targets, recipe.outputs, recipe.loss.prefers),
            *(recipe.class_weights, recipe.metrics, recipe.precision),
        )
        if key not in self._made:
            self._made[key] = prepare(recipe, *self._data)
        made = self._made[key]
        return replace(made, network=Network(recipe, made.network.inputs))


def engine_rows(
    recipe: Recipe, inputs: FittedInputs, targets: FittedTargets, X: Any, y: Any, weights: Array | None
) -> Rows:
    """Return rows as the user has them as an engine takes them.

    Raises:
        DataError: when they are not as those of the training.
    """

    def transformed(X: Any) -> Any:
        return in_precision(inputs.transform(X), recipe.precision)

    Y = in_precision(targets.transform(y), recipe.precision)
    if isinstance(X, MappedRows):
        X = X.changed(transformed, len(inputs.feature_names), recipe.precision)
        for _ in X.parts(CHUNK):  # bad rows are found before the training
            pass
    else:
        X = transformed(X)
    if is_sparse(X) and (is_small(X) or isinstance(recipe.optimizer, LBFGS)):
        X = dense(X)
    return Rows(X, Y, None if weights is None else in_precision(weights, recipe.precision))


def matched(X: Any, y: Any, which: str) -> tuple[Any, Any]:
    """Return X as a polars table, an array or a csr_array, and y as an array of as many rows.

    Raises:
        DataError: when they are neither, without rows, or of different numbers of rows.
    """
    X = _table_or_numbers(X)
    if not X.shape[0]:
        raise DataError(f"the {which} data have no rows: X has shape {X.shape}")
    y = as_targets(y)
    if X.shape[0] != len(y):
        raise DataError(
            f"the {which} data have {X.shape[0]:,} rows of features and {len(y):,} targets; each row needs one target. "
            "If samples are in the columns of X, pass X.T"
        )
    return X, y


def _table_or_numbers(X: Any) -> Any:
    if isinstance(X, RowSource):
        raise DataError(
            f"{X.name} is read part by part, which only train(recipe, rows), predict and evaluate do; "
            "here X must be an array or a table in memory"
        )
    if isinstance(X, MappedRows):
        return X
    table = as_table(X)
    if table is not None:
        return table
    return sparse_numbers(X) if is_sparse(X) else number_array(X)


def check_metrics(recipe: Recipe, targets: FittedTargets) -> None:
    """Refuse metrics that these targets do not have.

    Raises:
        RecipeError: when there is one.
    """
    known, what = (REGRESSION, "numbers") if targets.classes is None else (CLASSIFICATION, "classes")
    problems = [
        ("metrics", f"{name} cannot be measured on {what}; choose from {', '.join(known)}")
        for name in recipe.metrics
        if name not in known
    ]
    if problems:
        raise RecipeError(problems)


def row_weights(sample_weight: Any, y: Any, in_part: bool = False) -> Array | None:
    """Return the weights of rows, or of a part of them, which may have no weight at all."""
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"sample_weight must be numbers, one a row; got {type(sample_weight).__name__}") from None
    if weights.shape != (len(y),):
        raise DataError(f"sample_weight must have shape ({len(y)},), one weight a row; got {weights.shape}")
    if not np.isfinite(weights).all() or weights.min(initial=0) < 0 or (weights.sum() <= 0 and not in_part):
        raise DataError(
            f"sample weights must be finite, not negative and not all zero; got {weights.min()} to {weights.max()}"
        )
    return weights


def _with_class_weights(recipe: Recipe, targets: FittedTargets, y: Any, weights: Array | None) -> Array | None:
    """Multiply the row weights by the weight of each row's class."""
    if recipe.class_weights is None:
        return weights
    classes = classes_to_weigh(targets)
    counts = np.array([np.count_nonzero(y == label) for label in np.asarray(classes)])
    return times_factors(targets, class_factors(recipe, classes, counts), y, weights)


def classes_to_weigh(targets: FittedTargets) -> tuple[Label, ...]:
    """Return the classes.

    Raises:
        DataError: when the targets are numbers.
    """
    if targets.classes is None:
        raise DataError("class_weights need classes, but the targets are numbers; use sample_weight for single rows")
    return targets.classes


def class_factors(recipe: Recipe, classes: tuple[Label, ...], counts: npt.NDArray[Any]) -> Array:
    """Return the weight of each class, (K,), of which the training rows have so many.

    Raises:
        DataError: when the recipe names others.
    """
    if recipe.class_weights == "balanced":
        return counts.sum() / (len(classes) * np.maximum(counts, 1))
    given = dict(recipe.class_weights or ())
    labels = np.asarray(classes).tolist()
    unknown = [key for key in given if key not in labels]
    if unknown:
        raise DataError(f"class_weights name {unknown}, but the classes are {labels}")
    return np.array([given.get(label, 1.0) for label in labels])


def times_factors(targets: FittedTargets, factors: Array, y: Any, weights: Array | None) -> Array:
    """Return the weight of each row, multiplied by that of its class."""
    of_rows = np.zeros(len(y))
    for label, factor in zip(np.asarray(targets.classes), factors, strict=True):
        of_rows[y == label] = factor
    return of_rows if weights is None else weights * of_rows
