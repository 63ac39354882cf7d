"""Finding and Fix: what a fault says when it sees itself in the evidence, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from unstuck.diagnosis.problem import Problem
from unstuck.recipe import Recipe

Certainty = Literal["proven", "contributes", "suspected", "not the cause"]
"""How sure a finding is, after the trials.

proven           its fix alone makes the network learn, over fresh seeds
contributes      it takes this fix and others
suspected        the evidence speaks for it, and no trial could tell
not the cause    it is there, but undoing it alone does not make the network learn
"""


@dataclass(frozen=True, eq=False)
class Fix:
    """A change of the recipe, or advice where no recipe expresses it.

    Attributes:
        text: what to do, in a few words.
        change: recipe and problem -> the changed recipe; None for advice alone.
    """

    text: str
    change: Callable[[Recipe, Problem], Recipe] | None = None


@dataclass(frozen=True, eq=False)
class Finding:
    """A fault, seen in the evidence.

    Attributes:
        fault: its kind.
        text: a sentence for the user, no more certain than the evidence.
        evidence: the numbers it rests on.
        suspicion: from 0 to 1, how much the evidence alone speaks for it as the cause; below `LISTED` it is a setting
            out of the ordinary and nothing more, and only worth telling if a trial proves it.
        fixes: the first is the most direct.
        rules_out: look-alikes that the evidence excludes.
        certainty: after the trials.
        proven: the sentence once trials have shown it to be a cause; "" for `text`.
    """

    fault: str
    text: str
    evidence: tuple[str, ...]
    suspicion: float
    fixes: tuple[Fix, ...] = ()
    rules_out: tuple[str, ...] = ()
    certainty: Certainty = "suspected"
    proven: str = ""

    def judged(self, certainty: Certainty) -> Finding:
        """Return the finding as the trials left it."""
        shown = self.proven if certainty in ("proven", "contributes") else ""
        return replace(self, certainty=certainty, text=shown or self.text)


LISTED = 0.3
