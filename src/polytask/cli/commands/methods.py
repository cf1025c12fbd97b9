"""`polytask methods`: list all components, with requirements and papers."""

from __future__ import annotations

from typing import Annotated

import typer

from polytask.registry import GROUPS, specs_of
from polytask.registry.component import SPELLINGS, group_called


def methods_command(
    group: Annotated[str | None, typer.Argument(help=f"Group to list: {', '.join(SPELLINGS)}. Default: all groups.")] = None,
) -> None:
    """List balancers, architectures, encoders and other components: what they do, what they need, and their papers."""
    from rich.console import Console

    console = Console()
    for name in GROUPS if group is None else (group_called(group),):
        console.print(_table(name))


def _table(group: str) -> object:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    rows = specs_of(group)
    columns = [column for column in ("needs", "cost", "memory", "state", "paper") if any(getattr(row, column) for row in rows)]
    table = Table(title=group, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    headings = ("name", "what it does", *columns, *(["kinds of task"] if any(row.kinds for row in rows) else []))
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading == "name")  # users copy names, so they must not wrap
    for row in rows:
        table.add_row(
            row.name,
            row.summary,
            *(getattr(row, column) for column in columns),
            *([", ".join(row.kinds) or "all"] if "kinds of task" in headings else []),
        )
    return table
