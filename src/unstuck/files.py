"""Files that are whole or not there: written aside, flushed to the disk, and renamed into place. And data as JSON."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from unstuck.errors import FileError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that at every moment either the old content or the new one is there.

    A link is followed; into a device or a pipe, such as /dev/stdout, the content goes directly.

    Raises:
        FileError: when it cannot be written; the old file is untouched.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        place = path.resolve()
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = _aside(place)
        try:
            with aside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(place)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _cannot_write(path, error.strerror or str(error)) from None


def read_whole(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        FileError: when it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from None


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder with everything `fill` puts into it, or nothing.

    Raises:
        FileError: when the folder exists already or cannot be written.
    """
    if path.exists():
        raise FileError(f"{path} exists already; choose another name, or remove it first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = _aside(path)
        aside.mkdir()
        try:
            fill(aside)
            aside.rename(path)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except OSError as error:
        raise _cannot_write(path, error.strerror or str(error)) from None


def check_writable(path: Path) -> None:
    """See, without writing anything, whether a file or folder could be made there, before hours are spent on it.

    Raises:
        FileError: when it could not.
    """
    if path.is_dir():
        raise _cannot_write(path, "it is a folder")
    existing = path
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if existing != path and not existing.is_dir():
        raise _cannot_write(path, f"{existing} is no folder")
    if not os.access(existing, os.W_OK):
        raise _cannot_write(path, f"{existing} is write-protected")


def as_json(data: Any) -> str:
    """Return data as JSON, with null for NaN and infinity, which JSON does not have.

    >>> print(as_json({"loss": float("nan")}), end="")
    {
      "loss": null
    }
    """
    return json.dumps(_finite(data), indent=2, allow_nan=False) + "\n"


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex}")


def _cannot_write(path: Path, why: str) -> FileError:
    return FileError(f"cannot write {path}: {why}")
