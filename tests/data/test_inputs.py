import json
import tomllib

import numpy as np
import polars as pl
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.sparse import csc_array, csr_array, csr_matrix
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from unstuck.data import FittedInputs, Inputs, read_features, read_features_and_target
from unstuck.errors import DataError, RecipeError

SCALERS = {"standard": StandardScaler, "minmax": MinMaxScaler}
X = np.random.default_rng(0).normal(5, 3, size=(50, 4))
TABLE = pl.DataFrame({"age": [30.0, 50.0, 40.0], "sex": ["male", "female", "male"], "children": [0, 2, 1]})
one_hot = Inputs(categories="one_hot")


def with_gaps(dtype=np.float64):
    gaps = np.round(X).astype(dtype)
    gaps[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    return gaps


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, ">f8"])
def test_scaling_is_scikit_learns(scaling, dtype):
    given = X.astype(dtype)
    transformed = Inputs(scaling=scaling).fit(given).transform(given)
    assert transformed.dtype == np.float64
    expected = SCALERS[scaling]().fit_transform(given.astype(np.float64))
    np.testing.assert_allclose(transformed, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("missing", ["mean", "median", "most_frequent"])
@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test_missing_numbers_are_replaced_as_scikit_learn_does(missing, scaling):
    fitted = Inputs(missing=missing, scaling=scaling).fit(with_gaps())
    oracle = make_pipeline(SimpleImputer(strategy=missing), SCALERS[scaling]()).fit(with_gaps())
    new = np.vstack([with_gaps()[::-1], np.full((1, 4), np.nan)])
    np.testing.assert_allclose(fitted.transform(new), oracle.transform(new), rtol=1e-9, atol=1e-12)


def test_a_gap_that_training_did_not_have_is_filled():
    assert Inputs(missing="median").fit([[1.0], [2.0], [9.0]]).transform([[np.nan]]) == [[2.0]]


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test_a_constant_column_becomes_zero(scaling):
    constant = np.full((7, 1), 0.1)  # its computed mean is not 0.1
    fitted = Inputs(scaling=scaling).fit(constant)
    assert (fitted.transform(constant) == 0).all()
    assert np.isfinite(fitted.transform([[3.0]])).all()


def test_a_spread_too_small_for_a_standard_deviation_does_no_harm():
    assert np.isfinite(Inputs(scaling="standard").fit([[0.0], [5e-324]]).transform([[0.0], [1.0]])).all()


@pytest.mark.parametrize("extreme", [[[-1e308], [1e308]], [[1e200], [-1e200]]])
def test_a_spread_beyond_float64_is_refused(extreme):
    with pytest.raises(DataError, match="cannot be scaled in float64"):
        Inputs(scaling="standard").fit(extreme)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_with_nothing_to_be_done_is_passed_through(dtype):
    given = X.astype(dtype)
    assert Inputs().fit(given).transform(given) is given
    assert Inputs(missing="mean").fit(given).transform(given) is given


def test_the_given_data_are_never_changed():
    gaps, kept = with_gaps(), with_gaps()
    Inputs(missing="mean", scaling="standard").fit(gaps).transform(gaps)
    np.testing.assert_array_equal(gaps, kept)


def test_adult_is_what_scikit_learn_makes_of_it(shared_data):
    train, test = (read_features(shared_data / f"adult_{part}.csv.gz").drop("income") for part in ("train", "test"))
    fitted = Inputs(scaling="standard", missing="mean", categories="one_hot").fit(train)
    numbers = [name for name, dtype in train.schema.items() if dtype != pl.String]
    texts = [name for name in train.columns if name not in numbers]
    oracle = ColumnTransformer(
        [
            ("numbers", StandardScaler(), numbers),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
        ]
    ).fit(train)
    assert len(fitted.feature_names) == 6 + 102
    np.testing.assert_allclose(fitted.transform(test), oracle.transform(test), rtol=1e-9, atol=1e-12)


def test_california_is_what_scikit_learn_makes_of_it(shared_data):
    X, y = read_features_and_target(shared_data / "california_housing.csv.gz", "median_house_value")
    assert (X.shape, y.max()) == ((20_640, 8), 500_001)
    oracle = StandardScaler().fit(X[:15_000].to_numpy())
    fitted = Inputs(scaling="standard", missing="mean", categories="one_hot").fit(X[:15_000])
    np.testing.assert_allclose(fitted.transform(X), oracle.transform(X.to_numpy()), rtol=1e-9, atol=1e-12)


def test_missing_is_a_category_where_training_had_it():
    allowed = one_hot.replace(missing="most_frequent")
    fitted = allowed.fit({"a": ["x", None, "missing"], "b": ["u", "v", "v"]})
    assert fitted.feature_names == ("a=missing", "a=x", "a missing", "b=u", "b=v")
    new = fitted.transform({"a": [None, "x"], "b": ["v", None]})
    assert new.tolist() == [[0, 0, 1, 0, 1], [0, 1, 0, 0, 0]]


def test_an_unknown_category_is_all_zeros():
    assert one_hot.fit({"a": ["x", "y"]}).transform({"a": ["z", "y"]}).tolist() == [[0, 0], [0, 1]]


def test_columns_are_matched_by_name():
    fitted = one_hot.fit(TABLE)
    assert fitted.feature_names == ("age", "children", "sex=female", "sex=male")
    shuffled = TABLE.select("sex", pl.lit("unused").alias("extra"), "children", "age")
    np.testing.assert_array_equal(fitted.transform(shuffled), fitted.transform(TABLE))
    with pytest.raises(DataError, match=r"X lacks 1 of the 3 columns of the training: 'age'; did you mean 'Age'"):
        fitted.transform(TABLE.rename({"age": "Age"}))
    with pytest.raises(DataError, match=r": 'sex'; X has other columns: price, tip$"):
        fitted.transform(TABLE.drop("sex").with_columns(price=1, tip=2))
    with pytest.raises(DataError, match=r"X lacks 2 of the 3 columns of the training: 'age', 'sex'$"):
        fitted.transform(TABLE.select("children"))


def test_every_kind_of_table_gives_the_same():
    fitted = one_hot.fit(TABLE)
    expected = fitted.transform(TABLE)
    np.testing.assert_array_equal(fitted.transform(TABLE.to_dict(as_series=False)), expected)
    np.testing.assert_array_equal(fitted.transform(TABLE.with_columns(pl.col("sex").cast(pl.Categorical))), expected)
    np.testing.assert_array_equal(one_hot.fit({n: c.to_numpy() for n, c in TABLE.to_dict().items()}), fitted)


def test_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None, 3], dtype="Int64"),
            "s": ["x", None, "y"],
            "c": pd.Categorical(["u", "v", None]),
            "b": [True, False, True],
        }
    )
    fitted = Inputs(missing="mean", categories="one_hot").fit(frame)
    assert fitted.feature_names == ("i", "b", "s=x", "s=y", "s missing", "c=u", "c=v", "c missing")
    assert fitted.transform(frame)[1].tolist() == [2, 0, 0, 0, 1, 0, 1, 0]
    with pytest.raises(DataError, match="more than one column called 'i'"):
        fitted.transform(pd.concat([frame, frame], axis=1))


