import gzip
import io

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from unstuck.data import read_arrays, read_features, read_features_and_target, read_table
from unstuck.data.tables import as_table
from unstuck.errors import DataError, FileError

TABLE = pl.DataFrame(
    {
        "n": [1, None, -3],
        "x": [0.5, 1e300, None],
        "name, full": ["a", 'say "b"', None],
        "flag": [True, False, None],
    }
)


def csv_file(folder, content, name="some.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.CSV", "t.csv.gz", "t.tsv", "t.parquet"])
def test_round_trip(tmp_path, name):
    path = tmp_path / name
    if name.endswith("parquet"):
        TABLE.write_parquet(path)
    else:
        buffer = io.BytesIO()
        TABLE.write_csv(buffer, separator="\t" if "tsv" in name else ",")
        content = buffer.getvalue()
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert_frame_equal(read_table(path), TABLE)


def test_csv_conventions(tmp_path):
    content = "\ufeffage; class ;score\r\n39; State-gov;1\r\n?; ? ; 2.5\r\n41;;nan\r\n\r\n"
    table = read_table(csv_file(tmp_path, content))
    assert table.schema == {"age": pl.Int64, "class": pl.String, "score": pl.Float64}
    assert table.rows()[:2] == [(39, "State-gov", 1.0), (None, None, 2.5)]
    assert table["class"][2] is None
    assert np.isnan(table["score"][2])


def test_types_are_decided_by_all_rows(tmp_path):
    late = read_table(csv_file(tmp_path, "a,b\n" + "1,1\n" * 5000 + "1.5,x\n"))
    assert late.schema == {"a": pl.Float64, "b": pl.String}


@pytest.mark.parametrize("word", ["n/a", "NA", "N/A", "null", "None", "-", "."])
def test_words_for_missing_are_missing_among_numbers_and_words_among_words(tmp_path, word):
    table = read_table(csv_file(tmp_path, f"a,b,c,d\n1,2.5,{word},{word}\n{word},{word},x,{word}\n"))
    assert table.rows() == [(1, 2.5, word, word), (None, None, "x", word)]


def test_decimal_commas_where_values_are_not_set_apart_by_commas(tmp_path):
    content = "a;b;c;d\n1,5;1,234;1,234;x\n-2;NA;5,6e-1;2,5\n"
    assert read_table(csv_file(tmp_path, content)).rows() == [(1.5, "1,234", 1.234, "x"), (-2.0, "NA", 0.56, "2,5")]


def test_a_target_that_one_slip_makes_text_is_refused(tmp_path):
    rows = [f"{k},{k}.5" for k in range(30)]
    rows[17] = "17,abc"
    path = csv_file(tmp_path, "\n".join(["x,y", *rows]))
    with pytest.raises(
        DataError, match=r"29 of 30 values of the target 'y' of .* row 17 \(counted from 0\) holds 'abc'"
    ):
        read_features_and_target(path, "y")


def test_a_quoted_line_break_is_a_value(tmp_path):
    assert read_table(csv_file(tmp_path, 'a,b\n"x\ny",2\n')).rows() == [("x\ny", 2)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3,4,5\n6,7\n", "line 3 has 3 values, but the first line names 2 columns"),
        ("a,b\n1,2\n3\n6,7\n", "line 3 has 1 values"),
        ("a,b\n1,2\n\n6,7\n", "line 3 has 0 values"),
        ('a,b\n"x\ny",2\n3\n', "line 4 has 1 values"),
        ('a,b\n1,"2\n3,4\n', "line 3: unexpected end of data"),
        (b"a,b\n1,2\n\xe9,2\n", "line 3 is not text in UTF-8"),
        (np.random.default_rng(0).bytes(5000), "no CSV"),
        ("a,b\n1,2\n".encode("utf-16"), "no CSV"),
        (b"a,b\r1,2\r", "broken CSV: line 1: new-line character seen in unquoted field"),
        ("", "is empty"),
        ("\n\n", "must name the columns"),
        ("\n1,2\n", "must name the columns"),
        (",a\n0,1\n", "column 1 of .* has no name"),
        ('"a\nb",c\n0,1\n', "first line names 1 columns"),
        ("a, a\n0,1\n", "more than one column called 'a'"),
    ],
)
def test_a_broken_csv_is_refused_with_its_line(tmp_path, content, message):
    with pytest.raises(FileError, match=message):
        read_table(csv_file(tmp_path, content))


def test_empty_values_at_the_end_of_a_row_are_no_fault(tmp_path):
    assert read_table(csv_file(tmp_path, "a,b\n1,\n,\n")).rows() == [(1, None), (None, None)]


