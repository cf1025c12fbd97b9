"""From the command line's options to a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.cli.tables import ENDINGS, FIELDS, is_table, table_section
from polytask.errors import ConfigError
from polytask.registry import find, names
from polytask.registry.parsing import split_outside

TABLE = (
    "targets", "kinds", "weights", "group", "time", "split", "unit", "without", "categories", "missing", "delimiter", "encoding", "test",
)  # fmt: skip
TRAINING = ("epochs", "batch_size", "lr", "optimizer", "schedule", "clip", "accumulate", "stop", "patience", "precision", "threads")


def merged(source: str, given: Mapping[str, Any], assignments: Sequence[str], *, imports: bool = False) -> dict[str, Any]:
    """A configuration from a source (a data set's name, or a YAML file), options, and `--set name=value`.

    Options stand above the file, `--set` above both; what is None was not given.

    Args:
        source: The data set or the file.
        given: Options by name.
        assignments: Of `--set`.
        imports: Whether import paths are followed in a file that polytask has written.

    Raises:
        ConfigError: The source or an assigned name does not exist; an import path in a file that polytask has written.
    """
    config = _of_source(source, given, imports=imports)
    for name, value in given.items():
        if value is not None and name not in TABLE:
            _section(config, ["training"] if name in TRAINING else [])[name] = value
    for assignment in assignments:
        _assign(config, assignment)
    return config


def name_of(config: Mapping[str, Any]) -> str:
    """What a run is called by default: its data set, or its tables."""
    return str(config.get("source") or "-".join(config.get("tables") or ("run",)))


def _of_source(source: str, given: Mapping[str, Any], *, imports: bool) -> dict[str, Any]:
    if is_table(source):
        return table_section(source, given)
    is_study = source.endswith((".yaml", ".yml"))
    known = {} if is_study else {"source": _known(source)}
    asked = [name for name in TABLE if given.get(name)]
    if asked:
        option = next((option for option, field in FIELDS.items() if field == asked[0]), asked[0])
        found, remedy = (f"the study file {source!r}", "Write it there, or use --set") if is_study else (f"the data set {source!r}", "")
        raise ConfigError("this is an option of tables in files", where=f"--{option}", found=found, remedy=remedy)
    return _from_file(Path(source), imports=imports) if is_study else known


def listed(text: str | None) -> tuple[str, ...] | None:
    """`a,b,c` as its parts; commas within parentheses belong to a part.

    Example:
        >>> listed("single, cagrad(c=0.4, rescale=0)")
        ('single', 'cagrad(c=0.4, rescale=0)')
    """
    return None if text is None else tuple(part for part in split_outside(text) if part)


def margins_of(texts: Sequence[str]) -> dict[str, float] | None:
    """`task=0.01` per task.

    Raises:
        ConfigError: It is not of that form.

    Example:
        >>> margins_of(["digit=0.01"])
        {'digit': 0.01}
    """
    margins = {}
    for text in texts:
        task, _, value = text.rpartition("=")
        try:
            margins[task] = float(value)
        except ValueError:
            raise ConfigError("a margin is written task=number", where="--margin", found=repr(text)) from None
    return margins or None


def looks_of(text: str | None, seeds: int | None) -> dict[str, Any]:
    """`5,8,12` as looks, and as the seeds that the last of them needs, unless their number is given.

    Raises:
        ConfigError: It is not of that form.

    Example:
        >>> looks_of("5,8", None)
        {'looks': (5, 8), 'seeds': 8}
    """
    if text is None:
        return {}
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            "looks are numbers of seeds with commas between", where="--looks", found=repr(text), remedy="For example 5,8,12"
        ) from None
    return {"looks": numbers, "seeds": seeds or numbers[-1]}


def _known(source: str) -> str:
    """The data set's name, once it is known to be one: before anything heavy is imported."""
    if source in names("data set") or not (Path(source).exists() or Path(source).suffix):
        return find("data set", source).name
    remedy = f"Give a built-in data set ({', '.join(names('data set'))}), a table ({', '.join(ENDINGS)}) or a study file (.yaml)"
    raise ConfigError("this file is no study and no table", where=source, remedy=remedy)


def _from_file(path: Path, *, imports: bool) -> dict[str, Any]:
    from polytask.storage import read_yaml

    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError("a study file is a mapping of names to values", where=str(path), found=type(content).__name__)
    if content.get("source") is None and not content.get("tables"):
        remedy = f"Add source: {names('data set')[0]}, or tables: with a file and its targets"
        raise ConfigError("the study file names no source", where=str(path), remedy=remedy)
    if content.get("source") is not None:
        _known(str(content["source"]))
    if content.get("version") is not None and not imports:
        from polytask.study.named_parts import check_imports

        check_imports(content, str(path))
    tables = _mapping(content.get("tables") or {}, "tables")
    # Paths in a file are meant from where the file is.
    found = {str(name): _from(path.resolve().parent, _mapping(table, f"tables.{name}")) for name, table in tables.items()}
    return {**content, **({"tables": found} if found else {})}


def _from(folder: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(folder / str(value)) if name in ("file", "test") and value is not None else value for name, value in table.items()}


def _assign(config: dict[str, Any], assignment: str) -> None:
    import yaml

    path, sign, text = assignment.partition("=")
    if not sign:
        raise ConfigError("an assignment is written name=value", where="--set", found=repr(assignment))
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):  # the latter: a thirteenth month, brackets without end
        value = text
    if path == "training":  # the options of the command line stand there already
        _section(config, [path]).update(_mapping(value, path))
        return
    *sections, name = path.split(".")
    _section(config, sections)[name] = value


def _section(config: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """The section at that path, made where there is none."""
    for depth, name in enumerate(path, start=1):
        inner = config.get(name)
        config[name] = dict(_mapping({} if inner is None else inner, ".".join(path[:depth])))
        config = config[name]
    return config


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError("names with values are needed here", where=where, found=repr(value), remedy="Write it as {name: value}")
    return value
