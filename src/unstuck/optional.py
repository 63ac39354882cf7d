"""Packages that unstuck can work with but does not bring along."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from unstuck.errors import OptionError


def needs(module: str, extra: str) -> Any:
    """Return a module of an optional package.

    Raises:
        OptionError: when it is not installed, with what to install.

    >>> needs("no_such_package", "onnx")
    Traceback (most recent call last):
    unstuck.errors.OptionError: this needs the package no_such_package, which is not installed: ...
    """
    package = module.partition(".")[0]
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise  # it is there, but something it needs itself is not
        message = f"this needs the package {package}, which is not installed: pip install 'unstuck[{extra}]'"
        raise OptionError(message) from None
    return import_module(module)
