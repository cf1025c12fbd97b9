"""Base class of the option models, and the list of a model's fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from polytask.options.cli_option import FILE_ONLY, Flag


@dataclass(frozen=True)
class OptionField:
    """One field of an option model.

    Attributes:
        name: Name of the field.
        annotation: Type of the field, without metadata.
        description: Text for the class documentation, the command line and the JSON schema.
        default: Default value; `...` if the field is required.
        flag: How the command line offers the field.
    """

    name: str
    annotation: Any
    description: str
    default: Any
    flag: Flag


def fields_of(model: type) -> Iterator[OptionField]:
    """Yield the fields of an option model, either a pydantic model or a dataclass.

    Example:
        >>> from polytask.options import TrainingOptions
        >>> next(fields_of(TrainingOptions)).description
        'Train for at most this many epochs.'
    """
    hints = get_type_hints(model, include_extras=True)
    for name, default in _defaults(model).items():
        annotation = hints[name]
        plain, *metadata = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
        description = next((found.description for found in metadata if isinstance(found, FieldInfo) and found.description), "")
        flag = next((found for found in metadata if isinstance(found, Flag)), FILE_ONLY)
        yield OptionField(name, plain, description, default, flag)


def _defaults(model: type) -> dict[str, Any]:
    if issubclass(model, BaseModel):
        found = {name: field.get_default(call_default_factory=True) for name, field in model.model_fields.items()}
        return {name: ... if default is PydanticUndefined else default for name, default in found.items()}
    missing = dataclasses.MISSING
    return {
        field.name: field.default_factory() if field.default_factory is not missing else ... if field.default is missing else field.default
        for field in dataclasses.fields(cast(Any, model))
    }


def list_fields(model: type) -> None:
    """Insert an `Attributes:` section into the docstring of an option model, before its `Raises:` or `Example:` section.

    Args:
        model: Pydantic model or dataclass; its `__doc__` is replaced.
    """
    before, _, after = (model.__doc__ or "").rstrip().partition("\n    Raises:")
    if not after:
        before, _, after = before.partition("\n    Example:")
        rest = f"\n    Example:{after}\n" if after else ""
    else:
        rest = f"\n    Raises:{after}\n"
    listed = "".join(f"        {field.name}: {field.description}\n" for field in fields_of(model))
    model.__doc__ = f"{before.rstrip()}\n\n    Attributes:\n{listed}{rest}"


class OptionModel(BaseModel):
    """Frozen set of options, each with a type, default, limits and description; unknown names are rejected.

    The description of a field is written once, in its `Field(description=…)`; the documentation of the class, the command line and the
    JSON schema repeat it.

    Example:
        >>> class Example(OptionModel):
        ...     '''Options of an example.'''
        ...     epochs: int = 3
        >>> Example(epochs=4).epochs
        4
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def with_changes(self, update: Mapping[str, Any]) -> Self:
        """Return the options with other values, which are not validated; these options themselves if nothing changes.

        Example:
            >>> class Example(OptionModel):
            ...     '''Options of an example.'''
            ...     epochs: int = 3
            >>> options = Example(epochs=4)
            >>> options.with_changes({"epochs": 4}) is options, options.with_changes({"epochs": 5}).epochs
            (True, 5)
        """
        changes = any(name not in self.model_fields_set or getattr(self, name) != value for name, value in update.items())
        return self.model_copy(update=dict(update)) if changes else self
