"""The verdict as a function of a frame: what it says, what it refuses, and that order does not matter."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle

from polytask.errors import ConfigError, DataError
from polytask.verdicts.compute_verdict import verdict
from polytask.verdicts.estimates.crossed_anova import crossed_estimate
from polytask.verdicts.prediction_frame import read_predictions

MakeFrame = Callable[..., pd.DataFrame]


def written(frame: pd.DataFrame, **options: Any) -> str:
    return json.dumps(verdict(frame, **options).to_dict(), allow_nan=False)


def test_what_is_said_is_what_was_predicted(make_frame: MakeFrame) -> None:
    frame = make_frame(gain=0.2)
    result = verdict(frame).to_dict()
    assert {name: task["kind"] for name, task in result["tasks"].items()} == {"digit": "multiclass", "flag": "binary", "size": "regression"}
    assert {name: task["metric"] for name, task in result["tasks"].items()} == {"digit": "accuracy", "flag": "accuracy", "size": "rmse"}
    digit, size = frame[frame.task == "digit"], frame[frame.task == "size"].astype({"target": float, "prediction": float})
    per_seed = digit.assign(hit=digit.target == digit.prediction).groupby(["arm", "seed"]).hit.mean()
    entry = result["tasks"]["digit"]
    assert entry["single"] == pytest.approx({"mean": per_seed["single"].mean(), "sd": per_seed["single"].std()})
    assert entry["arms"]["equal"]["mean"] == pytest.approx(per_seed["equal"].mean())
    assert entry["arms"]["equal"]["difference"] == pytest.approx(per_seed["equal"].mean() - per_seed["single"].mean())
    assert entry["margin"] == pytest.approx(0.01 * per_seed["single"].mean())
    errors = {
        key: oracle.root_mean_squared_error(part.target, part.prediction)
        for key, part in size.groupby(["arm", "seed"])[["target", "prediction"]]
    }
    mean = {arm: np.mean([error for (name, _), error in errors.items() if name == arm]) for arm in ("single", "equal")}
    entry = result["tasks"]["size"]["arms"]["equal"]
    assert entry["difference"] == pytest.approx(mean["single"] - mean["equal"])
    assert entry["relative_percent"] == pytest.approx(100 * (mean["single"] - mean["equal"]) / mean["single"])
    assert {task["arms"]["equal"]["verdict"] for task in result["tasks"].values()} == {"helps"}
    changes = [task["arms"]["equal"]["relative_percent"] for task in result["tasks"].values()]
    assert result["arms"]["equal"]["delta_m_percent"] == pytest.approx(np.mean(changes))
    low, high = result["arms"]["equal"]["ci95"]
    assert 0 < low < np.mean(changes) < high


def test_shape_of_the_file(make_frame: MakeFrame) -> None:
    result = verdict(make_frame(seeds=3), test_openings=2).to_dict()
    assert set(result) == {
        "baseline", "chosen", "seeds", "level", "looks", "continuations", "test_openings", "tasks", "arms", "warnings",
    }  # fmt: skip
    assert (result["seeds"], result["looks"], result["test_openings"]) == ([0, 1, 2], [3], 2)
    task = result["tasks"]["digit"]
    assert set(task) == {"kind", "metric", "higher_is_better", "margin", "units", "train_units", "single", "arms"}
    pooled = {"difference", "standard_error", "ci95", "verdict", "p", "p_adjusted", "p_same", "settle", "adjusted"}
    assert set(task["arms"]["equal"]) == pooled | {"mean", "relative_percent", "df"}
    assert set(result["arms"]["equal"]) == {"delta_m_percent", "ci95", "pooled"}
    assert set(result["arms"]["equal"]["pooled"]) == pooled
    assert [warning.split(":")[0] for warning in result["warnings"]] == [
        "3 seeds are fewer than the usual 5",
        "The test data were opened 2 times, but the level is adjusted for 1 only.",
    ]


@pytest.mark.parametrize(("seeds", "start"), [(2, "2 seeds are below the minimum of 3"), (4, "4 seeds are fewer"), (5, None)])
def test_few_seeds_are_said(make_frame: MakeFrame, seeds: int, start: str | None) -> None:
    warnings = verdict(make_frame(seeds=seeds)).warnings
    assert (warnings[0].startswith(start) and len(warnings) == 1) if start else warnings == ()


def test_order_of_rows_and_names_of_seeds_do_not_matter(make_frame: MakeFrame) -> None:
    frame = make_frame(gain=0.1)
    shuffled = frame.sample(frac=1, random_state=3)
    assert written(shuffled) == written(frame)
    renamed = verdict(frame.assign(seed=frame.seed.map({0: 4, 1: 0, 2: 3, 3: 1, 4: 2}))).to_dict()
    for name, task in verdict(frame).to_dict()["tasks"].items():
        one, other = task["arms"]["equal"], renamed["tasks"][name]["arms"]["equal"]
        assert [one["difference"], one["p"], *one["ci95"]] == pytest.approx([other["difference"], other["p"], *other["ci95"]], rel=1e-9)


def test_swapping_the_arms_mirrors_the_words(make_frame: MakeFrame) -> None:
    frame = make_frame(gain=0.2)
    margins = {"digit": 0.01, "flag": 0.01, "size": 0.01}
    one, other = verdict(frame, margins=margins), verdict(frame, baseline="equal", margins=margins)
    for name in margins:
        mine, theirs = one.tasks[name].arms["equal"], other.tasks[name].arms["single"]
        assert (mine.claim, theirs.claim) == ("helps", "hurts")
        assert mine.difference == pytest.approx(-theirs.difference, rel=1e-12)


def test_an_arm_that_predicts_the_same_is_the_same(make_frame: MakeFrame) -> None:
    single = make_frame(arms=("single",))
    for task in verdict(pd.concat([single, single.assign(arm="copy")])).tasks.values():
        copy = task.arms["copy"]
        assert (copy.claim, copy.decision.interval, copy.decision.p) == ("same", (0.0, 0.0), 1.0)


def test_family_and_the_arms_outside_it(make_frame: MakeFrame) -> None:
    frame = make_frame(arms=("single", "equal", "upgrad"), gain=0.05)
    pair = verdict(frame[frame.arm != "upgrad"])
    chosen, everything = verdict(frame, chosen="equal"), verdict(frame)
    for name, task in chosen.tasks.items():
        assert (task.arms["equal"].adjusted, task.arms["upgrad"].adjusted) == (True, False)
        assert task.arms["equal"] == pair.tasks[name].arms["equal"]
        alone = verdict(frame[(frame.arm != "equal") & (frame.task == name)]).tasks[name].arms["upgrad"]
        assert task.arms["upgrad"].decision == alone.decision
        assert all(arm.adjusted for arm in everything.tasks[name].arms.values())
        assert everything.tasks[name].arms["equal"].decision.p_adjusted >= task.arms["equal"].decision.p_adjusted


def test_a_plan_spends_its_error_over_its_looks(make_frame: MakeFrame) -> None:
    """With 5 of 20 seeds a quarter of the error is spent; a word that is said then stays, and so does a bound."""
    frame = make_frame(seeds=8, gain=0.06)
    first, once = (verdict(frame[frame.seed < 5], looks=looks) for looks in ((5, 8, 12, 20), None))
    assert (first.level, once.level) == pytest.approx((0.05 * 0.9 / 4, 0.05 * 0.9))
    second = verdict(frame, looks=(5, 8, 12, 20))
    for name, task in once.tasks.items():
        narrow, wide, later = (one.tasks[name].arms["equal"].decision for one in (once, first, second))
        assert wide.interval[0] < narrow.interval[0] < narrow.interval[1] < wide.interval[1]
        assert wide.interval[0] <= later.interval[0]
        assert later.interval[1] <= wide.interval[1]
        assert later.claim == wide.claim or wide.claim == "unclear"
        assert first.tasks[name].margin == second.tasks[name].margin != verdict(frame).tasks[name].margin
        assert task.margin == first.tasks[name].margin
    with pytest.raises(ConfigError, match="no look at the test data is planned after this number of seeds"):
        verdict(frame[frame.seed < 6], looks=(5, 8, 12, 20))


def test_the_mean_over_tasks_is_that_of_differences_in_margins(make_frame: MakeFrame) -> None:
    found = verdict(make_frame(gain=0.05))
    pooled = found.arms["equal"].pooled
    assert pooled is not None
    assert pooled.difference == pytest.approx(np.mean([task.arms["equal"].difference / task.margin for task in found.tasks.values()]))
    assert pooled.decision.interval[0] < pooled.difference < pooled.decision.interval[1]
    assert pooled.decision.error == pytest.approx(0.01)
    assert [task.arms["equal"].decision.error for task in found.tasks.values()] == pytest.approx([0.04 / 3] * 3)


def test_a_single_task_has_the_whole_error_and_no_mean(make_frame: MakeFrame) -> None:
    frame = make_frame()
    found = verdict(frame[frame.task == "size"])
    assert found.arms["equal"].pooled is None
    assert found.tasks["size"].arms["equal"].decision.error == pytest.approx(0.05)


@pytest.mark.parametrize("metric", ["log-loss", "auc"])
def test_metrics_that_need_probabilities(make_frame: MakeFrame, metric: str) -> None:
    frame = make_frame(gain=0.2)
    frame.loc[frame.task != "flag", "probability"] = np.nan
    result = verdict(frame, metrics={"flag": metric}).tasks["flag"]
    flag = frame[frame.task == "flag"]
    yes = np.where(flag.target == "yes", flag.probability, 1 - flag.probability)
    scores = {"log-loss": oracle.log_loss, "auc": oracle.roc_auc_score}
    runs = [(flag.arm == "single") & (flag.seed == seed) for seed in range(5)]
    per_run = [scores[metric](flag.target[rows] == "yes", yes[rows]) for rows in runs]
    assert result.single[0] == pytest.approx(np.mean(per_run), rel=1e-9)
    with pytest.raises(DataError, match="needs the probability given to the true label"):
        verdict(frame, metrics={"digit": "log-loss"})


def test_no_relative_change_of_r2(make_frame: MakeFrame) -> None:
    result = verdict(make_frame(), metrics={"size": "r2"}).to_dict()
    assert result["tasks"]["size"]["arms"]["equal"]["relative_percent"] is None
    assert (result["arms"]["equal"]["delta_m_percent"], result["arms"]["equal"]["ci95"]) == (None, None)
    assert "No mean relative change" in result["warnings"][0]


def test_ranks_are_compared_in_the_order_of_the_classes(make_frame: MakeFrame) -> None:
    """Alphabetically `good` lies between `fair` and `poor`."""
    frame = make_frame(gain=0.2)
    grades = ("poor", "fair", "good", "best")
    frame = frame[frame.task == "digit"].drop(columns="probability")
    codes = {column: frame[column].astype(int) % 4 for column in ("target", "prediction")}
    frame = frame.assign(**{column: [grades[code] for code in values] for column, values in codes.items()})
    options: Any = {"kinds": {"digit": "ordinal"}, "classes": {"digit": grades}}
    found = verdict(frame, **options).tasks["digit"]
    errors = (codes["target"] - codes["prediction"]).abs().groupby([frame.arm, frame.seed]).mean()
    assert (found.metric, found.higher_is_better) == ("rank-error", False)
    assert found.single[0] == pytest.approx(errors["single"].mean(), rel=1e-12)
    assert found.arms["equal"].difference == pytest.approx(errors["single"].mean() - errors["equal"].mean(), rel=1e-9)
    kappa = verdict(frame, metrics={"digit": "quadratic-kappa"}, **options)
    assert kappa.tasks["digit"].arms["equal"].relative_percent is None
    with pytest.raises(ConfigError, match=r"task digit, kind 'ordinal': the order of the classes is needed\. Give classes="):
        verdict(frame, kinds={"digit": "ordinal"})


def test_groups_count_as_one_unit(make_frame: MakeFrame) -> None:
    """Every row four times over is no more evidence than once, if the copies are known to be one customer's."""
    frame = make_frame(gain=0.1)
    copies = pd.concat([frame.assign(unit=frame.unit * 4 + copy, group=frame.unit) for copy in range(4)])
    once, grouped, naive = verdict(frame), verdict(copies), verdict(copies.drop(columns="group"))
    for name, task in once.tasks.items():
        interval = task.arms["equal"].decision.interval
        assert grouped.tasks[name].arms["equal"].decision.interval == pytest.approx(interval, rel=1e-9)
        assert grouped.tasks[name].units == 80
        width = np.ptp(naive.tasks[name].arms["equal"].decision.interval)
        assert width < np.ptp(interval)


