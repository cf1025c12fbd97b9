"""Notes on the data, printed before training starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from polytask.studies import LoadedData


def print_data_notes(console: Console, data: LoadedData[Any], *, quiet: bool) -> None:
    """Print the kinds of the targets of tables, and notes on unusual data.

    Args:
        console: Console to print to.
        data: Loaded data.
        quiet: Print nothing.
    """
    from rich.markup import escape

    if quiet or not data.config.tables:
        return
    for name, table in data.config.tables.items():
        kinds = ", ".join(f"{target} ({kind})" for target, kind in table.targets.items())
        console.print(escape(f"{name}: {kinds}. To change a kind: --kind target=kind"), highlight=False, soft_wrap=True)
    for note in data.notes:
        console.print(escape(f"note: {note}"), highlight=False, soft_wrap=True)
