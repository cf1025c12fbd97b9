"""JSON and YAML: what people and programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from polytask.errors import StorageError
from polytask.storage.atomic_write import storage_errors, write_text


def write_json(path: Path, content: object) -> None:
    """Write indented JSON; numbers that are not finite are refused."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Read JSON.

    Raises:
        StorageError: The file is missing, or no JSON; the message names the line.
    """
    try:
        return json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise StorageError("this is no JSON", where=f"{path}, line {error.lineno}", found=error.msg) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        raise StorageError("this is no JSON", where=str(path), found=error) from None


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases, whose expansion can fill the memory, and with every name once."""

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - PyYAML's own signature
        """Refuse an alias."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not accepted")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401 - likewise
        """Refuse a name that stands there twice: the last would count, and the first be forgotten."""
        names: list[str] = []
        for key, _ in node.value:
            if key.value in names:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} twice", problem_mark=key.start_mark)
            names.append(key.value)
        return super().construct_mapping(node, deep)


def write_yaml(path: Path, content: object) -> None:
    """Write YAML in the order of the content."""
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Read YAML, without aliases, without tags that make objects, and without a name twice in one place.

    Raises:
        StorageError: The file is missing, or no such YAML; the message names the line.
    """
    try:
        return yaml.load(_read(path), Loader=_PlainLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise StorageError("this is no plain YAML", where=place, found=getattr(error, "problem", None) or error) from None
    except (ValueError, RecursionError) as error:  # a thirteenth month, a number without digits, brackets without end
        raise StorageError("this is no plain YAML", where=str(path), found=error) from None


def _read(path: Path) -> str:
    with storage_errors(path):
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise StorageError("this is no text in UTF-8", where=str(path), found=f"byte {error.start}") from None
