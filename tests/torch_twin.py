"""The same mathematics in PyTorch, which differentiates by itself: the oracle for functions, engines and trainings."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional
from torch.nn.functional import binary_cross_entropy_with_logits as bce_with_logits
from torch.optim import lr_scheduler

from unstuck.network import Network
from unstuck.random import batch_order, dropout_mask

ACTIVATIONS = {
    "identity": lambda f, z: z * 1,
    "sigmoid": lambda f, z: torch.sigmoid(z),
    "tanh": lambda f, z: torch.tanh(z),
    "relu": lambda f, z: functional.relu(z),
    "leaky_relu": lambda f, z: functional.leaky_relu(z, f.slope),
    "elu": lambda f, z: functional.elu(z, f.alpha),
    "selu": lambda f, z: functional.selu(z),
    "gelu": lambda f, z: functional.gelu(z),
    "silu": lambda f, z: functional.silu(z),
    "softplus": lambda f, z: torch.logaddexp(z, torch.zeros_like(z)),  # PyTorch's own is cut off
    "softmax": lambda f, z: torch.softmax(z, dim=1),
    "exponential": lambda f, z: torch.exp(z),
    "hard_sigmoid": lambda f, z: functional.relu6(z + 3) / 6,  # the slope of hardsigmoid is rounded
    "softsign": lambda f, z: functional.softsign(z),
}


def clipped(A, upper=math.inf):
    eps = torch.finfo(A.dtype).eps
    return A.clamp(eps, upper - eps)


LOSSES = {
    "squared_error": lambda loss, Y, A: (A - Y) ** 2 / (2 if loss.half else 1),
    "absolute_error": lambda loss, Y, A: (A - Y).abs(),
    "huber": lambda loss, Y, A: functional.huber_loss(A, Y, reduction="none", delta=loss.threshold),
    "categorical_crossentropy": lambda loss, Y, A: -Y * torch.log(clipped(A)),
    "binary_crossentropy": lambda loss, Y, A: functional.binary_cross_entropy(clipped(A, 1), Y, reduction="none"),
    "hinge": lambda loss, Y, A: functional.relu(1 - Y * A),
    "poisson": lambda loss, Y, A: clipped(A) - Y * torch.log(clipped(A)),
}
"""l(y, a) for every output, before any reduction."""

PAIRS = {
    ("softmax", "categorical_crossentropy"): lambda Y, z: -Y * functional.log_softmax(z, dim=1),
    ("sigmoid", "binary_crossentropy"): lambda Y, z: bce_with_logits(z, Y, reduction="none"),
    ("exponential", "poisson"): lambda Y, z: functional.poisson_nll_loss(z, Y, log_input=True, reduction="none"),
}
"""l(y, z) for the pairs that are computed from z."""


def reduced(loss, elements, weights=None):
    """The two reductions: over the outputs of a row, then over the rows."""
    per_row = elements.mean(dim=1) if loss.outputs == "mean" else elements.sum(dim=1)
    w = torch.ones_like(per_row) if weights is None else weights
    return (w * per_row).sum() / (w.sum() if loss.rows == "mean" else 1)


class GainedRMSprop(torch.optim.RMSprop):
    """PyTorch's RMSprop, each step multiplied by a gain that follows the signs of successive gradients."""

    def __init__(self, o, w):
        super().__init__([w], o.learning_rate, alpha=o.decay, eps=o.epsilon)
        self.rule, self.w = o, w
        self.gain, self.previous = torch.ones_like(w), torch.zeros_like(w)

    @torch.no_grad()
    def step(self):
        before, sign = self.w.clone(), torch.sign(self.w.grad * self.previous)
        super().step()
        self.gain[sign > 0] *= self.rule.increment
        self.gain[sign < 0] *= self.rule.decrement
        self.gain.clamp_(self.rule.minimum, self.rule.maximum)
        self.w.copy_(before + self.gain * (self.w - before))
        self.previous = self.w.grad.clone()


