"""Recipe: everything that determines a training, as one immutable value."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, PositiveInt, StringConstraints

from unstuck.arrays import Precision
from unstuck.data.inputs import Inputs
from unstuck.data.targets import Targets
from unstuck.description import Description, Given, default, described
from unstuck.errors import FileError, RecipeError, did_you_mean
from unstuck.functions.activations import Activation, Identity
from unstuck.functions.initializers import Initializer, Zeros
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import LBFGS, Adam, Optimizer
from unstuck.functions.penalties import Penalty
from unstuck.functions.schedules import ConstantRate, Schedule
from unstuck.metrics import METRICS

LARGEST_LAYER = 1 << 24


class Layer(Description):
    """The family of layers."""


@described
class Dense(Layer, kind="dense"):
    """A fully connected layer: z = x W + b, a = f(z), with W (i, o), b (o,), z and a (n, o).

    Args:
        units: o, the number of outputs.
        activation: f, by its kind or as a value, for example `"relu"` or `LeakyReLU(slope=0.2)`.
        bias: False leaves b out.
        weight_start: where W begins; None takes the start that suits the activation (He's for ReLU, ...).
        bias_start: where b begins.
    """

    units: Annotated[int, Field(ge=1, le=LARGEST_LAYER)]
    activation: Given[Activation] = default(Identity())
    bias: bool = True
    weight_start: Given[Initializer | None] = default(None)
    bias_start: Given[Initializer] = default(Zeros())


@described
class Dropout(Layer, kind="dropout"):
    """Inverted dropout: in training a = x mask / (1 - rate), mask zero with probability rate; in evaluation a = x.

    Source: Srivastava et al. 2014.
    """

    rate: Annotated[float, Field(ge=0, lt=1)] = 0.5


@described
class EarlyStopping(Description):
    """Stop when the monitored loss has not fallen by more than `min_delta` for `patience` records in a row.

    The monitored loss is validation_loss where there is one, else training_loss, or loss where that is not measured.
    `restore_best` gives the Run the parameters of its best record instead of the last ones.
    """

    patience: PositiveInt = 10
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    restore_best: bool = True


def _pairs(weights: object) -> object:
    if not isinstance(weights, Mapping):
        return weights
    return tuple((key.item() if isinstance(key, np.generic) else key, weight) for key, weight in weights.items())


Label = Annotated[str, StringConstraints(strip_whitespace=False)] | int | float
ClassWeights = Literal["balanced"] | tuple[tuple[Label, PositiveFloat], ...]


@described
class Recipe(Description):
    """Everything that determines a training. Two equal recipes on equal data give equal runs.

    Args:
        layers: from the input to the output; the last one must be Dense.
        loss: any loss, with any output activation.
        optimizer: how the gradient moves the parameters.
        schedule: how the learning rate changes over the training.
        penalties: on the parameters; all of them apply.
        clip_value: gradient entries are cut off at ±clip_value.
        clip_norm: a gradient longer than this is scaled back to it (after clip_value).
        batch_size: rows per update, or "full".
        epochs: passes over the training rows.
        shuffle: visit the rows in a new order every epoch.
        inputs: scaling, missing values and categories of X, fitted on the training rows.
        targets: coding and scaling of y.
        class_weights: "balanced" (n / (K n_k)) or a weight for each class; they multiply the row weights.
        validation_fraction: the share of the rows held out of training, unless `train` is given a validation set.
        record_every: epochs from one record of losses and metrics to the next.
        measure_training: False leaves training_loss and the metrics of the training rows out of the records, and saves
            a pass over all rows for each. The monitored loss is then validation_loss, or else `loss`.
        metrics: names from `unstuck.metrics`; none means accuracy for classes, r2 for numbers.
        early_stopping: when to give up.
        stop_at_loss: stop as soon as the training loss of an epoch is at most this.
        precision: "float32" or "float64", of everything the engine computes.
        seed: of the start, the batch order, the dropout masks and the held-out rows.

    Raises:
        RecipeError: with every problem at once.

    >>> recipe = Recipe([Dense(8, "tanh"), Dense(1, "sigmoid")], loss="binary_crossentropy", epochs=50)
    >>> recipe
    Recipe((Dense(8, activation=Tanh()), Dense(1, activation=Sigmoid())), loss=BinaryCrossEntropy(), epochs=50)
    >>> Recipe.from_toml(recipe.to_toml()) == recipe
    True
    >>> recipe.replace(epochs=100).epochs
    100
    """

    layers: Annotated[Sequence[Layer], AfterValidator(tuple)]
    loss: Given[Loss]
    optimizer: Given[Optimizer] = default(Adam())
    schedule: Given[Schedule] = default(ConstantRate())
    penalties: Annotated[Sequence[Penalty], AfterValidator(tuple)] = ()
    clip_value: PositiveFloat | None = None
    clip_norm: PositiveFloat | None = None
    batch_size: PositiveInt | Literal["full"] = 32
    epochs: PositiveInt = 100
    shuffle: bool = True
    inputs: Given[Inputs] = default(Inputs())
    targets: Given[Targets] = default(Targets())
    class_weights: Annotated[Given[ClassWeights | None], BeforeValidator(_pairs)] = default(None)
    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    record_every: PositiveInt = 1
    measure_training: bool = True
    metrics: Annotated[Sequence[str], AfterValidator(tuple)] = ()
    early_stopping: Given[EarlyStopping | None] = default(None)
    stop_at_loss: float | None = None
    precision: Precision = "float32"
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0

    def __post_init__(self) -> None:
        problems = []
        if not self.layers or not isinstance(self.layers[-1], Dense):
            problems.append(("layers", "the last layer must be a Dense layer, whose units are the network's outputs"))
        problems += [
            ("metrics", f"there is no metric {name!r}{did_you_mean(name, METRICS)}")
            for name in self.metrics
            if name not in METRICS
        ]
        if isinstance(self.optimizer, LBFGS):
            problems += self._lbfgs_problems()
        if problems:
            raise RecipeError(problems, "Recipe")

    def _lbfgs_problems(self) -> list[tuple[str, str]]:
        needs = "L-BFGS compares losses from step to step, so they must be of the same rows and the same network: "
        problems = []
        if self.batch_size != "full":
            problems.append(("batch_size", f'{needs}write batch_size="full" (it is {self.batch_size})'))
        if any(isinstance(layer, Dropout) and layer.rate for layer in self.layers):
            problems.append(("layers", f"{needs}take Dropout out"))
        if self.schedule != ConstantRate() or self.clip_value or self.clip_norm:
            problems.append(("optimizer", "L-BFGS chooses its own step lengths: take schedule and clipping out"))
        if any(penalty.kind in ("decoupled_decay", "max_norm") for penalty in self.penalties):
            problems.append(("penalties", "L-BFGS takes only penalties that are part of the cost: L1, L2"))
        return problems

    @property
    def outputs(self) -> int:
        """The units of the last layer."""
        last = self.layers[-1]
        assert isinstance(last, Dense)
        return last.units

    def rows_per_batch(self, n: int) -> int:
        """Return the rows of a mini-batch, of n training rows."""
        return n if self.batch_size == "full" else min(self.batch_size, n)

    def to_toml(self) -> str:
        """Return the recipe as TOML, defaults included."""
        import tomli_w

        return tomli_w.dumps(self.to_data())

    @classmethod
    def from_toml(cls, text: str) -> Recipe:
        """Read what `to_toml` wrote.

        Raises:
            RecipeError: when the text is no TOML, or no recipe.
        """
        try:
            data = tomllib.loads(text)
            return cls.from_data(data)
        except RecipeError:
            raise
        except ValueError as error:  # tomllib's own, or Python's of an integer of more than 4,300 digits
            raise RecipeError([("", f"not TOML: {error}")]) from None
        except RecursionError:
            raise RecipeError([("", "nested more deeply than any recipe")]) from None

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe from a TOML file.

        Raises:
            FileError: when the file cannot be read.
            RecipeError: when it holds no recipe.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:  # not UTF-8, or a path that cannot be one
            raise FileError(f"cannot read the recipe {path}: {error}") from None
        return cls.from_toml(text)

    def with_settings(self, settings: Mapping[str, Any]) -> Recipe:
        """Return a copy with fields changed by their dotted paths, as in `{"optimizer.learning_rate": 0.01}`.

        Places in a list are counted from 0, or from the end: `{"layers.-1.units": 10}` changes the last layer. Another
        kind, as in `{"optimizer.kind": "sgd"}`, begins with its own defaults.

        Raises:
            RecipeError: when a path leads nowhere or a value does not fit.
        """
        data = self.to_data()
        for path, value in settings.items():
            *parents, last = path.split(".")
            place: Any = data
            for name in parents:
                key = _key(place, name, path)
                inner = _opened(place.get(key, {}) if isinstance(place, dict) else place[key])
                place[key] = inner
                place = inner
            key = _key(place, last, path)
            if key == "kind" and place.get(key) != value:
                place.clear()  # what the other kind was given is not for this one
            place[key] = value
        return Recipe.from_data(data)


def _key(place: Any, name: str, path: str) -> str | int:
    """Return `name` as a key of the table, or a place in the list, that `path` has led to."""
    if isinstance(place, dict):
        return name
    if not isinstance(place, list):
        raise RecipeError([(path, f"{place!r} has no parts, so there is no {name!r} in it")])
    try:
        return range(len(place))[int(name)]
    except (ValueError, IndexError):
        raise RecipeError([(path, f"{name!r} is no place in a list of {len(place)}, counted from 0")]) from None


def _opened(value: Any) -> Any:
    """Return a copy of a table or list, whose parts may be changed; a kind alone becomes a table."""
    if isinstance(value, Description):
        return value.to_data()
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, list | tuple) else value
