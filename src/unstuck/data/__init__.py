"""Data: readers, named sets, generators, and the way from columns to what a network takes."""

from unstuck.data.blocks import ArrayRows
from unstuck.data.datasets import Dataset, load_mnist, load_named
from unstuck.data.generators import classification, parabola, spiral, xor
from unstuck.data.inputs import FittedInputs, Inputs
from unstuck.data.parquet import ParquetRows
from unstuck.data.readers import read_arrays, read_features, read_features_and_target, read_idx, read_table
from unstuck.data.splits import hold_out
from unstuck.data.targets import FittedTargets, Targets

__all__ = [
    "ArrayRows",
    "Dataset",
    "FittedInputs",
    "FittedTargets",
    "Inputs",
    "ParquetRows",
    "Targets",
    "classification",
    "hold_out",
    "load_mnist",
    "load_named",
    "parabola",
    "read_arrays",
    "read_features",
    "read_features_and_target",
    "read_idx",
    "read_table",
    "spiral",
    "xor",
]
