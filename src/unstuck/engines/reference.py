"""The reference engine: the specification in `backprop.py` put to work, one update after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.data.sparse import comes_in_parts, dense_parts
from unstuck.engines.backprop import Trace, backward, cost_and_gradient, forward, loss_of
from unstuck.engines.batches import Batches
from unstuck.engines.engine import Descent, Engine, Failure, Poll, Progress, Rows, RowStream
from unstuck.engines.signals import flat_slopes, norms_of_layers
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import LBFGS
from unstuck.network import DenseLayer, DropoutLayer, Network

CHUNK = 8192
"""Rows evaluated at a time, so that memory stays bounded."""


class ReferenceEngine:
    """One update: gradient of the cost, clipping, decay, optimizer, max-norm. It starts no threads of its own."""

    name = "reference"

    def __init__(self, network: Network, rows: Rows | RowStream, threads: int | None = None, signals: bool = False):
        self.network, self.rows = network, rows
        self.batches = Batches(network.recipe, rows)

    def steps(self, descent: Descent, rates: npt.NDArray[np.float64], poll: Poll) -> Progress:
        progress = Progress()
        with np.errstate(all="ignore"):
            for rate in rates.tolist():
                if poll(progress.steps):
                    break
                batch = self.batches.of_update(descent.t).dense()
                cost, g = cost_and_gradient(
                    self.network, descent.w, batch.X, batch.Y, batch.weights, descent.earlier + descent.t
                )
                if not (math.isfinite(cost) and np.isfinite(g).all()):
                    progress.failure = first_failure(self.network, descent, batch)
                    if not (math.isfinite(cost) and np.isfinite(descent.w).all()):
                        descent.w[:] = descent.previous
                    break
                descent.previous[:] = descent.w
                if descent.t % self.batches.per_epoch == 0:
                    descent.cost_sum, descent.rows_seen = 0.0, 0
                self._update(descent, g, rate)
                progress.steps += 1
                descent.cost_sum += cost * len(batch)
                descent.rows_seen += len(batch)
                if self._reached(descent):
                    break
        return progress

    def _reached(self, descent: Descent) -> bool:
        target = self.network.recipe.stop_at_loss
        epoch_ends = descent.t % self.batches.per_epoch == 0
        return target is not None and epoch_ends and descent.cost_sum / descent.rows_seen <= target

    def cost_and_gradient(self, w: Array) -> tuple[float, Array]:
        assert isinstance(self.rows, Rows), "no gradient of rows that are streamed"
        rows = self.rows.dense()
        with np.errstate(all="ignore"):
            return cost_and_gradient(self.network, w, rows.X, rows.Y, rows.weights)

    def evaluate(self, w: Array, rows: Rows) -> tuple[float, Array]:
        if comes_in_parts(rows.X):
            return evaluate_parts(self, w, rows)
        with np.errstate(all="ignore"):
            traces = forward(self.network, w, rows.X)
            return loss_of(self.network, traces, rows.Y, rows.weights), traces[-1].a

    def observe(self, descent: Descent, rows: Rows) -> tuple[float, Array, list[float]]:
        rows = rows.dense()
        with np.errstate(all="ignore"):
            traces = forward(self.network, descent.w, rows.X)
            before = norms_of_layers(self.network, descent.previous)
            updates = norms_of_layers(self.network, descent.w - descent.previous)
            ratios = np.where(updates == 0, 0.0, updates / before)
            dense = [
                (trace.layer.activation, trace.z, trace.a) for trace in traces if isinstance(trace.layer, DenseLayer)
            ]
            signals: list[float] = []
            columns = dense, flat_slopes(self.network), self._gradient_norms(descent), ratios
            for (f, z, a), flat, *of_update in zip(*columns, strict=True):
                slopes = abs(f.derivative(z, a)).mean(axis=0)
                dead = slopes == 0
                saturated = (slopes < flat) & ~dead
                of_z = z.mean(dtype=np.float64), z.std(dtype=np.float64)
                signals += map(float, (dead.mean(), saturated.mean(), *of_z, *of_update))
            return loss_of(self.network, traces, rows.Y, rows.weights), traces[-1].a, signals

    def _gradient_norms(self, descent: Descent) -> Array:
        """Return the norm of each Dense layer's gradient in the last update, before any clipping."""
        t = descent.t - 1
        batch = self.batches.of_update(t).dense()
        mode = None if isinstance(self.network.recipe.optimizer, LBFGS) else descent.earlier + t
        g = cost_and_gradient(self.network, descent.previous, batch.X, batch.Y, batch.weights, mode)[1]
        return norms_of_layers(self.network, g)

    def _update(self, descent: Descent, g: Array, rate: float) -> None:
        recipe, w = self.network.recipe, descent.w
        if recipe.clip_value is not None:
            np.clip(g, -recipe.clip_value, recipe.clip_value, out=g)
        if recipe.clip_norm is not None:
            norm = float(np.linalg.norm(g.astype(np.float64)))  # squares of large float32 numbers overflow
            g *= recipe.clip_norm / max(norm, recipe.clip_norm)
        for penalty in recipe.penalties:
            for part in self.network.on(penalty.on):
                penalty.before_update(w[part], rate)
        descent.t += 1
        recipe.optimizer.update(w, g, descent.memory, descent.earlier + descent.t, rate)
        for penalty in recipe.penalties:
            for layer in self.network.dense:
                penalty.after_update(layer.W(w))


