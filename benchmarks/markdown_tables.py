"""Write tables of benchmarks into pages of the documentation, between two markers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "verdict.md"


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Replace the text between two markers.

    Args:
        name: Name in the markers `<!-- name: begin -->` and `<!-- name: end -->`.
        text: New text.
        page: File to change.
    """
    begin, end = (f"<!-- {name}: {side} -->" for side in ("begin", "end"))
    head, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, also_found, tail = rest.partition(end)
    if not found or not also_found:
        raise SystemExit(f"{page.name} must contain the markers {begin} … {end}")
    page.write_text(f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}", encoding="utf-8")


def row(cells: Iterable[object]) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def share(value: float, digits: int = 3) -> str:
    """Format a share without the leading zero, such as .042."""
    return f"{value:.{digits}f}".removeprefix("0") if value < 1 else f"{value:.{digits}f}"
