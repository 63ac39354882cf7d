"""The bytes of a file, unpacked where it is packed with gzip."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from unstuck.errors import FileError
from unstuck.files import cannot_read


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


def read_content(path: Path) -> bytes:
    """Return what is in a file, unpacked if its name ends in .gz.

    Raises:
        FileError: when it cannot be read, is empty, or is no whole gzip file though its name says so.
    """
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".gz":
            content = gzip.decompress(content)
    except gzip.BadGzipFile as error:
        raise FileError(f"{path} is no gzip file, though its name says so: {error}") from None
    except (EOFError, zlib.error) as error:
        raise FileError(f"{path} is cut short or damaged: {error}") from None
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from None
    if not content:
        raise FileError(f"{path} is empty")
    return content
