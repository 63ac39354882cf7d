"""Faults put into hand-written networks that learn: of the code, and of the settings as one writes them in code.

The network is drawn, trained by its own functions, and kept if it learns; then a fault is put in, and kept if learning
suffers when the same functions are trained in the same way. Mistakes that do no harm are kept as controls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from benchmarks.diagnosis.hand_written import Program
from benchmarks.diagnosis.healthy import SEEDS, Draw
from benchmarks.diagnosis.injected import SUFFERS, power
from benchmarks.diagnosis.pool import POOL, TABLE, reachable
from benchmarks.diagnosis.problem import LEARNS, Problem
from benchmarks.forensics.written import OUTSIDE, Parameters, possible

ROWS = 250
"""At most so many to train on: people's own code takes all rows at once."""
HELD = 1_000
TRIES = 25
DRAWS = 100
"""One that a fault applies to is among so many."""
HARMFUL, SOUND = 2_000_000, 3_000_000
"""What the seeds of networks with faults, and of controls, begin with."""
GAINS = {"tanh": 1.0, "sigmoid": 4.0, "relu": np.sqrt(2), "leaky_relu": np.sqrt(2), "elu": 1.2, "softplus": 1.5}
ONE_HIDDEN = "sigmoid"
"""Several layers of it seldom learn by plain descent."""

Drawn = tuple[Program, Problem, float]
Changed = tuple[Program, Problem] | None
Injection = Callable[[Program, Problem, Draw], Changed]


@dataclass(frozen=True, eq=False)
class InjectedCode:
    """A hand-written network with a fault, or a control.

    Attributes:
        seed: it is drawn from.
        kind: of the fault put in; "healthy" for none.
        detail: which one, in words.
        causes: the kinds of finding that count as right.
        program: with the fault.
        problem: its data, with the fault.
        gain: of the healthy twin over the best constant.
        level: what is left of its level.
        curable: something can be learned.
    """

    seed: int
    kind: str
    detail: str
    causes: frozenset[str]
    program: Program
    problem: Problem
    gain: float
    level: float
    curable: bool = True


# Networks that learn ------------------------------------------------------------------------------------------------


@lru_cache
def of_pool(name: str) -> tuple[Problem, float]:
    """Return a problem as people hand it to code of their own, numbers and standardised, and what can be reached."""
    problem = POOL[name](0)
    whole = problem.X is problem.X_held
    fitted = TABLE.fit(problem.X)
    X = np.asarray(fitted.transform(problem.X), dtype=float)[:ROWS]
    X_held = X if whole else np.asarray(fitted.transform(problem.X_held), dtype=float)[:HELD]
    y, y_held = problem.y[:ROWS], problem.y_held[: len(X_held)]
    if problem.classes:
        labels = np.unique(y)
        y, y_held = (np.searchsorted(labels, part) for part in (y, y_held))
    else:
        mean, spread = y.mean(), y.std()
        y, y_held = ((part - mean) / spread for part in (y, y_held))
    made = replace(problem, X=X, X_held=X_held, y=y, y_held=y if whole else y_held)
    return made, reachable(made)


