"""Data and options of the functions that study, train or relate in one call."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from polytask.data import Source, Sources, check_sources
from polytask.datasets.tables import to_dataframe
from polytask.errors import ConfigError
from polytask.options import TrainingOptions, checked
from polytask.options.option_sections import TABLE, TRAINING, sort_into_sections
from polytask.options.table_options import is_table_file
from polytask.options.train_config import Config
from polytask.studies.setup.apply_preset import reject_command_options, with_preset
from polytask.studies.setup.frame_file import write_frame
from polytask.studies.setup.load_data import LoadedData, load_data
from polytask.studies.setup.run_folder import RunFolder
from polytask.tasks import Task, check_tasks

Targets = Sequence[str] | Mapping[str, Any] | str
"""Columns to predict: their names, or their names with their kinds, of which `None` is inferred from the labels."""

_LOG = logging.getLogger("polytask")


@dataclass(frozen=True)
class CallOptions(Generic[Config]):
    """Options of a call of `study`, `train` or `relate`, given by name alone.

    Attributes:
        config: Option model.
        function: Name of the function that was called, for error messages.
        given: Values by name.
    """

    config: type[Config]
    function: str
    given: Mapping[str, Any]

    def checked(self, **of_data: Any) -> Config:  # noqa: ANN401 - fields of the option model
        """Return the option model with the options of the run and of training, and with these fields."""
        sections = self.sections
        training = sections[""].get(TRAINING) or {}
        training = training.model_dump(exclude_unset=True) if isinstance(training, TrainingOptions) else training
        if isinstance(training, Mapping):
            training = {**training, **sections[TRAINING]}
        given = {**sections[""], **of_data, TRAINING: training}
        return checked(self.config, given, where=self.function, imports=True)

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        """The options by section."""
        return sort_into_sections(self.config, self.given, self.function)


def load_called_data(
    options: CallOptions[Config],
    data: Any,  # noqa: ANN401 - see the docstring
    tasks: Sequence[Task] | None,
    targets: Targets | None,
    folder: Path,
) -> LoadedData[Config]:
    """Load what the first argument of a call stands for, and log what is peculiar about it.

    Args:
        options: Options of the call.
        data: Table of any library, path of a table, name of a data set, or sources.
        tasks: Tasks of the sources.
        targets: Targets of the table.
        folder: Run folder, in which a data frame is stored.

    Raises:
        ConfigError: An option is unknown or does not fit the data, or tasks or targets are missing.
        DataError: The table cannot be read, or a target cannot be learned.
        StorageError: The run folder holds a run on other rows.
    """
    reject_command_options([name for name in options.given if name != "size"], options.function)
    is_name = isinstance(data, str | Path)
    if not is_name and (isinstance(data, Source) or _holds_sources(data)):
        return _of_sources(options, data, tasks, targets)
    if tasks is not None:
        raise ConfigError("tasks are for sources", where="tasks", remedy='Name the columns to predict: targets=["churn", "value"]')
    if is_name and not is_table_file(str(data)):
        return _of_data_set(options, str(data), targets)
    loaded = load_data(options.checked(tables=_table_section(options, data, targets, folder)))
    for note in loaded.notes:
        _LOG.warning("%s", note)
    return loaded


def _holds_sources(data: Any) -> bool:  # noqa: ANN401
    return isinstance(data, Sequence) and any(isinstance(entry, Source) for entry in data)


def _of_sources(options: CallOptions[Config], data: Any, tasks: Sequence[Task] | None, targets: Targets | None) -> LoadedData[Config]:  # noqa: ANN401
    if targets is not None or tasks is None:
        remedy = "Pass tasks, such as polytask.tasks.Binary(name=...)"
        raise ConfigError("sources come with tasks", where="targets" if tasks is not None else "tasks", remedy=remedy)
    reject_command_options(options.given, options.function)
    _reject_table_options(options)
    sources, known = check_sources(data), check_tasks(tasks)
    kept = data if isinstance(data, Sources) else Sources(sources)
    return LoadedData(with_preset(options.checked(), sources, known), kept, known, ())


def _of_data_set(options: CallOptions[Config], name: str, targets: Targets | None) -> LoadedData[Config]:
    if Path(name).suffix in (".yaml", ".yml"):
        remedy = f"Run polytask {options.function} {name}, or pass the table that it names"
        raise ConfigError("study files are for the command line", where="data", found=name, remedy=remedy)
    if targets is not None:
        raise ConfigError("a data set has its own targets", where="targets", found=targets, remedy="Leave targets out")
    _reject_table_options(options)
    return load_data(options.checked(source=name))


def _reject_table_options(options: CallOptions[Config]) -> None:
    found = ", ".join(options.sections[TABLE])
    if found:
        raise ConfigError("this option needs a table as the data", where=options.function, found=found)


_REMEDY = 'For example targets=["churn", "value"]'


def _names_of_columns(targets: Any) -> Any:  # noqa: ANN401 - see `Targets`; users pass names in series and arrays too
    """Return targets as they are given, names in a series, an index or an array as a list.

    Raises:
        ConfigError: These are no names, such as the columns themselves.
    """
    if targets is None or isinstance(targets, str | Mapping):
        return targets
    names = targets.tolist() if getattr(targets, "ndim", 0) == 1 and hasattr(targets, "tolist") else targets
    if not isinstance(names, list | tuple):
        found, remedy = type(targets).__name__, f"Leave the columns in the table, and name them. {_REMEDY}"
        raise ConfigError("names of columns are needed", where="targets", found=found, remedy=remedy)
    for name in names:
        if not isinstance(name, str):
            raise ConfigError("names of columns are needed", where="targets", found=repr(name), remedy=_REMEDY)
    return names


def _table_section(options: CallOptions[Config], data: Any, targets: Targets | None, folder: Path) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    """Return the options of the table, by its name; a data frame is written to the run folder."""
    targets = _names_of_columns(targets)
    if not targets:
        raise ConfigError("the columns to predict must be named", where="targets", remedy=_REMEDY)
    given = options.sections[TABLE] | {"targets": targets}
    if isinstance(data, str | Path):
        path = Path(data).expanduser().resolve()
        name = path.name[: path.name.index(".")] or path.name
    else:
        name, path = "table", RunFolder(folder.resolve()).frame
        index = write_frame(to_dataframe(data, "data"), path)
        given = {"id_column": index} | given
    for option in ("test_file", "text_encoder"):
        if given.get(option) is not None:
            given[option] = str(Path(given[option]).expanduser().resolve())
    return {name: {**given, "file": str(path)}}
