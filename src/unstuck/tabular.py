"""From a file of rows to a trained network and an honest number, and from a run to predictions: the commands' work."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from unstuck.data.inputs import Inputs
from unstuck.data.readers import read_features, read_features_and_target
from unstuck.data.row_names import columns_that_name_rows
from unstuck.data.targets import Targets
from unstuck.errors import FileError, OptionError
from unstuck.files import check_writable, read_whole, write_whole
from unstuck.functions.activations import Identity, ReLU, Softmax
from unstuck.functions.losses import CategoricalCrossEntropy, SquaredError
from unstuck.metrics import evaluate
from unstuck.recipe import Dense, EarlyStopping, Recipe
from unstuck.run import Run
from unstuck.training.prepare import matched, part_rows
from unstuck.training.train import train

if TYPE_CHECKING:
    import polars

MOST_CLASSES = 20
"""Integers with more distinct values than this are numbers to predict, not classes."""

SOURCE = "source.toml"
"""In a run's folder, the file and the column it was trained on."""

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class TableOutcome:
    """A run on a table's rows. `metrics` are of the held-out rows, `constant` those of the best constant prediction."""

    run: Run
    task: Task
    train_rows: int
    test_rows: int
    metrics: dict[str, float]
    constant: dict[str, float]
    naming: tuple[str, ...] = ()
    """Features that name rows: an index, or a name of its own for each row."""

    def to_data(self) -> dict[str, Any]:
        """Return plain data, with stable names."""
        return {
            "task": self.task,
            "train_rows": self.train_rows,
            "test_rows": self.test_rows,
            "metrics": self.metrics,
            "constant": self.constant,
            "loss": float(self.run.history["loss"][-1]) if len(self.run.history) else None,
            "stopped": self.run.stopped,
            "best_epoch": self.run.best_epoch,
            "seconds": round(self.run.seconds, 3),
            "naming_rows": list(self.naming),
            "recipe": self.run.recipe.to_data(),
        }


def train_table(
    path: Path,
    target: str,
    folder: Path,
    *,
    task: Task | None = None,
    recipe: Recipe | None = None,
    settings: Mapping[str, Any] | None = None,
    test_fraction: float = 0.2,
    leave_out: Sequence[str] = (),
) -> TableOutcome:
    """Train on the rows of a file, measure on held-out ones, and keep the run in a new folder.

    Args:
        path: CSV, Parquet or NPZ.
        target: the column to predict.
        folder: where the run goes.
        task: None lets the target decide: text, true/false and integers of few values are classes.
        recipe: None takes `default_recipe`.
        settings: fields of the recipe to change, by their dotted paths.
        test_fraction: share of the rows that neither training nor early stopping sees.
        leave_out: columns that are no features.

    Raises:
        UnstuckError: when file, data, recipe and settings do not fit; nothing is written then.
    """
    if not 0 <= test_fraction < 1:
        raise OptionError(f"test_fraction is {test_fraction}; it must be at least 0 and less than 1")
    if folder.exists():
        raise FileError(f"{folder} exists already; choose another name with --out, or remove it first")
    check_writable(folder)
    recipe, X, y = read_problem(path, target, task=task, recipe=recipe, settings=settings, leave_out=leave_out)
    kept, held = np.arange(len(y)), np.arange(0)
    if test_fraction:
        kept, held = part_rows(recipe, X, y, test_fraction, "--test-fraction")
    run = train(recipe, X[kept], y[kept])
    run.save(folder)
    _write_source(folder, path, target, leave_out)
    metrics, constant = {}, {}
    if test_fraction:
        metrics = run.evaluate(X[held], y[held])
        constant = _constant_metrics(tuple(metrics), y[kept], y[held], classes=run.targets.classes is not None)
    return TableOutcome(
        run=run,
        task="regression" if run.targets.classes is None else "classification",
        train_rows=len(kept),
        test_rows=len(held),
        metrics=metrics,
        constant=constant,
        naming=() if isinstance(X, np.ndarray) else tuple(columns_that_name_rows(X)),
    )


def read_problem(
    path: Path,
    target: str,
    *,
    task: Task | None = None,
    recipe: Recipe | None = None,
    settings: Mapping[str, Any] | None = None,
    leave_out: Sequence[str] = (),
) -> tuple[Recipe, Any, npt.NDArray[Any]]:
    """Return the recipe that `train_table` trains, and the features and targets of all rows of a file.

    Raises:
        UnstuckError: when file, recipe and settings do not fit.
    """
    X, y = matched(*read_features_and_target(path, target, leave_out), path.name)
    _check_task(y, task, f"the target {target!r} of {path}")
    classes = _are_classes(y, task)
    if recipe is None:
        recipe = default_recipe(len(y), len(np.unique(y)) if classes else y[0].size, classes)
    return recipe.with_settings(settings or {}), X, y


