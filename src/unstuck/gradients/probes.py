"""What has to be known about somebody's functions before their derivatives are compared.

A loss that is random has no derivative; one that ignores its data, or changes what it is given, is checked by different
numbers than its writer believes; one in float32 is known to seven digits only. Each is found by a few calls, and told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from unstuck.arrays import Array
from unstuck.errors import SubjectError
from unstuck.gradients import remarks
from unstuck.gradients.noise import noise_of
from unstuck.gradients.rows import rows_of
from unstuck.subjects.handwritten import HandWritten

SAME = 1e-12
GRANTED_NOISE = 8
ROUGH = 1e-14
NOTED = 1e-11
QUICK = 0.5
PATIENCE = 5.0
FEWEST_ROWS = 16
FEWEST_TO_CUT = 4
FAR, ALONG = 5, 16
"""Points far apart, and places on a line through each, at which the loss is compared with itself."""
SHORT = 1e-3
"""Half the length of such a line, as a share of the parameters' size."""
STANDS = 0.7
"""Share of neighbouring places on it with exactly the same loss from which on it stands still there."""


@dataclass(frozen=True)
class Probes:
    """What was found out.

    Attributes:
        subject: the network as it can be checked: reseeded if that freezes it, its data copied if it changes them, with
            some of its rows if it is slow.
        notes: what a person should know, in plain words, with numbers.
        obstacle: whether nothing can be checked at all.
        noise: by how much the loss may be off beyond the rounding of float64.
        complex_steps: whether the loss bears complex parameters.
        seconds: a call of its loss takes.
        whole: the same network with all rows, where some are used.
        seconds_for_all: a call of its loss takes for all rows.
        flat: whether small changes of the parameters leave the loss exactly as it is, wherever they are.
    """

    subject: HandWritten
    notes: tuple[str, ...]
    obstacle: bool = False
    noise: float = 0.0
    complex_steps: bool = False
    seconds: float = 0.0
    whole: HandWritten | None = None
    seconds_for_all: float = 0.0
    flat: bool = False


def probe(subject: HandWritten, w: Array, calls: int) -> Probes:
    """Return what can be found out about a network at w by a few calls of its functions.

    Args:
        subject: the network.
        w: the parameters, (P,).
        calls: so many of the loss are to be expected.

    Raises:
        SubjectError: when a function raises, or does not return what it should.
    """
    notes: list[str] = []
    started = time.perf_counter()
    subject = _without_side_effects(subject, w, notes)
    seconds = (time.perf_counter() - started) / 2
    if seconds < QUICK:  # on a busy machine one call of many takes long
        seconds = min(_time_of_loss(subject, w) for _ in range(3))
    whole = subject
    subject, cut = _with_fewer_rows(whole, w, calls * seconds, notes)
    loss, g = subject.cost(w), subject.gradient(w)
    if not np.isfinite(loss):
        notes.append(remarks.not_finite(loss))
        return Probes(subject, tuple(notes), obstacle=True)
    _note_what_is_not_finite(subject, g, notes)
    frozen = _frozen(subject, w, loss, g, notes)
    if frozen is None:
        return Probes(subject, tuple(notes), obstacle=True)
    flat = _stands_still(frozen, w, notes)
    _note_what_ignores_the_data(frozen, w, notes)
    _note_broadcast_targets(frozen, w, notes)
    noise = _noise(frozen, w, notes)
    return Probes(
        subject=frozen,
        notes=tuple(notes),
        noise=noise,
        complex_steps=_bears_complex(frozen, w),
        seconds=_time_of_loss(frozen, w) if cut else seconds,
        whole=frozen.with_data(whole.data) if cut else None,
        seconds_for_all=seconds,
        flat=flat,
    )


def _time_of_loss(subject: HandWritten, w: Array) -> float:
    started = time.perf_counter()
    subject.cost(w)
    return time.perf_counter() - started


def _with_fewer_rows(subject: HandWritten, w: Array, expected: float, notes: list[str]) -> tuple[HandWritten, bool]:
    """Return a slow network with some of its rows, and whether that is so."""
    cut = rows_of(subject.data)
    if cut is None or expected <= PATIENCE:
        return subject, False
    rows = max(FEWEST_ROWS, int(cut.rows * PATIENCE / expected))
    if rows >= cut.rows:
        return subject, False
    fewer = subject.with_data(cut.first(rows))
    try:
        fewer.cost(w), fewer.gradient(w)
    except SubjectError:  # they take just these rows
        return subject, False
    notes.append(remarks.some_rows(cut.rows, expected, rows))
    return fewer, True


def _without_side_effects(subject: HandWritten, w: Array, notes: list[str]) -> HandWritten:
    """Note what the functions change of what they are given; the data are copied for those that change them."""
    changes = subject.changes(w)
    notes += [remarks.changes_in_place(name, changed) for name, changed in changes.items() if changed]
    touched = any(entry.startswith("data[") for changed in changes.values() for entry in changed)
    return subject.with_data_copied() if touched else subject


def _note_what_is_not_finite(subject: HandWritten, g: Array, notes: list[str]) -> None:
    for block in subject.blocks:
        part = block.of(g)
        broken = int(np.count_nonzero(~np.isfinite(part)))
        if broken:
            notes.append(remarks.gradient_not_finite(block.name, broken, part.size))