def adam(method, o, w, **options):
    return method([w], o.learning_rate, betas=(o.beta1, o.beta2), eps=o.epsilon, **options)


OPTIMIZERS = {
    "sgd": lambda o, w: torch.optim.SGD([w], o.learning_rate),
    "momentum": lambda o, w: torch.optim.SGD([w], o.learning_rate, momentum=o.momentum),
    "nesterov": lambda o, w: torch.optim.SGD([w], o.learning_rate, momentum=o.momentum, nesterov=True),
    "rmsprop": lambda o, w: torch.optim.RMSprop([w], o.learning_rate, alpha=o.decay, eps=o.epsilon),
    "adaptive_rmsprop": GainedRMSprop,
    "rprop": lambda o, w: torch.optim.Rprop(
        [w], o.learning_rate, etas=(o.decrement, o.increment), step_sizes=(o.minimum, o.maximum)
    ),
    "adagrad": lambda o, w: torch.optim.Adagrad([w], o.learning_rate, eps=o.epsilon),
    "adam": lambda o, w: adam(torch.optim.Adam, o, w),
    "adamw": lambda o, w: adam(torch.optim.AdamW, o, w, weight_decay=o.weight_decay),
    "nadam": lambda o, w: adam(torch.optim.NAdam, o, w),
}


def warm_up(schedule, optimizer, s, T):
    u = math.ceil(schedule.epochs * s)
    rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / u, total_iters=max(1, u - 1))
    then = SCHEDULES[schedule.then.kind](schedule.then, optimizer, s, T - u)
    return lr_scheduler.SequentialLR(optimizer, [rise, then], milestones=[u])


def one_cycle(schedule, optimizer, s, T):
    return lr_scheduler.OneCycleLR(
        optimizer,
        full_rate(optimizer),
        total_steps=T,
        pct_start=schedule.rise,
        div_factor=schedule.start_divisor,
        final_div_factor=schedule.final_divisor,
        cycle_momentum=False,
    )


def rate(optimizer):
    return optimizer.param_groups[0]["lr"]


def full_rate(optimizer):
    return optimizer.param_groups[0].get("initial_lr", rate(optimizer))


