"""From a dataset that need not fit into memory to what an engine trains on: one pass over it, then block by block."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from unstuck.arrays import Array
from unstuck.data.blocks import Block, RowSource, naming
from unstuck.data.inputs import FittedInputs
from unstuck.data.streamed import InputsInParts, TargetsInParts
from unstuck.data.targets import FittedTargets
from unstuck.engines.engine import Rows
from unstuck.errors import DataError, OptionError, RecipeError
from unstuck.functions.optimizers import LBFGS
from unstuck.metrics import TALLIED
from unstuck.network import Network
from unstuck.recipe import Recipe
from unstuck.training.memory import check_memory
from unstuck.training.prepare import (
    check_metrics,
    class_factors,
    classes_to_weigh,
    engine_rows,
    own_validation,
    row_weights,
    times_factors,
    update_digest,
)
from unstuck.training.streaming import Chosen, Reader, StreamedRows


@dataclass(frozen=True)
class PreparedStream:
    """A recipe met with a dataset: as `Prepared`, but only validation rows of the user's own can be in memory."""

    network: Network
    inputs: FittedInputs
    targets: FittedTargets
    rows: StreamedRows
    validation: StreamedRows | Rows | None
    validation_y: Any = None
    y: None = None

    def fingerprint(self) -> str:
        """Return a hash of everything an engine sees, to recognise the same data again."""
        digest = hashlib.sha256(self.rows.fingerprint().encode())
        if isinstance(self.validation, StreamedRows):
            digest.update(self.validation.fingerprint().encode())
        elif self.validation is not None:
            update_digest(digest, self.validation)
        return digest.hexdigest()

    def close(self) -> None:
        """Read no more."""
        for rows in (self.rows, self.validation):
            if isinstance(rows, StreamedRows):
                rows.close()


def prepare_stream(
    recipe: Recipe, dataset: RowSource, y: Any = None, validation: Any = None, sample_weight: Any = None
) -> PreparedStream:
    """Fit the preprocessing in one pass over the rows that are not held out, which also finds the bad ones.

    Args:
        recipe: says how.
        dataset: features, targets and weights.
        y: None.
        validation: None, or (X, y), or (X, y, sample_weight), or a dataset.
        sample_weight: None.

    Raises:
        RecipeError: when the recipe needs all rows at once.
        DataError: when the data cannot be used.
    """
    for what, given in (("y", y), ("sample_weight", sample_weight)):
        if given is not None:
            raise OptionError(f"{dataset.name} is streamed, and its rows have {what} with them: leave out {what}")
    check_streamable(recipe)
    fraction = 0.0 if validation is not None else recipe.validation_fraction
    kept, held = Chosen(dataset, fraction, recipe.seed), None
    if fraction:
        held = Chosen(dataset, fraction, recipe.seed, held=True)
        _check_parts(fraction, len(dataset), len(kept), len(held))
    reader = Reader()
    try:
        inputs, targets, factors = _fit(recipe, kept, reader)
        network = Network(recipe, inputs=len(inputs.feature_names))
        check_memory(network, len(kept))
        rows = _streamed(recipe, inputs, targets, kept, reader, factors)
        held_rows: StreamedRows | Rows | None = None
        held_y = None
        if held is not None:
            held_rows = _streamed(recipe, inputs, targets, held, reader)
        elif isinstance(validation, RowSource):
            held_rows = _streamed(recipe, inputs, targets, Chosen(validation), reader)
        elif validation is not None:
            held_rows, held_y = own_validation(recipe, inputs, targets, validation)
    except BaseException:
        reader.close()
        raise
    return PreparedStream(network, inputs, targets, rows, held_rows, held_y)


def _check_parts(fraction: float, n: int, kept: int, held: int) -> None:
    if not (kept and held):
        raise DataError(
            f"holding out each of {n} rows with probability {fraction:g} leaves {kept} to train on and {held} to "
            "validate with; both need at least one: give more rows, or another validation_fraction"
        )


def _fit(recipe: Recipe, kept: Chosen, reader: Reader) -> tuple[FittedInputs, FittedTargets, Array | None]:
    """Return preprocessing, coding, and the weight of each class where the recipe has such weights."""
    inputs = InputsInParts(recipe.inputs)
    targets = TargetsInParts(recipe.targets, recipe.outputs, recipe.loss)
    total = 0.0
    for k, block in kept.blocks(reader):
        with naming(kept.dataset, kept.places[k]):
            inputs.add(block.X)
            targets.add(block.y)
            weights = row_weights(block.weights, block.y, in_part=True)
        total += len(block.y) if weights is None else float(weights.sum())
    if total <= 0:
        raise DataError(f"all sample weights of {kept.dataset.name} are zero; nothing can be learned from such rows")
    fitted = targets.fit()
    check_metrics(recipe, fitted)
    factors = None
    if recipe.class_weights is not None:
        classes = classes_to_weigh(fitted)
        factors = class_factors(recipe, classes, targets.counts(classes))
    return inputs.fit(), fitted, factors


def _streamed(
    recipe: Recipe, inputs: FittedInputs, targets: FittedTargets, chosen: Chosen, reader: Reader, factors: Any = None
) -> StreamedRows:
    def prepared(block: Block) -> Rows:
        weights = row_weights(block.weights, block.y, in_part=True)
        if factors is not None:
            weights = times_factors(targets, factors, block.y, weights)
        return engine_rows(recipe, inputs, targets, block.X, block.y, weights)

    width = len(inputs.feature_names) + targets.outputs + 1
    return StreamedRows(recipe, chosen, prepared, width, reader)


def check_streamable(recipe: Recipe) -> None:
    """Refuse a recipe that needs all rows in memory.

    Raises:
        RecipeError: when it does.
    """
    problems = [
        ("metrics", f"{name} ranks all rows at once, and these are streamed; choose from {', '.join(sorted(TALLIED))}")
        for name in recipe.metrics
        if name not in TALLIED
    ]
    if recipe.batch_size == "full":
        why = " (L-BFGS can have no other)" if isinstance(recipe.optimizer, LBFGS) else ""
        problems.append(
            (
                "batch_size",
                f'"full" is all rows at once{why}, and these are streamed; write a number of rows, such as 1024',
            )
        )
    if problems:
        raise RecipeError(problems)
