"""Write the HTML report of a run folder."""

from __future__ import annotations

from pathlib import Path

from polytask.report.contents.relate_contents import RELATE_FILE, read_relate_contents
from polytask.report.contents.run_contents import read_contents
from polytask.report.pages import relate_page, study_page
from polytask.run_files.file_descriptions import REPORT_FILE
from polytask.storage import write_text


def write_report(folder: str | Path) -> Path:
    """Build report.html from the files of a run folder, and return its path.

    Args:
        folder: Run folder of `polytask study`, `polytask relate` or `polytask verdict`.

    Raises:
        StorageError: A file is missing or cannot be read, or the page cannot be written.
        DataError: A file has unexpected content.
    """
    path = Path(folder)
    relates = (path / RELATE_FILE).is_file()
    page = relate_page.render_relate_page(read_relate_contents(path)) if relates else study_page.render_study_page(read_contents(path))
    write_text(path / REPORT_FILE, page)
    return path / REPORT_FILE
