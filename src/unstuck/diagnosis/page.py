"""A diagnosis as one page of HTML that needs no other file: tables and figures, for light and dark screens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

from unstuck.diagnosis import shown
from unstuck.diagnosis.curves import curves
from unstuck.diagnosis.figures import floor_figure, layers_figure, rates_figure, trials_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from unstuck.diagnosis.conclusion import Conclusion

STYLE = """
:root { color-scheme: light dark; --good: #1a7f37; --bad: #b3400f; --dim: #666; --line: #d5d5d5; --back: #f5f5f3; }
@media (prefers-color-scheme: dark) {
  :root { --good: #57c785; --bad: #ff9d6b; --dim: #a5a5a5; --line: #444; --back: #222; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       background: Canvas; color: CanvasText; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
header { border-left: .4rem solid var(--bad); background: var(--back); padding: 1rem 1.3rem; border-radius: .3rem; }
header.learns { border-color: var(--good); } header p { margin: 0; }
figure { margin: .5rem 0; overflow-x: auto; } figcaption, .dim { color: var(--dim); font-size: .9rem; }
svg { max-width: 100%; height: auto; fill: currentColor; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
tr.proven td { color: var(--good); font-weight: 600; } tr.plain td { color: var(--dim); }
td.indented { padding-left: 1.5rem; }
code { font-size: .9rem; } li { margin: .2rem 0; }
li, p, code { overflow-wrap: anywhere; }
@media (max-width: 48rem) {  /* a small screen: figures and tables keep a size to read, and scroll to the side */
  body { margin: 1rem auto; } ul { padding-left: 1.2rem; }
  svg { min-width: 42rem; } table { min-width: 36rem; } th.number { white-space: normal; }
  figure, .wide { border: 1px solid var(--line); border-radius: .3rem; padding: .4rem; }
}
.certainty { font-weight: 600; } .proven, .contributes { color: var(--good); } .suspected { color: var(--bad); }
"""


def as_page(diagnosis: Conclusion) -> str:
    """Return the page."""
    state = shown.headline(diagnosis)
    parts = [
        f'<header class="{"learns" if diagnosis.state == "learns" else "fault"}"><h1>{escape(state)}</h1>'
        f"<p>{escape(diagnosis.verdict)}</p></header>",
        _floors(diagnosis) if diagnosis.evidence is not None else "",
        _why(diagnosis),
        _code(diagnosis),
        _cure(diagnosis),
        _tried(diagnosis) if diagnosis.evidence is not None else "",
        _measured(diagnosis) if diagnosis.evidence is not None else "",
        _reasons(diagnosis),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(state)}: diagnosis</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f'<footer class="dim"><p>unstuck, {diagnosis.seconds:.1f} seconds</p></footer>\n</body>\n</html>\n'
    )


def _floors(diagnosis: Conclusion) -> str:
    caption = shown.caption(diagnosis)
    floors = ", ".join(f"{floor.name} {shown.number(floor.loss)}" for floor in diagnosis.measured.floors)
    figure = _figure(floor_figure(curves(diagnosis)), f"Training loss over the epochs. {caption} Floors: {floors}.")
    explained = "Dashed lines are floors: losses that some limited predictor reaches without what the network could do."
    return f"<h2>The training loss and its floors</h2>\n{figure}\n{_paragraph(f'{caption} {explained}')}"


def _why(diagnosis: Conclusion) -> str:
    items = []
    for finding in shown.causes(diagnosis):
        evidence = "".join(f'<br><span class="dim">{escape(line)}</span>' for line in finding.evidence)
        kind = f'<span class="certainty {finding.certainty}">{escape(finding.certainty)}:</span>'
        items.append(f"<li>{kind} {escape(finding.text)}{evidence}</li>")
    return f"<h2>Why</h2>\n<ul>\n{_joined(items)}</ul>" if items else ""


def _code(diagnosis: Conclusion) -> str:
    parts = []
    if diagnosis.code_trials:
        items = [f"<li>{escape(line)}</li>" for line in shown.code_trials(diagnosis)]
        parts.append(f"<h2>What was tried with the code</h2>\n<ul>\n{_joined(items)}</ul>")
    if diagnosis.lines:
        items = [f"<li><code>{escape(line)}</code></li>" for line in diagnosis.lines]
        parts.append(f"<h2>Lines to change in the code</h2>\n<ul>\n{_joined(items)}</ul>")
    return "\n".join(parts)


def _cure(diagnosis: Conclusion) -> str:
    if not diagnosis.changes:
        return ""
    items = [f"<li><code>{escape(change)}</code></li>" for change in diagnosis.changes]
    return f"<h2>The cure, as changes of the recipe</h2>\n<ul>\n{_joined(items)}</ul>"


def _tried(diagnosis: Conclusion) -> str:
    figure = trials_figure(diagnosis)
    if figure is None:
        return ""
    name = shown.metric_name(diagnosis.measured.problem)
    rows = shown.trial_rows(diagnosis)
    head = ("change", f"median {name} before", "after", "interval", "learned", "p", "verdict")
    best = f"The best: {rows[0].change}, {name} {rows[0].before} before and {rows[0].after} after."
    table = _table(
        head,
        [(row.change, row.before, row.after, row.interval, row.learned, row.p, row.verdict) for row in rows],
        numbers=(1, 2, 4, 5),
        classes=["proven" if row.proven else "plain" if row.plain else "" for row in rows],
    )
    note = (
        "One training a seed. The interval is from the smallest to the largest; learned counts the seeds from which "
        "it learned, before and after; p is that of the Mann-Whitney U test against the untreated recipe. "
        + shown.left_out(diagnosis)
    )
    alt = f"{name} of each trial from each seed, before and after, beside the goal. {best}"
    return f"<h2>What was tried</h2>\n{_figure(figure, alt)}\n{table}\n{_paragraph(note)}"


def _measured(diagnosis: Conclusion) -> str:
    evidence = diagnosis.measured
    rows = shown.evidence_rows(evidence)
    parts = ["<h2>What was measured</h2>", _table(("", "value", "beside it"), rows, numbers=(1,))]
    rates = rates_figure(evidence)
    if rates is not None and evidence.rates is not None:
        alt = f"Loss after {evidence.rates.updates} updates by learning rate; best {shown.number(evidence.rates.best)}."
        parts += ["<h2>Learning rates</h2>", _figure(rates, alt)]
    standing = "; ".join(shown.outstanding(evidence)) or "nothing stands out"
    parts += ["<h2>Layers</h2>", _figure(layers_figure(evidence), f"Signals of each layer, start and end: {standing}.")]
    head, of_layers = shown.layer_table(evidence)
    note = (
        "Gradient and penalty are root mean squares over the weights. The noise scale is the number of rows to an "
        "update at which the noise of the gradient is as large as the gradient (inf: it is not told from 0). Update is "
        "the size of one of the first updates beside that of the parameters."
    )
    parts += [_table(head, of_layers, numbers=range(2, len(head))), _paragraph(note)]
    return "\n".join(parts)


def _reasons(diagnosis: Conclusion) -> str:
    items = [f"<li>{escape(line)}</li>" for line in shown.ruled_out(diagnosis)]
    return f"<h2>Ruled out</h2>\n<ul>\n{_joined(items)}</ul>" if items else ""


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int], classes: Sequence[str] | None = None
) -> str:
    kinds = ["number" if k in numbers else "" for k in range(len(head))]
    header = "".join(_cell("th", kind, text) for kind, text in zip(kinds, head, strict=True))
    lines = []
    for place, row in enumerate(rows):
        indented = [("indented" if text.startswith("  ") else kind) for kind, text in zip(kinds, row, strict=True)]
        cells = "".join(_cell("td", kind, text.strip()) for kind, text in zip(indented, row, strict=True))
        lines.append(f"<tr{_class(classes[place] if classes else '')}>{cells}</tr>\n")
    return f'<div class="wide"><table>\n<tr>{header}</tr>\n{"".join(lines)}</table></div>'


def _cell(tag: str, kind: str, text: str) -> str:
    return f"<{tag}{_class(kind)}>{escape(text)}</{tag}>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _joined(items: Iterable[str]) -> str:
    return "".join(f"{item}\n" for item in items)


def _paragraph(text: str) -> str:
    return f'<p class="dim">{escape(text.strip())}</p>'


def _figure(figure: Figure, alt: str) -> str:
    """Return a figure as SVG in the page: black becomes the colour of the text, everything has its own ids."""
    from matplotlib import rc_context

    buffer = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": alt}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"(stroke|fill): #000000", r"\1: currentColor", svg)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)
    return f"<figure>{svg.strip()}</figure>"
