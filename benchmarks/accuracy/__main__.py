"""Measure accuracy, or r2, and seconds of each model on each table from several seeds."""

from __future__ import annotations

import json
import math
import time
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import ttest_rel
from sklearn.metrics import accuracy_score, r2_score

from benchmarks.accuracy.models import MODELS
from benchmarks.accuracy.sets import CLASSES, SETS

RESULTS = Path(__file__).parents[1] / "results" / "accuracy.json"
SIGNIFICANT = 0.01
Row = dict[str, Any]


def measure(name: str, seed: int, chosen: tuple[str, ...]) -> list[Row]:
    """Return a row for each model: its score on the test rows, and the seconds of its fit."""
    split, classes, rows = SETS[name](seed), name in CLASSES, []
    for model in chosen:
        started = time.perf_counter()
        predict = MODELS[model](split, classes, seed)
        seconds = time.perf_counter() - started
        score = (accuracy_score if classes else r2_score)(split.y_test, predict(split.X_test))
        rows.append({"set": name, "seed": seed, "model": model, "score": float(score), "seconds": seconds})
    return rows


def table_of(rows: list[Row]) -> Table:
    """Return mean scores and median seconds, and how far ours lie above scikit-learn's."""
    models = [model for model in MODELS if any(row["model"] == model for row in rows)]
    table = Table("table", *models, "unstuck - scikit-learn")
    for name in dict.fromkeys(row["set"] for row in rows):
        of = {model: [row for row in rows if (row["set"], row["model"]) == (name, model)] for model in models}
        scores = {model: np.array([row["score"] for row in found]) for model, found in of.items()}
        seconds = {model: np.median([row["seconds"] for row in found]) for model, found in of.items()}
        cells = [f"{scores[model].mean():.4f} in {seconds[model]:.1f} s" for model in models]
        table.add_row(str(name), *cells, difference(scores["unstuck"], scores["scikit-learn"]))
    return table


def difference(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Return the mean of the paired differences, its standard error, and whether we are behind, by a paired t-test."""
    paired = ours - theirs
    error = paired.std(ddof=1) / math.sqrt(len(paired))
    behind = bool(paired.mean() < 0 and ttest_rel(ours, theirs).pvalue < SIGNIFICANT)
    return f"{paired.mean():+.4f} ± {error:.4f}" + " behind" * behind


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(SETS)), help="these tables alone")
@click.option("--model", "chosen", multiple=True, type=click.Choice(list(MODELS)), help="these models alone")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=2))
def main(only: tuple[str, ...], chosen: tuple[str, ...], seeds: int) -> None:
    """Run it; needs UNSTUCK_DATA, the folder with the tables."""
    rows: list[Row] = []
    for name in only or SETS:
        for seed in range(seeds):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of epochs that run out
                rows += measure(name, seed, chosen or tuple(MODELS))
            RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    Console(width=150).print(table_of(rows))


main()
