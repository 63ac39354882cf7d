"""Targets: from the labels or numbers a user has to the array Y (n, o) a loss compares with, and back.

`Targets` is the recipe's part: what to do. `FittedTargets` is the run's part: what the training rows made of it.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.data.inputs import Text
from unstuck.data.scaling import Scaling, fit_scaling
from unstuck.description import Description, described
from unstuck.errors import DataError, RecipeError

Coding = Literal["numbers", "one_hot", "binary", "signed"]
Label = bool | int | float | Text
SHOWN = 8
"""So many labels are shown in an error message."""


@described
class Targets(Description):
    """How y becomes Y.

    Args:
        coding: "numbers" as they are; "one_hot", 1 for the row's class and 0 elsewhere; "binary", 0 and 1 on one
            output; "signed", -1 and 1, on one output or, for each class against the rest, on several. "auto": one
            output takes what its loss prefers (binary for cross-entropy, signed for hinge, else numbers); several
            outputs take one_hot (signed for hinge), or numbers where y has several columns already.
        scaling: of numbers: "none", "standard" or "minmax"; undone in predictions.
        classes: the labels, sorted, where the training rows need not show all of them; None takes those they show.

    >>> fitted = Targets().fit(["no", "yes", "no"], outputs=2, prefers="numbers")
    >>> fitted.transform(["yes"])
    array([[0., 1.]])
    >>> fitted.predictions(np.array([[0.2, 0.8]]))
    array(['yes'], dtype='<U3')
    """

    coding: Literal["auto", "numbers", "one_hot", "binary", "signed"] = "auto"
    scaling: Scaling = "none"
    classes: tuple[Label, ...] | None = None

    def __post_init__(self) -> None:
        if self.scaling != "none" and self.coding not in ("auto", "numbers"):
            raise _not_scaled(self.coding)

    def resolve(self, y: Any, outputs: int, prefers: str) -> Coding:
        """Return the coding for y, `outputs` units and a loss that `prefers` "numbers", "binary" or "signed"."""
        if self.coding != "auto":
            return self.coding
        if as_targets(y).ndim == 2:
            return "numbers"
        if outputs > 1 and prefers != "signed":
            return "one_hot"
        return prefers  # type: ignore[return-value]  # one of the codings

    def fit(self, y: Any, outputs: int, prefers: str) -> FittedTargets:
        """Learn the classes, or the scaling, of the training targets.

        Args:
            y: labels (n,), or numbers (n,) or (n, o).
            outputs: o, the units of the last layer.
            prefers: the coding that the loss prefers for one unit: "numbers", "binary" or "signed".

        Raises:
            DataError: when y does not fit the coding or the number of outputs.
            RecipeError: when classes are to be scaled.
        """
        y = as_targets(y)
        coding = self.resolve(y, outputs, prefers)
        if coding == "numbers":
            shift, scale = fit_scaling(as_numbers(y, outputs), self.scaling)
            return FittedTargets(coding, outputs, None, shift, scale, flat=y.ndim == 1)
        if self.scaling != "none":
            raise _not_scaled(coding)
        classes = _classes(np.array(self.classes) if self.classes else y, outputs, coding)
        return FittedTargets(coding, outputs, classes, (), (), flat=True)


@described
class FittedTargets(Description):
    """The recipe's `Targets`, fitted.

    Args:
        coding: "numbers", "one_hot", "binary" or "signed".
        outputs: o, the units of the last layer.
        classes: the labels, sorted, in the order of the outputs; None for numbers.
        shift: of each column of numbers, y' = (y - shift) / scale; empty without scaling.
        scale: likewise.
        flat: y had one dimension, and so have predictions.
    """

    coding: Coding
    outputs: int
    classes: tuple[Label, ...] | None = None
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    flat: bool = True

    def __post_init__(self) -> None:
        problems = []
        if (self.classes is None) != (self.coding == "numbers"):
            problems.append(("classes", f"do not go with coding={self.coding!r}"))
        elif self.classes is not None and len(self.classes) != max(2, self.outputs):
            problems.append(("classes", f"{len(self.classes)} of them for {self.outputs} outputs"))
        if len(self.shift) != len(self.scale) or len(self.scale) not in (0, self.outputs) or 0 in self.scale:
            problems.append(("scale", f"needs a number other than 0, and a shift, for each of {self.outputs} outputs"))
        if self.flat and self.classes is None and self.outputs != 1:
            problems.append(("flat", f"{self.outputs} numbers a row have two dimensions"))
        if problems:
            raise RecipeError(problems, "FittedTargets")

    @property
    def default_metrics(self) -> tuple[str, ...]:
        """Accuracy for classes, r2 for numbers."""
        return ("r2",) if self.classes is None else ("accuracy",)

    def transform(self, y: Any) -> Array:
        """Return Y, (n, o) of float64.

        Raises:
            DataError: when y holds labels that did not occur in training, or is not as wide.
        """
        y = as_targets(y)
        if self.classes is None:
            Y = as_numbers(y, self.outputs)
            return (Y - self.shift) / self.scale if self.scale else Y
        _check_labels(y)
        labels, of_row = np.unique(y, return_inverse=True)
        number = {label: k for k, label in enumerate(self.classes)}
        new = [label for label in labels.tolist() if label not in number]
        if new:
            raise DataError(
                f"y holds {_shown(new)}, first in row {(y == new[0]).argmax():,} (counted from 0), but the classes in "
                f"training were {_shown(self.classes)}"
            )
        k = np.array([number[label] for label in labels.tolist()])[of_row]
        Y = np.eye(len(self.classes)).take(k, axis=0) if self.outputs > 1 else k[:, None].astype(np.float64)
        return 2 * Y - 1 if self.coding == "signed" else Y

    def check_known(self, y: npt.NDArray[Any]) -> None:
        """Refuse labels none of which occurred in training, so that no prediction could be right.

        Raises:
            DataError: when they are such.
        """
        if self.classes is None:
            return
        labels = np.unique(y).tolist()
        if any(label in self.classes for label in labels):
            return
        spelt = {str(label) for label in self.classes}
        hint = "give y the type it had in training" if any(str(label) in spelt for label in labels) else "is it this y?"
        raise DataError(
            f"no label of y occurred in training: y holds {_shown(labels)}, and the classes were "
            f"{_shown(self.classes)}; {hint}"
        )

    def predictions(self, A: Array) -> npt.NDArray[Any]:
        """Return a label for each row of the outputs A (n, o), or numbers with the scaling undone.

        Of several outputs the largest decides; a single one, whether it lies above 0.5 (signed: above 0).
        """
        if self.classes is None:
            numbers = A * np.array(self.scale) + np.array(self.shift) if self.scale else A
            return numbers[:, 0] if self.flat else numbers
        labels = np.array(self.classes)
        if self.outputs > 1:
            return labels[A.argmax(axis=1)]
        return labels[(A[:, 0] > (0 if self.coding == "signed" else 0.5)).astype(int)]

    def probabilities(self, A: Array) -> Array:
        """Return what the outputs A (n, o) say about each class, (n, K): A itself, or [1 - a, a] for a single output.

        They are probabilities as far as the output activation makes them so. A single signed output counts as
        a' = (a + 1) / 2, which is the probability where the squared error is least.

        Raises:
            DataError: when the targets are numbers.
        """
        if self.classes is None:
            raise DataError("this network predicts numbers, which have no class probabilities; use predict")
        if self.outputs > 1:
            return A
        a = (A + 1) / 2 if self.coding == "signed" else A
        return np.concatenate([1 - a, a], axis=1)


def as_targets(y: Any) -> npt.NDArray[Any]:
    """Return targets as an array, (n,) where there is one column.

    Raises:
        DataError: when they are empty, mixed, missing, or of more than two dimensions.

    >>> as_targets([[1], [2]])
    array([1, 2])
    """
    try:
        if type(y) is not np.ndarray:  # making a masked array of it takes longer than all checks
            y = y.to_numpy() if hasattr(y, "to_numpy") else np.ma.asanyarray(y)
    except ValueError:
        raise DataError("the rows of y differ in length; each row needs as many targets") from None
    if np.ma.is_masked(y):
        raise DataError(f"y is masked in {np.ma.getmaskarray(y).sum():,} places; leave out rows without a target")
    y = np.asarray(y)
    if y.dtype == object:
        if not all(isinstance(label, str) for label in y.flat):
            kinds = sorted({type(label).__name__ for label in y.flat})
            raise DataError(
                f"y is an array of objects of type {', '.join(kinds)}; make it one type, y.astype(float) or "
                "y.astype(str), and leave out rows without a target"
            )
        y = y.astype(str)
    if y.dtype.kind not in "biufU":
        raise DataError(f"y is an array of {y.dtype}; numbers or labels (text, integers, booleans) are needed")
    if not y.size or y.ndim not in (1, 2):
        raise DataError(f"y has shape {y.shape}; give one target a row, (n,), or numbers (n, outputs)")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        bad = ~np.isfinite(y).reshape(len(y), -1).all(axis=1)
        raise DataError(
            f"y is NaN or infinite in {np.count_nonzero(bad):,} rows, first in row {bad.argmax():,} (counted from 0); "
            "a network cannot learn from them: leave them out"
        )
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def as_numbers(y: npt.NDArray[Any], outputs: int) -> Array:
    """Return targets as numbers (n, outputs), float64.

    Raises:
        DataError: when they are text, or so many a row they are not.
    """
    if y.dtype.kind == "U":
        raise DataError(
            f"y holds text such as {y.flat[0]!s}, but the network is to predict numbers: for classes, give the last "
            'layer one unit a class, Dense(K, "softmax"), or write targets=Targets(coding="binary")'
        )
    Y = y.reshape(len(y), -1).astype(np.float64)
    if Y.shape[1] != outputs:
        raise DataError(
            f"y has {Y.shape[1]} numbers a row, but the last layer has {outputs} units; make them agree, or, for "
            'classes, write targets=Targets(coding="one_hot")'
        )
    return Y


def _classes(y: npt.NDArray[Any], outputs: int, coding: Coding) -> tuple[Label, ...]:
    _check_labels(y)
    labels = np.unique(y).tolist()
    if len(labels) == 1:
        every = f"all {len(y):,} targets are" if len(y) > 1 else "the only target is"
        raise DataError(f"{every} {labels[0]!r}; with one class there is nothing to tell apart")
    expected = max(2, outputs)
    if len(labels) != expected:
        units = f"{outputs} units" if outputs > 1 else "1 unit"
        raise DataError(
            f"y has {len(labels):,} classes ({_shown(labels)}), but {units} ({coding}) can tell {expected} apart; "
            f'end with Dense({len(labels)}, "softmax"), or write targets=Targets(coding="numbers") if these are numbers'
        )
    return tuple(labels)


def _check_labels(y: npt.NDArray[Any]) -> None:
    if y.ndim != 1:
        raise DataError(
            f"y has shape {y.shape}, but labels have shape (n,); if they are one-hot already, write y.argmax(axis=1)"
        )
    if y.dtype.kind == "f" and (y != np.rint(y)).any():
        fraction = y[y != np.rint(y)][0]
        raise DataError(
            f'y holds fractions such as {fraction:g}, which are no classes; write targets=Targets(coding="numbers")'
        )


def _shown(labels: Any) -> str:
    return ", ".join(map(repr, labels[:SHOWN])) + (", ..." if len(labels) > SHOWN else "")


def _not_scaled(coding: str) -> RecipeError:
    return RecipeError([("scaling", f'only numbers are scaled, and the coding is {coding!r}; write "none"')], "Targets")