def test_text_that_new_rows_spell_with_digits_only_is_still_text():
    assert one_hot.fit({"zip": ["A1", "7"]}).transform({"zip": [7]}).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("column", "numbers"),
    [([1, None, 2.5], [1, 9, 2.5]), ([None, float("nan"), 3], [9, 9, 3]), ([True, None, 2], [1, 9, 2])],
)
def test_lists_of_numbers_may_have_gaps(column, numbers):
    fitted = Inputs(missing="most_frequent").fit({"a": [9, 9, 1]})
    assert fitted.transform({"a": column}).tolist() == [[number] for number in numbers]


def test_what_a_masked_array_masks_is_missing():
    masked = np.ma.array([[1, 2], [3, 4], [5, 999]], mask=[[0, 0], [0, 0], [0, 1]])
    assert Inputs(missing="mean").fit(masked).transform(masked)[2].tolist() == [5, 3]
    with pytest.raises(DataError, match="missing values: 1 in column 'x1', first in row 2"):
        Inputs().fit(masked)


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test_rounding_errors_are_not_blown_up_to_a_feature(scaling):
    assert abs(Inputs(scaling=scaling).fit([[0.3], [0.1 + 0.2]]).transform([[0.3], [0.1 + 0.2]])).max() < 1e-15


def test_booleans_are_numbers():
    assert Inputs().fit({"b": [True, False]}).transform({"b": [True, False]}).tolist() == [[1], [0]]