def test_only_test_rows_are_read(make_frame: MakeFrame) -> None:
    frame = make_frame()
    validation = frame.assign(split="validation", prediction=frame.target)
    assert written(pd.concat([frame.assign(split="test"), validation])) == written(frame)
    with pytest.raises(DataError, match="no test predictions"):
        verdict(validation)


def test_tasks_may_have_units_of_their_own(make_frame: MakeFrame) -> None:
    frame = make_frame()
    part = frame[(frame.task != "size") | (frame.unit >= 30)]
    assert [task.units for task in verdict(part).tasks.values()] == [80, 80, 50]
    alone = verdict(part[part.task == "size"]).tasks["size"].arms["equal"]
    assert verdict(part).tasks["size"].arms["equal"].difference == alone.difference


def test_mean_relative_change_accounts_for_shared_rows() -> None:
    """The same task twice, on the same rows: its mean change is as sure as that of one, not surer."""
    generator = np.random.default_rng(0)
    rows = [(arm, seed, unit, 0, int(generator.random() < 0.3)) for arm in ("single", "equal") for seed in range(5) for unit in range(100)]
    once = pd.DataFrame(rows, columns=["arm", "seed", "unit", "target", "prediction"])
    twice = pd.concat([once.assign(task="a"), once.assign(task="b")])
    one, two = verdict(once.assign(task="a")).arms["equal"], verdict(twice).arms["equal"]
    assert one.interval is not None
    assert two.interval == pytest.approx(one.interval, rel=1e-9)