SCHEDULES = {
    "constant": lambda schedule, optimizer, s, T: lr_scheduler.ConstantLR(optimizer, factor=1),
    "step": lambda schedule, optimizer, s, T: lr_scheduler.StepLR(optimizer, schedule.every * s, schedule.drop),
    "exponential": lambda schedule, optimizer, s, T: lr_scheduler.StepLR(optimizer, s, schedule.decay),
    "inverse_scaling": lambda schedule, optimizer, s, T: lr_scheduler.LambdaLR(
        optimizer, lambda t: (t + 1) ** -schedule.power
    ),
    "inverse_scaling_by_rows": lambda schedule, optimizer, s, T: lr_scheduler.LambdaLR(
        optimizer, lambda t: (schedule.seen + schedule.rows * (t // s) + 1) ** -schedule.power
    ),
    "cosine": lambda schedule, optimizer, s, T: lr_scheduler.CosineAnnealingLR(
        optimizer, T, schedule.final * full_rate(optimizer)
    ),
    "warm_up": warm_up,
    "one_cycle": one_cycle,
    "reduce_on_plateau": lambda schedule, optimizer, s, T: lr_scheduler.ReduceLROnPlateau(
        optimizer,
        factor=schedule.drop,
        patience=schedule.patience,
        threshold=schedule.threshold,
        min_lr=schedule.lowest * full_rate(optimizer),
        eps=0,
    ),
}
"""PyTorch's scheduler over T updates, s an epoch; all but the last step at every update."""


def parameters(recipe, w, inputs):
    """Cut w into (W, b) for each Dense layer, b None where there is none."""
    for layer in recipe.layers:
        if layer.kind == "dense":
            W, w = w[: inputs * layer.units].reshape(inputs, layer.units), w[inputs * layer.units :]
            b, w = (w[: layer.units], w[layer.units :]) if layer.bias else (None, w)
            inputs = layer.units
            yield W, b


def forward(recipe, w, X, t=None):
    """Return z and a of the last layer, with the dropout masks of update t."""
    z = a = X
    rest = parameters(recipe, w, X.shape[1])
    for index, layer in enumerate(recipe.layers):
        if layer.kind == "dense":
            W, b = next(rest)
            z = a @ W if b is None else a @ W + b
            a = ACTIVATIONS[layer.activation.kind](layer.activation, z)
        elif t is not None:
            mask = dropout_mask(recipe.seed, t, index, len(a), a.shape[1], layer.rate)
            a = a * torch.tensor(mask) / (1 - layer.rate)
    return z, a


def cost(recipe, w, X, Y, weights=None, t=None):
    """The loss plus the penalties that are part of the cost."""
    z, a = forward(recipe, w, X, t)
    activation, loss = recipe.layers[-1].activation, recipe.loss
    pair = PAIRS.get((activation.kind, loss.kind))
    total = reduced(loss, LOSSES[loss.kind](loss, Y, a) if pair is None else pair(Y, z), weights)
    for penalty in recipe.penalties:
        for part in penalized(recipe, penalty, w, X.shape[1]):
            if penalty.kind == "l1":
                total = total + penalty.strength * part.abs().sum()
            elif penalty.kind == "l2":
                total = total + penalty.strength / 2 * (part**2).sum()
    return total


def penalized(recipe, penalty, w, inputs):
    return [w] if penalty.on == "all" else [W for W, _ in parameters(recipe, w, inputs)]


def train(recipe, X, Y, weights=None):
    """Return the parameters after all epochs on arrays X (n, i), Y (n, o) and row weights (n,)."""
    w = torch.tensor(Network(recipe, X.shape[1]).start(), requires_grad=True)
    X, Y = torch.tensor(X), torch.tensor(Y)
    weights = None if weights is None else torch.tensor(weights)
    n = len(X)
    size = n if recipe.batch_size == "full" else recipe.batch_size
    s = math.ceil(n / size)
    optimizer = OPTIMIZERS[recipe.optimizer.kind](recipe.optimizer, w)
    scheduler = SCHEDULES[recipe.schedule.kind](recipe.schedule, optimizer, s, s * recipe.epochs)
    t = 0
    for epoch in range(recipe.epochs):
        order = batch_order(recipe.seed, epoch, n) if recipe.shuffle else np.arange(n)
        epoch_cost = 0.0
        for rows in (order[k : k + size] for k in range(0, n, size)):
            batch_cost = cost(recipe, w, X[rows], Y[rows], None if weights is None else weights[rows], t)
            update(recipe, w, batch_cost, optimizer, X.shape[1])
            epoch_cost += batch_cost.item() * len(rows) / n
            t += 1
            if recipe.schedule.kind != "reduce_on_plateau":
                scheduler.step()
        if recipe.schedule.kind == "reduce_on_plateau":
            scheduler.step(epoch_cost)
    return w.detach().numpy()


def update(recipe, w, batch_cost, optimizer, inputs):
    """One update: gradient, clipping, decay, optimizer, max-norm."""
    optimizer.zero_grad()
    batch_cost.backward()
    with torch.no_grad():
        if recipe.clip_value:
            w.grad.clamp_(-recipe.clip_value, recipe.clip_value)
        if recipe.clip_norm and w.grad.norm() > recipe.clip_norm:
            w.grad.mul_(recipe.clip_norm / w.grad.norm())
        for penalty in recipe.penalties:
            if penalty.kind == "decoupled_decay":
                for part in penalized(recipe, penalty, w, inputs):
                    part.sub_(rate(optimizer) * penalty.strength * part)
    optimizer.step()
    with torch.no_grad():
        for penalty in recipe.penalties:
            if penalty.kind == "max_norm":
                for W, _ in parameters(recipe, w, inputs):
                    W.mul_((penalty.limit / W.norm(dim=0)).clamp(max=1))
