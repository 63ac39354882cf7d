"""The progress bar: only for trainings that take longer than a second, and where somebody watches."""

from __future__ import annotations

import sys
import time
from multiprocessing import parent_process
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0
"""Seconds before a bar appears."""


class ProgressBar:
    """A bar over `total` updates, with the latest loss and metric beside it.

    Args:
        label: what stands before the bar.
        shown: False for silence.
    """

    def __init__(self, label: str, shown: bool = True):
        self.total: int | None = None
        self._label = label
        self._shown = shown and parent_process() is None  # workers side by side would draw over each other
        self._started = self._drawn = time.monotonic()
        self._text = ""
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, text: str | None = None) -> None:
        """Move to `done` updates and show `text` from now on; cheap enough to be called at every update."""
        self._text = self._text if text is None else text
        now = time.monotonic()
        if not self._shown or now - self._started < PATIENCE or (now - self._drawn < 0.1 and text is None):
            return
        self._drawn = now
        if self._bar is None:
            self._appear()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, text=self._text)

    def _appear(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        if not (console.is_terminal or console.is_jupyter):
            self._shown = False
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
        )
        for_print = sys.stdout.isatty()  # what callbacks print goes above the bar, or into the file it is meant for
        self._bar = Progress(*columns, console=console, transient=True, redirect_stdout=for_print)
        self._task = self._bar.add_task(self._label, total=self.total, text="")
        self._bar.start()
