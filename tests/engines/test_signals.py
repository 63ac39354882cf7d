"""What a record says of each layer: the definitions, on both engines, against PyTorch's gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unstuck import LBFGS, SGD, Adam, Constant, Dense, Dropout, OptionError, Recipe, train
from unstuck.functions.activations import Activation
from unstuck.history import SIGNALS, is_signal

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(300, 6))
Y = RANDOM.normal(size=300)


def signals_of(recipe: Recipe, engine: str, **options: object) -> dict[str, np.ndarray]:
    history = train(recipe, X, Y, engine=engine, progress=False, signals=True, **options).history
    return {name: history[name] for name in history.columns if is_signal(name)}


@pytest.mark.parametrize("activation", sorted(Activation.family))
def test_both_engines_record_the_same(activation: str) -> None:
    layers = [Dense(40, activation), Dropout(0.3), Dense(7, activation, bias=False), Dense(1)]
    recipe = Recipe(layers, loss="squared_error", optimizer=Adam(0.002), epochs=3, batch_size=64, precision="float64")
    reference, native = (signals_of(recipe, engine) for engine in ("reference", "native"))
    assert sorted(reference) == sorted(f"{name}_{k}" for name in SIGNALS for k in (1, 2, 3))
    for name, values in reference.items():
        np.testing.assert_allclose(native[name], values, rtol=1e-7, atol=1e-10, err_msg=name)


@pytest.mark.parametrize(
    "extra", [{"clip_norm": 0.1}, {"clip_value": 0.01}, {"optimizer": LBFGS(), "batch_size": "full"}]
)
def test_both_engines_record_the_gradient_before_clipping_and_with_every_driver(extra: dict[str, object]) -> None:
    recipe = Recipe([Dense(9, "tanh"), Dense(1)], loss="squared_error", epochs=3, batch_size=64, precision="float64")
    reference, native = (signals_of(recipe.replace(**extra), engine) for engine in ("reference", "native"))
    for name, values in reference.items():
        np.testing.assert_allclose(native[name], values, rtol=1e-5, atol=1e-9, err_msg=name)


def test_both_engines_record_the_same_where_most_units_are_silent() -> None:
    layers = [Dense(150, "relu", bias_start=Constant(-2.0)), Dense(150, "relu"), Dense(1, "relu")]
    recipe = Recipe(layers, loss="squared_error", epochs=2, batch_size=64, precision="float64")
    reference, native = (signals_of(recipe, engine) for engine in ("reference", "native"))
    for name, values in reference.items():
        np.testing.assert_allclose(native[name], values, rtol=1e-7, atol=1e-10, err_msg=name)


def test_signals_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [Dense(100, "relu"), Dense(60, "tanh"), Dense(1)]
    recipe = Recipe(layers, loss="squared_error", epochs=2, batch_size=64)
    recorded = []
    for threads in (1, 2, 3):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        recorded.append(signals_of(recipe, "native"))
    for others in recorded[1:]:
        assert {name: values.tobytes() for name, values in others.items()} == {
            name: values.tobytes() for name, values in recorded[0].items()
        }


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_gradient_and_update_are_those_of_the_last_update(engine: str) -> None:
    rate = 0.1
    recipe = Recipe([Dense(9, "tanh"), Dense(1)], loss="squared_error", optimizer=SGD(rate), batch_size="full")
    recipe = recipe.replace(epochs=1, precision="float64")
    signals = signals_of(recipe, engine)
    start = train(recipe, X, Y, engine="reference", progress=False, time_budget=1e-9)
    layers = [torch.tensor(values, requires_grad=True) for values in start.weights.values()]
    W1, b1, W2, b2 = layers
    outputs = torch.tanh(torch.tensor(start.inputs.transform(X)) @ W1 + b1) @ W2 + b2
    target = torch.tensor(start.targets.transform(Y).reshape(-1, 1))
    torch.nn.functional.mse_loss(outputs, target).backward()
    for k, (W, b) in enumerate(((W1, b1), (W2, b2)), start=1):
        g = torch.cat([W.grad.ravel(), b.grad])
        w = torch.cat([W.detach().ravel(), b.detach()])
        assert signals[f"gradient_norm_{k}"][0] == pytest.approx(float(g.norm()), rel=1e-9)
        assert signals[f"update_ratio_{k}"][0] == pytest.approx(float(rate * g.norm() / w.norm()), rel=1e-9)


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_dead_and_saturated_units_are_counted(engine: str) -> None:
    def share(activation: str, bias: float, name: str) -> float:
        layers = [Dense(8, activation, bias_start=Constant(bias)), Dense(1)]
        recipe = Recipe(layers, loss="squared_error", optimizer=SGD(1e-9), epochs=1)
        return float(signals_of(recipe, engine)[f"{name}_1"][0])

    assert share("relu", -100.0, "dead") == 1
    assert share("relu", 0.0, "dead") == 0
    assert share("sigmoid", 8.0, "saturated") == 1
    assert share("sigmoid", 0.0, "saturated") == 0
    assert share("relu", -100.0, "saturated") == 0


def test_signals_change_nothing_else() -> None:
    recipe = Recipe([Dense(16, "relu"), Dense(1)], loss="squared_error", epochs=4)
    plain, noted = (train(recipe, X, Y, progress=False, signals=signals) for signals in (False, True))
    assert plain.final_parameters.tobytes() == noted.final_parameters.tobytes()
    assert not any(map(is_signal, plain.history.columns))
    assert "dead" not in repr(noted)


def test_a_history_is_all_with_signals_or_all_without(tmp_path) -> None:
    recipe = Recipe([Dense(4, "relu"), Dense(1)], loss="squared_error", epochs=4)
    train(recipe, X, Y, progress=False, checkpoint=tmp_path / "kept")
    with pytest.raises(OptionError, match="signals"):
        train(recipe, X, Y, progress=False, checkpoint=tmp_path / "kept", signals=True)
