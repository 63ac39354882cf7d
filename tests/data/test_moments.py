"""Mean, spread and range that come a part at a time are those of all rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstuck.data.moments import Moments


@given(seed=st.integers(0, 1000), parts=st.lists(st.integers(1, 30), min_size=1, max_size=6), holes=st.booleans())
def test_as_numpy_of_all_rows(seed: int, parts: list[int], holes: bool) -> None:
    random = np.random.default_rng(seed)
    X = 1e4 + random.normal(size=(sum(parts), 3)) * [1e-3, 1, 1e3]
    if holes:
        X[random.random(X.shape) < 0.3] = np.nan
    X[0] = 1e4  # no column without a value
    moments = Moments(3)
    for part in np.split(X, np.cumsum(parts)[:-1]):
        moments.add(part)
    assert moments.rows == len(X)
    np.testing.assert_array_equal(moments.count, (~np.isnan(X)).sum(axis=0))
    np.testing.assert_array_equal((moments.low, moments.high), (np.nanmin(X, axis=0), np.nanmax(X, axis=0)))
    np.testing.assert_allclose(moments.mean, np.nanmean(X, axis=0), rtol=1e-14)
    spread = np.sqrt(moments.squares / moments.count)
    np.testing.assert_allclose(spread, np.nanstd(X, axis=0), rtol=1e-7, atol=1e-9)


def test_a_small_spread_on_a_large_mean_is_not_lost() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(1000, 1))
    moments = Moments(1)
    for part in np.split(1e9 + x, 10):
        moments.add(part)
    assert np.sqrt(moments.squares[0] / 1000) == pytest.approx(x.std(), rel=1e-6)


def test_float32_is_summed_in_float64() -> None:
    moments = Moments(1)
    moments.add(np.full((100_000, 1), 0.1, dtype=np.float32))
    assert moments.mean[0] == pytest.approx(float(np.float32(0.1)), rel=1e-12)
