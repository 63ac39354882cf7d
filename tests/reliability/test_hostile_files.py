"""Files made to do harm: 500 of each kind in CI, 10,000 by `make reliability`.

A mutant is refused with one of our errors, or it is a file like any other. Those with a seal are sealed again after the
change, as an attacker would: the hash is against accidents, not against people.
"""

import contextlib
import gzip
import hashlib
import io
import itertools
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.reliability.killed import RECIPE, X, Y

from unstuck import (
    FileError,
    Inputs,
    JSONLines,
    Recipe,
    RecipeError,
    Run,
    Targets,
    UnstuckError,
    export_numpy,
    export_onnx,
    train,
)
from unstuck.data.readers import read_arrays, read_features, read_idx, read_table
from unstuck.sealed import BLANK, SEAL, seal, unseal

MUTANTS = int(os.environ.get("UNSTUCK_MUTANTS", "500"))
MEMORY = 300 << 20
"""Bytes by which reading so many small files may raise the memory of the process, at most."""

SMALL = RECIPE.replace(epochs=3)
NUMBERS = RECIPE.replace(
    layers=[*RECIPE.layers[:-1], {"kind": "dense", "units": 1}],
    loss="squared_error",
    epochs=2,
    inputs=Inputs(scaling="standard", missing="median", categories="one_hot"),
    targets=Targets(scaling="minmax"),
)
TABLE = {"a": [1.0, None, 3.0, 4.0] * 5, "b": ["x", "y", None, ""] * 5}
TOKENS = [
    b"0",
    b"-1",
    b"1e308",
    b"nan",
    b"inf",
    b"9" * 20,
    b"9" * 5000,
    b"[" * 3000,
    b"{" * 3000,
    b"null",
    b'""',
    b"\0",
]
TOKENS += [
    b"true",
    b"../../etc/passwd",
    b"/dev/zero",
    b"\xff\xfe",
    b"a." * 2000,
    b"kind",
    b"=",
    b"\n",
    b"18446744073709551616",
]


def mutated(content, draw):
    """Return the content with some of it flipped, cut, doubled, moved or replaced."""
    content = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        start = draw.randrange(len(content) + 1)
        end = min(len(content), start + draw.choice((1, 1, 2, 4, 8, 30)))
        way = draw.randrange(6)
        if way == 0 and start < len(content):
            content[start] ^= 1 << draw.randrange(8)
        elif way == 1:
            del content[start:]
        elif way == 2:
            content[start:end] = draw.choice(TOKENS)
        elif way == 3:
            content[start:start] = content[start:end] * draw.choice((1, 3, 100))
        elif way == 4:
            content[start:end] = draw.randbytes(end - start)
        else:
            content[start:end] = struct.pack(draw.choice(("<Q", ">I", "<H")), draw.choice((0, 1, 0xFFFF)))
    return bytes(content)


def other_text(text, draw):
    """Return a text whose values are changed and whose form is mostly kept, so that it gets past the parser."""
    if draw.random() < 0.3:
        return mutated(text.encode(), draw).decode(errors="replace")
    lines = text.splitlines()
    at = draw.randrange(len(lines))
    name, equals, value = lines[at].partition(" = ")
    way = draw.randrange(5)
    if way == 0 and equals:
        others = ("-1", "0", "1e300", "nan", "[]", "{}", '"x"', "true", "9" * 30, "[[1]]", "1979-05-27", f"{value}0")
        lines[at] = f"{name} = {draw.choice(others)}"
    elif way == 1:
        del lines[at]
    elif way == 2:
        lines.insert(at, draw.choice(lines))
    elif way == 3:
        lines[at] = draw.choice(lines)
    else:
        digits = [k for k, letter in enumerate(lines[at]) if letter.isdigit()]
        if digits:
            k = draw.choice(digits)
            lines[at] = lines[at][:k] + draw.choice("0123456789-e.") + lines[at][k + 1 :]
    return "\n".join(lines)


def other_arrays(arrays, draw):
    """Return the arrays with some of one lost, of another type or shape, or with values that are none."""
    arrays = dict(arrays)
    name = draw.choice(sorted(arrays))
    array, way = arrays.pop(name), draw.randrange(7)
    if way == 0:
        return arrays
    if way == 1:
        array = array[:-1]
    elif way == 2:
        array = np.nan_to_num(array, posinf=0).astype(draw.choice(("float32", "float64", "int64", "uint8", "bool")))
    elif way == 3:
        array = array[None]
    elif way == 4 and array.size:
        array = array.copy()
        array.flat[draw.randrange(array.size)] = draw.choice(
            (np.nan, np.inf, -1, 1e30) if array.dtype.kind == "f" else (-1, 0)
        )
    elif way == 5:
        array = np.concatenate([array, array])
    else:
        name = draw.choice(("../" + name, name.upper(), "", "x" * 1000))
    return arrays | {name: array}


