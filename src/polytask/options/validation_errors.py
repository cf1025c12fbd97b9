"""Turn the errors of pydantic into errors of polytask, in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from polytask.errors import ConfigError, PolytaskError
from polytask.options.component_names import check_imports
from polytask.registry.suggestion import nearest

Model = TypeVar("Model", bound=BaseModel)


def checked(kind: type[Model], given: object, where: str, *, imports: bool = False) -> Model:
    """Return the validated option model.

    Args:
        kind: Which model.
        given: Values by the names of its fields.
        where: Name of the whole in error messages.
        imports: Whether to follow import paths in a file that polytask has written, such as a `run.yaml`; in other files they are followed.

    Raises:
        ConfigError: An unknown name, or a value outside its limits.

    Example:
        >>> from polytask.options import TrainingOptions
        >>> checked(TrainingOptions, {"epochs": 5}, where="training").epochs
        5
    """
    if not isinstance(given, Mapping):
        raise ConfigError("a configuration is a mapping of names to values", where=where, found=type(given).__name__)
    if given.get("version") is not None and not imports:
        check_imports(given, where)
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        raise one_line(error, where, kind) from None


UNKNOWN = {"extra_forbidden", "unexpected_keyword_argument"}
"""What pydantic calls a name that it does not know."""
NEEDED = {
    "tuple_type": ("a list is needed", "Write it as [{}]"),
    "dict_type": ("names with values are needed", "Write it as {{{}: value}}"),
    "string_type": ("a text is needed", ""),
}
"""In our words what is needed where something else stands, and how it is written."""


def one_line(error: ValidationError, where: str, model: type[BaseModel]) -> ConfigError:
    """The first thing that pydantic found wrong with a model's values, as our own error."""
    errors = error.errors(include_url=False)
    # A name that is not known says more than the one that is missed for it.
    first = next((own for own in errors if own["type"] in UNKNOWN), errors[0])
    place = ".".join(str(part) for part in first["loc"])
    own = first.get("ctx", {}).get("error")
    if isinstance(own, PolytaskError):
        return ConfigError(own.what, where=f"{where}, {own.where}", found=own.found, remedy=own.remedy)
    if first["type"] in UNKNOWN:
        *section, name = first["loc"]
        return ConfigError("there is no such choice", where=f"{where}, {place}", remedy=_near(model, section, str(name)))
    if first["type"] == "missing":
        return ConfigError("this must be said", where=f"{where}, {place}")
    if first["type"] in NEEDED:
        what, written = NEEDED[first["type"]]
        remedy = written.format(first["input"]) if isinstance(first["input"], str) else ""
        return ConfigError(what, where=f"{where}, {place}", found=repr(first["input"]), remedy=remedy)
    more = f"; {error.error_count() - 1} more" if error.error_count() > 1 else ""
    message = first["msg"].removeprefix("Value error, ")
    found = repr(first["input"]) if place else None  # without a place it is everything
    return ConfigError(f"{message[0].lower()}{message[1:]}{more}", where=f"{where}, {place}" if place else where, found=found)


def _near(model: Any, section: Sequence[int | str], name: str) -> str:  # noqa: ANN401 - a model, a dataclass, or a mapping of such
    """What may have been meant by a name at that place of a model; also one that stands in its options of training."""
    for part in section:
        model = next(iter(get_args(model)[1:]), None) or names_in(model).get(str(part))
    known = names_in(model)
    inner = names_in(known.get("training"))
    return f"Write it under training: training.{name}" if name in inner else nearest(name, tuple(known))


def names_in(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """The names that stand in a model or a dataclass, and what is there.

    Example:
        >>> from polytask.options import TrainingOptions
        >>> "epochs" in names_in(TrainingOptions)
        True
    """
    if is_dataclass(model):
        return {field.name: field.type for field in fields(model)}
    return {name: field.annotation for name, field in getattr(model, "model_fields", {}).items()}
