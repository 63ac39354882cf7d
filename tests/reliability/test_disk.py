"""Full and write-protected disks, two who write one file, and a clock that jumps."""

import errno
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.reliability.killed import RECIPE, X, Y, bits

from unstuck import FileError, JSONLines, Run, train
from unstuck.files import held

resource = pytest.importorskip("resource")
SHORT = RECIPE.replace(epochs=12)
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
    "OMP_NUM_THREADS": "1",
}


@contextmanager
def files_of_at_most(size):
    """Have the kernel refuse to write files beyond a size, as on a disk that is full at that byte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def begun(tmp_path):
    """A checkpoint of a training that was stopped after some epochs."""
    path = tmp_path / "state"

    def stop(row, parameters):
        if row["epoch"] == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(SHORT, X, Y, checkpoint=path, callbacks=[stop])
    return path


class TestAFullDisk:
    @pytest.mark.parametrize("size", [0, 1, 100, 2000])
    def test_leaves_the_last_checkpoint(self, size, begun):
        content = begun.read_bytes()
        assert len(content) > 2000
        with files_of_at_most(size), pytest.raises(FileError, match=r"cannot write .*state: File too large"):
            train(SHORT, X, Y, checkpoint=begun)
        assert begun.read_bytes() == content
        assert list(begun.parent.iterdir()) == [begun]
        assert bits(train(SHORT, X, Y, checkpoint=begun)) == bits(train(SHORT, X, Y))

    def test_in_the_midst_of_a_training_leaves_the_checkpoint_before(self, tmp_path):
        path, contents, records = tmp_path / "state", [], []

        def fill_up(row, parameters):
            contents.append(path.read_bytes())
            if row["epoch"] == 6:
                resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
            records.append(row["epoch"])

        with files_of_at_most(resource.RLIM_INFINITY), pytest.raises(FileError, match="File too large"):
            train(SHORT, X, Y, checkpoint=path, checkpoint_seconds=0, callbacks=[fill_up])
        assert records[-1] == 6
        assert path.read_bytes() == contents[-1]
        assert bits(train(SHORT, X, Y, checkpoint=path)) == bits(train(SHORT, X, Y))

    @pytest.mark.parametrize("size", [0, 1, 100, 2000])
    def test_leaves_no_half_saved_run(self, size, tmp_path):
        run = train(SHORT, X, Y)
        with files_of_at_most(size), pytest.raises(FileError, match="File too large"):
            run.save(tmp_path / "run")
        assert list(tmp_path.iterdir()) == []

    def test_is_said_by_a_log_too(self, tmp_path):
        with files_of_at_most(500), pytest.raises(FileError, match=r"cannot write .*log: File too large"):
            train(SHORT, X, Y, callbacks=[JSONLines(tmp_path / "log")])

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser may mount")
    def test_of_a_real_small_disk(self, tmp_path):
        disk = tmp_path / "disk"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no mounting here")
        try:
            train(SHORT.replace(epochs=1), X, Y).save(disk / "small")
            path = disk / "state"
            with pytest.raises(FileError, match="No space left on device"):
                train(RECIPE, X, Y, checkpoint=path, checkpoint_seconds=0)  # its history outgrows the disk
            assert sorted(file.name for file in disk.iterdir()) == ["small", "state"]
            saved = path.read_bytes()
            (tmp_path / "state").write_bytes(saved)
            assert bits(train(RECIPE, X, Y, checkpoint=tmp_path / "state")) == bits(train(RECIPE, X, Y))
            with pytest.raises(FileError, match="No space left on device"):
                train(RECIPE, X, Y).save(disk / "large")
            assert sorted(file.name for file in disk.iterdir()) == ["small", "state"]
        finally:
            subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(("owner", "call"), [(os, "fsync"), (Path, "replace"), (Path, "rename"), (Path, "mkdir")])
def test_any_call_that_fails_leaves_what_was_there(owner, call, begun, monkeypatch):
    content, run = begun.read_bytes(), train(SHORT, X, Y)

    def fail(*arguments, **options):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(owner, call, fail)
        if call in ("fsync", "replace"):
            with pytest.raises(FileError, match="Input/output error"):
                train(SHORT, X, Y, checkpoint=begun)
        if call != "replace":
            with pytest.raises(FileError, match="Input/output error"):
                run.save(begun.with_name("run"))
    assert begun.read_bytes() == content
    assert list(begun.parent.iterdir()) == [begun]


PROTECTED = """
import os, sys
from pathlib import Path
from killed import RECIPE, X, Y, import_everything
from unstuck import FileError, JSONLines, train
folder = Path(sys.argv[1])
import_everything(folder)
train(RECIPE.replace(epochs=1), X, Y, engine="reference", checkpoint=folder / "done")
run = train(RECIPE.replace(epochs=1), X, Y, engine="reference", checkpoint=folder / "state", time_budget=1e-9)
folder.chmod(0o555)
if os.geteuid() == 0:
    os.setuid(65534)
