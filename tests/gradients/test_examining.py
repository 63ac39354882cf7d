"""BLAS is told how many threads to use while a gradient is examined, and gets its own number back."""

from __future__ import annotations

import numpy as np
import pytest
from tests.straight_line import line, loss
from threadpoolctl import threadpool_info, threadpool_limits

from unstuck import check_gradient
from unstuck.gradients import examining


def threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.parametrize(("few", "expected"), [(4 * 40, 1), (4 * 40 - 1, 2)])
def test_one_thread_for_few_multiplications_only(monkeypatch, few, expected):
    monkeypatch.setattr(examining, "FEW", few)
    seen = []

    def watched(p, X, y):
        seen.append(threads())
        return loss(p, X, y)

    with threadpool_limits(2, user_api="blas"):
        check_gradient(line(loss=watched))
        assert threads() == {2}
    assert np.all([one == {expected} for one in seen])
