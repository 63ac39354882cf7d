"""Gradient checks and diagnoses of anything drawn: 500 in CI, 10,000 (2,000 diagnoses) by `make reliability`."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from unstuck import Dense, HandWritten, OptionError, Recipe, UnstuckError, check_gradient, diagnose, explain_gradient

DRAWS = int(os.environ.get("UNSTUCK_MUTANTS", "500"))


def drawn(share=1):
    return settings(
        max_examples=DRAWS // share,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )


numbers = st.one_of(
    st.integers(-3, 5), st.sampled_from([2**63, 10**400]), st.floats(), st.complex_numbers(), st.just(np.float32(2))
)
things = st.one_of(
    numbers, st.none(), st.booleans(), st.text(max_size=3), st.binary(max_size=2), st.just(object()), st.just(len)
)
array = arrays.arrays(
    st.one_of(arrays.scalar_dtypes(), st.just(np.dtype(object))),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
floats = arrays.arrays(np.float64, arrays.array_shapes(min_dims=0, max_dims=2, max_side=4), elements=st.floats(-3, 3))
leaf = st.one_of(things, array, floats, floats)
anything = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(0, 3)), inner, max_size=3),
    ),
    max_leaves=4,
)
start = st.one_of(
    anything,
    floats,
    st.dictionaries(st.sampled_from(["W1", "b1", "W2", "w"]), floats, min_size=1, max_size=3),
    st.lists(floats, min_size=1, max_size=3),
)
data = st.one_of(
    anything,
    st.just(()),
    st.tuples(floats, floats),
    st.just((np.ones((5, 2)), np.arange(5.0))),
    st.tuples(array, array),
)


def leaves(parameters):
    values = list(parameters.values()) if isinstance(parameters, dict) else parameters
    return [leaf for value in values for leaf in leaves(value)] if isinstance(values, list | tuple) else [values]


def square(parameters, *data):
    """A right loss of any parameters."""
    return sum(np.sum(np.asarray(leaf) ** 2) for leaf in leaves(parameters))


def twice(parameters, *data):
    """Its gradient."""
    if isinstance(parameters, dict):
        return {name: twice(value) for name, value in parameters.items()}
    return [twice(value) for value in parameters] if isinstance(parameters, list | tuple) else 2 * parameters


def returning(value):
    return lambda *arguments: value


def raising(*arguments):
    raise IndexError("of the user's own")


def using(parameters, X, y):
    return np.mean((X @ parameters["W1"] - y) ** 2)


def spoiling(parameters, *data):
    for value in data:
        value[...] = 0
    return 1.0


functions = st.one_of(
    st.just(square), st.just(square), st.just(twice), st.just(raising), st.just(using), st.just(spoiling), st.just(len),
    anything.map(returning), floats.map(returning), things,
)  # fmt: skip


def answered(call, *arguments, **named):
    """Return the answer, or None where it was refused; any error but ours fails the test."""
    try:
        with np.errstate(all="ignore"):
            return call(*arguments, **named)
    except UnstuckError:
        return None


@given(
    start,
    functions,
    st.one_of(st.just(twice), functions),
    data,
    st.one_of(st.none(), st.none(), functions),
    st.one_of(st.none(), st.none(), functions),
    st.one_of(st.none(), st.none(), anything),
    st.one_of(st.none(), st.none(), st.sampled_from(["mean", "sum"]), things),
    st.one_of(st.none(), st.integers(0, 3), things),
)
@drawn()
@pytest.mark.filterwarnings("ignore")
def test_a_hand_written_network_of_anything(parameters, loss, gradient, data, predict, step, shapes, per_row, seed):
    more = {"predict": predict, "step": step, "shapes": shapes, "per_row": per_row, "seed": seed}
    subject = answered(HandWritten, parameters, loss=loss, gradient=gradient, data=data, **more)
    if subject is None:
        return
    check = answered(check_gradient, subject)
    if check is not None:
        str(check)
        plain = loss is square and gradient is twice and not (per_row or seed)
        assert not plain or "WRONG" not in [block.verdict for block in check.blocks], check
    str(answered(explain_gradient, subject))


@given(start, anything, anything, anything, anything, st.one_of(st.integers(0, 3), things))
@drawn()
@pytest.mark.filterwarnings("ignore")
def test_a_gradient_check_of_anything(subject, X, y, parameters, sample_weight, seed):
    recipe = Recipe([Dense(2, "tanh"), Dense(1)], "squared_error")
    for checked in (subject, recipe):
        check = answered(check_gradient, checked, X, y, parameters=parameters, sample_weight=sample_weight, seed=seed)
        assert check is None or "WRONG" not in [block.verdict for block in check.blocks]
    fine = answered(check_gradient, recipe, np.ones((4, 2)), np.arange(4.0), parameters=parameters, seed=seed)
    assert fine is None or fine.blocks


@given(
    st.one_of(anything, st.just(Recipe([Dense(2, "tanh"), Dense(1)], "squared_error", epochs=1))),
    anything,
    anything,
    st.one_of(things, st.just(0.05)),
    st.one_of(st.none(), st.none(), anything),
    st.one_of(st.none(), st.none(), anything),
)
@drawn(share=5)
@pytest.mark.filterwarnings("ignore")
def test_a_diagnosis_of_anything(subject, X, y, budget, optimizer, epochs):
    said = answered(diagnose, subject, X, y, budget=budget, optimizer=optimizer, epochs=epochs, progress=False)
    assert said is None or str(said)


@given(st.one_of(anything), st.one_of(anything))
@drawn()
def test_what_is_declared_of_a_gradient_may_be_anything(activations, loss):
    line = HandWritten({"w": 2.0}, loss=lambda p, x: p["w"] ** 2, gradient=lambda p, x: {"w": p["w"]}, data=([1.0],))
    answered(explain_gradient, line, activations, loss)


def test_these_errors_are_the_ones_that_are_meant():
    with pytest.raises(OptionError):
        check_gradient(3)
