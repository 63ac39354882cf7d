"""NumPy, everything of the size of a batch or of the parameters written into buffers made beforehand.

Several networks at once: all arrays have one more axis in front, so that one call does the work of all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.peers import Trained
from benchmarks.workloads import Workload
from unstuck import Dense, Dropout
from unstuck.arrays import Array
from unstuck.functions.activations import Activation
from unstuck.functions.optimizers import Optimizer
from unstuck.random import dropout_mask

Parameters = tuple[Array, Array]


class Layer:
    """A Dense layer: W (..., i, o) and b (..., o), their gradients, and buffers for n rows."""

    def __init__(self, activation: Activation, values: Parameters, gradients: Parameters, n: int):
        self.activation, (self.W, b), (self.gW, self.gb) = activation, values, gradients
        self.b = b[..., None, :]
        *lead, i, o = self.W.shape
        self.a, self.slope = (np.empty((*lead, n, o), self.W.dtype) for _ in range(2))
        self.dx = np.empty((*lead, n, i), self.W.dtype)

    def forward(self, x: Array) -> Array:
        self.x = x
        a = np.matmul(x, self.W, out=self.a)
        a += self.b
        match self.activation.kind:
            case "relu":
                np.maximum(a, 0, out=a)
            case "leaky_relu":
                np.maximum(a, np.multiply(a, self.activation.slope, out=self.slope), out=a)
            case "sigmoid":
                np.exp(np.negative(a, out=a), out=a)
                a += 1
                np.reciprocal(a, out=a)
            case "softmax":
                a -= a.max(axis=-1, keepdims=True)
                np.exp(a, out=a)
                a /= a.sum(axis=-1, keepdims=True)
        return a

    def through_activation(self, da: Array) -> Array:
        """Turn dL/da into dL/dz, in place; f' is a function of a here."""
        match self.activation.kind:
            case "relu":
                da *= np.greater(self.a, 0, out=self.slope, casting="unsafe")
            case "leaky_relu":
                self.slope.fill(self.activation.slope)
                np.copyto(self.slope, 1, where=self.a > 0)
                da *= self.slope
            case "sigmoid":
                np.subtract(1, self.a, out=self.slope)
                self.slope *= self.a
                da *= self.slope
        return da

    def backward(self, delta: Array) -> None:
        """Put dL/dW and dL/db where they belong."""
        np.matmul(self.x.swapaxes(-1, -2), delta, out=self.gW)
        np.add.reduce(delta, axis=-2, out=self.gb)

    def to_inputs(self, delta: Array) -> Array:
        """Return dL/dx."""
        return np.matmul(delta, self.W.swapaxes(-1, -2), out=self.dx)


class Drop:
    """The Dropout layer at place `index`, for a buffer `a` of the layer below; its masks are those of our engines."""

    def __init__(self, seed: int, index: int, rate: float, a: Array):
        self.seed, self.index, self.rate, self.factor = seed, index, rate, np.empty_like(a)

    def forward(self, a: Array, t: int) -> Array:
        kept = dropout_mask(self.seed, t, self.index, *a.shape, self.rate)
        a *= np.multiply(kept, 1 / (1 - self.rate), out=self.factor, casting="unsafe")
        return a


class Network:
    """The layers over w and its gradient g, (P,) or (networks, P), for batches of n rows."""

    def __init__(self, workload: Workload, w: Array, g: Array, n: int):
        self.recipe, self.layers = workload.recipe, []
        parameters = zip(workload.layers(w), workload.layers(g), strict=True)
        for index, layer in enumerate(self.recipe.layers):
            if isinstance(layer, Dense):
                self.layers.append(Layer(layer.activation, *next(parameters), n))
            elif isinstance(layer, Dropout):
                self.layers.append(Drop(self.recipe.seed, index, layer.rate, self.layers[-1].a))

    def outputs(self, x: Array, t: int | None = None) -> Array:
        """Return A, in evaluation mode or with the dropout of update t."""
        for layer in self.layers:
            if isinstance(layer, Layer):
                x = layer.forward(x)
            elif t is not None:
                x = layer.forward(x, t)
        return x

    def gradient(self, x: Array, y: Array, t: int) -> None:
        """Put the gradient of the loss into g."""
        n, o = y.shape[-2:]
        da = self.outputs(x, t)
        da -= y
        da *= 1 / n if self.recipe.loss.kind == "categorical_crossentropy" else 2 / (n * o)
        for layer in self.layers[::-1]:
            if isinstance(layer, Drop):
                da *= layer.factor
                continue
            delta = layer.through_activation(da)
            layer.backward(delta)
            if layer is not self.layers[0]:
                da = layer.to_inputs(delta)


def updater(o: Optimizer, w: Array, g: Array) -> Callable[[int], None]:
    """Return the function that does update t, counted from 1; it spoils g."""
    m, s, root = (np.zeros_like(w) for _ in range(3))

    def add_square(decay: float) -> None:
        np.multiply(s, decay, out=s)
        np.multiply(g, g, out=root)
        np.multiply(root, 1 - decay, out=root)
        np.add(s, root, out=s)

    def sgd(t: int) -> None:
        np.multiply(g, o.learning_rate, out=g)
        np.subtract(w, g, out=w)

    def momentum(t: int) -> None:
        np.multiply(m, o.momentum, out=m)
        np.add(m, g, out=m)
        np.multiply(m, o.learning_rate, out=g)
        np.subtract(w, g, out=w)

    def rmsprop(t: int) -> None:
        add_square(o.decay)
        np.add(np.sqrt(s, out=root), o.epsilon, out=root)
        np.multiply(g, o.learning_rate, out=g)
        np.subtract(w, np.divide(g, root, out=g), out=w)

    def adam(t: int) -> None:
        add_square(o.beta2)
        np.multiply(m, o.beta1, out=m)
        np.add(m, np.multiply(g, 1 - o.beta1, out=g), out=m)
        np.multiply(s, 1 / (1 - o.beta2**t), out=root)
        np.add(np.sqrt(root, out=root), o.epsilon, out=root)
        np.multiply(m, o.learning_rate / (1 - o.beta1**t), out=g)
        np.subtract(w, np.divide(g, root, out=g), out=w)

    return {"sgd": sgd, "momentum": momentum, "rmsprop": rmsprop, "adam": adam}[o.kind]


def batches(workload: Workload) -> Iterator[tuple[Array, Array]]:
    X, Y = workload.XY
    if workload.orders is None:
        for _ in range(workload.recipe.epochs):
            yield X, Y
        return
    for order in workload.orders:
        shuffled_X, shuffled_Y = X[order], Y[order]
        for k in range(0, len(X), workload.batch_size):
            rows = slice(k, k + workload.batch_size)
            yield shuffled_X[..., rows, :], shuffled_Y[..., rows, :]


def prepare(workload: Workload, threads: int) -> Callable[[], Trained]:
    def run() -> Trained:
        w = workload.start.copy()
        g = np.empty_like(w)
        update = updater(workload.recipe.optimizer, w, g)
        networks = {n: Network(workload, w, g, n) for n in workload.batch_rows}

        started = time.perf_counter()
        for t, (x, y) in enumerate(batches(workload)):
            networks[x.shape[-2]].gradient(x, y, t)
            update(t + 1)
        seconds = time.perf_counter() - started

        return Trained(seconds, lambda X: Network(workload, w, g, len(X)).outputs(X))

    return run
