"""Run: what happened in a training, and the network that came out of it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import unstuck
from unstuck.arrays import Array, in_precision
from unstuck.data.blocks import RowSource, naming
from unstuck.data.inputs import FittedInputs
from unstuck.data.mapped import MappedRows, too_large_to_copy
from unstuck.data.targets import FittedTargets, as_targets
from unstuck.engines.outputs import evaluate_outputs
from unstuck.engines.reference import CHUNK
from unstuck.errors import DataError, FileError, OptionError
from unstuck.history import History, is_signal
from unstuck.metrics import TALLIED, Tally, evaluate
from unstuck.network import Network
from unstuck.recipe import Recipe
from unstuck.sealed import check_format, seal_folder, unseal_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = "unstuck run 1"
TEXTS = ("recipe.toml", "run.toml")
FACTS = {"best_epoch": int, "stopped": str, "failure": str, "seconds": float, "engine": str}


@dataclass(frozen=True, eq=False)
class TrainedOn:
    """What a run was trained on: references to what the caller passed, no copies.

    Attributes:
        X: features.
        y: targets.
        alone: whether nothing but the recipe, X and y decided what came out: no row weights, validation rows, start or
            callbacks.
    """

    X: Any
    y: Any
    alone: bool


@dataclass(frozen=True, eq=False)
class Run:
    """A training that has ended, for whatever reason.

    Attributes:
        recipe: what determined it.
        inputs: the preprocessing of X, as fitted on the training rows.
        targets: the coding and scaling of y, likewise.
        final_parameters: after the last update (P,), or the last with a finite cost.
        best_parameters: of the record with the lowest monitored loss (P,).
        best_epoch: its epoch.
        history: losses and metrics, a row a record.
        stopped: why it ended: "all epochs", "early stopping", "target loss", "time budget", "interrupted", "callback",
            "converged", "line search", "call budget" or "diverged".
        failure: where the first number that was not finite appeared, empty if none did.
        seconds: how long it took.
        engine: what computed it.
        data: X and y as `train` got them, for `diagnose(run)`: they stay in memory as long as the run does. They are
            not saved, pickled or copied with it; a run that was loaded has None.
    """

    recipe: Recipe
    inputs: FittedInputs
    targets: FittedTargets
    final_parameters: Array
    best_parameters: Array
    best_epoch: int
    history: History
    stopped: str
    failure: str
    seconds: float
    engine: str
    data: TrainedOn | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "data": None}

    @cached_property
    def network(self) -> Network:
        """The network, laid out for the inputs it was trained on."""
        return Network(self.recipe, inputs=len(self.inputs.feature_names))

    @property
    def parameters(self) -> Array:
        """The parameters that predict: the best ones if early stopping restores them, else the final ones."""
        stopping = self.recipe.early_stopping
        return self.best_parameters if stopping and stopping.restore_best and self.best_epoch else self.final_parameters

    @property
    def weights(self) -> dict[str, Array]:
        """The parameters by name: W1 (i, o), b1 (o,), W2, ..."""
        return self.network.views(self.parameters)

    def outputs(self, X: Any) -> Array:
        """Return the network's raw outputs A (n, o) for rows X; a dataset or a large mapped array is read in parts."""
        if isinstance(X, RowSource):
            parts = []
            for place in X.places():
                with naming(X, place):
                    parts.append(self.outputs(X.read(place).X))
            return np.concatenate(parts)
        if too_large_to_copy(X):
            return np.concatenate([self.outputs(part) for part in MappedRows(X).parts(CHUNK)])
        columns = in_precision(self.inputs.transform(X), self.recipe.precision)
        return evaluate_outputs(self.network, self.parameters, columns)

    def predict(self, X: Any) -> Any:
        """Return a label for each row, or numbers with the scaling of y undone.

        Raises:
            DataError: when X does not have the columns of the training.
        """
        return self.targets.predictions(self.outputs(X))

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (n, K), in the order of `run.targets.classes`.

        Raises:
            DataError: when the targets are numbers.
        """
        return self.targets.probabilities(self.outputs(X))

    def evaluate(self, X: Any, y: Any = None) -> dict[str, float]:
        """Return the recipe's metrics on rows X with targets y, or on a dataset, which has its targets with it.

        A row whose label did not occur in training counts as wrong; in a dataset such labels are refused.

        Raises:
            DataError: when X does not have the columns of the training, or y has no label that occurred in it.
            OptionError: when a metric ranks all rows at once, as roc_auc does, and they are read part by part.
        """
        if isinstance(X, RowSource):
            return self._evaluate_blocks(X)
        A, y = self.outputs(X), as_targets(y)
        if len(y) != len(A):
            raise DataError(f"{len(A):,} rows of features and {len(y):,} targets; each row needs one target")
        wide = self.targets.outputs if self.targets.classes is None else 1
        if y[:1].size != wide:
            raise DataError(f"y has {y[:1].size} columns, but the targets of the training had {wide}")
        self.targets.check_known(y)
        probabilities = None if self.targets.classes is None else self.targets.probabilities(A)
        return evaluate(self._metrics, y, self.targets.predictions(A), probabilities)

    def _evaluate_blocks(self, dataset: RowSource) -> dict[str, float]:
        names, tally = self._metrics, Tally(self.targets.classes)
        for name in names:
            if name not in TALLIED:
                raise OptionError(
                    f"{name} ranks all rows at once, and {dataset.name} is read part by part: pass X and y"
                )
        for place in dataset.places():
            with naming(dataset, place):
                X, y, _ = dataset.read(place)
                self.targets.transform(y)  # which refuses other targets than those of the training
                tally.add(y, self.predict(X))
        return {name: tally.value(name) for name in names}

    @property
    def _metrics(self) -> tuple[str, ...]:
        return tuple(self.recipe.metrics) or self.targets.default_metrics

    def score(self, X: Any, y: Any = None) -> float:
        """Return the recipe's first metric: accuracy for classes, r2 for numbers, unless it names another.

        Raises:
            DataError, OptionError: as `evaluate` does.
        """
        return next(iter(self.evaluate(X, y).values()))

    def plot(self) -> Figure:
        """Return a figure of the cost curve and the metrics; `figure.savefig(path)` keeps it."""
        from unstuck.drawing import history_figure

        widths = [self.network.inputs, *(layer.outputs for layer in self.network.dense)]
        title = f"{'-'.join(map(str, widths))}: stopped by {self.stopped}"
        return history_figure(self.history, title, self.best_epoch)

    def save(self, path: str | Path) -> None:
        """Write the run into a new folder: recipe.toml, run.toml and arrays.safetensors. No pickle.

        The first two are for people to read; the last holds them once more, so that no damage goes unnoticed.

        Raises:
            FileError: when the folder exists already or cannot be written; nothing is left half-written.
        """
        seal_folder(Path(path), *self.parts())

    def parts(self) -> tuple[dict[str, Array], dict[str, str]]:
        """Return the arrays, and the texts of the files, that hold the run."""
        import tomli_w

        arrays = {"final_parameters": self.final_parameters, "best_parameters": self.best_parameters}
        arrays |= {f"history.{name}": values for name, values in self.history.arrays().items()}
        facts: dict[str, Any] = {"format": FORMAT, "unstuck": unstuck.__version__}
        facts |= {name: getattr(self, name) for name in FACTS} | {"columns": list(self.history.columns)}
        facts |= {"inputs": self.inputs.to_data(), "targets": self.targets.to_data()}
        return arrays, dict(zip(TEXTS, (self.recipe.to_toml(), tomli_w.dumps(facts)), strict=True))

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read what `save` wrote.

        Raises:
            FileError: when a file is missing, cut short, damaged, of another version, or holds no run.
        """
        folder = Path(path)
        arrays, texts = unseal_folder(folder, TEXTS, "run")
        try:
            return cls.of_parts(folder, arrays, texts)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise FileError(f"{folder} holds no run, though it is sealed as one: {error}") from None

    @classmethod
    def of_parts(cls, folder: Path, arrays: dict[str, Array], texts: dict[str, str]) -> Run:
        """Put a run together, of parts that need not fit.

        Raises:
            FileError: when they are of another version.
            AttributeError, KeyError, TypeError, ValueError: when they do not fit.
        """
        facts = tomllib.loads(texts["run.toml"])
        check_format(folder, facts.get("format"), FORMAT, facts.get("unstuck"))
        run = cls(
            recipe=Recipe.from_toml(texts["recipe.toml"]),
            inputs=FittedInputs.from_data(facts["inputs"]),
            targets=FittedTargets.from_data(facts["targets"]),
            final_parameters=arrays["final_parameters"],
            best_parameters=arrays["best_parameters"],
            history=History({name: arrays[f"history.{name}"] for name in facts["columns"]}),
            **{name: facts[name] for name in FACTS},
        )
        for name in ("final_parameters", "best_parameters"):
            w = arrays[name]
            if w.shape != (run.network.size,) or w.dtype != run.recipe.precision:
                raise ValueError(f"{name} are {w.shape} of {w.dtype}, the network has {run.network.size:,}")
        if run.targets.outputs != run.recipe.outputs:
            raise ValueError(f"targets for {run.targets.outputs} outputs, the network has {run.recipe.outputs}")
        wrong = [name for name, kind in FACTS.items() if not isinstance(facts[name], kind)]
        if wrong:
            raise TypeError(f"{wrong[0]} is {facts[wrong[0]]!r}")
        return run

    def __repr__(self) -> str:
        last = {
            name: value
            for name, value in self.history.last().items()
            if name not in ("step", "learning_rate") and not is_signal(name)
        }
        facts = "".join(f", {name}={value:.4g}" for name, value in last.items())
        return f"Run(stopped={self.stopped!r}{facts})"
