from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from polytask.errors import DataError, PolytaskError, StorageError
from polytask.report import write_report
from polytask.report.contents.curves_and_confusion import MetricRow
from polytask.report.contents.run_contents import STUDY_FILES, read_contents

pytestmark = pytest.mark.usefixtures("same_charts_are_drawn_once")


def test_the_folder_is_read_as_it_was_written(make_run: Any) -> None:
    contents = read_contents(make_run())
    assert contents.outcome.tasks["digit"].arms["equal"].difference == 0.0041
    assert contents.costs.arms["equal"].parameters == 121_930
    assert MetricRow("digit", "test", "accuracy", "single", 0.91, 0.01) == next(
        MetricRow(row.task, row.split, row.metric, row.arm, round(row.mean, 12), round(row.sd or 0, 12))
        for row in contents.metrics
        if row.split == "test"
    )
    assert ("arms", "equal, uncertainty") in contents.configuration
    assert {("freeze", "–"), ("max_grad_norm", "–"), ("quiet", "yes")} <= set(contents.configuration)
    assert ("cores", "2") in contents.environment


def test_curves_are_means_over_the_seeds_still_training(make_run: Any) -> None:
    contents = read_contents(make_run())
    assert [(c.task, c.split, c.name) for c in contents.curves[:2]] == [("digit", "training", "loss"), ("digit", "validation", "accuracy")]
    means = [mean for mean in contents.curves[0].means if mean.arm == "single"]
    # Seeds 0, 1, 2 have loss 2 / epoch + seed and stop after 3, 4 and 5 epochs.
    assert [(m.epoch, m.seeds, m.complete) for m in means] == [(1, 3, True), (2, 3, True), (3, 3, True), (4, 2, False), (5, 1, False)]
    np.testing.assert_allclose([m.value for m in means], [2 + 1, 1 + 1, 2 / 3 + 1, 2 / 4 + 1.5, 2 / 5 + 2])


def test_values_that_are_no_numbers_are_left_out_of_curves(make_run: Any) -> None:
    folder = make_run()
    history = pd.read_csv(folder / "history.csv")
    history.loc[0, "value"] = np.nan
    history.to_csv(folder / "history.csv", index=False)
    assert next(mean for mean in read_contents(folder).curves[0].means if mean.arm == "single").seeds == 2


def test_confusion_matrices_are_those_of_scikit_learn(make_run: Any) -> None:
    folder = make_run()
    predictions = pd.read_parquet(folder / "predictions.parquet")
    for confusion in read_contents(folder).confusions:
        rows = predictions[(predictions["task"] == confusion.task) & (predictions["arm"] == confusion.arm)]
        np.testing.assert_array_equal(confusion.counts, confusion_matrix(rows["target"], rows["prediction"], labels=list(confusion.labels)))


def test_only_test_rows_of_classification_tasks_are_confused(make_run: Any) -> None:
    folder = make_run()
    predictions = pd.read_parquet(folder / "predictions.parquet")
    before = read_contents(folder).confusions
    assert {confusion.task for confusion in before} == {"digit", "garment"}
    pd.concat([predictions, predictions.assign(split="validation")]).to_parquet(folder / "predictions.parquet")
    assert read_contents(folder).confusions == before


def test_classes_stand_in_numerical_order(make_run: Any, run_kind: Any) -> None:
    assert read_contents(make_run(run_kind(labels=("10", "9", "-1")))).confusions[0].labels == ("-1", "9", "10")
    assert read_contents(make_run(run_kind(labels=("b", "10", "a")), "other")).confusions[0].labels == ("10", "a", "b")


@pytest.mark.parametrize("name", ["NA", "null", "nan", "None", "007", "1.0"])
def test_names_that_look_like_something_else_stay_names(make_run: Any, run_kind: Any, name: str) -> None:
    contents = read_contents(make_run(run_kind(tasks=(name,), arms=(name,))))
    assert (contents.curves[0].task, contents.curves[0].means[0].arm) == (name, name)
    assert {row.arm for row in contents.metrics} == {"single", name}


def test_files_are_listed_whether_or_not_the_page_is_there(make_run: Any, run_kind: Any) -> None:
    folder = make_run(run_kind(files=("notes.txt", ".hidden")))
    before = read_contents(folder).files
    (folder / "report.html").write_text("")
    assert read_contents(folder).files == before
    assert {"report.html", "notes.txt", "verdict.json"} <= {name for name, _ in before}
    assert ".hidden" not in {name for name, _ in before}