def evaluate_outputs(network: Network, w: Array, X: Array) -> Array:
    """Return A (n, o) for rows X (n, i), in evaluation mode."""
    with np.errstate(all="ignore"):
        return forward(network, w, X)[-1].a


class LossInParts:
    """The loss of rows that are evaluated part by part."""

    def __init__(self, loss: Loss):
        self._mean = loss.rows == "mean"
        self._sum, self._weight = 0.0, 0.0

    def add(self, value: float, part: Rows) -> None:
        """Add the loss of a part."""
        weight = float(len(part) if part.weights is None else part.weights.sum(dtype=np.float64))
        self._sum += value * weight if self._mean else value
        self._weight += weight

    @property
    def value(self) -> float:
        """The loss of all parts."""
        return self._sum / (self._weight or 1) if self._mean else self._sum


def parts_of(rows: Rows) -> Iterator[Rows]:
    """Yield rows in order, as arrays, a bounded number at a time."""
    for place, X in dense_parts(rows.X, CHUNK):
        yield Rows(X, rows.Y[place], None if rows.weights is None else rows.weights[place])


def evaluate_parts(engine: Engine, w: Array, rows: Rows) -> tuple[float, Array]:
    """Return what `engine.evaluate` does, of rows that are no array, made one part by part."""
    loss, outputs = LossInParts(engine.network.recipe.loss), []
    for part in parts_of(rows):
        value, A = engine.evaluate(w, part)
        loss.add(value, part)
        outputs.append(A)
    return loss.value, np.concatenate(outputs)


def first_failure(network: Network, descent: Descent, batch: Rows, training: bool = True) -> Failure:
    """Walk forward and then backward over a batch whose cost or gradient is not finite; name the first culprit."""
    batch = batch.dense()
    traces = forward(network, descent.w, batch.X, descent.earlier + descent.t if training else None)
    for trace in traces:
        for what, values in (("pre-activations", trace.z), ("activations", trace.a)):
            if not np.isfinite(values).all():
                return Failure(descent.t, _name(network, trace), what)
    if not math.isfinite(loss_of(network, traces, batch.Y, batch.weights)):
        return Failure(descent.t, _name(network, traces[-1]), "loss on the outputs")
    g = backward(network, descent.w, traces, batch.Y, batch.weights)
    for trace in reversed(traces):
        if isinstance(trace.layer, DenseLayer) and not np.isfinite(trace.layer.W(g)).all():
            return Failure(descent.t, _name(network, trace), "gradient")
    return Failure(descent.t, "the penalties", "value or gradient")


def _name(network: Network, trace: Trace) -> str:
    if isinstance(trace.layer, DropoutLayer):
        return f"the Dropout layer before layer {1 + sum(layer.index < trace.layer.index for layer in network.dense)}"
    return f"layer {network.dense.index(trace.layer) + 1} ({trace.layer.outputs} units, {trace.layer.activation.kind})"
