"""All benchmarks: `python -m benchmarks`."""

from __future__ import annotations

from benchmarks.engine import main

main()
