"""A diagnosis in the terminal, by rich."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from unstuck.diagnosis import shown
from unstuck.diagnosis.curves import Curve, curves
from unstuck.diagnosis.floors import Floor

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from unstuck.diagnosis.conclusion import Conclusion

WIDTH = 100
HEIGHT = 12
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bits of the 4 x 2 dots of a braille character."""
COLOURS = {"learns": "green", "learns in spite of a fault": "yellow", "needs longer": "yellow"}
CERTAINTIES = {"proven": "bold green", "contributes": "green", "suspected": "yellow"}


def as_text(diagnosis: Conclusion) -> str:
    """Return what `show` prints, without colour, 100 columns wide."""
    from rich.console import Console

    console = Console(file=StringIO(), width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    show(diagnosis, console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # a StringIO
    return "\n".join(line.rstrip() for line in lines)


def show(diagnosis: Conclusion, console: Console) -> None:
    """Print a diagnosis."""
    from rich.panel import Panel
    from rich.text import Text

    colour = COLOURS.get(diagnosis.state, "red")
    title = Text(f" {shown.headline(diagnosis)} ", style="bold")
    console.print(Panel(Text(diagnosis.verdict), title=title, title_align="left", border_style=colour, padding=(1, 2)))
    if diagnosis.evidence is not None:
        _section(console, shown.caption(diagnosis), Text(floor_picture(curves(diagnosis), min(console.width, 140))))
    if shown.causes(diagnosis):
        _section(console, "Why", _findings(diagnosis))
    if diagnosis.code_trials:
        _section(console, "What was tried with the code", _lines(shown.code_trials(diagnosis), ""))
    if diagnosis.lines:
        _section(console, "Lines to change in the code", _lines(diagnosis.lines, "green"))
    if diagnosis.evidence is not None:
        _section(console, "What was measured", _evidence(diagnosis))
    if diagnosis.trials:
        _section(console, "What was tried", _trials(diagnosis, narrow=console.width < WIDTH))
        if shown.left_out(diagnosis):
            console.print(Text(f"  {shown.left_out(diagnosis)}"))
    if diagnosis.changes:
        _section(console, "The cure, as changes of the recipe", _lines(diagnosis.changes, "green"))
    if diagnosis.ruled_out:
        _section(console, "Ruled out", _lines(shown.ruled_out(diagnosis), ""))
    console.print(Text(f"\n{diagnosis.seconds:.1f} seconds", style="dim"))


def floor_picture(drawn: list[Curve], width: int = WIDTH) -> str:
    """Return curves drawn in characters, side by side, with their floors as lines, named beside the first."""
    labels = max((len(_label(floor)) for curve in drawn[:1] for floor in curve.floors), default=0)
    share = (width - labels - 3 * (len(drawn) - 1)) // len(drawn)
    blocks = [_block(curve, share, labels if curve is drawn[0] else 0) for curve in drawn]
    return "\n".join("   ".join(parts).rstrip() for parts in zip(*blocks, strict=True))


def _block(curve: Curve, width: int, labels: int) -> list[str]:
    """Draw one curve: `width` columns with the axis, and `labels` columns of names to their right."""
    ticks = [f"{value:.3g}" for value in np.linspace(curve.top, curve.bottom, HEIGHT)]
    margin = max(len(ticks[k]) for k in (0, HEIGHT // 2, HEIGHT - 1))
    cells = _canvas(curve, width - margin - 2)
    names = _names(curve, labels)
    whole = width + labels
    lines = [_fitted(f"{' ' * margin} {curve.title}", whole)]
    for row, (cell, name) in enumerate(zip(cells, names, strict=True)):
        tick = ticks[row] if row in (0, HEIGHT // 2, HEIGHT - 1) else ""
        lines.append(_fitted(f"{tick:>{margin}}{'┤' if tick else '│'}{cell}{name}", whole))
    last = f"{curve.epochs[-1]:,.0f}" if curve.epochs.size else "0"
    lines.append(_fitted(f"{' ' * margin}└{'─' * (width - margin - 2)}", whole))
    axis = f"0{'epochs':^{max(0, width - margin - 3 - len(last))}}{last}"
    lines.append(_fitted(f"{' ' * margin} {axis}", whole))
    return lines


def _canvas(curve: Curve, width: int) -> list[str]:
    """Return the rows of a braille picture of the curve; where it is not, a floor is a line."""
    bits = np.zeros((HEIGHT, width), dtype=int)
    if curve.epochs.size:
        places = curve.epochs / max(float(curve.epochs[-1]), 1.0) * (2 * width - 1)
        columns = np.arange(int(places[0]), int(places[-1]) + 1)
        heights = np.interp(columns, places, curve.losses)
        ups = (heights - curve.bottom) / (curve.top - curve.bottom) * (4 * HEIGHT - 1)
        downs = np.clip(np.rint(4 * HEIGHT - 1 - ups), -1, 4 * HEIGHT - 1).astype(int)
        previous = downs[0]
        for column, down in zip(columns, downs, strict=True):
            low, high = sorted((previous, down))
            for dot in range(max(0, low), high + 1):
                bits[dot // 4, column // 2] |= DOTS[dot % 4, column % 2]
            previous = down
    floors = {_row(curve, floor.loss) for floor in curve.floors}
    return [
        "".join(chr(0x2800 + bit) if bit else "┈" if row in floors else " " for bit in line)
        for row, line in enumerate(bits)
    ]


def _names(curve: Curve, width: int) -> list[str]:
    """Return a name beside each floor's row, or the next free one below it, or above."""
    names = [""] * HEIGHT
    if not width:
        return names
    for floor in curve.floors:
        row = _row(curve, floor.loss)
        if row is None:
            continue
        free = [k for k in (*range(row, HEIGHT), *range(row, -1, -1)) if not names[k]]
        if free:
            names[free[0]] = _label(floor)
    return names


def _label(floor: Floor) -> str:
    return f" {floor.name} {shown.number(floor.loss)}"


def _row(curve: Curve, loss: float) -> int | None:
    up = (loss - curve.bottom) / (curve.top - curve.bottom)
    return round((1 - up) * (4 * HEIGHT - 1)) // 4 if 0 <= up <= 1 else None


def _fitted(line: str, width: int) -> str:
    return f"{line:<{width}}"[:width]


def _section(console: Console, title: str, content: RenderableType) -> None:
    from rich.text import Text

    console.print(Text(f"\n{title}", style="bold"))
    console.print(content)


def _lines(lines: tuple[str, ...], style: str) -> Table:
    from rich.text import Text

    table = _plain_table()
    for line in lines:
        table.add_row(Text("·"), Text(line, style=style))
    return table


def _findings(diagnosis: Conclusion) -> Table:
    from rich.text import Text

    table = _plain_table()
    for finding in shown.causes(diagnosis):
        style = CERTAINTIES[finding.certainty]
        table.add_row(Text(finding.certainty, style=style), Text(finding.text, style=style))
        for line in finding.evidence:
            table.add_row("", Text(line, style="dim"))
    return table


def _evidence(diagnosis: Conclusion) -> Table:
    from rich.text import Text

    table = _plain_table()
    table.columns[1].justify = "right"
    table.add_column(overflow="fold")
    last = ""
    for name, value, beside in shown.evidence_rows(diagnosis.measured):
        name, last = "" if name == last else name, name
        table.add_row(Text(name), Text(value, style="bold"), Text(beside))
    return table


def _trials(diagnosis: Conclusion, narrow: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    name = shown.metric_name(diagnosis.measured.problem)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("change", ratio=1)
    table.add_column(f"median {name}", justify="right", min_width=len("0.000 -> 0.000"))
    table.add_column("interval", justify="right", no_wrap=True)
    table.add_column("learned", justify="right", no_wrap=True)
    if not narrow:
        table.add_column("p", justify="right", no_wrap=True)
    table.add_column("verdict")
    for row in shown.trial_rows(diagnosis):
        style = "bold green" if row.proven else "dim" if row.plain else ""
        p = () if narrow else (row.p,)
        cells = (row.change, f"{row.before} -> {row.after}", row.interval, row.learned, *p, row.verdict)
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return table


def _plain_table() -> Table:
    """Return a table without lines of two columns, the second of which is wrapped."""
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table
