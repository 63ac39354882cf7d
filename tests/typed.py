"""What type checkers make of a user's program: `make lint` asks them. An ignore without need fails."""

from typing import assert_type

from unstuck import Adam, Dense, Dropout, Inputs, LeakyReLU, Recipe
from unstuck.functions.optimizers import Optimizer

in_short = Recipe(
    [Dense(8, "relu", weight_start="he_normal"), Dropout(0.2), Dense(3, "softmax")],
    loss="categorical_crossentropy",
    optimizer="adam",
    schedule={"kind": "cosine"},
    inputs={"scaling": "standard"},
    class_weights={"ham": 1.0, "spam": 3.0},
    batch_size="full",
)
in_full = Recipe([Dense(8, LeakyReLU(0.1)), Dense(1)], "squared_error", Adam(0.01), inputs=Inputs(scaling="standard"))
assert_type(in_short.optimizer, Optimizer)
assert_type(in_full.inputs, Inputs)


def refused() -> None:
    Recipe([Dense(1)], loss=3)  # type: ignore[arg-type]
    Recipe([Dense("8")], loss="squared_error")  # type: ignore[arg-type]
