"""A study as plain data; then as a page and on a terminal."""

from polytask.report.write_html import write_report

__all__ = ["write_report"]
