"""Calls of somebody's functions: where they raise, their error is told with its place and the shapes given."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unstuck.errors import SubjectError
from unstuck.subjects.layout import Block

OURS = str(Path(__file__).parents[1])


def called(
    function: Callable[..., Any], name: str, blocks: Sequence[Block], parameters: Any, arguments: Sequence[Any]
) -> Any:
    """Return what a function returns.

    Args:
        function: theirs.
        name: of it, for messages: "loss", "gradient".
        blocks: of the parameters.
        parameters: as it wants them.
        arguments: what it gets after them.

    Raises:
        SubjectError: when it raises; its error is the cause.
    """
    try:
        return function(parameters, *arguments)
    except SubjectError:
        raise
    except Exception as error:
        shapes = ", ".join(f"{block.name} {block.shape}" for block in blocks[:6])
        shapes += ", ..." if len(blocks) > 6 else ""
        given = ", ".join(str(np.shape(part)) for part in arguments if isinstance(part, np.ndarray))
        data = f" and data of shapes {given}" if given else ""
        raise SubjectError(
            f"your {name} raised {type(error).__name__}: {error} ({_place(error)}called with the parameters "
            f"{shapes}{data})"
        ) from error


def their_traceback(error: BaseException) -> str:
    """Return the traceback of the code that somebody brought, without the calls of ours that led there; "" if none."""
    cause = error.__cause__
    if not isinstance(error, SubjectError) or cause is None:
        return ""
    told = traceback.TracebackException.from_exception(cause)
    told.stack = traceback.StackSummary.from_list(_their_frames(cause))
    return "".join(told.format(chain=False)) if told.stack or isinstance(cause, SyntaxError) else ""


def _place(error: BaseException) -> str:
    """Return where in their file it happened; a function of a library that they call is no place of theirs."""
    frames = _their_frames(error)
    in_file = [frame for frame in frames if frame.filename == frames[0].filename]
    if not in_file:
        return ""
    last = in_file[-1]
    return f"line {last.lineno} of {Path(last.filename).name}, {last.line}; " if last.line else f"line {last.lineno}; "


def _their_frames(error: BaseException) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    first = next((k for k, frame in enumerate(frames) if not _ours_or_python_s(frame.filename)), len(frames))
    return frames[first:]


def _ours_or_python_s(filename: str) -> bool:
    return filename.startswith((OURS, "<frozen"))


@contextmanager
def random_numbers_kept() -> Iterator[None]:
    """Let NumPy's global random numbers go on afterwards as if nothing had been."""
    theirs = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(theirs)  # noqa: NPY002
