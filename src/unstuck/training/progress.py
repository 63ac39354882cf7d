"""The progress bar: only for trainings that take longer than a second, and where somebody watches."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import parent_process
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0
"""Seconds before a bar appears."""
INTERVAL = 0.1
"""Seconds from one drawing to the next."""


class ProgressBar:
    """A bar over `total` updates, or trainings, with the latest loss and metric beside it.

    Args:
        label: what stands before the bar.
        shown: False for silence.
    """

    def __init__(self, label: str, shown: bool = True):
        self.total = 0
        self._label = label
        self._done = 0.0
        self._lock = threading.Lock()
        self._shown = shown and parent_process() is None  # workers side by side would draw over each other
        self._started = self._drawn = time.monotonic()
        self._text: Callable[[], str] = str
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: float, text: Callable[[], str] | None = None) -> None:
        """Move to `done` and show what `text` returns from now on; cheap enough to be called at every update."""
        self._text = text or self._text
        now = time.monotonic()
        if not self._shown or now - self._started < PATIENCE or now - self._drawn < INTERVAL:
            return
        self._drawn = now
        if self._bar is None:
            self._appear()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, text=self._text())

    def advance(self, by: float) -> None:
        """Move on; any thread may say so."""
        with self._lock:
            self._done += by
            self.update(self._done)

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


class Part:
    """A bar over the updates of one of several trainings at once: a length of 1 in their common bar.

    There is no room for the loss of each.
    """

    def __init__(self, bar: ProgressBar):
        self.total = 0
        self._bar = bar
        self._done = 0.0

    def update(self, done: int, text: Callable[[], str] | None = None) -> None:
        """Move to `done` updates."""
        self._move(done / self.total)

    def finish(self) -> None:
        """Move to the end, however soon it came."""
        self._move(1.0)

    def _move(self, done: float) -> None:
        self._bar.advance(done - self._done)
        self._done = done
