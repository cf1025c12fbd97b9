"""A whole study on a small table: its files, its repeats, its interruptions, and its load_test to the test data."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import polytask.studies.run_study as study_module
from polytask.data import Source
from polytask.errors import ConfigError, StorageError
from polytask.options import StudyConfig, TrainingOptions, checked
from polytask.seeds import derive_seed
from polytask.storage import read_yaml
from polytask.studies import Study, StudyResult
from polytask.studies.execution.job_training import Job
from polytask.studies.results.conclude_study import has_unclear_claim
from polytask.studies.results.open_test_data import FinishedJobs
from polytask.studies.results.result_tables import TRIVIAL
from polytask.tasks import Task
from polytask.verdicts.compute_verdict import verdict
from polytask.verdicts.estimates.empty_same import without_empty_same

REPEATED = ("predictions.parquet", "results.csv", "history.csv", "verdict.json", "run.yaml")


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that a repeat must reproduce, all files of the model among them."""
    files = [folder / name for name in REPEATED] + sorted(path for path in (folder / "model").rglob("*") if path.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_the_run_folder_holds_what_the_design_promises(whole: StudyResult) -> None:
    found = {path.name for path in whole.folder.iterdir()}
    files = {"run.yaml", "environment.json", "predictions.parquet", "results.csv", "verdict.json", "cost.json", "history.csv", "log.txt"}
    assert found - {"checkpoints"} == files | {"model"}
    assert ("checkpoints" in found) == has_unclear_claim(whole.verdict)  # what a continued study needs
    assert set(whole.verdict.tasks) == {"price", "churn", "plan"}
    content = json.loads((whole.folder / "verdict.json").read_text())
    assert content["test_openings"] == 1
    assert content["recommendation"]["arm"] in ("single", content["chosen"])
    predictions = pd.read_parquet(whole.folder / "predictions.parquet")
    assert list(predictions.columns) == ["arm", "seed", "task", "unit", "split", "target", "prediction", "probability"]
    assert set(predictions["arm"]) == {"single", "equal", "uncertainty", "weights=1/2/0.5"}


def test_the_verdict_follows_from_the_stored_predictions_alone(whole: StudyResult) -> None:
    predictions = pd.read_parquet(whole.folder / "predictions.parquet")
    again = verdict(predictions, chosen=whole.summary["chosen"], kinds={"price": "regression", "churn": "binary", "plan": "multiclass"})
    empty = {(one["arm"], task) for one in whole.summary["findings"] if one["kind"] == "trivial" for task in one["tasks"]}
    assert without_empty_same(again, empty).to_dict()["tasks"] == whole.summary["tasks"]


def test_results_agree_with_predictions(whole: StudyResult) -> None:
    predictions = pd.read_parquet(whole.folder / "predictions.parquet")
    results = pd.read_csv(whole.folder / "results.csv")
    results = results[results["arm"] != TRIVIAL]
    plan = predictions[predictions["task"] == "plan"]
    hits = (plan["target"] == plan["prediction"]).groupby([plan["arm"], plan["seed"]]).mean()
    stored = results[(results["task"] == "plan") & (results["metric"] == "accuracy") & (results["split"] == "test")]
    assert stored.set_index(["arm", "seed"])["value"].sort_index().tolist() == pytest.approx(hits.sort_index().tolist(), abs=1e-12)


@pytest.mark.slow
def test_two_runs_give_the_same_bytes(make: Callable[..., Study], whole: StudyResult, tmp_path: Path) -> None:
    make().run(tmp_path / "second")
    assert digests(whole.folder) == digests(tmp_path / "second")


def test_the_configuration_fed_back_gives_the_same_bytes(make: Callable[..., Study], whole: StudyResult, tmp_path: Path) -> None:
    fed_back = checked(StudyConfig, read_yaml(whole.folder / "run.yaml"), where="run.yaml")
    make(config=fed_back).run(tmp_path / "third")
    assert digests(whole.folder) == digests(tmp_path / "third")


@pytest.mark.slow
def test_workers_change_nothing(make: Callable[..., Study], whole: StudyResult, tmp_path: Path) -> None:
    make(workers=2).run(tmp_path / "two")
    one, two = digests(whole.folder), digests(tmp_path / "two")
    assert {name for name in one if one[name] != two[name]} == {"run.yaml"}


@pytest.mark.slow
def test_a_study_that_was_killed_goes_on_and_ends_with_the_same_bytes(
    make: Callable[..., Study], whole: StudyResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polytask.studies.execution import job_training

    save, trained = job_training.save_network, []

    def killed_at_the_fourth(folder: Path, *rest: Any) -> None:
        if len(trained) == 3:
            raise KeyboardInterrupt
        save(folder, *rest)
        trained.append(folder)

    monkeypatch.setattr(job_training, "save_network", killed_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        make().run(tmp_path / "broken")
    assert not (tmp_path / "broken" / "predictions.parquet").exists()

    def counted(folder: Path, *rest: Any) -> None:
        trained.append(folder)
        save(folder, *rest)

    monkeypatch.setattr(job_training, "save_network", counted)
    make().run(tmp_path / "broken")
    assert len(trained) == len(set(trained)), "a finished network was trained again"
    assert digests(whole.folder) == digests(tmp_path / "broken")


@pytest.mark.slow
def test_a_study_that_was_killed_after_the_opening_does_not_open_again(
    make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("polytask.studies.results.conclude_study.export_model", killed)
        with pytest.raises(KeyboardInterrupt):
            make().run(tmp_path / "run")
    assert make().run(tmp_path / "run").verdict.openings == 1


@pytest.mark.slow
def test_openings_without_a_result_are_counted(make: Callable[..., Study], tmp_path: Path, table: Callable[..., Source]) -> None:
    study = make()
    load_test = study._rows.load_test

    def killed() -> tuple[Source, ...]:
        load_test()
        raise KeyboardInterrupt

    study._rows = replace(study._rows, load_test=killed)
    with pytest.raises(KeyboardInterrupt):
        study.run(tmp_path / "run")
    result = make().run(tmp_path / "run")
    assert result.verdict.openings == 2
    assert any("opened 2 times" in warning for warning in result.summary["warnings"])


def test_test_data_stay_closed_until_every_network_is_trained(make: Callable[..., Study], tmp_path: Path) -> None:
    study, opened = make(arms=["single", "equal"]), []
    load_test = study._rows.load_test

    def watched() -> tuple[Source, ...]:
        opened.append(len(list((tmp_path / "run" / "checkpoints").glob("*/network/manifest.json"))))
        return load_test()

    study._rows = replace(study._rows, load_test=watched)
    study.run(tmp_path / "run")
    networks = 2 * (3 + 1)
    assert opened == [networks]


def test_the_door_wants_proof(tmp_path: Path) -> None:
    from polytask.studies.spec.arms import parse_arm

    job = Job(parse_arm("equal", ["a"]), 0, ("a",), tmp_path / "nothing")
    with pytest.raises(StorageError, match="closed until every network is trained"):
        FinishedJobs((job,))


@pytest.mark.slow
def test_test_labels_change_nothing_that_is_trained_or_chosen(
    make: Callable[..., Study], whole: StudyResult, tmp_path: Path, table: Callable[..., Source]
) -> None:
    other = make()
    other._rows = replace(other._rows, load_test=lambda: (table(rows=80, seed=99),))
    other.run(tmp_path / "second")
    folders = (whole.folder, tmp_path / "second")
    validation = [pd.read_csv(folder / "results.csv").query("split == 'validation'") for folder in folders]
    assert validation[0].equals(validation[1])
    histories = [(folder / "history.csv").read_bytes() for folder in folders]
    assert histories[0] == histories[1]


@pytest.mark.slow
def test_every_arm_gets_the_same_offered_rows(make: Callable[..., Study], tmp_path: Path) -> None:
    result = make(training={"epochs": 2, "patience": None, "threads": 1}).run(tmp_path / "run")
    rows = {arm: cost.rows / cost.networks for arm, cost in result.costs.items()}
    assert len(set(rows.values())) == 1


def test_seeds_pair_the_arms(make: Callable[..., Study], tmp_path: Path) -> None:
    """Single-task training of one task is the joint arm of that task alone: same split, start and order."""
    from polytask.studies.execution.job_training import load_job_network, make_jobs, train_job
    from polytask.studies.setup.resolve_config import make_job_context, resolve_config
    from polytask.studies.spec.arms import parse_arm

    study = make()
    config = resolve_config(study.config, study.sources, study.tasks, networks=2)
    jobs = [job for job in make_jobs([parse_arm("single", study.names)], [0], tmp_path / "a") if job.tasks == ("price",)]
    jobs += make_jobs([parse_arm("equal", ["price"])], [0], tmp_path / "b")
    for job in jobs:
        train_job(job, make_job_context(config, study.sources, study.tasks))
    first, second = (load_job_network(job).model.state_dict() for job in jobs)
    assert all(bool((first[name] == second[name]).all()) for name in first)


@pytest.mark.slow
def test_a_full_disk_loses_nothing(make: Callable[..., Study], whole: StudyResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    tested = study_module.open_test_data

    def then_the_disk_is_full(*rest: Any) -> Any:
        result = tested(*rest)
        monkeypatch.setattr("polytask.storage.atomic_write.os.fsync", full)
        return result

    with monkeypatch.context() as context:
        context.setattr(study_module, "open_test_data", then_the_disk_is_full)
        with pytest.raises(StorageError, match="the disk is full"):
            make().run(tmp_path / "run")
    monkeypatch.undo()
    make().run(tmp_path / "run")
    undisturbed, resumed = digests(whole.folder), digests(tmp_path / "run")
    same = undisturbed.keys() - {"verdict.json"}  # which counts the second opening of the test data
    assert all(undisturbed[name] == resumed[name] for name in same)


@pytest.mark.parametrize(
    ("fill", "text"),
    [
        (lambda folder: (folder / "letter.txt").write_text("mine"), "holds something else"),
        (lambda folder: (folder / "run.yaml").write_text("a: [1"), "must be plain YAML"),
        (lambda folder: (folder / "run.yaml").write_text("seeds: [0, 1]\nlearning: 3"), "unknown option"),
    ],
)
def test_a_used_folder_is_refused(make: Callable[..., Study], tmp_path: Path, fill: Callable[[Path], object], text: str) -> None:
    (tmp_path / "run").mkdir()
    fill(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises((StorageError, ConfigError), match=text):
        make().run(tmp_path / "run")
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}


def test_a_finished_folder_and_another_study_are_refused(
    make: Callable[..., Study], whole: StudyResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StorageError, match="finished run"):
        make().run(whole.folder)
    monkeypatch.setattr(study_module, "train_jobs", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        make().run(tmp_path / "begun")
    with pytest.raises(StorageError, match=r"training\.epochs"):
        make(training={"epochs": 3, "threads": 1, "checkpoint_seconds": 0}).run(tmp_path / "begun")


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"arms": ["single", "uncertanty"]}, "Did you mean 'uncertainty'"),
        ({"arms": ["equal", "uncertainty"]}, "Add 'single'"),
        ({"arms": ["single"]}, "Add an arm"),
        ({"arms": ["single", "equal", "equal"]}, "must be listed only once"),
        ({"arms": ["single", "weights=1/2"]}, "one weight per task"),
        ({"arms": ["single", "equal@mmo"]}, "Did you mean 'mmoe'"),
        ({"arms": ["single", "equal@mmoe(experts=0)"]}, "`experts` must be at least 1"),
        ({"arms": ["single", "rotograd"]}, "Choose the architecture 'rotated'"),
        ({"arms": ["single", "weights=1/x/2"]}, "numbers separated by slashes"),
        ({"seeds": 1}, "at least 2 different seeds"),
        ({"seeds": [3, 3]}, "at least 2 different seeds"),
        ({"margins": {"prise": 0.1}}, "does not exist"),
        ({"margins": {"price": -0.1}}, "above 0"),
        ({"encoder": "convolution"}, "Did you mean 'conv'"),
        ({"encoder": "conv"}, "images of at least 10x10"),
        ({"architecture": "soft"}, "unknown architecture"),
        ({"initialization": "zeros"}, "initialization"),
        ({"training": {"optimizer": "Adm"}}, "Did you mean 'Adam'"),
        ({"training": {"epochs": 0}}, "training.epochs"),
        ({"training": {"scheduler": "Cosine"}}, "unknown scheduler"),
        ({"training": {"batch_size": 0}}, "training.batch_size"),
        ({"training": {"freeze": ["heads.x"]}}, "no parameter has that name"),
        ({"color": "red"}, "unknown option"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(make: Callable[..., Study], tmp_path: Path, choices: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        make(**choices).run(tmp_path / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("beside", [{"arms": ["single", "equal"]}, {"seeds": 3}, {"workers": 2}, {"seeds": 3, "training": {"lr": 0.1}}])
def test_choices_beside_a_configuration_are_refused(make: Callable[..., Study], beside: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"in addition to `config` \(found {', '.join(beside)}\)") as caught:
        make(config=StudyConfig(), **beside)
    assert "\n" not in str(caught.value)


ENDING = TrainingOptions(non_finite="end")
"""Networks of a study that diverge end with an earlier epoch."""


def test_defaults_are_those_of_the_configuration(table: Callable[..., Source], three_tasks: tuple[Task, ...]) -> None:
    assert Study([table()], three_tasks, test=lambda: (table(),)).config == StudyConfig(training=ENDING)
    assert Study([table()], three_tasks, test=lambda: (table(),), seeds=3).config == StudyConfig(seeds=(0, 1, 2), training=ENDING)


def test_a_study_without_test_rows_is_refused(table: Callable[..., Source], three_tasks: tuple[Task, ...]) -> None:
    with pytest.raises(ConfigError, match="needs test rows"):
        Study([table()], three_tasks)


def test_every_network_gets_one_balancer_seeded_once(make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from polytask.balancing import Uncertainty
    from polytask.studies.execution.job_training import make_jobs, train_job
    from polytask.studies.setup.resolve_config import make_job_context, resolve_config

    study = make(arms=["single", "uncertainty"], training={"epochs": 1, "threads": 1})
    config = resolve_config(study.config, study.sources, study.tasks, networks=2)
    (job,) = make_jobs(study.arms[1:], [3], tmp_path)
    seeds: list[int] = []
    monkeypatch.setattr(Uncertainty, "seed", lambda _, seed: seeds.append(seed))
    train_job(job, make_job_context(config, study.sources, study.tasks))
    assert seeds == [derive_seed(3, "balancer")]


def test_networks_start_as_the_configuration_says(make: Callable[..., Study], tmp_path: Path) -> None:
    """Under He's initialization biases are 0; steps of 1e-9 leave them there."""
    from polytask.studies.execution.job_training import load_job_network, make_jobs, train_job
    from polytask.studies.setup.resolve_config import make_job_context, resolve_config

    for how in ("he", "framework"):
        study = make(initialization=how, training={"epochs": 1, "lr": 1e-9, "threads": 1})
        config = resolve_config(study.config, study.sources, study.tasks, networks=2)
        job = make_jobs(study.arms[1:2], [0], tmp_path / how)[0]
        train_job(job, make_job_context(config, study.sources, study.tasks))
        biases = [p.detach() for name, p in load_job_network(job).model.named_parameters() if name.endswith("bias")]
        assert all(float(bias.abs().max()) < 1e-6 for bias in biases) == (how == "he")


@pytest.mark.slow
def test_an_arm_may_have_a_way_of_sharing_of_its_own(make: Callable[..., Study], tmp_path: Path) -> None:
    study = make(arms=["single", "equal", "equal@mmoe(experts=3)", "rotograd@rotated"], training={"epochs": 1, "threads": 1}, seeds=2)
    result = study.run(tmp_path / "run")
    assert set(result.verdict.to_dict()["arms"]) == {"equal", "equal@mmoe(experts=3)", "rotograd@rotated"}
    costs = json.loads((tmp_path / "run" / "cost.json").read_text(encoding="utf-8"))["arms"]
    assert costs["equal@mmoe(experts=3)"]["parameters"] > costs["equal"]["parameters"]
    assert costs["rotograd@rotated"]["parameters"] == costs["equal"]["parameters"]
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    gates = history[(history["arm"] == "equal@mmoe(experts=3)") & (history["split"] == "sharing")]
    assert set(gates["name"]) == {"gate, expert 1", "gate, expert 2", "gate, expert 3"}
