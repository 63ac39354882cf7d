"""The peers: one program each, doing the same mathematics as our engines.

A program is a module with a function `prepare(workload, threads)`. What it does is not timed (moving data, compiling,
trying variants); it returns a function that trains from the workload's start and times that itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from unstuck.arrays import Array

PEERS = {
    "pytorch": "benchmarks.peers.pytorch",
    "sklearn": "benchmarks.peers.scikit_learn",
    "jax": "benchmarks.peers.jax_scan",
    "numpy": "benchmarks.peers.numpy_buffers",
}


class Trained(NamedTuple):
    """What a program returns.

    Attributes:
        seconds: of the training alone.
        outputs: X (n, i) -> A (n, o), or (networks, n, o), of the trained network in evaluation mode.
        remark: how it was done, and what is not as in the workload.
        exact: is the mathematics the same, to rounding?
    """

    seconds: float
    outputs: Callable[[Array], Array]
    remark: str = ""
    exact: bool = True