def test_labels_of_any_type() -> None:
    keys = itertools.product(("single", "a"), (0, 1), range(9))
    rows = [(arm, seed, "t", f"u{unit}", unit % 3, unit % 3 if seed else 0) for arm, seed, unit in keys]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "task", "unit", "target", "prediction"])
    expected = written(frame)
    for dtype in (str, float):
        assert written(frame.astype({"prediction": dtype})) == expected
    assert written(frame.assign(target=frame.target.map(str), prediction=frame.prediction.map(str))) == expected
    words = {0: "cat", 1: "dog", 2: "eel"}
    assert written(frame.assign(target=frame.target.map(words), prediction=frame.prediction.map(words))) == expected
    booleans = frame.assign(target=frame.target == 0, prediction=frame.prediction == 0)
    assert verdict(booleans).tasks["t"].kind == "binary"


def _drop(frame: pd.DataFrame, **match: object) -> pd.DataFrame:
    chosen = np.logical_and.reduce([frame[column] == value for column, value in match.items()])
    return frame[~chosen]


def _with(frame: pd.DataFrame, task: str, column: str, value: object) -> pd.DataFrame:
    frame = frame.astype({column: object})
    frame.loc[frame.index[frame.task == task][7], column] = value
    return frame


FRAMES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "missing column": (lambda f: f.drop(columns="unit"), r"column 'unit': this column is missing \(found arm, seed, task, target"),
    "empty": (lambda f: f.iloc[:0], "no test predictions"),
    "no baseline": (lambda f: f[f.arm != "single"], r"baseline 'single': the baseline is not among the arms \(found equal\)"),
    "one arm": (lambda f: f[f.arm == "single"], "no arm to compare with"),
    "doubled": (
        lambda f: pd.concat([f, f.iloc[5:8]]),
        "task digit, arm single, seed 0, unit 5: expected one prediction per .* 3 duplicate rows",
    ),
    "missing unit": (
        lambda f: _drop(f, arm="equal", seed=3, task="flag", unit=17),
        "flag, arm equal, seed 3: .* 1 of 80 .* unit 17",
    ),
    "missing seed": (lambda f: _drop(f, arm="single", seed=2), "arm single, seed 2: .* 80 of 80 units missing"),
    "missing task": (lambda f: _drop(f, arm="equal", task="size"), "task size, arm equal, seed 0: .* 80 of 80"),
    "one seed": (lambda f: f[f.seed == 0], r"at least 2 seeds, better 5 or more \(found 1\)"),
    "one unit": (lambda f: f[f.unit == 0], "at least 2 test units"),
    "no label": (
        lambda f: _with(f, "digit", "target", None),
        "column 'target': every row .* Leave out units without a label",
    ),
    "no number": (
        lambda f: _with(f, "size", "prediction", "much"),
        "task size, column 'prediction': only finite .*found 'much', 1 in all",
    ),
    "infinite": (lambda f: _with(f, "size", "prediction", "inf"), "only finite numbers"),
    "two targets": (lambda f: _with(f, "digit", "target", "99"), "task digit, column 'target': a test unit must have the same value"),
    "other labels": (
        lambda f: f.assign(prediction=np.where(f.task == "flag", "maybe", f.prediction)),
        "predictions must contain some of the target labels",
    ),
    "fractions": (lambda f: _with(f, "digit", "prediction", "2.5"), "Give kinds={'digit': 'regression'}"),
    "probability": (lambda f: f.assign(probability=1.5), "a probability must lie between 0 and 1 .found 1.5"),
    "groups": (lambda f: f.assign(group=f.seed), "column 'group': a test unit must have the same value"),
    "group gaps": (lambda f: f.assign(group=np.where(f.unit == 3, None, "a")), "column 'group'"),
}


