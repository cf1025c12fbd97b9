"""Base classes of the files of a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from polytask.errors import DataError, plain
from polytask.storage import read_json, write_json

Number = int | float
OptionalNumber = Number | None
Interval = tuple[OptionalNumber, OptionalNumber]

_WRITING = "writing"


class FileSection(BaseModel):
    """Part of a file: named, typed values.

    When a file is read, unknown keys are ignored, so that a report can show a run of a later version. When it is written, an unknown key
    is an error: what is written is what can be read back.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, content: object, info: ValidationInfo) -> object:
        if info.context == _WRITING and isinstance(content, Mapping) and (unknown := content.keys() - cls.model_fields.keys()):
            raise ValueError(f"unknown keys {sorted(unknown)}")
        return content

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Self:
        """Return the section with this content, for writing: an unknown key is an error."""
        return cls.model_validate(content, context=_WRITING)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: what was given, without defaults."""
        return self.model_dump(mode="json", exclude_unset=True)


class RunFile(FileSection):
    """A JSON file of a run folder."""

    @classmethod
    def parse(cls, content: object, where: str) -> Self:
        """Check what a file holds.

        Args:
            content: Decoded JSON, or an object of this class.
            where: The file, for the error message.

        Raises:
            DataError: An entry has the wrong type; the message names the first one.

        Example:
            >>> class Sizes(RunFile):
            ...     rows: int = 0
            >>> Sizes.parse({"rows": 3}, "sizes.json").rows
            3
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            place = ", ".join([where, ".".join(map(str, first["loc"]))]).rstrip(", ")
            found = repr(first["input"])[:80]
            raise DataError(first["msg"].lower(), where=plain(place, len(place)), found=found, remedy="Run the study again") from None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a file.

        Raises:
            StorageError: The file is missing, or holds no JSON.
            DataError: An entry has the wrong type.
        """
        return cls.parse(read_json(path), str(path))

    def write(self, path: Path) -> None:
        """Write the file atomically.

        Raises:
            StorageError: The file cannot be written.
        """
        write_json(path, self.to_dict())
