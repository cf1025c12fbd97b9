"""Reading and writing of JSON and YAML files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from polytask.errors import StorageError
from polytask.storage.atomic_write import storage_errors, write_text


def write_json(path: Path, content: object) -> None:
    """Write indented JSON.

    Raises:
        ValueError: A number in the content is NaN or infinite.
        StorageError: The file cannot be written.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Read a JSON file.

    Raises:
        StorageError: The file is missing or is not valid JSON; the message names the line.
    """
    try:
        return json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise StorageError("the file must be valid JSON", where=f"{path}, line {error.lineno}", found=error.msg) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, too deeply nested brackets
        raise StorageError("the file must be valid JSON", where=str(path), found=error) from None


class _PlainLoader(yaml.SafeLoader):
    """YAML loader that rejects Python objects, duplicate keys, and aliases, whose expansion can exhaust memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - PyYAML's own signature
        """Compose a node; reject an alias."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not accepted")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401 - likewise
        """Construct a mapping; reject a duplicate key, of which YAML would silently keep the last value."""
        names: list[str] = []
        for key, _ in node.value:
            if key.value in names:
                raise yaml.MarkedYAMLError(problem=f"duplicate key {key.value!r}", problem_mark=key.start_mark)
            names.append(key.value)
        return super().construct_mapping(node, deep)


def write_yaml(path: Path, content: object) -> None:
    """Write YAML, with keys in the order of the content.

    Raises:
        StorageError: The file cannot be written.
    """
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Read a plain YAML file: without aliases, tags that construct objects, or duplicate keys.

    Raises:
        StorageError: The file is missing or is not plain YAML; the message names the line.
    """
    try:
        return yaml.load(_read(path), Loader=_PlainLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise StorageError("the file must be plain YAML", where=place, found=getattr(error, "problem", None) or error) from None
    except (ValueError, RecursionError) as error:  # a thirteenth month, a number without digits, too deeply nested brackets
        raise StorageError("the file must be plain YAML", where=str(path), found=error) from None


def _read(path: Path) -> str:
    with storage_errors(path):
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise StorageError("the file must be UTF-8 text", where=str(path), found=f"an invalid byte at {error.start}") from None
