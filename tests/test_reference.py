"""The reference documents every public name, and nothing else."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

import polytask

SOURCE, PAGES = Path(polytask.__file__).parent, Path(__file__).parents[1] / "docs" / "reference"
PACKAGES = sorted(
    ".".join(path.parent.relative_to(SOURCE.parent).parts)
    for path in SOURCE.rglob("__init__.py")
    if "__all__" in path.read_text(encoding="utf-8") and path.parent.name != "cli"
)
DIRECTIVE = re.compile(r"^\.\. automodule:: (\S+)\n   :members:\n(?:   :exclude-members: (.*)\n)?", re.MULTILINE)


def documented() -> dict[str, set[str]]:
    """Names that each page documents, by module: those of its `__all__` but for the excluded ones."""
    found = {}
    for page in PAGES.glob("*.md"):
        for module, excluded in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            found[module] = set(importlib.import_module(module).__all__) - set(excluded.split(", "))
    return found


def test_every_public_package_has_its_page() -> None:
    assert set(documented()) == {*PACKAGES, "polytask.errors"} - {"polytask"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_documented(package: str) -> None:
    """A class or function has a docstring; of other values, whose text Sphinx cannot find by itself, a page has an entry."""
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES.glob("*.md"))
    described = {id(getattr(importlib.import_module(module), name)) for module, names in documented().items() for name in names}
    module = importlib.import_module(package)
    for name in set(module.__all__) - {"__version__"}:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert id(value) in described and value.__doc__, name
        elif not inspect.ismodule(value):
            assert f".. autodata:: {package}.{name}\n" in pages, name
