"""Loggers: their files, read back by their own libraries, and what a run writes."""

from __future__ import annotations

import csv
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.errors import ConfigError
from polytask.loggers import CsvLogger, LoggedRun, Logger, MLflowLogger, TensorBoardLogger, WandbLogger, make_logger

Values = dict[str, dict[int, float]]
"""Values by name and step."""
CHOICES: dict[str, Any] = {"batch_size": 20, "threads": 1, "patience": None}
TASKS = (pt.tasks.Regression(name="sum"), pt.tasks.Regression(name="first"))


def table(rows: int = 60, seed: int = 0) -> pt.Source:
    inputs = np.random.default_rng(seed).normal(size=(rows, 2)).astype("float32")
    return pt.Source("table", inputs, {"sum": inputs.sum(1), "first": inputs[:, 0]})


def read_csv(path: Path) -> Values:
    found: Values = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["name"], {})[int(row["step"])] = float(row["value"])
    return found


def read_tensorboard(folder: Path) -> Values:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen = EventAccumulator(str(folder), purge_orphaned_data=True)
    seen.Reload()
    return {name: {event.step: event.value for event in seen.Scalars(name)} for name in seen.Tags()["scalars"]}


def read_mlflow(uri: str, run: str) -> Values:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    names = client.get_run(run).data.metrics
    return {name: {found.step: found.value for found in client.get_metric_history(run, name)} for name in names}


def runs_of(uri: str) -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    (place,) = (one.experiment_id for one in client.search_experiments(filter_string="name = 'polytask'"))
    return list(client.search_runs([place], order_by=["attributes.start_time ASC"]))


class Memory(Logger):
    """Keeps everything."""

    def __init__(self) -> None:
        self.runs: list[LoggedRun] = []
        self.values: Values = {}
        self.ended = 0

    def begin(self, run: LoggedRun) -> None:
        self.runs.append(run)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.values.setdefault(name, {})[step] = value

    def end(self) -> None:
        self.ended += 1


def test_a_run_logs_its_history() -> None:
    memory = Memory()
    run = pt.fit(TASKS, [table()], "upgrad", epochs=2, logger=memory, **CHOICES)
    assert {"train/sum/loss", "train/first/loss", "val/sum/rmse", "weight/sum", "cosine/sum/first"} <= set(memory.values)
    history = run.history[run.history["name"].eq("loss") & run.history["task"].eq("sum")]
    assert memory.values["train/sum/loss"] == dict(zip(history["step"], history["value"], strict=True))
    assert sum(map(len, memory.values.values())) == len(run.history)
    assert memory.runs[0].options["balancer"].startswith("upgrad")
    assert (len(memory.runs), memory.ended) == (1, 1)


def test_names_of_a_step_are_those_of_a_run() -> None:
    """`Report.log_values` in a loop by hand, and the history of `fit`."""
    import torch

    backward = pt.Backward("upgrad", tasks=("sum", "first"))
    trunk = torch.tensor([1.0, 2.0], requires_grad=True)
    named = set(backward({"sum": trunk.sum(), "first": (trunk**2).sum()}).log_values())
    memory = Memory()
    pt.fit(TASKS, [table()], "upgrad", epochs=1, logger=memory, **CHOICES)
    assert named == {"train/sum/loss", "train/first/loss", "weight/sum", "weight/first", "cosine/sum/first"}
    assert named <= set(memory.values)


def test_logging_changes_no_bit_of_a_run() -> None:
    plain, logged = (pt.fit(TASKS, [table()], epochs=2, logger=logger, **CHOICES) for logger in (None, Memory()))
    pd.testing.assert_frame_equal(plain.history, logged.history, check_exact=True)


def test_an_interrupted_run_is_one_record(tmp_path: Path) -> None:
    """Values of steps that are taken again stand once."""
    given = {**CHOICES, "logger": f"csv(folder='{tmp_path}')", "checkpoint": tmp_path / "state"}
    pt.fit(TASKS, [table()], epochs=3, stop_after_epoch=1, **given)
    with (tmp_path / "run.csv").open("a") as file:
        file.write("99,train/sum/loss,0.5\n99,train/su")  # of a session that was killed
    run = pt.fit(TASKS, [table()], epochs=3, **given)
    assert sum(map(len, read_csv(tmp_path / "run.csv").values())) == len(run.history)


