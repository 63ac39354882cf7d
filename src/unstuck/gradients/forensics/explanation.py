"""What is known about a gradient, and how it is told."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from typing import Any

from unstuck.gradients.forensics.mistakes import Mistake
from unstuck.gradients.forensics.recognised import Recognised


@dataclass(frozen=True)
class Explanation:
    """What is known about a gradient; `print` shows it.

    Attributes:
        recognised: the network, or None.
        wrong: the blocks that are wrong.
        mistakes: that make exactly the numbers given.
        unexplained: the wrong blocks for which no known mistake does.
        evidence: what narrows those down.
        lines: the right backward pass, where the network was recognised.
        obstacle: why nothing can be said, or "".
        narrowed: what is known of a network that was not recognised, or "".
        notes: what else was noticed about the functions, in plain words.
    """

    recognised: Recognised | None
    wrong: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    unexplained: tuple[str, ...]
    evidence: tuple[str, ...]
    lines: tuple[str, ...] = ()
    obstacle: str = ""
    narrowed: str = ""
    notes: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether nothing is wrong, as far as that can be said."""
        return not self.wrong and not self.obstacle

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "recognised": str(self.recognised) if self.recognised else None,
            "wrong": list(self.wrong),
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
            "unexplained": list(self.unexplained),
            "evidence": list(self.evidence),
            "lines": list(self.lines),
            "obstacle": self.obstacle,
            "narrowed": self.narrowed,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        if self.obstacle:
            return f"nothing can be said of the mistake: {self.obstacle}"
        unknown = ": ".join(filter(None, ("the network was not recognised", self.narrowed)))
        parts = [f"recognised: {self.recognised}" if self.recognised else unknown]
        if self.right:
            return "\n".join([*parts, ", ".join(["the gradient is right", *self.evidence]), *self._notes()])
        parts.append(f"wrong: {', '.join(self.wrong)}")
        for number, mistake in enumerate(self.mistakes, start=1):
            parts.append(f"  {number}. {mistake.text} ({', '.join(mistake.blocks)})")
        if self.unexplained:
            parts.append(f"  no known mistake makes the numbers of {', '.join(self.unexplained)}")
        parts += [f"     {line}" for line in self.evidence]
        if self.lines:
            parts += ["the right backward pass:", *(f"    {line}" for line in self.lines)]
        return "\n".join([*parts, *self._notes()])

    def _notes(self) -> list[str]:
        return [textwrap.fill(note, 120, initial_indent="- ", subsequent_indent="  ") for note in self.notes]
