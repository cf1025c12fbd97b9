"""Reports of run folders: their content as plain data, HTML pages, and summaries for the terminal."""

from polytask.report.write_html import write_report

__all__ = ["write_report"]
