"""A package of somebody else, installed into a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from polytask.registry import registered

PACKAGE = Path(__file__).parent / "compass"
PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
OFFLINE = ("--no-deps", "--no-build-isolation", "--no-index", "--no-compile")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip has installed the package into: a build leaves files beside its sources, so that these are copied."""
    source, folder = tmp_path_factory.mktemp("source") / "compass", tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([*PIP, *OFFLINE, "--target", folder, source], check=True)
    return folder


@pytest.fixture
def installed(site: Path, compass: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package is installed for this process."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    registered.installed.cache_clear()
    yield
    registered.installed.cache_clear()


@pytest.fixture
def python(site: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs Python with arguments in an empty folder, with the package installed for it and for all that it starts."""
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "240"}

    def run(*words: str | Path, cwd: Path = tmp_path) -> str:
        done = subprocess.run([sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
