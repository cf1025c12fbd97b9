"""Numbers and pictures of a page as files that it holds itself: links with data URIs, which fetch nothing."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from polytask.storage.csv_table import escaped_cell
from polytask.verdicts.shown.sanitize import clean_text


@dataclass(frozen=True)
class Download:
    """A link that saves a file.

    Attributes:
        what: What the file holds, for the text of the link.
        file: Name of the file.
        uri: Data URI with its content.
    """

    what: str
    file: str
    uri: str


def csv_download(what: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Download:
    r"""Return a link that saves a table as CSV.

    Numbers are written in full, missing ones as empty cells. A text that a spreadsheet would take for a formula begins with an apostrophe.

    Args:
        what: What the table holds; the name of the file follows from it.
        header: Names of the columns.
        rows: The cells of each row.

    Example:
        >>> found = csv_download("Cost of all arms", ["arm", "seconds"], [["=1+1", 2.5], ["equal", None]])
        >>> found.file, base64.b64decode(found.uri.partition(",")[2]).decode()
        ('cost-of-all-arms.csv', "arm,seconds\n'=1+1,2.5\nequal,\n")
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_cell(name) for name in header])
    writer.writerows([_cell(entry) for entry in row] for row in rows)
    content = base64.b64encode(text.getvalue().encode()).decode()
    return Download(f"{what} as CSV", f"{file_stem(what)}.csv", f"data:text/csv;base64,{content}")


def svg_download(what: str, uri: str | None) -> Download | None:
    """Return a link that saves the picture of a data URI; `None` if there is no picture."""
    return None if uri is None else Download(f"{what} as SVG", f"{file_stem(what)}.svg", uri)


def file_stem(what: str) -> str:
    """Return a name of a file, of letters, digits and hyphens.

    Example:
        >>> file_stem("Task a/b: loss"), file_stem("任务")
        ('task-a-b-loss', 'file')
    """
    return "-".join(re.findall(r"[a-z0-9]+", what.lower()))[:60] or "file"


def _cell(entry: object) -> object:
    if entry is None:
        return ""
    return escaped_cell(clean_text(entry)) if isinstance(entry, str) else entry
