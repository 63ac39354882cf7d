"""Estimators on drawn inputs and parameters fit or refuse them: 500 in CI, 10,000 by `make reliability`."""

import inspect
import os
import traceback
import warnings

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from unstuck import MLPClassifier, MLPRegressor

DRAWS = int(os.environ.get("UNSTUCK_MUTANTS", "500"))
drawn = settings(
    max_examples=DRAWS, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
ROWS, COLUMNS = 8, 3
EXPECTED = (ValueError, TypeError)
"""What users of scikit-learn catch; all of our errors about data and parameters are among them."""

numbers = st.one_of(
    st.integers(-3, 5),
    st.sampled_from([2**31, 2**63, 2**70, -(2**70), 10**400]),
    st.floats(),
    st.complex_numbers(),
    st.sampled_from([np.float32(0.5), np.int64(2), np.float64("nan"), np.datetime64("2020-01-01"), np.bool_(True)]),
)
words = st.sampled_from(
    ["", "auto", "relu", "logistic", "adam", "lbfgs", "sgd", "balanced", "adaptive", "x", "constant"]
)
words |= st.sampled_from(
    ["standard", "hinge", "huber", "softmax", "custom", "given", "nesterov", "float32", "\0", "1.0"]
)
things = st.one_of(numbers, words, st.none(), st.booleans(), st.binary(max_size=2), st.just(object()), st.just(np.sin))
anything = st.one_of(
    things,
    st.lists(things, max_size=3),
    st.lists(things, max_size=3).map(tuple),
    st.dictionaries(st.one_of(words, st.integers(0, 2)), things, max_size=2),
    arrays.arrays(arrays.scalar_dtypes(), arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)),
    st.just((np.sin, np.cos)),
)
LONG = {"max_iter", "max_fun", "n_restarts", "n_iter_no_change"}
"""Of these a large number is right, and takes long."""


def good_features(draw):
    return np.random.default_rng(draw(st.integers(0, 9))).normal(size=(ROWS, COLUMNS))


@st.composite
def features(draw):
    X = good_features(draw)
    way = draw(st.integers(0, 11))
    if way == 0:
        return draw(anything)
    if way == 1:
        X[draw(st.integers(0, ROWS - 1)), 0] = draw(st.sampled_from([np.nan, np.inf, -np.inf, 1e308, 1e-320]))
    elif way == 2:
        X = X.astype(
            draw(st.sampled_from(["O", "U9", "float16", "float32", "int8", "bool", "complex128", "S3", "M8[s]"]))
        )
    elif way == 3:
        X = X.astype(object)
        X[0, 0] = draw(things)
    elif way == 4:
        kind = draw(st.sampled_from(["csr", "csc", "coo", "lil", "dok", "dia", "bsr"]))
        X = getattr(scipy.sparse, f"{kind}_{draw(st.sampled_from(['array', 'matrix']))}")(X)
    elif way == 5:
        X = draw(st.sampled_from([X[:, 0], X[None], X[:0], X[:, :0], X[:1], X[::-1], X.T, np.asfortranarray(X)]))
    elif way == 6:
        X = [*X.tolist()[:-1], X[-1].tolist()[: draw(st.integers(0, 4))]]
    elif way == 7:
        X = np.ma.masked_array(X, mask=X > 1)
    return X


@st.composite
def targets(draw):
    kinds = [
        np.arange(ROWS) % 2,
        np.arange(ROWS) % 3,
        np.array(list("abbaabba")),
        np.arange(ROWS) / 7,
        np.arange(2 * ROWS).reshape(ROWS, 2) % 2,
        np.arange(2 * ROWS).reshape(ROWS, 2) / 3,
        np.arange(ROWS)[:, None],
        np.zeros(ROWS),
        ["a", 1, None, 2.0, "a", 1, None, 2.0],
        [2**70] * 4 + [1] * 4,
        np.array([True, False] * 4),
        np.array(["2020-01-01"] * ROWS, "M8[D]"),
        np.full(ROWS, 1e308),
        np.array([np.nan, *range(7)]),
        [[1], [2, 3]] * 4,
        scipy.sparse.csr_array(np.eye(ROWS)[:, :2].astype(int)),
    ]
    if draw(st.integers(0, 9)) == 0:
        return draw(anything)
    y = draw(st.sampled_from(kinds))
    return y[: draw(st.integers(0, 3))] if draw(st.integers(0, 14)) == 0 else y


weights = st.one_of(
    st.none(),
    st.none(),
    st.none(),
    anything,
    st.lists(st.floats(), min_size=ROWS, max_size=ROWS),
    st.just(np.ones(ROWS)),
)


@st.composite
def estimators(draw):
    kind = draw(st.sampled_from([MLPClassifier, MLPRegressor]))
    names = sorted(inspect.signature(kind).parameters)
    chosen = draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
    given = {name: draw(anything) for name in chosen}
    given = {name: value for name, value in given.items() if not (name in LONG and is_large(value))}
    given = {name: value for name, value in given.items() if not (name == "hidden_layer_sizes" and is_large(value))}
    return kind(**{"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0, **given})


def is_large(value):
    try:
        return bool(np.any(np.asarray(value, dtype=float) > 100))
    except (TypeError, ValueError, OverflowError):
        return False


def outcome(estimator, call, *arguments, **named):
    """Return whether it did what it was asked to; an error of another type than expected fails the test."""
    try:
        with np.errstate(all="ignore"):
            getattr(estimator, call)(*arguments, **named)
    except EXPECTED:
        return False
    except OverflowError as error:
        if "check_array" not in [frame.name for frame in traceback.extract_tb(error.__traceback__)]:
            raise
        return False  # scikit-learn's own, for an integer beyond float64
    except AttributeError:
        assert call == "partial_fit"
        assert not hasattr(estimator, call)  # as scikit-learn has it for solvers without
        return False
    return True


@given(estimators(), features(), targets(), weights, st.booleans(), st.one_of(st.none(), st.none(), anything))
@drawn
@pytest.mark.filterwarnings("ignore")
def test_an_estimator_on_anything(estimator, X, y, sample_weight, in_parts, validation):
    call, more = ("partial_fit", {}) if in_parts else ("fit", {})
    if in_parts and isinstance(estimator, MLPClassifier):
        more["classes"] = y
    if not outcome(estimator, call, X, y, sample_weight, validation=validation, **more):
        return
    predictions = estimator.predict(X)
    assert predictions.shape[0] == (X.shape[0] if hasattr(X, "shape") else len(X))
    if scipy.sparse.issparse(predictions):
        assert predictions.shape == y.shape
    elif isinstance(estimator, MLPClassifier):
        assert np.isin(predictions, [0, 1] if predictions.ndim == 2 else estimator.classes_).all()
        assert np.isfinite(estimator.predict_proba(X)).all()
    else:
        assert np.isfinite(predictions).all()


GOOD, CLASSES = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)), np.arange(ROWS) % 3
with warnings.catch_warnings(action="ignore"):
    FITTED = MLPClassifier((3,), max_iter=2, random_state=0).fit(GOOD, CLASSES)
PROBABILITIES = FITTED.predict_proba(GOOD)


@given(features(), anything, st.sampled_from(["predict", "score", "transform", "predict_proba"]))
@drawn
@pytest.mark.filterwarnings("ignore")
def test_a_fitted_estimator_on_anything(X, other, call):
    outcome(FITTED, call, X, *([other] if call in ("score", "transform") else []))
    np.testing.assert_array_equal(FITTED.predict_proba(GOOD), PROBABILITIES)  # it is not changed
