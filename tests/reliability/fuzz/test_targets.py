"""The fuzzed functions on what fuzzing has found, and on bytes drawn at random; `make fuzz` looks for more."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.reliability.fuzz.targets import TARGETS

DRAWS = int(os.environ.get("UNSTUCK_MUTANTS", "500"))

FOUND = [
    ("csv", b"\x08,^$,\x07,)"),  # polars took the name ^$ for a pattern
]
PROGRAM = """
import random, sys
from tests.reliability.fuzz.targets import TARGETS
draw = random.Random(0)
for _ in range(int(sys.argv[1])):
    TARGETS["native"](draw.randbytes(draw.randrange(800)))
"""


@pytest.mark.parametrize(("name", "content"), FOUND)
def test_what_was_found_stays_mended(name, content):
    TARGETS[name](content)


@pytest.mark.parametrize("name", ["csv", "idx"])
def test_any_bytes(name):
    draw = random.Random(0)
    for _ in range(DRAWS):
        TARGETS[name]((b"\0\0\x08\1" if name == "idx" else b"a,b\n") + draw.randbytes(draw.randrange(40)))


def test_the_compiled_functions_return_or_raise_on_anything():
    paths = [str(Path(__file__).parents[3]), *filter(None, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, str(DRAWS)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
