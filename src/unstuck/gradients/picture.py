"""The picture of a gradient check: how far each compared entry is off, over the shape of its block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unstuck.gradients.comparisons import BlockCheck, GradientCheck

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXACT = 1e-12
ACROSS = 4
FEW = 2_000


def check_figure(check: GradientCheck) -> Figure:
    """Draw |g - g_num| / largest derivative of the block, in powers of ten; grey is what was not compared singly."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    across = min(ACROSS, len(check.blocks))
    down = -(-len(check.blocks) // across)
    figure = Figure(figsize=(3.6 * across + 1, 3.6 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False)
    colours = colormaps["viridis"].with_extremes(bad="0.85")
    scale = LogNorm(EXACT, 1.0, clip=True)
    for axes, block in zip(panels.flat, check.blocks, strict=False):
        errors = error_picture(block)
        image = axes.imshow(errors, cmap=colours, norm=scale, aspect="auto", interpolation="nearest")
        if errors.size > FEW:
            rows, columns = np.nonzero(np.isfinite(errors))
            axes.scatter(
                columns, rows, c=errors[rows, columns], cmap=colours, norm=scale, s=12, edgecolors="0.3", lw=0.4
            )
        wrong = [np.unravel_index(one.place, errors.shape) for one in block.wrong_entries if one.place is not None]
        if wrong and len(wrong) < errors.size:
            rows, columns = np.transpose(wrong)
            axes.scatter(columns, rows, marker="s", s=50, facecolors="none", edgecolors="red")
        axes.set_title(
            f"{block.name} {block.shape}: {block.verdict}", color="red" if block.verdict == "WRONG" else "black"
        )
        axes.set_xticks([0, errors.shape[1] - 1] if errors.shape[1] > 1 else [0])
        axes.set_yticks([0, errors.shape[0] - 1] if errors.shape[0] > 1 else [])
    for axes in panels.flat[len(check.blocks) :]:
        axes.set_axis_off()
    figure.colorbar(image, ax=panels, label="difference / largest derivative of the block")
    figure.suptitle(f"Gradient check: {check.verdict}; grey was compared along directions only")
    return figure


def error_picture(block: BlockCheck) -> np.ndarray:
    """Return the difference of each entry over the block's largest derivative, (rows, columns), NaN where unknown."""
    size = max(int(np.prod(block.shape)), 1)
    picture = np.full(size, np.nan)
    singles = [one for one in block.comparisons if one.place is not None]
    largest = max((one.size for one in singles if np.isfinite(one.size)), default=0.0) or 1.0
    for one in singles:
        picture[one.place] = np.clip(one.difference / largest, EXACT, 1.0)
    return picture.reshape(
        block.shape if len(block.shape) == 2 else (1, -1) if len(block.shape) < 2 else (block.shape[0], -1)
    )
