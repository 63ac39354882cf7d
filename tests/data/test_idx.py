import contextlib
import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from unstuck.data import read_idx
from unstuck.errors import FileError

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}

any_array = st.sampled_from(sorted(CODES)).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=5, max_side=5))
)


def idx_bytes(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.name], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "some-idx3-ubyte"


@given(array=any_array)
def test_round_trip(array, file):
    file.write_bytes(idx_bytes(array))
    read = read_idx(file)
    assert read.dtype == array.dtype  # in the machine's byte order
    assert read.tobytes() == array.tobytes()
    assert read.shape == array.shape


@given(array=any_array, data=st.data())
def test_every_truncation_is_refused(array, data, file):
    content = idx_bytes(array)
    file.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(FileError):
        read_idx(file)


@given(content=st.binary(max_size=60))
def test_arbitrary_bytes_never_raise_anything_else(content, file):
    file.write_bytes(b"\0\0" + content)
    with contextlib.suppress(FileError):
        read_idx(file)


@given(array=any_array, data=st.data())
def test_a_flipped_byte_is_refused_or_changes_no_more_than_a_value(array, data, file):
    content = bytearray(idx_bytes(array))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    try:
        read = read_idx(file)
    except FileError:
        assert place < 4 + 4 * array.ndim
    else:
        in_values = place >= 4 + 4 * array.ndim
        assert (read.dtype, read.shape) == (array.dtype, array.shape) or not in_values
        assert np.count_nonzero(read.ravel().view(np.uint8) != array.ravel().view(np.uint8)) == 1 or not in_values


def test_gzip_is_unpacked_by_the_name(tmp_path):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = tmp_path / "some-idx2-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(array)))
    np.testing.assert_array_equal(read_idx(path), array)


@pytest.mark.parametrize("keep", [5, 15, -9, -1])
def test_a_truncated_gzip_is_refused(tmp_path, keep):
    path = tmp_path / "some-idx2-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.arange(100, dtype=np.int32)))[:keep])
    with pytest.raises(FileError, match=r"cut short"):
        read_idx(path)


def test_a_plain_file_called_gz_is_refused(tmp_path):
    path = tmp_path / "some-idx1-ubyte.gz"
    path.write_bytes(idx_bytes(np.arange(5, dtype=np.uint8)))
    with pytest.raises(FileError, match="no gzip file"):
        read_idx(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\1\0\x08\1\0\0\0\1\7", r"begins with 01 00 08 01"),
        (b"\0\0\x0a\1\0\0\0\1\7", r"no IDX file"),
        (b"\0\0\x08\0\7", "0 dimensions"),
        (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"\7", "255 dimensions"),
        (b"\0\0\x08\2\0\0\0\2\0\0\0\3" + bytes(7), r"bytes left over: its sizes \(2, 3\) need 6 bytes .* at least 7"),
        (b"\0\0\x0e\3" + b"\xff\xff\xff\xff" * 3 + bytes(80), "cut short: .* there are 80"),  # claims 2**99 bytes
        (b"\0\0\x08\1\0\0\0\0", "no values"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, content, message):
    path = tmp_path / "some-idx1-ubyte"
    path.write_bytes(content)
    with pytest.raises(FileError, match=message):
        read_idx(path)


def test_mnist_is_what_it_is_known_to_be(shared_data):
    images = read_idx(shared_data / "mnist" / "train-images-idx3-ubyte.gz")
    labels = read_idx(shared_data / "mnist" / "train-labels-idx1-ubyte.gz")
    assert images.shape == (60_000, 28, 28)
    assert round(images.mean() / 255, 4) == 0.1307
    assert np.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
