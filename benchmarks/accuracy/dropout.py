"""Three ReLU layers of 1024 with dropout and max-norm on MNIST: the published 1.06 % test error, and the time it takes.

    UNSTUCK_DATA=../shared/data python -m benchmarks.accuracy.dropout

Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, "Dropout: A Simple Way to Prevent Neural
Networks from Overfitting", Journal of Machine Learning Research 15, table 2.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from unstuck import Adam, CosineDecay, Dense, Dropout, MaxNorm, Recipe, train
from unstuck.data import load_mnist

RESULTS = Path(__file__).parents[1] / "results" / "dropout.json"


def recipe(epochs: int, seed: int) -> Recipe:
    """A fifth of the pixels and half of the units are dropped; no unit's incoming weights are longer than 3."""
    hidden = [layer for _ in range(3) for layer in (Dense(1024, "relu"), Dropout(0.5))]
    return Recipe(
        [Dropout(0.2), *hidden, Dense(10, "softmax")],
        loss="categorical_crossentropy",
        optimizer=Adam(1e-3),
        schedule=CosineDecay(),
        penalties=[MaxNorm(3.0)],
        batch_size=100,
        epochs=epochs,
        record_every=10,
        measure_training=False,
        seed=seed,
    )


@click.command()
@click.option("--epochs", default=450, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def main(epochs: int, seed: int) -> None:
    """Train on all 60,000 images; those of the test are looked at once, at the end."""
    data = load_mnist(Path(os.environ["UNSTUCK_DATA"], "mnist"))
    run = train(recipe(epochs, seed), data.X, data.y)
    row = {
        "epochs": epochs,
        "seed": seed,
        "test_error": 1 - run.score(data.X_test, data.y_test),
        "seconds": float(run.history["seconds"][-1]),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    click.echo(f"{row['test_error']:.2%} of the test images wrong after {epochs} epochs, {row['seconds']:.0f} s")


if __name__ == "__main__":
    main()
