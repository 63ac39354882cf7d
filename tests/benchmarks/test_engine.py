"""The benchmark from the command line to its files."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from benchmarks import engine, floors, report
from unstuck.engines import ENGINES

README = Path(report.__file__).with_name("README.md").read_text(encoding="utf-8")
FIELDS = {"workload", "candidate", "threads", "dtype", "min_s", "median_s", "floor_s", "final_loss"}


def row(**changes):
    values = {
        "workload": "W2",
        "data": "spiral",
        "candidate": "numpy",
        "threads": 1,
        "dtype": "float32",
        "min_s": 2.0,
        "median_s": 2.5,
        "floor_s": 0.25,
        "final_loss": 0.5,
        "our_loss": 0.5,
        "scale": 1.0,
        "compared_scale": 1.0,
        "exact": True,
        "remark": "",
        "test_error": None,
    }
    return report.Row(**(values | changes))


def shown(*rows):
    console = Console(width=200)
    with console.capture() as capture:
        report.show([row(candidate=engine.OURS, min_s=0.5), *rows], engine.OURS, console)
    return capture.get()


def test_a_run_leaves_rows_and_a_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(floors, "measure", lambda threads: floors.Peaks(threads, {"float32": 1e11}, 1e10, 1e-9))
    arguments = ["--only", "W1", "--against", "numpy", "--against", "jax", "--repeats", "2", "--scale", "0.0001"]
    result = CliRunner().invoke(engine.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "results" / "engine.json").read_text())
    jax = ["jax"] if importlib.util.find_spec("jax") else []
    assert [found["candidate"] for found in rows] == [*ENGINES, "numpy", *jax]
    for found in rows:
        assert found.keys() >= FIELDS
        assert 0 < found["min_s"] <= found["median_s"]
        assert found["floor_s"] == pytest.approx(0.0042, rel=0.1)  # the latency of 100,000 updates
        assert found["final_loss"] == pytest.approx(found["our_loss"], rel=1e-5)
    assert (tmp_path / "results" / "engine.png").read_bytes().startswith(b"\x89PNG")


def test_peaks_are_measured():
    peaks = floors.measure(1)
    assert min(peaks.flops["float32"], peaks.flops["float64"], peaks.bandwidth, peaks.latency) > 0
    assert "1 thread: " in str(peaks)


def test_every_field_of_a_row_is_documented():
    assert {field.name for field in dataclasses.fields(report.Row)} <= set(re.findall(r"`(\w+)`", README))


def test_ratios_are_to_our_engine_and_of_ours_to_the_floor():
    text = shown(row())
    assert "2 floors" in text
    assert "4 times" in text


def test_the_better_number_of_threads_is_shown():
    text = shown(row(), row(threads=2, min_s=1.25))
    assert "1.25²" in text
    assert "2.5 times" in text


def test_extrapolated_seconds_are_marked():
    assert "~2" in shown(row(scale=0.1))


def test_another_loss_is_marked():
    assert "0.51 ≠" not in shown(row(final_loss=0.51))
    assert "0.7 ≠" in shown(row(final_loss=0.7))


def test_a_loss_that_cannot_be_ours_stands_in_parentheses_and_why_below():
    text = shown(row(final_loss=0.7, exact=False, remark="no dropout"))
    assert "(0.7)" in text
    assert "numpy: W2 no dropout." in text


def test_a_scale_is_chosen_that_a_slow_candidate_can_afford():
    assert next(scale for scale in engine.SCALES if scale * 27.4 <= engine.SECONDS) == 0.02
