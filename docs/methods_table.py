"""Writes the tables of components from the registry when the pages are built."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from polytask.registry import rows_of
from polytask.registry.rows import GROUPS


class MethodsTable(SphinxDirective):
    """`{methods}`: one table per group of the registry."""

    def run(self) -> list[nodes.Node]:
        """A heading and a table per group, as reStructuredText."""
        lines: list[str] = []
        for group in GROUPS:
            lines += [f".. rubric:: {group.capitalize()}s", "", ".. list-table::", "   :header-rows: 1", ""]
            for cells in (("name", "what it does", "needs", "paper"), *((r.name, r.summary, r.needs, r.paper) for r in rows_of(group))):
                lines += [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(cells)]
            lines.append("")
        parent = nodes.section()
        self.state.nested_parse(StringList(lines, source="registry"), self.content_offset, parent)
        return parent.children


def setup(app: Any) -> dict[str, bool]:  # noqa: ANN401 - Sphinx's application
    """Register the directive."""
    app.add_directive("methods", MethodsTable)
    return {"parallel_read_safe": True}
