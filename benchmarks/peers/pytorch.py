"""PyTorch, eager: autograd, and its own losses and optimizers, in the variant that proves fastest here.

Several networks at once: parameters with one more axis in front, and batched matrix products.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache, partial

import torch
import torch.nn.functional as F  # noqa: N812  # as everyone calls it

from benchmarks import workloads
from benchmarks.peers import Trained
from benchmarks.workloads import Workload
from unstuck import Dense, Recipe
from unstuck.arrays import Array

Tensors = list[torch.Tensor]
Variant = dict[str, bool]

VARIANTS: list[Variant] = [{"fused": True}, {"foreach": True}, {"foreach": False}]
TRIAL_UPDATES = 50


def activation(layer: Dense) -> Callable[[torch.Tensor], torch.Tensor]:
    match layer.activation.kind:
        case "relu":
            return F.relu
        case "leaky_relu":
            return partial(F.leaky_relu, negative_slope=layer.activation.slope)
        case "sigmoid":
            return torch.sigmoid
        case _:  # the loss takes softmax's pre-activations
            return lambda z: z


def optimizer(recipe: Recipe, parameters: Tensors, variant: Variant) -> torch.optim.Optimizer:
    o = recipe.optimizer
    match o.kind:
        case "adam":
            return torch.optim.Adam(parameters, o.learning_rate, (o.beta1, o.beta2), o.epsilon, **variant)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, o.learning_rate, o.decay, o.epsilon, **variant)
        case "momentum":
            return torch.optim.SGD(parameters, o.learning_rate, o.momentum, **variant)
        case _:
            return torch.optim.SGD(parameters, o.learning_rate, **variant)


class Program:
    """The workload as tensors; `layers` are activations of Dense layers and rates of Dropout layers."""

    def __init__(self, workload: Workload):
        self.workload, self.recipe = workload, workload.recipe
        X, Y = workload.XY
        self.classes = self.recipe.loss.kind == "categorical_crossentropy"
        self.X = torch.tensor(X)
        self.Y = torch.tensor(Y.argmax(axis=1) if self.classes else Y)
        self.orders = None if workload.orders is None else torch.tensor(workload.orders)
        self.layers = [activation(layer) if isinstance(layer, Dense) else layer.rate for layer in self.recipe.layers]

    def parameters(self) -> Tensors:
        """Return W and b of every Dense layer at the start; b (networks, 1, o) where there are several networks."""
        layers = self.workload.layers(self.workload.start)
        parts = [part for W, b in layers for part in (W, b if b.ndim == 1 else b[:, None])]
        return [torch.tensor(part, requires_grad=True) for part in parts]

    def forward(self, parameters: Tensors, x: torch.Tensor, training: bool) -> torch.Tensor:
        linear = torch.addmm if self.workload.networks == 1 else torch.baddbmm
        rest = iter(parameters)
        for layer in self.layers:
            if isinstance(layer, float):
                x = F.dropout(x, layer, training)
            else:
                W, b = next(rest), next(rest)
                x = layer(linear(b, x, W))
        return x

    def loss(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the mean over the rows; of several networks the sum of their means."""
        if not self.classes:
            return F.mse_loss(z, y)
        if self.workload.networks == 1:
            return F.cross_entropy(z, y)
        return F.cross_entropy(z.flatten(0, 1), y.flatten()) * self.workload.networks

    def batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if self.orders is None:
            for _ in range(self.recipe.epochs):
                yield self.X, self.Y
            return
        size, rows_axis = self.workload.batch_size, self.orders.dim() - 2
        for order in self.orders:
            yield from zip(self.X[order].split(size, rows_axis), self.Y[order].split(size, rows_axis), strict=True)

    def train(self, variant: Variant) -> tuple[float, Tensors]:
        """Return the seconds it took, and the parameters after all updates."""
        torch.manual_seed(self.recipe.seed)
        parameters = self.parameters()
        moved = optimizer(self.recipe, parameters, variant)

        started = time.perf_counter()
        for x, y in self.batches():
            loss = self.loss(self.forward(parameters, x, training=True), y)
            for parameter in parameters:
                parameter.grad = None  # what zero_grad() does, without its bookkeeping
            loss.backward()
            moved.step()
        return time.perf_counter() - started, parameters

    @torch.no_grad()
    def outputs(self, parameters: Tensors, X: Array) -> Array:
        x = torch.tensor(X)
        if self.workload.networks > 1:
            x = x.expand(self.workload.networks, *x.shape)
        z = self.forward(parameters, x, training=False)
        return (torch.softmax(z, dim=-1) if self.classes else z).numpy()


@cache
def fastest_variant(name: str) -> Variant:
    program = Program(workloads.make(name, min(1.0, TRIAL_UPDATES / workloads.updates(name))))
    known = VARIANTS[1:] if program.recipe.optimizer.kind == "rmsprop" else VARIANTS  # none is fused there
    return min(known, key=lambda variant: min(program.train(variant)[0] for _ in range(2)))


def prepare(workload: Workload, threads: int) -> Callable[[], Trained]:
    torch.set_num_threads(threads)
    variant = fastest_variant(workload.name)
    program = Program(workload)
    remark = next((f"{name} optimizer" for name, wanted in variant.items() if wanted), "plain optimizer")
    remark += ", its own dropout masks" if workload.drops else ""

    def run() -> Trained:
        seconds, parameters = program.train(variant)
        return Trained(seconds, partial(program.outputs, parameters), remark, exact=not workload.drops)

    return run
