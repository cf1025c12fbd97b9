"""Trees and linear models as arms of studies of tables: trained as networks are, judged within their kind, and shipped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.artifacts.table_model import SavedTableModel
from polytask.data import Source
from polytask.datasets.tables import source_from_table
from polytask.errors import ConfigError, MissingExtraError
from polytask.options import StudyConfig, TrainingOptions, checked
from polytask.run_files import Recommendation
from polytask.studies.run_study import Study
from polytask.studies.setup.seed_budget import smallest_visible
from polytask.studies.spec import arms_of_tables
from polytask.studies.spec.arms import parse_arms
from polytask.studies.tables import ship_advice, table_arm_fit
from polytask.studies.tables.accepted_arms import check_networks, with_arms_of_tables
from polytask.studies.tables.sharing_families import count_families, sharing_verdicts
from polytask.studies.tables.ship_advice import KIND_PRIOR_SD, advise_over_all, table_utilities
from polytask.studies.tables.table_arm_fit import fit_table_arm
from polytask.tasks import Quantile, Regression
from polytask.verdicts.compute_verdict import verdict
from polytask.verdicts.decision import UNCLEAR
from polytask.verdicts.estimates.empty_same import without_empty_same
from polytask.verdicts.spending.seed_plan import SeedPlan

pytest.importorskip("sklearn")
pytest.importorskip("lightgbm")
ARMS = ["single", "equal", "linear", "linear@shared", "trees", "trees@apart", "trees@shared"]
TASKS = (Regression(name="a"), Regression(name="b"))


def table(rows: int = 160, seed: int = 0) -> pd.DataFrame:
    """A line, which linear models find at once and networks do not in two epochs; some labels are missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    town = rng.choice(["north", "south", "east"], rows)
    frame = pd.DataFrame({"x": x[:, 0], "y": x[:, 1], "z": x[:, 2], "town": town})
    frame["a"] = 5 * x[:, 0] + 3 * x[:, 1] + (town == "north") + 0.1 * rng.normal(size=rows)
    frame["b"] = 2 * x[:, 0] - 4 * x[:, 1] + 0.1 * rng.normal(size=rows)
    frame.loc[::9, "b"] = np.nan
    return frame


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("study") / "run"
    return pt.study(table(), targets=["a", "b"], arms=ARMS, preset="quick", seeds=3, epochs=2, workers=1, threads=1, out=out)


def test_every_arm_has_predictions_of_the_same_rows(run: Any) -> None:
    counts = run.predictions.groupby(["arm", "seed", "task"])["unit"].agg(lambda units: tuple(sorted(units)))
    assert set(run.predictions["arm"]) == set(ARMS)
    for _, own in counts.groupby("task"):
        assert len(set(own)) == 1
    assert all(run.costs[arm].seconds is not None for arm in ARMS)
    assert [run.costs[arm].networks for arm in ARMS] == [2, 1, 2, 1, 2, 2, 1]


def test_the_best_kind_of_model_is_advised_and_counted(run: Any) -> None:
    found: Recommendation = run.recommendation
    assert found.arm in ("linear", "linear@shared")
    assert not found.of_networks
    assert found.headline.endswith("likely better than networks, not shown.")
    assert len(found.headline.split()) <= 12
    assert set(found.utilities) == set(ARMS)
    assert found.utility == max(value for value in found.utilities.values() if value is not None)
    assert any(note.startswith("Expected utility against separate networks") for note in run.summary["notes"])


def test_what_is_shipped_predicts_and_is_evaluated(run: Any, tmp_path: Path) -> None:
    fresh = table(seed=1)
    fresh.to_csv(tmp_path / "fresh.csv", index=False)
    found = SavedTableModel(run.folder).evaluate(tmp_path / "fresh.csv").set_index(["target", "metric"])["value"]
    assert found["a", "r2"] > 0.9
    assert found["b", "r2"] > 0.9
    predicted = pt.load(run.folder).predict(fresh)
    assert predicted.index.equals(fresh.index)
    assert list(predicted) == ["a", "b"]
    index = json.loads((run.folder / "model" / "model.json").read_text())
    assert all(entry["chosen"] for entry in index["networks"])


