"""What tests of several folders share: small problems that train in a moment."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from zlib import crc32

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from polytask.data import Source
    from polytask.tasks import Task

# Failures repeat, and a busy machine is no failure. A property that needs more draws takes a multiple of the profile's.
settings.register_profile("polytask", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("polytask-fast", settings.get_profile("polytask"), max_examples=25)
settings.load_profile("polytask")


def pytest_configure(config: pytest.Config) -> None:
    """Draw fewer examples in the fast run, and let no write wait for the disk: no test cuts the power."""
    if config.option.markexpr == "not slow":
        settings.load_profile("polytask-fast")
    os.fsync = lambda _: None  # type: ignore[assignment]


def pytest_collection_finish() -> None:
    """Keep what lives as long as the session out of every later garbage collection."""
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option by which every case of every test runs."""
    parser.addoption("--sweep", action="store_true", help="run every case of the tests that are marked `sampled(…, sweep=…)`")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the cases of a test that is marked `sampled(every, sweep=1)`, keep one of every `sweep`, and of every `every` in the fast run.

    It is the first one, or a drawn one with `drawn=True`: in a product of parameters, a fixed step could leave out some values of one of
    them for good. The cases of the fast run are among those of the whole run, and `--sweep` runs all of them.
    """
    met: Counter[str] = Counter()
    left_out = []
    for item in items:
        if (sampled := item.get_closest_marker("sampled")) is None:
            continue
        function, (every,), sweep = item.nodeid.partition("[")[0], sampled.args, sampled.kwargs.get("sweep", 1)
        drawn = sampled.kwargs.get("drawn", sweep > 1)
        block, place = divmod(met[function], sweep)
        group, number = divmod(block, every // sweep)
        met[function] += 1
        kept = place == _chosen(function, block, sweep, drawn=drawn)
        if not kept or number != _chosen(function, group, every // sweep, drawn=drawn):
            item.add_marker(pytest.mark.slow)
        if not kept:
            left_out.append(item)
    if left_out and not config.option.sweep:
        config.hook.pytest_deselected(items=left_out)
        unwanted = set(left_out)
        items[:] = [item for item in items if item not in unwanted]


def _chosen(function: str, block: int, size: int, *, drawn: bool) -> int:
    """Return the place of the case in a block of `size` cases of a test that is kept."""
    return crc32(f"{function} {block}".encode()) % size if drawn else 0


@pytest.fixture(scope="session")
def table() -> Callable[..., Source]:
    """Makes one source with three tasks of different kinds: `price` (regression), `churn` (binary), `plan` (multiclass)."""
    # Imported here, so that the process that hands out the tests does not wait for PyTorch.
    import numpy as np

    from polytask.data import Source

    def make(rows: int = 120, seed: int = 0, gaps: float = 0.0) -> Source:
        random = np.random.default_rng(seed)
        x = random.normal(size=(rows, 4)).astype(np.float32)
        price = 10 + 3 * x[:, 0].astype(np.float64) + x[:, 1]
        churn = np.where(x[:, 1] + x[:, 2] > 0, "leaves", "stays").astype(object)
        plan = np.array(["a", "b", "c"], dtype=object)[np.argmax(x[:, :3], axis=1)]
        price[random.random(rows) < gaps] = np.nan
        churn[random.random(rows) < gaps] = None
        plan[random.random(rows) < gaps] = None
        return Source("table", x, {"price": price, "churn": churn, "plan": plan})

    return make


@pytest.fixture(scope="session")
def three_tasks() -> tuple[Task, ...]:
    """The tasks of `table`."""
    from polytask.tasks import Binary, Multiclass, Regression

    return (
        Regression(name="price"),
        Binary(name="churn", classes=("stays", "leaves")),
        Multiclass(name="plan", classes=("a", "b", "c")),
    )


@pytest.fixture
def unset_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No data folder is named, and the user's cache is an empty one."""
    monkeypatch.delenv("POLYTASK_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compass() -> Iterator[Path]:
    """The folder of a package outside of polytask; what a test imports from it is forgotten afterwards."""
    yield Path(__file__).parent / "outside" / "compass"
    for name in [name for name in sys.modules if name.partition(".")[0] == "compass"]:
        del sys.modules[name]


@pytest.fixture
def own_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, str], ModuleType]]:
    """Imports a module of a user from a folder that polytask may import from; modules with its prefix are forgotten afterwards."""
    import polytask as pt
    from polytask.registry import importing

    monkeypatch.setattr(importing, "_folders", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    prefixes: list[str] = []

    def imported(folder: Path, name: str) -> ModuleType:
        pt.add_import_path(folder)
        prefixes.append(name.partition("_")[0] + "_")
        return importlib.import_module(name)

    yield imported
    for name in [name for name in sys.modules if name.startswith(tuple(prefixes))]:
        del sys.modules[name]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command in this process, with these arguments: its exit code."""
    from polytask.cli import main  # here, so that the process that hands out the tests does not wait for it

    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["polytask", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return call
