import gzip
import struct
from threading import Event
from urllib.error import URLError

import numpy as np
import polars as pl
import pytest
from sklearn.utils import Bunch

from unstuck.data import load_mnist, load_named
from unstuck.errors import DataError, FileError, OptionError


@pytest.fixture
def offline(monkeypatch, tmp_path):
    def unreachable(*args, **kwargs):
        raise URLError("Name or service not known")

    monkeypatch.delenv("UNSTUCK_DATA", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "kept"))
    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", unreachable)


@pytest.fixture
def openml(monkeypatch, tmp_path):
    """Have OpenML answer with the Bunch a test puts there."""
    answer = {}
    monkeypatch.delenv("UNSTUCK_DATA", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "kept"))
    monkeypatch.setattr("unstuck.data.datasets._online", lambda: True)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", lambda name, **options: answer[name])
    return answer


def write_mnist(folder, *, rows=(6, 2), labels=(6, 2)):
    for part, n, m in zip(("train", "t10k"), rows, labels, strict=True):
        images = struct.pack(">I3I", 0x803, n, 28, 28) + bytes([255]) * (n * 784)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">2I", 0x801, m) + bytes(range(m)))
        )


def check_small(digits):
    assert digits.name == "digits"
    assert "not MNIST but the small set" in digits.description
    assert "1,797 images of 8 x 8" in digits.description


def test_mnist_from_the_folder_given(tmp_path):
    write_mnist(tmp_path)
    mnist = load_mnist(tmp_path)
    assert (mnist.name, mnist.X.shape, mnist.X_test.shape) == ("mnist", (6, 784), (2, 784))
    assert mnist.X.dtype == np.float32
    assert (mnist.X == 1).all()
    assert mnist.y.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("subfolder", ["", "mnist"])
def test_mnist_from_the_environment(tmp_path, monkeypatch, offline, subfolder):
    monkeypatch.setenv("UNSTUCK_DATA", str(tmp_path))
    (tmp_path / subfolder).mkdir(exist_ok=True)
    write_mnist(tmp_path / subfolder)
    assert load_mnist().name == "mnist"


def test_a_folder_without_mnist_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"lacks 4 of the 4 files of MNIST: train-images-idx3-ubyte.gz, "):
        load_mnist(tmp_path / "nowhere")
    write_mnist(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(FileError, match=r"lacks 1 of the 4 files of MNIST: t10k-images-idx3-ubyte.gz$"):
        load_mnist(tmp_path)


def test_images_and_labels_must_agree(tmp_path):
    write_mnist(tmp_path, labels=(5, 2))
    with pytest.raises(FileError, match=r"6 \+ 2 images and 5 \+ 2 labels"):
        load_mnist(tmp_path)


def test_offline_the_small_set_stands_in(offline, recwarn):
    digits = load_mnist()
    check_small(digits)
    assert (digits.X.shape, digits.X_test.shape) == ((1437, 64), (360, 64))
    assert (digits.X.dtype, digits.X.min(), digits.X.max()) == (np.float32, 0, 1)
    assert len(digits.feature_names) == 64
    assert np.bincount(digits.y_test).min() >= 35  # stratified
    np.testing.assert_array_equal(load_mnist().y_test, digits.y_test)
    assert not recwarn.list


def test_a_name_server_that_never_answers_does_not_hold_up(monkeypatch, offline):
    released = Event()

    def hang(*args, **kwargs):
        released.wait(60)
        raise URLError("timed out")

    monkeypatch.setattr("urllib.request.urlopen", hang)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", lambda *args, **kwargs: pytest.fail("would hang as well"))
    monkeypatch.setattr("unstuck.data.datasets.PROBE_SECONDS", 0.01)
    check_small(load_mnist())
    released.set()


def test_offline_what_scikit_learn_has_kept_is_found(monkeypatch, tmp_path, offline):
    (tmp_path / "kept" / "openml").mkdir(parents=True)
    (tmp_path / "kept" / "openml" / "some.arff.gz").write_bytes(b"")
    bunch = Bunch(data=np.ones((2, 1)), target=np.array([0.5, 1.5]), feature_names=["a"], categories={})
    monkeypatch.setattr("sklearn.datasets.fetch_openml", lambda *args, **kwargs: bunch)
    assert load_named("openml:some").y.tolist() == [0.5, 1.5]


def test_an_environment_without_mnist_falls_through(tmp_path, monkeypatch, offline):
    monkeypatch.setenv("UNSTUCK_DATA", str(tmp_path))
    check_small(load_mnist())


def test_mnist_from_openml(openml):
    X = np.zeros((70_000, 4))
    X[:, 0] = np.arange(70_000) % 256
    openml["mnist_784"] = Bunch(data=X, target=np.array(["3"] * 60_000 + ["7"] * 10_000, dtype=object))
    mnist = load_mnist()
    assert (len(mnist.X), len(mnist.X_test)) == (60_000, 10_000)
    assert (set(mnist.y), set(mnist.y_test), mnist.X.max()) == ({3}, {7}, 1)
    assert "OpenML" in mnist.description


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "digits", "iris", "wine"])
def test_bundled_sets(name):
    from sklearn import datasets

    expected = getattr(datasets, f"load_{name}")()
    found = load_named(name)
    np.testing.assert_array_equal(found.X, expected.data)
    assert len(found.feature_names) == found.X.shape[1]
    if name == "diabetes":
        np.testing.assert_array_equal(found.y, expected.target)
    else:
        classes = expected.target_names.tolist()
        assert [classes.index(label) for label in found.y.tolist()] == expected.target.tolist()


def test_categories_from_openml_are_named(openml):
    openml["titanic"] = Bunch(
        data=np.array([[29.0, 1.0], [np.nan, 0.0], [2.0, np.nan]]),
        target=np.array(["1", "0", "1"], dtype=object),
        feature_names=["age", "sex"],
        categories={"sex": ["male", "female"], "survived": ["0", "1"]},
    )
    titanic = load_named("openml:titanic")
    assert isinstance(titanic.X, pl.DataFrame)
    assert titanic.X["sex"].to_list() == ["female", "male", None]
    assert titanic.y.tolist() == ["1", "0", "1"]


def test_names_that_lead_nowhere(openml):
    with pytest.raises(OptionError, match="no data set 'irris'; did you mean 'iris'"):
        load_named("irris")
    openml["two"] = Bunch(data=np.ones((2, 2)), target=np.ones((2, 2)), feature_names=["a", "b"], categories={})
    with pytest.raises(DataError, match="not exactly one target"):
        load_named("openml:two")


def test_openml_offline_is_a_file_error(offline):
    with pytest.raises(FileError, match="OpenML cannot be reached for 'openml:titanic'"):
        load_named("openml:titanic")


def test_openml_refusing_is_a_data_error(monkeypatch, openml):
    def unknown(name, **options):
        raise ValueError(f"No active dataset {name} found")

    monkeypatch.setattr("sklearn.datasets.fetch_openml", unknown)
    with pytest.raises(DataError, match="No active dataset titanik"):
        load_named("openml:titanik")
