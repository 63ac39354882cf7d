"""Streaming: an epoch of W6 from Parquet files that need not fit into memory, beside the same rows in memory.

python -m benchmarks.streaming --rows 10_000_000
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from benchmarks import workloads
from benchmarks.report import RESULTS
from unstuck import Recipe, train
from unstuck.arrays import Array

CHUNK = 250_000
"""Rows made at a time, and in a file."""

console = Console(soft_wrap=True)


def recipe() -> Recipe:
    """Return W6's, without records of the training rows, so that both sides do nothing but train."""
    return workloads.make("W6", 1e-3).recipe.replace(measure_training=False)


def chunk(number: int, rows: int) -> tuple[Array, Array]:
    """Return W6's kind of rows, others for each number."""
    directions = np.random.default_rng(0).standard_normal((100, 8), dtype=np.float32) / 10
    X = np.random.default_rng([1, number]).standard_normal((rows, 100), dtype=np.float32)
    return X, np.tanh(X @ directions).sum(axis=1)


def write(folder: Path, rows: int, group: int, compression: Any) -> None:
    """Write the files, one chunk each."""
    import polars as pl

    for number in range(-(-rows // CHUNK)):
        X, y = chunk(number, min(CHUNK, rows - number * CHUNK))
        table = pl.DataFrame({f"x{i}": X[:, i] for i in range(X.shape[1])} | {"y": y})
        table.write_parquet(folder / f"part-{number:05}.parquet", row_group_size=group, compression=compression)


def in_memory(rows: int) -> dict[str, float]:
    X, y = np.empty((rows, 100), np.float32), np.empty(rows, np.float32)
    for number in range(-(-rows // CHUNK)):
        part = slice(number * CHUNK, min(rows, (number + 1) * CHUNK))
        X[part], y[part] = chunk(number, part.stop - part.start)
    return timed(rows, X, y)


def streamed(folder: str, buffer_rows: int | None) -> dict[str, float]:
    from unstuck.data import ParquetRows

    rows = ParquetRows(folder, target="y", buffer_rows=buffer_rows)
    return timed(len(rows), rows)


def timed(rows: int, *data: Any) -> dict[str, float]:
    """Return the rows a second of the training, and of all that `train` does, the loss, and this process's peak.

    The processor's seconds, of all threads, tell the cost of reading also on a machine that others use.
    """
    started, processor = time.perf_counter(), time.process_time()
    run = train(recipe(), *data, progress=False)
    whole = time.perf_counter() - started
    status = Path("/proc/self/status")
    peak = 0.0
    if status.exists():
        peak = next(int(line.split()[1]) / 1e3 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return {
        "rows": rows,
        "training_s": run.seconds,
        "whole_s": whole,
        "processor_s": time.process_time() - processor,
        "training_rows_per_s": rows / run.seconds,
        "whole_rows_per_s": rows / whole,
        "loss": float(run.history["loss"][-1]),
        "peak_mb": peak,
    }


def line(what: str, run: dict[str, float]) -> str:
    parts = [
        f"{what:10}{run['rows']:>12,.0f} rows",
        f"training {run['training_s']:.2f} s, {run['training_rows_per_s']:,.0f} rows/s",
        f"everything {run['whole_s']:.2f} s, {run['whole_rows_per_s']:,.0f} rows/s",
        f"{1e6 * run['processor_s'] / run['rows']:.1f} processor µs/row",
        f"peak {run['peak_mb']:,.0f} MB",
        f"loss {run['loss']:.4f}",
    ]
    return "  ".join(parts)


def in_a_process(what: str, *arguments: object) -> dict[str, float]:
    """Return what in_memory or streamed tells, of a process of its own."""
    call = [sys.executable, "-m", "benchmarks.streaming", "--child", json.dumps([what, *arguments])]
    return json.loads(subprocess.run(call, stdout=subprocess.PIPE, check=True, text=True).stdout)


@click.command()
@click.option("--rows", default="1_000_000", help="Streamed.")
@click.option("--in-memory-rows", default="2_000_000", help="At most so many for the speed in memory.")
@click.option("--repeats", default=3, help="Of the training in memory; the streamed one is in their midst.")
@click.option("--buffer-rows", default=None, type=int, help="As in ParquetRows.")
@click.option("--group", default=65_536, help="Rows of a row group of the files.")
@click.option("--compression", default="zstd", help="Of the files, as polars calls it.")
@click.option("--folder", default=None, help="Where the files are made for the while; else the system's place.")
@click.option("--child", default=None, hidden=True)
def main(
    rows: str,
    in_memory_rows: str,
    repeats: int,
    buffer_rows: int | None,
    group: int,
    compression: str,
    folder: str | None,
    child: str | None,
) -> None:
    """Compare an epoch of W6 streamed from Parquet with one in memory."""
    if child is not None:
        what, *arguments = json.loads(child)
        click.echo(json.dumps({"in_memory": in_memory, "streamed": streamed}[what](*arguments)))
        return
    n = int(rows)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        needed, free = 404 * n, shutil.disk_usage(place).free
        if 1.5 * needed > free:
            raise click.ClickException(
                f"{n:,} rows need {needed / 1e9:.1f} GB, and {place} has {free / 1e9:.1f} GB free"
            )
        write(Path(place), n, group, compression)
        size = sum(file.stat().st_size for file in Path(place).iterdir())
        console.print(f"{n:,} rows in {-(-n // CHUNK)} files, {size / 1e9:.2f} GB; as an array {400 * n / 1e9:.2f} GB")
        fits = min(n, int(in_memory_rows))
        memory = [in_a_process("in_memory", fits) for _ in range((repeats + 1) // 2)]
        stream = in_a_process("streamed", place, buffer_rows)
        memory += [in_a_process("in_memory", fits) for _ in range(repeats // 2)]
    row: dict[str, Any] = {"streamed": stream, "in_memory": memory, "files_gb": size / 1e9, "compression": compression}
    for name in ("training_rows_per_s", "whole_rows_per_s"):
        row[f"ratio_{name}"] = stream[name] / statistics.median(run[name] for run in memory)
    row |= {"buffer_rows": buffer_rows, "group": group}
    for what, runs in (("in memory", memory), ("streamed", [stream])):
        for run in runs:
            console.print(line(what, run))
    console.print(
        f"streamed has {row['ratio_training_rows_per_s']:.2f} of the speed in memory; "
        f"with the pass that fits the preprocessing {row['ratio_whole_rows_per_s']:.2f}"
    )
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "streaming.json").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
