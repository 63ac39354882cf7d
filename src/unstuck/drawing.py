"""Drawing, by matplotlib. Figures are made without pyplot, so no window opens and none stays behind."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unstuck.files import write_whole
from unstuck.history import History, is_signal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST = 1e100
HIDDEN_COLUMNS = ("epoch", "step", "loss", "training_loss", "validation_loss", "learning_rate", "seconds")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_whole(path, buffer.getvalue())


def history_figure(history: History, title: str, best_epoch: int) -> Figure:
    """Draw the loss, and each metric, over the epochs; the y axis of the loss starts at 0."""
    from matplotlib.figure import Figure

    metrics = [name for name in history.columns if name not in HIDDEN_COLUMNS and not name.startswith("validation_")]
    metrics = [name for name in metrics if not is_signal(name)]
    figure = Figure(figsize=(6 * (1 + len(metrics)), 4.2), layout="constrained")
    panels = figure.subplots(1, 1 + len(metrics), squeeze=False)[0]
    for axes, name in zip(panels, ["loss", *metrics], strict=True):
        for column, label in ((name, "training"), (f"validation_{name}", "validation")):
            if column in history:
                cost_curve(axes, history["epoch"], history[column], label=label, from_zero=name == "loss")
        axes.set(xlabel="epoch", ylabel=name)
        if best_epoch:
            axes.axvline(best_epoch, color="0.7", linestyle=":", label=f"lowest loss (epoch {best_epoch})")
        if name in history:
            axes.legend()
    figure.suptitle(title)
    return figure


def rates_figure(rates: Any, losses: Any, smoothed: Any, tried: tuple[Any, Any], suggestion: float) -> Figure:
    """Draw the loss of a range test over the learning rate, and after the trials at `tried` rates, the best marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(rates, losses, ".", color="0.75", markersize=3, label="mini-batches")
    axes.plot(rates, smoothed, label="range test, smoothed")
    axes.plot(*tried, "o-", color="C1", markersize=4, label="trained at each rate")
    axes.axvline(suggestion, color="C1", linestyle=":", label=f"suggested: {suggestion:.2g}")
    lowest = min(0.0, np.min(smoothed), np.min(tried[1]))
    axes.set_ylim(lowest, 2 * max(abs(smoothed[0]), 1e-300))  # what explodes would flatten all the rest
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def drawable(values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Tell which values are finite, and not so large that the arithmetic of axes overflows."""
    return np.less(np.abs(values), LARGEST)


def cost_curve(axes: Axes, x: Any, y: Any, label: str | None = None, from_zero: bool = True) -> None:
    """Draw a curve whose y axis starts at 0, so that flat looks flat; a few points get markers."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    shown = drawable(y)
    axes.plot(x, np.where(shown, y, np.nan), label=label, marker="o" if len(x) < 30 else None, markersize=3)
    values = np.asarray(y)[shown]
    if from_zero and values.size and values.min() >= 0:
        axes.set_ylim(0, max(axes.get_ylim()[1], 1.05 * values.max()))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(alpha=0.3)


def decision_regions(axes: Axes, predict: Callable[[Any], Any], X: Any, y: Any) -> None:
    """Draw which class is predicted where, over the points (n, 2) and their classes 0, 1, ..."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    margin = 0.05 * np.ptp(X, axis=0)
    (left, bottom), (right, top) = X.min(axis=0) - margin, X.max(axis=0) + margin
    across, up = np.meshgrid(np.linspace(left, right, 300), np.linspace(bottom, top, 300))
    regions = np.asarray(predict(np.column_stack([across.ravel(), up.ravel()]))).reshape(across.shape)
    colours = ListedColormap(colormaps["tab10"].colors[: int(np.max(y)) + 1])  # type: ignore[attr-defined]
    limits = {"vmin": -0.5, "vmax": np.max(y) + 0.5, "cmap": colours}
    axes.imshow(
        regions,
        extent=(left, right, bottom, top),
        origin="lower",
        alpha=0.3,
        aspect="auto",
        interpolation="nearest",
        **limits,
    )
    points = axes.scatter(X[:, 0], X[:, 1], c=y, s=6, **limits)
    handles, _ = points.legend_elements()
    axes.legend(handles, [f"class {k}" for k in np.unique(y)], loc="upper right", fontsize="small")


def image_mosaic(axes: Axes, images: Any, labels: Any) -> None:
    """Draw up to 40 square images, each with the label it was given."""
    side = int(np.sqrt(images.shape[1]))
    across, down = 10, 4
    pad = side + max(2, side // 4)
    sheet = np.zeros((down * pad, across * pad))
    for place, (image, label) in enumerate(zip(images[: across * down], labels, strict=False)):
        top, left = place // across * pad, place % across * pad
        sheet[top : top + side, left : left + side] = image.reshape(side, side)
        axes.text(left + side, top + side, str(label), color="C1", ha="right", va="bottom", fontsize="small")
    axes.imshow(sheet, cmap="gray_r")
