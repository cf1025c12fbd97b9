"""Run tests with the lowest versions of the dependencies that `pyproject.toml` allows.

    python tools/lowest_versions.py                       # the tests of TESTS
    python tools/lowest_versions.py tests/cli tests/data  # others

The lowest versions are installed into a folder (`--folder`, default `.lowest`), which comes first on the path of the tests; what they need
themselves is installed with them. PyTorch is that of the environment, since it is 200 MB to 3 GB, as are tools of the tests and extras.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
KEPT = ("torch",)
"""Packages whose version is that of the environment."""
TESTS = (
    "tests/data/reading",
    "tests/storage",
    "tests/verdicts",
    "tests/options",
    "tests/cli",
    "tests/report",
    "tests/studies/test_one_call.py",
)
"""What uses a dependency the most: tables, files, statistics, options, the command line, reports, and whole studies."""


def lowest_requirements(lines: list[str], kept: tuple[str, ...] = KEPT) -> list[str]:
    """Return the requirement of the lowest version for each line of `dependencies`.

    Args:
        lines: Requirements of the form `name>=version`.
        kept: Names to leave out.

    Raises:
        ValueError: A line has no lower bound.

    Example:
        >>> lowest_requirements(["numpy>=2.0", "torch>=2.6", "pandas>=2.2.2,!=2.2.4"])
        ['numpy==2.0', 'pandas==2.2.2']
    """
    found = []
    for line in lines:
        match = re.match(r"([\w.-]+)>=([\w.]+)", line)
        if match is None:
            raise ValueError(f"{line!r} has no lower bound")
        if match[1] not in kept:
            found.append(f"{match[1]}=={match[2]}")
    return found


def main() -> None:
    """Install the lowest versions, and run the tests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", default=TESTS)
    parser.add_argument("--folder", type=Path, default=ROOT / ".lowest")
    given = parser.parse_args()
    wanted = lowest_requirements(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"])
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target", str(given.folder)]
    subprocess.run([*pip, *wanted], check=True)
    print(", ".join([*wanted, *(f"{name} {version(name)} of the environment" for name in KEPT)]))
    environment = os.environ | {"PYTHONPATH": str(given.folder), "OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "not slow", *given.tests], cwd=ROOT, env=environment, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
