"""Generators: the data of cases 1 to 4, each made from its formula."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.data.datasets import Dataset
from unstuck.errors import OptionError

Labels = npt.NDArray[np.int64]


def spiral(rows: int = 1000, seed: int = 0) -> tuple[Array, Labels]:
    """Return one spiral arm cut into three classes: its inner, middle and outer part (case 1).

    x = (r cos t, r sin t), where r runs from 0 to 5, plus uniform noise from [0, 1), and t from 0 to 8 pi.

    Args:
        rows: n, at least 3.
        seed: of the noise.

    Returns:
        X (n, 2), and y (n,) of 0, 1 and 2.

    Raises:
        OptionError: when there are fewer rows than classes.

    >>> X, y = spiral()
    >>> X.shape, np.bincount(y).tolist()
    ((1000, 2), [333, 333, 334])
    """
    _at_least(3, "rows", rows)
    r = np.linspace(0, 5, rows) + np.random.default_rng(seed).uniform(size=rows)
    t = np.linspace(0, 8 * np.pi, rows)
    y = np.searchsorted([rows // 3, 2 * rows // 3], np.arange(rows), side="right")
    return np.column_stack([r * np.cos(t), r * np.sin(t)]), y


def xor(copies: int = 1) -> tuple[Array, Labels]:
    """Return the table of exclusive or, repeated (case 4, with two copies).

    Args:
        copies: of the four rows, at least 1.

    Returns:
        X (4 copies, 2), and y (4 copies,) of 0 and 1.

    Raises:
        OptionError: when there is no copy.

    >>> xor()[1]
    array([0, 1, 1, 0])
    """
    _at_least(1, "copies", copies)
    X = np.tile([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], (copies, 1))
    return X, (X[:, 0] != X[:, 1]).astype(np.int64)


def parabola(rows: int = 201) -> tuple[Array, Array]:
    """Return y = x², with x evenly spaced from 0 to 1 (case 3).

    Args:
        rows: n, at least 2.

    Returns:
        X (n, 1), and y (n,).

    Raises:
        OptionError: when there are fewer than two rows.

    >>> parabola(3)[1]
    array([0.  , 0.25, 1.  ])
    """
    _at_least(2, "rows", rows)
    x = np.linspace(0, 1, rows)
    return x[:, None], x**2


def classification() -> Dataset:
    """Return four overlapping classes in five features, 8,000 training and 2,000 test rows (case 2).

    Source: scikit-learn's make_classification, `random_state=1` for the data and for the split.

    >>> classification().X.shape
    (8000, 5)
    """
    from sklearn.datasets import make_classification
    from sklearn.model_selection import train_test_split

    X, y = make_classification(
        n_samples=10_000, n_features=5, n_classes=4, n_clusters_per_class=1, shuffle=True, random_state=1
    )
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=1)
    return Dataset(
        "classification",
        X,
        y,
        X_test,
        y_test,
        feature_names=tuple(f"x{j}" for j in range(5)),
        description="make_classification: 8,000 + 2,000 rows, 5 features, 4 classes, one cluster a class",
    )


def _at_least(least: int, name: str, given: int) -> None:
    if given < least:
        raise OptionError(f"{name} must be at least {least}; got {given}")
