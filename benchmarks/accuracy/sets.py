"""The tables, each split into rows to train on and to test with, by the seed where a set has no split of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from unstuck.data import load_mnist

COVTYPE_ROWS = 100_000
TEST_SHARE = 0.2


class Split(NamedTuple):
    """Columns of numbers, scaled, texts one-hot; classes as integers, or numbers of mean 0 and variance 1."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def adult(seed: int) -> Split:
    """The official split; a missing value is a category of its own. Only the models are drawn anew by the seed."""
    train, test = (pl.read_csv(_folder() / f"adult_{part}.csv.gz") for part in ("train", "test"))
    numbers = [name for name, dtype in train.drop("income").schema.items() if dtype.is_numeric()]
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), numbers)],
        remainder=OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    labels = [part["income"].str.strip_chars(" .").to_numpy() for part in (train, test)]
    classes = np.unique(labels[0])
    X, X_test = columns.fit_transform(train.drop("income")), columns.transform(test.drop("income"))
    return Split(X, np.searchsorted(classes, labels[0]), X_test, np.searchsorted(classes, labels[1]))


def covtype(seed: int) -> Split:
    """100,000 rows drawn by the seed, of which a fifth tests."""
    table = pl.read_parquet(_folder() / "covtype.parquet").sample(COVTYPE_ROWS, seed=seed)
    return _split(
        table.drop("Cover_Type").to_numpy().astype(float), table["Cover_Type"].to_numpy().astype(int) - 1, seed, True
    )


def california(seed: int) -> Split:
    """Prices of houses."""
    table = pl.read_csv(_folder() / "california_housing.csv.gz")
    return _split(table.drop("median_house_value").to_numpy(), table["median_house_value"].to_numpy(), seed, False)


def wine(seed: int) -> Split:
    """The quality of wines, as a number."""
    table = pl.read_csv(_folder() / "wine_quality.csv.gz").with_columns(pl.col("color").eq("red").cast(pl.Float64))
    return _split(table.drop("quality").to_numpy().astype(float), table["quality"].to_numpy(), seed, False)


def mnist(seed: int) -> Split:
    """Digits, with their own test part."""
    data = load_mnist(_folder() / "mnist")
    return Split(data.X.astype(np.float64), data.y, data.X_test.astype(np.float64), data.y_test)


SETS: dict[str, Callable[[int], Split]] = {
    "adult": adult,
    "covtype": covtype,
    "california": california,
    "wine": wine,
    "mnist": mnist,
}
CLASSES = ("adult", "covtype", "mnist")


def _split(X: np.ndarray, y: np.ndarray, seed: int, classes: bool) -> Split:
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=TEST_SHARE, random_state=seed, stratify=y if classes else None
    )
    scaler = StandardScaler().fit(X)
    if not classes:
        shift, scale = y.mean(), y.std()
        y, y_test = (y - shift) / scale, (y_test - shift) / scale
    return Split(scaler.transform(X), y, scaler.transform(X_test), y_test)


def _folder() -> Path:
    return Path(os.environ["UNSTUCK_DATA"])
