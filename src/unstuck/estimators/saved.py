"""Estimators in folders without pickle: the files of their Run, and one more, estimator.toml, for what a Run has not.

So `Run.load(folder)` reads the Run of a saved estimator, and the command `unstuck predict` predicts by it.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.base import is_classifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted

import unstuck
from unstuck.errors import FileError
from unstuck.estimators.model import Model, OptimizerState
from unstuck.estimators.outcome import keep_curves
from unstuck.estimators.plateau import Plateau
from unstuck.estimators.recipes import name_of
from unstuck.estimators.starts import packed, unpacked
from unstuck.estimators.values import (
    Arrays,
    labels_from_array,
    labels_to_array,
    parameters_from_data,
    parameters_to_data,
)
from unstuck.run import Run
from unstuck.sealed import check_format, seal_folder, unseal_folder

FORMAT = "unstuck estimator 1"
TEXT = "estimator.toml"
MEMORY = "memory."
OF_SEEN = {
    "tol": float,
    "patience": float,
    "by_score": bool,
    "adaptive": bool,
    "verbose": bool,
    "shift": float,
    "waited": int,
    "best_loss": float,
    "best_score": float,
    "rate": float,
    "reached": bool,
}
"""The fields of Plateau that are kept as they are; its arrays are kept as arrays."""
MOST = 1 << 62
"""No count is larger."""


def save_estimator(model: Model, path: str | Path) -> None:
    """Write a fitted estimator into a new folder.

    Raises:
        NotFittedError: scikit-learn's, before fit.
        OptionError: when a parameter or a label has no form in a file; nothing is written.
        FileError: when the folder exists already or cannot be written; nothing is left half-written.
    """
    import tomli_w

    check_is_fitted(model, "recipe_")
    mine: Arrays = {}
    facts = {
        "format": FORMAT,
        "unstuck": unstuck.__version__,
        "estimator": _kind(model),
        "stopped": model.stopped_,
        "n_iter": model.n_iter_,
        "t": int(model.t_),
        "scales_inputs": model._inputs is not None,
        "scales_targets": model._targets is not None,
        "parameters": parameters_to_data(model.get_params(deep=False), mine),
    }
    if hasattr(model, "feature_names_in_"):
        facts["feature_names"] = [str(name) for name in model.feature_names_in_]
    if hasattr(model, "_metadata_request"):
        facts["requests"] = _requests(model)
    if is_classifier(model):
        binarizer = model._label_binarizer
        mine["classes"], facts["objects"] = labels_to_array(model.classes_), model.classes_.dtype == object
        facts["labels"] = {"type": binarizer.y_type_, "sparse": bool(binarizer.sparse_input_)}
    if model._seen is not None:
        facts["seen"] = {name: kind(getattr(model._seen, name)) for name, kind in OF_SEEN.items()}
        mine["losses"], mine["scores"] = (
            np.array(values, float) for values in (model._seen.losses, model._seen.scores)
        )
    if model._optimizer is not None:
        state = model._optimizer
        facts["optimizer"] = {"updates": int(state.updates), "learning_rate": float(state.learning_rate)}
        mine |= {f"{MEMORY}{name}": values for name, values in state.memory.items()}
    w = packed(model.run_.network, model.coefs_, model.intercepts_)  # coefs_ may have been set by hand
    arrays, texts = replace(model.run_, final_parameters=w).parts()
    seal_folder(
        Path(path), arrays | {f"estimator.{name}": a for name, a in mine.items()}, {TEXT: tomli_w.dumps(facts), **texts}
    )


def load_estimator(kind: type[Any], path: str | Path) -> Any:
    """Read what `save_estimator` wrote, as an estimator of this class.

    Raises:
        FileError: when a file is missing, cut short, damaged, of another version, or holds no such estimator.
    """
    folder, model = Path(path), kind()
    arrays, texts = unseal_folder(folder, (TEXT, "recipe.toml", "run.toml"), "estimator")
    try:
        facts = tomllib.loads(texts[TEXT])
        check_format(folder, facts.get("format"), FORMAT, facts.get("unstuck"))
        if facts["estimator"] != _kind(model):
            raise FileError(f"{folder} holds a {facts['estimator']}, not a {_kind(model)}: load it by the other class")
        _fill(model, folder, arrays, texts, facts)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise FileError(f"{folder} holds no estimator, though it is sealed as one: {error}") from None
    return model


def _fill(model: Model, folder: Path, arrays: Arrays, texts: dict[str, str], facts: dict[str, Any]) -> None:
    """Set parameters and fitted attributes, of parts that need not fit.

    Raises:
        ArithmeticError, AttributeError, LookupError, TypeError, ValueError: when they do not.
    """
    mine = {name.removeprefix("estimator."): a for name, a in arrays.items() if name.startswith("estimator.")}
    model.set_params(**parameters_from_data(facts["parameters"], mine))
    model._validate_params()
    run = model.run_ = Run.of_parts(folder, arrays, texts)
    network = run.network
    model.recipe_ = run.recipe
    model.coefs_, model.intercepts_ = unpacked(network, run.final_parameters)
    model.n_features_in_, model.n_outputs_ = network.inputs, run.recipe.outputs
    model.n_layers_, model.out_activation_ = len(network.dense) + 1, name_of(network.dense[-1].activation)
    model.n_iter_, model.t_ = _count(facts["n_iter"]), _count(facts["t"])
    model.stopped_ = str(facts["stopped"])
    model._inputs = run.inputs if facts["scales_inputs"] else None
    if "feature_names" in facts:
        model.feature_names_in_ = np.array([str(name) for name in facts["feature_names"]], dtype=object)
        if len(model.feature_names_in_) != network.inputs:
            raise ValueError(f"{len(model.feature_names_in_)} names for {network.inputs} inputs")
    with sklearn.config_context(enable_metadata_routing=True):
        for method, wanted in facts.get("requests", {}).items():
            getattr(model, f"set_{method}_request")(**wanted)
    if is_classifier(model):
        labels = labels_from_array(mine["classes"], bool(facts["objects"]))
        _set_classes(model, labels, facts["labels"]["type"], facts["labels"]["sparse"])
    else:
        model._targets = run.targets if facts["scales_targets"] else None
    if "seen" in facts:
        model._seen = _seen(run, mine, facts["seen"])
        keep_curves(model, model._seen)
    if "optimizer" in facts:
        memory = {name.removeprefix(MEMORY): a for name, a in mine.items() if name.startswith(MEMORY)}
        rate = float(facts["optimizer"]["learning_rate"])
        if not 0 <= rate < math.inf:
            raise ValueError(f"a learning rate of {rate}")
        model._optimizer = OptimizerState(memory, _count(facts["optimizer"]["updates"]), rate)


def _set_classes(model: Any, classes: Any, form: str, sparse: object) -> None:
    several = form == "multilabel-indicator"
    if form not in ("binary", "multiclass", "multilabel-indicator") or (sparse and not several):
        raise ValueError(f"labels of type {form!r}")
    if not several and model.n_outputs_ != (1 if len(classes) <= 2 else len(classes)):
        raise ValueError(f"{len(classes)} classes for {model.n_outputs_} outputs")
    binarizer = LabelBinarizer()
    binarizer.y_type_, binarizer.sparse_input_ = form, bool(sparse)
    binarizer.classes_ = np.arange(model.n_outputs_) if several else classes
    model.classes_, model._label_binarizer = classes, binarizer


def _seen(run: Run, mine: Arrays, fields: dict[str, Any]) -> Plateau:
    wrong = [name for name, kind in OF_SEEN.items() if type(fields[name]) is not kind]
    if wrong:
        raise TypeError(f"{wrong[0]} is {fields[wrong[0]]!r}")
    losses, scores = (np.asarray(mine[name], dtype=float) for name in ("losses", "scores"))
    if losses.ndim != 1 or scores.ndim != 1:
        raise ValueError("a curve has one dimension")
    # an epoch has been seen if and only if there are best parameters, and those are the run's
    best = run.best_parameters if losses.size else None
    return Plateau(
        **{name: fields[name] for name in OF_SEEN},
        score=None,
        best_w=best,
        losses=losses.tolist(),
        scores=scores.tolist(),
    )


def _kind(model: Any) -> str:
    return "classifier" if is_classifier(model) else "regressor"


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < MOST:
        raise ValueError(f"{value!r} is no count")
    return value


def _requests(model: Any) -> dict[str, dict[str, Any]]:
    """Return which metadata each method asks for, as `set_fit_request` and the like were told."""
    requests = model._metadata_request._serialize()
    return {
        method: {name: alias for name, alias in wanted.items() if alias is not None}
        for method, wanted in requests.items()
    }
