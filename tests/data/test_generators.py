import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

from unstuck.data import classification, parabola, spiral, xor
from unstuck.errors import OptionError


def test_spiral():
    X, y = spiral()
    assert np.bincount(y).tolist() == [333, 333, 334]
    assert (np.diff(y) >= 0).all()
    radius, angle = np.hypot(*X.T), np.unwrap(np.arctan2(X[1:, 1], X[1:, 0]))
    noise = radius - np.linspace(0, 5, 1000)
    assert noise.min() >= 0
    assert noise.max() < 1
    assert 0.4 < noise.mean() < 0.6
    assert angle[-1] - angle[0] == pytest.approx(8 * np.pi * 998 / 999)
    np.testing.assert_array_equal(spiral(seed=0)[0], X)
    assert not np.array_equal(spiral(seed=1)[0], X)


def test_xor():
    X, y = xor(copies=2)
    assert X.shape == (8, 2)
    assert [a ^ b for a, b in X.astype(int)] == y.tolist()
    assert len(np.unique(X, axis=0)) == 4


def test_parabola():
    X, y = parabola()
    assert X.shape == (201, 1)
    assert (X[0, 0], X[1, 0], X[-1, 0]) == (0, 0.005, 1)
    np.testing.assert_array_equal(y, X[:, 0] ** 2)
    X, y = parabola(10_001)  # the best straight line leaves the integral of (x² - x + 1/6)² over [0, 1]: 1/180
    assert np.mean((LinearRegression().fit(X, y).predict(X) - y) ** 2) == pytest.approx(1 / 180, rel=1e-3)


def test_classification():
    data = classification()
    assert (data.X.shape, data.y.shape) == ((8000, 5), (8000,))
    assert (data.X_test.shape, data.y_test.shape) == ((2000, 5), (2000,))
    whole = make_classification(10_000, 5, n_classes=4, n_clusters_per_class=1, random_state=1)
    parts = train_test_split(*whole, test_size=0.2, random_state=1)
    for part, expected in zip((data.X, data.X_test, data.y, data.y_test), parts, strict=True):
        np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("call", [lambda: spiral(2), lambda: xor(0), lambda: parabola(1)])
def test_too_few_rows(call):
    with pytest.raises(OptionError, match="must be at least"):
        call()
