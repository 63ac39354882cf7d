"""What was measured, as tables in the terminal, as JSON and as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from unstuck.drawing import save_figure

RESULTS = Path(__file__).with_name("results")
SECONDS_NOTE = """\
The fastest run, the median, and how many times longer that is than with our engine (its own time: than the floor).
~ extrapolated from a part of the workload; ² with two threads, where they are faster."""
LOSSES_NOTE = """\
The candidate's, and that of our engine after as much training; ≠ where rounding does not explain the difference.
( ) not quite the same mathematics."""
MISSING = "-"


@dataclass(frozen=True)
class Row:
    """What is known of a candidate with so many threads on a workload.

    Attributes:
        data: what the workload was run on.
        min_s: the fastest run, in seconds for the whole workload.
        median_s: likewise.
        floor_s: what all products of backprop take at best with so many threads.
        scale: the share of the workload that was run; the seconds are extrapolated from it.
        compared_scale: the share after which the losses are compared.
        final_loss: the candidate's loss then.
        our_loss: our engine's loss then.
        exact: is its mathematics the same, to rounding?
        remark: how it was done, and what is not the same.
        test_error: on MNIST's test images, after `scale` of the training.
    """

    workload: str
    data: str
    candidate: str
    threads: int
    dtype: str
    min_s: float
    median_s: float
    floor_s: float
    final_loss: float
    our_loss: float
    scale: float
    compared_scale: float
    exact: bool
    remark: str
    test_error: float | None

    @property
    def agrees(self) -> bool:
        """Tell whether the losses differ by no more than what becomes of rounding in a long training."""
        return abs(self.final_loss - self.our_loss) <= 0.15 * abs(self.our_loss) + 1e-5


def fastest(rows: Sequence[Row]) -> dict[tuple[str, str], Row]:
    """Return the row of the best number of threads, by workload and candidate."""
    best: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: row.min_s):
        best.setdefault((row.workload, row.candidate), row)
    return best


def write_json(rows: Sequence[Row]) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "engine.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


def show(rows: Sequence[Row], ours: str, console: Console) -> None:
    best = fastest(rows)
    candidates = list(dict.fromkeys(row.candidate for row in rows))
    seconds, losses = (Table(title=title, show_lines=True) for title in ("Seconds", "Losses"))
    for table in (seconds, losses):
        table.add_column("workload")
        for candidate in candidates:
            table.add_column(candidate, justify="right")
    for name in dict.fromkeys(row.workload for row in rows):
        mine, found = best[name, ours], [best.get((name, candidate)) for candidate in candidates]
        heading = f"{name}\n{mine.data}\nfloor {_brief(mine.floor_s)}"
        seconds.add_row(heading, *(_seconds_cell(row, mine) if row else MISSING for row in found))
        losses.add_row(name, *(_loss_cell(row) if row else MISSING for row in found))
    console.print(seconds, SECONDS_NOTE, "", losses, LOSSES_NOTE, "", highlight=False)
    for candidate in candidates:
        told = [row for row in best.values() if row.candidate == candidate]
        remarks = [f"{row.workload} {row.remark}" for row in told if row.remark]
        remarks += [f"{row.workload} {row.test_error:.2%} test error" for row in told if row.test_error is not None]
        if remarks:
            console.print(f"{candidate}: {'; '.join(remarks)}.", highlight=False)


def _seconds_cell(row: Row, mine: Row) -> str:
    fastest_run = f"{'~' if row.scale < 1 else ''}{_brief(row.min_s)}{'²' if row.threads > 1 else ''}"
    ratio, colour = row.min_s / mine.min_s, "green" if row.min_s > mine.min_s else "red"
    compared = (
        f"[bold]{_brief(row.min_s / row.floor_s)} floors[/]" if row is mine else f"[{colour}]{_brief(ratio)} times[/]"
    )
    return f"{fastest_run}\n[dim]{_brief(row.median_s)}[/]\n{compared}"


def _loss_cell(row: Row) -> str:
    if not row.exact:
        return f"({row.final_loss:.4g})\n[dim]{row.our_loss:.4g}[/]"
    if not row.agrees:
        return f"[bold red]{row.final_loss:.4g} ≠[/]\n{row.our_loss:.4g}"
    return f"{row.final_loss:.4g}\n[dim]{row.our_loss:.4g}[/]"


def _brief(number: float) -> str:
    """Write three figures, and never an exponent."""
    return f"{number:,.0f}" if number >= 100 else np.format_float_positional(number, 3, fractional=False, trim="-")


def draw(rows: Sequence[Row], ours: str) -> None:
    """Draw the seconds of all candidates beside each other, ours with the floor as a line through it."""
    from matplotlib.figure import Figure

    best = fastest(rows)
    workloads = list(dict.fromkeys(row.workload for row in rows))
    candidates = list(dict.fromkeys(row.candidate for row in rows))
    figure = Figure(figsize=(6 + 0.6 * len(workloads), 5), layout="constrained")
    axes = figure.subplots()
    width = 0.85 / len(candidates)
    for place, candidate in enumerate(candidates):
        found = [(x, best[name, candidate]) for x, name in enumerate(workloads) if (name, candidate) in best]
        axes.bar(
            [x + (place - (len(candidates) - 1) / 2) * width for x, _ in found],
            [row.min_s for _, row in found],
            width,
            label=candidate,
            color="black" if candidate == ours else f"C{place}",
        )
    floors = [best[name, ours].floor_s for name in workloads]
    axes.hlines(floors, *zip(*((x - 0.45, x + 0.45) for x in range(len(workloads))), strict=True), "red", label="floor")
    axes.set_yscale("log")
    axes.set_xticks(range(len(workloads)), workloads)
    axes.set_ylabel("seconds, log scale")
    axes.grid(axis="y", alpha=0.3)
    figure.legend(ncols=len(candidates) + 1, loc="outside upper center")
    save_figure(figure, RESULTS / "engine.png")
