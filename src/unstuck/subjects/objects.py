"""A network kept in an object, as functions of its parameters.

Its parameters are attributes (W1, b1, ...), its functions are methods that read them from self. Each call gets a copy
of the object with the parameters asked for in their places.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unstuck.errors import SubjectError, did_you_mean
from unstuck.subjects.names import gradient_names


@dataclass(frozen=True)
class Functions:
    """Parameters by the names of their attributes, and functions of them."""

    parameters: dict[str, Any]
    loss: Callable[..., Any]
    gradient: Callable[..., Any] | None
    predict: Callable[..., Any] | None


def functions_of(
    network: Any,
    loss: str,
    gradient: str | None,
    parameters: Sequence[str] | None,
    gradients: Mapping[str, str] | None,
    predict: str | None,
) -> Functions:
    """Return the functions that an object's methods are; HandWritten.of_object says what the arguments mean.

    Raises:
        SubjectError: when it lacks an attribute, or has no arrays.
    """
    network = copy.deepcopy(network)
    names = list(parameters) if parameters is not None else _float_arrays(network)
    for name in [*names, loss, *filter(None, (gradient, predict))]:
        if not hasattr(network, name):
            known = [known for known in dir(network) if not known.startswith("__")]
            raise SubjectError(f"{type(network).__name__} has no attribute {name!r}{did_you_mean(name, known)}")

    def holding(values: Mapping[str, Any]) -> Any:
        held = copy.copy(network)
        for name, value in values.items():
            setattr(held, name, value)
        return held

    def gradient_of(values: Mapping[str, Any], *arguments: Any) -> Mapping[str, Any]:
        assert gradient is not None
        held = holding(values)
        returned = getattr(held, gradient)(*arguments)
        if isinstance(returned, Mapping):
            return returned
        if returned is not None:
            return dict(zip(names, returned, strict=True))
        found = gradients or {name: _gradient_name(held, name) for name in names}
        return {name: getattr(held, found[name]) for name in names}

    return Functions(
        {name: getattr(network, name) for name in names},
        loss=lambda values, *arguments: getattr(holding(values), loss)(*arguments),
        gradient=gradient_of if gradient else None,
        predict=(lambda values, X: getattr(holding(values), predict)(X)) if predict else None,
    )


def _float_arrays(network: Any) -> list[str]:
    found = [name for name, value in vars(network).items() if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
    lists = [
        name
        for name, value in vars(network).items()
        if isinstance(value, list | tuple) and value and all(isinstance(part, np.ndarray) for part in value)
    ]
    if not found and lists:
        raise SubjectError(
            f"{type(network).__name__} has its arrays in lists: name those that are trained, parameters={lists!r}"
        )
    if not found:
        raise SubjectError(
            f"{type(network).__name__} has no arrays of numbers as attributes: name them, parameters=['W1', 'b1', ...]"
        )
    return found


def _gradient_name(network: Any, name: str) -> str:
    tried = gradient_names(name)
    for candidate in tried:
        if hasattr(network, candidate):
            return candidate
    raise SubjectError(
        f"the gradient method returned nothing, and there is no attribute {', '.join(tried)}: "
        f"say where it is left, gradients={{{name!r}: ...}}"
    )
