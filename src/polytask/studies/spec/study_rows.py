"""Training and test rows of a study: the same for all seeds, or divided anew for every split of a cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from polytask.data import Fold, Source, Sources, divide_rows
from polytask.data.splitting.cross_validation import Divide
from polytask.errors import ConfigError
from polytask.options import StudyConfig
from polytask.tasks import Task
from polytask.tasks.base import has_label
from polytask.training.preparation.known_sources import known_sources

LoadTest = Callable[[], tuple[Source, ...]]


@dataclass(frozen=True)
class SeedRows:
    """Rows of some seeds.

    Attributes:
        seeds: The seeds.
        sources: Their training sources.
        load_test: Function that loads their test sources.
    """

    seeds: tuple[int, ...]
    sources: tuple[Source, ...]
    load_test: LoadTest


@dataclass(frozen=True)
class StudyRows:
    """Rows of all seeds of a study.

    Attributes:
        sources: Training sources; all rows if they are divided anew for every seed.
        load_test: Function that loads the test sources of all seeds.
        tasks: Tasks, whose labels are those of missing ones where they are to be ignored.
        folds: Number of folds; `None` without a cross-validation.
        divide: Function that divides the rows anew for a split.
    """

    sources: tuple[Source, ...]
    load_test: LoadTest
    tasks: tuple[Task, ...]
    folds: int | None = None
    divide: Divide | None = None

    @classmethod
    def of(cls, config: StudyConfig, sources: Sources, tasks: tuple[Task, ...], test: LoadTest | None) -> StudyRows:
        """Return the rows of a study.

        Args:
            config: Configuration, which says whether the study is a cross-validation.
            sources: Training sources, which may load their test rows, or divide their rows; ignored labels are missing already.
            tasks: Tasks to learn.
            test: Function that loads the test sources; by default that of `sources`.

        Raises:
            ConfigError: There are no test rows, or there are some although every row is to be tested in its turn.
        """
        training = sources.training
        if config.folds is None:
            load_test = test or sources.open_test
            if load_test is None:
                raise ConfigError("a study needs test rows", where="test", remedy="Pass test=, a function that loads the test sources")
            return cls(training, load_test, tasks)
        if test is not None or (sources.open_test is not None and sources.divide is None):
            remedy = "Leave out the test rows, or leave out folds"
            raise ConfigError("a cross-validation tests every row in its turn", where="folds", found="test rows", remedy=remedy)
        return cls(training, lambda: training, tasks, config.folds, sources.divide or divide_rows(training))

    def parts(self, seeds: Sequence[int]) -> Iterator[SeedRows]:
        """Yield the rows of seeds: all of them together, or one after the other if each is a split of a cross-validation.

        Args:
            seeds: Seeds, of which each is the number of a split in a cross-validation.
        """
        if self.folds is None or self.divide is None:
            yield SeedRows(tuple(seeds), self.sources, self.load_test)
            return
        for seed in seeds:
            divided = self.divide(Fold(self.folds, seed))
            if divided.open_test is not None:
                yield SeedRows((seed,), known_sources(divided.training, self.tasks), divided.open_test)

    def train_units(self) -> dict[str, int] | None:
        """Return the number of labeled training rows of a split, per task; `None` without a cross-validation."""
        if self.folds is None:
            return None
        labeled = {task.name: sum(_labeled_rows(source, task.name) for source in self.sources) for task in self.tasks}
        return {name: max(1, round(rows * (self.folds - 1) / self.folds)) for name, rows in labeled.items()}


def _labeled_rows(source: Source, task: str) -> int:
    labels = source.labels.get(task)
    if labels is None:
        return 0
    known = has_label(labels)
    return int(known.reshape(len(known), -1).any(axis=1).sum())
