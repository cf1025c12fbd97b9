"""Studies, training and relatedness in one call, from a table, a data set or sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from polytask.data import Source
from polytask.options import CurveConfig, RelateConfig, StudyConfig, TrainConfig
from polytask.options.values.component_names import AUTO
from polytask.studies.affinity.relate_tasks import RelateResult, relate_tasks
from polytask.studies.choice_run import ChoiceResult, train_choice
from polytask.studies.curves.measure_curve import CurveResult, measure_curve
from polytask.studies.execution.run_jobs import StudyProgressHook, ignore_study_progress
from polytask.studies.execution.train_single_network import TrainResult, train_network
from polytask.studies.results.conclude_study import StudyResult
from polytask.studies.run_study import Study
from polytask.studies.setup.called_data import CallOptions, Targets, load_called_data
from polytask.studies.setup.run_folder import RunFolder
from polytask.tasks import Task
from polytask.training.loop.training_progress import ProgressHook, ignore_progress


def study(
    data: Any,  # noqa: ANN401 - a path, a name, a data frame of any library, or sources
    tasks: Sequence[Task] | None = None,
    *,
    targets: Targets | None = None,
    test: Callable[[], tuple[Source, ...]] | None = None,
    out: str | Path | None = None,
    progress: StudyProgressHook = ignore_study_progress,
    keep: bool = False,
    **options: Any,  # noqa: ANN401 - options of the command `polytask study`
) -> StudyResult:
    """Compare joint training with single-task training: `polytask study` in one call.

    A data frame is stored in the run folder, so that the run can be resumed, and be repeated from its `run.yaml`. An index other than
    0, 1, … becomes the identifier of the rows in the predictions.

    Args:
        data: Table (pandas, polars, Arrow, or a mapping of columns), path of a table (CSV, TSV, Parquet), name of a built-in data set, or
            training sources.
        tasks: Tasks to learn, for sources.
        targets: Columns to predict, for tables: their names, or a mapping to their kinds (`None` infers a kind).
        test: Function that loads the test sources, for sources that do not know theirs.
        out: Run folder; an interrupted study in it is resumed. By default a temporary folder.
        progress: Function that is called with the progress of the study several times a second.
        keep: Whether to keep the networks of all arms and seeds.
        **options: Options of `polytask study` by name, with underscores: of the study (`arms`, `seeds`, `protect`, …), of training
            (`epochs`, `lr`, …), and of a table (`group`, `time`, `drop`, …).

    Raises:
        ConfigError: A name or option is unknown, there are no targets, or the interrupted study had other data.
        DataError: The table cannot be read, or a target cannot be learned.
        StorageError: The folder is in use, holds something else or a finished run, or cannot be written to.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(300, 3))
        >>> table = {"a": x[:, 0], "b": x[:, 1], "churn": x[:, 0] > 0, "value": x[:, 0] + x[:, 1]}
        >>> result = study(table, targets=["churn", "value"], arms=["single", "equal"], seeds=2, epochs=2, workers=1)
        >>> sorted(result.verdict.tasks)
        ['churn', 'value']
    """
    folder = RunFolder.at(out).path
    loaded = load_called_data(CallOptions(StudyConfig, "study", options), data, tasks, targets, folder)
    return Study(loaded.sources, loaded.tasks, test=test, config=loaded.config).run(folder, progress, keep=keep)


def train(
    data: Any,  # noqa: ANN401 - a path, a name, a data frame of any library, or sources
    tasks: Sequence[Task] | None = None,
    *,
    targets: Targets | None = None,
    out: str | Path | None = None,
    progress: ProgressHook = ignore_progress,
    **options: Any,  # noqa: ANN401 - options of the command `polytask train`
) -> TrainResult | ChoiceResult:
    """Train one network for all tasks into a run folder: `polytask train` in one call.

    With `model="auto"` and a table, the best of networks, trees and linear models is chosen out of fold for each target.

    Args:
        data: Table, path of a table, name of a built-in data set, or training sources; see `polytask.study`.
        tasks: Tasks to learn, for sources.
        targets: Columns to predict, for tables: their names, or a mapping to their kinds (`None` infers a kind).
        out: Run folder; interrupted training in it is resumed. By default a temporary folder.
        progress: Function that is called with the progress of the training several times a second.
        **options: Options of `polytask train` by name, with underscores: of the network (`balancer`, `encoder`, …), of training
            (`epochs`, `lr`, …), and of a table (`group`, `drop`, …).

    Raises:
        ConfigError: A name or option is unknown, there are no targets, or the interrupted training had other data.
        DataError: The table cannot be read, or a target cannot be learned.
        StorageError: The folder is in use, holds something else or a finished run, or cannot be written to.
        NonFiniteError: A loss is not finite.

    Example:
        >>> import numpy as np, polytask as pt
        >>> x = np.random.default_rng(0).normal(size=(200, 2))
        >>> run = train({"a": x[:, 0], "b": x[:, 1], "sum": x.sum(1), "first": x[:, 0] > 0}, targets=["sum", "first"], epochs=1)
        >>> pt.load(run.folder).predict({"a": [0.5], "b": [1.0]}).columns.tolist()
        ['sum', 'first']
    """
    folder = RunFolder.at(out).path
    loaded = load_called_data(CallOptions(TrainConfig, "train", options), data, tasks, targets, folder)
    if loaded.config.model == AUTO:
        return train_choice(loaded.config, loaded.sources, loaded.tasks, folder)
    return train_network(loaded.config, loaded.sources, loaded.tasks, folder, progress)


def relate(
    data: Any,  # noqa: ANN401 - a path, a name, a data frame of any library, or sources
    tasks: Sequence[Task] | None = None,
    *,
    targets: Targets | None = None,
    out: str | Path | None = None,
    progress: StudyProgressHook = ignore_study_progress,
    **options: Any,  # noqa: ANN401 - options of the command `polytask relate`
) -> RelateResult:
    """Measure how related tasks are, and propose which to train together: `polytask relate` in one call. Test data are not read.

    Args:
        data: Table, path of a table, name of a built-in data set, or training sources; see `polytask.study`.
        tasks: Tasks to learn, at least two, for sources.
        targets: Columns to predict, for tables: their names, or a mapping to their kinds (`None` infers a kind).
        out: Run folder; an interrupted run in it is resumed. By default a temporary folder.
        progress: Function that is called with the progress of the run several times a second.
        **options: Options of `polytask relate` by name, with underscores: `measures`, `seeds`, `max_groups`, `preset`, options of
            training, and of a table.

    Raises:
        ConfigError: A name or option is unknown, there are no targets, a measure is impossible for these tasks, or the interrupted run had
            other data.
        DataError: The table cannot be read, or a target cannot be learned.
        StorageError: The folder is in use, holds something else or a finished run, or cannot be written to.
        NonFiniteError: A loss is not finite.

    Example:
        >>> import numpy as np
        >>> from polytask.tasks import Regression
        >>> x = np.random.default_rng(0).normal(size=(200, 3)).astype("float32")
        >>> source = Source("toy", x, {"sum": x.sum(1), "mean": x.mean(1), "other": x[:, 0] - x[:, 1]})
        >>> tasks = tuple(Regression(name=name) for name in source.tasks)
        >>> related = relate([source], tasks, seeds=2, measure_every=1, epochs=3, batch_size=32, workers=1)
        >>> cosines = related.relations["cosine"].mean
        >>> bool(cosines[0, 1] > cosines[0, 2])
        True
    """
    folder = RunFolder.at(out).path
    loaded = load_called_data(CallOptions(RelateConfig, "relate", options), data, tasks, targets, folder)
    return relate_tasks(loaded.sources, loaded.tasks, config=loaded.config, out=folder, progress=progress)


def curve(
    data: Any,  # noqa: ANN401 - a path, a name, a data frame of any library, or sources
    tasks: Sequence[Task] | None = None,
    *,
    targets: Targets | None = None,
    test: Callable[[], tuple[Source, ...]] | None = None,
    out: str | Path | None = None,
    progress: StudyProgressHook = ignore_study_progress,
    **options: Any,  # noqa: ANN401 - options of the command `polytask curve`
) -> CurveResult:
    """Compare joint and single-task training at several shares of the labels: `polytask curve` in one call.

    Args:
        data: Table, path of a table, name of a built-in data set, or training sources; see `polytask.study`.
        tasks: Tasks to learn, at least two, for sources.
        targets: Columns to predict, for tables: their names, or a mapping to their kinds (`None` infers a kind).
        test: Function that loads the test sources, for sources that do not know theirs.
        out: Run folder; an interrupted run in it is resumed. By default a temporary folder.
        progress: Function that is called with the progress of the run several times a second.
        **options: Options of `polytask curve` by name, with underscores: `shares`, `labels_of`, `seeds`, `arms`, `preset`, options of
            training, and of a table.

    Raises:
        ConfigError: A name or option is unknown, there are no targets, or the interrupted run had other data.
        DataError: The table cannot be read, or a share leaves a task without labels.
        StorageError: The folder is in use, holds something else or a finished run, or cannot be written to.
        NonFiniteError: A loss is not finite.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(300, 2))
        >>> table = {"a": x[:, 0], "b": x[:, 1], "sum": x.sum(1), "value": x[:, 0] - x[:, 1]}
        >>> found = curve(table, targets=["sum", "value"], shares=["1/2", 1], seeds=2, epochs=1, workers=1)
        >>> [point.labels for point in found.curve.tasks["sum"].points]
        [96, 192]
    """
    folder = RunFolder.at(out).path
    loaded = load_called_data(CallOptions(CurveConfig, "curve", options), data, tasks, targets, folder)
    return measure_curve(loaded.sources, loaded.tasks, test=test, config=loaded.config, out=folder, progress=progress)
