"""Parts of what notebooks show of results: escaped HTML without a style sheet, so that the notebook's theme applies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

RIGHT = frozenset("0123456789+-−–")
"""Cells that begin with one of these are numbers."""


def html_table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Return a table with headings of its columns and rows; the first cell of a row names it.

    Example:
        >>> html_table(["task", "accuracy"], [["<b>", "0.9"]]).partition("<tbody>")[2]
        '<tr><th scope="row">&lt;b&gt;</th><td align="right">0.9</td></tr></tbody></table>'
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(_cell(place, text) for place, text in enumerate(row))}</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(place: int, text: str) -> str:
    if place == 0:
        return f'<th scope="row">{escape(text)}</th>'
    side = "right" if text[:1] in RIGHT and text else "left"
    return f'<td align="{side}">{escape(text)}</td>'


def html_paragraphs(lines: Iterable[str]) -> str:
    """Return paragraphs, of which the first is strong.

    Example:
        >>> html_paragraphs(["Train a & b together.", "", "Nothing is left to test."])
        '<p><strong>Train a &amp; b together.</strong></p><p>Nothing is left to test.</p>'
    """
    told = [escape(line) for line in lines if line]
    return "".join(f"<p><strong>{line}</strong></p>" if place == 0 else f"<p>{line}</p>" for place, line in enumerate(told))