def test_sharing_is_judged_within_each_kind(run: Any) -> None:
    found = run.summary["sharing"]
    assert {arm: own["baseline"] for arm, own in found.items()} == {"trees@shared": "trees@apart", "linear@shared": "linear"}
    assert run.summary["families"] == 3
    assert run.summary["level"] == pytest.approx(0.05 * 0.9 / 3)
    assert set(found["linear@shared"]["tasks"]) == {"a", "b"}
    assert sum(note.startswith("Sharing, ") for note in run.summary["notes"]) == 2


def test_a_study_that_is_repeated_gives_the_same_predictions(run: Any, tmp_path: Path) -> None:
    arms = ["single", "equal", "trees@shared", "linear"]
    again = pt.study(table(), targets=["a", "b"], arms=arms, preset="quick", seeds=3, epochs=2, workers=2, threads=1, out=tmp_path / "run")
    keys = ["arm", "seed", "task", "unit"]
    first = run.predictions[run.predictions["arm"].isin(arms)].sort_values(keys).reset_index(drop=True)
    pd.testing.assert_frame_equal(first, again.predictions.sort_values(keys).reset_index(drop=True))


def test_a_judged_folder_has_the_same_intervals(run: Any) -> None:
    from polytask.options import VerdictConfig
    from polytask.studies.predictions.judge_predictions import judge_predictions
    from polytask.studies.predictions.stored_options import stored_options
    from polytask.studies.setup.run_folder import RunFolder

    config = checked(VerdictConfig, stored_options(RunFolder(run.folder)), where="test")
    found = judge_predictions(run.folder, config).verdict
    assert found.to_dict()["tasks"] == run.verdict.to_dict()["tasks"]


def test_every_task_of_a_trivial_arm_is_stored(run: Any, tmp_path: Path) -> None:
    from polytask.run_files import VerdictFile
    from polytask.run_files.findings import Finding
    from polytask.studies.predictions.stored_options import stored_options
    from polytask.studies.setup.run_folder import RunFolder

    folder = RunFolder(tmp_path)
    shutil.copy(run.folder / "run.yaml", folder.config)
    findings = tuple(Finding(kind="trivial", arm="equal", tasks=(task,), text="nothing was learned") for task in ("a", "b"))
    VerdictFile.read(run.folder / "verdict.json").model_copy(update={"findings": findings}).write(folder.verdict)
    assert stored_options(folder)["trivial"] == {"equal": ("a", "b")}


def test_families_share_the_error_without_looks_too(tmp_path: Path) -> None:
    from polytask.options import VerdictConfig
    from polytask.studies.predictions.judge_predictions import judge_predictions

    predictions({"single": 1.0, "equal": 0.5}).drop(columns="probability").to_csv(tmp_path / "predictions.csv", index=False)
    config = VerdictConfig(families=3, kinds={"a": "regression", "b": "regression"})
    found = judge_predictions(tmp_path / "predictions.csv", config).summary
    assert (found.families, found.level) == (3, pytest.approx(0.05 * 0.9 / 3))


def test_a_dry_run_counts_families() -> None:
    source, tasks = source_from_table(table(), {"a": None, "b": None})
    options: dict[str, Any] = {"seeds": 5, "workers": 1, "training": {"epochs": 1, "threads": 1}}
    found = [
        Study([source], tasks, arms, test=lambda: (source,), **options).estimate().visible
        for arms in (ARMS[:2], [*ARMS[:2], "linear", "linear@shared"])
    ]
    assert found == [smallest_visible(2, SeedPlan((5,), (0.9,), families=families)) for families in (1, 2)]


def test_a_blend_is_one_arm_that_saves_nothing(tmp_path: Path) -> None:
    options = {"preset": "quick", "seeds": 2, "epochs": 1, "workers": 1, "out": tmp_path / "run"}
    found = pt.study(table(120), targets=["a", "b"], arms=["single", "equal", "blend"], **options)
    assert found.recommendation.arm == "blend"
    assert found.recommendation.saving == 0
    assert pt.load(found.folder).predict(table(5)).shape == (5, 2)