@pytest.mark.parametrize("name", STUDY_FILES)
def test_a_missing_file_is_one_line(make_run: Any, name: str) -> None:
    folder = make_run()
    (folder / name).unlink()
    with pytest.raises(StorageError, match="this file is missing") as caught:
        write_report(folder)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (folder / "report.html").exists()


@pytest.mark.sampled(4, drawn=True)
@pytest.mark.parametrize(
    "garbage", [b"", b"\xff\xfe\x00garbage\n\x00", b"[1, 2", b'{"a"\n', b"PAR1 nonsense PAR1", b"a,b\n1,2\n", b"[]", b"- &a x\n- *a\n"]
)
@pytest.mark.parametrize("name", STUDY_FILES)
def test_a_broken_file_is_one_line(make_run: Any, name: str, garbage: bytes) -> None:
    folder: Path = make_run()
    (folder / name).write_bytes(garbage)
    with pytest.raises(PolytaskError) as caught:
        read_contents(folder)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_parquet_file_is_one_line(make_run: Any) -> None:
    folder: Path = make_run()
    content = (folder / "predictions.parquet").read_bytes()
    for kept in (4, len(content) // 2, len(content) - 1):
        (folder / "predictions.parquet").write_bytes(content[:kept])
        with pytest.raises(PolytaskError):
            read_contents(folder)


def test_text_where_a_number_should_be_is_a_data_error(make_run: Any) -> None:
    folder: Path = make_run()
    for name in ("history.csv", "results.csv"):
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join([*lines[:-1], lines[-1].rsplit(",", 1)[0] + ",many"]) + "\n")
        with pytest.raises(DataError, match="not a table with the columns"):
            read_contents(folder)


def test_an_empty_verdict_still_makes_a_page(make_run: Any) -> None:
    folder: Path = make_run()
    for name in ("verdict.json", "cost.json", "environment.json"):
        (folder / name).write_text(json.dumps({}))
    assert "No recommendation was made." in write_report(folder).read_text(encoding="utf-8")


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "where", [(), ("tasks", "digit"), ("tasks", "digit", "single"), ("tasks", "digit", "arms", "equal"), ("recommendation",)]
)
def test_every_optional_key_may_be_missing(make_run: Any, where: tuple[str, ...]) -> None:
    folder: Path = make_run()
    whole = (folder / "verdict.json").read_text()
    place = json.loads(whole)
    for step in where:
        place = place[step]
    for key in place:
        content = part = json.loads(whole)
        for step in where:
            part = part[step]
        del part[key]
        (folder / "verdict.json").write_text(json.dumps(content))
        assert read_contents(folder).outcome is not None


def gradients_in(folder: Path) -> Path:
    """The folder, with weights, lengths and cosines in its history."""
    history = pd.read_csv(folder / "history.csv")
    losses = history[(history["name"] == "loss") & (history["split"] == "training")]
    numbers = {
        "weight": lambda epoch: 1 / epoch,
        "gradient norm": lambda epoch: 3.0 * epoch,
        "conflict rate": lambda epoch: 0.5 + 0 * epoch,
    }
    told = [losses.assign(name=name, value=value(losses["epoch"])) for name, value in numbers.items()]
    told.append(losses[losses["task"] == "digit"].assign(name="cosine with garment", value=-0.25))
    pd.concat([history, *told]).to_csv(folder / "history.csv", index=False)
    return folder


def test_what_gradients_say_is_read_from_the_history(make_run: Any) -> None:
    folder = make_run()
    assert not read_contents(folder).gradients
    found = read_contents(gradients_in(folder)).gradients
    assert {(curve.task, curve.name) for curve in found if curve.task == "digit"} == {
        ("digit", "weight"),
        ("digit", "gradient norm"),
        ("digit", "conflict rate"),
        ("digit", "cosine with garment"),
    }
    cosine = next(curve for curve in found if curve.name == "cosine with garment")
    assert {mean.value for mean in cosine.means} == {-0.25}


def test_the_page_has_a_section_for_them(make_run: Any) -> None:
    folder = make_run()
    assert "Weights and gradients" not in write_report(folder).read_text(encoding="utf-8")
    page = write_report(gradients_in(folder)).read_text(encoding="utf-8")
    assert "Weights and gradients" in page
    assert "cosine with garment" in page
