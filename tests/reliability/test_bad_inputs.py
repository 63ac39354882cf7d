"""Inputs drawn by Hypothesis give a right result or one of our errors: 500 in CI, 10,000 by `make reliability`."""

import datetime
import os
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from unstuck import Dense, Inputs, Recipe, Targets, UnstuckError, train
from unstuck.data.delimited import parse_csv
from unstuck.data.idx import parse_idx
from unstuck.data.readers import read_features_and_target

DRAWS = int(os.environ.get("UNSTUCK_MUTANTS", "500"))
drawn = settings(
    max_examples=DRAWS, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)

cell = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.dates(),
    st.just(()),
    st.complex_numbers(),
)
column = st.one_of(*(st.lists(kind, max_size=6) for kind in (st.floats(), st.integers(), st.text(max_size=3), cell)))
array = arrays.arrays(
    st.one_of(arrays.scalar_dtypes(), st.just(np.dtype(object))),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)
features = st.one_of(
    array, st.dictionaries(st.text(max_size=3), column, max_size=3), st.lists(column, max_size=4), cell
)
targets = st.one_of(array, column, cell)
preparation = st.builds(
    Inputs,
    scaling=st.sampled_from(["none", "standard", "minmax"]),
    missing=st.sampled_from(["error", "mean", "median", "most_frequent"]),
    categories=st.sampled_from(["error", "one_hot"]),
)
coding = st.sampled_from(["auto", "numbers", "one_hot", "binary", "signed"]).map(lambda coding: Targets(coding=coding))


@given(features, targets, preparation, coding, st.sampled_from(["float32", "float64"]), st.sampled_from([1, 2]))
@drawn
@pytest.mark.filterwarnings("ignore")
def test_training_on_anything(X, y, inputs, targets, precision, units):
    recipe = Recipe([Dense(2, "tanh"), Dense(units)], "squared_error", epochs=1, precision=precision)
    try:
        run = train(recipe.replace(inputs=inputs, targets=targets), X, y, progress=False)
        predictions = run.predict(X)
    except UnstuckError as error:
        message = str(error)
        assert len(message) > 20, message
        return
    assert len(predictions) == len(y)
    if run.targets.classes is None:
        assert predictions.dtype.kind == "f"
    else:
        assert set(predictions.tolist()) <= set(run.targets.classes)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.sampled_from("xyz")), min_size=2, max_size=20))
@drawn
def test_what_is_good_is_never_refused(rows):
    table = {"number": [number for number, _ in rows], "text": [text for _, text in rows]}
    recipe = Recipe([Dense(1)], "squared_error", epochs=1, inputs=Inputs(scaling="standard", categories="one_hot"))
    assert len(train(recipe, table, list(range(len(rows))), progress=False).predict(table)) == len(rows)


@given(content=st.one_of(st.binary(max_size=80), st.text(alphabet='a1,;\t"\n\r ?.-é', max_size=80).map(str.encode)))
@drawn
def test_csv_of_any_bytes_is_a_table_or_refused(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    try:
        table = parse_csv(content, path)
    except UnstuckError:
        return
    assert table.width == len(table.columns) >= 1
    assert all(table.columns)


@given(content=st.binary(max_size=60).map(lambda rest: b"\0\0" + rest))
@drawn
def test_idx_of_any_bytes_is_an_array_or_refused(content, tmp_path_factory):
    try:
        read = parse_idx(content, tmp_path_factory.getbasetemp() / "any")
    except UnstuckError:
        return
    assert content.endswith(read.astype(read.dtype.newbyteorder(">")).tobytes())


@given(
    columns=st.dictionaries(
        st.sampled_from(["a", "b", "y"]),
        st.lists(st.one_of(st.none(), st.floats(), st.dates()), min_size=3, max_size=3),
    )
)
@drawn
@pytest.mark.filterwarnings("ignore")
def test_tables_of_any_type_on_disk(columns, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    kinds = {name: Counter(type(value) for value in values if value is not None) for name, values in columns.items()}
    if any(len(kind) > 1 for kind in kinds.values()):
        return  # no column of a table mixes types
    types = {name: pl.Date if datetime.date in kind else pl.Float64 for name, kind in kinds.items()}
    pl.DataFrame(columns, schema=types).write_parquet(path)
    try:
        X, y = read_features_and_target(path, "y")
        run = train(Recipe([Dense(1)], "squared_error", epochs=1), X, y, progress=False)
    except UnstuckError:
        return
    assert np.isfinite(np.array([columns[name] for name in ("y",)], dtype=float)).all()
    assert len(run.predict(X)) == 3
