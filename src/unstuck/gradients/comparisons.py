"""What a gradient check found: comparison by comparison, block by block, and as a table.

A verdict needs two things: the two derivatives agree as well as the numeric one allows, and the numeric one is known
well enough for that to mean something. Where it is not, the verdict is "?": cannot tell.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from unstuck.gradients.picture import BlockPicture

TOLERANCE = 1e-6
"""Of the difference relative to the derivative; a few times the numeric derivative's own error is always granted."""
GRANTED = 10
VAGUE = 0.1
SLIGHT = 1e-3
"""Of a block's relative error: less is hardly a mistake in backprop itself."""
NEGLIGIBLE = 1e-6
LISTED = 4


@dataclass(frozen=True)
class Comparison:
    """One derivative, both ways. `where` names the entry, or the direction; `place` is the entry's in its block."""

    where: str
    backprop: float
    numeric: float
    error: float
    place: int | None = None

    @property
    def difference(self) -> float:
        """How far the two are apart; NaN and infinity are infinitely far."""
        apart = abs(self.backprop - self.numeric)
        return apart if np.isfinite(apart) else np.inf

    @property
    def size(self) -> float:
        """The larger of the two, without its sign."""
        return max(abs(self.backprop), abs(self.numeric))

    @property
    def right(self) -> bool:
        """Whether the two agree as well as the numeric one allows."""
        return self.difference <= GRANTED * self.error + TOLERANCE * self.size

    def tells(self, largest: float) -> bool:
        """Tell whether the numeric one is exact enough to judge by, in a check whose largest derivative is given."""
        return self.size == 0 or GRANTED * self.error <= max(VAGUE * self.size, NEGLIGIBLE * largest)


@dataclass(frozen=True)
class BlockCheck:
    """What was found about one block of parameters.

    Attributes:
        name: of the block: W1, b1, ...
        comparisons: all that were made.
        set_aside: how many could not be made, because of kinks.
        shape: of the block.
        largest: the largest derivative in the whole check; far below it, a block's uncertainty does not matter.
        located: whether the entries found wrong are all that are.
    """

    name: str
    comparisons: tuple[Comparison, ...]
    set_aside: int
    shape: tuple[int, ...] = ()
    largest: float = 0.0
    located: bool = False

    @property
    def right(self) -> bool:
        """Whether every comparison agrees; where none tells anything, nothing is known to be right."""
        return self.verdict == "right"

    @property
    def verdict(self) -> str:
        """Whether the block is "right" or "WRONG", or "?" where nothing could be compared well enough.

        What is off by no more than the tolerance in all, though by more in some of its smallest entries, is right: a
        log(p + 1e-8) in the loss does that.
        """
        if not all(comparison.right for comparison in self.comparisons) and not self.relative_error <= TOLERANCE:
            return "WRONG"
        return "right" if any(comparison.tells(self.largest) for comparison in self.comparisons) else "?"

    @property
    def relative_error(self) -> float:
        """||g - g_num|| / (||g|| + ||g_num||), 0 where both are zero."""
        g, numeric, _ = self._columns()
        norm = np.linalg.norm(g) + np.linalg.norm(numeric)
        return float(np.linalg.norm(g - numeric) / norm) if norm else 0.0

    @property
    def uncertainty(self) -> float:
        """||errors of g_num|| / (||g|| + ||g_num||): of a relative error below it nothing can be concluded."""
        g, numeric, errors = self._columns()
        norm = np.linalg.norm(g) + np.linalg.norm(numeric)
        return float(np.linalg.norm(errors) / norm) if norm else 0.0

    @property
    def worst(self) -> Comparison | None:
        """The comparison with the largest difference."""
        return max(self.comparisons, key=lambda one: one.difference, default=None)

    @property
    def wrong_entries(self) -> tuple[Comparison, ...]:
        """The single entries found wrong."""
        return tuple(one for one in self.comparisons if one.place is not None and not one.right)

    def picture(self) -> BlockPicture:
        """Return what is drawn of it: the difference of each entry over the block's largest derivative."""
        from unstuck.gradients.picture import BlockPicture

        errors = np.full(max(int(np.prod(self.shape)), 1), np.nan)
        singles = [one for one in self.comparisons if one.place is not None]
        largest = max((one.size for one in singles if np.isfinite(one.size)), default=0.0) or 1.0
        for one in singles:
            errors[one.place] = min(one.difference / largest, 1.0)
        flat = (1, -1) if len(self.shape) < 2 else (self.shape[0], -1)
        drawn = errors.reshape(flat)
        width = drawn.shape[1]
        marked = [divmod(one.place, width) for one in self.wrong_entries if one.place is not None]
        return BlockPicture(f"{self.name} {self.shape}: {self.verdict}", self.verdict == "WRONG", drawn, marked)

    def _columns(self) -> np.ndarray:
        return np.array([(one.backprop, one.numeric, one.error) for one in self.comparisons]).reshape(-1, 3).T


