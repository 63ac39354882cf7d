"""What is fuzzed: functions of bytes, which raise when something is wrong. docs/reliability.md says how to run them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from unstuck import Dense, Dropout, Recipe, UnstuckError, _native
from unstuck.data.delimited import parse_csv
from unstuck.data.idx import parse_idx
from unstuck.engines.native import plan
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import Optimizer
from unstuck.network import Network

Kind = TypeVar("Kind")
REFUSALS = (ValueError, TypeError, KeyError, RuntimeError, OverflowError)
"""What `_native` raises on wrong arguments; RuntimeError is nanobind's "bad cast"."""


class Draw:
    """Numbers and choices out of bytes, all zero at their end."""

    def __init__(self, content: bytes):
        self.content = content

    def integer(self, least: int, most: int) -> int:
        """Return an integer between two bounds, which may be met."""
        size = (int(most - least).bit_length() + 7) // 8
        taken, self.content = self.content[:size], self.content[size:]
        return least + int.from_bytes(taken) % (most - least + 1)

    def one_of(self, values: Sequence[Kind]) -> Kind:
        """Return one of some values."""
        return values[self.integer(0, len(values) - 1)]

    def seldom(self) -> bool:
        """Return True once in 16 times."""
        return self.integer(0, 15) == 15

    def array(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """Return numbers, some of them special; once in a while of another shape, dtype or layout than is asked for."""
        if self.seldom():
            shape = [max(0, size + self.integer(-2, 2)) for size in shape]
            shape = shape[: self.integer(0, len(shape))] if self.seldom() else shape
        if self.seldom():
            dtype = self.one_of(
                ["float16", "int64", "uint8", "bool", "complex64", "float32", "float64", ">f8", "O", "S3"]
            )
        special = [0, 1, -1, 0.5, 2, 1e-30, 1e30, np.nan, np.inf]
        base = np.array([self.one_of(special) for _ in range(self.integer(1, 8))])
        with np.errstate(all="ignore"):
            array = np.resize(base, shape).astype(dtype)
        if self.seldom():
            array = self.one_of([array.T, np.flip(array), array[..., None], np.asfortranarray(array)])
        if self.seldom():
            array.flags.writeable = False
        return array


def idx(content: bytes) -> None:
    """An IDX file of any bytes is an array that has them, or refused."""
    try:
        read = parse_idx(content, Path("any"))
    except UnstuckError:
        return
    assert content.endswith(read.astype(read.dtype.newbyteorder(">")).tobytes())


def csv(content: bytes) -> None:
    """A CSV file of any bytes is a table, or refused."""
    try:
        table = parse_csv(content, Path("any.csv"))
    except UnstuckError:
        return
    assert table.width == len(table.columns) >= 1
    assert all(table.columns)


def native(content: bytes) -> None:
    """Whatever the compiled functions are given, they return or raise."""
    draw = Draw(content)
    precision = draw.one_of(["float32", "float64"])
    trainer = {"float32": _native.TrainerFloat32, "float64": _native.TrainerFloat64}[precision]
    if draw.seldom():
        _words(draw)
    described = _plan(draw)
    sizes = dict(described)
    if draw.one_of([True, False]):
        _spoil(described, draw)
    try:
        made = trainer(described, draw.one_of(["baseline", _native.cpu_level(), "x86-64-v9"]))
    except REFUSALS:
        return
    for _ in range(draw.integer(1, 6)):
        call = draw.one_of([_load, _load, _store, _steps, _steps, _gradient, _evaluate, _observe])
        try:
            call(made, sizes, precision, draw)
        except REFUSALS:
            continue


def _plan(draw: Draw) -> dict[str, Any]:
    """Return the plan of a recipe, as training makes it."""
    layers: list[Any] = []
    kinds = sorted(kind for kind in Activation.family if kind != "custom")
    for _ in range(draw.integer(0, 3)):
        layers.append(Dense(draw.integer(1, 40), draw.one_of(kinds), bias=draw.one_of([True, True, False])))
        if draw.integer(0, 3) == 0:
            layers.append(Dropout(draw.one_of([0.0, 0.2, 0.5, 0.99])))
    layers.append(Dense(draw.integer(1, 9), draw.one_of(kinds)))
    optimizers = sorted(kind for kind in Optimizer.family if kind != "lbfgs")  # SciPy's, not the engine's
    penalties = [{"kind": kind, "strength": 0.1} for kind in ("l1", "l2", "decoupled_decay") if draw.integer(0, 5) == 0]
    penalties += [{"kind": "max_norm", "limit": 1.0}] if draw.integer(0, 5) == 0 else []
    rows = draw.integer(1, 40)
    recipe = Recipe(
        layers,
        draw.one_of(sorted(Loss.family)),
        draw.one_of(optimizers),
        penalties=penalties,
        batch_size=draw.one_of([1, 1, 7, rows]),
        clip_norm=draw.one_of([None, None, 1.0]),
        clip_value=draw.one_of([None, None, 1.0]),
    )
    return {**plan(Network(recipe, draw.integer(1, 70)), rows), "tiny": draw.one_of([True, False])}


def _spoil(described: dict[str, Any], draw: Draw) -> None:
    """Change some of what a plan says."""
    values = [-1, 0, 1, 2, 2**20, 2**31, 2**40, 2**62, 2**63, -(2**63), 0.5, -1.0, 1e300, float("nan"), True, None]
    values += ["relu", "", "adam", "max_norm", [], {}, [0.5], [0.1] * 6]
    for _ in range(draw.integer(1, 3)):
        part = draw.one_of([described, *described["layers"], *described["penalties"]])
        name = draw.one_of(sorted(part))
        if draw.seldom():
            del part[name]
            return
        if name not in ("layers", "penalties"):
            part[name] = draw.one_of(values)
        elif part[name]:
            where = draw.integer(0, len(part[name]) - 1)
            part[name] = draw.one_of([part[name][:where], part[name][where:], part[name] * 2, [*part[name], None]])
            return


def _words(draw: Draw) -> None:
    limits = [0, 1, 5, 2**32 - 1, 2**32, 2**34, 2**62, 2**63, 2**64 - 1, -1]
    key, stream, step, first_row = (draw.one_of(limits) for _ in range(4))
    rows, units = draw.one_of([0, 1, 9, 2**62, 2**64 - 1, -1]), draw.one_of([0, 1, 7, 2**34 + 1, 2**62, -1])
    try:
        words = _native.philox_words(key, stream, step, rows, units, first_row)
        assert words.shape == (rows, units)
    except (*REFUSALS, MemoryError):
        return


def _memory(sizes: dict[str, Any], precision: str, draw: Draw) -> list[np.ndarray]:
    count = draw.integer(0, 4) if draw.seldom() else draw.one_of([0, sizes["slots"]])
    return [draw.array([sizes["size"]], precision) for _ in range(count)]


def _rows(sizes: dict[str, Any], precision: str, draw: Draw) -> list[Any]:
    n = draw.integer(0, 60) if draw.integer(0, 3) == 0 else sizes["rows"]
    arrays: list[Any] = [draw.array([n, sizes["inputs"]], precision), draw.array([n, sizes["outputs"]], precision)]
    return [*arrays, draw.one_of([None, draw.array([n], precision)])]


def _threads(draw: Draw) -> int:
    return draw.one_of([1, 1, 1, 2, 3, 0, -1, 1025, 2**31, -(2**31)])


def _load(trainer: Any, sizes: dict[str, Any], precision: str, draw: Draw) -> None:
    trainer.load(
        draw.array([sizes["size"]], precision), _memory(sizes, precision, draw), draw.one_of([1.0, 0.0, np.nan])
    )


def _store(trainer: Any, sizes: dict[str, Any], precision: str, draw: Draw) -> None:
    w, previous = (draw.array([sizes["size"]], precision) for _ in range(2))
    trainer.store(w, _memory(sizes, precision, draw), draw.one_of([previous, w]))


def _steps(trainer: Any, sizes: dict[str, Any], precision: str, draw: Draw) -> None:
    rates = draw.array([draw.integer(0, 300)], "float64")
    numbers = [0, 0, 0, 1, 7, 1000, 2**31, 2**32, 2**62, 2**63, 2**64 - 1, -1]
    done = trainer.steps(
        *_rows(sizes, precision, draw),
        batch_size=draw.one_of([1, sizes["batch_rows"], sizes["rows"], 0, -1, 2**62, 2**64 - 1]),
        shuffled=draw.one_of([True, False]),
        t=draw.one_of(numbers),
        earlier=draw.one_of(numbers),
        rates=rates,
        cost_sum=draw.one_of([0.0, np.nan, 1e300]),
        rows_seen=draw.one_of(numbers),
        target=draw.one_of([-np.inf, 0.1, np.inf, np.nan]),
        seconds=draw.one_of([np.inf, 0.0, -1.0, np.nan]),
        threads=_threads(draw),
        notes_gradients=draw.one_of([True, False]),
    )
    assert 0 <= done.steps <= rates.size


def _gradient(trainer: Any, sizes: dict[str, Any], precision: str, draw: Draw) -> None:
    trainer.cost_and_gradient(
        *_rows(sizes, precision, draw), draw.array([sizes["size"]], precision), threads=_threads(draw)
    )


def _evaluate(trainer: Any, sizes: dict[str, Any], precision: str, draw: Draw) -> None:
    rows = _rows(sizes, precision, draw)
    trainer.evaluate(*rows, draw.array(rows[1].shape, precision), _threads(draw))


def _observe(trainer: Any, sizes: dict[str, Any], precision: str, draw: Draw) -> None:
    rows = _rows(sizes, precision, draw)
    A = draw.array(rows[1].shape, precision)
    w, previous = (draw.array([sizes["size"]], precision) for _ in range(2))
    flat = draw.array([sum(layer["is_dense"] for layer in sizes["layers"])], "float64")
    _, signals = trainer.observe(*rows, A, _threads(draw), w, previous, flat)
    for dead, saturated, _, spread, gradient, ratio in np.reshape(signals, (-1, 6)):
        assert dead >= 0
        assert saturated >= 0
        assert dead + saturated <= 1 + 1e-12
        assert all(norm >= 0 or np.isnan(norm) for norm in (spread, gradient, ratio))
    assert all(norm >= 0 or np.isnan(norm) for norm in trainer.gradient_norms())


TARGETS: dict[str, Callable[[bytes], None]] = {"native": native, "idx": idx, "csv": csv}