def drawn(problem: Problem, draw: Draw) -> Program:
    """Return a network as one would write it for the problem."""
    classes = len(np.unique(problem.y)) if problem.classes else 0
    activation = draw.one_of(*["tanh"] * 4, *["relu"] * 4, "sigmoid", "leaky_relu", "elu", "softplus")
    depth = 1 if activation == ONE_HIDDEN else draw.one_of(1, 1, 2, 2, 3)
    width = draw.one_of(8, 12, 16, 24, 32)
    hidden = [width if draw.chance(0.5) else draw.one_of(8, 12, 16, 24, 32) for _ in range(depth)]
    output, loss, o = output_and_loss(classes, draw)
    widths = (problem.X.shape[1], *hidden, o)
    averaged, half = draw.chance(0.85), loss == "squared_error" and draw.chance(0.4)
    momentum = 0.9 if draw.chance(0.2) else 0.0
    rate = draw.between(0.1, 0.6) * (0.5 if loss == "squared_error" and output == "identity" else 1.0)
    rate *= (2 if half else 1) * (1 if averaged else 1 / len(problem.y)) * (1 - momentum)
    rate *= 4 if loss == "squared_error" and output != "identity" else 1
    in_columns, style = draw.chance(0.4), draw.one_of("dict", "dict", "list", "flat", "object")
    Y = np.eye(o)[problem.y] if o > 1 and classes else problem.y[:, None] * 1.0
    return Program(
        widths, (activation,) * depth, output, loss,
        half=half,
        averaged=averaged,
        penalty=draw.one_of(0.0, 0.0, 0.0, 1e-4, 1e-3),
        on_biases=draw.chance(0.2),
        in_columns=in_columns,
        X=problem.X,
        Y=Y,
        start=start(widths, GAINS[activation], draw),
        rate=float(f"{rate:.3g}"),
        updates=int(draw.between(300, 1_200)),
        momentum=momentum,
        style=style,
        own_step=style != "object" and draw.chance(0.75),
        dropped=draw.one_of(0.2, 0.3, 0.5) if depth == 1 and width >= 16 and draw.chance(0.15) else 0.0,
        labels=output == "softmax" and not in_columns and draw.chance(0.3),
        predicts_labels=bool(classes) and draw.chance(0.15),
    )  # fmt: skip


def output_and_loss(classes: int, draw: Draw) -> tuple[str, str, int]:
    if not classes:
        return "identity", "squared_error", 1
    if classes == 2 and draw.chance(0.7):
        return "sigmoid", draw.one_of("binary_crossentropy", "binary_crossentropy", "squared_error"), 1
    softmax = ("softmax", "categorical_crossentropy")
    return (*draw.one_of(*[softmax] * 5, ("sigmoid", "binary_crossentropy"), ("sigmoid", "squared_error")), classes)


def start(widths: tuple[int, ...], gain: float, draw: Draw) -> Parameters:
    """Return parameters of Glorot's or He's spread, normal or uniform."""
    made: Parameters = {}
    uniform = draw.chance(0.3)
    for k in range(1, len(widths)):
        shape, spread = (widths[k - 1], widths[k]), gain / np.sqrt(widths[k - 1])
        draws = draw.random.uniform(-1, 1, shape) * np.sqrt(3) if uniform else draw.random.normal(size=shape)
        made |= {f"W{k}": spread * draws, f"b{k}": np.zeros(widths[k])}
    return made


def restarted(program: Program, seed: int) -> Program:
    """Return the program with another start of the same kind: each array's numbers change places and signs."""
    if seed == SEEDS[0]:
        return program
    random = np.random.default_rng(seed)
    made = {}
    for name, array in program.start.items():
        centre = array.mean() if abs(array.mean()) > array.std() else 0.0
        signs = random.choice([-1.0, 1.0], size=array.shape)
        made[name] = centre + signs * (random.permutation(array.ravel()).reshape(array.shape) - centre)
    return replace(program, start=made)


def score(program: Program, problem: Problem) -> float:
    """Return what the person's predictions get on the held-out rows after the person's training."""
    p = program.trained()
    with np.errstate(all="ignore"):
        predictions = program.predict(p, problem.X_held.T if program.in_columns else problem.X_held)
    if predictions.ndim == 2 and program.in_columns:
        predictions = predictions.T
    return problem.score(predictions)


def level(program: Program, problem: Problem) -> float:
    """Return the median score over several starts."""
    return float(np.median([score(restarted(program, seed), problem) for seed in SEEDS]))


def healthy(draw: Draw, usable: Callable[[Program, Problem], bool] = lambda *drawn: True) -> Drawn | None:
    """Return a usable network that learns from its first start, and what it has to reach from the median start."""
    for _ in range(DRAWS):
        problem, best = of_pool(draw.one_of(*POOL))
        program = drawn(problem, draw)
        if usable(program, problem):
            wanted = problem.constant + LEARNS * (best - problem.constant)
            return (program, problem, wanted) if score(program, problem) >= wanted else None
    return None


# Faults of code -----------------------------------------------------------------------------------------------------


def wrong_gradient(program: Program, problem: Problem, draw: Draw) -> Changed:
    chosen = [one for one in possible(program) if not (one.kind.startswith("factor") and one.layer == 0)]
    if draw.chance(0.15):
        return replace(program, outside=draw.one_of(*OUTSIDE)), problem
    return replace(program, mistakes=(draw.one_of(*chosen),)), problem


