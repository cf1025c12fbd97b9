"""Tables in files as sources of commands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.errors import ConfigError, PolytaskError
from polytask.options import TableOptions, fields_of
from polytask.options.base import OptionField
from polytask.options.cli_option import Flag
from polytask.options.verdict_options.verdict_config import KIND_OPTION
from polytask.registry.suggestion import nearest

_PANELS = {field.name: field.flag.panel for field in fields_of(TableOptions)}
KIND = OptionField(
    "kind",
    dict[str, str],
    "Kind of a target, as target=kind, with options in parentheses; see polytask methods task-kind. Repeatable.",
    {},
    Flag(_PANELS["targets"], name=KIND_OPTION, example='"size=ordinal(classes=[S, M, L])"', default="inferred from the labels"),
)
"""Option that sets the kinds of targets; in the configuration they are part of `targets`."""


def table_section(source: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a table in a file.

    Args:
        source: Path of the table.
        given: Values keyed by the field names of `TableOptions`, and the kinds of targets under `kind`.

    Raises:
        ConfigError: There is no target, a target is given twice, or a kind is given for a column that is not a target.

    Example:
        >>> sections = table_section("sales.csv", {"targets": ["churn", "value"], "kind": {"value": "count"}})
        >>> sections["tables"]["sales"]["targets"]
        {'churn': None, 'value': 'count'}
    """
    path = Path(source)
    if given.get("delimiter") in ("\\t", "tab"):  # a shell passes an escaped tab on as text
        given = {**given, "delimiter": "\t"}
    targets = target_names(given.get("targets") or (), lambda: _columns(path, given))
    if not targets:
        raise ConfigError("the columns to predict must be given", where=source, remedy="Add --targets and their names")
    for number, name in enumerate(targets):
        if name in targets[:number]:
            raise ConfigError("a name must be given once", where="--targets", found=f"{name!r} twice")
    kinds = given.get("kind", {})
    for name in kinds:
        if name not in targets:
            raise ConfigError(
                "a kind was given for a column that is not a target", where="--kind", found=repr(name), remedy=nearest(name, tuple(targets))
            )
    table = {name: value for name, value in given.items() if name not in ("targets", "kind")}
    table |= {"file": str(path.resolve()), "targets": {name: kinds.get(name) for name in targets}}
    for option in ("test_file", "text_encoder"):
        if table.get(option):
            table[option] = str(Path(table[option]).resolve())
    name = path.name
    return {"tables": {name[: name.index(".")] or name: table}}


def target_names(texts: Sequence[str], columns: Callable[[], Collection[str]]) -> list[str]:
    """Return the names in the values of `--targets`: each is the name of a column, or several names separated by commas.

    Args:
        texts: Values of the option.
        columns: Reads the names of the columns; called only if a value has a comma.

    Example:
        >>> target_names(["height, cm", "churn,value"], lambda: ("height, cm", "churn", "value"))
        ['height, cm', 'churn', 'value']
    """
    known = columns() if any("," in text for text in texts) else ()
    return [name for text in texts for name in ([text] if text in known else text.split(",")) if name]


def _columns(path: Path, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the columns of a table, or none if they cannot be read: reading all of it will say why."""
    from polytask.data.reading import read_column_names
    from polytask.options import ReadingOptions

    try:
        return read_column_names(path, ReadingOptions(given.get("delimiter"), given.get("encoding") or "utf-8", sheet=given.get("sheet")))
    except PolytaskError:
        return ()


def spread(arguments: Sequence[str], several: Collection[str]) -> list[str]:
    """Repeat an option that takes several values before each of its values, as Typer expects it.

    Args:
        arguments: Arguments of the command line.
        several: Options that take several values.

    Raises:
        ConfigError: No value follows such an option.

    Example:
        >>> spread(["train", "a.csv", "--targets", "x", "y", "--out", "runs/a"], ["--targets"])
        ['train', 'a.csv', '--targets', 'x', '--targets', 'y', '--out', 'runs/a']
    """
    found: list[str] = []
    option, fresh = "", False
    after = ""
    for word in arguments:
        if fresh and word.startswith("-"):
            after = word
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
        remedy = "Give a value, or omit the option"
        if after:
            remedy += f"; a value that begins with a dash is written {option}={after}"
        raise ConfigError("this option needs at least one value", where=option, remedy=remedy)
    return found
