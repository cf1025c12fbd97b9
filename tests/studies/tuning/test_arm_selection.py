"""Studies that tune and race: what is tried, what wins, and what is then trained with fresh seeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import polytask.studies.tuning.trial_runner as trying_module
from polytask.errors import ConfigError
from polytask.options import StudyConfig, checked
from polytask.storage import read_yaml
from polytask.studies import Study, StudyResult
from polytask.studies.execution.job_training import Job
from polytask.studies.tuning.arm_selection import race_seed

TRAINING = {"epochs": 4, "threads": 1, "batch_size": 16}
RACE = {"arms": ["single", "equal", "weights=tuned", "uncertainty"], "race": True, "trials": 3, "training": TRAINING}
REPEATED = ("predictions.parquet", "results.csv", "history.csv", "verdict.json", "run.yaml", "race.json")


@pytest.fixture(scope="module")
def whole(make: Callable[..., Study], tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """A race from beginning to end."""
    return make(**RACE).run(tmp_path_factory.mktemp("race") / "run")


def raced(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "race.json").read_text())
    return content


@pytest.mark.slow
def test_a_race_leaves_one_joint_arm_for_the_test(whole: StudyResult) -> None:
    winner = raced(whole.folder)["winner"]
    assert set(whole.predictions["arm"]) == {"single", winner}
    assert whole.summary["chosen"] == winner
    assert all(set(task["arms"]) == {winner} for task in whole.summary["tasks"].values())
    others = {"equal", "weights=tuned", "uncertainty"} - {winner}
    titles = whole.summary["titles"]
    assert all(titles[other] in " ".join(whole.summary["notes"]) for other in others)


@pytest.mark.slow
def test_every_arm_tries_as_often_and_begins_as_it_is(whole: StudyResult) -> None:
    tried = [one for one in raced(whole.folder)["tried"] if one["bracket"] != "final"]
    for arm in ("equal", "weights=tuned", "uncertainty"):
        own = [one for one in tried if one["arm"] == arm]
        assert [one["trial"] for one in own[:3]] == [1, 2, 3]
        assert own[0]["settings"] == {}
        assert all("lr" in one["settings"] for one in own[1:])
    for task in ("price", "churn", "plan"):
        own = [one for one in tried if one["arm"] == "single" and one["tasks"] == [[task]]]
        assert [one["trial"] for one in own] in ([1, 2, 3], [1, 2, 3, 4])
        rates = [one["settings"].get("lr", 1e-3) for one in own[:3]]
        best = max(own[:3], key=lambda one: (one["epochs"], one["score"]))["settings"].get("lr", 1e-3)
        assert (len(own) == 4) == (best in (min(rates), max(rates)))  # beyond the edge, one more
        assert all(one["settings"]["lr"] < min(rates) or one["settings"]["lr"] > max(rates) for one in own[3:])
    assert {name for one in tried if one["arm"] == "weights=tuned" for name in one["settings"]} == {
        "lr",
        "weight.price",
        "weight.churn",
        "weight.plan",
    }


@pytest.mark.slow
def test_seeds_of_the_test_are_fresh(whole: StudyResult) -> None:
    tried = {one["seed"] for one in raced(whole.folder)["tried"]}
    assert tried <= {race_seed(StudyConfig(seeds=2), 0), race_seed(StudyConfig(seeds=2), 1)}
    assert not tried & set(whole.verdict.seeds)


@pytest.mark.slow
def test_what_was_best_is_what_every_seed_is_trained_with(
    make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Job] = []
    train_jobs = __import__("polytask.studies.run_study", fromlist=["train_jobs"]).train_jobs

    def watched(jobs: tuple[Job, ...], *rest: Any) -> None:
        trained.extend(jobs)
        train_jobs(jobs, *rest)

    monkeypatch.setattr("polytask.studies.run_study.train_jobs", watched)
    make(**RACE).run(tmp_path / "run")
    chosen = {(one["arm"], tuple(one["tasks"])): one["settings"] for one in raced(tmp_path / "run")["chosen"]}
    tried = [one for one in raced(tmp_path / "run")["tried"] if one["bracket"] != "final"]
    assert trained
    for job in trained:
        assert job.settings == chosen[job.arm.name, job.tasks]
        if job.arm.name == "single":
            own = [one for one in tried if one["tasks"] == [list(job.tasks)]]
            furthest = [one for one in own if one["epochs"] == max(other["epochs"] for other in own)]
            assert job.settings == max(furthest, key=lambda one: one["score"])["settings"]


@pytest.mark.slow
def test_a_grid_is_tuned_arm_by_arm_and_tests_them_all(make: Callable[..., Study], tmp_path: Path) -> None:
    result = make(**RACE | {"race": False}).run(tmp_path / "run")
    assert set(result.predictions["arm"]) == set(RACE["arms"])
    content = raced(tmp_path / "run")
    assert content["winner"] is None
    assert {one["bracket"] for one in content["tried"]} == {
        "single: price", "single: churn", "single: plan", "equal: price + churn + plan",
        "weights=tuned: price + churn + plan", "uncertainty: price + churn + plan",
    }  # fmt: skip
    assert any("Tuned on validation data, 3 trials per arm" in note for note in result.summary["notes"])


@pytest.mark.slow
def test_without_a_choice_nothing_is_tried(make: Callable[..., Study], tmp_path: Path) -> None:
    result = make(arms=["single", "equal"], race=True).run(tmp_path / "run")
    assert not (tmp_path / "run" / "race.json").exists()
    assert result.summary["chosen"] == "equal"
    assert any("Nothing was tuned" in note for note in result.summary["notes"])


@pytest.mark.slow
def test_a_race_repeats_byte_by_byte_also_from_its_configuration(whole: StudyResult, make: Callable[..., Study], tmp_path: Path) -> None:
    fed_back = checked(StudyConfig, read_yaml(whole.folder / "run.yaml"), where="run.yaml")
    make(config=fed_back).run(tmp_path / "second")
    for name in REPEATED:
        assert (whole.folder / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("killed_in", [1, 2, 3])
def test_a_race_that_was_killed_goes_on_and_ends_with_the_same_bytes(
    whole: StudyResult, make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_in: int
) -> None:
    try_all, rounds = trying_module.train_jobs_until, [0]

    def killed(*values: Any) -> None:
        rounds[0] += 1
        if rounds[0] == killed_in:
            try_all(values[0][:2], values[1][:2], *values[2:])
            raise KeyboardInterrupt
        try_all(*values)

    with monkeypatch.context() as context:
        context.setattr(trying_module, "train_jobs_until", killed)
        with pytest.raises(KeyboardInterrupt):
            make(**RACE).run(tmp_path / "broken")
    make(**RACE).run(tmp_path / "broken")
    for name in REPEATED:
        assert (whole.folder / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name


@pytest.mark.slow
def test_workers_change_nothing_in_a_race(whole: StudyResult, make: Callable[..., Study], tmp_path: Path) -> None:
    make(**RACE, workers=2).run(tmp_path / "two")
    for name in REPEATED:
        same = (whole.folder / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
        assert same == (name != "run.yaml"), name


@pytest.mark.slow
def test_a_try_that_diverges_loses_and_ends_no_study(make: Callable[..., Study], tmp_path: Path) -> None:
    training = TRAINING | {"optimizer": "SGD", "lr": 0.4, "epochs": 3}
    make(arms=["single", "equal"], trials=4, race=False, training=training).run(tmp_path / "run")
    content = raced(tmp_path / "run")
    rates = [one["settings"].get("lr", 0.4) for one in content["tried"] if one["arm"] == "equal"]
    assert max(rates) > 1
    chosen = {one["arm"]: one["settings"].get("lr", 0.4) for one in content["chosen"]}
    diverged = [one["settings"]["lr"] for one in content["tried"] if one["arm"] == "equal" and one["score"] is None]
    assert diverged
    assert chosen["equal"] not in diverged


@pytest.mark.slow
def test_what_a_race_takes_is_part_of_the_cost(whole: StudyResult) -> None:
    costs = json.loads((whole.folder / "cost.json").read_text())
    tried = raced(whole.folder)["tried"]
    assert costs["race"]["networks"] == len(tried)
    assert costs["race"]["seconds"] > 0
    assert set(costs["views"]["equal_updates"]) == set(costs["arms"])


@pytest.mark.slow
def test_test_rows_do_not_touch_the_race(whole: StudyResult, make: Callable[..., Study], tmp_path: Path, table: Callable[..., Any]) -> None:
    other = make(**RACE)
    other._rows = replace(other._rows, load_test=lambda: (table(rows=80, seed=99),))
    other.run(tmp_path / "second")
    assert (whole.folder / "race.json").read_bytes() == (tmp_path / "second" / "race.json").read_bytes()


def test_tuned_weights_need_trials(make: Callable[..., Study]) -> None:
    with pytest.raises(ConfigError, match="several trials"):
        make(arms=["single", "weights=tuned"])


@pytest.mark.slow
def test_optuna_may_propose_what_is_tried(make: Callable[..., Study], tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    choices = RACE | {"arms": ["single", "equal"], "search": "optuna", "trials": 5, "race": False, "training": TRAINING | {"epochs": 2}}
    for name in ("first", "second"):
        make(**choices).run(tmp_path / name)
    content = raced(tmp_path / "first")
    beyond_the_edge = [1, 2, 3, 4, 5, 6]
    assert [one["trial"] for one in content["tried"] if one["arm"] == "equal"] in (beyond_the_edge[:5], beyond_the_edge)
    assert content == raced(tmp_path / "second")


@pytest.mark.slow
def test_looks_stop_when_nothing_is_unclear(make: Callable[..., Study], tmp_path: Path) -> None:
    choices = {"arms": ["single", "equal"], "seeds": 5, "looks": (2, 3, 5), "training": TRAINING | {"epochs": 2}}
    wide = make(**choices, margins=dict.fromkeys(("price", "churn", "plan"), 1e6)).run(tmp_path / "wide")
    assert wide.summary["test_openings"] == 1
    assert set(wide.predictions["seed"]) == {0, 1}
    assert wide.summary["level"] == pytest.approx(0.05 * 0.9 * 2 / 5)
    narrow = make(**choices, margins=dict.fromkeys(("price", "churn", "plan"), 1e-9)).run(tmp_path / "narrow")
    if any(task["arms"]["equal"]["verdict"] == "unclear" for task in narrow.summary["tasks"].values()):
        assert narrow.summary["test_openings"] == 3
        assert sorted(set(narrow.predictions["seed"])) == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_looks_see_what_one_look_would_see(make: Callable[..., Study], tmp_path: Path) -> None:
    """But for the level: the predictions of all looks together are those of all seeds at once, in the same order."""
    margins = dict.fromkeys(("price", "churn", "plan"), 1e-9)
    choices = {"arms": ["single", "equal"], "seeds": 4, "margins": margins, "training": TRAINING | {"epochs": 2}}
    make(**choices).run(tmp_path / "once")
    make(**choices, looks=(2, 4)).run(tmp_path / "twice")
    once, twice = (pd.read_parquet(tmp_path / name / "predictions.parquet") for name in ("once", "twice"))
    if len(twice) == len(once):
        assert once.equals(twice)
        assert (tmp_path / "once" / "history.csv").read_bytes() == (tmp_path / "twice" / "history.csv").read_bytes()


@pytest.mark.slow
def test_a_study_killed_between_looks_goes_on_without_opening_again(
    make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    margins = dict.fromkeys(("price", "churn", "plan"), 1e-12)
    choices = {"arms": ["single", "equal"], "seeds": 4, "looks": (2, 4), "margins": margins, "training": TRAINING | {"epochs": 2}}
    train_jobs, calls = __import__("polytask.studies.run_study", fromlist=["train_jobs"]).train_jobs, [0]

    def killed(*values: Any) -> None:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        train_jobs(*values)

    make(**choices).run(tmp_path / "whole")
    with monkeypatch.context() as context:
        context.setattr("polytask.studies.run_study.train_jobs", killed)
        with pytest.raises(KeyboardInterrupt):
            make(**choices).run(tmp_path / "broken")
    make(**choices).run(tmp_path / "broken")
    for name in ("predictions.parquet", "verdict.json", "results.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"looks": (2, 3)}, "the last look must use all 2 seeds"),
        ({"seeds": 5, "looks": (3, 2, 5)}, "increasing numbers of seeds"),
        ({"seeds": 5, "minutes": 1}, "minutes or seeds, not both"),
        ({"seeds": 5, "looks": (3, 5), "continued": (4,)}, "above those of looks"),
        ({"tolerate": "much"}, "number of margins or a percentage"),
        ({"seeds": 5, "looks": (1, 5)}, "from 2 up"),
        ({"protect": ["prize"]}, "protection for a task that does not exist"),
        ({"trials": 0}, "trials"),
        ({"race": "tournament"}, "race"),
        ({"tune": ["depth"]}, "tune"),
    ],
)
def test_plans_that_cannot_be_are_refused_in_one_line(make: Callable[..., Study], choices: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        make(**choices)
    assert "\n" not in str(caught.value)


GROUPED = {"arms": ["single", "equal", "grouped"], "race": True, "training": TRAINING}


@pytest.mark.parametrize("choices", [{"architecture": "esmm"}, {"arms": ["single", "equal", "grouped@esmm"]}])
def test_groups_that_an_architecture_may_not_fit_are_refused_before_the_first_job(
    make: Callable[..., Study], tmp_path: Path, choices: dict[str, Any]
) -> None:
    """ESMM is for binary tasks, and price and plan may become a group."""
    text = r"arm 'grouped.*', architecture 'esmm', if price and plan are a group: a task of this kind is needed: binary"
    with pytest.raises(ConfigError, match=text) as caught:
        make(**GROUPED | choices).run(tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file() and path.suffix in {".yaml", ".json", ".safetensors"}]


@pytest.mark.slow
def test_groups_are_made_before_the_race_and_kept(make: Callable[..., Study], tmp_path: Path) -> None:
    result = make(**GROUPED).run(tmp_path / "run")
    groups = raced(tmp_path / "run")["groups"]["grouped"]
    assert sorted(task for group in groups for task in group) == ["churn", "plan", "price"]
    assert any(note.startswith("groups of tasks, by the affinities of a joint run: ") for note in result.summary["notes"])
    arms = {one["arm"]: one["tasks"] for one in raced(tmp_path / "run")["tried"]}
    if 1 < len(groups) < 3:
        assert arms["grouped"] == groups
    costs = json.loads((tmp_path / "run" / "cost.json").read_text())
    assert costs["race"]["networks"] > len(raced(tmp_path / "run")["tried"])
    make(**GROUPED).run(tmp_path / "again")
    for name in REPEATED:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


@pytest.mark.slow
def test_groups_that_are_another_arm_are_left_out(make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytask.studies.run_study.measure_arm_groups", lambda *_: {"grouped": (("price",), ("churn",), ("plan",))})
    result = make(**GROUPED).run(tmp_path / "run")
    assert result.summary["chosen"] == "equal"
    assert any("left out, since another arm trains the same networks" in note for note in result.summary["notes"])
    with pytest.raises(ConfigError, match="the groups found are all tasks together or each task alone"):
        make(**GROUPED | {"arms": ["single", "grouped"]}).run(tmp_path / "other")


@pytest.mark.slow
def test_groups_that_win_are_tested_as_they_were_made(make: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytask.studies.run_study.measure_arm_groups", lambda *_: {"grouped": (("price", "plan"), ("churn",))})
    result = make(arms=["single", "grouped"], trials=2, race=True, training=TRAINING).run(tmp_path / "run")
    assert result.costs["grouped"].networks == 2
    chosen = {(one["arm"], tuple(one["tasks"])) for one in raced(tmp_path / "run")["chosen"]}
    assert {("grouped", ("price", "plan")), ("grouped", ("churn",))} <= chosen
    # A task that is alone in its group is trained as its single-task twin is, unless it was tuned to something else.
    assert result.summary["tasks"]["churn"]["arms"]["grouped"]["difference"] == pytest.approx(0, abs=0.2)
