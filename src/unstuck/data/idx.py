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
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES:
        raise FileError(
            f"{path} is no IDX file: it begins with {content[:4].hex(' ')}, "
            f"but must with 00 00, a type ({', '.join(f'{code:02x}' for code in TYPES)}) and the number of dimensions"
        )
    dtype, dimensions = np.dtype(TYPES[content[2]]), content[3]
    start = 4 + 4 * dimensions
    if not 1 <= dimensions <= MOST_DIMENSIONS or len(content) < start:
        raise FileError(f"{path} claims {dimensions} dimensions, but ends before their sizes or has none to speak of")
    shape = tuple(np.frombuffer(content, ">u4", dimensions, offset=4).tolist())
    expected, found = math.prod(shape) * dtype.itemsize, len(content) - start
    if expected != found or not found:
        fault = "has no values" if not found else "is cut short" if found < expected else "has bytes left over"
        raise FileError(f"{path} {fault}: its sizes {shape} need {expected:,} bytes of values, and there are {found:,}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
