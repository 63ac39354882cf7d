"""Data sets by name: MNIST from wherever it can be had, scikit-learn's bundled sets, and OpenML."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unstuck.data.readers import read_idx
from unstuck.data.tables import default_names
from unstuck.errors import DataError, FileError, OptionError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

MNIST_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
PROBE_SECONDS, ONLINE_SECONDS, OFFLINE_SECONDS = 3.0, 30.0, 0.1


@dataclass(frozen=True, eq=False)
class Dataset:
    """Features and targets, with a test part where the set has one.

    Attributes:
        name: of the set.
        X: training features, an array (n, i) or a table.
        y: training targets (n,).
        X_test: test features, or None.
        y_test: test targets, or None.
        feature_names: i of them.
        description: what it is and where it is from, in a sentence.
    """

    name: str
    X: Any
    y: npt.NDArray[Any]
    X_test: Any = None
    y_test: Any = None
    feature_names: tuple[str, ...] = ()
    description: str = ""


def load_mnist(folder: str | Path | None = None) -> Dataset:
    """Return MNIST: 60,000 + 10,000 images of 28 x 28 in rows, float32 in [0, 1]; labels 0 to 9.

    It comes from the four IDX files in `folder`; else from the folder that the environment variable UNSTUCK_DATA names,
    or its subfolder mnist; else from OpenML. Where none of these has it, scikit-learn's digits, 1,797 images of 8 x 8,
    stand in; `name` and `description` say so.

    Args:
        folder: of the IDX files, plain or with .gz; None looks for them.

    Raises:
        FileError: when the folder given does not hold MNIST, or a file of it is damaged.
    """
    if folder is not None:
        lacking = [f"{name}-ubyte.gz" for name in MNIST_FILES if not _versions(Path(folder), name)]
        if lacking:
            raise FileError(f"{folder} lacks {len(lacking)} of the 4 files of MNIST: {', '.join(lacking)}")
        return _mnist_from(Path(folder))
    place = os.environ.get("UNSTUCK_DATA")
    for named in (Path(place), Path(place, "mnist")) if place else ():
        if all(_versions(named, name) for name in MNIST_FILES):
            return _mnist_from(named)
    return _mnist_from_openml() or _small_digits()


def _versions(folder: Path, name: str) -> list[Path]:
    """Return the file of that name, plain, packed or both; some spell it with a dot before idx."""
    return sorted(folder.glob(name.replace("-idx", "?idx") + "*"))


def _mnist_from(folder: Path) -> Dataset:
    X, y, X_test, y_test = (read_idx(_versions(folder, name)[0]) for name in MNIST_FILES)
    if X.ndim != 3 or X_test.ndim != 3 or X.shape[1:] != X_test.shape[1:]:
        raise FileError(f"the images in {folder} have shapes {X.shape} and {X_test.shape}; (n, 28, 28) is expected")
    if len(X) != len(y) or len(X_test) != len(y_test):
        raise FileError(f"{folder} has {len(X):,} + {len(X_test):,} images and {len(y):,} + {len(y_test):,} labels")
    return _mnist(X.reshape(len(X), -1), y, X_test.reshape(len(X_test), -1), y_test, "the IDX files")


def _mnist_from_openml() -> Dataset | None:
    try:
        bunch = _fetch_openml("mnist_784", version=1)
    except (OSError, HTTPException, ValueError):  # offline, or OpenML does not deliver
        return None
    X, y = bunch.data, bunch.target.astype(np.int64)
    return _mnist(X[:60_000], y[:60_000], X[60_000:], y[60_000:], "OpenML")


def _mnist(X: Any, y: Any, X_test: Any, y_test: Any, source: str) -> Dataset:
    return Dataset(
        name="mnist",
        X=X.astype(np.float32) / 255,
        y=y.astype(np.int64),
        X_test=X_test.astype(np.float32) / 255,
        y_test=y_test.astype(np.int64),
        feature_names=default_names(X.shape[1]),
        description=f"MNIST: {len(X):,} + {len(X_test):,} images of handwritten digits, 28 x 28, from {source}",
    )


def _small_digits() -> Dataset:
    from sklearn.datasets import load_digits

    from unstuck.data.splits import hold_out

    digits = load_digits()
    X, y = (digits.data / 16).astype(np.float32), digits.target.astype(np.int64)
    kept, held = hold_out(y, 0.2, seed=0, stratify=True)
    return Dataset(
        name="digits",
        X=X[kept],
        y=y[kept],
        X_test=X[held],
        y_test=y[held],
        feature_names=tuple(digits.feature_names),
        description="not MNIST but the small set in its place: scikit-learn's digits, 1,797 images of 8 x 8; for MNIST "
        "set UNSTUCK_DATA to a folder with its IDX files, or go online",
    )


def load_named(name: str) -> Dataset:
    """Return a data set by name, all its rows in X and y; classes by their own names where they have some.

    Args:
        name: "breast_cancer", "diabetes", "digits", "iris" or "wine", bundled with scikit-learn; or "openml:NAME".

    Raises:
        OptionError: when there is no such set.
        FileError: when OpenML cannot be reached.
        DataError: when OpenML has no such set, or in a form that cannot be used.

    >>> load_named("wine").X.shape
    (178, 13)
    """
    if name.startswith("openml:"):
        return _from_openml(name)
    if name not in BUNDLED:
        raise OptionError(f"there is no data set {name!r}{did_you_mean(name, [*BUNDLED, 'openml:NAME'])}")
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    y = bunch.target_names[bunch.target] if "target_names" in bunch else bunch.target
    description = f"scikit-learn's {name}, {len(y):,} rows"
    return Dataset(name, bunch.data, y, feature_names=tuple(map(str, bunch.feature_names)), description=description)


def _from_openml(name: str) -> Dataset:
    try:
        bunch = _fetch_openml(name.removeprefix("openml:"))
    except (OSError, HTTPException) as error:
        raise FileError(f"OpenML cannot be reached for {name!r}: {error}") from None
    except ValueError as error:
        raise DataError(f"{name!r} cannot be had from OpenML: {error}") from None
    if bunch.target is None or bunch.target.ndim != 1 or not isinstance(bunch.data, np.ndarray):
        raise DataError(f"{name!r} is sparse or has not exactly one target; unstuck needs plain rows and one target")
    X: npt.NDArray[Any] | pl.DataFrame = bunch.data
    if bunch.categories:  # the array holds a category's number in place of its name
        import polars as pl

        columns = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
        X = pl.DataFrame({column: _decoded(codes, bunch.categories.get(column)) for column, codes in columns.items()})
    y = bunch.target.astype(str) if bunch.target.dtype == object else bunch.target
    description = f"{name.removeprefix('openml:')} from OpenML, {len(y):,} rows"
    return Dataset(name, X, y, feature_names=tuple(map(str, bunch.feature_names)), description=description)


def _decoded(codes: npt.NDArray[Any], categories: list[str] | None) -> Any:
    if categories is None:
        return codes
    return [None if np.isnan(code) else categories[int(code)] for code in codes.tolist()]


def _fetch_openml(name: str, version: int | str = "active") -> Any:
    from sklearn.datasets import fetch_openml, get_data_home

    online = _online()
    kept = Path(get_data_home(), "openml")  # scikit-learn keeps here what it has fetched before
    if not online and not any(kept.rglob("*.gz")):
        raise OSError(f"no answer within {PROBE_SECONDS:g} seconds")
    with _timeout(ONLINE_SECONDS if online else OFFLINE_SECONDS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn announces each retry
        return fetch_openml(name, version=version, as_frame=False, parser="liac-arff", n_retries=1, delay=0.1)


def _online() -> bool:
    """Tell whether OpenML answers; asked in a thread of its own, as looking up a host's name has no time limit."""
    from urllib.request import Request, urlopen

    answers = []

    def ask() -> None:
        request = Request("https://www.openml.org", method="HEAD")
        with suppress(OSError, HTTPException, ValueError), urlopen(request, timeout=PROBE_SECONDS) as answer:
            answers.append(answer)

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return bool(answers)


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(previous)
