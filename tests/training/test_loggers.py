"""Records written by callbacks, read back by the packages they are written for."""

import json
import math
import sys

import numpy as np
import pytest

from unstuck import Dense, FileError, JSONLines, MLflow, OptionError, Recipe, TensorBoard, train

X = np.random.default_rng(0).normal(size=(30, 2))
RECIPE = Recipe([Dense(3, "tanh"), Dense(1)], "squared_error", epochs=6, validation_fraction=0.2)


def go_on(log_of, folder):
    """Train with a log, killed after the record of epoch 4 while the checkpoint is that of epoch 2; return the run."""

    def die(row, parameters):
        if row["epoch"] == 2:
            content.append((folder / "state").read_bytes())
        if row["epoch"] == 4:
            raise RuntimeError("killed")

    content = []
    with log_of() as log, pytest.raises(RuntimeError):
        train(RECIPE, X, X[:, 0], checkpoint=folder / "state", checkpoint_seconds=0, callbacks=[log, die])
    (folder / "state").write_bytes(content[0])
    with log_of() as log:
        return train(RECIPE, X, X[:, 0], checkpoint=folder / "state", callbacks=[log])


def rows(history):
    return [dict(zip(history.columns, row, strict=True)) for row in zip(*history.arrays().values(), strict=True)]


class TestJSONLines:
    def read(self, path):
        return [json.loads(line) for line in path.read_text().splitlines()]

    def test_a_line_is_a_record(self, tmp_path):
        run = train(RECIPE, X, X[:, 0], callbacks=[JSONLines(tmp_path / "log")])
        assert self.read(tmp_path / "log") == rows(run.history)

    def test_it_is_on_the_disk_at_every_record(self, tmp_path):
        lengths = []
        log = JSONLines(tmp_path / "log")
        train(RECIPE, X, X[:, 0], callbacks=[log, lambda row, w: lengths.append(len(self.read(tmp_path / "log")))])
        assert lengths == [1, 2, 3, 4, 5, 6]

    def test_a_resumed_training_repeats_no_record(self, tmp_path):
        log = JSONLines(tmp_path / "log")
        log({"epoch": 1.0}, None)
        log({"epoch": 2.0}, None)
        with (tmp_path / "log").open("a") as file:
            file.write('{"epoch": 3.0, "lo')  # the kill
        again = JSONLines(tmp_path / "log")
        again({"epoch": 2.0}, None)
        again({"epoch": 3.0}, None)
        assert self.read(tmp_path / "log") == [{"epoch": 1.0}, {"epoch": 2.0}, {"epoch": 3.0}]

    def test_what_is_not_finite_is_null(self, tmp_path):
        JSONLines(tmp_path / "log")({"epoch": 1.0, "loss": math.inf, "r2": math.nan}, None)
        assert self.read(tmp_path / "log") == [{"epoch": 1.0, "loss": None, "r2": None}]

    @pytest.mark.parametrize("content", ["mine\n", "[1]\n", '{"loss": 1}\n', "[" * 100_000 + "\n"])
    def test_another_file_is_left_alone(self, content, tmp_path):
        (tmp_path / "log").write_text(content)
        with pytest.raises(FileError, match="something else"):
            train(RECIPE, X, X[:, 0], callbacks=[JSONLines(tmp_path / "log")])
        assert (tmp_path / "log").read_text() == content

    def test_a_folder_that_is_none(self, tmp_path):
        with pytest.raises(FileError, match="it is no file"):
            JSONLines(tmp_path)({"epoch": 1.0}, None)


class TestTensorBoard:
    def read(self, folder):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder))
        events.Reload()
        return {
            name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]
        }

    def expected(self, run):
        epochs = range(1, RECIPE.epochs + 1)
        columns = {name: values.astype("f4") for name, values in run.history.arrays().items() if name != "epoch"}
        return {name: list(zip(epochs, values.tolist(), strict=True)) for name, values in columns.items()}

    def test_it_shows_every_column(self, tmp_path):
        with TensorBoard(tmp_path / "log") as log:
            run = train(RECIPE, X, X[:, 0], callbacks=[log])
        assert self.read(tmp_path / "log") == self.expected(run)

    def test_it_is_on_the_disk_at_every_record(self, tmp_path):
        lengths = []
        with TensorBoard(tmp_path) as log:
            train(RECIPE, X, X[:, 0], callbacks=[log, lambda row, w: lengths.append(len(self.read(tmp_path)["loss"]))])
        assert lengths == [1, 2, 3, 4, 5, 6]

    def test_a_resumed_training_repeats_no_record(self, tmp_path):
        run = go_on(lambda: TensorBoard(tmp_path / "log"), tmp_path)
        assert self.read(tmp_path / "log") == self.expected(run)

    def test_without_the_package_one_is_told_what_to_install(self, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "tensorboard", None)
        with pytest.raises(OptionError, match=r"-m pip install tensorboard$"):
            TensorBoard(tmp_path)

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(FileError, match="cannot write"):
            TensorBoard(tmp_path / "file" / "log")


class TestMLflow:
    pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and SQLAlchemy's about each other

    @pytest.fixture(scope="class")
    def uri(self, tmp_path_factory):
        return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"

    def read(self, uri, run_id):
        from mlflow.tracking import MlflowClient

        client = MlflowClient(uri)
        made = client.get_run(run_id)
        values = {
            name: [(metric.step, metric.value) for metric in client.get_metric_history(run_id, name)]
            for name in made.data.metrics
        }
        return made.info, values

    def test_every_column_is_a_metric_and_nothing_is_doubled(self, uri, tmp_path):
        logs = []

        def log_of():
            logs.append(MLflow(uri, run_name="mine", run_id=logs[0].run_id if logs else None))
            return logs[-1]

        run = go_on(log_of, tmp_path)
        info, values = self.read(uri, logs[0].run_id)
        assert (info.run_name, info.status) == ("mine", "FINISHED")
        expected = {name: list(enumerate(run.history[name].tolist(), start=1)) for name in run.history.columns[1:]}
        assert values.keys() == expected.keys()
        for name in values.keys() - {"seconds"}:
            assert sorted(values[name]) == expected[name], name

    def test_a_training_that_raises_has_failed(self, uri):
        with pytest.raises(ZeroDivisionError), MLflow(uri, experiment="another") as log:
            train(RECIPE, X, X[:, 0], callbacks=[log, lambda row, w: 1 / 0])
        info, values = self.read(uri, log.run_id)
        assert info.status == "FAILED"
        assert [step for step, _ in values["loss"]] == [1]

    def test_without_the_package_one_is_told_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "mlflow", None)
        with pytest.raises(OptionError, match=r"-m pip install mlflow-skinny$"):
            MLflow()
