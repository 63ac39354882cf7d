"""A run's prediction as NumPy source code, a line for each step of the algebra."""

from __future__ import annotations

from pathlib import Path

from unstuck.exports.source import encoding, literal, named_numbers, widths, write_source
from unstuck.network import DropoutLayer
from unstuck.run import Run

SIGMOID = "e{k} = np.exp(-np.abs(z{k}))  # never overflows"
ELU = "np.where(z{k} > 0, z{k}, {f.alpha!r} * np.expm1(np.minimum(z{k}, 0)))"
ACTIVATIONS = {
    "identity": ["a{k} = z{k}"],
    "sigmoid": [SIGMOID, "a{k} = np.where(z{k} >= 0, 1, e{k}) / (1 + e{k})"],
    "tanh": ["a{k} = np.tanh(z{k})"],
    "relu": ["a{k} = np.maximum(z{k}, 0)"],
    "leaky_relu": ["a{k} = np.where(z{k} > 0, z{k}, {f.slope!r} * z{k})"],
    "elu": [f"a{{k}} = {ELU}"],
    "selu": [f"a{{k}} = {{f.scale!r}} * {ELU}"],
    "gelu": [
        "Phi{k} = (1 + erf(z{k} / 2**0.5)) / 2  # the standard normal distribution function",
        "a{k} = z{k} * Phi{k}.astype(z{k}.dtype)",
    ],
    "silu": [SIGMOID, "a{k} = z{k} * np.where(z{k} >= 0, 1, e{k}) / (1 + e{k})"],
    "softplus": ["a{k} = np.logaddexp(0, z{k})"],
    "softmax": [
        "e{k} = np.exp(z{k} - z{k}.max(axis=1, keepdims=True))",
        "a{k} = e{k} / e{k}.sum(axis=1, keepdims=True)",
    ],
    "exponential": ["a{k} = np.exp(z{k})"],
    "hard_sigmoid": ["a{k} = np.clip(z{k} / 6 + 0.5, 0, 1)"],
    "softsign": ["a{k} = z{k} / (1 + np.abs(z{k}))"],
}


def to_numpy(run: Run, weights: str | None = None) -> str:
    """Return Python source that predicts as the run does, with nothing but NumPy.

    It defines `outputs(X)`, the raw outputs A (n, o), and `predict(X)`, labels or numbers; for tables with text also
    `encode(table)`, which makes X. Predictions agree with the run's but for rounding. X is not checked.

    Args:
        run: what is exported.
        weights: the name of an .npz file that the source reads its numbers from, in its own folder; None writes them
            into the source.

    >>> from unstuck import Dense, Recipe, train
    >>> recipe = Recipe([Dense(1)], loss="squared_error", optimizer="sgd", epochs=1)
    >>> run = train(recipe, [[0.0], [1.0]], [0.0, 1.0])
    >>> source = {}
    >>> exec(to_numpy(run), source)
    >>> bool(abs(source["predict"]([[5.0]]) - run.predict([[5.0]])) < 1e-6)
    True
    """
    parts = [_head(run, weights), encoding(run), _outputs(run), _predict(run)]
    return "\n\n".join(part.strip("\n") + "\n" for part in parts if part)


def export_numpy(run: Run, path: str | Path) -> None:
    """Write `to_numpy` into a .py file; more than 1,000 numbers go into an .npz file of the same name beside it.

    Raises:
        OptionError: when the name does not end in .py.
        FileError: when a file cannot be written.
    """
    write_source(run, path, to_numpy)


def _head(run: Run, weights: str | None) -> str:
    what = "numbers" if run.targets.classes is None else "labels"
    lines = [f'"""A multilayer perceptron, {widths(run)}, trained with unstuck: predict(X) returns {what}."""', ""]
    gelu = any(layer.activation.kind == "gelu" for layer in run.network.dense)
    lines += ["import math"] * gelu + ["from pathlib import Path"] * (weights is not None)
    lines += [""] * (len(lines) > 2) + ["import numpy as np", ""]
    if gelu:
        lines += ["erf = np.vectorize(math.erf, otypes=[np.float64])"]
    if weights is not None:
        lines += [f"with np.load(Path(__file__).with_name({weights!r})) as file:", "    numbers = dict(file)"]
    for name, values in named_numbers(run).items():
        if weights is None:
            lines += [
                f"{name} = np.array(  # {values.shape}",
                f"{literal(values)},",
                f"    dtype=np.{values.dtype},",
                ")",
            ]
        else:
            lines += [f"{name} = numbers[{name!r}]  # {values.shape}"]
    if run.targets.classes is not None:
        lines += [f"CLASSES = np.array({list(run.targets.classes)!r})"]
    return "\n".join(lines)


def _outputs(run: Run) -> str:
    names = named_numbers(run)
    lines = ["X = np.asarray(X, dtype=np.float64)"]
    lines += ["X = np.where(np.isnan(X), FILL, X)  # missing values"] * ("FILL" in names)
    lines += ["X = (X - SHIFT) / SCALE"] * ("SCALE" in names)
    lines += [f"a0 = X.astype(np.{run.recipe.precision})"]
    k = 0
    for layer in run.network.layers:
        if isinstance(layer, DropoutLayer):
            lines += ["", f"# dropout {layer.rate:g}: in training only"]
            continue
        k += 1
        f = layer.activation
        lines += ["", f"# layer {k}, {f.kind}: from {layer.inputs} to {layer.outputs}"]
        lines += [f"z{k} = a{k - 1} @ W{k}" + f" + b{k}" * layer.has_bias]
        lines += [step.format(k=k, f=f) for step in ACTIVATIONS[f.kind]]
    lines += [f"return a{k}"]
    summary = f"Return the outputs A (n, {run.network.outputs}) for rows X (n, {run.network.inputs})."
    return _function("outputs", summary, lines)


def _predict(run: Run) -> str:
    targets = run.targets
    if targets.classes is not None:
        if targets.outputs > 1:
            lines = ["return CLASSES[outputs(X).argmax(axis=1)]"]
        else:
            threshold = "0" if targets.coding == "signed" else "0.5"
            lines = [f"return CLASSES[(outputs(X)[:, 0] > {threshold}).astype(int)]"]
        return _function("predict", "Return a label for each row.", lines)
    lines = ["A = outputs(X)"]
    if targets.scale:  # the scaling of y is undone
        lines += [f"A = A * np.array({list(targets.scale)}) + np.array({list(targets.shift)})"]
    lines += ["return A[:, 0]" if targets.flat else "return A"]
    return _function("predict", "Return numbers for each row.", lines)


def _function(name: str, summary: str, lines: list[str]) -> str:
    body = "\n".join(f"    {line}".rstrip() for line in lines)
    return f'\ndef {name}(X):\n    """{summary}"""\n{body}'