def climbing(program: Program, problem: Problem, draw: Draw) -> Changed:
    chosen = next(one for one in possible(program) if one.kind == "factor -1" and one.layer == 0)
    return replace(program, mistakes=(chosen,)), problem


def factor(program: Program, problem: Problem, draw: Draw) -> Changed:
    numbers = ("factor 2", "factor 1/2", "factor n", "factor 1/n")
    chosen = [one for one in possible(program) if one.layer == 0 and one.kind in numbers]
    return replace(program, mistakes=(draw.one_of(*chosen),)), problem


def flawed(*flaws: str, when: Callable[[Program], bool] = lambda program: True) -> Injection:
    def put_in(program: Program, problem: Problem, draw: Draw) -> Changed:
        if not when(program):
            return None
        return replace(program, flaw=draw.one_of(*flaws), honest=draw.chance(0.5)), problem

    return put_in


def disconnected(program: Program, problem: Problem, draw: Draw) -> Changed:
    if draw.chance(0.5):
        return replace(program, flaw="loss of given predictions", penalty=draw.one_of(0.0, 1e-3)), problem
    return replace(program, flaw="gradient of the penalty", penalty=1e-3), problem


def broadcasting(program: Program, problem: Problem, draw: Draw) -> Changed:
    if program.widths[-1] > 1 or program.in_columns:
        return None
    return replace(program, flaw="targets flat", averaged=True), problem


def not_updated(program: Program, problem: Problem, draw: Draw) -> Changed:
    program = replace(program, own_step=True, style=draw.one_of("dict", "list", "flat"))
    if draw.chance(0.3):
        return replace(program, flaw="step adds"), problem
    layers = range(1, program.depth + 1)
    left = draw.one_of(
        tuple(program.start),
        tuple(f"W{k}" for k in layers),
        (f"W{draw.one_of(*layers)}",),
        tuple(f"b{k}" for k in layers),
        tuple(f"{name}{k}" for k in range(2, program.depth + 1) for name in "Wb"),
    )
    return (replace(program, held_fixed=left), problem) if left else None


def clamped(program: Program, problem: Problem, draw: Draw) -> Changed:
    if program.loss_name != "squared_error":
        return None
    flaw = draw.one_of("output clipped", "output rounded")
    return replace(program, flaw=flaw, honest=flaw == "output rounded" or draw.chance(0.7)), problem


def predictions(program: Program, problem: Problem, draw: Draw) -> Changed:
    flaws = ["predictions of the start", "inputs scaled in predictions only", "activation missing in predictions"]
    if program.widths[-1] > 1 and not program.in_columns:
        flaws.append("argmax over the rows")
    if program.widths[-1] == 1 and problem.classes:
        flaws.append("threshold of another range")
    return replace(program, flaw=draw.one_of(*flaws)), problem


# Faults of the settings, as code ------------------------------------------------------------------------------------


def rate_too_high(program: Program, problem: Problem, draw: Draw) -> Changed:
    return replace(program, rate=program.rate * power(draw, 1, 3)), problem


def rate_too_low(program: Program, problem: Problem, draw: Draw) -> Changed:
    return replace(program, rate=program.rate / power(draw, 1.5, 4)), problem


def too_few_steps(program: Program, problem: Problem, draw: Draw) -> Changed:
    return replace(program, updates=int(program.updates / power(draw, 1.3, 2.3))), problem


def of_start(change: Callable[[np.ndarray, Draw], np.ndarray]) -> Injection:
    def put_in(program: Program, problem: Problem, draw: Draw) -> Changed:
        made = {name: change(array, draw) if name[0] == "W" else array for name, array in program.start.items()}
        return replace(program, start=made), problem

    return put_in


def small_start(program: Program, problem: Problem, draw: Draw) -> Changed:
    scale = 1 / power(draw, 2, 6)
    return of_start(lambda W, draw: scale * W)(program, problem, draw)


def large_start(program: Program, problem: Problem, draw: Draw) -> Changed:
    scale = power(draw, 0.7, 2)
    return of_start(lambda W, draw: scale * W)(program, problem, draw)


