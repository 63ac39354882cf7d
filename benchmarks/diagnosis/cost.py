"""What measuring costs: beside the training that is measured, and evidence beside the trainings it is taken from.

    watching  what `diagnose` adds to the training it watches: the metric on judged rows, at 60 records or fewer
    signals   what `signals=True` adds to `train`, one record an epoch, and at 60 records
    evidence  seconds of `measure` less those of the trainings it runs

What is added is the median over pairs of trainings that follow each other, so that a busy machine slows both.

python -m benchmarks.diagnosis.cost --only digits --repeats 5
"""

from __future__ import annotations

import json
import statistics
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris

from benchmarks import workloads
from unstuck import Adam, Dense, Inputs, Recipe, train
from unstuck.diagnosis import measure as measuring
from unstuck.diagnosis.problem import Problem
from unstuck.diagnosis.trainings import LONGEST, Clock, train_all, with_fewer_records

SECONDS = 0.5
"""A training is of as many epochs as take about so long, one at least."""
PILOT_EPOCHS = 3

Made = tuple[Recipe, Any, Any]


@dataclass(frozen=True)
class Cost:
    """Of one recipe.

    Attributes:
        name: of its data.
        rows: it is trained on.
        parameters: of the network.
        epochs: of each training, with a record each.
        seconds: of the training without signals, the median.
        watching: by how much it makes the training longer, as a share.
        signals: likewise, with a record each epoch.
        few_signals: likewise, with at most 60 records.
        measure: seconds of `measure`.
        trainings: how many of them are spent on trainings.
    """

    name: str
    rows: int
    parameters: int
    epochs: int
    seconds: float
    watching: float
    signals: float
    few_signals: float
    measure: float
    trainings: float

    @property
    def evidence(self) -> float:
        return self.measure - self.trainings


def of_workload(name: str) -> Callable[[], Made]:
    def made() -> Made:
        workload = workloads.make(name)
        return workload.recipe, workload.data.X, workload.data.y

    return made


def of_table(load: Callable[..., tuple[Any, Any]], *layers: Dense, loss: str) -> Callable[[], Made]:
    def made() -> Made:
        recipe = Recipe(layers, loss=loss, optimizer=Adam(0.003), inputs=Inputs("standard"))
        return recipe, *load(return_X_y=True)

    return made


HIDDEN = Dense(32, "relu")
RECIPES: dict[str, Callable[[], Made]] = {
    "xor": of_workload("W1"),
    "spiral": of_workload("W2"),
    "parabola": of_workload("W4"),
    "row by row": of_workload("W3"),
    "iris": of_table(load_iris, HIDDEN, Dense(3, "softmax"), loss="categorical_crossentropy"),
    "diabetes": of_table(load_diabetes, HIDDEN, HIDDEN, Dense(1), loss="squared_error"),
    "breast cancer": of_table(load_breast_cancer, HIDDEN, HIDDEN, Dense(1, "sigmoid"), loss="binary_crossentropy"),
    "digits": of_table(load_digits, Dense(64, "relu"), Dense(10, "softmax"), loss="categorical_crossentropy"),
    "pixels": of_workload("W5"),
    "large and deep": of_workload("W5b"),
}


def cost(name: str, repeats: int, seconds: float) -> Cost:
    """Measure one recipe."""
    recipe, X, y = RECIPES[name]()
    recipe = recipe.replace(record_every=1)
    pilot = recipe.replace(epochs=PILOT_EPOCHS if len(X) < 10_000 else 1)
    trained(pilot, X, y, signals=True)
    epochs = max(1, round(pilot.epochs * seconds / trained(pilot, X, y)))
    recipe = recipe.replace(epochs=epochs)
    few = with_fewer_records(recipe)
    problem = Problem.of(recipe, X, y)
    watching, _ = added(lambda watched: train_all([recipe], problem, watched=watched), repeats)
    signals, alone = added(lambda signals: train(recipe, X, y, progress=False, signals=signals), repeats)
    few_signals, _ = added(lambda signals: train(few, X, y, progress=False, signals=signals), repeats)
    with training_time() as spent:
        began = time.perf_counter()
        measuring.measure(recipe, X, y, Clock(LONGEST))
        measured = time.perf_counter() - began
    run = train(recipe.replace(epochs=1), X, y, progress=False)
    return Cost(
        name=name,
        rows=len(X),
        parameters=run.network.size,
        epochs=epochs,
        seconds=alone,
        watching=watching,
        signals=signals,
        few_signals=few_signals,
        measure=measured,
        trainings=sum(spent),
    )


def added(training: Callable[[bool], object], repeats: int) -> tuple[float, float]:
    """Return by how much a training takes longer with something than without, and the seconds without."""
    pairs = []
    for turn in range(repeats):
        order = (False, True) if turn % 2 == 0 else (True, False)
        times = {answer: timeit.timeit(lambda answer=answer: training(answer), number=1) for answer in order}
        pairs.append((times[False], times[True]))
    return (
        statistics.median(with_it / without for without, with_it in pairs) - 1,
        statistics.median(without for without, _ in pairs),
    )


def trained(recipe: Recipe, X: Any, y: Any, signals: bool = False) -> float:
    """Return the seconds of a training."""
    return timeit.timeit(lambda: train(recipe, X, y, progress=False, signals=signals), number=1)


@contextmanager
def training_time() -> Iterator[list[float]]:
    """Note the seconds of the trainings that `measure` runs."""
    spent: list[float] = []
    train_all = measuring.train_all

    def timed(*given: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return train_all(*given, **options)
        finally:
            spent.append(time.perf_counter() - began)

    with patch.object(measuring, "train_all", timed):
        yield spent


def report(costs: list[Cost]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("recipe", no_wrap=True)
    for column in ("rows", "epochs", "seconds", "watching", "signals", "at 60", "measure", "evidence"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in costs:
        table.add_row(
            one.name,
            *(f"{count:,}" for count in (one.rows, one.epochs)),
            f"{one.seconds:.2f}",
            *(f"{share:+.0%}" for share in (one.watching, one.signals, one.few_signals)),
            *(f"{seconds:.2f}" for seconds in (one.measure, one.evidence)),
        )
    return table


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(RECIPES)), help="A recipe; may be given several times.")
@click.option("--repeats", default=7, show_default=True, type=click.IntRange(1), help="Pairs of trainings.")
@click.option("--seconds", default=SECONDS, show_default=True, help="Of one training, about.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Keep a row for each recipe.")
def main(only: tuple[str, ...], repeats: int, seconds: float, path: Path | None) -> None:
    """Measure what measuring costs. Nothing else should use the machine meanwhile."""
    console, costs = Console(), []
    for name in only or RECIPES:
        with console.status(name):
            costs.append(cost(name, repeats, seconds))
    console.print(report(costs))
    if path:
        path.write_text(json.dumps([asdict(one) | {"evidence": one.evidence} for one in costs], indent=1))


if __name__ == "__main__":
    main()
