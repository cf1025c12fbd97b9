"""Convert pydantic's validation errors into one-line errors of polytask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from polytask.errors import ConfigError, PolytaskError
from polytask.options.values.component_names import check_imports
from polytask.registry.suggestion import nearest

Model = TypeVar("Model", bound=BaseModel)


def checked(kind: type[Model], given: object, where: str, *, imports: bool = False) -> Model:
    """Return a validated option model.

    Args:
        kind: Class of the option model.
        given: Mapping of field names to values.
        where: Name of the configuration in error messages.
        imports: Whether to follow import paths in a file written by polytask, such as a `run.yaml`; in other files they are always
            followed.

    Raises:
        ConfigError: A name is unknown, or a value is outside its limits.

    Example:
        >>> from polytask.options import TrainingOptions
        >>> checked(TrainingOptions, {"epochs": 5}, where="training").epochs
        5
    """
    if not isinstance(given, Mapping):
        raise ConfigError("a configuration must be a mapping of names to values", where=where, found=type(given).__name__)
    if given.get("version") is not None and not imports:
        check_imports(given, where)
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        raise one_line(error, where, kind) from None


LONGEST_FOUND = 100
UNKNOWN = {"extra_forbidden", "unexpected_keyword_argument"}
"""Pydantic's error types for unknown names."""
NEEDED = {
    "tuple_type": ("a list is needed", "Write it as [{}]"),
    "dict_type": ("a mapping of names to values is needed", "Write it as {{{}: value}}"),
    "string_type": ("a string is needed", ""),
}
"""Message and remedy for pydantic's error types of values of the wrong type."""


def one_line(error: ValidationError, where: str, model: type[BaseModel]) -> ConfigError:
    """Return the first of pydantic's errors as an error of polytask."""
    errors = error.errors(include_url=False)
    # An unknown name is usually a misspelling of the missing one, so it is reported first.
    first = next((own for own in errors if own["type"] in UNKNOWN), errors[0])
    place = ".".join(str(part) for part in first["loc"])
    own = first.get("ctx", {}).get("error")
    if isinstance(own, PolytaskError):
        return ConfigError(own.what, where=f"{where}, {own.where}", found=own.found, remedy=own.remedy)
    if first["type"] in UNKNOWN:
        *section, name = first["loc"]
        return ConfigError("unknown option", where=f"{where}, {place}", remedy=_near(model, section, str(name)))
    if first["type"] == "missing":
        return ConfigError("a value is required", where=f"{where}, {place}")
    if first["type"] in NEEDED:
        what, written = NEEDED[first["type"]]
        remedy = written.format(first["input"]) if isinstance(first["input"], str) else ""
        return ConfigError(what, where=f"{where}, {place}", found=_short(first["input"]), remedy=remedy)
    more = f"; {error.error_count() - 1} more" if error.error_count() > 1 else ""
    message = first["msg"].removeprefix("Value error, ")
    found = _short(first["input"]) if place else None  # without a place, the input is the whole configuration
    return ConfigError(f"{message[0].lower()}{message[1:]}{more}", where=f"{where}, {place}" if place else where, found=found)


def _short(value: object) -> str:
    """Return a value as messages show it, in one line of at most 100 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST_FOUND else f"{text[: LONGEST_FOUND - 1]}…"


def _near(model: Any, section: Sequence[int | str], name: str) -> str:  # noqa: ANN401 - a model, a dataclass, or a mapping of such
    """Suggest a name for an unknown one in a section of a model; names of training options are recognized too."""
    for part in section:
        model = next(iter(get_args(model)[1:]), None) or names_in(model).get(str(part))
    known = names_in(model)
    inner = names_in(known.get("training"))
    return f"Write it under training: training.{name}" if name in inner else nearest(name, tuple(known))


def names_in(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the field names of a model or a dataclass, with their types.

    Example:
        >>> from polytask.options import TrainingOptions
        >>> "epochs" in names_in(TrainingOptions)
        True
    """
    if is_dataclass(model):
        return {field.name: field.type for field in fields(model)}
    return {name: field.annotation for name, field in getattr(model, "model_fields", {}).items()}
