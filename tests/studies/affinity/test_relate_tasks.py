"""Measuring relatedness into a run folder: its files, its repeats, its interruptions, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import polytask as pt
from polytask.data import Source
from polytask.errors import ConfigError, StorageError
from polytask.options import RelateConfig, StudyConfig, checked
from polytask.relatedness import AffinityCallback, linear_cka
from polytask.relatedness.relatedness_matrix import RelatednessMatrix
from polytask.storage import read_yaml
from polytask.studies import load_data, relate_tasks
from polytask.studies.affinity.affinity_networks import default_measured_rows
from polytask.studies.affinity.affinity_results import propose_grouping
from polytask.tasks import Binary, Regression, Task
from polytask.training import FitResult, fit
from polytask.training.preparation.default_model import plan_network

EVERYTHING = ("cosine", "lookahead", "transfer", "similarity")
REPEATED = ("run.yaml", "relate.json", "relations.csv", "history.csv")
FEW: dict[str, Any] = {
    "seeds": 2,
    "workers": 1,
    "measure_every": 2,
    "training": {"epochs": 2, "batch_size": 32, "threads": 1, "checkpoint_seconds": 0},
}


def small(rows: int = 120) -> tuple[Source, tuple[Task, ...]]:
    """Two tasks with gaps on the rows of one source."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 4)).astype("float32")
    price, churn = 3 * x[:, 0] + x[:, 1].astype(float), np.where(x[:, 1] + x[:, 2] > 0, "leaves", "stays").astype(object)
    price[::7], churn[::5] = np.nan, None
    return Source("table", x, {"price": price, "churn": churn}), (
        Regression(name="price"),
        Binary(name="churn", classes=("stays", "leaves")),
    )


def measure(out: Path | None = None, **choices: Any) -> Any:
    """Measure on it."""
    source, tasks = small()
    return relate_tasks([source], tasks, out=out, **(choices if "config" in choices else FEW | choices))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that measured everything."""
    folder: Path = measure(tmp_path_factory.mktemp("whole") / "run", measures=EVERYTHING).folder
    return folder


def test_the_run_folder_holds_every_measure(whole: Path) -> None:
    files = {"run.yaml", "environment.json", "relate.json", "relations.csv", "history.csv", "cost.json", "log.txt"}
    assert {path.name for path in whole.iterdir() if path.name != ".lock"} == files
    table = pd.read_csv(whole / "relations.csv")
    assert list(table.columns) == ["seed", "measure", "source", "target", "value"]
    assert table.groupby("measure").size().to_dict() == {"cosine": 8, "lookahead": 8, "similarity": 8, "transfer": 4}
    content = json.loads((whole / "relate.json").read_text())
    assert content["tasks"] == ["price", "churn"]
    means = table.groupby(["measure", "source", "target"])["value"].mean()
    for name, own in content["measures"].items():
        for row, source in zip(own["mean"], content["tasks"], strict=True):
            for value, target in zip(row, content["tasks"], strict=True):
                assert value == (pytest.approx(means[name, source, target]) if (name, source, target) in means.index else None)
    assert content["grouping"]["by"] == "lookahead"
    assert {task for group in content["grouping"]["groups"] for task in group} == set(content["tasks"])
    assert set(content["measures"]) == set(EVERYTHING)


def test_costs_are_those_of_each_measure(whole: Path) -> None:
    costs = json.loads((whole / "cost.json").read_text())
    networks = {name: own["networks"] for name, own in costs["arms"].items()}
    assert networks == {"equal": 1, "single": 2, "transfer from price": 1, "transfer from churn": 1}
    shares = {name: own["share_of_joint_training"] for name, own in costs["measures"].items()}
    assert shares["transfer"] is shares["similarity"] is None
    assert 0 < shares["cosine"] < shares["lookahead"]
    assert costs["measures"]["transfer"]["seconds"] > costs["measures"]["lookahead"]["seconds"] > 0


def test_gains_are_differences_of_what_networks_reach(whole: Path) -> None:
    """The history has every network's validation metric per epoch; the best of it says what the network reached."""
    history = pd.read_csv(whole / "history.csv")
    churn = history[(history["task"] == "churn") & (history["split"] == "validation")]
    best = churn.groupby(["arm", "seed"])["value"].max()
    gains = pd.read_csv(whole / "relations.csv").query("measure == 'transfer'").set_index(["source", "target", "seed"])["value"]
    for seed in (0, 1):
        change = best["transfer from price", seed] - best["single", seed]
        assert np.sign(gains["price", "churn", seed]) == np.sign(round(change, 12))


def test_what_is_measured_is_what_an_observer_sees() -> None:
    related = measure(measured_rows=50)
    source, tasks = small()

    def seen(seed: int) -> FitResult:
        model = plan_network([source]).build(tasks, seed)
        observer = AffinityCallback([task.name for task in tasks], every=2, rows=50)
        return fit(model, [source], seed=seed, callbacks=[observer], patience=None, **FEW["training"])

    for place, seed in enumerate((0, 1)):
        for name, own in seen(seed).callback_results["affinity"]["means"].items():
            assert related.relations[name].values[place].tolist() == own["mean"]


