"""A study: arms x seeds with one offered budget, and what comes of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from polytask.data import Source, Sources
from polytask.errors import ConfigError
from polytask.evaluation.influence import INFLUENCES
from polytask.evaluation.results import Verdict
from polytask.evaluation.verdict import verdict
from polytask.storage import write_json
from polytask.study.arms import SINGLE, Arm, parse_arms
from polytask.study.beginning import begin
from polytask.study.config import StudyConfig, checked
from polytask.study.costs import NOTE, ArmCost, cost_of_arm, parts_of_arm
from polytask.study.folder import RunFolder, read_predictions
from polytask.study.jobs import Assignment, Job, jobs_of, result_of
from polytask.study.opening import Finished, open_test, openings
from polytask.study.recommendation import Recommendation, recommend
from polytask.study.resolving import assignment
from polytask.study.running import Watch, ignore, train_all
from polytask.study.shipping import ship
from polytask.study.status import StudyProgress
from polytask.study.tables import history_table, validation_rows
from polytask.tasks import Ordinal, Task


@dataclass(frozen=True)
class Result:
    """What a study found.

    Attributes:
        verdict: Per task and arm.
        recommendation: What to ship.
        costs: Per arm.
        predictions: Of the test rows, per arm, seed, task and unit.
        folder: Where everything lies.
        summary: The content of verdict.json.
    """

    verdict: Verdict
    recommendation: Recommendation
    costs: Mapping[str, ArmCost]
    predictions: pd.DataFrame
    folder: Path
    summary: Mapping[str, Any]


class Study:
    """Trains every arm with every seed, and says what the test data say.

    Every arm gets the same offered budget: the same rows per task and epoch, the same most epochs, the same patience.
    Models, and the joint arm that is put to the test, are chosen on validation data. Test data are opened when every
    network is trained, by code that cannot be reached earlier, and every opening is counted.

    Args:
        sources: Training sources, with the door to their test rows (`Sources`), as `datasets.load` gives them.
        tasks: What to predict.
        arms: `single`, and what is compared with it: registry names of balancers, `weights=0.2/0.8`.
        seeds: How many, or which.
        test: Loads the test sources, if `sources` has no door of its own.
        config: All choices at once, instead of `arms`, `seeds` and
        **choices: any field of `StudyConfig` by name. What is not given is as `StudyConfig` has it.

    Raises:
        ConfigError: An unknown arm or choice, choices beside a configuration, or no test rows to decide on.

    Example:
        >>> import numpy as np
        >>> from polytask.tasks import Regression
        >>> def table(rows, seed):
        ...     x = np.random.default_rng(seed).normal(size=(rows, 3)).astype("float32")
        ...     return Source("toy", x, {"sum": x.sum(1), "first": x[:, 0]})
        >>> study = Study([table(200, 0)], (Regression(name="sum"), Regression(name="first")), arms=["single", "equal"],
        ...               seeds=2, test=lambda: (table(100, 1),), training={"epochs": 2}, workers=1)
        >>> sorted(study.run().verdict.tasks)
        ['first', 'sum']
    """

    def __init__(
        self,
        sources: Sequence[Source],
        tasks: Sequence[Task],
        arms: Sequence[str] | None = None,
        seeds: int | Sequence[int] | None = None,
        *,
        test: Callable[[], tuple[Source, ...]] | None = None,
        config: StudyConfig | None = None,
        **choices: Any,  # noqa: ANN401 - fields of StudyConfig
    ) -> None:
        door = test or (sources.open_test if isinstance(sources, Sources) else None)
        if door is None:
            raise ConfigError("a study needs test rows to decide on", where="test", remedy="Pass test=, a function that loads them")
        self._door: Callable[[], tuple[Source, ...]] = door
        self.sources, self.tasks = tuple(sources), tuple(tasks)
        given = {name: value for name, value in {"arms": arms, "seeds": seeds}.items() if value is not None} | choices
        if config is not None and given:
            remedy = "Leave them out, or change the configuration: config.model_copy(update=...)"
            raise ConfigError(
                "choices stand in the configuration or beside it, not both", where="study", found=", ".join(given), remedy=remedy
            )
        self.asked = checked(StudyConfig, given, where="study") if config is None else config
        self.names = tuple(task.name for task in self.tasks)
        self.arms = parse_arms(self.asked.arms, self.names)
        _check_margins(self.asked, self.names)
        for task in self.tasks:
            if task.metric not in INFLUENCES:
                where, remedy = (
                    f"task {task.name!r}, metric",
                    f"Choose from: {', '.join(name for name in task.metrics if name in INFLUENCES)}",
                )
                raise ConfigError("a study gives no verdict on this metric", where=where, found=repr(task.metric), remedy=remedy)

    def run(self, out: str | Path | None = None, watch: Watch = ignore) -> Result:
        """Train what is not trained yet, open the test data, and write the run folder.

        Args:
            out: The run folder; a study that was interrupted there goes on. By default a temporary one.
            watch: Is told a few times a second how far it is.

        Raises:
            StorageError: The folder is used, another run is at work in it, or it cannot be written to.
            ConfigError: An unknown name or option; the interrupted study had other data or tasks.
            NonFiniteError: A loss is no longer a number.
            DataError: A task has no labelled test row that its networks can predict.
        """
        folder = RunFolder(Path(tempfile.mkdtemp(prefix="polytask-")) if out is None else Path(out))
        with folder.alone():
            jobs = jobs_of(self.arms, self.asked.seeds, folder.checkpoints)
            config = begin(folder, self.asked, self.sources, self.tasks, jobs)
            assigned = assignment(config, self.sources, self.tasks)
            train_all(jobs, assigned, config.workers or 1, watch)
            folder.log(f"{len(jobs)} networks trained")
            watch(StudyProgress(len(jobs), len(jobs), stage="testing"))
            self._test(folder, jobs, assigned, config.workers or 1)
            return self._conclude(folder, jobs, config)

    def _test(self, folder: RunFolder, jobs: tuple[Job, ...], assigned: Assignment, workers: int) -> None:
        """Open the test data, unless their predictions are there already."""
        if folder.predictions.exists():
            return
        finished = Finished(jobs)
        folder.log(f"test data opened, time {openings(folder.ledger) + 1}")
        tested = open_test(finished, self._door, folder.ledger, assigned, workers)
        validation = validation_rows([(job, result_of(job).facts) for job in jobs])
        folder.write_table("results.csv", pd.concat([validation, tested.results], ignore_index=True))
        folder.write_table("predictions.parquet", tested.predictions)

    def _conclude(self, folder: RunFolder, jobs: Sequence[Job], config: StudyConfig) -> Result:
        """Verdict, costs, recommendation, and everything else that the run folder holds."""
        facts = {job.label: (job, result_of(job).facts) for job in jobs}
        of_arm = {arm.name: [fact for fact in facts.values() if fact[0].arm.name == arm.name] for arm in self.arms}
        costs = {arm: cost_of_arm(found) for arm, found in of_arm.items()}
        chosen = chosen_arm(self.arms, of_arm)
        predictions = read_predictions(folder.predictions)
        kinds = {task.name: task.kind for task in self.tasks}
        metrics = {task.name: task.metric for task in self.tasks}
        said = verdict(
            predictions,
            chosen=chosen,
            kinds=kinds,
            classes=classes_in_order(self.tasks),
            metrics=metrics,
            margins=config.margins,
            openings=openings(folder.ledger),
        )
        recommendation = recommend(said, chosen, self.names, costs)
        summary = _summary(config, said, recommendation)
        folder.write_table("history.csv", history_table(list(facts.values())))
        parts = {arm: found for arm, own in of_arm.items() if (found := parts_of_arm(own))}
        write_json(folder.path / "cost.json", {"arms": {arm: cost.to_dict() for arm, cost in costs.items()}, "parts": parts, "note": NOTE})
        write_json(folder.verdict, summary)
        folder.log(recommendation.reason)
        ship(folder.model, of_arm[recommendation.arm])
        folder.discard_checkpoints()
        return Result(said, recommendation, costs, predictions, folder.path, summary)


def _check_margins(config: StudyConfig, tasks: Sequence[str]) -> None:
    """Refuse margins of tasks that are not there.

    Raises:
        ConfigError: A margin's task does not exist.
    """
    for task in config.margins:
        if task not in tasks:
            raise ConfigError("a margin for a task that does not exist", where=f"margins, {task!r}", remedy=f"Tasks: {', '.join(tasks)}")


def chosen_arm(arms: Sequence[Arm], facts: Mapping[str, Sequence[tuple[Job, Mapping[str, Any]]]]) -> str:
    """The joint arm with the best mean relative validation metric over seeds; the first of several."""
    scores = {arm.name: sum(fact["relative"] for _, fact in facts[arm.name]) for arm in arms if arm.name != SINGLE}
    return max(scores, key=lambda name: scores[name])


def classes_in_order(tasks: Sequence[Task]) -> dict[str, list[Any]]:
    """Per task whose classes have an order all of them, as predictions write them.

    Example:
        >>> from polytask.tasks import Binary, Ordinal
        >>> classes_in_order([Binary(name="churn"), Ordinal(name="grade", classes=("poor", "fair", "good"))])
        {'grade': ['poor', 'fair', 'good']}
    """
    return {task.name: task.decode(np.arange(len(task.classes))).tolist() for task in tasks if isinstance(task, Ordinal)}


def not_tuned(config: StudyConfig) -> list[str]:
    """What this study did not tune, and where its budget favours an arm: said under every verdict."""
    fixed = any(arm.startswith("weights=") or arm == "fixed" for arm in config.arms)
    training = config.training
    return [
        f"Nothing was tuned: one learning rate ({training.lr:g}) for all arms" + ("; fixed weights not tuned." if fixed else "."),
        f"Same offered budget for every arm: at most {training.epochs} epoch{'s' * (training.epochs > 1)}, "
        + (f"patience {training.patience}." if training.patience else "no early stopping."),
        f"Single-task networks stop on their own task, joint ones on a policy ({training.stop!r}): an advantage for single-task training.",
    ]


def _summary(config: StudyConfig, said: Verdict, recommendation: Recommendation) -> dict[str, Any]:
    """The content of verdict.json. No time in it: a repeat gives the same bytes."""
    head = {"study": config.source or " + ".join(config.tables) or "sources given in Python", "version": config.version}
    return head | said.to_dict() | {"recommendation": recommendation.to_dict(), "notes": not_tuned(config)}
