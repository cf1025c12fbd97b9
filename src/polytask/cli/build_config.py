"""Merge a source, a file, options and `--set` assignments into one configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.cli.table_source import KIND, table_section
from polytask.errors import ConfigError
from polytask.options import NetworkConfig, TableOptions, fields_of
from polytask.options.option_sections import TABLE, TRAINING
from polytask.options.table_options import TABLE_ENDINGS, is_table_file
from polytask.registry import find, names
from polytask.registry.importing import is_import_path


def merged(source: str, given: Mapping[str, Mapping[str, Any]], assignments: Sequence[str], *, imports: bool = False) -> dict[str, Any]:
    """Merge a source (name of a data set, table, or YAML file), options, and `--set name=value` into a configuration.

    Options override the file, and `--set` overrides both.

    Args:
        source: Source argument of the command.
        given: Option values by section: the command's own options (empty name), training options, and table options.
        assignments: Assignments of the form `name=value`.
        imports: Whether to follow import paths in a file written by polytask.

    Raises:
        ConfigError: The source or an assigned name does not exist, or a file written by polytask contains an import path and `imports` is
            false.
    """
    config = _of_source(source, given.get(TABLE, {}), imports=imports)
    config.update(given.get("", {}))
    if given.get(TRAINING):
        _section(config, [TRAINING]).update(given[TRAINING])
    for assignment in assignments:
        _assign(config, assignment)
    return config


def own_choices(config: Mapping[str, Any], model: type[NetworkConfig], others: Iterable[type[NetworkConfig]]) -> dict[str, Any]:
    """Drop options of other commands that a file may hold; keep unknown names, so that they are rejected later.

    Args:
        config: Merged configuration.
        model: Option model of the command.
        others: Option models of the other commands.
    """
    elsewhere = {name for other in others for name in other.model_fields} - model.model_fields.keys()
    return {name: value for name, value in config.items() if name not in elsewhere}


def run_name(config: Mapping[str, Any]) -> str:
    """Return the default name of a run: its data set (without the module of an import path), or its tables joined by hyphens."""
    source = str(config.get("source") or "").partition("(")[0].rpartition(":")[2]
    return source or "-".join(config.get("tables") or ("run",))


def _of_source(source: str, table: Mapping[str, Any], *, imports: bool) -> dict[str, Any]:
    if is_table_file(source):
        return table_section(source, table)
    is_file = source.endswith((".yaml", ".yml"))
    known = {} if is_file else {"source": _known(source)}
    for name in table:
        flag = KIND.flag if name == KIND.name else next(field.flag for field in fields_of(TableOptions) if field.name == name)
        found, remedy = (f"the file {source!r}", "Write it there, or use --set") if is_file else (f"the data set {source!r}", "")
        raise ConfigError("this option needs a table as the source", where=flag.option(name), found=found, remedy=remedy)
    return _from_file(Path(source), imports=imports) if is_file else known


def _known(source: str) -> str:
    """Return the name or the import path of a data set; fail early, before heavy imports, if there is no such name."""
    if is_import_path(source.partition("(")[0]):
        return source
    if source in names("data set") or not (Path(source).exists() or Path(source).suffix):
        return find("data set", source).name
    remedy = f"Give a built-in data set ({', '.join(names('data set'))}), a table ({', '.join(TABLE_ENDINGS)}) or a study file (.yaml)"
    raise ConfigError("this file is neither a study file nor a table", where=source, remedy=remedy)


def _from_file(path: Path, *, imports: bool) -> dict[str, Any]:
    from polytask.storage import read_yaml

    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError("a study file must be a mapping of names to values", where=str(path), found=type(content).__name__)
    if content.get("source") is None and not content.get("tables"):
        remedy = f"Add source: {names('data set')[0]}, or tables: with a file and its targets"
        raise ConfigError("the study file names no source", where=str(path), remedy=remedy)
    if content.get("source") is not None:
        _known(str(content["source"]))
    if content.get("version") is not None and not imports:
        from polytask.options.values.component_names import check_imports

        check_imports(content, str(path))
    tables = _mapping(content.get("tables") or {}, "tables")
    # Paths in a file are relative to the folder of the file.
    found = {str(name): _from(path.resolve().parent, _mapping(table, f"tables.{name}")) for name, table in tables.items()}
    return {**content, **({"tables": found} if found else {})}


def _from(folder: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: str(folder / str(value)) if name in ("file", "test_file", "text_encoder") and value is not None else value
        for name, value in table.items()
    }


def _assign(config: dict[str, Any], assignment: str) -> None:
    import yaml

    path, sign, text = assignment.partition("=")
    if not sign:
        raise ConfigError("an assignment must have the form name=value", where="--set", found=repr(assignment))
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: an impossible date; RecursionError: very deep nesting
        value = text
    if path == "training":  # keeps the training options given as flags
        _section(config, [path]).update(_mapping(value, path))
        return
    *sections, name = path.split(".")
    _section(config, sections)[name] = value


def _section(config: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Return the section at a path; create missing sections."""
    for depth, name in enumerate(path, start=1):
        inner = config.get(name)
        config[name] = dict(_mapping({} if inner is None else inner, ".".join(path[:depth])))
        config = config[name]
    return config


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError("a mapping of names to values is needed", where=where, found=repr(value), remedy="Write it as {name: value}")
    return value