def _frozen(subject: HandWritten, w: Array, loss: float, g: Array, notes: list[str]) -> HandWritten | None:
    """Return the network such that the same parameters give the same numbers, None where it stays random."""
    again, g_again = subject.cost(w), subject.gradient(w)
    if _same(again, loss) and _same(g_again, g):
        return subject
    loss_is = not _same(again, loss)
    what = remarks.random_loss(loss, again) if loss_is else remarks.random_gradient(_apart(g, g_again))
    seeded = subject.seeded(0)
    if _same(seeded.cost(w), seeded.cost(w)) and _same(seeded.gradient(w), seeded.gradient(w)):
        notes.append(remarks.frozen(what))
        return seeded
    notes.append(remarks.stays_random(what, loss_is))
    return None


def _stands_still(subject: HandWritten, w: Array, notes: list[str]) -> bool:
    """Note a loss that no parameters change, or only large changes of them, and tell whether it is one.

    A network whose units are all dead at w stands still there, but not at other points, with other signs.
    """
    random = np.random.default_rng(0)
    size = float(np.sqrt(np.mean(w**2))) or 0.5
    points = [w, *(random.choice([-1.0, 1.0], w.size) * (w + size * random.normal(size=w.size)) for _ in range(FAR))]
    for point in points:
        direction = SHORT * size * random.normal(size=w.size)
        line = [subject.cost(point + t * direction) for t in np.linspace(-1, 1, ALONG)]
        if not np.isfinite(line).all() or np.mean(np.diff(line) == 0) < STANDS:
            return False
    losses = [subject.cost(point) for point in points]
    if all(_same(loss, losses[0]) for loss in losses):
        notes.append(remarks.constant_loss(losses[0], len(points)))
    else:
        notes.append(remarks.staircase(losses[0]))
    return True


def _note_what_ignores_the_data(subject: HandWritten, w: Array, notes: list[str]) -> None:
    """Note whether loss or gradient stays the same with a half, and with a third, of the rows."""
    cut = rows_of(subject.data)
    if cut is None or cut.rows < FEWEST_TO_CUT:
        return
    parts = [subject, *(subject.with_data(cut.first(cut.rows // k)) for k in (2, 3))]
    try:
        losses, gradients = [part.cost(w) for part in parts], [part.gradient(w) for part in parts]
    except SubjectError:  # they take just these rows
        return
    if not (np.isfinite(losses).all() and np.isfinite(gradients).all()):
        return
    loss_moves = not all(_same(loss, losses[0]) for loss in losses)
    gradient_moves = not all(_same(g, gradients[0]) for g in gradients)
    if loss_moves and not gradient_moves and gradients[0].any():
        notes.append(remarks.gradient_ignores_data(cut.rows // 2, cut.rows, losses[0], losses[1]))
    elif gradient_moves and not loss_moves:
        apart = _apart(gradients[0], gradients[1])
        notes.append(remarks.loss_ignores_data(cut.rows // 2, cut.rows, losses[0], apart))


def _note_broadcast_targets(subject: HandWritten, w: Array, notes: list[str]) -> None:
    """Note whether the loss stays the same when the targets change places, though it depends on them and on X."""
    data = subject.data
    cut = rows_of(data)
    if cut is None or len(data) != 2 or subject.per_row or np.ndim(data[1]) != 1 or cut.rows < FEWEST_TO_CUT:
        return
    X, y = data
    if not isinstance(X, np.ndarray) or not isinstance(y, np.ndarray) or cut.axes[0] is None:
        return
    size = float(np.sqrt(np.mean(w**2))) / 4 or 0.1
    somewhere = w + size * np.random.default_rng(0).normal(size=w.shape)
    others = [(X, np.roll(y, 1)), (X, np.full_like(y, y[0])), (X.take([0] * cut.rows, axis=cut.axes[0]), y)]
    try:
        loss, permuted, *changed = (subject.cost(somewhere, other) for other in (data, *others))
    except SubjectError:
        return
    if _same(permuted, loss) and np.isfinite([loss, *changed]).all() and not any(_same(one, loss) for one in changed):
        notes.append(remarks.broadcast_targets(loss, y.shape, cut.rows))


def _noise(subject: HandWritten, w: Array, notes: list[str]) -> float:
    """Return how far the loss may be off; note where that is more than float64 explains."""
    loss = subject.cost(w)
    direction = np.random.default_rng(0).choice([-1.0, 1.0], w.size) / np.sqrt(w.size)
    noise = noise_of(lambda t: subject.cost(w + t * direction))
    dtype = getattr(subject.loss_as_returned(w), "dtype", None)
    single = dtype in (np.float32, np.float16)
    if single:
        noise = max(noise, float(np.finfo(dtype).eps) / 4 * abs(loss))
    if noise <= ROUGH * abs(loss):
        return 0.0
    if single or noise > NOTED * abs(loss):
        notes.append(remarks.noisy_loss(str(dtype) if single else None, loss, noise))
    return GRANTED_NOISE * noise


def _bears_complex(subject: HandWritten, w: Array) -> bool:
    value = subject.complex_cost(w.astype(np.complex128))
    return _same(value.real, subject.cost(w)) and value.imag == 0


def _same(a: Any, b: Any) -> bool:
    """Tell whether two results agree but for rounding, by which sums in several threads may differ."""
    size = max(float(np.max(np.abs(a), initial=0.0)), float(np.max(np.abs(b), initial=0.0)))
    if not np.isfinite(size):
        return bool(np.array_equal(np.isfinite(a), np.isfinite(b)))
    return float(np.max(np.abs(np.subtract(a, b)), initial=0.0)) <= SAME * size


def _apart(g: Array, other: Array) -> float:
    return float(np.linalg.norm(g - other) / max(np.linalg.norm(g), np.linalg.norm(other)))
