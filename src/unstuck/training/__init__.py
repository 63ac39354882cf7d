"""Training: from a recipe and data to a Run."""

from unstuck.training.many import train_many as train_many
from unstuck.training.train import train as train
