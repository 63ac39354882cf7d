"""Targets: from the labels or numbers a user has to the array Y (n, o) a loss compares with, and back.

`Targets` is the recipe's part: what to do. `FittedTargets` is the run's part: what the training rows made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.description import Description, described
from unstuck.errors import DataError, RecipeError

Coding = Literal["numbers", "one_hot", "binary", "signed"]
Label = str | int | float | bool


@described
class Targets(Description):
    """How y becomes Y.

    Args:
        coding: "numbers" as they are; "one_hot", 1 for the row's class and 0 elsewhere; "binary", 0 and 1 on one output;
            "signed", -1 and 1, on one output or, for each class against the rest, on several. "auto": one output takes
            what its loss prefers (binary for cross-entropy, signed for hinge, else numbers); several outputs take
            one_hot (signed for hinge), or numbers where y has several columns already.
        scaling: of numbers: "none", "standard" or "minmax"; undone in predictions.
    """

    coding: Literal["auto", "numbers", "one_hot", "binary", "signed"] = "auto"
    scaling: Literal["none", "standard", "minmax"] = "none"

    def __post_init__(self) -> None:
        if self.scaling != "none" and self.coding not in ("auto", "numbers"):
            raise RecipeError([("scaling", f"only numbers are scaled, and the coding is {self.coding!r}")], "Targets")

    def resolve(self, y: npt.NDArray[Any], outputs: int, prefers: str) -> Coding:
        """Return the coding for y, `outputs` units and a loss that `prefers` "numbers", "binary" or "signed"."""
        if self.coding != "auto":
            return self.coding
        if y.ndim == 2:
            return "numbers"
        if outputs > 1 and prefers != "signed":
            return "one_hot"
        return prefers  # type: ignore[return-value]  # one of the codings

    def fit(self, y: npt.NDArray[Any], outputs: int, prefers: str) -> FittedTargets:
        """Learn the classes, or the scale, of the training targets y, (n,) or (n, o), for `outputs` units.

        Raises:
            DataError: when y does not fit the coding or the number of outputs.

        >>> fitted = Targets().fit(np.array(["no", "yes", "no"]), outputs=2, prefers="numbers")
        >>> fitted.transform(np.array(["yes"]))
        array([[0., 1.]])
        """
        if y.size == 0:
            raise DataError("there are no targets: y is empty")
        coding = self.resolve(y, outputs, prefers)
        if coding == "numbers":
            Y = _numbers(y, outputs)
            return FittedTargets(coding, outputs, None, *_scale(self.scaling, Y), flat=y.ndim == 1)
        if self.scaling != "none":
            raise DataError(f"the targets are classes ({coding}), which are not scaled: write Targets(scaling='none')")
        return FittedTargets(coding, outputs, _classes(y, outputs, coding))


@dataclass(frozen=True)
class FittedTargets:
    """The recipe's `Targets`, fitted.

    Attributes:
        coding: "numbers", "one_hot", "binary" or "signed".
        outputs: units of the last layer.
        classes: the labels in the order of the outputs; None for numbers.
        shift: subtracted from each column of numbers.
        scale: which they are then divided by.
        flat: y had one dimension, and so have predictions.
    """

    coding: Coding
    outputs: int
    classes: tuple[Label, ...] | None
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    flat: bool = True

    @property
    def default_metrics(self) -> tuple[str, ...]:
        """Accuracy for classes, r2 for numbers."""
        return ("r2",) if self.classes is None else ("accuracy",)

    def transform(self, y: npt.NDArray[Any]) -> Array:
        """Return Y, of shape (n, o).

        Raises:
            DataError: when y holds labels that did not occur in training, or is not as wide.
        """
        if self.classes is None:
            return (_numbers(y, self.outputs) - self.shift) / self.scale
        labels = np.asarray(self.classes)
        found = np.searchsorted(labels, y) if y.dtype.kind == labels.dtype.kind or y.dtype.kind in "fiub" else None
        if found is None or (labels[np.minimum(found, len(labels) - 1)] != y).any():
            new = sorted({str(label) for label in y.tolist()} - {str(label) for label in self.classes})
            raise DataError(f"labels {new[:5]} did not occur in training, whose classes are {list(self.classes)}")
        hot = np.eye(len(labels))[found]
        Y = hot if self.outputs > 1 else hot[:, 1:]
        return 2 * Y - 1 if self.coding == "signed" else Y

    def predictions(self, A: Array) -> Any:
        """Return a label for each row of the outputs A (n, o), or numbers with the scaling undone."""
        if self.classes is None:
            numbers = (A * np.asarray(self.scale, A.dtype) + np.asarray(self.shift, A.dtype)).astype(A.dtype)
            return numbers[:, 0] if self.flat and self.outputs == 1 else numbers
        labels = np.asarray(self.classes)
        if self.outputs > 1:
            return labels[A.argmax(axis=1)]
        threshold = 0.0 if self.coding == "signed" else 0.5
        return labels[(A[:, 0] > threshold).astype(int)]

    def probabilities(self, A: Array) -> Array:
        """Return what the outputs A say about each class, (n, K): A itself, or [1 - a, a] for a single output.

        They are probabilities as far as the output activation makes them so.

        Raises:
            DataError: when the targets are numbers.
        """
        if self.classes is None:
            raise DataError("this network predicts numbers, which have no class probabilities; use predict")
        if self.outputs > 1:
            return A
        a = (A + 1) / 2 if self.coding == "signed" else A
        return np.concatenate([1 - a, a], axis=1)

    def to_data(self) -> dict[str, Any]:
        """Return plain data that `from_data` reads back without loss."""
        classes = {} if self.classes is None else {"classes": list(self.classes)}
        scaling = {"shift": list(self.shift), "scale": list(self.scale), "flat": self.flat}
        return {"coding": self.coding, "outputs": self.outputs, **classes, **scaling}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> FittedTargets:
        """Read what `to_data` wrote."""
        lists = {name: tuple(data[name]) for name in ("classes", "shift", "scale") if name in data}
        return cls(**{"classes": None, **data, **lists})


def _numbers(y: npt.NDArray[Any], outputs: int) -> Array:
    if y.dtype.kind not in "fiub":
        raise DataError(
            f"the targets are {y.dtype.name} such as {y.flat[0]!r}, but this network is to predict numbers: for classes "
            'give the last layer one unit a class, or write targets=Targets(coding="binary")'
        )
    Y = y.reshape(len(y), -1).astype(np.float64)
    if Y.shape[1] != outputs:
        raise DataError(
            f"y has {Y.shape[1]} number{'s' * (Y.shape[1] > 1)} a row, but the last layer has {outputs} "
            f"unit{'s' * (outputs > 1)}: make them agree (for classes, targets=Targets(coding='one_hot'))"
        )
    if not np.isfinite(Y).all():
        bad = ~np.isfinite(Y).all(axis=1)
        raise DataError(
            f"y has {np.count_nonzero(bad):,} rows with NaN or infinite targets, the first in row {np.argmax(bad)} "
            "(counted from 0); a network cannot learn from them: leave those rows out"
        )
    return Y


def _scale(scaling: str, Y: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    shift, scale = np.zeros(Y.shape[1]), np.ones(Y.shape[1])
    if scaling == "standard":
        shift, scale = Y.mean(axis=0), Y.std(axis=0)
    elif scaling == "minmax":
        shift, scale = Y.min(axis=0), np.ptp(Y, axis=0)
    return tuple(shift.tolist()), tuple(np.where(scale > 0, scale, 1.0).tolist())


def _classes(y: npt.NDArray[Any], outputs: int, coding: Coding) -> tuple[Label, ...]:
    if y.ndim != 1:
        raise DataError(f"labels must have shape (n,); got {y.shape}. Targets that are one-hot already are numbers")
    if y.dtype.kind == "O" and not all(isinstance(label, str) for label in y):
        raise DataError("y mixes text with other things, or has missing labels: give one label of one kind a row")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DataError(f"y has {np.count_nonzero(~np.isfinite(y)):,} NaN or infinite labels; leave those rows out")
    labels = np.unique(y)
    if len(labels) < 2:
        raise DataError(f"all {len(y):,} targets are {labels[0]!r}: with one class there is nothing to tell apart")
    expected = max(2, outputs)
    if len(labels) != expected:
        shown = ", ".join(map(str, labels[:8])) + (", ..." if len(labels) > 8 else "")
        raise DataError(
            f"y has {len(labels):,} classes ({shown}), but {outputs} output unit{'s' * (outputs > 1)} "
            f"coded {coding!r} can tell {expected} apart: give the last layer {len(labels)} units"
            + (", or write targets=Targets(coding='numbers')" if y.dtype.kind in "fiu" else "")
        )
    return tuple(labels.tolist())
