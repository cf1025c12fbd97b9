"""Tables that go from a program into a page, between two markers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "verdict.md"


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between the markers of that name.

    Args:
        name: Of the markers `<!-- name: begin -->` and `<!-- name: end -->`.
        text: What is to stand there.
        page: The file.
    """
    begin, end = (f"<!-- {name}: {side} -->" for side in ("begin", "end"))
    head, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, also_found, tail = rest.partition(end)
    if not found or not also_found:
        raise SystemExit(f"{page.name} has no place for it: {begin} … {end}")
    page.write_text(f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}", encoding="utf-8")


def row(cells: Iterable[object]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def share(value: float, digits: int = 3) -> str:
    """A share as the pages write it: .042."""
    return f"{value:.{digits}f}".removeprefix("0") if value < 1 else f"{value:.{digits}f}"
