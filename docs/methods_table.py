"""Sphinx extension that generates the tables and pages of components from the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from polytask.registry import GROUPS, ComponentSpec, specs_of

SECTIONS = {"Args:", "Attributes:", "Returns:", "Raises:", "Example:", "Yields:"}
COLUMNS = {
    "balancer": ("needs", "cost", "memory", "state", "paper"),
    "balancer wrapper": ("needs", "cost", "state", "paper"),
}


def table(group: str) -> Iterator[str]:
    """Yield the lines of a table of a registry group, in reStructuredText."""
    columns = COLUMNS.get(group, ("needs", "paper"))
    yield from (f".. rubric:: {group.capitalize()}s", "", ".. list-table::", "   :header-rows: 1", "")
    for cells in (
        ("name", "what it does", *columns),
        *((row.name, row.summary, *(getattr(row, c) for c in columns)) for row in specs_of(group)),
    ):
        for number, cell in enumerate(cells):
            yield f"   {'* -' if number == 0 else '  -'} {cell}"
    yield ""


def description(row: ComponentSpec) -> Iterator[str]:
    """Yield the lines of a section on a component with its docstring, in reStructuredText."""
    known = [f"*{word}:* {getattr(row, word)}" for word in ("paper", "needs", "cost", "memory", "state") if getattr(row, word)]
    yield from (row.name, "-" * len(row.name), "", "; ".join(known), "")
    yield from ("", f".. autoclass:: {row.target.replace(':', '.')}", "   :no-members:", "")


class FromRegistry(SphinxDirective):
    """Base class of directives whose content is generated from the registry as reStructuredText."""

    lines: ClassVar[Callable[[], Iterator[str]]]

    def run(self) -> list[nodes.Node]:
        """Parse the generated lines, and return their nodes."""
        parent = nodes.section()
        parent.document = self.state.document
        self.state.nested_parse(StringList(list(type(self).lines()), source="registry"), self.content_offset, parent, match_titles=True)
        return parent.children


class MethodsTable(FromRegistry):
    """`methods`: one table per group of the registry."""

    @staticmethod
    def lines() -> Iterator[str]:
        """Yield the tables of all groups."""
        for group in GROUPS:
            yield from table(group)


class Architectures(FromRegistry):
    """`architectures`: every architecture with its docstring."""

    @staticmethod
    def lines() -> Iterator[str]:
        """Yield the sections of all architectures."""
        for row in specs_of("architecture"):
            yield from description(row)


class Balancers(FromRegistry):
    """`balancers`: every balancer and every wrapper, with formula, defaults, deviations and when it fails."""

    @staticmethod
    def lines() -> Iterator[str]:
        """Yield the sections of all balancers, then of all wrappers."""
        for group in ("balancer", "balancer wrapper"):
            for row in specs_of(group):
                yield from description(row)


def keep_lines(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:  # noqa: ANN401 - Sphinx's event
    """Turn indented lines before the first docstring section into a line block, so that formulas keep their line breaks."""
    del app, what, name, thing, options
    for number, line in enumerate(lines):
        if line.rstrip() in SECTIONS:
            return
        if line.startswith("    "):
            lines[number] = f"    | {line.strip()}"


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401 - Sphinx's application
    """Register the directives."""
    app.connect("autodoc-process-docstring", keep_lines, priority=100)  # before the sections are read
    app.add_directive("methods", MethodsTable)
    app.add_directive("balancers", Balancers)
    app.add_directive("architectures", Architectures)
    return {"parallel_read_safe": True}
