"""Fuzz a target by atheris, guided by the branches of our Python code: `python tests/reliability/fuzz TARGET OPTIONS`.

The options are libFuzzer's, for instance -max_total_time=300 and folders of inputs to begin with.
"""

import sys

import atheris

with atheris.instrument_imports(include=["unstuck", "targets"]):
    from targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