@pytest.mark.parametrize(("share_of", "kind"), [((), "yes"), (("a",), 3), (("a",), 1.5)])
def test_a_blend_learns_from_the_share_of_the_labels(
    share_of: tuple[str, ...], kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Source] = []
    choose = table_arm_fit.choose_model

    def watched(source: Source, *rest: Any, **named: Any) -> Any:
        seen.append(source)
        return choose(source, *rest, **{**named, "arms": ("trivial", "linear")})

    monkeypatch.setattr(table_arm_fit, "choose_model", watched)
    frame = table()
    frame["a"] = np.where(frame["a"] > 0, kind, kind * 2)
    source, tasks = source_from_table(frame, {"a": None, "b": None})
    options = TrainingOptions(label_share=0.5, label_share_of=share_of, validation_fraction=0.25)
    fit_table_arm("blend", tasks, [source], tmp_path / "job" / "network", options=options, seed=0)
    counts = {name: int(pd.notna(own).sum()) for name, own in seen[0].labels.items()}
    labeled = int(frame["b"].notna().sum()) * 0.75
    assert counts["a"] == 60
    assert counts["b"] == pytest.approx(labeled if share_of else labeled / 2, abs=6)


@pytest.mark.parametrize(("arm", "tasks"), [("trees@shared", TASKS), ("linear@shared", (Quantile(name="a"), TASKS[1]))])
def test_arms_of_tables_are_refused_where_there_is_no_table(arm: str, tasks: Any) -> None:
    source = Source("images", np.zeros((4, 1, 2, 2), np.uint8), {"a": np.arange(4.0), "b": np.arange(4.0)})
    parsed = parse_arms(["single", "equal", arm], ["a", "b"])
    with pytest.raises(ConfigError, match="one table"):
        with_arms_of_tables(parsed, [source], tasks)
    with pytest.raises(ConfigError, match="only studies have this arm"):
        check_networks(parsed)


def test_plain_linear_models_stay_baselines_without_a_table() -> None:
    source = Source("rows", np.zeros((4, 2), np.float32), {"a": np.arange(4.0), "b": np.arange(4.0)})
    (found,) = (arm for arm in with_arms_of_tables(parse_arms(["single", "equal", "linear"], ["a", "b"]), [source], TASKS) if arm.baseline)
    assert (found.baseline, found.table) == ("linear", "")


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arms_of_tables, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs LightGBM.*pip install 'polytask\[trees\]'"):
        pt.study(table(), targets=["a", "b"], arms=["single", "equal", "trees"], preset="quick")


def test_the_word_tables_stands_for_the_usual_arms() -> None:
    assert checked(StudyConfig, {"arms": ["tables", "cagrad"]}, where="test").arms == (*ARMS, "cagrad")


def predictions(error: dict[str, float], *, spread: float = 0.2, seeds: int = 6) -> pd.DataFrame:
    """Predictions of two tasks by arms with these errors."""
    rng, parts = np.random.default_rng(0), []
    for task in ("a", "b"):
        truth = rng.normal(size=200)
        for arm, size in error.items():
            for seed in range(seeds):
                guess = truth + size * (1 + spread * rng.normal() * 0.1) * np.sign(rng.normal(size=200))
                if not spread:
                    guess = truth + size
                own = {"arm": arm, "seed": seed, "task": task, "unit": range(200), "target": truth, "prediction": guess}
                parts.append(pd.DataFrame({**own, "split": "test", "probability": np.nan}))
    return pd.concat(parts, ignore_index=True)


def judged(frame: pd.DataFrame, names: list[str]) -> Any:
    arms = with_tables(names)
    plan = SeedPlan((6,), (0.9,), families=count_families(arms))
    return sharing_verdicts(frame, arms, TASKS, margins={}, plan=plan, openings=1, titles={}), arms, plan


def with_tables(names: list[str]) -> Any:
    from dataclasses import replace

    return [replace(arm, table=arm.name, baseline="") if arm.baseline else arm for arm in parse_arms(names, ["a", "b"])]


