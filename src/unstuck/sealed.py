"""Arrays and texts in one safetensors file that notices when a bit of it is lost, and folders around such a file.

Its metadata hold, under "sha256", the hash of the whole file, taken while 64 zeros stand in the hash's place. In a
folder the texts lie beside it as files, for people to read; the sealed file holds them once more.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

import unstuck
from unstuck.errors import FileError
from unstuck.files import cannot_read, read_whole, write_folder

ARRAYS = "arrays.safetensors"
BLANK = "0" * 64
SHOWN = 8
"""So many folders are shown in an error message."""
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


def seal_folder(path: Path, arrays: Mapping[str, npt.NDArray[Any]], texts: Mapping[str, str]) -> None:
    """Make a folder of a file for each text and one for the arrays, whole or not at all.

    Raises:
        FileError: when the folder exists already or cannot be written.
    """

    def fill(folder: Path) -> None:
        for name, text in texts.items():
            (folder / name).write_bytes(text.encode())
        (folder / ARRAYS).write_bytes(seal(arrays, texts))

    write_folder(path, fill)


def unseal_folder(folder: Path, names: Sequence[str], what: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """Return the arrays and the texts of these names in a folder that should hold `what`, such as "run".

    Raises:
        FileError: when a file is missing or damaged, or the texts are not those that were sealed.
    """
    try:
        if folder.is_file():
            raise FileError(f"{folder} is no saved {what}: it is a file, and a {what} is saved as a folder")
        if not folder.is_dir():
            raise FileError(f"{folder} is no saved {what}: there is no such folder")
        inside = () if (folder / ARRAYS).exists() else sorted(found.parent for found in folder.glob(f"*/{ARRAYS}"))
        if inside:
            shown = ", ".join(map(str, inside[:SHOWN])) + (", ..." if len(inside) > SHOWN else "")
            raise FileError(f"{folder} is no saved {what}, but has some in it: {shown}")
    except OSError as error:  # of a name that is too long
        raise cannot_read(folder, error) from None
    arrays, texts = unseal(folder / ARRAYS)
    missing = [name for name in names if name not in texts]
    if missing:
        raise FileError(f"{folder} holds no {what}: {ARRAYS} was sealed without {missing[0]}")
    for name in names:
        if read_whole(folder / name) != texts[name].encode():
            raise FileError(f"{folder / name} is cut short, or was changed after the {what} was saved")
    return arrays, {name: texts[name] for name in names}


def check_format(path: Path, found: object, expected: str, writer: object = None) -> None:
    """Refuse what is of another kind or version than `expected`, such as "unstuck run 1".

    Args:
        path: where it was found.
        found: what stands there as its format.
        expected: what this version of unstuck writes.
        writer: the version of unstuck that wrote it, where it says so.

    Raises:
        FileError: that says which version of unstuck is needed.
    """
    if found == expected:
        return
    kind, number = expected.rsplit(" ", 1)
    version = re.fullmatch(rf"{re.escape(kind)} (\d{{1,9}})", str(found))
    if version is None:
        raise FileError(f"{path} holds no {kind.removeprefix('unstuck ')} of unstuck")
    by = f"unstuck {writer}" if isinstance(writer, str) else "another version of unstuck"
    newer = int(version[1]) > int(number)
    raise FileError(
        f"{path} was saved by {by} in format {version[1]}, but this is unstuck {unstuck.__version__}, which reads "
        f"format {number}: "
        + ("upgrade unstuck to read it" if newer else "read it with the version that saved it, and save it anew")
    )


def _with_hash(content: bytes, text: str) -> bytes:
    return SEAL.sub(b'"sha256":"%s"' % text.encode(), content, count=1)