def resealed(content):
    return seal_over(SEAL.sub(b'"sha256":"%s"' % BLANK.encode(), content, count=1))


def seal_over(content):
    """Return a mutant with the hash it would need, wherever its place has moved to."""
    return SEAL.sub(b'"sha256":"%s"' % hashlib.sha256(content).hexdigest().encode(), content, count=1)


@pytest.fixture
def draw():
    return random.Random(20_261_121)


@pytest.fixture(autouse=True)
def memory():
    """What is read may not need more than the files claim."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


def attempt(read):
    """Return whether it was read; any error but ours fails the test."""
    try:
        with np.errstate(all="ignore"):
            read()
    except UnstuckError:
        return False
    return True


def written(folder, contents):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


# A Run --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["classes", "numbers"])
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "run"
    run = train(SMALL, X, Y) if request.param == "classes" else train(NUMBERS, TABLE, list(range(20)))
    run.save(folder)
    features = X if request.param == "classes" else TABLE
    return {path.name: path.read_bytes() for path in folder.iterdir()}, features


def test_a_run_with_any_file_damaged_is_refused(saved, draw, tmp_path):
    files, folder = saved[0], tmp_path / "run"
    for _ in range(MUTANTS // 2):
        name = draw.choice(sorted(files))
        damaged = mutated(files[name], draw)
        written(folder, files | {name: damaged})
        assert attempt(lambda: Run.load(folder)) == (damaged == files[name])


def test_a_run_forged_and_sealed_again_is_refused_or_predicts(saved, draw, tmp_path):
    files, features = saved
    folder = written(tmp_path / "run", files)
    arrays, texts = unseal(folder / "arrays.safetensors")
    read = 0
    for _ in range(MUTANTS):
        forged_arrays, forged = arrays, dict(texts)
        if draw.random() < 0.3:
            forged_arrays = other_arrays(arrays, draw)
        else:
            name = draw.choice(sorted(texts))
            forged[name] = other_text(texts[name], draw)
        content = seal(forged_arrays, forged)
        if draw.random() < 0.2:
            content = resealed(mutated(content, draw))
        written(folder, {name: text.encode() for name, text in forged.items()} | {"arrays.safetensors": content})

        def load_and_use():
            run = Run.load(folder)
            run.score(features, run.predict(features))
            repr(run)

        read += attempt(load_and_use)
    assert 0 < read < MUTANTS


def test_a_runs_texts_name_no_other_files(saved, tmp_path):
    files, _ = saved
    folder = written(tmp_path / "run", files)
    arrays, texts = unseal(folder / "arrays.safetensors")
    for name in ("/dev/zero", "../../../etc/passwd", "/proc/self/mem"):
        (folder / "arrays.safetensors").write_bytes(seal(arrays, texts | {name: "x"}))
        Run.load(folder)  # it reads its own two texts and nothing else


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/random", "/proc/self/mem", "."])
@pytest.mark.parametrize("name", ["recipe.toml", "run.toml", "arrays.safetensors"])
def test_links_to_what_has_no_end_are_not_followed(saved, name, target, tmp_path):
    if not Path(target).exists():
        pytest.skip("not here")
    folder = written(tmp_path / "run", saved[0])
    (folder / name).unlink()
    (folder / name).symlink_to(target)
    with pytest.raises(FileError, match=name):
        Run.load(folder)


# A checkpoint -------------------------------------------------------------------------------------------------------


def test_a_checkpoint_forged_and_sealed_again_is_refused_or_goes_on(draw, tmp_path):
    path = tmp_path / "state"

    def stop(row, parameters):
        if row["epoch"] == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(SMALL, X, Y, checkpoint=path, callbacks=[stop])
    arrays, texts = unseal(path)
    read = 0
    for _ in range(MUTANTS):
        forged_arrays, forged = arrays, dict(texts)
        if draw.random() < 0.4:
            forged_arrays = other_arrays(arrays, draw)
        else:
            name = draw.choice(("descent", "state", "failure", "columns", "format"))
            value = json.loads(texts[name]) if name != "format" else 0
            if isinstance(value, dict) and draw.random() < 0.7:
                key = draw.choice(sorted(value))
                value[key] = draw.choice((-1, 0, 10**30, 2**63, 0.5, float("nan"), None, [], {}, "x", True, "diverged"))
                forged[name] = json.dumps(value)
            else:
                forged[name] = mutated(texts[name].encode(), draw).decode(errors="replace")
        content = seal(forged_arrays, forged)
        if draw.random() < 0.2:
            content = resealed(mutated(content, draw))
        path.write_bytes(content)
        read += attempt(lambda: train(SMALL, X, Y, checkpoint=path, progress=False))
    assert 0 < read < MUTANTS


def test_a_checkpoint_without_one_of_its_parts_is_refused(tmp_path):
    path = tmp_path / "state"
    train(SMALL, X, Y, checkpoint=path)
    arrays, texts = unseal(path)
    for part in {*arrays, *texts} - {"unstuck"}:  # the version that wrote it, which older ones do not note
        path.write_bytes(
            seal({k: v for k, v in arrays.items() if k != part}, {k: v for k, v in texts.items() if k != part})
        )
        with pytest.raises(FileError):
            train(SMALL, X, Y, checkpoint=path)


# A recipe -----------------------------------------------------------------------------------------------------------


def test_a_recipe_of_any_text_is_one_or_is_refused(draw, tmp_path):
    text = NUMBERS.to_toml()
    path = tmp_path / "recipe.toml"
    read = 0
    for _ in range(MUTANTS):
        path.write_text(other_text(text, draw), "utf-8", errors="surrogatepass", newline="")
        read += attempt(lambda: Recipe.load(path))
    assert 0 < read < MUTANTS


@pytest.mark.parametrize(
    "text",
    [
        "layers = " + "[" * 100_000,
        "x = " + "{a = " * 50_000,
        "x = " + "9" * 100_000,
        "[schedule" + ".then" * 20_000 + "]\nkind = 'warm_up'",
        "layers = []\nloss = 'hinge'\n[schedule]\nkind = 'warm_up'\n"
        + "".join(f"[schedule{'.then' * k}]\nkind = 'warm_up'\n" for k in range(1, 1500)),
        "layers = [" + "{kind = 'dense', units = 16777216}," * 2000 + "]\nloss = 'hinge'",
        "a" * 100_000,
        "\ud800",
        "",
    ],
)
def test_a_recipe_that_is_meant_to_break_the_reader(text):
    with contextlib.suppress(RecipeError):
        Recipe.from_toml(text)


@pytest.mark.parametrize("path", ["a\0b", "/proc/self/mem", ".", "x" * 5000])
@pytest.mark.parametrize("read", [Recipe.load, Run.load, read_table, read_arrays, read_idx, read_features])
def test_paths_that_are_tricks(path, read):
    with pytest.raises(FileError):
        read(path)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "/proc/x/y"])
def test_paths_to_write_that_are_tricks(path):
    run = train(SMALL, X, Y)
    ways = [
        run.save,
        JSONLines(path),
        lambda path: export_onnx(run, path),
        lambda path: export_numpy(run, f"{path}.py"),
    ]
    ways += [lambda path: train(SMALL, X, Y, checkpoint=path)]
    for write in ways:
        with pytest.raises(FileError):
            write(path) if not isinstance(write, JSONLines) else write({"epoch": 1.0}, None)


# Data ---------------------------------------------------------------------------------------------------------------


def idx(values):
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def npz(compressed):
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, X=X, y=np.arange(60))
    return content.getvalue()


def npy():
    content = io.BytesIO()
    np.save(content, X)
    return content.getvalue()


IMAGES = idx(np.arange(240, dtype=np.uint8).reshape(10, 4, 6))
FILES = {
    "images-idx3-ubyte": (IMAGES, read_idx),
    "images-idx3-ubyte.gz": (gzip.compress(IMAGES), read_idx),
    "plain.npz": (npz(False), read_arrays),
    "packed.npz": (npz(True), read_arrays),
    "array.npy": (npy(), read_features),
    "table.csv": (b'a,b,"c d"\n1,x,"q, ""r"""\n2,,?\n3.5,z,\n', read_table),
    "table.csv.gz": (gzip.compress(b"a,b\n1,2\n3,4\n"), read_table),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_data_of_any_bytes_are_read_or_refused(name, draw, tmp_path):
    content, read = FILES[name]
    path = tmp_path / name
    refused = 0
    for _ in range(MUTANTS):
        path.write_bytes(mutated(content, draw))
        refused += not attempt(lambda: read(path))
    assert refused


