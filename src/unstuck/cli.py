"""The command `unstuck`."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import unstuck
from unstuck.cli_errors import reports_errors
from unstuck.errors import FileError, OptionError

if TYPE_CHECKING:
    from rich.console import Console

    from unstuck.cases import Case

PATH = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(unstuck.__version__, message="unstuck %(version)s")
def main() -> None:
    """Train multilayer perceptrons, and find out why one does not learn."""


json_option = click.option(
    "--json", "json_path", metavar="PATH", help="Write the results as JSON; - is standard output."
)
task_option = click.option(
    "--task", type=click.Choice(["classification", "regression"]), help="What to do. [default: as the target looks]"
)
recipe_option = click.option("--recipe", "recipe_path", type=PATH, help="A recipe in TOML, instead of the default one.")
set_option = click.option(
    "--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Change a field: optimizer.learning_rate=0.01"
)

leave_out_option = click.option(
    "--leave-out", multiple=True, metavar="COLUMN", help="A column that is no feature; may be given several times."
)


@main.command()
@click.argument("data", type=PATH)
@click.option("--target", required=True, metavar="COLUMN", help="The column to predict.")
@leave_out_option
@task_option
@recipe_option
@set_option
@click.option(
    "--test-fraction", default=0.2, show_default=True, type=click.FloatRange(0, 1, max_open=True), help="Rows held out."
)
@click.option("--out", type=PATH, help="The new folder for the run. [default: runs/NAME-COLUMN]")
@json_option
@reports_errors
def train(
    data: Path,
    target: str,
    leave_out: tuple[str, ...],
    task: Literal["classification", "regression"] | None,
    recipe_path: Path | None,
    settings: tuple[str, ...],
    test_fraction: float,
    out: Path | None,
    json_path: str | None,
) -> None:
    """Train a network on the rows of DATA (CSV, Parquet or NPZ), measure it on held-out rows, and keep the run."""
    from unstuck.drawing import save_figure
    from unstuck.recipe import Recipe
    from unstuck.reports.terminal import loss_curve, training_table
    from unstuck.tabular import train_table

    _check_outputs(json_path)
    name = f"{data.name.split('.')[0]}-{target}"
    folder = out or _free_folder(Path("runs") / re.sub(r"[/\\]", "-", name))
    outcome = train_table(
        data,
        target,
        folder,
        task=task,
        recipe=Recipe.load(recipe_path) if recipe_path else None,
        settings=_parsed(settings),
        test_fraction=test_fraction,
        leave_out=leave_out,
    )
    save_figure(outcome.run.plot(), folder / "curve.png")
    console = _console(json_path)
    if len(outcome.run.history) > 1:
        console.print(loss_curve(outcome.run.history), highlight=False, markup=False)
    console.print(training_table(outcome, target, folder))
    _write_json(json_path, outcome.to_data() | {"run": str(folder)})


@main.command()
@click.argument("run", type=PATH)
@click.argument("data", type=PATH)
@click.option("--out", type=PATH, help="A CSV file for the predictions, instead of standard output.")
@json_option
@reports_errors
def predict(run: Path, data: Path, out: Path | None, json_path: str | None) -> None:
    """Predict the rows of DATA with the network kept in the folder RUN."""
    from unstuck.tabular import predict_table

    _check_outputs(json_path, out)
    if run.is_file() and data.is_dir():
        raise OptionError(f"{run} is a file and {data} a folder; the run comes first: unstuck predict {data} {run}")
    predictions = predict_table(run, data)
    if out is not None:
        from unstuck.files import write_whole

        write_whole(out, predictions.write_csv().encode())
        _console(json_path).print(f"{len(predictions):,} predictions in {out}", markup=False)
    elif json_path is None:
        click.echo(predictions.write_csv().encode(), nl=False)
    _write_json(json_path, {"predictions": predictions.to_dicts()})


@main.command()
@click.argument("run", type=PATH)
@click.option("--onnx", type=PATH, help="An ONNX file.")
@click.option("--pytorch", type=PATH, help="A Python file with a PyTorch module.")
@click.option("--numpy", type=PATH, help="A Python file with the forward pass in NumPy.")
@reports_errors
def export(run: Path, onnx: Path | None, pytorch: Path | None, numpy: Path | None) -> None:
    """Write the network kept in the folder RUN as something that predicts without unstuck."""
    from unstuck.exports.numpy_source import export_numpy
    from unstuck.exports.onnx import export_onnx
    from unstuck.exports.pytorch import export_pytorch
    from unstuck.run import Run

    exports = [(export_onnx, onnx), (export_pytorch, pytorch), (export_numpy, numpy)]
    wanted = [(write, path) for write, path in exports if path is not None]
    if not wanted:
        raise OptionError("nothing to write; say what: --onnx net.onnx, --pytorch net.py or --numpy net.py")
    if pytorch is not None and pytorch == numpy:
        raise OptionError(f"--pytorch and --numpy are both {pytorch}; give each a name of its own")
    _check_outputs(None, *(path for _, path in wanted))
    loaded = Run.load(run)
    for write, path in wanted:
        write(loaded, path)
        _console(None).print(f"{path}", markup=False, highlight=False)


@main.command()
@click.argument("numbers", nargs=-1, type=click.IntRange(1, 5))
@click.option("--out", type=PATH, default=Path("cases"), show_default=True, help="A folder for the pictures.")
@click.option("--mnist", type=PATH, help="A folder with MNIST's four IDX files, for case 5.")
@json_option
@reports_errors
def cases(numbers: tuple[int, ...], out: Path, mnist: Path | None, json_path: str | None) -> None:
    """Run the five networks that did not learn (or the NUMBERS of some): as they were, cured, and diagnosed."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from unstuck.cases import CASES, case5_mnist, run_cases
    from unstuck.cases.proof import prove
    from unstuck.drawing import save_figure
    from unstuck.reports.pictures import case_figure
    from unstuck.reports.terminal import cases_table, proof_panel

    _check_outputs(json_path, *(out / f"case{number}.png" for number in numbers or CASES))
    console = _console(json_path)
    chosen = sorted(set(numbers or CASES))
    note = case5_mnist.use_mnist(mnist) if 5 in chosen else ""
    if note:
        console.print(note, markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("trainings")
        outcomes = run_cases(
            chosen, begun=lambda total: progress.update(task, total=total), advanced=lambda: progress.advance(task)
        )
    console.print(cases_table(CASES, outcomes))
    for number, trainings in outcomes.items():
        save_figure(case_figure(CASES[number], trainings), out / f"case{number}.png")
    pictures = ", ".join(str(out / f"case{number}.png") for number in outcomes)
    console.print(f"Pictures: {pictures}", markup=False)
    proofs = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for number in progress.track(chosen, description="diagnoses"):
            proofs[number] = prove(CASES[number])
            progress.console.print(proof_panel(CASES[number], proofs[number]))
    _write_json(
        json_path,
        [
            {
                "id": number,
                **{name: outcome.to_data() for name, outcome in trainings.items()},
                "proof": proofs[number].to_data(),
                "seconds": round(sum(outcome.seconds for outcome in trainings.values()), 3),
            }
            for number, trainings in outcomes.items()
        ],
    )


@main.command()
@click.argument("network", metavar="FILE.py[:NAME]")
@click.option("--activations", help="Of the layers, where you want no others tried: tanh,sigmoid")
@click.option("--loss", help="Where you want no other tried: binary_crossentropy")
@click.option("--picture", type=PATH, help="A PNG of the error over each block.")
@json_option
@reports_errors
def gradcheck(
    network: str, activations: str | None, loss: str | None, picture: Path | None, json_path: str | None
) -> None:
    """Check the gradient of a network in your own Python file, and name the mistake in it.

    NAME is a HandWritten, a function that returns one, or an object; without it, the file itself has parameters, loss,
    gradient, X and y. The file is your own code, and is run. Exits with 1 when the gradient is wrong, and
    with 3 when it cannot be judged.
    """
    from unstuck.drawing import save_figure
    from unstuck.gradients.check import check_gradient
    from unstuck.gradients.forensics.explain import explain_gradient
    from unstuck.subjects.from_file import load_subject

    _check_outputs(json_path, picture)
    subject = load_subject(network)
    console = _console(json_path)
    check = check_gradient(subject)
    console.print(str(check), markup=False, highlight=False, soft_wrap=True)
    explained = explain_gradient(subject, activations and [kind.strip() for kind in activations.split(",")], loss)
    if explained.obstacle != " ".join(check.notes) or not explained.obstacle:  # else the table's notes have said it
        told = replace(explained, notes=tuple(note for note in explained.notes if note not in check.notes))
        console.print(f"\n{told}", markup=False, highlight=False, soft_wrap=True)
    if picture is not None:
        save_figure(check.plot(), picture)
        console.print(f"Picture: {picture}", markup=False)
    _write_json(json_path, {**check.to_data(), "explanation": explained.to_data()})
    if check.verdict == "WRONG" or explained.wrong:
        sys.exit(1)
    if explained.obstacle or (check.verdict == "?" and explained.recognised is None):
        sys.exit(3)


@main.command()
@click.argument("subject")
@click.option("--data", type=PATH, help="The rows, for a run. [default: those it was trained on]")
@click.option("--target", metavar="COLUMN", help="The column to predict. Required for a table.")
@leave_out_option
@task_option
@recipe_option
@set_option
@click.option("--budget", type=float, metavar="SECONDS", help="How long it may take, about.")
@click.option("--html", "html_path", type=PATH, help="One page with tables and figures.")
@json_option
@reports_errors
def why(
    subject: str,
    data: Path | None,
    target: str | None,
    leave_out: tuple[str, ...],
    task: Literal["classification", "regression"] | None,
    recipe_path: Path | None,
    settings: tuple[str, ...],
    budget: float | None,
    html_path: Path | None,
    json_path: str | None,
) -> None:
    """Find out why a network does not learn, and what makes it.

    SUBJECT is a table of rows (CSV, Parquet or NPZ), which a recipe is to learn; the folder of a run; a network of your
    own, FILE.py or FILE.py:NAME; or one of the five cases, case:1 to case:5. Exits with 1 when it does not learn.
    """
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from unstuck.diagnosis.diagnose import diagnose
    from unstuck.diagnosis.text import show
    from unstuck.files import write_whole

    _check_outputs(json_path, html_path)
    diagnosed = _subject(
        subject, data, target, leave_out=leave_out, task=task, recipe_path=recipe_path, settings=settings
    )
    console = _console(json_path)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task("measuring, and trying changes")
        diagnosis = diagnose(*diagnosed, **_training(subject), budget=budget, progress=False)
    if console.is_terminal:
        show(diagnosis, console)
    else:
        console.print(str(diagnosis), markup=False, highlight=False, soft_wrap=True)
    if html_path is not None:
        write_whole(html_path, diagnosis.to_html().encode())
        console.print(f"Page: {html_path}", markup=False)
    _write_json(json_path, diagnosis.to_data())
    if diagnosis.interrupted:
        raise KeyboardInterrupt  # all of it is shown and written
    if diagnosis.state != "learns":
        sys.exit(1)


def _subject(
    subject: str,
    data: Path | None,
    target: str | None,
    *,
    leave_out: tuple[str, ...],
    task: Literal["classification", "regression"] | None,
    recipe_path: Path | None,
    settings: tuple[str, ...],
) -> tuple[Any, ...]:
    """Return what `diagnose` is to be given: a recipe, X and y; or a network somebody wrote."""
    from unstuck.data.content import existing
    from unstuck.recipe import Recipe
    from unstuck.tabular import read_problem, read_run

    path = Path(subject)
    if not (path.exists() or path.suffix or subject.startswith("case:") or ".py:" in subject):
        raise FileError(f"there is no {subject}, neither a file of rows nor the folder of a run")
    is_table = not (subject.startswith("case:") or path.is_dir() or re.search(r"\.py(:\w+)?$", subject))
    options = {"--target": target, "--leave-out": leave_out, "--task": task, "--recipe": recipe_path}
    options |= {"--set": settings, "--data": data}
    fitting = list(options)[:5] if is_table else ["--data", "--target"] if path.is_dir() else []
    given = [name for name, value in options.items() if value and name not in fitting]
    if given:
        what = "a table of rows" if is_table else "a run" if path.is_dir() else subject
        raise OptionError(f"{', '.join(given)} cannot be combined with {what}: unstuck why --help")
    if subject.startswith("case:"):
        return _case(subject).subject()
    if path.is_dir():
        return read_run(path, data, target)
    if not is_table:
        from unstuck.subjects.from_file import load_subject

        return (load_subject(subject),)
    existing(path)
    if target is None:
        raise OptionError(f"which column of {subject} is to be predicted? Add --target COLUMN")
    recipe = Recipe.load(recipe_path) if recipe_path else None
    return read_problem(path, target, task=task, recipe=recipe, settings=_parsed(settings), leave_out=leave_out)


def _training(subject: str) -> dict[str, Any]:
    """Return how the hand-written network of a case was trained."""
    return _case(subject).training if subject.startswith("case:") else {}


def _case(name: str) -> Case:
    from unstuck.cases import CASES

    number = name.removeprefix("case:")
    case = CASES.get(int(number)) if number.isdecimal() else None
    if case is None:
        raise OptionError(f"there is no {name}; the cases are case:1 to case:{len(CASES)}")
    return case


def _parsed(settings: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings as data: a value is what TOML makes of it, or else text, or None for a field that may be."""
    import tomllib

    from unstuck.description import optional_fields

    parsed: dict[str, Any] = {}
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals or not field:
            raise OptionError(f"--set takes FIELD=VALUE, as in --set epochs=50; got {setting!r}")
        field, value = field.strip(), value.strip()
        if value.strip("\"'").lower() == "none" and field.rpartition(".")[2] in optional_fields():
            parsed[field] = None
            continue
        try:
            parsed[field] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            parsed[field] = value
    return parsed


def _free_folder(wish: Path) -> Path:
    """Return the wish, or the wish with the first number that is not taken."""
    taken = 1
    folder = wish
    while folder.exists():
        taken += 1
        folder = wish.with_name(f"{wish.name}-{taken}")
    return folder


def _check_outputs(json_path: str | None, *others: Path | None) -> None:
    """Refuse files that cannot be written before anything is computed for them."""
    from unstuck.files import check_writable

    json_file = None if json_path in (None, "-") else Path(json_path)
    for path in filter(None, (json_file, *others)):
        check_writable(path)


def _write_json(path: str | None, data: Any) -> None:
    if path is None:
        return
    from unstuck.files import as_json, write_whole

    text = as_json(data)
    if path == "-":
        click.echo(text, nl=False)
    else:
        write_whole(Path(path), text.encode())


def _console(json_path: str | None) -> Console:
    """Return where people read: standard output, unless that is kept for JSON."""
    from rich.console import Console

    stream = sys.stderr if json_path == "-" else sys.stdout
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")  # a curve of question marks is better than none
    return Console(file=stream)
