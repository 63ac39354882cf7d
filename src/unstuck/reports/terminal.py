"""Tables and curves in the terminal, by rich and plotext."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from unstuck.drawing import drawable

if TYPE_CHECKING:
    from pathlib import Path

    from rich.panel import Panel
    from rich.table import Table

    from unstuck.cases import Case, Outcome
    from unstuck.cases.proof import Proof
    from unstuck.history import History
    from unstuck.tabular import TableOutcome

NAMES = {"as_was": "as it was", "cured": "cured"}


def loss_curve(history: History, width: int = 76, height: int = 16) -> str:
    """Return the loss curves drawn in characters, 0 on the y axis."""
    import plotext

    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, height)
    lowest = highest = 0.0
    for column, label, marker in (("loss", "training loss", "braille"), ("validation_loss", "validation loss", "•")):
        if column in history:
            shown = drawable(history[column])
            x, y = history["epoch"][shown].tolist(), history[column][shown].tolist()
            figure.draw(figure.signal(x, y, marker=marker).label(label).lines())
            lowest, highest = min([lowest, *y]), max([highest, *y])
    figure.ruler("y").lim(lowest * 1.05, highest * 1.05 if highest > lowest else 1.0)
    figure.legend(x=width - 10, ha="right")
    figure.label("epoch", "x")
    return plotext.uncolorize(str(figure.build()))


def training_table(outcome: TableOutcome, target: str, folder: Path) -> Table:
    """Return what there is to say about a training on a table."""
    from rich.markup import escape
    from rich.table import Table

    run = outcome.run
    layers = [str(run.network.inputs), *(f"{layer.outputs} {layer.activation.kind}" for layer in run.network.dense)]
    title = escape(f"{outcome.task} of {target!r}")
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None)
    table.add_row("rows", f"{outcome.train_rows:,} to train on, {outcome.test_rows:,} held out")
    table.add_row("network", " - ".join(layers))
    for name, value in outcome.metrics.items():
        constant = f"(the best constant: {_number(outcome.constant[name])})"
        table.add_row(f"held-out {name}", f"[bold]{_number(value)}[/]   {constant}")
    table.add_row(
        "stopped by", f"{run.stopped}{f': {run.failure}' if run.failure else ''}; best epoch {run.best_epoch}"
    )
    table.add_row("seconds", f"{run.seconds:.1f}")
    table.add_row("kept in", escape(f"{folder}/"))
    if outcome.naming:
        options = " ".join(f"--leave-out {shlex.quote(name)}" for name in outcome.naming)
        names = ", ".join(map(repr, outcome.naming))
        what = "names rows" if len(outcome.naming) == 1 else "name rows"
        table.add_row("[yellow]note[/]", escape(f"{names} {what} and can tell nothing of new ones: {options}"))
    return table


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"


def cases_table(cases: Mapping[int, Case], outcomes: Mapping[int, Mapping[str, Outcome]]) -> Table:
    """Return the table of all cases: what each had, where its cost stood, what the cure reached, seconds."""
    from rich.table import Table

    table = Table(title="Five networks that did not learn", title_style="bold", show_lines=False)
    table.add_column("case", justify="right")
    table.add_column("training")
    table.add_column("cost", justify="right")
    table.add_column("what came of it", ratio=1)
    table.add_column("seconds", justify="right")
    for number, trainings in outcomes.items():
        case = cases[number]
        table.add_section()
        table.add_row(f"[bold]{number}[/]", f"[bold]{case.title}[/]", "", f"[italic]{case.fault}[/]", "")
        for name, outcome in trainings.items():
            shown = NAMES.get(name, name.replace("_", " "))
            style = {"as_was": "red", "cured": "green"}.get(name, "")
            table.add_row("", shown, f"{outcome.loss:.6g}", outcome.summary, f"{outcome.seconds:.1f}", style=style)
    return table


def proof_panel(case: Case, proof: Proof) -> Panel:
    """Return what the experiments say of a case: the verdict, the cure, and what each change in its post does."""
    from rich.console import Group
    from rich.markup import escape
    from rich.panel import Panel
    from rich.table import Table

    from unstuck.diagnosis.shown import shortened

    diagnosis = proof.diagnosis
    assert diagnosis.evidence is not None
    problem = diagnosis.evidence.problem
    table = Table(box=None, title="What the post offers, tried", title_justify="left", title_style="bold")
    for title in ("change", f"median {problem.metric.replace('_', ' ')}", "seeds that learn"):
        table.add_column(title, justify="left" if title == "change" else "right")
    table.add_column("")
    for trial in proof.offered:
        learned = round(trial.learned * len(trial.after))
        judged = "learns" if trial.reliable else "learns from some" if trial.succeeded else "does NOT make it learn"
        style = "green" if trial.reliable else "" if trial.succeeded else "red"
        score = f"{problem.in_metric(trial.median):.3f}"
        table.add_row(escape(trial.treatment.text), score, f"{learned} of {len(trial.after)}", judged, style=style)
    changes = [f"  {escape(change)}" for change in diagnosis.changes]
    cure = ["[bold]What makes it learn[/]", *changes, ""] if changes else []
    cut = shortened(diagnosis.evidence)
    longer = f"unstuck why case:{case.id} --budget 60"
    note = [f"[yellow]Shortened:[/] {escape(cut)}. With more time: {longer}", ""]
    title = f"Case {case.id}. {escape(case.title)}"
    return Panel(
        Group(escape(diagnosis.verdict), "", *(note if cut else []), *cure, table), title=title, title_align="left"
    )
