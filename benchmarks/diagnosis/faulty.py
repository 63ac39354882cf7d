"""Networks that did not learn: twenty from public posts and fault benchmarks, and the five cases, with cured twins.

    python -m benchmarks.diagnosis.faulty        # does each fail as it was, and learn once cured?

Data that would have to be downloaded are replaced by the nearest there is: scikit-learn's digits for MNIST, made-up
cars for auto-mpg. Trainings are cut to a second or two where the original took longer and fails in the same way.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_digits, make_blobs, make_circles

from benchmarks.diagnosis import by_hand
from benchmarks.diagnosis.problem import DATA, LEARNS, Problem
from unstuck import (
    L2,
    SGD,
    Adam,
    Constant,
    Dense,
    EarlyStopping,
    HandWritten,
    Inputs,
    Normal,
    Recipe,
    SquaredError,
    Targets,
    Zeros,
    train,
)
from unstuck.cases import case1_spiral, case2_dropout, case3_parabola, case4_xor
from unstuck.data import classification, parabola, read_features_and_target, spiral, xor

Array = npt.NDArray[Any]
SCALED = Inputs(scaling="standard")


@dataclass(frozen=True, eq=False)
class Faulty:
    """A network that does not learn.

    Attributes:
        id: F1 to F20, C1 to C5.
        subject: the network and its training.
        problem: its data.
        causes: the kinds of fault that count as the right first cause.
        cured: what learns on the same data; None where nothing can be learned.
        updates: how often a hand-written network's step was taken.
        fails_in: the share of starts that fail; 0 where it learns after all and only its gradient is wrong.
    """

    id: str
    subject: Recipe | HandWritten
    problem: Problem
    causes: frozenset[str]
    cured: Recipe | None
    updates: int = 0
    fails_in: float = 0.8

    def level(self) -> float:
        """Return the score of the network as it was."""
        if isinstance(self.subject, Recipe):
            run = train(self.subject, self.problem.X, self.problem.y, progress=False)
            return self.problem.score(run.predict(self.problem.X_held))
        w = self.subject.w
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one that climbs overflows
            for _ in range(self.updates):
                w = self.subject.after_step(w)
            held = self.subject.with_data((self.problem.X_held, None))
            return self.problem.score(held.outputs(w))


def faulty(
    id: str, subject: Recipe | HandWritten, problem: Problem, causes: str, cured: Recipe | None, **more: Any
) -> Faulty:
    return Faulty(id, subject, problem, frozenset(causes.split()), cured, **more)


def one_hot(y: Array) -> Array:
    return np.eye(y.max() + 1)[y]


@cache
def digits() -> Problem:
    """Return 8 x 8 digits in place of MNIST, pixels in [0, 1]."""
    X, y = load_digits(return_X_y=True)
    return Problem.split("digits", X / 16, y, classes=True, seed=0)


def table_of_xor() -> Problem:
    return Problem.whole("xor", *xor(), classes=True)


CURED_DIGITS = Recipe([Dense(30, "relu"), Dense(10, "softmax")], loss="categorical_crossentropy", epochs=40)
BINARY = "binary_crossentropy"
CLASSES = "categorical_crossentropy"


def f1(seed: int) -> Faulty:
    """784-30-10 sigmoid climbs to half the squared error 4.5: the error's sign is wrong."""
    problem = digits()
    subject = by_hand.target_minus_output(problem.X, one_hot(problem.y), seed)
    cured = Recipe(
        [Dense(units, "sigmoid", weight_start=Normal(), bias_start=Normal()) for units in (30, 10)],
        loss=SquaredError(half=True, outputs="sum"),
        optimizer=SGD(3.0),
        batch_size=10,
        epochs=40,
    )
    return faulty("F1", subject, problem, "wrong_gradient", cured, updates=300)


