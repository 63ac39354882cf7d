"""Fewer cases than a full cross product has, where not every value has to meet every pair of others."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any


def rotated(values: Sequence[Any], *others: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Return each combination of the others, followed by one of the values in turn: any two still meet somewhere."""
    return [
        (*(value for _, value in chosen), values[sum(place for place, _ in chosen) % len(values)])
        for chosen in itertools.product(*map(enumerate, others))
    ]
