"""The instruction sets that the compiled engine has kernels for: HERE are those that this processor can run."""

from unstuck import _native

LEVELS = ["baseline", "x86-64-v3", "x86-64-v4"]
HERE = LEVELS[: LEVELS.index(_native.cpu_level()) + 1] if _native.cpu_level() in LEVELS else ["baseline"]
