"""Nothing of the test rows of a table decides anything: whatever changes in them, the trained bytes stay the same, through every door."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import polytask as pt
from polytask.datasets.tables import LoadedTables, load_tables
from polytask.estimators import MultiTaskEstimator
from polytask.options import TableOptions
from polytask.studies.setup.run_folder import RunFolder

TRAINED, VALIDATED, TESTED = 60, 20, 20
ROWS = TRAINED + VALIDATED + TESTED
CHANGED = TRAINED + VALIDATED + 3
"""Number of the test row that changes."""
Change = Callable[[pd.DataFrame], pd.DataFrame]
Train = Callable[[pd.DataFrame, Path], None]


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    part = ["train"] * TRAINED + ["validation"] * VALIDATED + ["test"] * TESTED
    columns: dict[str, Any] = {"x": rng.normal(size=ROWS).round(3), "town": np.resize(["Oslo", "Rome", "Bern"], ROWS), "part": part}
    columns["at"] = [f"2024-{1 + row // 28:02}-{1 + row % 28:02}" for row in range(ROWS)]
    columns["code"] = np.resize(np.arange(1, 8), ROWS).astype(object)
    columns["member"] = np.resize(["true", "false"], ROWS)
    columns["owner"] = np.arange(ROWS) // 2
    columns["exposure"] = np.resize([1, 2], ROWS)
    columns["name"] = [f"row {row}" for row in range(ROWS)]
    columns["note"] = [f"a note of several words, number {row}" for row in range(ROWS)]
    labels = {
        "size": rng.choice(["small", "large", "middle"], ROWS),
        "value": rng.normal(size=ROWS).round(3),
        "count": rng.poisson(3, ROWS),
    }
    return pd.DataFrame({**columns, **labels}).astype(object)


def cell(column: str, value: object) -> Change:
    """Return a change of one cell of a test row."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.copy()
        changed.loc[CHANGED, column] = value
        return changed

    return change


def whole(column: str, value: object) -> Change:
    """Return a change of a column in all test rows."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.copy()
        changed.loc[TRAINED + VALIDATED :, column] = value
        return changed

    return change


def rows(pick: Callable[[np.ndarray[Any, Any]], Any]) -> Change:
    """Return a change of which test rows there are, and in which order."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        others, test = frame[: TRAINED + VALIDATED], frame.iloc[pick(np.arange(TRAINED + VALIDATED, ROWS))]
        return pd.concat([others, test.assign(part="test")], ignore_index=True)

    return change


