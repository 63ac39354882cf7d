"""What a person declares, or predicts, helps to recognise the network; where it does not fit, that is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from unstuck import HandWritten, SubjectError, explain_gradient
from unstuck.cli import main
from unstuck.functions.activations import ELU, LeakyReLU
from unstuck.functions.losses import Huber
from unstuck.gradients.forensics.candidates import Candidates, declared
from unstuck.gradients.forensics.narrowed import narrowed
from unstuck.gradients.forensics.recognise import recognise, screens
from unstuck.gradients.forensics.theirs import Theirs

Parameters = dict[str, np.ndarray]
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(30, 3)), RANDOM.normal(size=(30, 2))
START = {
    "W1": RANDOM.normal(size=(3, 5)),
    "b1": RANDOM.normal(size=5) / 2,
    "W2": RANDOM.normal(size=(5, 2)),
    "b2": np.zeros(2),
}


def in_torch(
    hidden: Callable[[torch.Tensor], torch.Tensor],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    change: Callable[[Parameters], Parameters] = dict,
    predict: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> HandWritten:
    """Return a network of one hidden layer whose gradient is PyTorch's, but for a change."""

    def outputs(p: Parameters, X: np.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        t = {name: torch.tensor(array, requires_grad=True) for name, array in p.items()}
        return t, hidden(torch.tensor(X) @ t["W1"] + t["b1"]) @ t["W2"] + t["b2"]

    def gradient(p: Parameters, X: np.ndarray, Y: np.ndarray) -> Parameters:
        t, z = outputs(p, X)
        loss(z, torch.tensor(Y)).backward()
        return change({name: tensor.grad.numpy() for name, tensor in t.items()})

    return HandWritten(
        START,
        loss=lambda p, X, Y: loss(outputs(p, X)[1], torch.tensor(Y)).item(),
        gradient=gradient,
        predict=predict and (lambda p, X: predict(outputs(p, X)[1]).detach().numpy()),
        data=(X, Y),
    )


F = torch.nn.functional
ELUS = in_torch(lambda z: F.elu(z, alpha=0.5), lambda z, Y: F.huber_loss(z, Y, delta=0.7))


def test_activations_and_losses_of_other_parameters_are_recognised_where_they_are_declared() -> None:
    assert recognise(ELUS) is None
    said = explain_gradient(ELUS, [ELU(alpha=0.5), "identity"], Huber(threshold=0.7))
    assert str(said.recognised) == (
        "3-5-2, elu(0.5), identity; loss = huber of threshold 0.7 averaged over outputs and rows"
    )
    assert said.right


def test_a_mistake_is_named_on_a_declared_network() -> None:
    spoilt = in_torch(
        lambda z: F.leaky_relu(z, 0.3), F.mse_loss, change=lambda g: g | {"b2": 2 * g["b2"], "W2": 2 * g["W2"]}
    )
    said = explain_gradient(spoilt, activations=[LeakyReLU(slope=0.3), "identity"])
    assert {one.text for one in said.mistakes} >= {"W2 is twice as large as it should be, or counted for both outputs"}
    assert said.recognised is not None
    assert said.recognised.loss.kind == "squared_error"


def test_a_declared_loss_is_found_with_the_usual_activations() -> None:
    said = explain_gradient(in_torch(torch.tanh, lambda z, Y: F.huber_loss(z, Y, delta=2.5)), loss=Huber(threshold=2.5))
    assert said.recognised is not None
    assert [f.kind for f in said.recognised.activations] == ["tanh", "identity"]


def test_nothing_but_what_is_declared_is_tried() -> None:
    subject = in_torch(torch.tanh, F.mse_loss)
    assert recognise(subject) is not None
    assert recognise(subject, declared(["relu", "identity"], None)) is None
    assert recognise(subject, declared(None, "absolute_error")) is None


def test_a_declared_network_that_does_not_make_the_loss_is_told_with_both_numbers() -> None:
    subject = in_torch(torch.tanh, F.mse_loss)
    theirs = subject.cost(subject.w)
    z = np.maximum(X @ START["W1"] + START["b1"], 0) @ START["W2"] + START["b2"]
    said = str(explain_gradient(subject, ["relu", "identity"], "squared_error"))
    errors = (z - Y) ** 2
    assert said.startswith(
        f"the network was not recognised: your loss is {theirs:.6g} at the start, and that of 3-5-2, relu, identity, "
        f"as declared, is {errors.sum() / 30:.6g} for the squared error averaged over the rows "
        f"({errors.mean():.6g} over the outputs too)\n"
    )
    without_loss = narrowed(subject, declared(["relu", "identity"], None))
    assert f"{errors.sum() / 30:.6g} for the squared error" in without_loss
    assert f"{np.abs(z - Y).sum() / 30:.6g} for the absolute error" in without_loss
    assert narrowed(subject, declared(None, "hinge")).startswith("no known activations make the declared hinge: your")


@pytest.mark.parametrize(
    ("activations", "loss", "message"),
    [
        (
            ["tanh"],
            None,
            "declared activations: 1; layers that your arrays make: 2; give one activation for each layer",
        ),
        (["tanh", "tanh", "tanh"], None, "declared activations: 3; layers that your arrays make: 2"),
        (["tanhh", "sigmoid"], None, "there is no activation 'tanhh'; did you mean 'tanh'?"),
        (None, "squared_eror", "there is no loss 'squared_eror'; did you mean 'squared_error'?"),
        ("tanh", None, r"activations must be a sequence, one for each layer; got 'tanh': write \[...\]"),
        ([], None, "activations are one for each layer, and there are none"),
    ],
)
def test_what_cannot_be_declared(activations: list[str], loss: str, message: str) -> None:
    with pytest.raises(SubjectError, match=message):
        explain_gradient(in_torch(torch.tanh, F.mse_loss), activations, loss)


def test_the_command_takes_what_is_declared(tmp_path: Path) -> None:
    file = tmp_path / "network.py"
    file.write_text(
        "import numpy as np\n"
        "rng = np.random.default_rng(0)\n"
        "X, y = rng.normal(size=(20, 3)), rng.integers(2, size=(20, 1))\n"
        "parameters = {'W': rng.normal(size=(3, 1))}\n"
        "def a(p, X): return 1 / (1 + np.exp(-X @ p['W']))\n"
        "def loss(p, X, y): return -np.mean(y * np.log(a(p, X)) + (1 - y) * np.log(1 - a(p, X)))\n"
        "def gradient(p, X, y): return {'W': X.T @ (a(p, X) - y) / len(X)}\n"
    )

    def gradcheck(*options: str) -> Result:
        return CliRunner().invoke(main, ["gradcheck", str(file), *options])

    as_it_is = gradcheck("--activations", "sigmoid", "--loss", "binary_crossentropy")
    assert "recognised: 3-1, sigmoid; loss = binary crossentropy" in as_it_is.stdout
    other = gradcheck("--activations", "tanh", "--json", "-")
    assert json.loads(other.stdout)["explanation"]["narrowed"].startswith("your loss is ")
    unknown = gradcheck("--activations", "sigmoid, relu6")
    assert (unknown.exit_code, "there is no activation 'relu6'" in unknown.stderr) == (2, True)


# Predictions


def test_a_network_that_makes_the_predictions_is_named_where_its_loss_is_unknown() -> None:
    subject = in_torch(torch.tanh, lambda z, Y: (z - Y).abs().pow(3).mean(), predict=lambda z: z)
    said = explain_gradient(subject)
    assert said.recognised is None
    assert said.right
    assert str(said).startswith(
        "the network was not recognised: 3-5-2, tanh, identity makes your predictions, but none of the known losses is "
        "its loss: your loss is "
    )


def test_predictions_tell_whether_the_declared_loss_or_network_is_not_theirs() -> None:
    subject = in_torch(torch.tanh, F.mse_loss, predict=lambda z: z)
    assert narrowed(subject, declared(None, "hinge")).startswith(
        "3-5-2, tanh, identity makes your predictions, but the declared hinge is not its loss: your loss is "
    )
    by_loss = "3-5-2, tanh, identity, as declared, which makes your predictions, is "
    assert by_loss in narrowed(subject, declared(["tanh", "identity"], "hinge"))
    assert "makes your predictions" not in narrowed(subject, declared(["relu", "identity"], "squared_error"))


def test_arrays_that_are_no_layers_of_these_data() -> None:
    subject = HandWritten({"W": np.ones((5, 2))}, loss=lambda p, X, Y: float(np.sum(p["W"])), data=(X, Y))
    assert narrowed(subject, declared(["tanh"], None)) == (
        "W (5, 2) do not follow each other as layers that take these data, one for each declared activation"
    )


@pytest.mark.parametrize(
    "predict",
    [
        lambda z: z.argmax(dim=1),
        lambda z: (z > 0).double(),
        lambda z: z.sum(dim=1),
        lambda z: 1000 * z + 7.5,
        lambda z: z[:5],
        lambda z: torch.softmax(z, dim=1),
    ],
    ids=["classes", "labels", "other shape", "other units", "fewer rows", "another function"],
)
def test_predictions_that_are_not_the_outputs_do_not_mislead(predict: Callable[[torch.Tensor], torch.Tensor]) -> None:
    found = recognise(in_torch(torch.tanh, F.mse_loss, predict=predict))
    assert found is not None
    assert [f.kind for f in found.activations] == ["tanh", "identity"]


def test_a_predict_that_raises_is_done_without() -> None:
    def raising(z: torch.Tensor) -> torch.Tensor:
        raise RuntimeError

    assert explain_gradient(in_torch(torch.tanh, F.mse_loss, predict=raising)).recognised is not None


def test_of_all_forward_passes_only_that_of_the_predictions_is_left() -> None:
    theirs = Theirs(in_torch(F.silu, F.mse_loss, predict=torch.sigmoid))
    (screen,) = screens(theirs, Candidates())
    left = [[f.kind for f in activations] for activations, _ in screen.forward(alike=True, by_predictions=True)]
    assert left == [["silu", "sigmoid"]]
