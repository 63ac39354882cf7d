"""Does unstuck name the mistake in a hand-written gradient? `python -m benchmarks.forensics`."""
