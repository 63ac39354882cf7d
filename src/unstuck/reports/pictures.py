"""The pictures of the five cases: cost curve and what the network computes, as it was above, cured below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from unstuck.cases import Case, Outcome
from unstuck.drawing import cost_curve, decision_regions, image_mosaic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def case_figure(case: Case, outcomes: Mapping[str, Outcome]) -> Figure:
    """Draw a case."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    trainings = (("as_was", "as it was"), ("cured", "cured"))
    for (left, right), (name, title) in zip(figure.subplots(2, 2), trainings, strict=True):
        outcome = outcomes[name]
        cost_curve(left, outcome.iterations, outcome.costs)
        left.set(title=f"{title}: cost {outcome.loss:.4g}", xlabel="iterations or epochs", ylabel="cost")
        _DRAW[case.id](right, outcome.shown)
        right.set_title(outcome.summary, fontsize="medium")
    figure.suptitle(f"Case {case.id}. {case.title}")
    return figure


def _spiral(axes: Axes, shown: Mapping[str, Any]) -> None:
    decision_regions(axes, lambda grid: np.rint(shown["predict"](grid)), shown["X"], shown["y"])


def _accuracies(axes: Axes, shown: Mapping[str, Any]) -> None:
    epochs = np.arange(1, len(shown["train"]) + 1)
    axes.plot(epochs, shown["train"], label=f"train, counted {shown['counted']}")
    axes.plot(epochs, shown["test"], label="test")
    axes.set(ylim=(0.4, 1), xlabel="epoch", ylabel="accuracy")
    axes.legend(loc="lower right")


def _parabola(axes: Axes, shown: Mapping[str, Any]) -> None:
    axes.plot(shown["x"], shown["y"], color="0.7", linewidth=5, label="x²")
    axes.plot(shown["x"], shown["predictions"], label="network")
    axes.plot(shown["x"], shown["line"], ":", color="black", label="the straight line nearest to it")
    axes.set(xlabel="x", ylabel="y")
    axes.legend()


def _xor(axes: Axes, shown: Mapping[str, Any]) -> None:
    rows = [f"{a} xor {b} = {a ^ b}" for a, b in ((0, 0), (0, 1), (1, 0), (1, 1))]
    axes.barh(rows, shown["probabilities"], color=["C0", "C1", "C1", "C0"])
    axes.axvline(0.5, color="black", linestyle=":")
    axes.set(xlim=(0, 1), xlabel="output: probability of 1")
    axes.invert_yaxis()


def _digits(axes: Axes, shown: Mapping[str, Any]) -> None:
    image_mosaic(axes, shown["images"], shown["labels"])
    note = f"{shown['wrong']:,} of {shown['total']:,} test images taken for another digit, and which"
    axes.set(xticks=[], yticks=[], xlabel=note)


_DRAW: dict[int, Callable[[Axes, Mapping[str, Any]], None]] = {
    1: _spiral,
    2: _accuracies,
    3: _parabola,
    4: _xor,
    5: _digits,
}
