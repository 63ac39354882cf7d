from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from unstuck import FileError
from unstuck.files import check_writable, read_whole, write_folder, write_whole


def test_a_new_file_and_its_folders(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_whole(path, b"new")
    assert path.read_bytes() == read_whole(path) == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_old_content_gives_way_to_new(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_usual_permissions(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    (tmp_path / "usual folder").mkdir()
    write_whole(tmp_path / "file", b"")
    write_folder(tmp_path / "folder", lambda folder: None)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes["file"] == modes["usual"]
    assert modes["folder"] == modes["usual folder"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    check_writable(tmp_path / "pipe")
    write_whole(tmp_path / "pipe", b"new")
    assert os.read(reading, 10) == b"new"
    os.close(reading)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize(
    ("error", "raised"), [(OSError(28, "No space left"), FileError), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, error, raised):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(raised):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("error", "raised"), [(OSError(28, "No space left"), FileError), (EOFError(), EOFError)])
def test_a_folder_is_whole_or_not_there(tmp_path, error, raised):
    def fill(folder):
        (folder / "first").write_text("done")
        raise error

    with pytest.raises(raised):
        write_folder(tmp_path / "new" / "folder", fill)
    assert list((tmp_path / "new").iterdir()) == []


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    for path, why in ((tmp_path, "folder"), (tmp_path / "file" / "x" / "y", "is no folder")):
        with pytest.raises(FileError, match=why):
            check_writable(path)
        with pytest.raises(FileError, match="cannot write"):
            write_whole(path, b"")
    with pytest.raises(FileError, match="exists already"):
        write_folder(tmp_path / "file", lambda folder: None)
    assert (tmp_path / "file").read_text() == "mine"


def test_write_protected(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FileError, match="write-protected"):
        check_writable(tmp_path / "file")


def test_checking_writes_nothing(tmp_path):
    check_writable(tmp_path / "new" / "file")
    check_writable(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_one_folder_may_be_new_and_a_tree_is_a_mistyped_path(tmp_path):
    with pytest.raises(FileError, match=r"cannot write .*: there is no folder \S*new"):
        check_writable(tmp_path / "new" / "newer" / "file")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="/proc, where no file can be made, is Linux's")
def test_a_folder_that_takes_no_files_whatever_its_rights(monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    with pytest.raises(FileError, match=r"cannot write /proc/x\.html: "):
        check_writable(Path("/proc/x.html"))


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(FileError, match="cannot read"):
            read_whole(path)