@dataclass(frozen=True)
class GradientCheck:
    """The verdict on a gradient; `print` shows it as a table.

    Attributes:
        blocks: what was found, block by block.
        notes: what else was noticed about the functions, in plain words.
    """

    blocks: tuple[BlockCheck, ...]
    notes: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether every block is right."""
        return all(block.right for block in self.blocks)

    @property
    def verdict(self) -> str:
        """Return "WRONG" where any block is, "right" where all are, or else "?"."""
        verdicts = {block.verdict for block in self.blocks}
        return "WRONG" if "WRONG" in verdicts else "?" if "?" in verdicts else "right"

    @property
    def relative_error(self) -> float:
        """The largest of the blocks' relative errors."""
        return max(block.relative_error for block in self.blocks)

    def plot(self) -> Figure:
        """Draw the difference of each entry that was compared, over the shape of its block."""
        from unstuck.gradients.picture import check_figure

        return check_figure(self.verdict, [block.picture() for block in self.blocks])

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "verdict": self.verdict,
            "notes": list(self.notes),
            "blocks": [
                {
                    "name": block.name,
                    "verdict": block.verdict,
                    "relative_error": block.relative_error,
                    "uncertainty": block.uncertainty,
                    "compared": len(block.comparisons),
                    "set_aside": block.set_aside,
                }
                for block in self.blocks
            ],
        }

    def __str__(self) -> str:
        width = max(6, *(len(block.name) for block in self.blocks))
        lines = [
            f"{'block':<{width}} {'':<6} {'relative error':>14} {'uncertain by':>12} {'compared':>9} {'set aside':>9}"
            "   largest difference"
        ]
        for block in self.blocks:
            worst = block.worst
            errors = (f"{block.relative_error:.1e}", f"{block.uncertainty:.1e}") if worst else ("-", "-")
            detail = f"{worst.where}: backprop {worst.backprop:.6g}, numeric {worst.numeric:.6g}" if worst else "-"
            lines.append(
                f"{block.name:<{width}} {block.verdict:<6} {errors[0]:>14} {errors[1]:>12} "
                f"{len(block.comparisons):>9} {block.set_aside:>9}   {detail}"
            )
        told = [*map(_where_it_is_wrong, self.blocks), *map(_why_it_cannot_be_told, self.blocks)]
        told += [_how_little(self.blocks), *self.notes]
        lines += [textwrap.fill(note, 120, initial_indent="- ", subsequent_indent="  ") for note in told if note]
        return "\n".join(lines)


def _where_it_is_wrong(block: BlockCheck) -> str:
    wrong, size = block.wrong_entries, int(np.prod(block.shape))
    if not (block.verdict == "WRONG" and wrong and block.located and size > LISTED and len(wrong) <= size // 4):
        return ""
    named = ", ".join(one.where for one in wrong[:LISTED]) + (", ..." if len(wrong) > LISTED else "")
    entries = "1 entry" if len(wrong) == 1 else f"{len(wrong):,} entries"
    return f"{block.name} is wrong in {entries} of {size:,}, {named}, and right in all others."


def _why_it_cannot_be_told(block: BlockCheck) -> str:
    if block.verdict != "?" or not (block.comparisons or block.set_aside):
        return ""
    if not block.comparisons:
        return f"{block.name} cannot be judged: the loss has kinks or jumps at these parameters and nearby."
    clearest = min(block.comparisons, key=lambda one: one.error / (one.size or 1.0))
    return (
        f"{block.name} cannot be judged: {clearest.where} has the slope {clearest.numeric:.2g} ± {clearest.error:.1g} "
        f"by differences, too uncertain to confirm or refute backprop's {clearest.backprop:.2g}."
    )


def _how_little(blocks: Sequence[BlockCheck]) -> str:
    wrong = [block for block in blocks if block.verdict == "WRONG"]
    if not wrong or not all(block.relative_error < SLIGHT for block in wrong):
        return ""
    most = max(block.relative_error for block in wrong)
    return (
        f"All that is wrong is off by {most:.0e} of its size at most. That little is hardly a mistake in backprop "
        "itself: log(p + 1e-8) in the loss where the gradient is p - y does it, or a small penalty that only one of "
        "the two has."
    )