def constant_start(program: Program, problem: Problem, draw: Draw) -> Changed:
    value = draw.one_of(0.0, 0.0, 0.1, 0.5)
    return of_start(lambda W, draw: np.full_like(W, value))(program, problem, draw)


def no_bias(program: Program, problem: Problem, draw: Draw) -> Changed:
    by = power(draw, 0.5, 1.2)
    without = {name: array for name, array in program.start.items() if name[0] == "W"}
    return on(replace(program, start=without), problem.with_inputs(lambda X: X + by))


def unscaled_inputs(program: Program, problem: Problem, draw: Draw) -> Changed:
    scale, far = power(draw, 1.5, 4), power(draw, 1.3, 3)
    mode = draw.one_of("large", "small", "off")
    change = {"large": lambda X: scale * X, "small": lambda X: X / scale, "off": lambda X: X + far}[mode]
    return on(program, problem.with_inputs(change))


def unscaled_targets(program: Program, problem: Problem, draw: Draw) -> Changed:
    if problem.classes:
        return None
    scale = power(draw, 1.5, 4)
    return on(program, problem.with_targets(lambda y: scale * (y + 2)))


def labels_shuffled(program: Program, problem: Problem, draw: Draw) -> Changed:
    if len(problem.y) < 100 or problem.floor is not None:
        return None
    mixed = replace(problem, y=draw.random.permutation(problem.y), y_held=draw.random.permutation(problem.y_held))
    return on(program, mixed)


def linear_network(program: Program, problem: Problem, draw: Draw) -> Changed:
    return replace(program, hidden=("identity",) * len(program.hidden)), problem


def output_range(program: Program, problem: Problem, draw: Draw) -> Changed:
    if problem.classes:
        return None
    off = draw.between(1, 5)
    output = draw.one_of("sigmoid", "tanh")
    return on(replace(program, output=output), problem.with_targets(lambda y: y + off))


def output_activation(program: Program, problem: Problem, draw: Draw) -> Changed:
    if problem.classes:
        return None
    return on(replace(program, output="relu"), problem.with_targets(lambda y: y - np.median(y)))


def penalty(program: Program, problem: Problem, draw: Draw) -> Changed:
    return replace(program, penalty=power(draw, -1, 1) * (1 if program.averaged else len(problem.y))), problem


def dropout(program: Program, problem: Problem, draw: Draw) -> Changed:
    return (replace(program, dropped=draw.one_of(0.9, 0.95)), problem) if program.depth == 2 else None


def on(program: Program, problem: Problem) -> Changed:
    """Return the program with the data of a problem."""
    Y = problem.y[:, None] * 1.0 if program.widths[-1] == 1 else np.eye(program.widths[-1])[problem.y]
    return replace(program, X=problem.X, Y=Y), problem


OF_CODE: dict[str, Injection] = {
    "wrong gradient": wrong_gradient,
    "wrong gradient, too": wrong_gradient,
    "climbing": climbing,
    "factor": factor,
    "disconnected": disconnected,
    "not updated": not_updated,
    "broadcasting": broadcasting,
    "softmax over the rows": flawed("softmax over the rows", when=lambda program: program.output == "softmax"),
    "activation twice": flawed(
        "activation twice",
        when=lambda program: "crossentropy" in program.loss_name and program.output in ("softmax", "sigmoid"),
    ),
    "clamped": clamped,
    "predictions": predictions,
    "evaluation mode": flawed("dropout in predictions", "mask not scaled", when=lambda program: program.dropped > 0),
}
OF_SETTINGS: dict[str, Injection] = {
    injection.__name__: injection
    for injection in (
        rate_too_high, rate_too_low, too_few_steps, small_start, large_start, constant_start, no_bias, unscaled_inputs,
        unscaled_targets, labels_shuffled, linear_network, output_range, output_activation, penalty, dropout,
    )
}  # fmt: skip
INJECTIONS = OF_CODE | OF_SETTINGS
INCURABLE = {"labels_shuffled"}
CAUSES: dict[str, set[str]] = {
    "wrong gradient": {"wrong_gradient"},
    "wrong gradient, too": {"wrong_gradient"},
    "climbing": {"wrong_gradient"},
    "factor": {"wrong_gradient", "rate_too_high", "rate_too_low", "too_few_steps"},  # it is a factor of the rate
    "disconnected": {"disconnected"},
    "not updated": {"not_updated"},
    "broadcasting": {"broadcasting"},
    "softmax over the rows": {"rows_mixed"},
    "activation twice": {"double_softmax"},
    "clamped": {"clamped", "output_range", "output_activation"},
    "predictions": {"other_predictions"},
    "evaluation mode": {"evaluation_mode", "dropout"},
    "rate_too_low": {"rate_too_low", "too_few_steps"},  # plain descent knows their product only
    "too_few_steps": {"rate_too_low", "too_few_steps"},
    "no_bias": {"no_bias", "unscaled_inputs"},
    "labels_shuffled": {"nothing_to_learn"},
    "output_activation": {"output_activation", "output_range"},
}
"""The findings that are right, of kinds whose name is not that of their finding."""


