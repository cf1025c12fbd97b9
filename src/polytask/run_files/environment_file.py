"""Schema of environment.json: versions, machine, and fingerprints of data and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field

from polytask.errors import StorageError
from polytask.run_files.base import RunFile


class EnvironmentFile(RunFile):
    """Content of environment.json.

    Attributes:
        facts: Versions, properties of the machine and fingerprints by name. In the file they are not nested.
    """

    facts: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def parse(cls, content: object, where: str) -> Self:
        """Check what a file holds.

        Args:
            content: Decoded JSON, or an object of this class.
            where: The file, for the error message.

        Raises:
            StorageError: The content is no mapping.

        Example:
            >>> EnvironmentFile.parse({"cores": 2}, "environment.json").facts
            {'cores': 2}
        """
        if isinstance(content, cls):
            return content
        if not isinstance(content, Mapping):
            raise StorageError("this file must hold a JSON object", where=where, found=type(content).__name__)
        return cls(facts=dict(content))

    def to_dict(self) -> dict[str, Any]:
        """Return the facts."""
        return dict(self.facts)
