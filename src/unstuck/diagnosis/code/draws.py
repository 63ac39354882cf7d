"""Dropout masks for a training: the person's functions, and the network they were recognised as, with other masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from unstuck.gradients.forensics.dropout import with_drawn_masks
from unstuck.gradients.forensics.layers import Arrangement
from unstuck.gradients.forensics.recognised import Recognised
from unstuck.gradients.rows import rows_of
from unstuck.subjects.handwritten import HandWritten

DRAWS = 16
"""So many masks are used in turn."""

Draw = tuple[HandWritten, Recognised]


def draws(subject: HandWritten, network: Recognised) -> list[Draw]:
    """Return subject and network with the masks of successive updates; as they are where there is no dropout.

    A mask that came with the data is handed on from row to row, one that the functions draw is drawn with other seeds.
    """
    arrangement = network.arrangement
    if not any(mask is not None for mask in arrangement.dropped):
        return [(subject, network)]
    if len(subject.data) > 2:
        return _handed_on(subject, network)
    return _drawn(subject, network) or [(subject, network)]


def _handed_on(subject: HandWritten, network: Recognised) -> list[Draw]:
    cut, arrangement = rows_of(subject.data), network.arrangement
    if cut is None:
        return [(subject, network)]
    made = []
    for k in range(DRAWS):
        by = k * len(arrangement.X) // DRAWS
        theirs = subject.with_data((*subject.data[:2], np.roll(subject.data[2], by, axis=cut.axes[2])))
        dropped = tuple(None if mask is None else np.roll(mask, by, axis=0) for mask in arrangement.dropped)
        made.append((theirs, replace(network, arrangement=replace(arrangement, dropped=dropped))))
    return made


def _drawn(subject: HandWritten, network: Recognised) -> list[Draw]:
    if subject.seed is None:
        return []
    plain = replace(network.arrangement, dropped=(), keeps=1.0)
    ways = list(with_drawn_masks(plain, subject.seed))
    place = next((k for k, one in enumerate(ways) if _same(one, network.arrangement)), None)
    if place is None:
        return []
    made = []
    for seed in range(DRAWS):
        arrangement = list(with_drawn_masks(plain, seed))[place]
        made.append((subject.seeded(seed), replace(network, arrangement=arrangement)))
    return made


def _same(one: Arrangement, other: Arrangement) -> bool:
    pairs = zip(one.dropped, other.dropped, strict=True)
    return all(a is b or (a is not None and b is not None and np.array_equal(a, b)) for a, b in pairs)
