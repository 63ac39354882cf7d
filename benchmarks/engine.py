"""The engine benchmark: our engines and their peers side by side, each in a process of its own, taking turns.

python -m benchmarks.engine --only W2 --against jax --repeats 3 --scale 0.1
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import cache

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import floors, report, workloads
from benchmarks.candidate import Candidate, Unavailable
from benchmarks.peers import PEERS
from benchmarks.report import Row
from unstuck.engines import ENGINES, NativeEngine

OURS = NativeEngine.name
PILOT_UPDATES = 100
SECONDS = 1.0
"""A training that would take longer is scaled down, unless a scale is given."""
SCALES = [1.0, *(float(f"{digit}e-{power}") for power in range(1, 7) for digit in (5, 2, 1))]

Say = Callable[[str], None]
console = Console()


@cache
def tell_once(text: str) -> None:
    console.print(f"[yellow]{text}[/]", highlight=False)


def measure(
    name: str, names: Iterable[str], peaks: floors.Peaks, repeats: int, scale: float | None, say: Say
) -> list[Row]:
    """Return a row for each candidate that can run the workload, with as many threads as the peaks are for.

    Raises:
        Unavailable: when our own engine cannot, or a candidate dies on the way.
    """
    with ExitStack() as stack:
        candidates = [stack.enter_context(Candidate(candidate, name, peaks.threads)) for candidate in names]
        scales = pilot(candidates, name, scale, say)
        ours = next((candidate for candidate in scales if candidate.name == OURS), None)
        if ours is None:
            raise Unavailable(f"{OURS} cannot run it")
        answers = {candidate: [] for candidate in scales}
        for turn in range(1, repeats + 1):
            for candidate in scales:
                say(f"{candidate.name}, run {turn} of {repeats}")
                answers[candidate].append(candidate.train(scales[candidate]))

        workload = workloads.make(name)
        floor = floors.floor(workload, peaks)
        rows = []
        for candidate, given in answers.items():
            say(f"{candidate.name}, loss")
            compared = min(scales[candidate], scales[ours])
            seconds = [answer.seconds / answer.share for answer in given]
            rows.append(
                Row(
                    workload=name,
                    data=workload.data.source,
                    candidate=candidate.name,
                    threads=peaks.threads,
                    dtype=workload.recipe.precision,
                    min_s=min(seconds),
                    median_s=statistics.median(seconds),
                    floor_s=floor,
                    final_loss=candidate.loss_at(compared),
                    our_loss=ours.loss_at(compared),
                    compared_scale=compared,
                    scale=scales[candidate],
                    exact=given[-1].exact,
                    remark=given[-1].remark,
                    test_error=given[-1].test_error,
                )
            )
        return rows


def pilot(candidates: Sequence[Candidate], name: str, scale: float | None, say: Say) -> dict[Candidate, float]:
    """Warm all candidates up and choose the scale of each that is there."""
    say("warming up")
    first = min(scale or 1.0, PILOT_UPDATES / workloads.updates(name))
    for candidate in candidates:
        candidate.ask(first)
    scales = {}
    for candidate in candidates:
        try:
            candidate.answer(first)
        except Unavailable as reason:
            tell_once(f"{candidate.name} is left out: {reason}")
        else:
            scales[candidate] = scale or first
    if scale is None:
        for candidate in scales:
            tried = candidate.train(first)
            whole = tried.seconds / tried.share
            scales[candidate] = next(s for s in SCALES if s * whole <= SECONDS)
    return scales


@click.command()
@click.option(
    "--only", multiple=True, type=click.Choice(workloads.NAMES), help="A workload; may be given several times."
)
@click.option("--against", multiple=True, type=click.Choice(list(PEERS)), help="A peer; may be given several times.")
@click.option("--repeats", default=3, show_default=True, type=click.IntRange(1), help="Runs of each candidate.")
@click.option("--scale", type=click.FloatRange(0, 1, min_open=True), help="The share of each workload that is run.")
def main(only: tuple[str, ...], against: tuple[str, ...], repeats: int, scale: float | None) -> None:
    """Measure our engines and their peers. Without --scale what takes long is scaled down and marked with a tilde."""
    threads = sorted({1, min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())})
    peaks = [floors.measure(count) for count in threads]
    for measured in peaks:
        console.print(str(measured), highlight=False)
    names = [*ENGINES, *(against or PEERS)]
    parts = [
        (name, of_threads)
        for name in only or workloads.NAMES
        for of_threads in (peaks if workloads.parallel(name) else peaks[:1])
    ]
    rows: list[Row] = []
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("workload (threads) {task.description}"))
    with Progress(*columns, console=console, transient=True, refresh_per_second=2) as bar:
        task = bar.add_task("", total=len(parts))
        for name, of_threads in parts:

            def say(what: str, where: str = f"{name} ({of_threads.threads})") -> None:
                bar.update(task, description=f"{where}: {what}")

            try:
                rows += measure(name, names, of_threads, repeats, scale, say)
            except Unavailable as reason:
                tell_once(f"{name} is left out: {reason}")
            report.write_json(rows)
            bar.advance(task)
    if not rows:
        raise SystemExit(1)
    report.show(rows, OURS, console)
    report.draw(rows, OURS)


if __name__ == "__main__":
    main()
