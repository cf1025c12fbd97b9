"""Schema of test-openings.json: how often the test data were opened."""

from __future__ import annotations

from polytask.run_files.base import RunFile


class OpeningCount(RunFile):
    """How often the test data were opened."""

    openings: int = 0