READ_PARQUET = """
import sys
from pathlib import Path
from unstuck import UnstuckError
from unstuck.data.readers import read_table
for path in Path(sys.argv[1]).iterdir():
    try:
        read_table(path)
    except UnstuckError:
        pass
"""


def varint(value):
    """Return an integer as Parquet's footer has it: seven bits a byte."""
    digits = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(digit | 128 for digit in digits[:-1]), digits[-1]])


def forged(content, draw):
    """Return a Parquet file with another number in its footer, which says where everything is and how large."""
    length = struct.unpack("<I", content[-8:-4])[0]
    footer, at = bytearray(content[-8 - length : -8]), draw.randrange(length)
    end = at + 1
    while end < length and footer[end - 1] & 128:
        end += 1
    footer[at:end] = varint(draw.choice((0, 1, 2**14, 2**31, 2**36, 2**41, 2**50, 2**62, 2**64 - 1)))
    return content[: -8 - length] + bytes(footer) + struct.pack("<I", len(footer)) + b"PAR1"


def test_parquet_of_any_bytes_is_read_or_refused(draw, tmp_path):
    table = pl.DataFrame({"a": range(300), "b": ["x", "y", None] * 100, "c": [0.5, True, None] * 100}, strict=False)
    for k, nested in itertools.product(range(MUTANTS // 2), (False, True)):
        content = io.BytesIO()
        column = [{"f": 1.5, "g": "h"}] * 300
        table.with_columns(pl.Series("d", column if nested else ["x"] * 300)).write_parquet(content, row_group_size=100)
        change = draw.choice((forged, forged, mutated))
        (tmp_path / f"{k}-{nested}.parquet").write_bytes(change(content.getvalue(), draw))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", READ_PARQUET, str(tmp_path)]  # of its own: polars may abort it
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


class Bomb:
    """Pickled, it touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "run", "state", "recipe.toml"])
def test_no_pickle_is_ever_opened(name, tmp_path):
    touched, path = tmp_path / "touched", tmp_path / name
    array = np.array([Bomb(touched)], dtype=object)
    content = io.BytesIO()
    np.savez(content, X=array) if name == "x.npz" else np.save(content, array)
    contents = [content.getvalue(), pickle.dumps(Bomb(touched))]
    for bomb in contents:
        if name == "run":
            written(path, {"arrays.safetensors": bomb, "recipe.toml": bomb, "run.toml": bomb})
            read = Run.load
        else:
            path.write_bytes(bomb)
            read = {"state": lambda path: train(SMALL, X, Y, checkpoint=path), "recipe.toml": Recipe.load}.get(
                name, read_features
            )
        with pytest.raises(UnstuckError):
            read(path)
    assert not touched.exists()


@pytest.mark.parametrize("size", [2**31, 2**40, 2**62])
def test_sizes_that_are_claimed_are_not_believed(size, tmp_path):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({size},)}}".ljust(117) + "\n"
    claim = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + b"\0" * 80
    (tmp_path / "x.npy").write_bytes(claim)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("X.npy", claim)
    (tmp_path / "x-idx2-ubyte").write_bytes(struct.pack(">BBBBII", 0, 0, 8, 2, 2**31, 2**31) + b"\0" * 80)
    for name in ("x.npy", "x.npz", "x-idx2-ubyte"):
        with pytest.raises(FileError):
            read_features(tmp_path / name)


def packed_zeros(size):
    """Return gzip of that many zeros, in members of 64 MiB, without ever holding them."""
    return gzip.compress(b"\0" * (64 << 20)) * (size >> 26)


@pytest.mark.parametrize("name", ["table.csv.gz", "images-idx3-ubyte.gz", "packed.npz"])
def test_a_file_that_unpacks_to_a_thousand_times_its_size_is_refused(name, tmp_path):
    path, size = tmp_path / name, 1 << 30
    if name == "packed.npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("X.npy", "w") as part:
            header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},)}}".ljust(117) + "\n"
            part.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
            for _ in range(size >> 20):
                part.write(b"\0" * (1 << 20))
    else:
        head = struct.pack(">BBBBIII", 0, 0, 8, 3, size, 1, 1) if "idx" in name else b"a,b\n"
        path.write_bytes(gzip.compress(head) + packed_zeros(size))
    assert path.stat().st_size < size / 900
    with pytest.raises(FileError, match="134,217,728 bytes, over 100 times its size"):
        read_features(path)


def test_no_more_is_unpacked_than_an_idx_header_claims(tmp_path):
    path = tmp_path / "images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(IMAGES) + packed_zeros(128 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match=r"bytes left over: .* need 240 bytes"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_what_packs_well_is_read(tmp_path):
    zeros = np.zeros((1000, 4000), np.uint8)
    (tmp_path / "zeros-idx2-ubyte.gz").write_bytes(gzip.compress(idx(zeros)))
    np.savez_compressed(tmp_path / "zeros.npz", X=zeros)
    for name in ("zeros-idx2-ubyte.gz", "zeros.npz"):
        assert (tmp_path / name).stat().st_size < zeros.size / 500
        np.testing.assert_array_equal(read_features(tmp_path / name), zeros)
