"""What sharing does among trees and among linear models: a verdict for each, with a share of the familywise error."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from polytask.run_files import SharingRecord
from polytask.studies.spec.arms import ResolvedArm
from polytask.studies.spec.arms_of_tables import tested_sharing
from polytask.tasks import Task
from polytask.verdicts.advised_verdict import Verdict
from polytask.verdicts.compute_verdict import verdict
from polytask.verdicts.estimates.empty_same import without_empty_same
from polytask.verdicts.shown.claim_sentences import join_names, pooled_text
from polytask.verdicts.spending.seed_plan import SeedPlan


@dataclass(frozen=True)
class SharingVerdicts:
    """Verdicts on sharing among models of one kind.

    Attributes:
        verdicts: Verdict on each arm that shares, against its own kind with one model per task.
        without_claim: Arms that share whose difference has no spread over seeds, so that there is no claim, with the arm they are
            compared with.
        titles: Display names of arms.
    """

    verdicts: Mapping[str, Verdict]
    without_claim: Mapping[str, str]
    titles: Mapping[str, str]

    def without_empty_same(self, empty: Collection[tuple[str, str]]) -> SharingVerdicts:
        """Return the verdicts without claims of no difference by arms that are no better than a predictor that ignores the inputs."""
        return replace(self, verdicts={arm: without_empty_same(own, empty) for arm, own in self.verdicts.items()})

    def records(self) -> dict[str, SharingRecord]:
        """Return the section of verdict.json."""
        found = {}
        for arm, own in self.verdicts.items():
            content = own.to_dict()
            tasks = {name: task["arms"][arm] for name, task in content["tasks"].items()}
            pooled = content["arms"][arm].get("pooled")
            found[arm] = SharingRecord.from_content({"baseline": own.baseline, "tasks": tasks, **({"pooled": pooled} if pooled else {})})
        return found

    def sentences(self) -> Iterator[str]:
        """Yield a sentence per verdict, and one on what is compared and what is not."""
        for arm, own in self.verdicts.items():
            words: dict[str, list[str]] = {}
            for name, task in own.tasks.items():
                words.setdefault(task.arms[arm].claim, []).append(name)
            pooled = own.arms[arm].pooled
            whole = "" if pooled is None else f"over all tasks {pooled_text(pooled.record())}; "
            each = "; ".join(f"{word}: {join_names(tasks)}" for word, tasks in words.items())
            yield f"Sharing, {self._title(arm)} against {self._title(own.baseline)}: {whole}by task {each}."
            if own.baseline == "trees":
                yield (
                    "Shared extra trees differ from boosted trees in kind, too: add the arm trees@apart to see what sharing alone does "
                    "to extra trees."
                )
        for arm, other in self.without_claim.items():
            yield (
                f"No claim about {self._title(arm)} against {self._title(other)}: for at least one task all seeds predict the same, since "
                "their training and validation rows are the same, so seeds say nothing about chance."
            )

    def _title(self, arm: str) -> str:
        return self.titles.get(arm, arm)


def count_families(arms: Sequence[ResolvedArm]) -> int:
    """Return the number of families of comparisons: that of the networks, and one per kind of table models that is shared and not.

    Args:
        arms: Tested arms.
    """
    return 1 + len(tested_sharing([arm.table for arm in arms if arm.table]))


def sharing_verdicts(
    predictions: pd.DataFrame,
    arms: Sequence[ResolvedArm],
    tasks: Sequence[Task],
    *,
    margins: Mapping[str, float],
    train_units: Mapping[str, int] | None = None,
    plan: SeedPlan,
    openings: int,
    titles: Mapping[str, str],
) -> SharingVerdicts:
    """Compute the verdict on each arm of a table that shares, against its own kind with one model per task.

    Each verdict has the error of its own family, so that a false claim in any of them has at most the familywise error.

    Args:
        predictions: Test predictions of all arms.
        arms: Tested arms.
        tasks: All tasks.
        margins: Margins that the user gave.
        train_units: Labeled training rows of a split, per task, if seeds are splits of a cross-validation.
        plan: Planned looks, with the number of families.
        openings: Number of times that the test data were opened.
        titles: Display names of arms.
    """
    found, without = {}, {}
    for arm, other in tested_sharing([own.table for own in arms if own.table]).items():
        own = predictions[predictions["arm"].isin([arm, other])]
        if _has_no_spread(own):
            without[arm] = other
            continue
        kinds = {task.name: task for task in tasks}
        found[arm] = verdict(
            own, baseline=other, chosen=arm, kinds=kinds, margins=margins, train_units=train_units, looks=plan, test_openings=openings
        )
    return SharingVerdicts(found, without, titles)


def _has_no_spread(predictions: pd.DataFrame) -> bool:
    """Return whether all seeds of the arms predict the same for a task: then seeds do not vary what is compared."""
    for _, of_task in predictions.groupby("task", sort=False):
        alike = []
        for _, of_arm in of_task.groupby("arm", sort=False):
            seeds = [own[["prediction", "probability"]].to_numpy() for _, own in of_arm.groupby("seed", sort=True)]
            alike.append(len(seeds) > 1 and all(_equal(seeds[0], other) for other in seeds[1:]))
        if all(alike):
            return True
    return False


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(pd.DataFrame(one).equals(pd.DataFrame(other)))
