"""Training with a share of the labels: which training rows keep theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from polytask.data import Source
from polytask.data.splitting.label_keys import make_label_keys, stratum_ids
from polytask.errors import ConfigError
from polytask.options import TrainingOptions
from polytask.registry.suggestion import nearest
from polytask.seeds import derive_seed

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class LabelShare:
    """Share of the labels of the training part that is used.

    Attributes:
        share: Share of the labels, above 0 and at most 1.
        tasks: Names of the tasks of which only that share is used; none of them means all tasks.
    """

    share: float = 1.0
    tasks: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: TrainingOptions) -> Self:
        """Return the share that training options ask for."""
        return cls(options.label_share, options.label_share_of)

    def limits(self, task: str) -> bool:
        """Return whether only a share of the labels of this task is used."""
        return self.share < 1 and (not self.tasks or task in self.tasks)

    def check(self, sources: Sequence[Source]) -> None:
        """Check that the tasks exist.

        Raises:
            ConfigError: No source labels one of them.
        """
        known = tuple(sorted({task for source in sources for task in source.tasks}))
        for task in self.tasks:
            if task not in known:
                raise ConfigError("there is no such task", where="label_share_of", found=task, remedy=nearest(task, known))

    def rows_of(self, source: Source, part: Rows, seed: int) -> Mapping[str, Rows]:
        """Return the training rows whose labels are used, per task of a source.

        They are the first ⌈share · N⌉ of an order of the N rows that depends on the source and the seed alone: those of a smaller share are
        among those of a larger one, and all networks of a seed use the same labels, whatever their tasks. In the order, the strata (rows
        that agree in the labels of all tasks) are spread evenly: row r of the n rows of a stratum, shuffled, has the place (r + u) / n,
        with one random u per stratum.

        Args:
            source: Source of the rows.
            part: Rows of the training part.
            seed: Root of the random streams of the network.

        Example:
            >>> source = Source("toy", np.zeros((8, 1)), {"kind": np.array(list("aabbaabb"))})
            >>> half = LabelShare(0.5).rows_of(source, np.arange(8), seed=0)["kind"]
            >>> sorted(source.labels["kind"][half].tolist())
            ['a', 'a', 'b', 'b']
        """
        if not any(self.limits(task) for task in source.labels):
            return dict.fromkeys(source.labels, part)
        order = _spread_order(source, part, derive_seed(seed, "label share", source.name))
        used = np.sort(part[order[: int(np.ceil(self.share * len(part) - 1e-9))]])
        return {task: used if self.limits(task) else part for task in source.labels}


ALL_LABELS = LabelShare()


def _spread_order(source: Source, part: Rows, seed: int) -> Rows:
    """Return an order of the rows of which every beginning has about the same share of every stratum."""
    random = np.random.default_rng(seed)
    strata = stratum_ids(make_label_keys({task: np.asarray(labels)[part] for task, labels in source.labels.items()}, len(part)))
    shuffled = random.permutation(len(part))
    grouped = shuffled[np.argsort(strata[shuffled], kind="stable")]
    sizes = np.bincount(strata)
    ranks = np.arange(len(part)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    places = (ranks + np.repeat(random.random(len(sizes)), sizes)) / np.repeat(sizes, sizes)
    return grouped[np.argsort(places, kind="stable")]
