"""Floors: what no program that takes all products of backprop undercuts here, from peaks measured on the spot.

    floor = the longest of   floating-point operations of the matrix products / peak
                             bytes of the training data, read once / memory bandwidth
                             updates x operations on the longest chain of dependent ones x latency

The first decides wherever a batch or a layer is of any size. The last decides for the tiny networks W1 and W3, whose
updates follow each other faster than the processor can finish one chain of operations. It is an estimate: in it a sum
of k terms is a tree of depth log2 k, and exp, division and square root count as so many multiply-adds.

Who needs fewer products can be below the floor: ours leaves out the zeros of W5, and W4, a spline, takes sums along x.
"""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.workloads import Workload
from unstuck import Dropout, Recipe
from unstuck.network import Network

SOURCE = Path(__file__).with_name("peak.cpp")
EXP, DIVIDE = 10, 3
"""Their lengths in multiply-adds of 4 cycles: range reduction and a polynomial of degree 6; 11 to 13 cycles."""

_CHAIN_OF_ACTIVATION = {"relu": 1, "leaky_relu": 2, "sigmoid": EXP + 1 + DIVIDE, "softmax": EXP + 1 + DIVIDE}
_CHAIN_OF_UPDATE = {"sgd": 1, "momentum": 2, "rmsprop": 4 + 2 * DIVIDE, "adam": 4 + 2 * DIVIDE}


@dataclass(frozen=True)
class Peaks:
    """With so many threads: operations a second by dtype, bytes a second; and the seconds one multiply-add takes."""

    threads: int
    flops: dict[str, float]
    bandwidth: float
    latency: float

    def __str__(self) -> str:
        rates = ", ".join(f"{rate / 1e9:,.0f} GFLOP/s in {dtype}" for dtype, rate in self.flops.items())
        memory, latency = f"{self.bandwidth / 1e9:,.0f} GB/s", f"{self.latency * 1e9:.2f} ns a multiply-add"
        return f"{self.threads} thread{'s' if self.threads > 1 else ''}: {rates}; {memory}; {latency}"


def measure(threads: int) -> Peaks:
    """Compile the kernels and run them, on so many threads at once."""
    kernels, rounds = compile_kernels(), 2_000_000
    data = np.ones(1 << 25)  # 256 MiB, more than any cache holds
    with ThreadPoolExecutor(threads) as pool:

        def seconds(function: Callable[..., float], *arguments: object, times: int = threads) -> float:
            """Return how long so many calls at once take, the best of 50."""
            taken = []
            for _ in range(50):
                started = time.perf_counter()
                list(pool.map(lambda _: function(*arguments), range(times)))
                taken.append(time.perf_counter() - started)
            return min(taken)

        return Peaks(
            threads,
            {
                "float32": threads * rounds * kernels.round_flops_float32() / seconds(kernels.flops_float32, rounds),
                "float64": threads * rounds * kernels.round_flops_float64() / seconds(kernels.flops_float64, rounds),
            },
            bandwidth=threads * data.nbytes / seconds(kernels.read, data.ctypes.data_as(ctypes.c_void_p), data.size),
            latency=seconds(kernels.chain, rounds, times=1) / rounds,
        )


def compile_kernels() -> ctypes.CDLL:
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise SystemExit("the floors need a C++ compiler (c++), as building unstuck does")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "peak.so")
        options = ["-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
        subprocess.run([compiler, *options, str(SOURCE), "-o", str(library)], check=True)
        kernels = ctypes.CDLL(str(library))
    kernels.round_flops_float32.restype = kernels.round_flops_float64.restype = ctypes.c_long
    for function in (kernels.flops_float32, kernels.flops_float64, kernels.chain):
        function.argtypes, function.restype = [ctypes.c_long], ctypes.c_double
    kernels.read.argtypes, kernels.read.restype = [ctypes.c_void_p, ctypes.c_long], ctypes.c_double
    return kernels


def floor(workload: Workload, peaks: Peaks) -> float:
    """Return the seconds."""
    recipe, (n, i) = workload.recipe, workload.data.X.shape
    operations = workload.networks * recipe.epochs * n * row_flops(recipe, i)
    updates = math.ceil(workload.networks / peaks.threads) * recipe.epochs * workload.epoch_updates
    return max(
        operations / peaks.flops[recipe.precision],
        n * i * np.dtype(recipe.precision).itemsize / peaks.bandwidth,
        updates * chain_length(recipe, i, workload.batch_size) * peaks.latency,
    )


def row_flops(recipe: Recipe, inputs: int) -> int:
    """Return the operations a row takes: x W, x^T delta, and delta W^T in all layers but the first; 2 i o each."""
    sizes = [layer.inputs * layer.outputs for layer in Network(recipe, inputs).dense]
    return 2 * (3 * sum(sizes) - sizes[0])


def chain_length(recipe: Recipe, inputs: int, rows: int) -> float:
    """Return how many multiply-adds, one after the other, lead from one update's parameters to the next one's."""
    dense = Network(recipe, inputs).dense
    depth = 0.0
    for layer in dense:
        depth += 1 + math.log2(layer.inputs + 1) + _CHAIN_OF_ACTIVATION.get(layer.activation.kind, 0)
    depth += 1  # delta at the output
    for layer in dense[1:]:
        depth += 1 + math.log2(layer.outputs) + 1  # delta W^T, f'
    depth += 2 * sum(isinstance(layer, Dropout) for layer in recipe.layers)
    return depth + 1 + math.log2(rows) + _CHAIN_OF_UPDATE[recipe.optimizer.kind]