again = lambda **options: train(RECIPE.replace(epochs=1), X, Y, engine="reference", **options)
print(again(checkpoint=folder / "done").stopped)
for work in (
    lambda: again(checkpoint=folder / "state"),
    lambda: again(checkpoint=folder / "new"),
    lambda: run.save(folder / "run"),
    lambda: again(callbacks=[JSONLines(folder / "log")]),
):
    try:
        work()
    except FileError as error:
        print(error)
"""


def test_a_write_protected_folder_can_be_read_and_says_so(tmp_path_factory):
    folder = Path("/tmp") / f"unstuck-{os.getpid()}-{time.monotonic_ns()}"  # pytest's own is closed to other users
    folder.mkdir(mode=0o755)
    try:
        command = [sys.executable, "-c", PROTECTED, str(folder)]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "all epochs",
            *[f"cannot write {folder / name}: Permission denied" for name in ("state", "new", "run", "log")],
        ]
    finally:
        folder.chmod(0o755)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


HOLDING = """
import sys
from killed import RECIPE, X, Y
from unstuck import train
say = lambda row, parameters: print("a record", flush=True)
train(RECIPE.replace(epochs=10**8), X, Y, checkpoint=sys.argv[1], checkpoint_seconds=0, callbacks=[say])
"""


class TestTwoOfThem:
    def test_the_second_training_is_refused_until_the_first_has_died(self, tmp_path):
        path = tmp_path / "state"
        recipe = RECIPE.replace(epochs=10**8)
        command = [sys.executable, "-c", HOLDING, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as first:
            first.stdout.readline()
            message = rf"another training is writing .*state \(process {first.pid}\).*choose another file"
            with pytest.raises(FileError, match=message):
                train(recipe, X, Y, checkpoint=path)
            first.stdout.readline()  # it goes on
            first.kill()
        resumed = train(recipe, X, Y, checkpoint=path, time_budget=0.05)
        assert resumed.stopped == "time budget"
        assert list(tmp_path.iterdir()) == [path]

    def test_another_file_in_the_folder_is_free(self, tmp_path):
        with held(tmp_path / "state"), held(tmp_path / "state2"), held(tmp_path / "tate"):
            assert train(SHORT, X, Y, checkpoint=tmp_path / "other").stopped == "all epochs"

    def test_a_link_to_the_same_file_is_the_same(self, begun):
        (begun.parent / "elsewhere").mkdir()
        link = begun.parent / "elsewhere" / "link"
        link.symlink_to(begun)
        with held(begun), pytest.raises(FileError, match="another training"):
            train(SHORT, X, Y, checkpoint=link)

    def test_of_many_threads_one_at_a_time_holds_it(self, tmp_path):
        inside, most, refused = 0, 0, 0
        guard = threading.Lock()

        def enter():
            nonlocal inside, most, refused
            for _ in range(200):
                try:
                    with held(tmp_path / "state"):
                        with guard:
                            inside += 1
                            most = max(most, inside)
                        with guard:
                            inside -= 1
                except FileError:
                    with guard:
                        refused += 1

        threads = [threading.Thread(target=enter) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == 1
        assert 0 < refused < 8 * 200
        assert list(tmp_path.iterdir()) == []

    def test_of_two_who_save_one_run_the_first_wins(self, tmp_path):
        run = train(SHORT, X, Y)
        for k in range(20):
            path, failed = tmp_path / str(k), []

            def save(path=path, failed=failed):
                try:
                    run.save(path)
                except FileError as error:
                    failed.append(error)

            threads = [threading.Thread(target=save) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(failed) == 1
            assert bits(Run.load(path)) == bits(run)
        assert len(list(tmp_path.iterdir())) == 20


@pytest.mark.parametrize("direction", [1, -1])
def test_a_clock_that_jumps_changes_nothing(direction, begun, monkeypatch):
    """The clock on the wall, which is set; that of the time since the machine started cannot be."""
    jumps = iter(range(10**9))
    year = 365 * 24 * 3600
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall + direction * year * next(jumps))
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * (wall + direction * year * next(jumps))))
    time.time()
    run = train(SHORT, X, Y, checkpoint=begun, checkpoint_seconds=0, time_budget=3600)
    assert bits(run) == bits(train(SHORT, X, Y))
    assert 0 < run.seconds < 3600
    assert (np.diff(run.history["seconds"]) >= 0).all()