def test_a_table_of_numbers_and_an_array_stand_for_one_another():
    named, unnamed = Inputs().fit({"a": [1.0, 2.0], "b": [3.0, 4.0]}), Inputs().fit([[1.0, 3.0], [2.0, 4.0]])
    assert unnamed.feature_names == ("x0", "x1")
    assert named.transform([[5.0, 6.0]]).tolist() == [[5, 6]]
    assert unnamed.transform({"p": [5.0], "q": [6.0]}).tolist() == [[5, 6]]


@given(
    numbers=arrays.arrays(np.float64, (4, 3), elements=st.floats(-1e6, 1e6)),
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=4, max_size=4),
    scaling=st.sampled_from(["none", "standard", "minmax"]),
)
def test_plain_data_round_trip(numbers, texts, scaling):
    table = {"a": numbers[:, 0], " b ": numbers[:, 1], "c.d": texts}
    fitted = Inputs(scaling=scaling, missing="median", categories="one_hot").fit(table)
    data = fitted.to_data()
    assert FittedInputs.from_data(json.loads(json.dumps(data))) == fitted
    assert FittedInputs.from_data(tomllib.loads(tomli_w.dumps(data))) == fitted


def test_damaged_plain_data_are_refused():
    data = one_hot.fit(TABLE).to_data()
    del data["shift"]
    with pytest.raises(RecipeError, match="shift: missing"):
        FittedInputs.from_data(data)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([[1.0], [np.nan], [np.nan]], r"missing values: 2 in column 'x0', first in row 1 .*Inputs\(missing=\"mean\"\)"),
        ({"a": [1.0, 2.0], "b": [1.0, None]}, "missing values: 1 in column 'b', first in row 1"),
        ([[np.nan, 1.0], [np.nan, np.nan]], "3 in 2 columns, 2 in column 'x0', first in row 0"),
        ([[1.0, 2.0], [3.0, np.inf]], "infinite values: 1 in column 'x1', first in row 1"),
        ([[-np.inf], [np.inf]], "infinite values: 2 in column 'x0'"),
        ({"a": ["x", None]}, "missing values: 1 in column 'a', first in row 1"),
        (np.array([["a"], ["b"]]), r"array of text .*polars.DataFrame"),
        (np.array([[1, None], [2, 3]], dtype=object), r"array of objects .*X.astype\(float\)"),
        ([[1.0, 2.0], [3.0]], "rows of X differ in length"),
        (np.ones((2, 2), dtype=complex), "complex128"),
        (np.ones(3), r"shape \(3,\).*X.reshape\(-1, 1\)"),
        (np.ones((2, 2, 2)), r"shape \(2, 2, 2\).*X.reshape\(len\(X\), -1\)"),
        (np.ones((0, 2)), "0 rows and 2 columns"),
        (np.ones((2, 0)), "2 rows and 0 columns"),
        ({}, "0 rows and 0 columns"),
        ({"a": [1, 2], "b": [1]}, "differ in length: 'a' 2, 'b' 1"),
        ({"a": [[1, 2], [3]]}, "column 'a' of X mixes values of type list"),
        ({"a": [10**400, 1]}, "column 'a' of X holds integers beyond the range of float64"),
        ({"a": [1, "x", None, {}]}, "column 'a' of X mixes values of type dict, int, str"),
        (pl.DataFrame({"day": [0]}).cast(pl.Date), "column 'day' of X holds Date"),
        (TABLE.lazy(), "LazyFrame"),
    ],
)
def test_data_that_cannot_be_used(bad, message):
    with pytest.raises(DataError, match=message):
        one_hot.fit(bad)


@pytest.mark.parametrize("container", [csr_array, csr_matrix, csc_array])
def test_sparse_rows_stay_sparse_unless_they_are_scaled(container):
    rows = container(np.diag([1.0, 2, 3]))
    kept = Inputs().fit(rows).transform(rows)
    assert isinstance(kept, csr_array)
    np.testing.assert_array_equal(kept.toarray(), rows.toarray())
    scaled = Inputs(scaling="standard").fit(rows).transform(rows)
    np.testing.assert_allclose(scaled, StandardScaler().fit_transform(rows.toarray()))