@pytest.mark.sampled(2, drawn=True)
@pytest.mark.parametrize("case", FRAMES)
def test_frames_that_are_refused(make_frame: MakeFrame, case: str) -> None:
    change, message = FRAMES[case]
    with pytest.raises(DataError, match=message) as caught:
        verdict(change(make_frame()))
    assert "\n" not in str(caught.value)


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown metric": ({"metrics": {"digit": "acuracy"}}, "acuracy: unknown metric. Did you mean 'accuracy'"),
    "unfit metric": ({"metrics": {"digit": "rmse"}}, "task digit: this metric does not fit a multiclass task"),
    "unfit metric of a number": ({"metrics": {"size": "accuracy"}}, "does not fit a regression task"),
    "area of many classes": ({"metrics": {"digit": "auc"}}, "needs two classes"),
    "metric of nothing": ({"metrics": {"color": "accuracy"}}, r"metrics\['color'\]: there are no predictions"),
    "margin of nothing": ({"margins": {"color": 1.0}}, r"margins\['color'\]"),
    "kind of nothing": ({"kinds": {"color": "binary"}}, r"kinds\['color'\]"),
    "classes of nothing": ({"classes": {"color": ("a", "b")}}, r"classes\['color'\]"),
    "classes of a number": ({"classes": {"size": ("a", "b")}}, "this kind of task has no classes .found regression"),
    "unknown kind": (
        {"kinds": {"digit": "classes"}},
        "task digit: unknown task kind .found .classes... Did you mean .multiclass.. Choose from: multiclass",
    ),
    "negative margin": ({"margins": {"digit": -0.1}}, "finite and not negative"),
    "chosen": ({"chosen": "single"}, "`chosen` must be one of the compared arms"),
    "looks": ({"looks": (8, 5)}, "increasing numbers of seeds"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_are_refused(make_frame: MakeFrame, case: str) -> None:
    options, message = OPTIONS[case]
    with pytest.raises(ConfigError, match=message) as caught:
        verdict(make_frame(), **options)
    assert "\n" not in str(caught.value)


def test_reading_gives_the_arrays(make_frame: MakeFrame) -> None:
    predictions = read_predictions(make_frame(seeds=2, units=6).sample(frac=1, random_state=0))
    assert (predictions.arms, predictions.seeds, predictions.units) == (("equal", "single"), (0, 1), 6)
    (digit,) = predictions.tasks[0].splits
    hits = {arm: (runs.predictions == digit.targets).astype(float) for arm, runs in digit.runs.items()}
    study = verdict(make_frame(seeds=2, units=6)).tasks["digit"].arms["equal"]
    assert study.difference == crossed_estimate(hits["equal"] - hits["single"]).difference


@pytest.mark.slow
def test_time_grows_with_the_rows_and_no_faster(make_frame: MakeFrame) -> None:
    fastest = {}
    for units in (400, 4_000):
        frame = make_frame(units=units)
        fastest[units] = min(timeit.repeat(partial(verdict, frame), timer=time.process_time, repeat=3, number=1))
    assert fastest[4_000] < 30 * fastest[400]  # linear: 10 times; quadratic: 100


def test_torch_is_not_needed() -> None:
    code = "import sys, polytask.verdicts.compute_verdict; assert 'torch' not in sys.modules and 'scipy.stats' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
