"""HandWritten: a network in a person's own NumPy, as a subject."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.errors import SubjectError
from unstuck.subjects.calls import called
from unstuck.subjects.layout import Block, Layout
from unstuck.subjects.names import gradient_names
from unstuck.subjects.objects import functions_of


class HandWritten:
    """A network that somebody wrote: functions of parameters in the writer's own layout.

    Every call gets fresh copies of the parameters in float64, so that functions which change them do no harm.

    Args:
        parameters: a dict, list or tuple of arrays, nested or not, or one flat array.
        loss: loss(parameters, *data), a number.
        gradient: gradient(parameters, *data), of the same layout as the parameters; a dict may call them dW1, grad_W1.
        predict: predict(parameters, X), the outputs; optional.
        data: what the functions get after the parameters: (X, y), or () where they find their data themselves.
        step: step(parameters, *data), the parameters after one update of the writer's, or None where it changes those
            that it is given; optional. The gradient check says what it does with the gradient.
        shapes: of the blocks, by name, where the parameters are one flat array.
        seed: reseeds NumPy's global random numbers before each call, which freezes dropout masks and noise; None leaves
            them alone.
        per_row: "mean" or "sum" where loss and gradient take one row at a time, loss(parameters, x, y), to be averaged
            or summed over the rows of the data; None where they take all rows.

    Raises:
        SubjectError: when the parameters are no such thing.

    >>> line = HandWritten({"w": 2.0, "b": 0.0}, loss=lambda p, x, y: np.mean((p["w"] * x + p["b"] - y) ** 2),
    ...                    data=(np.array([0.0, 1.0]), np.array([1.0, 1.0])))
    >>> line.w, line.cost(line.w)
    (array([2., 0.]), 1.0)
    """

    def __init__(
        self,
        parameters: Any,
        *,
        loss: Callable[..., Any],
        gradient: Callable[..., Any] | None = None,
        predict: Callable[..., Any] | None = None,
        data: Sequence[Any] = (),
        step: Callable[..., Any] | None = None,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        seed: int | None = None,
        per_row: Literal["mean", "sum"] | None = None,
    ):
        if per_row not in (None, "mean", "sum"):
            raise SubjectError(f'per_row must be "mean", "sum" or None; got {per_row!r:.60}')
        if seed is not None and (
            isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 1 << 32
        ):
            raise SubjectError(f"seed must be an integer that NumPy takes, 0 to {(1 << 32) - 1}; got {seed!r:.60}")
        for name, function in {"loss": loss, "gradient": gradient, "predict": predict, "step": step}.items():
            if function is not None and not callable(function):
                raise SubjectError(f"{name} must be a function, {name}(parameters, ...); got {function!r:.60}")
        self._loss, self._gradient, self._predict, self._step = loss, gradient, predict, step
        self.layout = Layout(parameters, shapes)
        self._names = tuple(parameters) if isinstance(parameters, Mapping) else ()
        self.data = _checked(data, per_row)
        self.seed, self.per_row = seed, per_row
        self.copies_data = False
        self.w = self.layout.flat(parameters, "the parameters")
        if not np.isfinite(self.w).all():
            block = next(block for block in self.blocks if not np.isfinite(block.of(self.w)).all())
            raise SubjectError(f"{block.name} holds numbers that are not finite: nothing can be measured there")

    @classmethod
    def of_object(
        cls,
        network: Any,
        *,
        loss: str,
        gradient: str | None = None,
        parameters: Sequence[str] | None = None,
        gradients: Mapping[str, str] | None = None,
        predict: str | None = None,
        data: Sequence[Any] = (),
        seed: int | None = None,
        per_row: Literal["mean", "sum"] | None = None,
    ) -> HandWritten:
        """Return the subject that an object with its parameters in attributes is.

        Args:
            network: has the parameters as attributes, arrays (W1, b1, ...) or lists of arrays, and methods that read
                them from self. It is copied.
            loss: the name of the method loss(*data).
            gradient: of the method gradient(*data). It returns a dict by parameter, or the gradients in the order of
                `parameters`; or nothing, when it leaves them in attributes. The loss is called before it where it
                needs what that leaves in attributes.
            parameters: the names of the attributes; None takes all arrays of floating-point numbers, but not what
                loss or gradient overwrite and the loss does not read: activations kept for the way back, gradients.
            gradients: the attribute that holds the gradient of each parameter; None looks for dW1, grad_W1, ...
            predict: the name of the method predict(X).
            data: what the methods get.
            seed: as above.
            per_row: as above, where the methods take one row at a time, x and y.
        """
        first_call = _of_first_call(_checked(data, per_row), per_row)
        found = functions_of(network, loss, gradient, parameters, gradients, predict, first_call)
        return cls(
            found.parameters,
            loss=found.loss,
            gradient=found.gradient,
            predict=found.predict,
            data=data,
            seed=seed,
            per_row=per_row,
        )

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Its arrays of parameters."""
        return self.layout.blocks

    @property
    def has_gradient(self) -> bool:
        """Whether it came with a gradient."""
        return self._gradient is not None

    @property
    def has_step(self) -> bool:
        """Whether it came with a step."""
        return self._step is not None

    @property
    def has_predict(self) -> bool:
        """Whether it came with predictions."""
        return self._predict is not None

    def seeded(self, seed: int) -> HandWritten:
        """Return the same network with NumPy's global random numbers reseeded before each call."""
        other = copy.copy(self)
        other.seed = seed
        return other

    def with_data(self, data: Sequence[Any]) -> HandWritten:
        """Return the same network with other data."""
        other = copy.copy(self)
        other.data = _checked(data, self.per_row)
        return other

    def with_data_copied(self) -> HandWritten:
        """Return the same network with a fresh copy of the data for each call, for functions that change them."""
        other = copy.copy(self)
        other.copies_data = True
        return other

    def vector(self, parameters: Any) -> Array:
        """Return parameters, given as P numbers or in the writer's layout, as one vector (P,).

        Raises:
            SubjectError: when they are neither.
        """
        if isinstance(parameters, np.ndarray) and parameters.shape == self.w.shape and parameters.dtype.kind in "fiu":
            return parameters.astype(np.float64)
        return self.layout.flat(parameters, "the parameters")

    def cost(self, w: Array, data: Sequence[Any] | None = None) -> float:
        """Return the loss at w, of shape (P,).

        Raises:
            SubjectError: when the function raises, or returns anything but a number.
        """
        returned = self.loss_as_returned(w, data)
        if returned is None:
            raise SubjectError("your loss returned None: has it a return?")
        try:
            value = np.asarray(returned)
        except ValueError:  # of lists of different lengths
            value = np.asarray(None)
        if value.size != 1 or value.dtype.kind not in "fiub":
            what = f"an array of shape {value.shape}" if value.size != 1 else f"{returned!r:.60}"
            raise SubjectError(
                f"your loss returned {what}; a gradient is that of one real number: return the mean or the sum over "
                "the rows"
            )
        return float(value.reshape(()))

    def loss_as_returned(self, w: Array, data: Sequence[Any] | None = None) -> Any:
        """Return what the loss function returns at w, which may be complex; the mean or sum of it, if it is per row."""
        returned = self._over_rows(self._loss, "loss", w, data)
        if self.per_row is None:
            return returned[0]
        return sum(returned[1:], start=returned[0]) / (len(returned) if self.per_row == "mean" else 1)

    def complex_cost(self, w: npt.NDArray[np.complex128], data: Sequence[Any] | None = None) -> complex:
        """Return the loss at complex parameters, NaN where the functions do not bear them."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return complex(np.asarray(self.loss_as_returned(w, data)).reshape(()))  # type: ignore[arg-type]
        except Exception:  # whatever a person's code raises: it was not made for this
            return complex(np.nan)

    def gradient(self, w: Array, data: Sequence[Any] | None = None) -> Array:
        """Return the writer's gradient at w, of shape (P,).

        Raises:
            SubjectError: when there is none, it raises, or it is not built like the parameters.
        """
        if self._gradient is None:
            raise SubjectError("this network came without a gradient: give gradient=...")
        total = np.zeros(self.w.shape)
        returned = self._over_rows(self._gradient, "gradient", w, data)
        for one in returned:
            if one is None:
                raise SubjectError("your gradient returned None: has it a return?")
            total += self.layout.flat(self._by_parameter(one), "your gradient")
        return total / len(returned) if self.per_row == "mean" else total

    def _by_parameter(self, returned: Any) -> Any:
        """Return a gradient by the names of the parameters, where it calls all of them dW1, grad_W1, ... instead."""
        if not isinstance(returned, Mapping) or any(name in returned for name in self._names):
            return returned
        found = {name: next(filter(returned.__contains__, gradient_names(name)), None) for name in self._names}
        return returned if None in found.values() else {name: returned[called] for name, called in found.items()}

    def outputs(self, w: Array) -> Array:
        """Return the predictions for data[0] at w, as the writer's function gives them."""
        assert self._predict is not None
        return np.asarray(self._call(self._predict, "predict", self._fresh(w), self.data[0]), dtype=np.float64)

    def after_step(self, w: Array) -> Array:
        """Return the parameters after one update of the writer's, of shape (P,).

        Raises:
            SubjectError: when the step raises, or what it returns is not built like the parameters.
        """
        assert self._step is not None
        structure = self._fresh(w)
        returned = self._call(self._step, "step", structure, *copy.deepcopy(self.data))
        after = structure if returned is None else returned
        return self.layout.flat(self.layout.without_additions(after), "what your step leaves as parameters")

    def changes(self, w: Array) -> dict[str, list[str]]:
        """Return what loss and gradient change of what they are given, by their names: W1, data[0], ..."""
        changed = {}
        for name, function in (("loss", self._loss), ("gradient", self._gradient)):
            if function is None:
                continue
            data = copy.deepcopy(self.data)
            structure = self._fresh(w)
            self._call(function, name, structure, *_of_first_call(data, self.per_row))
            found = self.layout.changed(structure, w)
            found += [
                f"data[{k}]" for k, (now, was) in enumerate(zip(data, self.data, strict=True)) if _differ(now, was)
            ]
            changed[name] = found
        return changed

    def _over_rows(
        self, function: Callable[..., Any], name: str, w: npt.NDArray[Any], data: Sequence[Any] | None
    ) -> list[Any]:
        """Return what a function returns for the data, or for each of their rows."""
        data = self.data if data is None else data
        if self.copies_data:
            data = copy.deepcopy(data)
        if self.per_row is None:
            return [self._call(function, name, self._fresh(w), *data)]
        return [self._call(function, name, self._fresh(w, k), *row) for k, row in enumerate(zip(*data, strict=True))]

    def _fresh(self, w: npt.NDArray[Any], row: int = 0) -> Any:
        """Return copies of the parameters, and reseed for the first row."""
        if self.seed is not None and row == 0:
            np.random.seed(self.seed)  # noqa: NPY002  # theirs are the global numbers
        return self.layout.structure(w)

    def _call(self, function: Callable[..., Any], name: str, structure: Any, *arguments: Any) -> Any:
        return called(function, name, self.blocks, structure, arguments)