def read_run(folder: Path, path: Path | None = None, target: str | None = None) -> tuple[Recipe, Any, npt.NDArray[Any]]:
    """Return the recipe of a saved run, and the rows it was trained on.

    Args:
        folder: of the run.
        path: the file of the rows; None takes the one that `train_table` noted.
        target: the column to predict; None likewise.

    Raises:
        UnstuckError: when the run or the file cannot be used, or it is not known which file that is.
    """
    recipe = Run.load(folder).recipe
    noted = _read_source(folder)
    path, target = path or noted.path, target or noted.target
    if path is None or target is None:
        raise OptionError(
            f"{folder} does not say which rows it was trained on, as runs of `unstuck train` do: "
            "add --data FILE and --target COLUMN"
        )
    return read_problem(path, target, recipe=recipe, leave_out=noted.leave_out)


@dataclass(frozen=True)
class _Source:
    path: Path | None = None
    target: str | None = None
    leave_out: tuple[str, ...] = ()


def _write_source(folder: Path, path: Path, target: str, leave_out: Sequence[str]) -> None:
    """Note the file and columns of a run: by the way from the run's folder if both lie here, as they may move together.

    A file elsewhere is noted by its full name.
    """
    import tomli_w

    here, data = Path.cwd().resolve(), path.resolve()
    together = data.is_relative_to(here) and folder.resolve().is_relative_to(here)
    place = os.path.relpath(data, folder.resolve()) if together else str(data)
    noted = {"data": Path(place).as_posix(), "target": target, "leave_out": list(leave_out)}
    write_whole(folder / SOURCE, tomli_w.dumps(noted).encode())


def _read_source(folder: Path) -> _Source:
    if not (folder / SOURCE).is_file():
        return _Source()
    try:
        noted = tomllib.loads(read_whole(folder / SOURCE).decode())
        return _Source(folder / noted["data"], str(noted["target"]), tuple(noted.get("leave_out", ())))
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(f"{folder / SOURCE} should have data = FILE and target = COLUMN: {error}") from None


def predict_table(run_folder: Path, path: Path) -> polars.DataFrame:
    """Return a table of predictions for the rows of a file; for classes, of their probabilities too.

    Raises:
        UnstuckError: when the run or the file cannot be used.
    """
    import polars

    run = Run.load(run_folder)
    X = read_features(path)
    predictions = np.asarray(run.predict(X))
    if predictions.ndim == 2:
        return polars.DataFrame({f"prediction_{k}": predictions[:, k] for k in range(predictions.shape[1])})
    columns: dict[str, Any] = {"prediction": predictions}
    if run.targets.classes is not None:
        probabilities = run.predict_proba(X)
        columns |= {f"probability_{label}": probabilities[:, k] for k, label in enumerate(run.targets.classes)}
    return polars.DataFrame(columns)


def looks_like_classes(y: npt.NDArray[Any]) -> bool:
    """Tell whether targets are labels: text, true/false, or whole numbers of at most 20 different values."""
    if y.dtype.kind not in "fiu":
        return True
    return y.ndim == 1 and bool((y == np.rint(y)).all()) and len(np.unique(y)) <= MOST_CLASSES


def _check_task(y: npt.NDArray[Any], task: Task | None, what: str) -> None:
    if task == "regression" and y.dtype.kind == "U":
        raise OptionError(
            f"{what} holds text such as {str(y.flat[0])!r}, which is no number; write --task classification"
        )
    if task == "classification" and y.dtype.kind == "f" and (y != np.rint(y)).any():
        fraction = y[y != np.rint(y)].flat[0]
        raise OptionError(f"{what} holds fractions such as {fraction:g}, which are no classes; write --task regression")


def _are_classes(y: npt.NDArray[Any], task: Task | None) -> bool:
    return looks_like_classes(y) if task is None else task == "classification"


def default_recipe(rows: int, outputs: int, classes: bool) -> Recipe:
    """Return a sensible network for `rows` rows: two ReLU layers, Adam, everything standardised, early stopping.

    Args:
        rows: of the table.
        outputs: how many classes there are, or numbers to predict.
        classes: False for regression.
    """
    output = Dense(max(2, outputs), Softmax()) if classes else Dense(outputs, Identity())
    return Recipe(
        [Dense(128, ReLU()), Dense(64, ReLU()), output],
        loss=CategoricalCrossEntropy() if classes else SquaredError(),
        batch_size=int(np.clip(2 ** round(np.log2(rows / 150)), 16, 256)),
        epochs=100,
        inputs=Inputs(scaling="standard", missing="mean", categories="one_hot"),
        targets=Targets(scaling="none" if classes else "standard"),
        validation_fraction=0.15,
        metrics=() if classes else ("r2", "rmse"),
        early_stopping=EarlyStopping(patience=8),
    )


def _constant_metrics(names: tuple[str, ...], y: Any, held_y: Any, classes: bool) -> dict[str, float]:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    dummy = (DummyClassifier(strategy="prior") if classes else DummyRegressor()).fit(np.zeros((len(y), 1)), y)
    nothing = np.zeros((len(held_y), 1))
    return evaluate(names, held_y, dummy.predict(nothing), dummy.predict_proba(nothing) if classes else None)