def test_another_run_of_the_same_name_gets_a_record_of_its_own(tmp_path: Path) -> None:
    for number in (1.0, 2.0):
        logger = CsvLogger(str(tmp_path))
        logger.begin(LoggedRun("a/b: c", "study"))
        logger.log({"x": number}, 1)
        logger.end()
    assert read_csv(tmp_path / "study" / "a-b-c.csv") == {"x": {1: 1.0}}
    assert read_csv(tmp_path / "study" / "a-b-c-2.csv") == {"x": {1: 2.0}}


@pytest.mark.parametrize(("given", "text"), [("cvs", "Did you mean 'csv'"), ("csv(file=a)", "file"), (3, "logger is needed")])
def test_what_is_no_logger_is_refused(given: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_logger(given)


VALUES = {"train/sum/loss": 0.5, "cosine/sum/first": -0.25}


def write(logger: Logger, *, name: str = "mine") -> None:
    logger.begin(LoggedRun(name, options={"lr": 0.1}))
    for step in (5, 10):
        logger.log({key: value / step for key, value in VALUES.items()}, step)
    logger.end()


def expected(single: Callable[[float], float] = float) -> Values:
    return {key: {step: single(value / step) for step in (5, 10)} for key, value in VALUES.items()}


def test_tensorboard_reads_its_files(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    write(TensorBoardLogger(str(tmp_path)))
    assert read_tensorboard(tmp_path / "mine") == expected(lambda value: float(np.float32(value)))
    resumed = TensorBoardLogger(str(tmp_path))
    resumed.begin(LoggedRun("mine", step=5))
    resumed.end()
    assert set(read_tensorboard(tmp_path / "mine")["train/sum/loss"]) == {5}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
def test_mlflow_reads_its_database(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    write(MLflowLogger(uri))
    (run,) = runs_of(uri)
    assert read_mlflow(uri, run.info.run_id) == expected()
    assert (run.info.run_name, run.data.params, run.info.status) == ("mine", {"lr": "0.1"}, "FINISHED")
    again = MLflowLogger(uri)
    again.begin(LoggedRun("mine", step=10))
    again.log({"größe, m²": 1.0}, 15)
    again.end()
    (run,) = runs_of(uri)
    assert {"größe_ m²", *VALUES} == set(run.data.metrics)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
def test_the_networks_of_a_study_are_runs_inside_it(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    choices = {"arms": ["single", "equal"], "seeds": 2, "training": {"epochs": 1}, "workers": 1}
    pt.Study([table()], TASKS, test=lambda: (table(40, 1),), logger=f"mlflow(uri='{uri}')", **choices).run(tmp_path / "demo")
    study, *networks = runs_of(uri)
    assert study.info.run_name == "demo"
    assert {run.data.tags["mlflow.parentRunId"] for run in networks} == {study.info.run_id}
    assert sorted(run.info.run_name for run in networks) == sorted(
        [f"single {task}, seed {seed}" for task in ("sum", "first") for seed in (0, 1)] + ["equal, seed 0", "equal, seed 1"]
    )
    assert all("val/sum/rmse" in run.data.metrics for run in networks if "first" not in run.info.run_name)


def wandb_records(path: Path) -> Iterator[Any]:
    """Records of a file of Weights & Biases: its messages in the log format of LevelDB, with a header of seven bytes."""
    from wandb.proto import wandb_internal_pb2

    data, block, place, message = path.read_bytes(), 32_768, 7, b""
    while place + 7 <= len(data):
        if block - place % block < 7:
            place += block - place % block
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        message += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # the whole message, or its last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(message)
            message = b""
            yield record


@pytest.mark.slow
def test_wandb_reads_its_files(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    write(WandbLogger(folder=str(tmp_path)))
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    found: Values = {}
    records, until = list(wandb_records(path)), time.monotonic() + 30
    while not any(record.HasField("exit") for record in records) and time.monotonic() < until:  # another process writes the file
        time.sleep(0.1)
        records = list(wandb_records(path))
    for record in records:
        items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
        for name in VALUES if items else ():
            found.setdefault(name, {})[int(items["_step"])] = float(items[name])
    assert found == expected()
    assert {record.run.display_name for record in records if record.HasField("run")} == {"mine"}
