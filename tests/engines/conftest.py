"""The kernels of the compiled engine, one after another."""

from __future__ import annotations

import pytest
from tests.levels import HERE

from unstuck import _native


@pytest.fixture(params=HERE)
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kernel that this processor can run."""
    monkeypatch.setattr(_native, "cpu_level", lambda: request.param)
    return request.param
