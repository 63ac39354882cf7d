"""What a case is: one network that did not learn, as it was, cured, and whatever else is worth running beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from unstuck.recipe import Recipe


@dataclass(frozen=True)
class Outcome:
    """What one training of a case came to.

    Attributes:
        loss: where its cost stood at the end.
        metrics: what else there is to know, by name.
        iterations: when the cost was recorded.
        costs: the cost then.
        summary: a few words for the table.
        recipe: what was trained, None for hand-written code.
        shown: whatever the case's picture of this outcome needs.
        seconds: how long it took.
    """

    loss: float
    metrics: dict[str, float]
    iterations: npt.NDArray[np.float64]
    costs: npt.NDArray[np.float64]
    summary: str
    recipe: Recipe | None = None
    shown: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def to_data(self) -> dict[str, Any]:
        """Return the outcome as plain data, without curve and picture."""
        recipe = {} if self.recipe is None else {"recipe": self.recipe.to_data()}
        return {"loss": self.loss, "metrics": self.metrics, **recipe, "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class Case:
    """A network that did not learn.

    Attributes:
        id: 1 to 5.
        title: what was seen, in a few words.
        fault: what was wrong, in a few words.
        trainings: by name; "as_was" and "cured" are always there. Each returns its Outcome.
        subject: returns what `diagnose` is given: recipe, X and y, or a hand-written network.
        training: how a hand-written network was trained, as further arguments of `diagnose`.
        offered: the changes that the post offers, each made to the recipe it is trained with.
    """

    id: int
    title: str
    fault: str
    trainings: dict[str, Callable[[], Outcome]]
    subject: Callable[[], tuple[Any, ...]]
    training: dict[str, Any] = field(default_factory=dict)
    offered: dict[str, Callable[[Recipe], Recipe]] = field(default_factory=dict)