def _checked(data: Any, per_row: str | None) -> tuple[Any, ...]:
    if not isinstance(data, Sequence) or isinstance(data, str):
        got = f"one array of shape {data.shape}" if isinstance(data, np.ndarray) else f"{data!r:.60}"
        raise SubjectError(
            f"data must be what the functions get after the parameters, as a tuple: data=(X, y); got {got}"
        )
    for k, part in enumerate(data):
        if not isinstance(part, np.ndarray) or part.dtype == object:
            _check_copies(part, f"data[{k}]")
    if per_row is None:
        return tuple(data)
    rows = [len(part) if np.ndim(part) else None for part in data]
    if not rows or None in rows or len(set(rows)) > 1 or not rows[0]:
        raise SubjectError(
            f"per_row={per_row!r} goes through the rows of all data at once, and these have {rows} rows: give as many "
            "of each"
        )
    return tuple(data)


def _of_first_call(data: tuple[Any, ...], per_row: str | None) -> tuple[Any, ...]:
    """Return what the functions get at their first call: all data, or the first row of each."""
    return data if per_row is None else tuple(part[0] for part in data)


def _check_copies(part: Any, name: str) -> None:
    try:
        copy.deepcopy(part)
    except Exception as error:
        raise SubjectError(
            f"{name} cannot be copied ({type(error).__name__}: {error}), and your functions get copies, as they may "
            "change what they are given; give arrays of numbers"
        ) from None


def _differ(now: Any, was: Any) -> bool:
    if isinstance(now, np.ndarray):
        return not np.array_equal(now, was, equal_nan=now.dtype.kind in "fc")
    return False
