"""Write the HTML report of a run folder."""

from __future__ import annotations

from pathlib import Path

from polytask.report.contents.curve_contents import CURVE_FILE, read_curve_contents
from polytask.report.contents.relate_contents import RELATE_FILE, read_relate_contents
from polytask.report.contents.run_contents import JUDGED_FILE, STUDY_FILES, VERDICT_FILES, read_contents
from polytask.report.pages import curve_page, relate_page, study_page
from polytask.run_files.file_descriptions import REPORT_FILE
from polytask.storage import write_text


def is_finished(folder: Path) -> bool:
    """Return whether a run folder holds all files that a report is built from."""
    wanted = VERDICT_FILES if (folder / JUDGED_FILE).is_file() else STUDY_FILES
    return any((folder / name).is_file() for name in (RELATE_FILE, CURVE_FILE)) or all((folder / name).is_file() for name in wanted)


def write_report(folder: str | Path) -> Path:
    """Build report.html from the files of a run folder, and return its path.

    Args:
        folder: Run folder of `polytask study`, `polytask relate`, `polytask curve` or `polytask verdict`.

    Raises:
        StorageError: A file is missing or cannot be read, or the page cannot be written.
        DataError: A file has unexpected content.
    """
    path = Path(folder)
    write_text(path / REPORT_FILE, _page(path))
    return path / REPORT_FILE


def _page(path: Path) -> str:
    if (path / RELATE_FILE).is_file():
        return relate_page.render_relate_page(read_relate_contents(path))
    if (path / CURVE_FILE).is_file():
        return curve_page.render_curve_page(read_curve_contents(path))
    return study_page.render_study_page(read_contents(path))
