"""A run as ONNX: from the columns of X to labels, probabilities and numbers, in one graph.

Opset 17, which ONNX Runtime reads since version 1.12. Activations are written in operators that runtimes have in
float32 and float64 alike; ONNX Runtime has Elu, Softplus and others in float32 alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unstuck.errors import OptionError
from unstuck.files import write_whole
from unstuck.functions.activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    Exponential,
    HardSigmoid,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from unstuck.network import DropoutLayer
from unstuck.optional import needs
from unstuck.run import Run

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 17
OPSET_ML = 3
IR_VERSION = 8
"""The file format that came with opset 17; newer ones are refused by older runtimes."""


def to_onnx(run: Run) -> ModelProto:
    """Return the run as an ONNX model.

    | input | what |
    |---|---|
    | `X` | the columns of numbers (n, i), float64 whatever the precision of the network; NaN is a missing value |
    | `X.town`, ... | a column of text (n, 1) each; "" is a missing value where the training had some |

    | output | what |
    |---|---|
    | `outputs` | the network's outputs A (n, o), in the recipe's precision |
    | `label`, `probabilities` | of classes: as `run.predict` and `run.predict_proba` |
    | `prediction` | of numbers: as `run.predict`, float64 if y was scaled |

    The metadata hold the names of the columns of numbers and the classes, as JSON. Values are not checked: where the
    run refuses NaN, the graph returns NaN.

    Raises:
        OptionError: when the package onnx is not installed, or a column of text has "" as a category beside missing.
    """
    onnx = needs("onnx", "onnx")
    helper = onnx.helper
    graph = _Graph(onnx)
    A = _network(graph, run, _columns(graph, run))
    graph.output("outputs", A)
    if run.targets.classes is None:
        graph.output("prediction", _numbers(graph, run, A))
    else:
        label, probabilities = _classes(graph, run, A)
        graph.output("label", label)
        graph.output("probabilities", probabilities)
    made = helper.make_graph(graph.nodes, "unstuck", graph.inputs, graph.outputs, graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="unstuck")
    facts = {"columns": json.dumps(run.inputs.numbers), "classes": json.dumps(run.targets.classes)}
    helper.set_model_props(model, facts)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.checker.check_model(model)
    return model


def export_onnx(run: Run, path: str | Path) -> None:
    """Write `to_onnx` into a file.

    Raises:
        OptionError: as `to_onnx`.
        FileError: when the file cannot be written.
    """
    write_whole(Path(path), to_onnx(run).SerializeToString())


class _Graph:
    """A graph being written: every method adds to it and returns the name of the value it added."""

    def __init__(self, onnx: Any):
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def input(self, name: str, kind: str, columns: int) -> str:
        """Add an input (n, columns) of DOUBLE or STRING."""
        element = getattr(self._onnx.TensorProto, kind)
        self.inputs.append(self._onnx.helper.make_tensor_value_info(name, element, ["n", columns]))
        return name

    def constant(self, values: Any, name: str = "") -> str:
        """Add an array, or a number of the same precision as the arrays it meets."""
        name = name or f"constant_{len(self.constants)}"
        values = np.asarray(values)
        self.constants.append(self._onnx.numpy_helper.from_array(values, name))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Apply an operator."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        node = self._onnx.helper.make_node(operator, list(inputs), [name], name, domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def cast(self, value: str, dtype: npt.DTypeLike) -> str:
        """Turn a value into another type."""
        return self.node("Cast", value, to=self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def output(self, name: str, value: str) -> None:
        """Name a value as an output."""
        self.nodes.append(self._onnx.helper.make_node("Identity", [value], [name], name))
        self.outputs.append(self._onnx.helper.make_empty_tensor_value_info(name))


def _columns(graph: _Graph, run: Run) -> str:
    """Add the network's inputs (n, i): numbers filled in and scaled, then the categories."""
    fitted, dtype = run.inputs, run.recipe.precision
    parts = []
    if fitted.numbers:
        X = graph.input("X", "DOUBLE", len(fitted.numbers))
        if fitted.fill:
            X = graph.node("Where", graph.node("IsNaN", X), graph.constant(np.array(fitted.fill)), X)
        if fitted.scale:
            X = graph.node("Sub", X, graph.constant(np.array(fitted.shift), "shift"))
            X = graph.node("Div", X, graph.constant(np.array(fitted.scale), "scale"))
        parts.append(graph.cast(X, dtype))
    for column, levels in fitted.levels.items():
        text = graph.input(f"X.{column}", "STRING", 1)
        if column in fitted.missing_levels:
            if "" in levels:
                raise OptionError(
                    f'the column {column!r} has the category "" and missing values, and ONNX, whose texts cannot be '
                    "missing, could not tell them apart; give the category another name and train again"
                )
            levels = (*levels, "")
        one_hot = graph.node("OneHotEncoder", text, domain="ai.onnx.ml", cats_strings=list(levels), zeros=1)
        flat = graph.node("Reshape", one_hot, graph.constant(np.array([-1, len(levels)])))
        parts.append(graph.cast(flat, dtype))
    return parts[0] if len(parts) == 1 else graph.node("Concat", *parts, axis=1)


