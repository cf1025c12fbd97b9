"""From the command line's options to a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polytask.errors import ConfigError
from polytask.registry import find, names
from polytask.registry.spelling import split_outside

TRAINING = ("epochs", "batch_size", "lr", "optimizer", "schedule", "clip", "accumulate", "stop", "patience", "precision", "threads")


def merged(source: str, given: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """A configuration from a source (a data set's name, or a YAML file), options, and `--set name=value`.

    Options stand above the file, `--set` above both; what is None was not given.

    Raises:
        ConfigError: The source or an assigned name does not exist.
    """
    config: dict[str, Any] = _from_file(Path(source)) if source.endswith((".yaml", ".yml")) else {"source": _known(source)}
    training: dict[str, Any] = dict(config.get("training") or {})
    for name, value in given.items():
        if value is not None:
            (training if name in TRAINING else config)[name] = value
    for assignment in assignments:
        _assign(config, training, assignment)
    return config | ({"training": training} if training else {})


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


def _known(source: str) -> str:
    """The data set's name, once it is known to be one: before anything heavy is imported."""
    if source in names("data set") or not Path(source).exists():
        return find("data set", source).name
    remedy = f"Give a built-in data set ({', '.join(names('data set'))}) or a study file (.yaml)"
    raise ConfigError("this file is no study", where=source, remedy=remedy)


def _from_file(path: Path) -> dict[str, Any]:
    from polytask.storage import read_yaml

    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError("a study file is a mapping of names to values", where=str(path), found=type(content).__name__)
    if content.get("source") is None:
        raise ConfigError("the study file names no source", where=str(path), remedy=f"Add source: {names('data set')[0]}")
    _known(str(content["source"]))
    return content


def _assign(config: dict[str, Any], training: dict[str, Any], assignment: str) -> None:
    import yaml

    name, sign, text = assignment.partition("=")
    if not sign:
        raise ConfigError("an assignment is written name=value", where="--set", found=repr(assignment))
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    section, _, inner = name.rpartition(".")
    if section == "training":
        training[inner] = value
    elif not section:
        config[name] = value
    else:
        config[section] = {**(config.get(section) or {}), inner: value}
