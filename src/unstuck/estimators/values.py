"""Constructor parameters and labels as plain data and arrays, and back. No pickle, so nothing that only code can be.

A parameter becomes the same value again, its type included. What TOML has no form for is a table of one entry:

    (1, 2)               {tuple = [1, 2]}
    {"a": 1.0}           {pairs = [["a", 1.0]]}
    np.eye(2)            {array = "parameter.0"}, the name of an array
    Adam(0.01)           {optimizer = {kind = "adam", learning_rate = 0.01, ...}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.description import Description
from unstuck.errors import OptionError, RecipeError
from unstuck.functions.activations import Activation, Custom
from unstuck.functions.initializers import Initializer
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import Optimizer
from unstuck.functions.schedules import Schedule

Arrays = dict[str, npt.NDArray[Any]]
FAMILIES: dict[str, type[Description]] = {
    "activation": Activation,
    "initializer": Initializer,
    "loss": Loss,
    "optimizer": Optimizer,
    "schedule": Schedule,
}
STORED = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64")
"""The types of arrays that safetensors and NumPy share."""
LAST_CHARACTER = 0x10FFFF
ADVICE = {
    "callbacks": "they only matter in training: set_params(callbacks=None)",
    "random_state": "set_params(random_state=...) to an integer, or None",
}
OTHERWISE = "pickle the model instead, where whoever reads it has the same code and trusts the file"


class CannotKeepError(Exception):
    """A value that has no form in a file; the message says what it is."""


def parameters_to_data(parameters: Mapping[str, Any], arrays: Arrays) -> dict[str, Any]:
    """Return parameters as plain data, those that are None left out; arrays among them are added to `arrays`.

    Raises:
        OptionError: that names each parameter that has no such form, and what to do.
    """
    data, problems = {}, []
    for name, value in parameters.items():
        try:
            if value is not None:
                data[name] = _to_data(value, arrays)
        except CannotKeepError as error:
            problems.append(f"  {name}: {error} cannot be kept in a file; {ADVICE.get(name, OTHERWISE)}")
    if problems:
        raise OptionError("\n".join(["the estimator is not saved, and nothing is written:", *problems]))
    return data


def parameters_from_data(data: Mapping[str, Any], arrays: Arrays) -> dict[str, Any]:
    """Return the parameters again.

    Raises:
        KeyError, TypeError, ValueError: when the data are not what `parameters_to_data` made.
    """
    return {name: _from_data(value, arrays) for name, value in data.items()}


def _to_data(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = [_to_data(item, arrays) for item in value]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict):
        return {"pairs": [[_to_data(key, arrays), _to_data(item, arrays)] for key, item in value.items()]}
    if isinstance(value, np.ndarray) and value.dtype.name in STORED:
        name = f"parameter.{len(arrays)}"
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name}
    for family, kind in FAMILIES.items():
        if isinstance(value, kind) and not isinstance(value, Custom):
            try:
                return {family: value.to_data()}
            except RecipeError as error:
                raise CannotKeepError(str(error)) from None
    if callable(value) or isinstance(value, Custom):
        raise CannotKeepError("a function of your own")
    raise CannotKeepError(f"an object of type {type(value).__name__}")


def _from_data(data: Any, arrays: Arrays) -> Any:
    if isinstance(data, list):
        return [_from_data(item, arrays) for item in data]
    if not isinstance(data, dict):
        return data
    ((form, content),) = data.items()
    if form == "tuple":
        return tuple(_from_data(item, arrays) for item in content)
    if form == "pairs":
        return {_from_data(key, arrays): _from_data(item, arrays) for key, item in content}
    return arrays[content] if form == "array" else FAMILIES[form].from_data(content)


def labels_to_array(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return labels (K,) as numbers: (K,), or, of text, the code points of its characters, (K, longest).

    Raises:
        OptionError: when they are neither numbers nor text.

    >>> labels_to_array(np.array(["no", "yes"]))
    array([[110, 111,   0],
           [121, 101, 115]], dtype=uint32)
    """
    if labels.dtype.name in STORED:
        return labels
    if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels):
        text = labels.astype(str)
        if text.tolist() == labels.tolist():  # NumPy's text ends before its last null characters
            labels = text
    if labels.dtype.kind != "U":
        raise OptionError(
            f"the labels are of type {labels.dtype}, which no file without pickle can hold: fit with y as text, "
            "integers, floats or booleans"
        )
    return np.ascontiguousarray(labels).view(np.uint32).reshape(len(labels), -1)


def labels_from_array(stored: npt.NDArray[Any], objects: bool) -> npt.NDArray[Any]:
    """Return the labels again, text as an array of objects if they were one.

    Raises:
        ValueError: when they are none.
    """
    if stored.ndim == 1 and stored.dtype.name in STORED:
        return stored
    if stored.dtype != np.uint32 or stored.ndim != 2 or not stored.size or stored.max() > LAST_CHARACTER:
        raise ValueError(f"labels of shape {stored.shape} and type {stored.dtype}")
    text = np.ascontiguousarray(stored).view(f"<U{stored.shape[1]}")[:, 0]
    return text.astype(object) if objects else text
