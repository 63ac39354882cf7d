"""Files that are whole or not there: written aside, flushed to the disk, and renamed into place. And data as JSON."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from unstuck.errors import FileError, UnstuckError

if sys.platform != "win32":
    import fcntl


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
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from None


def read_whole(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        FileError: when it cannot be read, or is none: a device may have no end, and a pipe may never begin.
    """
    try:
        if path.exists() and not path.is_file():
            raise FileError(f"cannot read {path}: it is no file")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise cannot_read(path, error) from None


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder with everything `fill` puts into it, or nothing.

    Raises:
        FileError: when the folder exists already or cannot be written.
    """
    try:
        if path.exists():
            raise FileError(f"{path} exists already; choose another name, or remove it first")
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = _aside(path)
        aside.mkdir()
        try:
            fill(aside)
            for file in aside.iterdir():
                _flush(file)
            aside.rename(path)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from None


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Be the only one, of all threads and processes, who writes a file; what others died writing is cleared away.

    The lock is on a file beside it, by flock, so it ends with the process, however that ends; a process forked
    meanwhile has no part in it. Where there are no such
    locks (Windows, some network drives) or nothing can be written, nothing is locked.

    Raises:
        FileError: when another holds it.
    """
    try:
        place = path.resolve()
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from None
    lock = place.with_name(f".{place.name}.lock")
    descriptor = _locked(lock, path)
    if descriptor is None:
        yield
        return
    _held.add(descriptor)
    try:
        for other in place.parent.iterdir():
            if re.fullmatch(rf"\.{re.escape(place.name)}\.[0-9a-f]{{32}}", other.name):
                other.unlink(missing_ok=True)
        yield
    finally:
        if descriptor in _held:
            lock.unlink(missing_ok=True)  # while it is held, so that whoever opened it meanwhile sees that it is gone
            _held.remove(descriptor)
            os.close(descriptor)


_held: set[int] = set()
"""The descriptors of this process's locks."""


def _let_go() -> None:
    """In a forked child, close the parent's locks, which would last as long as anyone has them open."""
    while _held:
        os.close(_held.pop())


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_let_go)


def _locked(lock: Path, path: Path) -> int | None:
    """Return the descriptor of the lock's file, or None where nothing can be locked."""
    if sys.platform == "win32":
        return None
    while True:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return None  # the writing itself will say why
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                with suppress(OSError):  # on a full disk; it is only for the message below
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, str(os.getpid()).encode())
                return descriptor
        except BlockingIOError:
            process = os.read(descriptor, 20).decode(errors="replace") or "unknown"
            os.close(descriptor)
            raise FileError(
                f"another training is writing {path} (process {process}), and the two would overwrite each other: wait "
                "for it, end it, or choose another file"
            ) from None
        except FileNotFoundError:
            pass  # its last holder has removed it meanwhile
        except OSError:
            os.close(descriptor)
            return None
        os.close(descriptor)


def check_writable(path: Path) -> None:
    """See, leaving nothing behind, whether a file or folder could be made there, before hours are spent on it.

    Of the folders it is to lie in, the last may be new; where more are, the path is taken for mistyped.

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
    if existing not in (path, path.parent, path.parent.parent):
        raise _cannot_write(path, f"there is no folder {path.parent.parent}")
    folder = existing if existing != path else path.resolve().parent
    if existing != path or path.is_file():
        trial = _aside(folder / path.name)
        try:  # rights do not tell all: of /proc, say
            trial.touch(exist_ok=False)
            trial.unlink()
        except (OSError, ValueError) as error:
            raise _cannot_write(path, error) from None


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


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def cannot_read(path: Path, error: Exception) -> UnstuckError:
    """Return the error that says so; a path that cannot be one raises ValueError, for a null byte, or OSError."""
    return error if isinstance(error, UnstuckError) else FileError(f"cannot read {path}: {_why(error)}")


def _cannot_write(path: Path, error: Exception | str) -> UnstuckError:
    return error if isinstance(error, UnstuckError) else FileError(f"cannot write {path}: {_why(error)}")


def _why(error: Exception | str) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
