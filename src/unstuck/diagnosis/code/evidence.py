"""CodeEvidence: what is known of a person's functions, each number computed once and when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.diagnosis.code.equivalent import with_all_rows
from unstuck.diagnosis.code.forward_pass import ForwardPass, forward_pass
from unstuck.diagnosis.code.step import Update, updates
from unstuck.errors import SubjectError
from unstuck.gradients.forensics.explain import explain_gradient
from unstuck.gradients.forensics.explanation import Explanation
from unstuck.gradients.forensics.recognise import recognise
from unstuck.gradients.forensics.recognised import Recognised
from unstuck.gradients.probes import probe
from unstuck.gradients.rows import Cut, rows_of, with_few_rows
from unstuck.subjects.calls import random_numbers_kept
from unstuck.subjects.handwritten import HandWritten

POINTS = 8
SAME = 1e-10
IN_PROPORTION = 1e-6


@dataclass(frozen=True, eq=False)
class CodeEvidence:
    """A person's functions, and what a few calls show of them.

    Attributes:
        given: the subject.
        whole: the same, reseeded before each call if it is random, its data copied if it changes them.
        subject: the same with fewer rows where there are many, see `with_few_rows`.
        notes: what a person should know of their functions, see `probe`.
    """

    given: HandWritten
    whole: HandWritten
    subject: HandWritten
    notes: tuple[str, ...]

    @cached_property
    def explanation(self) -> Explanation | None:
        """What the forensics say of the gradient; None where there is none, or nothing to compare it with."""
        subject = self.subject
        if not subject.has_gradient or self.loss_is_constant or self.loss_is_separate:
            return None
        return explain_gradient(self.given) if np.isfinite(subject.gradient(subject.w)).all() else None

    @cached_property
    def recognised(self) -> Recognised | None:
        """The network that computes the loss."""
        if self.explanation is not None:
            return self.explanation.recognised
        if self.given.has_gradient or not np.isfinite(self.loss) or self.loss_is_constant or self.loss_is_separate:
            return None
        return recognise(self.subject)

    @cached_property
    def factor(self) -> float | None:
        """The c > 0 by which the gradient is c times that of the loss, the same at several points; None for 1 or none.

        Descent at the rate r is then descent by the right gradient at c r: only the rate is another.
        """
        if self.explanation is None or self.recognised is None or not self.explanation.wrong:
            return None
        network, ratios = with_all_rows(self.recognised, self.whole), []
        for w in (self.whole.w, *self.points[:2]):
            g, right = self.whole.gradient(w), network.gradient(w)
            ratios.append(float(g @ right) / (float(right @ right) or np.inf))
            if not (ratios[-1] > 0 and np.linalg.norm(g - ratios[-1] * right) <= IN_PROPORTION * np.linalg.norm(g)):
                return None
        return ratios[0] if np.ptp(ratios) <= IN_PROPORTION * ratios[0] else None

    @cached_property
    def loss(self) -> float:
        """The loss at the start."""
        return self.subject.cost(self.subject.w)

    @cached_property
    def points(self) -> list[Array]:
        """Parameters of the start's size, each block moved by half of it, then with random signs.

        Sums of squares and of sizes, the usual penalties, are the same at all of them.
        """
        random = np.random.default_rng(3)
        w = self.subject.w.copy()
        for block in self.subject.blocks:
            size = float(np.sqrt(np.mean(w[block.part] ** 2))) / 2 or 0.3
            w[block.part] += size * random.normal(size=block.size)
        return [w * random.choice([-1.0, 1.0], size=w.shape) for _ in range(POINTS)]

    @cached_property
    def losses(self) -> Array:
        """The loss at these points."""
        return np.array([self.subject.cost(w) for w in self.points])

    @cached_property
    def loss_is_constant(self) -> bool:
        """Whether it is the same number whatever the parameters are."""
        losses = np.array([*self.losses, self.loss])
        return bool(np.isfinite(losses).all() and np.ptp(losses) <= SAME * np.abs(losses).max())

    @cached_property
    def loss_is_separate(self) -> bool:
        """Whether L(w, data) = f(w) + g(data), by its mixed differences: parameters and data never meet."""
        subject, (first, *points) = self.subject, self.points[:4]
        if not np.isfinite(self.losses).all():
            return False
        seen = False
        for data in self.other_data:
            change = subject.cost(first, data) - subject.cost(first)
            seen = seen or change != 0
            for w in points:
                there = subject.cost(w, data) - subject.cost(w)
                size = max(abs(subject.cost(w)), abs(subject.cost(first)))
                if not abs(there - change) <= SAME * size:
                    return False
        return seen

    @cached_property
    def rows(self) -> Cut | None:
        """Along which axes the data have rows, None where that is not clear."""
        return rows_of(self.subject.data)

    @cached_property
    def targets(self) -> npt.NDArray[Any] | None:
        """The second part of the data, as it came."""
        data = self.subject.data
        found = np.asarray(data[1]) if len(data) > 1 and isinstance(data[1], np.ndarray | list) else None
        return found if found is not None and found.dtype.kind in "fiub" else None

    @cached_property
    def rows_of_X(self) -> Array | None:  # noqa: N802  # X is the algebra
        """The inputs with samples in rows."""
        X, cut = self.subject.data[:1], self.rows
        if not X or cut is None or cut.axes[0] is None or np.ndim(X[0]) != 2:
            return None
        return np.asarray(X[0] if cut.axes[0] == 0 else X[0].T, dtype=np.float64)

    @cached_property
    def rows_of_Y(self) -> Array | None:  # noqa: N802
        """The targets (n, o), one-hot where the outputs are several and they are class numbers."""
        y, cut = self.targets, self.rows
        if y is None or cut is None or not self.predicts:
            return None
        A = self.outputs(self.subject.w)
        if y.ndim == 2 and min(y.shape) > 1:
            return y.astype(np.float64) if cut.axes[1] == 0 else y.T.astype(np.float64)
        flat, n = y.reshape(-1).astype(np.float64), cut.rows
        classes = A.size // n
        if classes > 1 and np.array_equal(flat, np.rint(flat)) and flat.min() >= 0 and flat.max() < classes:
            return np.eye(classes)[flat.astype(int)]
        return flat[:, None]

    @cached_property
    def predicts(self) -> bool:
        """Whether it came with predictions that are an array of finite numbers, the same one at every call."""
        return self._drawn_outputs is not None and not self.random_predictions

    @cached_property
    def random_predictions(self) -> bool:
        """Whether two calls with the same parameters predict different numbers."""
        return self._drawn_outputs is not None and not _same(*self._drawn_outputs)

    @cached_property
    def _drawn_outputs(self) -> tuple[Array, Array] | None:
        """The predictions of two calls at the start with other random numbers; None where they are no numbers."""
        if not self.subject.has_predict or not self.subject.data:
            return None
        try:
            first, again = (self.subject.seeded(seed).outputs(self.subject.w) for seed in (1, 2))
        except (SubjectError, TypeError, ValueError):  # it takes one row, or returns more than its outputs
            return None
        return (first, again) if np.isfinite(first).all() and first.ndim else None

    def outputs(self, w: Array, data: tuple[Any, ...] | None = None) -> Array:
        """Return the predictions at w."""
        return (self.subject if data is None else self.subject.with_data(data)).outputs(w)

    @cached_property
    def forward(self) -> ForwardPass | None:
        """The network that makes the predictions, with an output and a loss that can be learned from."""
        if not self.predicts:
            return None
        points = [self.subject.w, *self.points[:3]]
        return forward_pass(self.subject, points, [self.outputs(w) for w in points])

    @cached_property
    def updates(self) -> list[Update]:
        """What the step does at some points, empty where there is none."""
        return updates(self.subject)

    @cached_property
    def other_data(self) -> list[tuple[Any, ...]]:
        """The data with targets that changed places, and with smaller inputs; those that the functions take."""
        data, cut = self.subject.data, self.rows
        if cut is None or cut.rows < 2 or not isinstance(data[0], np.ndarray):
            return []
        others = [(data[0] * 0.6, *data[1:])]
        if len(data) > 1 and isinstance(data[1], np.ndarray) and cut.axes[1] is not None:
            others.append((data[0], np.roll(data[1], 1, axis=cut.axes[1]), *data[2:]))
        return [other for other in others if self.takes(other)]

    def takes(self, data: tuple[Any, ...]) -> bool:
        """Tell whether the loss can be computed of other data."""
        try:
            return bool(np.isfinite(self.subject.cost(self.points[0], data)))
        except SubjectError:
            return False


def look(subject: HandWritten) -> CodeEvidence:
    """Call a person's functions a few times.

    Raises:
        SubjectError: when a function raises, or does not return what it should.
    """
    with random_numbers_kept(), np.errstate(all="ignore"):
        if not subject.has_gradient:
            whole = subject.seeded(0)
            return CodeEvidence(subject, whole, with_few_rows(whole, _has_cost), ())
        probes = probe(subject, subject.w, calls=0)
        return CodeEvidence(subject, probes.subject, with_few_rows(probes.subject, _has_cost), probes.notes)


def _has_cost(subject: HandWritten) -> bool:
    subject.cost(subject.w)
    return True


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True))
