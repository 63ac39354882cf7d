"""Arrays and texts in one safetensors file that notices when a bit of it is lost.

Its metadata hold, under "sha256", the hash of the whole file, taken while 64 zeros stand in the hash's place.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from unstuck.errors import FileError
from unstuck.files import read_whole

BLANK = "0" * 64
SEAL = re.compile(rb'"sha256":"([0-9a-f]{64})"')


def seal(arrays: Mapping[str, npt.NDArray[Any]], texts: Mapping[str, str]) -> bytes:
    """Return the content of the file."""
    from safetensors.numpy import save

    content = save(dict(arrays), {**texts, "sha256": BLANK})
    return _with_hash(content, hashlib.sha256(content).hexdigest())


def unseal(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """Return the arrays and the texts in a file.

    Raises:
        FileError: when it cannot be read, or is not, bit by bit, what `seal` made. Whoever knows the format can make
            such a file, so what is in it has to be checked all the same.
    """
    from safetensors.numpy import load

    content = read_whole(path)
    found = SEAL.search(content)
    if found is None or hashlib.sha256(_with_hash(content, BLANK)).hexdigest().encode() != found[1]:
        raise FileError(f"{path} is cut short or damaged, or was not written by unstuck")
    try:
        arrays = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        texts = {name: text for name, text in header["__metadata__"].items() if name != "sha256"}
    except Exception as error:  # safetensors raises errors of its own, and NumPy others
        raise FileError(f"{path} was not written by unstuck, though it is sealed as if: {error}") from None
    return arrays, texts


def _with_hash(content: bytes, text: str) -> bytes:
    return SEAL.sub(b'"sha256":"%s"' % text.encode(), content, count=1)