def f2(seed: int) -> Faulty:
    """XOR stays at ln 2: the start is so small that the hidden units are copies of each other."""
    as_was = Recipe(
        [Dense(5, "sigmoid", weight_start=Normal(0.01)), Dense(1, "sigmoid", weight_start=Normal(0.01))],
        loss=BINARY,
        optimizer=SGD(0.1),
        batch_size="full",
        epochs=20_000,
        record_every=200,
        seed=seed,
    )
    layers = [Dense(5, "sigmoid", weight_start=Normal(2.0)), Dense(1, "sigmoid", weight_start=Normal(2.0))]
    return faulty("F2", as_was, table_of_xor(), "small_start", as_was.replace(layers=layers))


def f3(seed: int) -> Faulty:
    """Digits stay at chance: the softmax is normalised over the rows."""
    problem = digits()
    subject = by_hand.softmax_over_rows(problem.X, one_hot(problem.y), seed)
    return faulty("F3", subject, problem, "rows_mixed", CURED_DIGITS, updates=300)


def f4(seed: int) -> Faulty:
    """Targets 1, 2, 3, 4 out of a tanh: the mean of (y - 1)² is 3.5."""
    X = np.random.default_rng(seed).uniform(-1, 1, (400, 2))
    slope = X[:, 0] + X[:, 1] ** 2
    y = 1.0 + np.searchsorted(np.quantile(slope, [0.25, 0.5, 0.75]), slope)
    problem = Problem.split("quarters", X, y, classes=False, seed=0)
    cured = Recipe([Dense(16, "tanh"), Dense(1)], loss="squared_error", optimizer=Adam(0.03), epochs=300, seed=seed)
    return faulty("F4", cured.replace(layers=(Dense(16, "tanh"), Dense(1, "tanh"))), problem, "output_range", cured)


def f5(seed: int) -> Faulty:
    """Digits stay at ln 10: all weights begin at zero, so that only the output's biases can move."""
    layers = [Dense(100, "relu", weight_start=Zeros()), Dense(10, "softmax", weight_start=Zeros())]
    as_was = Recipe(layers, loss=CLASSES, optimizer=SGD(0.5), epochs=10, seed=seed)
    cured = as_was.replace(layers=(Dense(100, "relu"), Dense(10, "softmax")))
    return faulty("F5", as_was, digits(), "constant_start", cured)


def f6(seed: int) -> Faulty:
    """y = 5 x² up to 125 at rate 0.1: flat, or not a number."""
    random = np.random.default_rng(seed)
    X = random.uniform(-5, 5, (400, 1))
    problem = Problem.split("5 x²", X, 5 * X[:, 0] ** 2 + random.normal(size=400), classes=False, seed=0)
    layers = [Dense(50, "relu"), Dense(30, "relu"), Dense(1)]
    as_was = Recipe(layers, loss="squared_error", optimizer=SGD(0.1), epochs=100, seed=seed)
    cured = as_was.replace(targets=Targets(scaling="standard"), inputs=SCALED, optimizer=SGD(0.05))
    return faulty("F6", as_was, problem, "rate_too_high unscaled_targets", cured)


def f7(seed: int) -> Faulty:
    """y = 2 x - 1 stays at 25, the mean of y²: ReLU on the output, which dies."""
    X = np.arange(-1.0, 6.0)[:, None]
    problem = Problem.whole("2 x - 1", X, 2 * X[:, 0] - 1, classes=False)
    as_was = Recipe(
        [Dense(4, "relu"), Dense(2, "relu"), Dense(1, "relu")],
        loss="squared_error",
        batch_size="full",
        epochs=5_000,
        record_every=50,
        seed=seed,
    )
    cured = as_was.replace(layers=(Dense(8, "relu"), Dense(1)), optimizer=Adam(0.01))
    return faulty("F7", as_was, problem, "output_activation output_range", cured, fails_in=0.4)


