"""Writes the tables and pages of components from the registry when the pages are built."""

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
    """A group of the registry as a table, in reStructuredText."""
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
    """A component with its docstring, in reStructuredText."""
    known = [f"*{word}:* {getattr(row, word)}" for word in ("paper", "needs", "cost", "memory", "state") if getattr(row, word)]
    yield from (row.name, "-" * len(row.name), "", "; ".join(known), "")
    yield from ("", f".. autoclass:: {row.target.replace(':', '.')}", "   :no-members:", "")


class FromRegistry(SphinxDirective):
    """What a function makes of the registry, parsed as reStructuredText."""

    lines: ClassVar[Callable[[], Iterator[str]]]

    def run(self) -> list[nodes.Node]:
        """The parsed lines."""
        parent = nodes.section()
        parent.document = self.state.document
        self.state.nested_parse(StringList(list(type(self).lines()), source="registry"), self.content_offset, parent, match_titles=True)
        return parent.children


class MethodsTable(FromRegistry):
    """`methods`: one table per group of the registry."""

    @staticmethod
    def lines() -> Iterator[str]:
        """All groups."""
        for group in GROUPS:
            yield from table(group)


class Architectures(FromRegistry):
    """`architectures`: every way of sharing."""

    @staticmethod
    def lines() -> Iterator[str]:
        """All of them."""
        for row in specs_of("architecture"):
            yield from description(row)


class Balancers(FromRegistry):
    """`balancers`: every balancer and every wrapper, with formula, defaults, deviations and when it fails."""

    @staticmethod
    def lines() -> Iterator[str]:
        """All balancers, then all wrappers."""
        for group in ("balancer", "balancer wrapper"):
            for row in specs_of(group):
                yield from description(row)


def keep_lines(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:  # noqa: ANN401 - Sphinx's event
    """Formulas of several lines stay so: indented lines before the first section become a line block."""
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
