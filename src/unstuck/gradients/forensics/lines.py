"""The right backward pass of a recognised network, as lines of NumPy in the person's own names and orientation."""

from __future__ import annotations

from collections.abc import Iterator

from unstuck.functions.activations import Activation, LeakyReLU
from unstuck.functions.losses import Loss
from unstuck.functions.pairs import sensible_pair
from unstuck.gradients.forensics.layers import Layer, array_of
from unstuck.gradients.forensics.recognised import TERMS, Recognised

DERIVATIVES = {
    "sigmoid": "a{k} * (1 - a{k})",
    "tanh": "(1 - a{k}**2)",
    "relu": "(z{k} > 0)",
    "softplus": "sigmoid(z{k})",
    "exponential": "a{k}",
}
SLOPES = {
    "squared_error": ("(a{k} - Y)", 2.0),
    "absolute_error": ("np.sign(a{k} - Y)", 1.0),
    "huber": ("np.clip(a{k} - Y, -{threshold:g}, {threshold:g})", 1.0),
    "binary_crossentropy": ("(a{k} - Y) / (a{k} * (1 - a{k}))", 1.0),
    "categorical_crossentropy": ("-Y / a{k}", 1.0),
    "hinge": ("-Y * (Y * a{k} < 1)", 1.0),
    "poisson": ("(1 - Y / a{k})", 1.0),
}
"""Dl/da of each loss summed over outputs and rows, and the number that stands before it."""


def backward_pass(network: Recognised) -> Iterator[str]:
    """Yield the lines, from the output to the input."""
    layers, activations = network.arrangement.layers, network.activations
    in_columns, last = network.arrangement.in_columns, len(layers)
    for k in range(last, 0, -1):
        layer, f = layers[k - 1], activations[k - 1]
        if k == last:
            yield from _output(network, f, network.loss, k)
        else:
            back = _back(layers[k], f"delta{k + 1}", in_columns)
            factors = [text for text in (_dropout(network, k), _derivative(f, k)) if text]
            back = f"({back})" if factors and "@" in back else back
            yield f"delta{k} = {' * '.join([back, *factors])}"
        dropped = k > 1 and network.arrangement.factor(k - 2) is not None
        x = (f"dropped{k - 1}" if dropped else f"a{k - 1}") if k > 1 else "X"
        yield from _gradients(network, layer, x, f"delta{k}")


def _back(above: Layer, delta: str, in_columns: bool) -> str:
    """Return delta carried back through W of the layer above."""
    W = _parameter(above.W.name)
    if above.vector:
        return f"np.outer({W}, {delta})" if in_columns else f"np.outer({delta}, {W})"
    if in_columns:
        return f"{W + '.T' if above.transposed else W} @ {delta}"
    return f"{delta} @ {W if above.transposed else W + '.T'}"


def _gradients(network: Recognised, layer: Layer, x: str, delta: str) -> Iterator[str]:
    """Yield the gradients of W and b, or of the array that both are parts of."""
    in_columns = network.arrangement.in_columns
    product = {
        (False, False): f"{x}.T @ {delta}",
        (False, True): f"{delta}.T @ {x}",
        (True, False): f"{x} @ {delta}{'' if layer.vector else '.T'}",
        (True, True): f"{delta} @ {x}.T",
    }[in_columns, layer.transposed]
    product += _penalty(network, layer.W.name, on_biases=False)
    if layer.b is None:
        yield f"{_derivative_name(layer.W.name)} = {product}"
        return
    total = _total(layer, delta, in_columns) + _penalty(network, layer.b.name, on_biases=True)
    if not layer.folded:
        yield f"{_derivative_name(layer.W.name)} = {product}"
        yield f"{_derivative_name(layer.b.name)} = {total}"
        return
    stacked = "np.hstack" if layer.vector else "np.column_stack" if layer.transposed else "np.vstack"
    parts = (product, total) if layer.W.name.endswith(":-1]") else (total, product)
    yield f"{_derivative_name(array_of(layer.W).name)} = {stacked}([{', '.join(parts)}])"


def _total(layer: Layer, delta: str, in_columns: bool) -> str:
    """Return the sum of delta over the rows, in the shape of b."""
    assert layer.b is not None
    shape = layer.b.shape
    if layer.vector:
        return f"{delta}.sum(keepdims=True)" if shape == (1,) and not layer.folded else f"{delta}.sum()"
    along = f"{delta}.sum(axis={int(in_columns)}"
    if len(shape) < 2:
        return f"{along})"
    kept = (layer.outputs, 1) if in_columns else (1, layer.outputs)
    return f"{along}, keepdims=True)" if shape == kept else f"{along}, keepdims=True).T"


def _parameter(name: str) -> str:
    return f"parameters{name}" if name.startswith("[") else name


def _derivative_name(name: str) -> str:
    return f"gradient{name}" if name.startswith("[") else f"d{name}"


def _output(network: Recognised, f: Activation, loss: Loss, k: int) -> Iterator[str]:
    n, o = network.arrangement.Y.shape
    if sensible_pair(f, loss) is not None:
        yield f"delta{k} = {_scaled(f'(a{k} - Y)', network.scale, n, o)}"
        return
    slope, number = SLOPES[loss.kind]
    slope = _scaled(slope.format(k=k, threshold=getattr(loss, "threshold", 1.0)), network.scale * number, n, o)
    if f.kind == "softmax":
        axis = 0 if network.arrangement.in_columns else 1
        yield f"da{k} = {slope}"
        yield f"delta{k} = a{k} * (da{k} - (da{k} * a{k}).sum(axis={axis}, keepdims=True))"
    else:
        factor = _derivative(f, k)
        yield f"delta{k} = {slope} * {factor}" if factor else f"delta{k} = {slope}"


def _dropout(network: Recognised, k: int) -> str:
    if network.arrangement.factor(k - 1) is None:
        return ""
    keeps = network.arrangement.keeps
    several = sum(factor is not None for factor in network.arrangement.dropped) > 1
    mask = f"mask{k}" if several else "mask"
    return mask if keeps == 1 else f"{mask} * {keeps:g}"


def _derivative(f: Activation, k: int) -> str:
    if f.kind == "identity":
        return ""
    if isinstance(f, LeakyReLU):
        return f"np.where(z{k} > 0, 1, {f.slope:g})"
    return DERIVATIVES.get(f.kind, f"{f.kind}_derivative(z{{k}})").format(k=k)


def _scaled(text: str, scale: float, n: int, o: int) -> str:
    for divided, name in ((1, ""), (n, f" / {n}"), (o, f" / {o}"), (n * o, f" / {n * o}")):
        for number, before in ((1.0, ""), (2.0, "2 * "), (0.5, "0.5 * ")):
            if abs(scale * divided / number - 1) < 1e-8:
                return f"{before}{text}{name}"
    return f"{scale:.6g} * {text}"


def _penalty(network: Recognised, name: str, *, on_biases: bool) -> str:
    w = _parameter(name)
    shapes = {"²": w, "|": f"np.sign({w})"}
    text = ""
    for term, coefficient in network.penalty.items():
        if TERMS[term][0] == on_biases:
            shape = next((shape for mark, shape in shapes.items() if mark in term), "")
            factor = 2 * coefficient if "²" in term else coefficient
            text += f" + {factor:.6g} * {shape}" if shape else f" + {factor:.6g}"
    return text
