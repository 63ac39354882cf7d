"""What the exports to source code share: a run's numbers by name, as text or in a file beside the source."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.errors import OptionError
from unstuck.files import write_whole
from unstuck.run import Run

INLINE = 1000
"""Up to so many numbers are written into the source; more lie in an .npz file beside it."""

INDENT = " " * 4
ENCODE = '''
NUMBERS = {numbers!r}  # the columns of numbers
CATEGORIES = {categories!r}  # None: a missing value


def encode(table):
    """Return the columns of a table, such as a dict of lists, as the array X (n, {width}) that the network takes."""
    columns = [np.asarray(table[name], dtype=np.float64) for name in NUMBERS]
    for name, levels in CATEGORIES.items():
        columns += [np.array([value == level for value in table[name]], dtype=np.float64) for level in levels]
    return np.column_stack(columns)
'''


def named_numbers(run: Run) -> dict[str, npt.NDArray[Any]]:
    """Return all numbers of a prediction: FILL, SHIFT and SCALE of the inputs where they have them, W1, b1, ...

    The first three are (i,), with 0, 0 and 1 for a column that stands for a category.
    """
    fitted = run.inputs
    categories = len(fitted.feature_names) - len(fitted.numbers)
    columns = {"FILL": (fitted.fill, 0.0), "SHIFT": (fitted.shift, 0.0), "SCALE": (fitted.scale, 1.0)}
    named = {name: np.array([*values, *[other] * categories]) for name, (values, other) in columns.items() if values}
    return named | run.weights


def encoding(run: Run) -> str:
    """Return the source that turns a table into an array, empty where no column is text."""
    fitted = run.inputs
    if not fitted.levels:
        return ""
    categories = {name: [*levels, *[None] * (name in fitted.missing_levels)] for name, levels in fitted.levels.items()}
    return ENCODE.format(numbers=list(fitted.numbers), categories=categories, width=len(fitted.feature_names))


def widths(run: Run) -> str:
    """Return the sizes of the layers, as in "4-8-3"."""
    return "-".join(map(str, [run.network.inputs, *(layer.outputs for layer in run.network.dense)]))


def literal(values: npt.NDArray[Any]) -> str:
    """Return a vector or a matrix as nested lists, every number with the digits that tell it from its neighbours.

    >>> print(literal(np.array([[0.1, 1.0], [1e-9, 2.0]], dtype=np.float32)))
        [
            [0.1, 1.0],
            [1e-09, 2.0],
        ]
    """
    if values.ndim == 1:
        return fill(f"[{', '.join(map(str, values))}]", 110, initial_indent=INDENT, subsequent_indent=f"{INDENT} ")
    rows = [literal(row).replace("\n", f"\n{INDENT}") for row in values]
    return "\n".join([f"{INDENT}[", *(f"{INDENT}{row}," for row in rows), f"{INDENT}]"])


def write_source(run: Run, path: str | Path, source: Callable[[Run, str | None], str]) -> None:
    """Write the source of a run into a .py file, and its numbers into an .npz file beside it if they are many.

    Raises:
        OptionError: when the name does not end in .py.
        FileError: when a file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".py":
        raise OptionError(f"the source is Python: name it {path.with_suffix('.py')} instead of {path}")
    numbers = named_numbers(run)
    if sum(values.size for values in numbers.values()) <= INLINE:
        write_whole(path, source(run, None).encode())
        return
    beside = path.with_suffix(".npz")
    content = io.BytesIO()
    np.savez(content, **numbers)  # type: ignore[arg-type]  # the names are none of its own parameters
    write_whole(beside, content.getvalue())
    write_whole(path, source(run, beside.name).encode())
