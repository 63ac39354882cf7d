"""JAX: the whole training is one compiled call, lax.scan over the updates of an epoch inside a scan over the epochs.

Several networks at once: the same function under vmap. The time to compile is not counted, but told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.peers import Trained
from benchmarks.workloads import Workload
from unstuck import Dense, Dropout, Recipe
from unstuck.arrays import Array

Arrays = list[jax.Array]
State = tuple[Arrays, Arrays, Arrays, jax.Array]
"""The parameters W1, b1, W2, b2, ...; the optimizer's memory m and s, of the same shapes; updates done."""

ACTIVATIONS = {
    "relu": lambda f, z: jax.nn.relu(z),
    "leaky_relu": lambda f, z: jax.nn.leaky_relu(z, f.slope),
    "sigmoid": lambda f, z: jax.nn.sigmoid(z),
    "identity": lambda f, z: z,
    "softmax": lambda f, z: z,  # the loss takes softmax's pre-activations
}


def forward(recipe: Recipe, parameters: Arrays, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
    """Return the outputs, before the softmax if there is one; with a key, dropout."""
    rest = iter(parameters)
    for index, layer in enumerate(recipe.layers):
        if isinstance(layer, Dense):
            W, b = next(rest), next(rest)
            x = ACTIVATIONS[layer.activation.kind](layer.activation, x @ W + b)
        elif isinstance(layer, Dropout) and key is not None:
            kept = jax.random.bernoulli(jax.random.fold_in(key, index), 1 - layer.rate, x.shape)
            x = jnp.where(kept, x / (1 - layer.rate), 0)
    return x


def loss(recipe: Recipe, parameters: Arrays, x: jax.Array, y: jax.Array, key: jax.Array) -> jax.Array:
    z = forward(recipe, parameters, x, key)
    if recipe.loss.kind == "categorical_crossentropy":
        return -(y * jax.nn.log_softmax(z)).sum(axis=1).mean()
    return ((z - y) ** 2).mean()


def update(recipe: Recipe, t: jax.Array, w: jax.Array, g: jax.Array, m: jax.Array, s: jax.Array) -> Arrays:
    """Return w, m and s after update t, counted from 1."""
    o = recipe.optimizer
    match o.kind:
        case "sgd":
            w = w - o.learning_rate * g
        case "momentum":
            m = o.momentum * m + g
            w = w - o.learning_rate * m
        case "rmsprop":
            s = o.decay * s + (1 - o.decay) * g * g
            w = w - o.learning_rate * g / (jnp.sqrt(s) + o.epsilon)
        case "adam":
            m = o.beta1 * m + (1 - o.beta1) * g
            s = o.beta2 * s + (1 - o.beta2) * g * g
            w = w - o.learning_rate * m / (1 - o.beta1**t) / (jnp.sqrt(s / (1 - o.beta2**t)) + o.epsilon)
    return [w, m, s]


def step(recipe: Recipe, key: jax.Array, state: State, x: jax.Array, y: jax.Array) -> State:
    parameters, m, s, t = state
    g = jax.grad(partial(loss, recipe))(parameters, x, y, jax.random.fold_in(key, t))
    moved = [update(recipe, t + 1, *of_one) for of_one in zip(parameters, g, m, s, strict=True)]
    parameters, m, s = map(list, zip(*moved, strict=True))
    return parameters, m, s, t + 1


def train(recipe: Recipe, size: int, start: Arrays, orders: jax.Array | None, X: jax.Array, Y: jax.Array) -> Arrays:
    """Return the parameters after all epochs, in mini-batches of `size` rows."""
    one = partial(step, recipe, jax.random.key(recipe.seed))
    zeros = [jnp.zeros_like(part) for part in start]
    state = start, zeros, zeros, jnp.array(0)
    if orders is None:
        return lax.scan(lambda state, _: (one(state, X, Y), None), state, length=recipe.epochs)[0][0]

    whole = len(X) // size * size

    def epoch(state: State, order: jax.Array) -> tuple[State, None]:
        batches = order[:whole].reshape(-1, size)
        state, _ = lax.scan(lambda state, rows: (one(state, X[rows], Y[rows]), None), state, batches)
        rest = order[whole:]
        return (one(state, X[rest], Y[rest]) if len(rest) else state), None

    return lax.scan(epoch, state, orders)[0][0]


def prepare(workload: Workload, threads: int) -> Callable[[], Trained]:
    recipe, single = workload.recipe, workload.networks == 1
    jax.config.update("jax_enable_x64", recipe.precision == "float64")
    X, Y = map(jnp.asarray, workload.XY)
    orders = None if workload.orders is None else jnp.asarray(workload.orders, dtype=jnp.int32)
    start = [jnp.asarray(part) for layer in workload.layers(workload.start) for part in layer]
    of_all = partial(train, recipe, workload.batch_size)
    if not single:
        of_all = jax.vmap(of_all, in_axes=(0, 1, None, None))

    started = time.perf_counter()
    compiled = jax.jit(of_all).lower(start, orders, X, Y).compile()
    compile_seconds = time.perf_counter() - started

    def run() -> Trained:
        started = time.perf_counter()
        parameters = jax.block_until_ready(compiled(start, orders, X, Y))
        seconds = time.perf_counter() - started

        def outputs(X: Array) -> Array:
            of_one = partial(forward, recipe)
            z = (of_one if single else jax.vmap(of_one, in_axes=(0, None)))(parameters, X)
            return jax.nn.softmax(z) if recipe.loss.kind == "categorical_crossentropy" else z

        remark = f"compiled in {compile_seconds:.1f} s" + (", its own dropout masks" if workload.drops else "")
        return Trained(seconds, outputs, remark, exact=not workload.drops)

    return run