def test_sharing_that_helps_among_trees_is_claimed_at_the_error_of_its_family() -> None:
    names = ["single", "equal", "trees", "trees@shared"]
    found, _, plan = judged(predictions(dict(zip(names, (1.0, 1.0, 0.5, 0.3), strict=True))), names)
    assert plan.familywise == 0.025
    assert found.verdicts["trees@shared"].tasks["a"].arms["trees@shared"].claim == "helps"
    assert "differ from boosted trees in kind" in " ".join(found.sentences())


def test_models_whose_seeds_are_all_the_same_make_no_claim() -> None:
    names = ["single", "equal", "linear", "linear@shared"]
    found, _, _ = judged(predictions(dict(zip(names, (1.0, 1.0, 0.5, 0.3), strict=True)), spread=0.0), names)
    assert not found.verdicts
    assert "for at least one task all seeds predict the same" in " ".join(found.sentences())


@pytest.mark.parametrize(("error", "shipped"), [(0.8, True), (1.3, False)])
def test_trees_are_shipped_if_more_is_expected_of_them(error: float, *, shipped: bool) -> None:
    names = ["single", "equal", "trees@shared"]
    frame = predictions(dict(zip(names, (1.0, 1.0, error), strict=True)))
    found = verdict(frame, chosen="equal", kinds={task.name: task for task in TASKS})
    utilities = table_utilities(found, with_tables(names), (), 0.5)
    assert utilities[0].saving == 0.5
    assert abs(utilities[0].utility) < abs(found.arms["trees@shared"].pooled.difference) + 0.5  # type: ignore[union-attr]
    advised, record = advise_over_all(found, found.recommend(), Recommendation(arm="equal"), utilities)
    assert (record.arm == "trees@shared") is shipped
    assert advised.headline.startswith("Ship") is shipped
    assert KIND_PRIOR_SD > 2


def test_scattered_seeds_are_shrunk_as_those_of_networks_are(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["single", "equal", "trees@shared"]
    found = verdict(predictions(dict.fromkeys(names, 1.0), seeds=5), chosen="equal", kinds={task.name: task for task in TASKS})
    monkeypatch.setattr(ship_advice, "observed_mean", lambda *_: (-100.0, 110.0))
    (own,) = table_utilities(found, with_tables(names), (), 0.5)
    assert round(own.utility - own.saving) == -71


def test_a_protected_task_keeps_what_may_hurt_it_from_being_shipped() -> None:
    names = ["single", "equal", "trees@shared"]
    frame = predictions(dict(zip(names, (1.0, 1.0, 0.8), strict=True)))
    bad = frame["arm"].eq("trees@shared") & frame["task"].eq("a")
    frame.loc[bad, "prediction"] = frame.loc[bad, "target"] + 1.1 * (frame.loc[bad, "prediction"] - frame.loc[bad, "target"]) / 0.8
    found = verdict(frame, chosen="equal", kinds={task.name: task for task in TASKS})
    (own,) = table_utilities(found, with_tables(names), ("a",), 0.5)
    assert own.at_risk == ("a",)
    assert advise_over_all(found, found.recommend(), Recommendation(arm="equal"), [own])[1].arm == "equal"


def test_no_difference_is_claimed_of_an_arm_that_ignores_its_inputs() -> None:
    frame = predictions({"single": 1.0, "equal": 1.0}, spread=0.0)
    found = verdict(frame, kinds={task.name: task for task in TASKS})
    assert found.tasks["a"].arms["equal"].claim == "same"
    changed = without_empty_same(found, {("equal", "a")})
    assert [changed.tasks[name].arms["equal"].claim for name in ("a", "b")] == [UNCLEAR, "same"]
    assert changed.arms["equal"].pooled == found.arms["equal"].pooled
    assert found.arms["equal"].pooled.claim == "same"  # type: ignore[union-attr]
    every = without_empty_same(found, {("equal", task.name) for task in TASKS})
    assert every.arms["equal"].pooled.claim == UNCLEAR  # type: ignore[union-attr]
