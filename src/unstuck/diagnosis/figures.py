"""The figures of a diagnosis, by matplotlib. Colours keep apart on white and on black, and for the colour-blind."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from unstuck.diagnosis import shown
from unstuck.diagnosis.changes import rate_of
from unstuck.diagnosis.curves import Curve
from unstuck.drawing import cost_curve, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from unstuck.diagnosis.conclusion import Conclusion
    from unstuck.diagnosis.evidence import Evidence

BEFORE, AFTER, LINE = "#d55e00", "#0091d5", "0.5"
"""Okabe and Ito's vermilion; their blue, a little lighter; and a grey."""
APART = 0.07
"""Names of floors are at least this share of the axis apart."""
SIGNALS = (
    ("dead", "share of dead units", False),
    ("saturated", "share of saturated units", False),
    ("duplicates", "share of duplicate units", False),
    ("z_spread", "spread of pre-activations z", True),
    ("gradient", "gradient dL/dW, root mean square", True),
    ("rank", "effective rank of activations", False),
)


def floor_figure(drawn: Sequence[Curve]) -> Figure:
    """Draw losses over the epochs, side by side, and their floors as named lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6 * len(drawn) + 0.6, 3.8), layout="constrained")
    panels = figure.subplots(1, len(drawn), squeeze=False)[0]
    for axes, curve, colour in zip(panels, drawn, (BEFORE, AFTER)[: len(drawn)], strict=True):
        cost_curve(axes, curve.epochs, curve.losses, from_zero=False)
        for line in axes.get_lines():
            line.set_color(colour)
        axes.set(title=curve.title, xlabel="epochs", ylabel="training loss", ylim=(curve.bottom, curve.top))
        axes.set_xlim(left=0)
        for floor in curve.floors:
            axes.axhline(floor.loss, color=LINE, linestyle="--", linewidth=1)
        if curve is drawn[0]:
            _name_floors(axes, curve)
    return figure


def _name_floors(axes: Axes, curve: Curve) -> None:
    """Write the floors' names to the right of the axes, from the top to the bottom, no two on each other."""
    place = np.inf
    for floor in curve.floors:
        height = (floor.loss - curve.bottom) / (curve.top - curve.bottom)
        if not 0 <= height <= 1:
            continue
        place = min(height, place - APART)
        axes.annotate(
            f"{floor.name} {shown.number(floor.loss)}",
            xy=(1, height),
            xytext=(1.03, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize="small",
            arrowprops={"arrowstyle": "-", "color": LINE, "lw": 0.8, "relpos": (0, 0.5), "shrinkA": 0, "shrinkB": 0},
        )


def rates_figure(evidence: Evidence) -> Figure | None:
    """Draw the loss after a few updates by learning rate, and the recipe's own rate; None for L-BFGS."""
    from matplotlib.figure import Figure

    rates, used = evidence.rates, rate_of(evidence.recipe)
    if rates is None or used is None:
        return None
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.subplots()
    highest = 1.6 * rates.start if rates.start > 0 else 1.0
    losses = np.array(rates.losses)
    inside = drawable(losses) & (losses <= highest)
    axes.plot(rates.rates, np.where(inside, losses, np.nan), "o-", color=AFTER, markersize=4)
    above = np.array(rates.rates)[~inside]
    axes.plot(above, np.full(len(above), 0.97 * highest), "^", color=BEFORE, label="above the picture, or no number")
    axes.axhline(rates.start, color=LINE, linestyle="--", linewidth=1, label="loss at the start")
    axes.axvline(used, color=BEFORE, linestyle=":", linewidth=2, label=f"the recipe's rate, {shown.number(used)}")
    axes.set(
        xscale="log",
        xlabel="learning rate",
        ylabel=f"loss after {rates.updates} updates",
        ylim=(min(0.0, *losses[inside], 0.0) if inside.any() else 0.0, highest),
    )
    axes.grid(alpha=0.3)
    _legend(figure)
    return figure


def trials_figure(diagnosis: Conclusion) -> Figure | None:
    """Draw what each trial came to from each seed, before and after; None where nothing was tried."""
    from matplotlib.figure import Figure

    trials, rows = shown.telling_trials(diagnosis), shown.trial_rows(diagnosis)
    if not trials:
        return None
    problem = diagnosis.measured.problem
    figure = Figure(figsize=(9, 1.6 + 0.42 * len(trials)), layout="constrained")
    axes = figure.subplots()
    for place, trial in enumerate(trials):
        for gains, colour, marker, up in ((trial.before, BEFORE, "x", -0.15), (trial.after, AFTER, "o", 0.15)):
            values = [problem.in_metric(gain) for gain in gains]
            axes.plot(values, np.full(len(values), place + up), marker, color=colour, alpha=0.8, markersize=6)
    goal = problem.in_metric(trials[0].goal)
    axes.axvline(goal, color=LINE, linestyle="--", label=f"learned: from {goal:.3f} on")
    axes.axvline(problem.constant, color=LINE, linestyle=":", label=f"a constant: {problem.constant:.3f}")
    axes.plot([], [], "x", color=BEFORE, label="before, one a seed")
    axes.plot([], [], "o", color=AFTER, label="after, one a seed")
    names = [fill(f"{row.change}{' (the cure)' if row.proven else ''}", 60) for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize="small")
    axes.set_xlabel(shown.metric_name(problem) + (" (-1: that or less)" if problem.metric == "r2" else ""))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(alpha=0.3, axis="x")
    _legend(figure)
    return figure


def layers_figure(evidence: Evidence) -> Figure:
    """Draw the signals of each layer before the first update and after the last."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    states = (("at the start", evidence.start.layers, "x--", BEFORE), ("at the end", evidence.end.layers, "o-", AFTER))
    for axes, (name, title, logarithmic) in zip(figure.subplots(2, 3).flat, SIGNALS, strict=True):
        highest = 0.0
        for label, layers, style, colour in states:
            values = np.array([getattr(layer, name) for layer in layers])
            values = np.where(drawable(values), values, np.nan)
            highest = max(highest, *np.nan_to_num(values))
            axes.plot(range(1, len(layers) + 1), values, style, color=colour, label=label)
        if logarithmic and highest > 0:
            axes.set_yscale("log", nonpositive="mask")
        else:
            axes.set_ylim(0, 1.05 * max(1.0, highest))
        axes.set_title(title, fontsize="medium")
        axes.set_xticks(range(1, len(evidence.end.layers) + 1))
        axes.grid(alpha=0.3)
    for axes in figure.axes[3:]:
        axes.set_xlabel("layer")
    _legend(figure)
    return figure


def _legend(figure: Figure) -> None:
    """Put the legend of the first axes above the figure, without a frame: its white would stay on a dark page."""
    entries = figure.axes[0].get_legend_handles_labels()
    figure.legend(*entries, loc="outside upper center", ncols=4, fontsize="small", frameon=False)
