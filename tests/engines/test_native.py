"""The compiled engine computes what the reference engine computes: whole trainings, on every kernel it has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unstuck import (
    L1,
    L2,
    SGD,
    DecoupledDecay,
    Dense,
    Dropout,
    EarlyStopping,
    ExponentialDecay,
    MaxNorm,
    Normal,
    OneCycle,
    Recipe,
    Run,
    Targets,
    train,
)
from unstuck.engines.engine import Descent, Rows
from unstuck.engines.native import NativeEngine
from unstuck.engines.reference import ReferenceEngine
from unstuck.functions.activations import Activation
from unstuck.functions.losses import Loss
from unstuck.functions.optimizers import Optimizer
from unstuck.training.prepare import prepare

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(70, 7))
LABELS = np.arange(70) % 3
WEIGHTS = RANDOM.random(70)
ONE_HOT = np.eye(3)[LABELS]
TOLERANCE = {"float64": 1e-9, "float32": 5e-3}
STEPPING = sorted(set(Optimizer.family) - {"lbfgs"})


def both(recipe: Recipe, y: np.ndarray, **options: object) -> tuple[Run, Run]:
    return tuple(train(recipe, X, y, engine=name, progress=False, **options) for name in ("reference", "native"))


def assert_same(reference: Run, native: Run) -> None:
    assert (reference.engine, native.engine) == ("reference", "native")
    assert (reference.stopped, reference.failure) == (native.stopped, native.failure)
    tolerance = TOLERANCE[reference.recipe.precision]
    scale = np.abs(reference.final_parameters).max()
    np.testing.assert_allclose(native.final_parameters, reference.final_parameters, rtol=0, atol=tolerance * scale)
    assert len(reference.history) == len(native.history)
    if len(reference.history):
        np.testing.assert_allclose(
            native.history["loss"], reference.history["loss"], rtol=10 * tolerance, atol=tolerance
        )


@pytest.mark.parametrize("loss", Loss.family)
@pytest.mark.parametrize("output", Activation.family)
def test_every_pairing(level: str, output: str, loss: str) -> None:
    layers = [Dense(9, "tanh"), Dense(5, "softplus", bias=False), Dense(3, output, weight_start=Normal(0.3))]
    Y = 2 * ONE_HOT - 1 if loss == "hinge" else ONE_HOT
    recipe = Recipe(layers, loss=loss, optimizer=SGD(0.01), batch_size=16, epochs=4, precision="float64")
    assert_same(*both(recipe, Y))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("hidden", Activation.family)
def test_every_hidden_activation(level: str, hidden: str, precision: str) -> None:
    layers = [
        Dense(37, hidden, weight_start=Normal(0.2)),
        Dropout(0.1),
        Dense(4, hidden, weight_start=Normal(0.2)),
        Dense(1),
    ]
    recipe = Recipe(layers, loss="squared_error", optimizer=SGD(0.01), batch_size=9, epochs=10, precision=precision)
    assert_same(*both(recipe, X[:, 0] ** 2))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"penalties": [L2(0.1), L1(0.01, on="all")]},
        {"penalties": [L2(3.0, per_row=True), L2(1.0, on="all", per_row=True)]},
        {"penalties": [DecoupledDecay(0.3, on="all"), MaxNorm(0.5)]},
        {"clip_norm": 0.1},
        {"clip_value": 0.01, "clip_norm": 0.05},
        {"schedule": OneCycle(), "class_weights": "balanced"},
        {"schedule": ExponentialDecay(0.9), "batch_size": "full"},
        {"batch_size": 1, "shuffle": False},
        {"early_stopping": EarlyStopping(2), "validation_fraction": 0.3},
    ],
    ids=lambda extra: "-".join(extra) or "plain",
)
@pytest.mark.parametrize("optimizer", STEPPING)
def test_every_optimizer(level: str, optimizer: str, extra: dict[str, object], precision: str) -> None:
    layers = [Dropout(0.2), Dense(40, "tanh"), Dropout(0.5), Dropout(0.1), Dense(33, "sigmoid"), Dense(3, "softmax")]
    settings = {"batch_size": 16, "optimizer": optimizer, "precision": precision, "epochs": 4, **extra}
    recipe = Recipe(layers, loss="categorical_crossentropy", **settings)
    assert_same(*both(recipe, LABELS, sample_weight=WEIGHTS))


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_epsilon_beside_the_uncorrected_root(level: str, kind: str) -> None:
    optimizer = {"kind": kind, "epsilon": 0.1, "epsilon_hat": True}
    recipe = Recipe([Dense(9, "tanh"), Dense(3)], loss="squared_error", optimizer=optimizer, precision="float64")
    assert_same(*both(recipe.replace(epochs=4), ONE_HOT))


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("batch_size", [1, "full"])
@pytest.mark.parametrize("optimizer", STEPPING)
def test_a_training_goes_on_where_another_ended(engine: str, optimizer: str, batch_size: int | str) -> None:
    layers = [Dense(9, "tanh"), Dropout(0.5), Dense(3)] if batch_size == "full" else [Dense(9, "relu"), Dense(3)]
    recipe = Recipe(layers, loss="squared_error", optimizer=optimizer, batch_size=batch_size, shuffle=False, epochs=5)
    whole = train(recipe, X, ONE_HOT, engine=engine, progress=False)
    w = whole.network.start()
    descent = Descent(w, recipe.optimizer.start(w), previous=w.copy())
    train(recipe.replace(epochs=2), X, ONE_HOT, start=descent, engine=engine, progress=False)
    descent.earlier, descent.t = descent.t, 0
    rest = train(recipe.replace(epochs=3), X, ONE_HOT, start=descent, engine=engine, progress=False)
    assert (rest.final_parameters == whole.final_parameters).all()


widths = st.integers(1, 70)


@given(
    hidden=st.lists(st.tuples(widths, st.sampled_from(sorted(Activation.family)), st.booleans()), max_size=3),
    rows=st.integers(1, 90),
    inputs=widths,
    outputs=widths,
    batch=st.one_of(st.integers(1, 100), st.just("full")),
    optimizer=st.sampled_from(["sgd", "adam", "nesterov"]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_any_shape(hidden, rows, inputs, outputs, batch, optimizer, seed) -> None:
    layers = [Dense(*shape, weight_start=Normal(0.1)) for shape in hidden] + [Dense(outputs, weight_start=Normal(0.1))]
    recipe = Recipe(layers, loss="squared_error", optimizer=optimizer, batch_size=batch, epochs=2, precision="float64")
    recipe = recipe.with_settings({"optimizer.learning_rate": 1e-3, "seed": seed})
    random = np.random.default_rng(seed)
    data = prepare(
        recipe.replace(targets=Targets("numbers")),
        random.normal(size=(rows, inputs)),
        random.normal(size=(rows, outputs)),
    )
    w = data.network.start()
    engines = [Engine(data.network, data.rows) for Engine in (ReferenceEngine, NativeEngine)]
    (cost, g), (native_cost, native_g) = (engine.cost_and_gradient(w) for engine in engines)
    assert native_cost == pytest.approx(cost, rel=1e-10)
    np.testing.assert_allclose(native_g, g, rtol=1e-9, atol=1e-11 * max(1, np.abs(g).max()))
    (loss, A), (native_loss, native_A) = (engine.evaluate(w, data.rows) for engine in engines)
    assert native_loss == pytest.approx(loss, rel=1e-10)
    np.testing.assert_allclose(native_A, A, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("activation", ["exponential", "relu", "identity"])
def test_divergence_is_found_at_the_same_step_in_the_same_layer(level: str, activation: str) -> None:
    layers = [Dense(9, activation), Dense(5, activation), Dense(1)]
    recipe = Recipe(layers, loss="squared_error", optimizer=SGD(3.0), batch_size=16, epochs=50, precision="float64")
    reference, native = both(recipe, X[:, 0])
    assert reference.stopped == "diverged"
    assert native.failure == reference.failure
    np.testing.assert_allclose(native.final_parameters, reference.final_parameters, rtol=1e-6)


def test_a_checkpoint_of_one_engine_resumes_in_the_other(tmp_path) -> None:
    recipe = Recipe(
        [Dense(20, "tanh"), Dense(3, "softmax")], loss="categorical_crossentropy", epochs=6, precision="float64"
    )
    whole = train(recipe, X, LABELS, engine="reference", progress=False)
    for engine in ("native", "reference"):
        path = tmp_path / engine
        other = {"native": "reference", "reference": "native"}[engine]
        stops = iter([False, False])

        def interrupt(row, w, stops=stops):
            if next(stops, True):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(recipe, X, LABELS, engine=engine, checkpoint=path, checkpoint_seconds=0, callbacks=[interrupt])
        resumed = train(recipe, X, LABELS, engine=other, checkpoint=path)
        np.testing.assert_allclose(resumed.final_parameters, whole.final_parameters, rtol=1e-9, atol=1e-12)
        assert len(resumed.history) == len(whole.history)


def test_the_same_bits_from_run_to_run_and_with_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    X, y = random.normal(size=(600, 200)), random.integers(0, 10, 600)
    recipe = Recipe(
        [Dense(300, "relu"), Dropout(0.3), Dense(10, "softmax")],
        loss="categorical_crossentropy",
        penalties=[{"kind": "l2", "strength": 0.01, "on": "all"}],
        batch_size=128,
        epochs=2,
    )
    runs = []
    for threads in ("1", "2", "3", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        run = train(recipe, X, y, engine="native", progress=False)
        runs.append(run.final_parameters.tobytes() + run.history["loss"].tobytes())
    assert len(set(runs)) == 1


def test_the_loss_of_many_rows_has_the_same_bits_with_any_number_of_threads() -> None:
    random = np.random.default_rng(1)
    X, y = random.normal(size=(3000, 300)), random.normal(size=3000)
    for precision in ("float32", "float64"):
        recipe = Recipe([Dense(64, "relu"), Dense(1)], loss="squared_error", precision=precision)
        data = prepare(recipe, X, y)
        w = data.network.start()
        engines = [NativeEngine(data.network, data.rows, threads) for threads in (1, 2, 3, 5, 8)]
        assert len({engine.evaluate(w, data.rows)[0] for engine in engines}) == 1


def test_what_does_not_fit_is_refused_and_never_read_past_its_end() -> None:
    recipe = Recipe([Dense(3, "softmax")], loss="categorical_crossentropy", batch_size=10)
    data = prepare(recipe, X, LABELS)
    engine = NativeEngine(data.network, data.rows)
    w = data.network.start()
    with pytest.raises(ValueError, match="size"):
        engine.cost_and_gradient(w[:-1])
    with pytest.raises(ValueError, match="do not fit"):
        engine.evaluate(w, Rows(data.rows.X[:, :-1].copy(), data.rows.Y, None))
    trainer, rows = engine._trainer, data.rows
    with pytest.raises(ValueError, match="at least one row"):
        trainer.steps(
            rows.X,
            rows.Y,
            None,
            batch_size=0,
            shuffled=True,
            earlier=0,
            t=0,
            rates=np.ones(1),
            cost_sum=0.0,
            rows_seen=0,
            target=0.0,
            seconds=1.0,
            threads=1,
        )
