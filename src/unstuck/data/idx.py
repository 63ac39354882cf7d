"""The IDX format of LeCun's MNIST files: two zero bytes, a byte each for type and number of dimensions, sizes, values.

Everything is big-endian; each size has four bytes. Source: yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.errors import FileError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_DIMENSIONS = 32


def _header(content: bytes, path: Path) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Return the type of the values, the sizes, and where the values begin.

    Raises:
        FileError: when the content does not begin with a header.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES:
        raise FileError(
            f"{path} is no IDX file: it begins with {content[:4].hex(' ')}, "
            f"but must with 00 00, a type ({', '.join(f'{code:02x}' for code in TYPES)}) and the number of dimensions"
        )
    dtype, dimensions = np.dtype(TYPES[content[2]]), content[3]
    start = 4 + 4 * dimensions
    if not 1 <= dimensions <= MOST_DIMENSIONS or len(content) < start:
        raise FileError(f"{path} claims {dimensions} dimensions, but ends before their sizes or has none to speak of")
    return dtype, tuple(np.frombuffer(content, ">u4", dimensions, offset=4).tolist()), start


def claimed_size(path: Path, head: bytes) -> int:
    """Return how long the content of an IDX file is by its own account.

    Args:
        path: where it is from, for error messages.
        head: its first bytes, at least the header.

    Raises:
        FileError: when the header is none.
    """
    dtype, shape, start = _header(head, path)
    return start + math.prod(shape) * dtype.itemsize


def parse_idx(content: bytes, path: Path) -> npt.NDArray[Any]:
    """Return the array in the content of an IDX file, in the machine's byte order.

    Args:
        content: the bytes, unpacked.
        path: where they are from, for error messages.

    Raises:
        FileError: when the header is none, or does not agree with the length.

    >>> parse_idx(bytes([0, 0, 0x08, 1, 0, 0, 0, 3, 7, 8, 9]), Path("labels-idx1-ubyte"))
    array([7, 8, 9], dtype=uint8)
    """
    dtype, shape, start = _header(content, path)
    expected, found = math.prod(shape) * dtype.itemsize, len(content) - start
    if expected != found or not found:
        fault = "has no values" if not found else "is cut short" if found < expected else "has bytes left over"
        least = "at least " if found > expected else ""  # more is not unpacked
        raise FileError(
            f"{path} {fault}: its sizes {shape} need {expected:,} bytes of values, and there are {least}{found:,}"
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