CHANGES: dict[str, Change] = {
    "another number": cell("x", 0.123),
    "an extreme number": cell("x", 1e300),
    "a gap among numbers": cell("x", None),
    "only gaps among numbers": whole("x", None),
    "a new category": cell("town", "Paris"),
    "only new categories": whole("town", "Paris"),
    "a category that is a formula": cell("town", "=1+1"),
    "a very long category": cell("town", "x" * 5000),
    "a gap among categories": cell("town", None),
    "other words": cell("note", "nothing of this was ever seen"),
    "a gap among texts": cell("note", None),
    "a later day": cell("at", "2031-05-05"),
    "a time of day": cell("at", "2024-12-05T17:30"),
    "a gap among dates": cell("at", None),
    "a code beyond 2^53": cell("code", 2**60 + 1),
    "a code with decimals": cell("code", 2.5),
    "a gap among answers": cell("member", None),
    "another name": cell("name", "a new one"),
    "an owner of training rows": cell("owner", 0),
    "an extreme exposure": cell("exposure", 1e9),
    "another class": cell("size", "small"),
    "a gap among classes": cell("size", None),
    "an extreme label": cell("value", 1e200),
    "a gap among labels": cell("value", None),
    "whole labels": whole("value", 3),
    "large counts": whole("count", 10_000),
    "another order": rows(lambda own: own[::-1]),
    "rows that stand twice": rows(lambda own: [*own, *own]),
    "copies of training rows": rows(lambda own: [*own, 0, 1, 2]),
    "fewer rows": rows(lambda own: own[: TESTED // 2]),
}
REFUSED: dict[str, Change] = {
    "a code with a zero in front": cell("code", "007"),
    "an owner in words": cell("owner", "somebody"),
    "a word among numbers": cell("x", "plenty"),
    "an infinite number": cell("x", "inf"),
    "a third answer": cell("member", "perhaps"),
    "a word among dates": cell("at", "soon"),
    "an unknown class": cell("size", "gigantic"),
    "a label in words": cell("value", "a lot"),
    "a count with decimals": cell("count", 2.5),
    "no labels": whole("value", None),
}
"""Changes that may be refused in one line instead."""

FEW: dict[str, Any] = {"epochs": 1, "batch_size": 32, "threads": 1, "preset": "quick"}
TABLE: dict[str, Any] = {"id_column": "name", "row_weights": "exposure", "drop": ["owner"], "text": ["note"]}
KINDS = {"size": None, "value": "regression", "count": "count"}
STUDIED: dict[str, Any] = {"arms": ["single", "equal"], "seeds": 2, "workers": 1, "race": False, "trials": 1, **FEW}
CLI = ["--epochs", "1", "--batch-size", "32", "--threads", "1", "--preset", "quick", "-q", "--id-column", "name", "--text", "note"]
CLI += ["--row-weights", "exposure", "--drop", "owner", "--kind", "value=regression", "--kind", "count=count", "--targets", *KINDS]
CLI_STUDY = ["--arms", "single,equal", "--seeds", "2", "--workers", "1"]


def in_file(frame: pd.DataFrame, folder: Path) -> str:
    frame.to_csv(folder / "shop.csv", index=False)
    return str(folder / "shop.csv")


def in_files(frame: pd.DataFrame, folder: Path) -> str:
    """Write the test rows to a file of their own, in the folder that the other rows stay in."""
    test = frame["part"] == "test"
    frame[test].drop(columns="part").to_csv(folder / "held_out.csv", index=False)
    return in_file(frame[~test].drop(columns="part"), folder)


def by_command(command: str, more: list[str], call: Callable[..., int], frame: pd.DataFrame, folder: Path) -> None:
    code = call(command, in_file(frame, folder), *CLI, *more, "--split", "part", "--out", folder / "run")
    assert code in (0, 2)


def by_command_with_test_file(command: str, more: list[str], call: Callable[..., int], frame: pd.DataFrame, folder: Path) -> None:
    code = call(command, in_files(frame, folder), *CLI, *more, "--test-file", folder / "held_out.csv", "--out", folder / "run")
    assert code in (0, 2)


def by_call(function: Callable[..., Any], options: dict[str, Any], frame: pd.DataFrame, folder: Path) -> None:
    function(frame.infer_objects(), targets=KINDS, split="part", out=folder / "run", **TABLE, **options)


def by_time(frame: pd.DataFrame, folder: Path) -> None:
    late = frame.drop(columns="part").assign(at=frame["at"].where(frame.index != CHANGED, "2024-12-31"))
    options = {**TABLE, "time": "at", "test_fraction": TESTED / ROWS, **STUDIED, "keep": True}
    pt.study(in_file(late, folder), targets=KINDS, out=folder / "run", **options)


def by_estimator(frame: pd.DataFrame, folder: Path) -> None:
    """Train on the other rows, then predict and evaluate the test rows, as a user of scikit-learn does."""
    test, targets = (frame["part"] == "test").to_numpy(), list(KINDS)
    inputs, labels = frame.drop(columns=[*targets, "part", "name", "owner"]).infer_objects(), frame[targets].infer_objects()
    estimator = MultiTaskEstimator(KINDS, preset="quick", epochs=1, text_features=["note"], random_state=0)
    estimator.fit(inputs[~test], labels[~test])
    before = network_bytes(estimator)
    try:
        estimator.predict(inputs[test])
        estimator.score(inputs[test], labels[test])
    except pt.DataError:
        pass
    assert network_bytes(estimator) == before
    (folder / "run" / "model").mkdir(parents=True)
    (folder / "run" / "model" / "network.txt").write_text(before)


def network_bytes(estimator: MultiTaskEstimator) -> str:
    """Return a digest of all numbers that an estimator has learned."""
    digest = hashlib.sha256(repr(estimator.tasks_).encode())
    for tensor in estimator.network_.model.state_dict().values():
        digest.update(np.asarray(tensor).tobytes())
    digest.update(repr(estimator.network_.normalizations).encode())
    return digest.hexdigest()


def doors(call: Callable[..., int]) -> dict[str, Train]:
    """Return every way into training for tables."""
    return {
        "train": partial(by_command, "train", [], call),
        "study": partial(by_command, "study", CLI_STUDY, call),
        "relate": partial(by_command, "relate", ["--seeds", "2", "--workers", "1"], call),
        "curve": partial(by_command, "curve", ["--shares", "1/2,1", "--seeds", "2", "--workers", "1"], call),
        "study with a file of test rows": partial(by_command_with_test_file, "study", CLI_STUDY, call),
        "relate with a file of test rows": partial(by_command_with_test_file, "relate", ["--seeds", "2", "--workers", "1"], call),
        "a data frame to train": partial(by_call, pt.train, FEW),
        "a data frame to study": partial(by_call, pt.study, {**STUDIED, "keep": True}),
        "rows divided by time": by_time,
        "arms of trees and linear models": partial(by_call, pt.study, {**STUDIED, "arms": ["single", "equal", "linear", "linear@shared"]}),
        "estimator": by_estimator,
    }


NAMES = list(doors(lambda *_: 0))


def learned(folder: Path) -> dict[str, str]:
    """Return a digest of every file that training wrote, without what was measured, such as seconds."""
    found, studied = {}, any((folder / "run").rglob("test-openings.json"))
    for file in sorted(path for path in (folder / "run").rglob("*") if path.is_file()):
        name = str(file.relative_to(folder / "run"))
        inside = "checkpoints" in file.parts if studied else "model" in file.parts
        if file.name in ("manifest.json", "status.json", "progress.json", "measured.json", "test-openings.json", "unfinished") or (
            file.parent.name.startswith("look-") or not (inside or file.name == "relations.csv")
        ):
            continue
        found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def trained(door: Train, frame: pd.DataFrame, folder: Path) -> dict[str, str]:
    """Return what is learned from a table through a door; a table may be refused in one line."""
    folder.mkdir()
    try:
        door(frame, folder)
    except pt.PolytaskError as error:
        assert len(str(error).splitlines()) == 1
    return learned(folder)


@pytest.fixture(scope="module")
def unchanged() -> dict[str, dict[str, str]]:
    """What is learned from the table as it is, by the name of the door."""
    return {}


@pytest.fixture
def of_door(
    call: Callable[..., int], unchanged: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, Change], tuple[dict[str, str], dict[str, str]]]:
    """A function that returns what is learned through a door, from the table and from a changed one; networks are kept."""
    monkeypatch.setattr(RunFolder, "delete_checkpoints", lambda self: None)

    def learn(door: str, change: Change) -> tuple[dict[str, str], dict[str, str]]:
        train = doors(call)[door]
        if door not in unchanged:
            unchanged[door] = trained(train, table(), tmp_path / "unchanged")
            assert unchanged[door]
        return unchanged[door], trained(train, change(table()), tmp_path / "changed")

    return learn


Learn = Callable[[str, Change], tuple[dict[str, str], dict[str, str]]]


@pytest.mark.filterwarnings("ignore:categories not seen in training", "ignore:overflow encountered", "ignore:invalid value encountered")
@pytest.mark.sampled(48, sweep=24)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("door", NAMES)
def test_a_change_of_test_rows_changes_no_byte_that_is_learned(door: str, change: str, of_door: Learn) -> None:
    before, after = of_door(door, CHANGES[change])
    assert after == before


@pytest.mark.filterwarnings("ignore:categories not seen in training", "ignore:overflow encountered", "ignore:invalid value encountered")
@pytest.mark.sampled(48, sweep=24)
@pytest.mark.parametrize("change", REFUSED)
@pytest.mark.parametrize("door", NAMES)
def test_a_test_row_that_fits_no_target_or_column_is_one_line(door: str, change: str, of_door: Learn) -> None:
    before, after = of_door(door, REFUSED[change])
    assert after in ({}, before)


def loaded(frame: pd.DataFrame, ending: str, folder: Path) -> LoadedTables:
    path, typed = folder / f"shop{ending}", frame.infer_objects()
    write = {".csv": partial(typed.to_csv, index=False), ".parquet": typed.to_parquet, ".feather": typed.to_feather}
    write.get(ending, partial(typed.to_json, orient="records", lines=True))(path)
    options: dict[str, Any] = {**TABLE, "drop": ("owner",), "text": ("note",), "split": "part"}
    return load_tables({"shop": TableOptions(str(path), KINDS, **options)})


@pytest.mark.parametrize("change", [*CHANGES, *REFUSED])
@pytest.mark.parametrize("ending", [".csv", ".parquet", ".feather", ".jsonl"])
def test_files_of_every_form_are_read_the_same(ending: str, change: str, tmp_path: Path) -> None:
    try:
        changed = loaded({**CHANGES, **REFUSED}[change](table()), ending, tmp_path)
    except pa.ArrowException:
        return  # cells of several types cannot be stored in such a file
    except pt.PolytaskError as error:
        assert change in REFUSED and len(str(error).splitlines()) == 1
        return
    plain = loaded(table(), ending, tmp_path)
    (old,), (new,) = plain.sources, changed.sources
    assert plain.tasks == changed.tasks and old.preprocessor == new.preprocessor
    assert np.array_equal(old.inputs, new.inputs, equal_nan=True)
    assert all(np.array_equal(own, new.labels[name]) for name, own in old.labels.items())
