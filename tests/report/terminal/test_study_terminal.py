from __future__ import annotations

import io
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from polytask.errors import DataError
from polytask.report.terminal.study_terminal import verdict_summary
from polytask.studies.spec.arms import parse_arms
from polytask.verdicts.shown.sanitize import clean_text

README = Path(__file__).parents[3] / "README.md"


def printed(verdict: Any, costs: Any = None, width: int = 80) -> str:
    console = Console(width=width, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(verdict_summary(verdict, costs))
    return capture.get()


def test_a_person_sees_everything_at_80_columns(run_kind: Any, verdict_content: Any, cost_content: Any) -> None:
    run = run_kind(arms=("equal", "uncertainty", "upgrad", "mgda"))
    text = printed(verdict_content(run), cost_content(run))
    assert max(map(len, text.splitlines())) <= 80
    for part in ("digit", "accuracy", "95.7 %", "96.1 %", "+0.41 [+0.12, +0.70] points", "helps", "hurts", "same", "unclear", "mgda *"):
        assert part in text
    joined = " ".join(text.split())
    assert "differences below 0.40 points cannot be seen with 3 seeds at least 9 seeds or about 12,000 test rows would settle it" in joined
    assert "122 k (0.50)" in joined
    assert "Train digit and garment separately. (note)" in joined
    assert "Warning: Train digit and garment separately. (warning)" in joined
    assert "Seeds: 3. The test data were opened once." in joined


def test_an_errors_metric_is_not_in_points(run_kind: Any, verdict_content: Any) -> None:
    line = next(line for line in printed(verdict_content(run_kind(tasks=(), arms=("equal",)))).splitlines() if "rmse" in line)
    assert line.split()[:3] == ["rmse", "equal", "0.9611"]
    assert "+0.0041 [+0.0012, +0.0070] " in line
    assert "points" not in line


def test_without_costs_and_with_an_empty_verdict() -> None:
    assert "Cost" not in printed({})
    assert "opened an unknown number of times" in printed({})


def test_a_wrong_entry_is_one_line() -> None:
    with pytest.raises(DataError, match=r"verdict\.json"):
        printed({"tasks": 7})
    with pytest.raises(DataError, match=r"cost\.json"):
        printed({}, {"arms": 7})


def test_nothing_is_printed_while_building(run_kind: Any, verdict_content: Any, capsys: pytest.CaptureFixture[str]) -> None:
    verdict_summary(verdict_content(run_kind()))
    assert capsys.readouterr() == ("", "")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("place", ["tasks", "arms", "text", "metric"])
def test_fifty_hostile_names_are_only_text(
    run_kind: Any, verdict_content: Any, cost_content: Any, payloads: tuple[str, ...], place: str
) -> None:
    for payload in payloads:
        run = run_kind(**{place: payload if place in ("text", "metric") else (payload,)})
        text = printed(verdict_content(run), cost_content(run), width=1000)
        assert not [letter for letter in text if letter != "\n" and unicodedata.category(letter) in {"Cc", "Cf", "Cs"}]
        assert "".join(clean_text(payload).split()[:1])[:8] in text


def test_a_long_name_does_not_break_the_table(run_kind: Any, verdict_content: Any, cost_content: Any) -> None:
    run = run_kind(tasks=("x" * 300,), arms=("y" * 300,))
    text = printed(verdict_content(run), cost_content(run))
    assert max(map(len, text.splitlines())) <= 80
    assert "+0.41 [+0.12, +0.70] points" in text
    assert "helps" in text


def test_the_readme_shows_display_names() -> None:
    block = README.read_text(encoding="utf-8").partition("Compared with single-task training")[2].partition("```")[0]
    single, equal = parse_arms(["single", "equal"], ["digit", "garment"])
    assert single.title.partition(" ")[0] in block
    assert equal.title in block


@pytest.mark.parametrize(("width", "whole"), [(80, False), (160, True)])
def test_names_have_the_room_of_the_terminal(width: int, whole: bool, run_kind: Any, verdict_content: Any, cost_content: Any) -> None:
    run = run_kind(arms=("uncertainty weighting of tasks",))
    console = Console(width=width, file=io.StringIO())
    console.print(verdict_summary(verdict_content(run), cost_content(run)))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, shown.splitlines())) <= width
    assert ("uncertainty weighting of tasks" in shown) is whole
    assert "+0.41 [+0.12, +0.70] points" in shown


def test_a_terminal_without_colors_gets_none(monkeypatch: pytest.MonkeyPatch, run_kind: Any, verdict_content: Any) -> None:
    def shown() -> str:
        console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system="standard")
        console.print(verdict_summary(verdict_content(run_kind())))
        return str(console.file.getvalue())  # type: ignore[attr-defined]

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert re.search("\x1b\\[[0-9;]*3[0-7]m", shown())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search("\x1b\\[[0-9;]*3[0-7]m", shown())
    assert "helps" in shown()
