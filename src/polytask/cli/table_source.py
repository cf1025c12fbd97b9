"""A table in a file as the source of a command."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.errors import ConfigError
from polytask.options import TableOptions, fields_of
from polytask.options.base import OptionField
from polytask.options.flag import Flag
from polytask.registry.suggestion import nearest

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")

_PANELS = {field.name: field.flag.panel for field in fields_of(TableOptions)}
KIND = OptionField(
    "kind",
    dict[str, str],
    "Kind of a target: target=kind, with options in parentheses (polytask methods 'task kind'). Repeatable.",
    {},
    Flag(_PANELS["targets"], example='"size=ordinal(classes=[S, M, L])"', default="inferred from the labels"),
)
"""The option that gives targets their kinds, which stand beside the targets in the configuration."""


def is_table(source: str) -> bool:
    """Tell whether a source is the name of a table's file."""
    return source.lower().endswith(ENDINGS)


def table_section(source: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a table in a file.

    Args:
        source: Path of the table.
        given: Values by the names of `TableOptions`, and the kinds of targets as `kind`.

    Raises:
        ConfigError: No target, one twice, or a kind for a column that is no target.

    Example:
        >>> sections = table_section("sales.csv", {"targets": ["churn", "value"], "kind": {"value": "count"}})
        >>> sections["tables"]["sales"]["targets"]
        {'churn': None, 'value': 'count'}
    """
    path = Path(source)
    targets = [name for text in given.get("targets") or () for name in text.split(",") if name]
    if not targets:
        raise ConfigError("the columns to predict must be named", where=source, remedy="Add --targets and their names")
    for number, name in enumerate(targets):
        if name in targets[:number]:
            raise ConfigError("a name must be given once", where="--targets", found=f"{name!r} twice")
    kinds = given.get("kind", {})
    for name in kinds:
        if name not in targets:
            raise ConfigError(
                "a kind was given to a column that is no target", where="--kind", found=repr(name), remedy=nearest(name, tuple(targets))
            )
    table = {name: value for name, value in given.items() if name not in ("targets", "kind")}
    table |= {"file": str(path.resolve()), "targets": {name: kinds.get(name) for name in targets}}
    if table.get("delimiter") in ("\\t", "tab"):  # as a shell passes it on
        table["delimiter"] = "\t"
    if table.get("test_file"):
        table["test_file"] = str(Path(table["test_file"]).resolve())
    name = path.name
    return {"tables": {name[: name.index(".")] or name: table}}


def spread(arguments: Sequence[str], several: Collection[str]) -> list[str]:
    """Repeat an option that takes several words before each of its words, as typer expects it.

    Args:
        arguments: Words of the command line.
        several: Options that take several words.

    Raises:
        ConfigError: No word follows such an option.

    Example:
        >>> spread(["train", "a.csv", "--targets", "x", "y", "--out", "runs/a"], ["--targets"])
        ['train', 'a.csv', '--targets', 'x', '--targets', 'y', '--out', 'runs/a']
    """
    found: list[str] = []
    option, fresh = "", False
    for word in arguments:
        if fresh and word.startswith("-"):
            break
        if word in several:
            option, fresh = word, True
            found.append(word)
        elif word.startswith("-") or not option:
            option = ""
            found.append(word)
        else:
            found += [word] if fresh else [option, word]
            fresh = False
    if fresh:
        raise ConfigError("at least one word must follow this option", where=option, remedy="Name columns, or leave it out")
    return found
