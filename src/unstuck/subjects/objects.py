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
from unstuck.subjects.calls import random_numbers_kept
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
    data: Sequence[Any],
) -> Functions:
    """Return the functions that an object's methods are; HandWritten.of_object says what the arguments mean.

    Raises:
        SubjectError: when it lacks an attribute, or has no arrays.
    """
    network = copy.deepcopy(network)
    for name in [*(parameters or ()), loss, *filter(None, (gradient, predict))]:
        if not hasattr(network, name):
            known = [known for known in dir(network) if not known.startswith("__")]
            raise SubjectError(f"{type(network).__name__} has no attribute {name!r}{did_you_mean(name, known)}")
    if parameters is None:
        found = _float_arrays(network)
        names = [name for name in found if not _is_cache(network, name, loss, gradient, data)]
    else:
        names = list(parameters)

    loss_first = gradient is not None and _needs_the_loss(network, names, loss, gradient, data)

    def holding(values: Mapping[str, Any]) -> Any:
        held = copy.copy(network)
        for name, value in values.items():
            setattr(held, name, value)
        return held

    def gradient_of(values: Mapping[str, Any], *arguments: Any) -> Mapping[str, Any]:
        assert gradient is not None
        held, before = holding(values), copy.deepcopy(values)
        if loss_first:
            getattr(held, loss)(*arguments)
        returned = getattr(held, gradient)(*arguments)
        if isinstance(returned, Mapping):
            return returned
        if returned is not None:
            return dict(zip(names, returned, strict=True))
        places = gradients or {name: _gradient_name(held, name, before) for name in names}
        return {name: getattr(held, places[name]) for name in names}

    return Functions(
        {name: getattr(network, name) for name in names},
        loss=lambda values, *arguments: getattr(holding(values), loss)(*arguments),
        gradient=gradient_of if gradient else None,
        predict=(lambda values, X: getattr(holding(values), predict)(X)) if predict else None,
    )


def _float_arrays(network: Any) -> list[str]:
    """Return which attributes are arrays of floating-point numbers, or lists of such."""
    found = [name for name, value in vars(network).items() if _arrays_in(value)]
    if not found:
        raise SubjectError(
            f"{type(network).__name__} has no arrays of numbers as attributes: name them, parameters=['W1', 'b1', ...]"
        )
    return found


def _arrays_in(value: Any) -> list[Any]:
    """Return the array that a value is, or all that are in it, where it has nothing else."""
    arrays = list(value) if isinstance(value, list | tuple) else [value]
    return arrays if all(isinstance(part, np.ndarray) and part.dtype.kind == "f" for part in arrays) else []


def _is_cache(network: Any, name: str, loss: str, gradient: str | None, data: Sequence[Any]) -> bool:
    """Tell whether the methods overwrite arrays that the loss does not read: NaN in their place is gone afterwards."""
    spoilt = copy.deepcopy(network)
    for array in _arrays_in(getattr(spoilt, name)):
        array[...] = np.nan
    with random_numbers_kept(), np.errstate(all="ignore"):
        try:
            value = getattr(spoilt, loss)(*copy.deepcopy(data))
            if gradient is not None:
                getattr(spoilt, gradient)(*copy.deepcopy(data))
            left = _arrays_in(getattr(spoilt, name))
            return bool(np.isfinite(value) and not any(np.isnan(array).any() for array in left))
        except Exception:  # whatever their code raises is told when it is called in earnest
            return False


def _needs_the_loss(network: Any, names: Sequence[str], loss: str, gradient: str, data: Sequence[Any]) -> bool:
    """Tell whether the gradient fails without what the loss leaves in attributes: activations from the way forward."""
    with random_numbers_kept(), np.errstate(all="ignore"):
        ran = copy.deepcopy(network)
        before = dict(vars(ran))
        try:
            getattr(ran, loss)(*copy.deepcopy(data))
        except Exception:  # told when it is called in earnest
            return False
        left = [name for name, value in vars(ran).items() if name not in names and value is not before.get(name)]
        for name in left:
            delattr(ran, name)
        try:
            getattr(ran, gradient)(*copy.deepcopy(data))
        except Exception:
            return bool(left)
        return False


def _gradient_name(network: Any, name: str, before: Mapping[str, Any]) -> str:
    tried = gradient_names(name)
    for candidate in tried:
        if hasattr(network, candidate):
            return candidate
    missing = f"the gradient method returned nothing, and there is no attribute {', '.join(tried)}: "
    if not np.array_equal(getattr(network, name), before[name]):
        raise SubjectError(
            f"{missing}it updates {name} itself. Let it return the gradients, or leave them in attributes, "
            f"self.{tried[0]} = ..., and make the update in another method"
        )
    raise SubjectError(f"{missing}say where it is left, gradients={{{name!r}: ...}}")
