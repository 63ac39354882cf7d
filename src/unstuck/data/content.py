"""The bytes of a file, unpacked where it is packed with gzip."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from unstuck.errors import FileError
from unstuck.files import cannot_read

FREE, MOST_RATIO = 128 << 20, 100
HEAD, PIECE = 1024, 1 << 20


def existing(path: str | Path) -> Path:
    """Return the path of a file that is there.

    Raises:
        FileError: when nothing, or a folder, is there.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise FileError(f"{path} is a folder; name a file in it")
        if not path.is_file():
            raise FileError(f"there is no file {path}")
    except OSError as error:  # of a name that is too long
        raise cannot_read(path, error) from None
    return path


def read_content(path: Path, claimed: Callable[[bytes], int] | None = None) -> bytes:
    """Return what is in a file, unpacked if its name ends in .gz.

    Args:
        path: of the file.
        claimed: tells from the first bytes, at most 1024, how long the content says it is: no more than one byte
            beyond that is unpacked.

    Raises:
        FileError: when it cannot be read, is empty, or is no whole gzip file though its name says so; when it unpacks
            to more than `most_unpacked` allows.
    """
    try:
        with path.open("rb") as file:
            content = _unpacked(file, path, claimed) if path.suffix.lower() == ".gz" else file.read()
    except gzip.BadGzipFile as error:
        raise FileError(f"{path} is no gzip file, though its name says so: {error}") from None
    except (EOFError, zlib.error) as error:
        raise FileError(f"{path} is cut short or damaged: {error}") from None
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from None
    if not content:
        raise FileError(f"{path} is empty")
    return content


def _unpacked(file: BinaryIO, path: Path, claimed: Callable[[bytes], int] | None) -> bytes:
    stream = gzip.GzipFile(fileobj=file)
    content = bytearray(stream.read(HEAD))
    most = 1 + claimed(bytes(content)) if claimed and content else math.inf
    allowed = most_unpacked(os.fstat(file.fileno()).st_size)
    while len(content) < most and (piece := stream.read(int(min(PIECE, most - len(content))))):
        content += piece
        if len(content) > allowed:
            raise _bomb(path, allowed)
    return bytes(content)


def most_unpacked(size: int) -> int:
    """Return to how many bytes a packed file of that size may unpack: 128 MiB, or 100 times its size if that is more.

    Real data pack to a tenth; a file made to fill the memory packs to a thousandth.
    """
    return max(FREE, MOST_RATIO * size)


def check_unpacked(path: Path, claimed: int, size: int) -> None:
    """Refuse a packed file of that size that says it unpacks to more than `most_unpacked` allows.

    Raises:
        FileError: when it does.
    """
    if claimed > most_unpacked(size):
        raise _bomb(path, most_unpacked(size))


def _bomb(path: Path, allowed: float) -> FileError:
    return FileError(
        f"{path} unpacks to more than {allowed:,} bytes, over {MOST_RATIO} times its size, as files do that are made "
        "to fill the memory: if you trust it, unpack it yourself and give the unpacked file"
    )
