"""What a person's functions run in while they are examined, thousands of times: quietly, and leaving no trace.

NumPy's global random numbers go on afterwards as if nothing had been, floating-point warnings are off, and BLAS, which
multiplies the matrices, uses one thread where these are small: on a machine that has other work to do, its threads wait
for each other longer than they compute. On 2 cores of which one is busy, a loss of 64-100-10 units on 200 rows takes
0.29 ms with two threads and 0.11 ms with one; of 784-300-10 units, 2.2 and 1.8 ms, but 1.0 and 1.8 ms when both are
free. So large ones keep their threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from unstuck.gradients.rows import rows_of
from unstuck.subjects.calls import random_numbers_kept
from unstuck.subjects.handwritten import HandWritten

FEW = 5_000_000
"""Multiplications in a forward pass, parameters times rows, up to which one thread is enough: it takes 0.3 ms."""


@contextmanager
def examining(subject: HandWritten) -> Iterator[None]:
    """Run a network's functions quietly."""
    cut = rows_of(subject.data) if subject.per_row is None else None
    with random_numbers_kept(), threads_for(subject.w.size * (cut.rows if cut else 1)), np.errstate(all="ignore"):
        yield


@contextmanager
def threads_for(multiplications: int) -> Iterator[None]:
    """Let BLAS use one thread where there is little to multiply."""
    if multiplications > FEW:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
