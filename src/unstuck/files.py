"""Files that are whole or not there: written aside, flushed to the disk, and renamed into place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from unstuck.errors import FileError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that at every moment either the old content or the new one is there.

    Raises:
        FileError: when it cannot be written; the old file is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(aside).replace(path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder with everything `fill` puts into it, or nothing.

    Raises:
        FileError: when the folder exists already or cannot be written.
    """
    if path.exists():
        raise FileError(f"{path} exists already; choose another name, or remove it first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            fill(aside)
            aside.chmod(0o755)
            aside.rename(path)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"cannot write {path}: {error.strerror or error}") from None
