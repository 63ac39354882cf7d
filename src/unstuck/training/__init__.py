"""Training: from a recipe and data to a Run."""

from unstuck.training.train import train as train
