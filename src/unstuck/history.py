"""History: what a training recorded, one row a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from unstuck.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    import polars

SIGNALS = ("dead", "saturated", "z_mean", "z_spread", "gradient_norm", "update_ratio")


class History:
    """Columns of equal length: epoch, step, loss, learning_rate, seconds, training_loss, metrics, validation_....

    `loss` is the mean of the costs (loss plus penalties) that the updates of the record's epoch saw, dropout and all;
    with L-BFGS, the cost after the iteration. `training_loss`, `validation_loss` and the metrics are measured in
    evaluation mode, after the epoch, without penalties. With signals there are six columns more for each layer.

    >>> history = History()
    >>> history.append({"epoch": 1, "loss": 0.7})
    >>> history.append({"epoch": 2, "loss": 0.5})
    >>> history["loss"]
    array([0.7, 0.5])
    """

    def __init__(self, columns: Mapping[str, npt.ArrayLike] | None = None):
        self._columns: dict[str, list[float]] = {
            name: np.asarray(values, dtype=np.float64).tolist() for name, values in (columns or {}).items()
        }
        lengths = {name: np.shape(values) for name, values in (columns or {}).items()}
        if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
            raise OptionError(f"the columns of a history are of one length; got {lengths}")

    def append(self, row: Mapping[str, float]) -> None:
        """Add a record; every record has the same columns."""
        for name, value in row.items():
            self._columns.setdefault(name, []).append(float(value))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def last(self) -> dict[str, float]:
        """Return the latest record, empty where there is none."""
        return {name: values[-1] for name, values in self._columns.items()}

    def frame(self) -> polars.DataFrame:
        """Return the history as a polars table."""
        import polars

        return polars.DataFrame(self._columns)

    def arrays(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return every column as an array."""
        return {name: np.array(values) for name, values in self._columns.items()}

    def __getitem__(self, name: str) -> npt.NDArray[np.float64]:
        if not self._columns:
            raise OptionError("the history is empty: the training ended before its first record")
        if name not in self._columns:
            raise OptionError(f"the history has no column {name!r}{did_you_mean(name, self._columns)}")
        return np.array(self._columns[name])

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), []))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and repr(self._columns) == repr(other._columns)  # NaN equals NaN

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"History({len(self)} records of {', '.join(self._columns)})"


def is_signal(column: str) -> bool:
    """Tell whether a column holds a signal of a layer: see `unstuck.engines.signals`.

    >>> is_signal("update_ratio_2"), is_signal("validation_loss")
    (True, False)
    """
    name, _, layer = column.rpartition("_")
    return layer.isdigit() and name in SIGNALS
