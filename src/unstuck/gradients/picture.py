"""The picture of a gradient check: how far each compared entry is off, over the shape of its block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unstuck.arrays import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXACT = 1e-12
ACROSS = 4
FEW = 2_000


@dataclass(frozen=True)
class BlockPicture:
    """What is drawn of a block.

    Attributes:
        title: above it.
        is_wrong: whether that is red.
        errors: |g - g_num| / the block's largest derivative, (rows, columns), NaN where unknown.
        marked: the rows and columns of entries that are wrong.
    """

    title: str
    is_wrong: bool
    errors: Array
    marked: Sequence[tuple[int, ...]]


def check_figure(verdict: str, blocks: Sequence[BlockPicture]) -> Figure:
    """Draw the errors of all blocks, in powers of ten; grey is what was not compared singly."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    across = min(ACROSS, len(blocks))
    down = -(-len(blocks) // across)
    figure = Figure(figsize=(3.6 * across + 1, 3.6 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False)
    colours = colormaps["viridis"].with_extremes(bad="0.85")
    scale = LogNorm(EXACT, 1.0, clip=True)
    for axes, block in zip(panels.flat, blocks, strict=False):
        errors = block.errors
        image = axes.imshow(np.maximum(errors, EXACT), cmap=colours, norm=scale, aspect="auto", interpolation="nearest")
        if errors.size > FEW:
            rows, columns = np.nonzero(np.isfinite(errors))
            axes.scatter(
                columns, rows, c=errors[rows, columns], cmap=colours, norm=scale, s=12, edgecolors="0.3", lw=0.4
            )
        if block.marked and len(block.marked) < errors.size:
            rows, columns = np.transpose(block.marked)
            axes.scatter(columns, rows, marker="s", s=50, facecolors="none", edgecolors="red")
        axes.set_title(block.title, color="red" if block.is_wrong else "black")
        axes.set_xticks([0, errors.shape[1] - 1] if errors.shape[1] > 1 else [0])
        axes.set_yticks([0, errors.shape[0] - 1] if errors.shape[0] > 1 else [])
    for axes in panels.flat[len(blocks) :]:
        axes.set_axis_off()
    figure.colorbar(image, ax=panels, label="difference / largest derivative of the block")
    figure.suptitle(f"Gradient check: {verdict}; grey was compared along directions only")
    return figure