def _network(graph: _Graph, run: Run, a: str) -> str:
    """Add the outputs A (n, o), a layer after the other; dropout does nothing in evaluation."""
    weights = run.weights
    k = 0
    for layer in run.network.layers:
        if isinstance(layer, DropoutLayer):
            continue
        k += 1
        z = graph.node("MatMul", a, graph.constant(weights[f"W{k}"], f"W{k}"))
        if layer.has_bias:
            z = graph.node("Add", z, graph.constant(weights[f"b{k}"], f"b{k}"))
        a = _activation(graph, layer.activation, z, run.recipe.precision)
    return a


def _activation(graph: _Graph, f: Activation, z: str, precision: str) -> str:
    """Add a = f(z), as in `unstuck.functions.activations`."""
    node = graph.node

    def number(value: float) -> str:
        return graph.constant(np.array(value, dtype=precision))

    def by_sign(above: str, below: str) -> str:
        return node("Where", node("Greater", z, number(0)), above, below)

    def exponential_below(alpha: float) -> str:
        return node("Mul", number(alpha), node("Sub", node("Exp", node("Min", z, number(0))), number(1)))

    match f:
        case Identity():
            return z
        case Sigmoid() | Tanh():
            return node(type(f).__name__, z)
        case ReLU():
            return node("Relu", z)
        case LeakyReLU():
            return by_sign(z, node("Mul", number(f.slope), z))
        case ELU():
            return by_sign(z, exponential_below(f.alpha))
        case SELU():
            return by_sign(node("Mul", number(f.scale), z), exponential_below(f.scale * f.alpha))
        case GELU():  # z (1 + erf(z / sqrt(2))) / 2; ONNX Runtime has Erf in float32 alone
            erf = graph.cast(node("Erf", graph.cast(node("Div", z, number(np.sqrt(2))), np.float32)), precision)
            return node("Mul", z, node("Div", node("Add", number(1), erf), number(2)))
        case SiLU():
            return node("Mul", z, node("Sigmoid", z))
        case Softplus():  # max(z, 0) + log(1 + exp(-|z|))
            e = node("Exp", node("Neg", node("Abs", z)))
            return node("Add", node("Relu", z), node("Log", node("Add", number(1), e)))
        case Softmax():
            return node("Softmax", z, axis=1)
        case Exponential():
            return node("Exp", z)
        case HardSigmoid():
            return node("Clip", node("Add", node("Div", z, number(6)), number(0.5)), number(0), number(1))
        case Softsign():
            return node("Div", z, node("Add", number(1), node("Abs", z)))
    raise NotImplementedError(f"{f.kind} in ONNX")


def _numbers(graph: _Graph, run: Run, A: str) -> str:
    """Add predictions, (n,) or (n, o), with the scaling of y undone."""
    targets = run.targets
    if targets.scale:
        scaled = graph.node("Mul", graph.cast(A, np.float64), graph.constant(np.array(targets.scale)))
        A = graph.node("Add", scaled, graph.constant(np.array(targets.shift)))
    return graph.node("Squeeze", A, graph.constant(np.array([1]))) if targets.flat else A


def _classes(graph: _Graph, run: Run, A: str) -> tuple[str, str]:
    """Add labels (n,) and probabilities (n, K)."""
    targets, node = run.targets, graph.node
    if targets.outputs > 1:
        probabilities, k = A, node("ArgMax", A, axis=1, keepdims=0)
    else:
        one, two = (graph.constant(np.array(value, dtype=run.recipe.precision)) for value in (1, 2))
        a = node("Div", node("Add", A, one), two) if targets.coding == "signed" else A
        probabilities = node("Concat", node("Sub", one, a), a, axis=1)
        threshold = graph.constant(np.array(0 if targets.coding == "signed" else 0.5, dtype=run.recipe.precision))
        k = graph.cast(node("Squeeze", node("Greater", A, threshold), graph.constant(np.array([1]))), np.int64)
    labels = np.array(targets.classes)
    values = graph.constant(labels.astype(object) if labels.dtype.kind == "U" else labels, "classes")
    return node("Gather", values, k), probabilities