def described(program: Program) -> str:
    """Return which fault it is."""
    mistakes = [f"{one.kind} in layer {one.layer}" for one in program.mistakes]
    honest = "" if program.honest or not program.flaw else ", gradient of the loss that was meant"
    fixed = f"not updated: {', '.join(program.held_fixed)}" if program.held_fixed else ""
    return "; ".join(filter(None, [*mistakes, program.outside, program.flaw + honest, fixed]))


def summary(program: Program) -> str:
    """Return the network in a line."""
    way = "columns" if program.in_columns else "rows"
    widths = "-".join(map(str, program.widths))
    reduced = ("half " if program.half else "") + ("mean" if program.averaged else "sum")
    return (
        f"{widths} {program.hidden[0]} {program.output} {program.loss_name} {reduced}, {program.style} in {way}, "
        f"rate {program.rate:.3g} momentum {program.momentum} x {program.updates}, penalty {program.penalty:.3g}, "
        f"dropped {program.dropped}, {'own step' if program.own_step else 'optimizer told'}; {described(program)}"
    )


def injected_code(seed: int) -> InjectedCode | None:
    """Return the faulty network of a seed; None where none was found. The kinds take turns, in both halves alike."""
    kind = list(INJECTIONS)[seed // 2 % len(INJECTIONS)]

    def suffers(level: float, problem: Problem, gain: float) -> bool:
        return level - problem.constant < (1 - SUFFERS) * gain

    found = (put_in(kind, seed, Draw(HARMFUL, seed, attempt), suffers) for attempt in range(TRIES))
    return next(filter(None, found), None)


def control(seed: int) -> InjectedCode | None:
    """Return a network that learns: as it was drawn, or every second time with a mistake that costs little."""

    def costs_little(level: float, problem: Problem, gain: float) -> bool:
        return level - problem.constant >= LEARNS * gain

    kinds, with_fault = list(OF_CODE), seed // 2 % 2
    for attempt in range(TRIES):
        kind = kinds[(seed // 4 + attempt) % len(kinds)] if with_fault else "healthy"
        found = put_in(kind, seed, Draw(SOUND, seed, attempt), costs_little)
        if found is not None:
            return found
    return None


def put_in(kind: str, seed: int, draw: Draw, wanted: Callable[[float, Problem, float], bool]) -> InjectedCode | None:
    """Draw a network that learns, and put the fault in.

    Returns:
        None where it does not learn, the fault does not apply, or it does not do the wanted harm: seen at the first
        start, as most are, or in the median over starts.
    """
    again = int(draw.random.integers(2**31))

    def faulty(program: Program, problem: Problem) -> Changed:
        return (program, problem) if kind == "healthy" else INJECTIONS[kind](program, problem, Draw(again))

    twin = healthy(draw, lambda *drawn: faulty(*drawn) is not None)
    changed = twin and faulty(*twin[:2])
    if not twin or not changed:
        return None
    least = twin[2]
    program, problem = changed
    if not wanted(score(program, problem), problem, least - twin[1].constant):
        return None
    reached = level(*twin[:2])
    gain, left = reached - twin[1].constant, level(program, problem)
    if reached < least or not wanted(left, problem, gain):
        return None
    causes = frozenset(CAUSES.get(kind, {kind}))
    return InjectedCode(
        seed, kind, described(program), causes, program, problem, gain, left, curable=kind not in INCURABLE
    )