def test_a_table_without_rows_is_refused(tmp_path):
    with pytest.raises(DataError, match="no rows, only the columns a, b"):
        read_table(csv_file(tmp_path, "a,b\n"))
    pl.DataFrame({"a": [], "b": []}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="no rows"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("read", [read_table, read_arrays, read_features])
def test_files_that_are_not_there_or_of_another_kind(tmp_path, read):
    with pytest.raises(FileError, match="there is no file"):
        read(tmp_path / "nothing.csv")
    with pytest.raises(FileError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(FileError, match="extension"):
        read(csv_file(tmp_path, "a\n1\n", "some.xlsx"))


def test_a_cut_gzip_and_a_cut_parquet_are_refused(tmp_path):
    packed = gzip.compress(b"a,b\n" + np.random.default_rng(0).bytes(4000).hex(",").encode())
    with pytest.raises(FileError, match="cut short"):
        read_table(csv_file(tmp_path, packed[:-100], "t.csv.gz"))
    buffer = io.BytesIO()
    TABLE.write_parquet(buffer)
    with pytest.raises(FileError, match="no Parquet file"):
        read_table(csv_file(tmp_path, buffer.getvalue()[:-20], "t.parquet"))


def test_arrays_round_trip(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(5, 2, 2)), np.array(["a", "b", "a", "b", "a"])
    np.savez(tmp_path / "some.npz", X=X, y=y)
    read = read_arrays(tmp_path / "some.npz")
    assert sorted(read) == ["X", "y"]
    np.testing.assert_array_equal(read["X"], X)
    features, target = read_features_and_target(tmp_path / "some.npz", "y")
    np.testing.assert_array_equal(features, X.reshape(5, 4))
    np.testing.assert_array_equal(target, y)
    np.save(tmp_path / "some.npy", X)
    np.save(tmp_path / "labels.npy", y)
    np.testing.assert_array_equal(read_features(tmp_path / "some.npy"), X.reshape(5, 4))
    np.testing.assert_array_equal(read_features_and_target(tmp_path / "some.npy", "labels.npy")[1], y)


def test_nothing_is_unpickled(tmp_path):
    objects = np.array([1, "a", None], dtype=object)
    np.savez(tmp_path / "some.npz", X=objects)
    np.save(tmp_path / "some.npy", objects)
    for name in ("some.npz", "some.npy"):
        with pytest.raises(DataError, match="object array"):
            read_arrays(tmp_path / name)


@pytest.mark.parametrize("name", ["some.npz", "some.npy"])
@pytest.mark.parametrize("fault", [lambda content: content[:-50], lambda content: b"garbage" * 40, lambda content: b""])
def test_damaged_arrays_are_refused(tmp_path, name, fault):
    buffer = io.BytesIO()
    save = {"some.npz": np.savez, "some.npy": np.save}[name]
    save(buffer, np.arange(100.0))
    with pytest.raises(FileError):
        read_arrays(csv_file(tmp_path, fault(buffer.getvalue()), name))


def test_a_missing_array_is_named(tmp_path):
    np.savez(tmp_path / "some.npz", X=np.ones((2, 1)), yy=np.ones(2))
    with pytest.raises(DataError, match=r"no array 'y'.*'yy'"):
        read_features_and_target(tmp_path / "some.npz", "y")
    np.savez(tmp_path / "some.npz", features=np.ones((2, 1)))
    with pytest.raises(DataError, match=r"no array 'X'.*features"):
        read_features(tmp_path / "some.npz")


def test_idx_files_are_features_and_target(shared_data):
    X, y = read_features_and_target(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    assert X.shape == (10_000, 784)
    assert y[:4].tolist() == [7, 2, 1, 0]


def test_adult(shared_data):
    X, y = read_features_and_target(shared_data / "adult_train.csv.gz", "income")
    assert X.shape == (32_561, 14)
    assert sum(dtype == pl.String for dtype in X.dtypes) == 8
    assert sum(column.null_count() for column in X) == 4_262  # published with the data set
    assert np.unique(y, return_counts=True)[1].tolist() == [24_720, 7_841]


def test_target_of_a_table(tmp_path):
    path = csv_file(tmp_path, "a,b,label\n1,x,yes\n2,y,no\n")
    features, target = read_features_and_target(path, "label")
    assert features.columns == ["a", "b"]
    assert target.tolist() == ["yes", "no"]
    assert target.dtype.kind == "U"
    assert read_features_and_target(path, "a")[1].dtype == np.int64
    with pytest.raises(DataError, match="no column 'lable'; did you mean 'label'"):
        read_features_and_target(path, "lable")


def test_targets_that_cannot_be_used(tmp_path):
    with pytest.raises(DataError, match=r"'y' .* missing in 2 of 4 rows, first in row 1"):
        read_features_and_target(csv_file(tmp_path, "x,y\n1,a\n2,\n3,?\n4,b\n"), "y")
    with pytest.raises(DataError, match="no column but the target"):
        read_features_and_target(csv_file(tmp_path, "y\n1\n"), "y")
    pl.DataFrame({"x": [1], "y": [1]}).with_columns(pl.col("y").cast(pl.Date)).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="holds Date"):
        read_features_and_target(tmp_path / "t.parquet", "y")


def test_a_column_that_polars_would_take_for_a_pattern_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("a,^.*$,y\n1,2,3\n")
    pl.DataFrame({"a": [1], "^a$": [2]}).write_parquet(tmp_path / "x.parquet")
    for name in ("x.csv", "x.parquet"):
        with pytest.raises(DataError, match=r"column called '\^.*\$'.* pattern of names; rename it"):
            read_table(tmp_path / name)
    for table in ({"^a$": [1]}, pl.DataFrame({"^a$": [1]})):
        with pytest.raises(DataError, match="pattern"):
            as_table(table)


@pytest.mark.parametrize("column", [[[1, 2], [], None], [{"a": 1}, {"a": 2}, None]])
def test_a_nested_column_of_a_parquet_file_is_refused_before_it_is_read(column, tmp_path):
    path = tmp_path / "nested.parquet"
    pl.DataFrame({"plain": [1, 2, 3], "wide": column}).write_parquet(path)
    with pytest.raises(DataError, match=r"column 'wide' of .*nested.parquet is nested, several values in one"):
        read_table(path)