def f8(seed: int) -> Faulty:
    """A linear model predicts the mean: outputs (n, 1) are compared with targets (n,)."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(200, 2))
    y = X @ [2.0, -3.0] + 1 + 0.1 * random.normal(size=200)
    problem = Problem.split("plane", X, y, classes=False, seed=0)
    subject = by_hand.line_with_broadcasting(problem.X, problem.y, seed)
    cured = Recipe([Dense(1)], loss="squared_error", optimizer=SGD(0.1), batch_size="full", epochs=300, seed=seed)
    return faulty("F8", subject, problem, "broadcasting", cured, updates=300)


def f9(seed: int) -> Faulty:
    """Sixty rows at rate 1e-4 stay near ln 2; nothing else is broken."""
    X, y = load_breast_cancer(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(len(y))[:60]
    X = X[rows, :7]
    problem = Problem.whole("60 rows", (X - X.mean(axis=0)) / X.std(axis=0), y[rows], classes=True)
    as_was = Recipe(
        [Dense(60, "relu"), Dense(100, "relu"), Dense(30, "relu"), Dense(2, "softmax")],
        loss=CLASSES,
        optimizer=SGD(1e-4),
        batch_size="full",
        epochs=1_000,
        record_every=10,
        seed=seed,
    )
    return faulty("F9", as_was, problem, "rate_too_low", as_was.replace(optimizer=SGD(0.1)))


def f10(seed: int) -> Faulty:
    """XOR with two layers of sigmoids: given up after some ten epochs on the plateau."""
    as_was = Recipe(
        [Dense(4, "sigmoid"), Dense(2, "sigmoid"), Dense(1, "sigmoid")],
        loss=BINARY,
        batch_size="full",
        epochs=20_000,
        record_every=1,
        penalties=[L2(1e-4)],
        early_stopping=EarlyStopping(patience=10, min_delta=1e-4, restore_best=False),
        seed=seed,
    )
    cured = as_was.replace(
        layers=(Dense(8, "tanh"), Dense(4, "tanh"), Dense(1, "sigmoid")),
        early_stopping=None,
        epochs=2_000,
        record_every=20,
    )
    return faulty("F10", as_was, table_of_xor(), "early_stop", cured)


def f11(seed: int) -> Faulty:
    """Rows of ones against rows of zeros stay at half: softmax of a single unit is 1."""
    y = np.arange(100) % 2
    problem = Problem.whole("ones and zeros", np.repeat(y[:, None], 128, axis=1).astype(float), y, classes=True)
    as_was = Recipe([Dense(50, "relu"), Dense(1, "softmax")], loss=BINARY, epochs=50, seed=seed)
    cured = as_was.replace(layers=(Dense(50, "relu"), Dense(1, "sigmoid")))
    return faulty("F11", as_was, problem, "single_softmax", cured)


def f12(seed: int) -> Faulty:
    """y = x² + 3 up to 10,003 out of a sigmoid."""
    x = np.linspace(0, 100, 201)
    problem = Problem.whole("x² + 3", x[:, None], x**2 + 3, classes=False)
    as_was = Recipe([Dense(5, "sigmoid"), Dense(1, "sigmoid")], loss="squared_error", epochs=200, seed=seed)
    cured = as_was.replace(
        layers=(Dense(5, "sigmoid"), Dense(1)),
        inputs=SCALED,
        targets=Targets(scaling="standard"),
        optimizer=Adam(0.01),
    )
    return faulty("F12", as_was, problem, "output_range", cured)


def f13(seed: int) -> Faulty:
    """Random labels: nothing to learn."""
    random = np.random.default_rng(seed)
    problem = Problem.split("noise", random.uniform(size=(1000, 60)), random.integers(0, 2, 1000), classes=True, seed=0)
    as_was = Recipe([Dense(50, "relu"), Dense(1, "sigmoid")], loss=BINARY, optimizer=SGD(0.01), epochs=50, seed=seed)
    return faulty("F13", as_was, problem, "nothing_to_learn", None)


def f14(seed: int) -> Faulty:
    """y = x⁴ up to 1e8: flat."""
    x = np.linspace(-100, 100, 201)
    problem = Problem.whole("x⁴", x[:, None], x**4, classes=False)
    as_was = Recipe([Dense(50, "relu"), Dense(50, "relu"), Dense(1)], loss="squared_error", epochs=100, seed=seed)
    cured = as_was.replace(inputs=SCALED, targets=Targets(scaling="standard"))
    return faulty("F14", as_was, problem, "unscaled_targets unscaled_inputs", cured)


def bits(seed: int) -> tuple[Problem, Recipe, Recipe]:
    X = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(float)
    start = Normal(0.05)
    as_was = Recipe(
        [Dense(8, "sigmoid", weight_start=start, bias_start=start) for _ in range(3)],
        loss="squared_error",
        optimizer=SGD(0.01),
        batch_size=50,
        epochs=1_000,
        record_every=20,
        seed=seed,
    )
    cured = as_was.replace(
        layers=(Dense(16, "relu"), Dense(16, "relu"), Dense(8)), optimizer=Adam(0.003), batch_size=1, epochs=60
    )
    return Problem.whole("bits", X, X, classes=False), as_was, cured


def f15a(seed: int) -> Faulty:
    """Eight bits through three layers of sigmoids stay at 1/4: the signal dies on the way."""
    problem, as_was, cured = bits(seed)
    causes = "vanishing_gradient small_start too_few_steps rate_too_low"
    return faulty("F15a", as_was, problem, causes, cured)


def f15b(seed: int) -> Faulty:
    """The same, with the targets shuffled apart from the rows, as in the original."""
    problem, as_was, _ = bits(seed)
    shuffled = problem.with_targets(lambda y: y[np.random.default_rng(seed).permutation(len(y))])
    causes = "nothing_to_learn vanishing_gradient small_start too_few_steps rate_too_low"
    return faulty("F15b", as_was, shuffled, causes, None)


def cars(seed: int) -> Problem:
    """Return miles per gallon of made-up cars from nine columns in their own units, as in auto-mpg."""
    random = np.random.default_rng([seed, 16])
    n = 398
    origin = random.choice(3, n, p=[0.6, 0.2, 0.2])
    cylinders = np.where(origin == 0, random.choice([4, 6, 8], n), 4)
    displacement = 30 * cylinders * random.lognormal(0, 0.2, n)
    horsepower = 35 + 0.4 * displacement * random.lognormal(0, 0.2, n)
    weight = 1500 + 7 * displacement * random.lognormal(0, 0.15, n)
    acceleration = 10 + 600 * weight / horsepower / 10_000 * random.lognormal(0, 0.3, n)
    year = random.integers(70, 83, n)
    mpg = 30_000 / weight + 2 * np.abs(year - 76) - 0.5 * (acceleration - 13) ** 2 * (origin > 0)
    mpg += random.normal(size=n)
    columns = [cylinders, displacement, horsepower, weight, acceleration, year, *np.eye(3)[origin].T]
    return Problem.split("cars", np.column_stack(columns).astype(float), mpg, classes=False, seed=0)


def on_cars(seed: int) -> tuple[Problem, Recipe]:
    """Return the healthy regression that F16 breaks in one way at a time."""
    layers = [Dense(64, "relu"), Dense(64, "relu"), Dense(1)]
    return cars(seed), Recipe(layers, loss="squared_error", inputs=SCALED, epochs=200, seed=seed)


def with_start(healthy: Recipe, start: Any) -> Recipe:
    layers = [replace(layer, weight_start=start, bias_start=start) for layer in healthy.layers]  # type: ignore[type-var]
    return healthy.replace(layers=layers)


def with_output(healthy: Recipe, activation: str) -> Recipe:
    return healthy.replace(layers=(*healthy.layers[:-1], Dense(1, activation)))


def standardised(problem: Problem, factor: float = 1.0) -> Problem:
    """Return the cars with X standardised outside the recipe, times a factor."""
    shift, scale = problem.X.mean(axis=0), problem.X.std(axis=0)
    return problem.with_inputs(lambda X: factor * (X - shift) / scale)


def f16(letter: str, seed: int) -> Faulty:
    """Return the cars with one fault."""
    problem, healthy = on_cars(seed)
    least, span = float(problem.y.min()), float(np.ptp(problem.y))
    between = problem.with_targets(lambda y: 2 * (y - least) / span - 1)
    shuffled = replace(problem, y=np.random.default_rng(seed).permutation(problem.y))
    scaled = standardised(problem).with_targets(lambda y: (y - problem.y.mean()) / problem.y.std())
    brief = healthy.replace(epochs=50)
    mends: dict[str, tuple[str, Recipe | HandWritten, Problem, str, Recipe | None]] = {
        "a": ("constant weights 0.01", with_start(healthy, Constant(0.01)), problem, "constant_start", healthy),
        "b": ("N(0, 0.25)", with_start(healthy, Normal(0.25)), problem, "large_start", healthy),
        "c": ("rate 0.1", healthy.replace(optimizer=Adam(0.1)), problem, "rate_too_high", healthy),
        "d": ("rate 1e-5", healthy.replace(optimizer=Adam(1e-5)), problem, "rate_too_low", healthy),
        "e": ("epsilon 1e-16", healthy.replace(optimizer=Adam(epsilon=1e-16)), problem, "optimizer", healthy),
        "f": ("negated", by_hand.regression(scaled.X, scaled.y, seed, sign=-1), scaled, "wrong_gradient", healthy),
        "g": ("nothing scaled", healthy.replace(inputs=Inputs()), problem, "unscaled_inputs unscaled_targets", healthy),
        "h": ("scaled twice", healthy, standardised(problem), "unscaled_inputs", healthy),
        "i": ("y times 10", brief, problem.with_targets(lambda y: 10 * y),
              "unscaled_targets rate_too_low too_few_steps",
              brief.replace(targets=Targets(scaling="standard"))),
        "j": ("sigmoid for [-1, 1]", with_output(healthy, "sigmoid"), between, "output_range", healthy),
        "k": ("softmax on one unit", with_output(healthy, "softmax"), problem, "single_softmax", healthy),
        "l": ("cross-entropy", healthy.replace(loss=CLASSES, targets=Targets(coding="numbers")), problem,
              "loss_mismatch", healthy),
        "m": ("sum, not mean", healthy.replace(loss=SquaredError(rows="sum"), optimizer=SGD(0.01)), problem,
              "rate_too_high unscaled_targets loss_mismatch", healthy),
        "n": ("(n, 1) - (n,)", by_hand.regression(scaled.X, scaled.y, seed, flat_targets=True), scaled, "broadcasting",
              healthy),
        "o": ("rows shuffled apart", healthy, shuffled, "nothing_to_learn overfitting", None),
        "p": ("L2 0.1", healthy.replace(penalties=[L2(0.2)]), scaled, "penalty", healthy),
        "q": ("L2 1e-12", healthy.replace(penalties=[L2(1e-12)]), problem, "penalty", healthy),
    }  # fmt: skip
    _, subject, data, causes, cured = mends[letter]
    updates = 300 if isinstance(subject, HandWritten) else 0
    return faulty(f"F16{letter}", subject, data, causes, cured, updates=updates)


def circles(seed: int) -> Problem:
    X, y = make_circles(600, noise=0.1, factor=0.5, random_state=seed)
    return Problem.split("circles", X, y, classes=True, seed=0)


def deep(activation: str, layers: int, seed: int) -> Recipe:
    hidden = [Dense(5, activation) for _ in range(layers)]
    return Recipe([*hidden, Dense(1, "sigmoid")], loss=BINARY, optimizer=Adam(0.003), epochs=100, seed=seed)


def cured_circles(seed: int) -> Recipe:
    return deep("tanh", 2, seed).replace(layers=(Dense(16, "tanh"), Dense(8, "tanh"), Dense(1, "sigmoid")))


def f17(seed: int) -> Faulty:
    """Circles stay at ln 2: 6 to 18 layers of five sigmoids."""
    layers = 6 + 4 * (seed % 4)
    return faulty("F17", deep("sigmoid", layers, seed), circles(seed), "vanishing_gradient", cured_circles(seed))


def f18(seed: int) -> Faulty:
    """The same with exp in place of the sigmoid: not a number in the first steps."""
    layers = 6 + 4 * (seed % 4)
    return faulty("F18", deep("exponential", layers, seed), circles(seed), "hidden_activation", cured_circles(seed))


@cache
def adult() -> Problem | None:
    """Return 4,000 people of the Adult set, where it is at hand."""
    if not (DATA / "adult_train.csv.gz").is_file():
        return None
    X, y = read_features_and_target(DATA / "adult_train.csv.gz", "income")
    return Problem.split("adult", X, np.unique(y, return_inverse=True)[1], classes=True, seed=0, rows=4_000)


def f19(seed: int) -> Faulty:
    """Income: the majority class, as capital gains and weights run up to a million."""
    problem = adult()
    assert problem is not None
    raw = Inputs(categories="one_hot", missing="most_frequent")
    layers = [Dense(32, "relu"), Dense(16, "relu"), Dense(1, "sigmoid")]
    as_was = Recipe(layers, loss=BINARY, inputs=raw, epochs=10, seed=seed)
    cured = as_was.replace(inputs=raw.replace(scaling="standard"))
    return faulty("F19", as_was, problem, "unscaled_inputs", cured)


def f20(seed: int) -> Faulty:
    """Two blobs at rate 0.001 for five epochs: not stuck but slow."""
    X, y = make_blobs(300, centers=[[-2, -2], [2, 2]], random_state=seed)
    problem = Problem.split("two blobs", X, y, classes=True, seed=0)
    layers = [Dense(2, "sigmoid"), Dense(2, "softmax")]
    as_was = Recipe(layers, loss=CLASSES, optimizer=SGD(0.001), epochs=5, seed=seed)
    cured = as_was.replace(optimizer=SGD(0.5), epochs=50)
    return faulty("F20", as_was, problem, "too_few_steps rate_too_low", cured)


def c1(seed: int) -> Faulty:
    """Three classes of a spiral out of one sigmoid."""
    problem = Problem.whole("spiral", *spiral(seed=seed), classes=True)
    as_was, cured = (recipe.replace(seed=seed) for recipe in (case1_spiral.AS_WAS, case1_spiral.CURED))
    return faulty("C1", as_was, problem, "output_range class_numbers", cured)


@cache
def four_classes() -> Problem:
    data = classification()
    return Problem("classification", data.X[:2000], data.y[:2000], data.X_test, data.y_test, classes=True)


def c2(seed: int) -> Faulty:
    """Five features, four classes, no biases, dropout."""
    problem = four_classes()
    subject = by_hand.dropout_never_undone(problem.X, one_hot(problem.y), seed)
    return faulty("C2", subject, problem, "dropout wrong_gradient", case2_dropout.CURED, updates=2_000, fails_in=0)


def c3(seed: int) -> Faulty:
    """The parabola comes out as a straight line."""
    problem = replace(Problem.whole("parabola", *parabola(), classes=False), floor=0.93)  # of a straight line
    as_was, cured = (recipe.replace(seed=seed) for recipe in (case3_parabola.AS_WAS, case3_parabola.CURED))
    return faulty("C3", as_was, problem, "rate_too_low output_activation", cured)


def c4(seed: int) -> Faulty:
    """XOR settles at ln 2: the cost does not see the network's output."""
    problem = Problem.whole("xor twice", *xor(copies=2), classes=True)
    subject = by_hand.cost_of_given_predictions(problem.X, one_hot(problem.y), seed)
    cured = case4_xor.recipe(hidden=4).replace(seed=seed)
    return faulty("C4", subject, problem, "disconnected", cured, updates=3_000)


