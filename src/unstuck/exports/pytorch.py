"""A run as a PyTorch module in source code."""

from __future__ import annotations

from pathlib import Path

from unstuck.exports.source import encoding, literal, named_numbers, widths, write_source
from unstuck.network import DropoutLayer
from unstuck.run import Run

ACTIVATIONS = {
    "identity": "",
    "sigmoid": "nn.Sigmoid()",
    "tanh": "nn.Tanh()",
    "relu": "nn.ReLU()",
    "leaky_relu": "nn.LeakyReLU({f.slope!r})",
    "elu": "nn.ELU({f.alpha!r})",
    "selu": "nn.SELU()",
    "gelu": "nn.GELU()",
    "silu": "nn.SiLU()",
    "softplus": "nn.Softplus(threshold=40)",  # beyond it, log(1 + exp(z)) is z in float64 too
    "softmax": "nn.Softmax(dim=1)",
    "exponential": "Exponential()",
    "hard_sigmoid": "nn.Hardsigmoid()",
    "softsign": "nn.Softsign()",
}
EXPONENTIAL = '''
class Exponential(nn.Module):
    """a = exp(z)."""

    def forward(self, z):
        return z.exp()
'''


def to_pytorch(run: Run, weights: str | None = None) -> str:
    """Return Python source that defines the run's network as a PyTorch module.

    `load()` makes the module with its weights, in evaluation mode. Its `forward(X)` takes a tensor (n, i), fills and
    scales it as the run does, and returns the outputs A (n, o); `predict(X)` returns labels (a list) or numbers (a
    tensor). For tables with text, `encode(table)` makes X as a NumPy array. It can be trained further: dropout is kept.

    Args:
        run: what is exported.
        weights: the name of an .npz file that the source reads its numbers from, in its own folder; None writes them
            into the source.
    """
    exponential = EXPONENTIAL if any(layer.activation.kind == "exponential" for layer in run.network.dense) else ""
    parts = [_head(run, weights), encoding(run), exponential, _module(run), _load(run)]
    return "\n\n".join(part.strip("\n") + "\n" for part in parts if part)


def export_pytorch(run: Run, path: str | Path) -> None:
    """Write `to_pytorch` into a .py file; more than 1,000 numbers go into an .npz file of the same name beside it.

    Raises:
        OptionError: when the name does not end in .py.
        FileError: when a file cannot be written.
    """
    write_source(run, path, to_pytorch)


def _head(run: Run, weights: str | None) -> str:
    lines = [
        f'"""A multilayer perceptron, {widths(run)}, trained with unstuck: load() returns it, a PyTorch module."""',
        "",
    ]
    lines += ["from pathlib import Path", ""] * (weights is not None)
    lines += ["import numpy as np"] * (weights is not None or bool(run.inputs.levels))
    lines += ["import torch", "from torch import nn", ""]
    if weights is not None:
        lines += [f"with np.load(Path(__file__).with_name({weights!r})) as file:", "    numbers = dict(file)"]
    for name, values in named_numbers(run).items():
        if weights is None:
            lines += [f"{name} = torch.tensor(  # {values.shape}", f"{literal(values)},"]
            lines += [f"    dtype=torch.{values.dtype},", ")"]
        else:
            lines += [f"{name} = torch.from_numpy(numbers[{name!r}])  # {values.shape}"]
    if run.targets.classes is not None:
        lines += [f"CLASSES = {list(run.targets.classes)!r}"]
    return "\n".join(lines)


def _layers(run: Run) -> list[tuple[str, str]]:
    """Return what stands in nn.Sequential, each with the parameter whose place it is: "W1", or nothing."""
    precision, layers, k = run.recipe.precision, [], 0
    for layer in run.network.layers:
        if isinstance(layer, DropoutLayer):
            layers.append((f"nn.Dropout({layer.rate!r})", ""))
            continue
        k += 1
        bias = "" if layer.has_bias else ", bias=False"
        layers.append((f"nn.Linear({layer.inputs}, {layer.outputs}{bias}, dtype=torch.{precision})", str(k)))
        activation = ACTIVATIONS[layer.activation.kind].format(f=layer.activation)
        layers += [(activation, "")] * bool(activation)
    return layers


def _module(run: Run) -> str:
    names, targets = named_numbers(run), run.targets
    lines = ["class Network(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += ["        self.layers = nn.Sequential("]
    lines += [f"            {layer}," for layer, _ in _layers(run)]
    lines += ["        )"]
    for name in ("FILL", "SHIFT", "SCALE"):
        lines += [f'        self.register_buffer("{name.lower()}", {name}, persistent=False)'] * (name in names)
    lines += ["", "    def forward(self, X):"]
    lines += [f'        """Return the outputs A (n, {run.network.outputs}) for rows X (n, {run.network.inputs})."""']
    lines += ["        X = X.to(torch.float64)"] * any(name in names for name in ("FILL", "SCALE"))
    lines += ["        X = torch.where(X.isnan(), self.fill, X)  # missing values"] * ("FILL" in names)
    lines += ["        X = (X - self.shift) / self.scale"] * ("SCALE" in names)
    lines += [f"        return self.layers(X.to(torch.{run.recipe.precision}))", "", "    @torch.no_grad()"]
    lines += ["    def predict(self, X):"]
    if targets.classes is not None:
        threshold = "0" if targets.coding == "signed" else "0.5"
        chosen = "argmax(dim=1)" if targets.outputs > 1 else f"squeeze(1).gt({threshold}).int()"
        lines += ['        """Return a label for each row."""']
        lines += [f"        return [CLASSES[k] for k in self(X).{chosen}.tolist()]"]
        return "\n".join(lines)
    lines += ['        """Return numbers for each row."""', "        A = self(X)"]
    if targets.scale:  # the scaling of y is undone
        scale, shift = (
            f"torch.tensor({list(values)}, dtype=torch.float64)" for values in (targets.scale, targets.shift)
        )
        lines += [f"        A = A * {scale} + {shift}"]
    lines += ["        return A[:, 0]" if targets.flat else "        return A"]
    return "\n".join(lines)


def _load(run: Run) -> str:
    names = named_numbers(run)
    lines = [
        "def load():",
        '    """Return the network with its weights, in evaluation mode."""',
        "    network = Network()",
    ]
    lines += ["    weights = {  # PyTorch's are (o, i)"]
    for place, (_, k) in enumerate(_layers(run)):
        lines += [f'        "layers.{place}.weight": W{k}.T,'] * bool(k)
        lines += [f'        "layers.{place}.bias": b{k},'] * (f"b{k}" in names)
    lines += ["    }", "    network.load_state_dict(weights)"]
    lines += ["    return network.eval()"]
    return "\n".join(lines)
