"""The options that say what a table in a file is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from polytask.errors import ConfigError
from polytask.registry.suggestion import nearest

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
SEVERAL = ("--targets", "--without", "--category", "--missing")
"""Options that take several words at once."""

Targets = Annotated[list[str] | None, typer.Option("--targets", help="Of a table: the columns to predict.")]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="target=kind, as value=regression or size='ordinal(classes=[S, M, L])'.")]
Weights = Annotated[list[str] | None, typer.Option("--weight", help="target=number: the weight of its loss. Repeatable.")]
Group = Annotated[str | None, typer.Option("--group", help="A column whose rows of one value stay together: a customer, say.")]
Time = Annotated[str | None, typer.Option("--time", help="A column by which the latest rows are held out.")]
Split = Annotated[str | None, typer.Option("--split", help="A column that says train, validation or test.")]
Unit = Annotated[str | None, typer.Option("--unit", help="A column that says what rows are called in predictions.")]
Without = Annotated[list[str] | None, typer.Option("--without", help="Columns that are left out.")]
Categories = Annotated[list[str] | None, typer.Option("--category", help="Columns that hold categories, whatever they look like.")]
Missing = Annotated[list[str] | None, typer.Option("--missing", help="Texts that mean that there is nothing, as NA.")]
Delimiter = Annotated[str | None, typer.Option("--delimiter", help="Between cells; by default a comma, and a tab in .tsv files.")]
Encoding = Annotated[str | None, typer.Option("--encoding", help="Of the text; by default utf-8.")]
Preset = Annotated[str | None, typer.Option("--preset", help="The budget: quick, standard or thorough.")]

FIELDS = {"kind": "kinds", "weight": "weights", "category": "categories"}
"""What options are called in a table's section, where it is something else."""


def is_table(source: str) -> bool:
    """Whether a source is the name of a table's file."""
    return source.lower().endswith(ENDINGS)


def table_section(source: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a table in a file.

    Raises:
        ConfigError: No target, or an option that is not written as it must be.

    Example:
        >>> sections = table_section("sales.csv", {"targets": ["churn", "value"], "kinds": ["value=count"]})
        >>> sections["tables"]["sales"]["targets"]
        {'churn': None, 'value': 'count'}
    """
    path = Path(source)
    targets = [name for text in given.get("targets") or () for name in text.split(",") if name]
    if not targets:
        raise ConfigError("the columns to predict are not named", where=source, remedy="Add --targets and their names")
    _check_once(targets, "--targets")
    kinds = _pairs(given.get("kinds"), "--kind")
    for name in kinds:
        if name not in targets:
            raise ConfigError(
                "a kind for a column that is no target", where="--kind", found=repr(name), remedy=nearest(name, tuple(targets))
            )
    table: dict[str, Any] = {"file": str(path.resolve()), "targets": {name: kinds.get(name) for name in targets}}
    weights = {name: _number(value) for name, value in _pairs(given.get("weights"), "--weight").items()}
    plain = ("group", "time", "split", "unit", "without", "categories", "missing", "delimiter", "encoding", "test")
    table |= {name: given[name] for name in plain if given.get(name) is not None}
    if table.get("delimiter") in ("\\t", "tab"):  # as a shell passes it on
        table["delimiter"] = "\t"
    if table.get("test"):
        table["test"] = str(Path(table["test"]).resolve())
    if weights:
        table["weights"] = weights
    name = path.name
    return {"tables": {name[: name.index(".")] or name: table}}


def spread(arguments: Sequence[str]) -> list[str]:
    """Arguments in which an option that takes several words is said once for each.

    Example:
        >>> spread(["train", "a.csv", "--targets", "x", "y", "--out", "runs/a"])
        ['train', 'a.csv', '--targets', 'x', '--targets', 'y', '--out', 'runs/a']
    """
    found: list[str] = []
    option, fresh = "", False
    for word in arguments:
        if fresh and word.startswith("-"):
            break
        if word in SEVERAL:
            option, fresh = word, True
            found.append(word)
        elif word.startswith("-") or not option:
            option = ""
            found.append(word)
        else:
            found += [word] if fresh else [option, word]
            fresh = False
    if fresh:
        raise ConfigError("words are needed after this option", where=option, remedy="Name columns, or leave it out")
    return found


def _pairs(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    pairs = [_pair(text, option) for text in texts or ()]
    _check_once([name for name, _ in pairs], option)
    return dict(pairs)


def _check_once(names: Sequence[str], option: str) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigError("a column is named twice", where=option, found=repr(name), remedy="Say it once")


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ConfigError("this is written target=…", where=option, found=repr(text))
    return name, value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError("a weight is a number", where="--weight", found=repr(text)) from None