@pytest.mark.slow
def test_a_repeat_gives_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    measure(tmp_path / "second", measures=EVERYTHING)
    for name in REPEATED:
        assert (whole / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


def test_the_configuration_fed_back_gives_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    fed_back = checked(RelateConfig, read_yaml(whole / "run.yaml"), where="run.yaml")
    assert (fed_back.measure_every, fed_back.measured_rows, fed_back.max_groups) == (2, 256, 2)
    measure(tmp_path / "third", config=fed_back)
    for name in REPEATED:
        assert (whole / name).read_bytes() == (tmp_path / "third" / name).read_bytes(), name


@pytest.mark.slow
def test_workers_change_nothing_but_the_configuration(tmp_path: Path) -> None:
    for workers in (1, 2):
        measure(tmp_path / str(workers), measures=("lookahead",), workers=workers)
    for name in REPEATED[1:]:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


@pytest.mark.sampled(3)
@pytest.mark.parametrize("stopped_at", [1, 3, 7])
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: int
) -> None:
    """While joint networks, single-task networks and those that start from them are trained: 2, 4 and 4 of them."""
    from polytask.studies.execution import job_training

    save, trained = job_training.save_network, []

    def killed(folder: Path, *rest: Any) -> None:
        if len(trained) == stopped_at:
            raise KeyboardInterrupt
        save(folder, *rest)
        trained.append(folder)

    with monkeypatch.context() as context:
        context.setattr(job_training, "save_network", killed)
        with pytest.raises(KeyboardInterrupt):
            measure(tmp_path / "broken", measures=EVERYTHING)
    assert not (tmp_path / "broken" / "relate.json").exists()

    def counted(folder: Path, *rest: Any) -> None:
        trained.append(folder)
        save(folder, *rest)

    monkeypatch.setattr(job_training, "save_network", counted)
    measure(tmp_path / "broken", measures=EVERYTHING)
    assert len(trained) == len(set(trained)) == 2 + 4 + 4
    for name in REPEATED:
        assert (whole / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name


def test_no_run_is_overwritten(tmp_path: Path) -> None:
    measure(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(StorageError, match="holds a finished run"):
        measure(tmp_path / "run")
    with pytest.raises(StorageError, match="holds something else"):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "letter.txt").write_text("dear")
        measure(tmp_path / "mine")
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"measures": ("cosines",)}, "measures"),
        ({"measures": ()}, "must be non-empty and unique"),
        ({"measures": ("cosine", "cosine")}, "must be non-empty and unique"),
        ({"seeds": 0}, "must be non-empty and unique"),
        ({"max_groups": 0}, "max_groups"),
        ({"measure_every": 0}, "every"),
        ({"balancer": "single"}, "in a network that learns all tasks"),
        ({"balancer": "uncertanty"}, "Did you mean 'uncertainty'"),
        ({"architecture": "separate"}, "has no shared parameters"),
        ({"callbacks": ("affinity",)}, "affinities are measured already"),
        ({"callbacks": ("afinity",)}, "Did you mean 'affinity'"),
        ({"architecture": "constrained"}, "has no shared parameters"),
        ({"arms": ("single",)}, "arms"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(tmp_path: Path, choices: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        measure(tmp_path / "run", **choices)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists() or not [path for path in (tmp_path / "run").iterdir() if path.name != ".lock"]


def test_one_task_is_related_to_nothing(table: Callable[..., Source], three_tasks: tuple[Task, ...]) -> None:
    with pytest.raises(ConfigError, match="relatedness needs at least two tasks"):
        relate_tasks([table()], three_tasks[:1], **FEW)


def test_choices_stand_in_the_configuration_or_beside_it(table: Callable[..., Source], three_tasks: tuple[Task, ...]) -> None:
    with pytest.raises(ConfigError, match="must not be given in addition to `config`"):
        relate_tasks([table()], three_tasks, config=RelateConfig(), seeds=2)


def beside() -> Source:
    random = np.random.default_rng(5)
    return Source("beside", random.normal(size=(80, 4)).astype("float32"), {"size": random.normal(size=80)})


def test_similarity_needs_a_common_source(table: Callable[..., Source]) -> None:
    alone = Source("table", table().inputs, {"price": table().labels["price"]})
    tasks = (Regression(name="price"), Regression(name="size"))
    with pytest.raises(ConfigError, match="no two tasks have a source in common"):
        relate_tasks([alone, beside()], tasks, **(FEW | {"measures": ("similarity",)}))


def test_pairs_that_are_never_measured_stay_gaps(table: Callable[..., Source], three_tasks: tuple[Task, ...]) -> None:
    """Sources that take turns, and steps of many rows, so that a look is at those of the step."""
    tasks = (*three_tasks[:2], Regression(name="size"))
    training = FEW["training"] | {"sampling": "round-robin", "batch_size": 256}
    related = relate_tasks(
        [table(rows=1000), beside()], tasks, **(FEW | {"training": training, "measure_every": 1, "measures": ("lookahead", "similarity")})
    )
    affinity = related.relations["lookahead"]
    assert np.isnan(affinity.mean[0, 2])
    assert np.isfinite(affinity.mean[0, 1])
    assert np.isnan(related.relations["similarity"].mean[0, 2])
    assert related.grouping is None
    assert "Not known for every pair of tasks: lookahead, similarity." in related.summary["notes"]


def test_a_single_seed_says_so() -> None:
    related = measure(seeds=1)
    assert related.summary["measures"]["cosine"]["half_width"][0][1] is None
    assert "1 seed says little about the uncertainty of the values." in related.summary["notes"]


def test_tasks_that_all_others_hurt_stay_alone() -> None:
    values = np.array([[0.0, 0.2, -0.3], [0.1, 0.0, -0.2], [-0.1, -0.4, 0.0]])[None]
    by, grouping = propose_grouping({"lookahead": RelatednessMatrix(("a", "b", "c"), (0,), values)}, max_groups=2)
    assert by == "lookahead"
    assert grouping is not None
    assert sorted(grouping.networks) == [("a", "b"), ("c",)]
    _, one = propose_grouping({"lookahead": RelatednessMatrix(("a", "b"), (0,), np.array([[[0.0, 0.2], [0.3, 0.0]]]))}, max_groups=2)
    assert one is not None
    assert one.networks == (("a", "b"),), "no network is proposed twice"


def test_groups_are_made_from_what_says_what_does_good() -> None:
    values = RelatednessMatrix(("a", "b"), (0,), np.ones((1, 2, 2)))
    assert propose_grouping({"similarity": values}, 2) == (None, None)
    assert propose_grouping({"cosine": values, "transfer": values}, 2)[0] == "transfer"


def test_rows_that_cost_little_are_looked_at_in_numbers(table: Callable[..., Source], three_tasks: tuple[Task, ...]) -> None:
    def rows(batch_size: int, **choices: Any) -> int | None:
        config = checked(RelateConfig, {"training": {"batch_size": batch_size}, **choices}, where="relate")
        return default_measured_rows(config, [table()], three_tasks)

    assert rows(32) == 256
    assert rows(256) is None
    assert rows(32, encoder="mlp", encoder_options={"hidden": (400, 400)}) is None


@pytest.mark.slow
def test_planted_groups_are_found(tmp_path: Path) -> None:
    """Two pairs of tasks on separate inputs: the members of a pair are one task but for noise."""
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 8)).astype("float32")
    one, other = np.tanh(x[:, :4] @ random.normal(size=4)), np.tanh(x[:, 4:] @ random.normal(size=4))
    labels = {name: wish + 0.1 * random.normal(size=600) for name, wish in {"a1": one, "b1": other, "a2": one, "b2": other}.items()}
    tasks = [Regression(name=name) for name in labels]
    choices: dict[str, Any] = {
        "encoder": "mlp",
        "encoder_options": {"hidden": (32,)},
        "hidden": (),
        "training": {"epochs": 20, "batch_size": 32, "threads": 1},
    }
    related = relate_tasks(
        [Source("planted", x, labels)], tasks, seeds=2, workers=1, measures=("cosine", "lookahead", "similarity"), **choices
    )
    assert related.grouping is not None
    assert sorted(map(sorted, related.grouping.networks)) == [["a1", "a2"], ["b1", "b2"]]
    for measure_ in ("cosine", "lookahead", "similarity"):
        mean = related.relations[measure_].mean
        assert min(mean[0, 2], mean[1, 3]) > max(mean[0, 1], mean[0, 3], mean[1, 2], mean[2, 3]), measure_
    assert related.relations["lookahead"].agreement is not None
    assert related.relations["lookahead"].agreement > 0.6


def test_the_rows_that_a_study_will_test_on_stay_closed(table: Callable[..., Source], tmp_path: Path) -> None:
    """The same table, the same rows laid aside: groups that are proposed have not seen what they will be tested on."""
    source = table()
    frame = pd.DataFrame(source.inputs, columns=list("abcd")).assign(**source.labels)
    frame.to_csv(tmp_path / "table.csv", index=False)
    tables = {"table": {"file": str(tmp_path / "table.csv"), "targets": ["price", "churn"]}}
    ours, theirs = (load_data(checked(kind, {"tables": tables}, where="")) for kind in (RelateConfig, StudyConfig))
    assert ours.sources[0].units.tolist() == theirs.sources[0].units.tolist()
    assert len(ours.sources[0]) == 96


def test_it_is_there_under_the_name_that_users_know() -> None:
    assert pt.relate is pt.studies.relate
    assert pt.relatedness.linear_cka is linear_cka