def test_sparse_rows_are_checked():
    with pytest.raises(DataError, match=r"1 infinite or missing values"):
        Inputs().fit(csr_array(np.diag([1.0, np.nan])))
    with pytest.raises(DataError, match=r"complex"):
        Inputs().fit(csr_array(np.diag([1j, 1])))
    with pytest.raises(DataError, match=r"X has 3 columns, but the training data had 2"):
        Inputs().fit(csr_array(np.eye(2))).transform(csr_array(np.eye(3)))


def test_infinite_values_are_refused_even_where_missing_ones_are_not():
    with pytest.raises(DataError, match="infinite"):
        Inputs(missing="mean").fit([[np.nan], [np.inf]])


def test_values_whose_sum_overflows_are_finite_all_the_same():
    assert Inputs().fit([[1.7e308], [1.7e308]]).transform([[1.7e308]]) == [[1.7e308]]


def test_a_column_without_any_value_is_refused():
    with pytest.raises(DataError, match="'b' of X has no value at all"):
        Inputs(missing="mean").fit({"a": [1.0, 2.0], "b": [None, None]})


def test_text_without_one_hot_is_shown_and_the_remedy_named():
    with pytest.raises(DataError, match=r"'sex' of X holds text, 'male' in row 0 .*Inputs\(categories=\"one_hot\"\)"):
        Inputs().fit(TABLE)
    with pytest.raises(DataError, match="holds text, 'n/a' in row 1"):
        Inputs().fit({"age": ["31", "n/a", "40"]})


def test_too_many_categories_are_refused():
    with pytest.raises(DataError, match="'name' of X has 1,001 categories in 1,001 rows"):
        one_hot.fit({"name": [f"person {i}" for i in range(1001)]})


@pytest.mark.parametrize("rows", [11, 400])
def test_numbers_that_one_slip_makes_text_are_refused(rows):
    km = [f"{k / 8}" for k in range(rows)]
    km[8] = "n/a"
    said = rf"{rows - 1} of {rows} values of column 'km' of X are numbers, but row 8 \(counted from 0\) holds 'n/a'"
    with pytest.raises(DataError, match=said):
        one_hot.fit({"km": km})
    with_commas = [value.replace(".", ",") for value in km]
    with pytest.raises(
        DataError, match=rf"{rows - 1} of them with a comma, such as '0,0'.* a point for a decimal comma"
    ):
        one_hot.fit({"km": with_commas})


@pytest.mark.parametrize(
    "column",
    [
        [*"123" * 30, "4 or more"],  # few numbers
        [*map(str, range(80)), *("12a" for _ in range(20))],  # many others
        [*map(str, range(8)), "none"],  # few rows
        [f"{k:05}" for k in range(80)],  # codes
    ],
)
def test_categories_that_look_like_numbers_remain_categories(column):
    assert len(one_hot.fit({"a": column}).feature_names) == len(set(column))


def test_new_rows_that_do_not_fit_the_training():
    named, unnamed = one_hot.fit(TABLE), Inputs().fit(X)
    with pytest.raises(DataError, match="X has 3 columns, but the training data had 4"):
        unnamed.transform(X[:, :3])
    with pytest.raises(DataError, match="X has no rows"):
        unnamed.transform(X[:0])
    with pytest.raises(DataError, match="X is an array, but the training data had columns of text, such as 'sex'"):
        named.transform(X)
    with pytest.raises(DataError, match=r"'a' of X holds text, 'x' in row 0 .*the training data were all numbers"):
        unnamed.transform({"a": ["x"]})
    with pytest.raises(DataError, match=r"'age' of X holds text, '\?' in row 1 .*in the training it was .* numbers"):
        named.transform(TABLE.with_columns(age=pl.Series(["1", "?", "2"])))
    with pytest.raises(DataError, match="missing values: 1 in column 'sex'"):
        named.transform(TABLE.with_columns(sex=pl.Series(["male", None, "male"])))
