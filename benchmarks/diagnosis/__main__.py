"""Diagnose networks that fail and networks that learn, and count how often what is said is right."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from joblib import Parallel, delayed, parallel_config
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from benchmarks.diagnosis.faulty import FAULTY
from benchmarks.diagnosis.judge import CONTROLS, PARTS, Diagnose, Search, Task, Verdict, judge, rate

COUNTS = {"faulty": 10, "injected": 300, "healthy": 200, "code": 160, "code_controls": 80}
"""Of the faulty ones: seeds of each network."""
HALVES = ("working", "validation")
QUESTIONS = {"first": "first", "among_first": "in 3", "cured": "cured"}
"""Answers of a verdict, and the columns they are in; ..."""
OF_CONTROLS = {"longer": "longer"}
"""... of a network that learns."""


def tasks(part: str, count: int, half: str | None) -> list[Task]:
    """Return what is to be diagnosed, both halves or one."""
    ids = list(FAULTY) if part == "faulty" else [""]
    every = [Task(part, seed, id) for id in ids for seed in range(count)]
    return [task for task in every if half in (None, task.half)]


def verdicts(wanted: list[Task], diagnose: Diagnose, search: Search | None, processes: int) -> Iterator[Verdict | None]:
    """Yield what is said of each, as it comes; each process computes with one thread, a single one with all."""
    if processes == 1:
        yield from (judge(task, diagnose, search) for task in wanted)
        return
    with parallel_config("loky", n_jobs=processes, inner_max_num_threads=1):
        yield from Parallel(return_as="generator")(delayed(judge)(task, diagnose, search) for task in wanted)


def percent(answers: Iterable[bool | None]) -> str:
    share = rate(list(answers))
    return "" if np.isnan(share) else f"{share:.0%}"


def row(name: str, group: list[Verdict], questions: Iterable[str]) -> list[str]:
    times = [verdict.seconds for verdict in group]
    searches = [verdict.search_seconds for verdict in group if verdict.search_seconds is not None]
    return [
        name,
        str(len(group)),
        percent(verdict.noticed for verdict in group),
        *(percent(getattr(v, question) for v in group) for question in questions),
        f"{np.median(times):.2f}",
        f"{max(times):.2f}",
        percent(verdict.found for verdict in group),
        f"{np.median(searches):.2f}" if searches else "",
        str(sum(bool(verdict.error) for verdict in group) or ""),
    ]


def report(part: str, found: list[Verdict]) -> Table:
    """Return the table of a part, by half, then by group.

    "first" and "in 3": the right cause is the most certain, or among the first three. "longer": of one that learns it
    is said that a longer training learns more. Median and most are seconds. "search": random search finds a cure;
    "its" are its seconds.
    """
    noticed = "accused" if part in CONTROLS else "noticed"
    questions = OF_CONTROLS if part in CONTROLS else QUESTIONS
    columns = ("n", noticed, *questions.values(), "median", "most", "search", "its", "errors")
    table = Table(
        Column(part, no_wrap=True),
        *(Column(name, no_wrap=True, justify="right") for name in columns),
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for half in HALVES:
        if of_half := [verdict for verdict in found if verdict.half == half]:
            table.add_row(*row(half, of_half, questions))
    table.add_section()
    for name in dict.fromkeys(verdict.group for verdict in found):
        table.add_row(*row(name, [verdict for verdict in found if verdict.group == name], questions))
    return table


def missed(verdict: Verdict) -> bool:
    """Whether something said is not as it should be."""
    if verdict.part in CONTROLS:
        return verdict.noticed or bool(verdict.longer or verdict.error)
    return not (verdict.noticed and verdict.first and verdict.cured)


@click.command()
@click.option("--part", type=click.Choice(PARTS), help="One part; all without it.")
@click.option("--count", type=int, help=f"Of each part; of the faulty ones, seeds of each. [default: {COUNTS}]")
@click.option("--half", type=click.Choice(HALVES), help="Even seeds or odd ones; both without it.")
@click.option("--only", help="One group: a faulty network, or the first kind injected.")
@click.option("--search/--no-search", default=True, help="Random search at the same budget beside it.")
@click.option("--processes", default=2, show_default=True, help="Of one thread each; a single one has all threads.")
@click.option("--show", is_flag=True, help="List those that were not noticed, not named first, not cured, or accused.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Keep a row for each network.")
def main(
    part: str | None,
    count: int | None,
    half: str | None,
    only: str | None,
    search: bool,
    processes: int,
    show: bool,
    path: Path | None,
) -> None:
    """Measure the diagnosis."""
    from unstuck.diagnosis.diagnose import diagnose
    from unstuck.diagnosis.search import search as random_search

    console, kept = Console(), []
    for chosen in [part] if part else PARTS:
        wanted = tasks(chosen, count or COUNTS[chosen], half)
        if only and chosen == "faulty":
            wanted = [task for task in wanted if task.id == only]
        found: list[Verdict] = []
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            coming = verdicts(wanted, diagnose, random_search if search else None, processes)
            judged = bar.track(coming, total=len(wanted), description=chosen)
            found += [verdict for verdict in judged if verdict and only in (None, verdict.group)]
        if not found:
            continue
        console.print(report(chosen, found))
        for verdict in filter(missed, found) if show else ():
            said = verdict.error or f"{verdict.state}: {', '.join(verdict.named) or 'no cause'}"
            console.print(
                f"{verdict.group} {verdict.seed} {', '.join(verdict.made)} -> {said} "
                f"(cure reaches {verdict.share})\n   {verdict.network}",
                markup=False,
            )
        kept += found
        if path:
            path.write_text(json.dumps([asdict(verdict) for verdict in kept], indent=1))


if __name__ == "__main__":
    main()
