"""What people call their functions, and the gradient of a parameter."""

from __future__ import annotations

LOSSES, GRADIENTS, PREDICTIONS = ("loss", "cost"), ("gradient", "backprop", "grad"), ("predict", "forward")


def gradient_names(name: str) -> list[str]:
    """Return what the gradient of a parameter is called.

    >>> gradient_names("W")
    ['dW', 'd_W', 'grad_W', 'W_grad', 'gW', 'delta_W', 'W_gradient']
    """
    return [f"d{name}", f"d_{name}", f"grad_{name}", f"{name}_grad", f"g{name}", f"delta_{name}", f"{name}_gradient"]
