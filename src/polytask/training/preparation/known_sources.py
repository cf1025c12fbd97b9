"""Sources whose labels are missing where their task ignores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from polytask.data import Source
from polytask.errors import DataError
from polytask.tasks import LabelType, Task


def known_sources(sources: Sequence[Source], tasks: Sequence[Task]) -> tuple[Source, ...]:
    """Return the sources with those labels missing that their tasks ignore (`ignore_index`).

    Splits, shares of labels and fingerprints depend on all labels of a source: with the ignored ones missing before, everything is as if
    they had never been there. Sources without such labels are returned unchanged.

    Args:
        sources: Sources with labels.
        tasks: All tasks that the sources label.

    Raises:
        DataError: A task of one label per row has several.

    Example:
        >>> from polytask.tasks import Multiclass
        >>> source = Source("toy", np.zeros((3, 1)), {"kind": np.array([0, -100, 1])})
        >>> known_sources([source], [Multiclass(name="kind", classes=(0, 1), ignore_index=-100)])[0].labels["kind"].tolist()
        [0.0, nan, 1.0]
    """
    return tuple(_known_source(source, tasks) for source in sources)


def _known_source(source: Source, tasks: Sequence[Task]) -> Source:
    own = [(task, source.labels[task.name]) for task in tasks if task.name in source.labels]
    for task, labels in own:
        if labels.ndim > 1 and not task.per_token and task.label_type is not LabelType.VECTOR:
            where, found = f"source {source.name!r}, {task.name!r}", f"labels of shape {labels.shape}"
            remedy = "Pass one column, or make it a task of several numbers: polytask.tasks.VectorRegression"
            raise DataError("exactly one entry per row is needed", where=where, found=found, remedy=remedy)
    changed = {task.name: known for task, labels in own if (known := np.asarray(task.known_labels(labels))) is not labels}
    return replace(source, labels={**source.labels, **changed}) if changed else source
