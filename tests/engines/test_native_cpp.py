"""The tests in tests/native: what of the C++ Python cannot see well."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[1] / "native"


@pytest.mark.skipif(not (shutil.which("make") and shutil.which("c++")), reason="make and a C++ compiler are needed")
def test_the_cpp_tests_pass(tmp_path: Path) -> None:
    outside = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "LD_PRELOAD")
    }
    command = ["make", "-j2", "-C", str(NATIVE), f"BUILD={tmp_path}", "TRAINING="]  # trainings are tested here
    ran = subprocess.run(command, env=outside, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
