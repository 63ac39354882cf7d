"""What every part of an estimator knows of it: its parameters, and what classifier and regressor do differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from unstuck.arrays import Array
from unstuck.data.inputs import FittedInputs
from unstuck.data.targets import FittedTargets, Targets
from unstuck.estimators.parameters import CONSTRAINTS
from unstuck.estimators.plateau import Plateau
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import Memory

DTYPES = (np.float64, np.float32)
Purpose = Literal["fit", "partial_fit", "held"]
"""What rows are for: to train on, or held out to score."""


@dataclass
class OptimizerState:
    """What an optimizer hands on to the next call of partial_fit: its memory, its updates, and the learning rate."""

    memory: Memory
    updates: int
    learning_rate: float


class Model(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A subclass checks, codes and scores targets, and turns outputs into predictions."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS
    _inputs: FittedInputs | None = None
    _targets: FittedTargets | None = None
    _optimizer: OptimizerState | None = None
    _seen: Plateau | None = None

    def _checked(self, X: Any, y: Any, purpose: Purpose, reset: bool) -> tuple[Any, npt.NDArray[Any]]:
        """Return X and the targets Y (n, o); with `reset` their columns are those of all later calls."""
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
    def _many_classes(self) -> bool | None:
        """Whether a row has one of more than two classes; None where the targets are numbers."""
        return None

    @property
    def _stratified(self) -> bool:
        return False
