"""What stands out in the networks of a study: each kind of finding where it is, and nowhere else; and the risk of one network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from polytask.run_files import TrialRecord
from polytask.studies import Study
from polytask.studies.execution.job_training import Job
from polytask.studies.results.result_tables import TRIVIAL
from polytask.studies.results.run_findings import (
    OUTLIER_LEVEL,
    prediction_interval,
    rate_findings,
    risk_sentences,
    run_findings,
    shipped_risk,
    stands_apart,
)
from polytask.studies.spec.arms import ResolvedArm, parse_arms
from polytask.tasks import Binary, Regression, Task

TASKS: tuple[Task, ...] = (Binary(name="a"), Regression(name="b"))
ARMS = parse_arms(["single", "equal"], ["a", "b"])
SEEDS = 6


def metrics(arm: str, task: str, values: Sequence[float], metric: str) -> pd.DataFrame:
    return pd.DataFrame({"arm": arm, "seed": range(len(values)), "task": task, "split": "test", "metric": metric, "value": values})


def results(
    accuracy: Sequence[float] = (0.80, 0.81, 0.79, 0.80, 0.82, 0.80), error: Sequence[float] = (2.0, 2.1, 1.9, 2.0, 2.2, 2.0)
) -> pd.DataFrame:
    own = [metrics(arm, "a", accuracy, "accuracy") for arm in ("single", "equal")]
    own += [metrics(arm, "b", error, "rmse") for arm in ("single", "equal")]
    return pd.concat([*own, metrics(TRIVIAL, "a", [0.5], "accuracy"), metrics(TRIVIAL, "b", [3.0], "rmse")], ignore_index=True)


def predictions(*, alike: bool = False) -> pd.DataFrame:
    rows = [
        (arm.name, seed, task.name, str(unit), str(unit + (0 if alike else seed)), float("nan"))
        for arm in ARMS
        for seed in range(SEEDS)
        for task in TASKS
        for unit in range(4)
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "task", "unit", "prediction", "probability"])


def networks(of: Callable[[ResolvedArm, int], Mapping[str, Any]] = lambda *_: {}) -> dict[str, list[tuple[Job, Mapping[str, Any]]]]:
    usual = {"used": {"epochs": 9, "best_epoch": 4}, "diverged": "", "undertrained": False}
    return {
        arm.name: [(Job(arm, seed, group, Path()), {**usual, **of(arm, seed)}) for seed in range(SEEDS) for group in arm.groups]
        for arm in ARMS
    }


def kinds(*given: Any) -> set[tuple[str, str, tuple[str, ...], tuple[int, ...]]]:
    return {(one.kind, one.arm, one.tasks, one.seeds) for one in run_findings(ARMS, TASKS, *given)}


def test_nothing_stands_out_where_nothing_does() -> None:
    assert not kinds(networks(), results(), predictions())


@pytest.mark.parametrize(("accuracy", "found"), [(0.83, True), (0.82, False), (0.805, False)])
def test_a_baseline_that_is_better_than_every_network_in_every_seed_is_named(accuracy: float, *, found: bool) -> None:
    arms = parse_arms(["single", "equal", "linear"], ["a", "b"])
    linear = [metrics("linear", "a", [accuracy] * SEEDS, "accuracy"), metrics("linear", "b", [2.05] * SEEDS, "rmse")]
    facts = networks() | {"linear": []}
    findings = run_findings(arms, TASKS, facts, pd.concat([results(), *linear], ignore_index=True), predictions())
    assert [(one.kind, one.arm, one.tasks) for one in findings] == [("baseline", "linear", ("a",))] * found
    assert all("83.0 %" in one.text for one in findings)


def test_a_seed_apart_is_named() -> None:
    assert kinds(networks(), results((0.80, 0.81, 0.79, 0.30, 0.82, 0.80)), predictions()) == {
        ("outlier", arm, ("a",), (3,)) for arm in ("single", "equal")
    }
    few = results((0.80, 0.81, 0.79, 0.30), (2.0, 2.1, 1.9, 2.0))
    assert not kinds(networks(), few, predictions())  # of four seeds, one cannot be told to be apart


@pytest.mark.parametrize("seeds", [5, 12])
def test_a_seed_of_normal_metrics_stands_apart_in_at_most_5_percent_of_studies(seeds: int) -> None:
    """Two arms and two tasks per study, up to three standard errors; a single value is at its share of the level."""
    random, studies, samples = np.random.default_rng(seeds), 1_000, 4
    drawn = random.normal(0.8, 0.02, (studies, samples, seeds))
    alarms = np.mean([any(stands_apart(values, OUTLIER_LEVEL / samples).any() for values in study) for study in drawn])
    assert 0.01 < alarms < 0.05 + 3 * (0.05 * 0.95 / studies) ** 0.5


def test_a_seed_stands_apart_by_its_externally_studentized_residual() -> None:
    """Each probability is that of a two-sample t test of one value against all others."""
    values = np.random.default_rng(0).normal(size=7)
    for index in range(7):
        p = float(stats.ttest_ind(values[[index]], np.delete(values, index)).pvalue)
        assert stands_apart(values, 7.01 * p)[index]
        assert not stands_apart(values, 6.99 * p)[index]


def test_an_arm_no_better_than_the_trivial_predictor_is_named() -> None:
    worse = (3.0, 3.3, 2.8, 3.1, 3.0, 3.2)
    assert kinds(networks(), results(error=worse), predictions()) == {("trivial", arm, ("b",), ()) for arm in ("single", "equal")}


def test_seeds_that_predict_the_same_are_named() -> None:
    found = kinds(networks(), results(), predictions(alike=True))
    assert found == {("identical", arm, (task,), ()) for arm in ("single", "equal") for task in ("a", "b")}


def test_what_training_says_is_named() -> None:
    def of(arm: ResolvedArm, seed: int) -> Mapping[str, Any]:
        return {"undertrained": arm.is_joint and seed > 1, "diverged": "loss" if arm.is_joint and seed == 2 else ""}

    assert kinds(networks(of), results(), predictions()) == {
        ("undertrained", "equal", ("a", "b"), (2, 3, 4, 5)),
        ("diverged", "equal", ("a", "b"), (2,)),
    }
    half = networks(lambda arm, seed: {"undertrained": arm.is_joint and seed > 2})
    assert not kinds(half, results(), predictions())


@pytest.mark.parametrize(("best", "edge"), [(0.001, ""), (0.01, "highest"), (0.0001, "lowest")])
def test_a_rate_at_the_edge_is_named(best: float, edge: str) -> None:
    tried = [TrialRecord(arm="equal", tasks=(("a", "b"),), settings={"lr": lr}) for lr in (0.0001, 0.001, 0.01)]
    found = rate_findings(ARMS, tried, {("equal", ("a", "b")): {"lr": best}})
    assert [one.kind for one in found] == ["edge"] * bool(edge)
    assert all(edge in one.text for one in found)


def test_one_network_lies_in_its_interval_as_often_as_it_says() -> None:
    """The interval of five seeds contains a sixth one in 95 % of draws, up to five standard errors."""
    random, draws = np.random.default_rng(0), 1_000
    inside = 0
    for values in random.normal(0.8, 0.02, (draws, 6)):
        low, high = prediction_interval(pd.Series(values[:5]))
        inside += low <= values[5] <= high
    assert abs(inside / draws - 0.95) < 5 * (0.95 * 0.05 / draws) ** 0.5


def test_the_difference_of_one_network_is_paired_and_positive_if_better() -> None:
    single, joint = np.array([2.0, 2.4, 1.8]), np.array([1.9, 2.2, 1.7])
    table = pd.concat([metrics("single", "b", single.tolist(), "rmse"), metrics("equal", "b", joint.tolist(), "rmse")])
    one = shipped_risk("equal", TASKS, table)["b"]
    assert one.mean == pytest.approx(joint.mean())
    assert one.sd == pytest.approx(joint.std(ddof=1))
    assert one.difference_interval == pytest.approx(prediction_interval(pd.Series(single - joint)))
    assert shipped_risk("single", TASKS, table)["b"].difference_interval is None


def test_the_note_on_one_network_has_the_units_of_the_table_and_only_possible_values() -> None:
    single, joint = np.array([0.90, 0.95, 0.99]), np.array([0.91, 0.97, 1.00])
    table = pd.concat([metrics("single", "a", single.tolist(), "accuracy"), metrics("equal", "a", joint.tolist(), "accuracy")])
    (low, _), (ahead, most) = prediction_interval(pd.Series(joint)), prediction_interval(pd.Series(joint - single))
    assert list(risk_sentences("plain sum", shipped_risk("equal", TASKS, table), TASKS)) == [
        f"One network of plain sum, such as the one that is saved, has accuracy {100 * low:.1f} % to 100.0 % on a, a difference of "
        f"{100 * ahead:+.2f} to {100 * most:+.2f} points from a single-task network of the same seed (95 % interval for one new seed)."
    ]


def test_a_study_has_a_trivial_row_and_writes_its_findings(make: Callable[..., Study], tmp_path: Path) -> None:
    result = make(arms=["single", "equal"], training={"epochs": 1, "batch_size": 16, "threads": 1, "lr": 1e-9}).run(tmp_path / "run")
    content = json.loads((result.folder / "verdict.json").read_text())
    table = pd.read_csv(result.folder / "results.csv")
    trivial = table[table["arm"] == TRIVIAL]
    assert set(trivial["task"]) == {"price", "churn", "plan"}
    assert len(trivial) == len(trivial.drop_duplicates(["task", "metric"]))
    named = {(one["kind"], *one["tasks"]) for one in content["findings"]}
    assert ("trivial", "price") in named
    assert ("undertrained", "price") in named
    assert all(one["text"] in content["warnings"] for one in content["findings"])
    assert content["shipped"].keys() == {"price", "churn", "plan"}