def c5(seed: int) -> Faulty:
    """Digits, pixels up to 255, with a gradient that fails its check."""
    problem = digits().with_inputs(lambda X: 255 * X)
    subject = by_hand.slopes_left_out(problem.X, one_hot(problem.y), seed)
    cured = CURED_DIGITS.replace(inputs=SCALED)
    return faulty("C5", subject, problem, "wrong_gradient", cured, updates=300, fails_in=0)


def _of_f16(letter: str) -> Callable[[int], Faulty]:
    return lambda seed: f16(letter, seed)


FAULTY: dict[str, Callable[[int], Faulty]] = {
    **{make.__name__.upper(): make for make in (f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14)},
    "F15a": f15a,
    "F15b": f15b,
    **{f"F16{letter}": _of_f16(letter) for letter in "adfgijklmno"},
    **{make.__name__.upper(): make for make in (f17, f18, *([f19] if adult() else []), f20, c1, c2, c3, c4, c5)},
}
HARMLESS = {f"F16{letter}": _of_f16(letter) for letter in "bcehpq"}
"""These were called faults, but the network learns with them: controls, not to be accused."""


@dataclass(frozen=True)
class Verified:
    """What a network reached, as it was and cured."""

    id: str
    constant: float
    as_was: float
    cured: float
    seconds: float


