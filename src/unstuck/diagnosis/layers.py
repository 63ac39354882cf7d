"""What each layer does at given parameters: its signal on the way forward, its gradient on the way back.

For layer k with pre-activations z and activations a, both (n, o), over n rows:

    z_mean, z_spread    mean and standard deviation of z over rows and units
    dead                share of the units with f'(z) = 0 on every row
    saturated           share of the units whose mean |f'(z)| is less than 5 % of f'(0), of those not dead
    duplicates          share of the units whose activations equal those of another unit on every row
    straight            share of the units that stay on one side of their kink on every row: linear on these data
    rank                effective rank of a: exp of the entropy of its squared singular values (Roy and Vetterli 2007)
    gradient            root mean square of dL/dW
    penalty             root mean square of the penalties' part of it
    noise_scale         rows to an update at which the noise of its gradient is as large as the gradient; see below
    weights             root mean square of W, and `usual`, what the usual start for this layer has
    one_sided           |mean of W| over root mean square of W

With g_i the gradient of row i's loss by the layer's parameters, G their mean over all rows there could be and S the
trace of their covariance matrix, the gradient of B rows drawn at random has the mean G and the squared error S / B. So
its ratio of signal to noise is sqrt(B |G|^2 / S) = sqrt(B / noise_scale), where

    noise_scale = S / |G|^2        the simple noise scale of McCandlish, Kaplan, Amodei et al. (2018)

For a Dense layer g_i is the outer product of x_i and delta_i, so that |g_i|^2 = (|x_i|^2 + 1) |delta_i|^2, the 1 being
the bias' (Goodfellow 2015), and no g_i has to be formed. Both S and |G|^2 are freed of the bias of having n rows:

    S = (mean of |g_i|^2 - |mean of g_i|^2) n / (n - 1)        |G|^2 = |mean of g_i|^2 - S / n

Where the latter is not positive, n rows do not tell the gradient from 0, and the noise scale is infinite.

Everything is computed by the specification in `engines/backprop.py`, on some hundred rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unstuck.arrays import Array, evenly
from unstuck.engines.backprop import Trace, deltas, forward, penalties_on
from unstuck.engines.engine import Rows
from unstuck.functions.initializers import Initializer
from unstuck.network import DenseLayer, Network

MOST_ROWS = 256
MOST_UNITS = 256
"""The effective rank is that of so many units, where there are more."""
FLAT = 0.05
EQUAL = 1e-6
KINKED = ("relu", "leaky_relu", "elu", "selu")


@dataclass(frozen=True)
class LayerEvidence:
    """One layer at given parameters; see above."""

    number: int
    units: int
    inputs: int
    activation: str
    z_mean: float
    z_spread: float
    dead: float
    saturated: float
    duplicates: float
    straight: float
    rank: float
    gradient: float
    penalty: float
    noise_scale: float
    weights: float
    usual: float
    one_sided: float


@dataclass(frozen=True)
class NetworkEvidence:
    """A network at given parameters.

    Attributes:
        layers: the Dense layers.
        output_spread: standard deviation of the outputs over rows, root mean square over outputs.
        target_spread: the same of Y.
        linear: R2 with which the last layer's z is a straight-line function of the inputs; 1 is a network that is one.
        outside: share of the entries of Y outside the output's range.
        noise_scale: of the gradient of all layers together.
    """

    layers: tuple[LayerEvidence, ...]
    output_spread: float
    target_spread: float
    linear: float
    outside: float
    noise_scale: float

    @property
    def hidden(self) -> tuple[LayerEvidence, ...]:
        """The layers before the last."""
        return self.layers[:-1]

    @property
    def output(self) -> LayerEvidence:
        """The last layer."""
        return self.layers[-1]


def look(network: Network, w: Array, rows: Rows) -> NetworkEvidence:
    """Measure a network at parameters w (P,) on some of the rows."""
    rows = rows.pick(evenly(len(rows), MOST_ROWS))
    X, Y = rows.X.astype(np.float64), rows.Y.astype(np.float64)
    w = w.astype(np.float64)
    with np.errstate(all="ignore"):
        traces = forward(network, w, X)
        g, noises = np.zeros_like(w), []
        for layer, x, delta in deltas(network, w, traces, Y, rows.weights):
            layer.W(g)[...] = x.T @ delta
            if layer.has_bias:
                layer.b(g)[...] = delta.sum(axis=0)
            noises.append(_noise(layer, g, x, delta))
        noises.reverse()
        penalty = np.zeros_like(w)
        for one in penalties_on(network, len(X), rows.weights):
            for part in network.on(one.on):
                one.add_gradient(w[part], penalty[part])
        dense = [trace for trace in traces if isinstance(trace.layer, DenseLayer)]
        layers = tuple(
            _layer(number, trace, w, g, penalty, _noise_scale(*noise))
            for number, (trace, noise) in enumerate(zip(dense, noises, strict=True), start=1)
        )
        low, high = dense[-1].layer.activation.range  # type: ignore[union-attr]  # only Dense layers
        return NetworkEvidence(
            layers,
            output_spread=_finite(np.sqrt(dense[-1].a.var(axis=0).mean())),
            target_spread=_finite(np.sqrt(Y.var(axis=0).mean())),
            linear=_linear(X, dense[-1].z),
            outside=float(np.mean((low > Y) | (high < Y))),
            noise_scale=_noise_scale(*np.sum(noises, axis=0)),
        )


def _layer(number: int, trace: Trace, w: Array, g: Array, penalty: Array, noise_scale: float) -> LayerEvidence:
    layer, _, z, a = trace
    assert isinstance(layer, DenseLayer)
    f = layer.activation
    slopes = np.abs(f.derivative(z, a)).mean(axis=0)
    dead = slopes == 0
    low, high = f.range
    bounded = np.isfinite(high - low)
    even = np.zeros((1, 2))
    steepest = float(np.abs(f.derivative(even, f.value(even))).max()) if bounded else 1.0
    W, usual = layer.W(w), Initializer.from_data(f.start)
    drawn = usual.sample(np.random.default_rng(0), (layer.inputs, layer.outputs), layer.inputs, layer.outputs)
    size = _root_mean_square(W)
    return LayerEvidence(
        number=number,
        units=layer.outputs,
        inputs=layer.inputs,
        activation=f.kind,
        z_mean=_finite(z.mean()),
        z_spread=_finite(z.std()),
        dead=float(dead.mean()),
        saturated=float(((slopes < FLAT * steepest) & ~dead).mean()) if bounded else 0.0,
        duplicates=_duplicates(a),
        straight=float(((z > 0).all(axis=0) | (z < 0).all(axis=0)).mean()) if f.kind in KINKED else 0.0,
        rank=_effective_rank(a),
        gradient=_root_mean_square(layer.W(g)),
        penalty=_root_mean_square(layer.W(penalty)),
        noise_scale=noise_scale,
        weights=size,
        usual=_root_mean_square(drawn),
        one_sided=float(abs(W.mean()) / size) if size else 0.0,
    )


def signal_to_noise(rows: int, noise_scale: float) -> str:
    """Return the ratio of signal to noise of the gradient of so many rows, in digits.

    Where the gradient of all rows looked at is not told from 0, theirs is less than 1.
    """
    if noise_scale == 0:
        return "no noise"
    if not np.isfinite(noise_scale):
        return f"< {np.sqrt(rows / MOST_ROWS):.2g}"
    return f"{np.sqrt(rows / noise_scale):.2g}"


def number_of_rows(noise_scale: float) -> str:
    """Return a noise scale in words."""
    if not np.isfinite(noise_scale):
        return "more rows than can be told"
    return f"{noise_scale:,.0f} rows" if noise_scale >= 10 else f"{noise_scale:.1f} rows"


def _noise(layer: DenseLayer, g: Array, x: Array, delta: Array) -> tuple[float, float]:
    """Return S and |G|^2 of one layer, see above; `g` holds the mean of its g_i, `x` and `delta` their factors."""
    n = len(x)
    if n < 2:
        return 0.0, 0.0
    of_rows = n * n * ((x**2).sum(axis=1) + layer.has_bias) * (delta**2).sum(axis=1)  # delta is of the mean loss
    mean = float((layer.W(g) ** 2).sum() + (layer.b(g) ** 2).sum())
    noise = max(0.0, float(of_rows.mean()) - mean) * n / (n - 1)
    return noise, mean - noise / n


def _noise_scale(noise: float, signal: float) -> float:
    if noise == 0:
        return 0.0
    return float(noise / signal) if signal > 0 and np.isfinite(noise) else float("inf")


def _duplicates(a: Array) -> float:
    """Return the share of the columns that equal another one; none where there is only one column."""
    if a.shape[1] < 2 or not np.isfinite(a).all():
        return 0.0
    scale = np.abs(a).max() or 1.0
    _, counts = np.unique(np.round(a / (EQUAL * scale)), axis=1, return_counts=True)
    return float(counts[counts > 1].sum() / a.shape[1])


def _effective_rank(a: Array) -> float:
    if not np.isfinite(a).all():
        return 0.0
    a = a[:, :MOST_UNITS]
    values = np.linalg.svd(a - a.mean(axis=0), compute_uv=False) ** 2
    total = values.sum()
    if total <= 1e-24 * max(1.0, float((a**2).sum())):
        return 0.0
    shares = values[values > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _linear(X: Array, z: Array) -> float:
    if not np.isfinite(z).all():
        return 0.0
    columns = np.column_stack([X, np.ones(len(X))])
    if columns.shape[1] >= len(X) / 2:  # a straight line through anything
        return 0.0
    left = z - columns @ np.linalg.lstsq(columns, z, rcond=None)[0]
    spread = float(((z - z.mean(axis=0)) ** 2).sum())
    return 1 - float((left**2).sum()) / spread if spread > 1e-20 else 1.0


def _root_mean_square(values: Array) -> float:
    return _finite(np.sqrt(np.mean(values**2))) if values.size else 0.0


def _finite(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]  # a NumPy number
    return number if np.isfinite(number) else float("inf")
