"""Packages that unstuck can work with but does not bring along."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from unstuck.errors import OptionError


def needs(module: str, distribution: str) -> Any:
    """Return a module of an optional package, which pip knows as `distribution`.

    Raises:
        OptionError: when it is not installed, with what to install.

    >>> needs("no_such_package", "its-name-on-pypi")
    Traceback (most recent call last):
    unstuck.errors.OptionError: this needs the package no_such_package, which is not installed: ...
    """
    package = module.partition(".")[0]
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise  # it is there, but something it needs itself is not
        install = f"{sys.executable} -m pip install {distribution}"  # into the environment that lacks it
        message = f"this needs the package {package}, which is not installed: {install}"
        raise OptionError(message) from None
    return import_module(module)
