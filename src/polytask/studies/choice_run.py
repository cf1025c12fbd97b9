"""Training of the best of networks, trees and linear models for a table, chosen out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polytask.data import Source, TablePreprocessor
from polytask.errors import ConfigError
from polytask.metrics.metric_functions import compute_metrics
from polytask.options import TrainConfig
from polytask.options.values.component_names import AUTO
from polytask.run_files import EnvironmentFile, ModelIndex
from polytask.run_files.model_index import MODEL_INDEX, ModelNetwork
from polytask.storage.atomic_write import make_folder
from polytask.studies.setup.environment import describe_environment
from polytask.studies.setup.run_folder import RunFolder, write_dataframe
from polytask.table_arms import ChosenModel, choose_model
from polytask.table_arms.saved_choice import save_choice
from polytask.tasks import Task


@dataclass(frozen=True)
class ChoiceResult:
    """Result of choosing models for a table.

    Attributes:
        validation: Metrics on rows that the models have not learned from, per task and name of the metric.
        model: Models and their weights.
        folder: Run folder with all files.
    """

    validation: Mapping[str, Mapping[str, float]]
    model: ChosenModel
    folder: Path

    def sentences(self) -> list[str]:
        """Return what was chosen for each task, how sure that is, and notes on arms that were left out."""
        lines = []
        for row in self.model.table().to_dict("records"):
            sure = "better than any other" if row["gain"] > 2 * row["error"] else "not clearly better than others"
            lines.append(f"{row['target']}: {row['chosen']} ({row['loss']:.3f} of the trivial loss out of fold, {sure})")
        return [*lines, *self.model.notes]

    def __str__(self) -> str:
        """Return the sentences, and the path of the run folder."""
        return "\n".join([*self.sentences(), f"Everything is in {self.folder}"])


def train_choice(config: TrainConfig, sources: Sequence[Source], tasks: Sequence[Task], out: str | Path) -> ChoiceResult:
    """Choose and fit models for one table, and write the model and the choice to a run folder. Test data are not read.

    The decisions of the clock are stored in `run.yaml`, so that a run from this file gives the same model.

    Args:
        config: Complete configuration with `model` auto.
        sources: The table.
        tasks: Tasks to learn.
        out: Run folder.

    Raises:
        StorageError: The folder is in use, holds a finished run, or cannot be written to.
        ConfigError: There is not a single table, or a task is of a kind that only networks learn.
    """
    coding = sources[0].preprocessor
    if len(sources) != 1 or not isinstance(coding, TablePreprocessor):
        found = ", ".join(source.name for source in sources)
        raise ConfigError("model auto learns a single table", where="model", found=found, remedy="Leave model out to train a network")
    folder = RunFolder(Path(out).expanduser())
    with folder.alone():
        config = folder.claim(config) or config  # decisions that were stored before a kill are kept
        EnvironmentFile(facts=describe_environment(config.model_copy(update={"model": None}), sources, tasks)).write(folder.environment)
        folder.write_config(config)
        limit = None if config.minutes is None else 60 * config.minutes
        model = choose_model(sources[0], tasks, seed=config.seed, time_limit=limit, decisions=config.decisions)
        folder.write_config(config.model_copy(update={"decisions": model.decisions}))
        write_dataframe(folder.path / "choice.csv", model.table())
        make_folder(folder.model)
        save_choice(folder.model / "choice", model, sources[0].name, coding)
        entry = ModelNetwork(folder="choice", tasks=tuple(task.name for task in model.tasks), arm=AUTO, seed=config.seed, chosen=True)
        folder.log("run finished")
        ModelIndex(networks=(entry,)).write(folder.model / MODEL_INDEX)
    metrics = {task.name: compute_metrics(model.outcomes[task.name], task.available_metrics) for task in model.tasks}
    return ChoiceResult(metrics, model, folder.path)
