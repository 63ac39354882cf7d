"""How errors and interruptions of a command end on the terminal: in a message that speaks of options, and a status."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

from unstuck.errors import UnstuckError

P = ParamSpec("P")


def reports_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Show our errors as one clear message, below the traceback of the user's code if that raised; exit with 2."""

    @wraps(command)
    def reporting(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except UnstuckError as error:
            from unstuck.subjects.calls import their_traceback

            click.echo(their_traceback(error), nl=False, err=True)
            click.echo(f"{click.style('error:', fg='red', bold=True)} {_as_options(str(error))}", err=True)
            sys.exit(2)
        except KeyboardInterrupt:
            name = click.get_current_context().info_name
            click.echo(
                f"interrupted: unstuck {name} had not ended; what it printed or wrote until then holds", err=True
            )
            sys.exit(1)

    return reporting


def _as_options(message: str) -> str:
    """Return a message with the fields of a recipe as they are set on the command line, not in Python.

    >>> _as_options('write inputs=Inputs(missing="mean")')
    'write --set inputs.missing=mean'
    """
    message = re.sub(
        r'(?:(?:inputs|targets)=)?\b(Inputs|Targets)\((\w+)="(\w+)"\)',
        lambda found: f"--set {found[1].lower()}.{found[2]}={found[3]}",
        message,
    )
    message = re.sub(r'\b(precision|batch_size)="(\w+)"', r"--set \1=\2", message)
    return message.replace("another validation_fraction", "another --set validation_fraction=...")
