"""Pages as a browser shows them: the report of a study, at two widths and in both themes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not TOOLS.exists(), reason="tools are no part of the source archive")]


@pytest.fixture(scope="module")
def pages() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        found = importlib.import_module("browser_pages")
        if found.find_chromium() is None:
            pytest.skip("Chromium is not installed")
        yield found


@pytest.fixture(scope="module")
def browser(pages: ModuleType) -> Iterator[Any]:
    with pages.running_browser() as running:
        yield running


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("dark", [False, True])
def test_a_report_has_no_fault(browser: Any, make_study_report: Path, width: int, dark: bool) -> None:
    assert browser.open(make_study_report, width, dark=dark).faults == []


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("<main><h1>a</h1><p style='width:2000px'>b</p></main>", "px wide"),
        ("<main><h1>a</h1><h3>b</h3></main>", "skips a level"),
        ("<main><h1>a</h1><img src='data:image/png;base64,AA' alt='b'></main>", "not drawn"),
        ("<main><h1>a</h1><a href='#a'></a></main>", "has no name"),
        ("<main><h1>a</h1><table><tr><td>1</td></tr></table></main>", "no headings"),
        ("<main><h1>a</h1><div style='overflow-x:auto;width:99px'><p style='width:400px'>b</p></div></main>", "no key scrolls"),
        ("<main><h1>a</h1><script>console.error('b')</script></main>", "console"),
        ("<main><h1>a</h1><script>throw 'b'</script></main>", "exception"),
        ("<main><h1>a</h1><img alt='b' src='http://127.0.0.1:9/a.png'></main>", "request"),
    ],
)
def test_faults_are_seen(browser: Any, tmp_path: Path, content: str, fault: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><html lang='en'><title>a</title>{content}</html>", encoding="utf-8")
    assert any(fault in found for found in browser.open(page, 360).faults)
