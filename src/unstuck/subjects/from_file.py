"""load_subject(): the network in somebody's Python file.

    file.py:name      name is a HandWritten, a function that returns one, or an object with its parameters in attributes
                      and methods loss (or cost) and gradient (or backprop)
    file.py           the file itself has parameters, loss and gradient, and data (or X and y) where they need any;
                      a step of gradient descent, and shapes of a flat vector, if it likes

Where the functions take one row at a time, the file says per_row = "mean" or "sum".

The file is run, as `python file.py` would run it, but for what stands under `if __name__ == "__main__"`.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unstuck.errors import FileError, SubjectError, did_you_mean
from unstuck.subjects.handwritten import HandWritten
from unstuck.subjects.names import GRADIENTS, LOSSES, PREDICTIONS

DATA = ("X", "x", "y", "Y", "data")


def load_subject(place: str) -> HandWritten:
    """Run a Python file and return the network in it.

    Args:
        place: "file.py" or "file.py:name".

    Raises:
        FileError: when there is no such file.
        SubjectError: when it raises, or holds nothing to examine under that name.
    """
    path, _, name = place.rpartition(":") if ":" in Path(place).name else (place, "", "")
    module = _run(Path(path))
    if not name:
        return _of_module(module, path)
    if not hasattr(module, name):
        known = [known for known in vars(module) if not known.startswith("_")]
        raise SubjectError(f"{path} has nothing called {name!r}{did_you_mean(name, known)}")
    found = getattr(module, name)
    if isinstance(found, type) or (callable(found) and not _first(found, LOSSES)):
        found = _made(found, name, path)
    if isinstance(found, HandWritten):
        return found
    loss, gradient = _first(found, LOSSES), _first(found, GRADIENTS)
    if loss is None:
        raise SubjectError(
            f"{name} in {path} is neither a HandWritten, nor a function that returns one, nor an object with a method "
            f"loss or cost: write {name} = HandWritten(parameters, loss=..., gradient=..., data=(X, y))"
        )
    data = _data(module) if _takes(getattr(found, loss)) else ()
    return HandWritten.of_object(
        found,
        loss=loss,
        gradient=gradient,
        predict=_first(found, PREDICTIONS),
        data=data,
        per_row=getattr(module, "per_row", None) if data else None,
    )


def _of_module(module: ModuleType, path: str) -> HandWritten:
    subjects = [value for value in vars(module).values() if isinstance(value, HandWritten)]
    if len(subjects) == 1:
        return subjects[0]
    loss = _first(module, LOSSES)
    missing = [] if hasattr(module, "parameters") else [f"parameters = {{{_arrays_of(module)}}}"]
    missing += [] if loss else ["def loss(parameters, X, y)"]
    missing += [] if _first(module, GRADIENTS) else ["def gradient(parameters, X, y)"]
    if missing:
        raise SubjectError(
            f"{path} lacks {', '.join(missing)}. Write that, or name the network that is in it, "
            f"unstuck gradcheck {path}:NAME{_candidates(module)}"
        )
    assert loss is not None
    gradient, predict = _first(module, GRADIENTS), _first(module, PREDICTIONS)
    return HandWritten(
        module.parameters,
        loss=getattr(module, loss),
        gradient=getattr(module, gradient) if gradient else None,
        predict=getattr(module, predict) if predict else None,
        data=_data(module),
        step=step if callable(step := getattr(module, "step", None)) else None,
        shapes=getattr(module, "shapes", None),
        per_row=getattr(module, "per_row", None),
    )


def _made(function: Callable[[], Any], name: str, path: str) -> Any:
    try:
        return function()
    except SubjectError:
        raise
    except Exception as error:
        if isinstance(function, type):
            raise SubjectError(
                f"{name}() in {path} raised {type(error).__name__}: {error}. Make the network in the file, "
                f"network = {name}(...), and check {path}:network"
            ) from error
        raise SubjectError(
            f"{name} in {path} raised {type(error).__name__} when it was called without arguments: {error}"
        ) from error


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FileError(f"{path} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # pickles and dataclasses look there
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise SubjectError(f"{path} raised {type(error).__name__} when it was run: {error}") from error
    finally:
        sys.path.pop(0)
    return module


def _data(module: ModuleType) -> Sequence[Any]:
    if hasattr(module, "data"):
        return tuple(module.data)
    y = getattr(module, "y", getattr(module, "Y", None))
    return (module.X, y) if hasattr(module, "X") and y is not None else ()


def _arrays_of(module: ModuleType) -> str:
    """Return the arrays of a module as the entries of a dict, as an example of what to write."""
    named = [name for name, value in vars(module).items() if isinstance(value, np.ndarray) and name not in DATA]
    return ", ".join(f'"{name}": {name}' for name in named) or '"W1": W1, "b1": b1, ...'


def _candidates(module: ModuleType) -> str:
    """Return what NAME could be: the file's own classes and functions, and objects with a loss."""
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and getattr(value, "__module__", None) == module.__name__
        and (isinstance(value, type) or inspect.isfunction(value) or _first(value, LOSSES))
    ]
    return f"; in the file are {', '.join(own)}" if own else ""


def _takes(method: Any) -> bool:
    """Tell whether a method of an object takes any arguments."""
    try:
        return bool(inspect.signature(method).parameters)
    except (TypeError, ValueError):  # compiled ones do not say
        return True


def _first(holder: Any, names: Sequence[str]) -> str | None:
    return next((name for name in names if callable(getattr(holder, name, None))), None)
