"""Callbacks that write a training's records elsewhere: a file of JSON lines, TensorBoard, MLflow.

A training that was killed goes on from its checkpoint, and so reports some records a second time. Each log takes that
into account: it holds every epoch once.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from unstuck.arrays import Array
from unstuck.errors import FileError
from unstuck.files import cannot_read, read_whole, write_whole
from unstuck.optional import needs


class JSONLines:
    """Append each record to a file, a JSON object a line. It outlives a kill of the process from that moment on.

    The keys are the columns of `run.history`; NaN and infinity are null. A line that a kill cut short is dropped.

    Args:
        path: the file. One of an earlier training from the start is replaced.

    >>> from tempfile import mkdtemp
    >>> log = JSONLines(Path(mkdtemp()) / "log.jsonl")
    >>> log({"epoch": 1, "loss": 0.5}, None)
    >>> log({"epoch": 2, "loss": math.nan}, None)
    >>> print(log.path.read_text(), end="")
    {"epoch": 1, "loss": 0.5}
    {"epoch": 2, "loss": null}
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._begun = False

    def __call__(self, row: Mapping[str, float], parameters: Array) -> None:
        """Write a record.

        Raises:
            FileError: when the file cannot be written, or holds something else.
        """
        if not self._begun:
            write_whole(self.path, self._before(row["epoch"]))
            self._begun = True
        finite = {name: value if math.isfinite(value) else None for name, value in row.items()}
        try:
            with self.path.open("ab") as file:
                file.write(f"{json.dumps(finite)}\n".encode())
        except OSError as error:
            raise FileError(f"cannot write {self.path}: {error.strerror or error}") from None

    def _before(self, epoch: float) -> bytes:
        """Return the lines of earlier epochs."""
        try:
            if not self.path.exists():
                return b""
        except OSError as error:  # of a name that is too long
            raise cannot_read(self.path, error) from None
        lines = read_whole(self.path).split(b"\n")[:-1]  # what has no end of line was cut short
        try:
            kept = [line for line in lines if json.loads(line)["epoch"] < epoch]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise FileError(
                f"{self.path} holds something else than records of a training; choose another file"
            ) from None
        return b"".join(line + b"\n" for line in kept)


class _Open:
    """A log that is closed at the end of a with block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(failed=kind is not None)

    def close(self, failed: bool = False) -> None:
        """End the log."""
        raise NotImplementedError


class TensorBoard(_Open):
    """Write each record as scalars that `tensorboard --logdir FOLDER` shows, a curve for each column, over the epochs.

    It needs the package tensorboard: `pip install tensorboard`.

    Args:
        folder: for the event files.

    Raises:
        OptionError: when tensorboard is not installed.
        FileError: when the folder cannot be made.
    """

    def __init__(self, folder: str | Path):
        self._event = needs("tensorboard.compat.proto.event_pb2", "tensorboard")
        self._summary = needs("tensorboard.compat.proto.summary_pb2", "tensorboard").Summary
        writer = needs("tensorboard.summary.writer.event_file_writer", "tensorboard").EventFileWriter
        try:
            self._writer = writer(str(folder))
        except OSError as error:
            raise FileError(f"cannot write {folder}: {error.strerror or error}") from None
        self._begun = False

    def __call__(self, row: Mapping[str, float], parameters: Array) -> None:
        """Write a record."""
        epoch = int(row["epoch"])
        if not self._begun:  # a new session, which tells TensorBoard to forget what comes at this epoch or later
            start = self._event.SessionLog(status=self._event.SessionLog.START)
            self._add(epoch, session_log=start)
            self._begun = True
        scalars = [self._summary.Value(tag=name, simple_value=value) for name, value in row.items() if name != "epoch"]
        self._add(epoch, summary=self._summary(value=scalars))
        self._writer.flush()

    def close(self, failed: bool = False) -> None:
        """Close the file."""
        self._writer.close()

    def _add(self, epoch: int, **what: Any) -> None:
        self._writer.add_event(self._event.Event(wall_time=time.time(), step=epoch, **what))


class MLflow(_Open):
    """Send each record to an MLflow run, as metrics whose step is the epoch.

    It needs MLflow: `pip install mlflow-skinny` brings its small part, which talks to a server; for a database or
    a folder of your own, install `mlflow`.

    Args:
        tracking_uri: of the server or database; None takes MLflow's own default, such as MLFLOW_TRACKING_URI.
        experiment: its name; it is made if it does not exist.
        run_name: of the new MLflow run; None has MLflow make one up.
        run_id: of an MLflow run that exists, to go on with it; epochs that it has are not sent again.

    Raises:
        OptionError: when MLflow is not installed.

    Attributes:
        run_id: of the MLflow run.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        *,
        experiment: str = "unstuck",
        run_name: str | None = None,
        run_id: str | None = None,
    ):
        self._metric = needs("mlflow.entities", "mlflow-skinny").Metric
        self._client = needs("mlflow.tracking", "mlflow-skinny").MlflowClient(tracking_uri)
        if run_id is None:
            known = self._client.get_experiment_by_name(experiment)
            place = known.experiment_id if known else self._client.create_experiment(experiment)
            run_id = self._client.create_run(place, run_name=run_name).info.run_id
        else:
            self._client.update_run(run_id, status="RUNNING")
        self._known = max((metric.step for metric in self._client.get_metric_history(run_id, "loss")), default=0)
        self.run_id: str = run_id

    def __call__(self, row: Mapping[str, float], parameters: Array) -> None:
        """Send a record."""
        now, epoch = int(1000 * time.time()), int(row["epoch"])
        if epoch <= self._known:
            return
        metrics = [self._metric(name, value, now, epoch) for name, value in row.items() if name != "epoch"]
        self._client.log_batch(self.run_id, metrics)

    def close(self, failed: bool = False) -> None:
        """End the MLflow run."""
        self._client.set_terminated(self.run_id, "FAILED" if failed else "FINISHED")
