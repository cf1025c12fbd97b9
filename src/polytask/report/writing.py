"""A run folder's page, whatever kind of run it is."""

from __future__ import annotations

from pathlib import Path

from polytask.report import html, relations_html
from polytask.report.contents import REPORT, read_contents
from polytask.report.relations import RELATE, read_relations
from polytask.storage import write_text


def write_report(folder: str | Path) -> Path:
    """Build report.html from the files of a run folder, and return where it is.

    Args:
        folder: What `polytask study` or `polytask relate` wrote.

    Raises:
        StorageError: A file is missing or cannot be read, or the page cannot be written.
        DataError: A file holds something else than it should.
    """
    path = Path(folder)
    relates = (path / RELATE).is_file()
    page = relations_html.render(read_relations(path)) if relates else html.render(read_contents(path))
    write_text(path / REPORT, page)
    return path / REPORT