def verify(id: str, seed: int) -> Verified:
    """Train a network as it was and cured."""
    made = FAULTY[id](seed)
    started = time.perf_counter()
    as_was = made.level()
    seconds = time.perf_counter() - started
    cured = made.problem.level(made.cured, [seed]) if made.cured else math.nan
    return Verified(id, made.problem.constant, as_was, cured, seconds)


def verified(ids: list[str], seeds: int) -> Iterator[tuple[str, list[Verified]]]:
    """Yield each network's outcomes over the seeds."""
    jobs = (delayed(verify)(id, seed) for id in ids for seed in range(seeds))
    outcomes = Parallel(n_jobs=2, return_as="generator")(jobs)
    for id in ids:
        yield id, [next(outcomes) for _ in range(seeds)]


@click.command()
@click.option("--only", help="One of them, for example F16a.")
@click.option("--seeds", default=10, show_default=True)
def main(only: str | None, seeds: int) -> None:
    """Show that each network fails as it was, and learns once cured."""
    table = Table("id", "best constant", "as it was", "fails", "cured", "learns", "seconds", "causes")
    for id, outcomes in verified([only] if only else list(FAULTY), seeds):
        best = np.median([outcome.cured for outcome in outcomes])
        made = FAULTY[id](0)
        if made.cured:
            fails = sum(o.as_was - o.constant < LEARNS * (best - o.constant) for o in outcomes)
            learns = sum(o.cured - o.constant >= LEARNS * (best - o.constant) for o in outcomes)
        else:
            fails, learns = sum(o.as_was - o.constant < 0.1 for o in outcomes), 0
        table.add_row(
            id,
            f"{np.median([o.constant for o in outcomes]):.3f}",
            f"{np.median([o.as_was for o in outcomes]):.3f}",
            f"{fails} of {seeds}" + ("" if fails >= made.fails_in * seeds else "  too few"),
            f"{best:.3f}" if made.cured else "",
            f"{learns} of {seeds}" + ("" if learns >= 0.9 * seeds else "  too few") if made.cured else "",
            f"{max(o.seconds for o in outcomes):.2f}",
            ", ".join(sorted(made.causes)),
        )
    Console().print(table)


if __name__ == "__main__":
    from benchmarks.diagnosis.faulty import main as imported  # other processes find nothing of __main__ by its name

    imported()
