"""The page and the table of how tasks stand to each other: what they say, and that names from data can do nothing in them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from polytask.errors import DataError, StorageError
from polytask.report import write_report
from polytask.report.contents.relate_contents import affinity_curves, grouping_sentence, matrix_exponent
from polytask.report.terminal.relate_terminal import relate_summary
from polytask.run_files import MeasureRecord, RelateFile
from polytask.verdicts.shown.sanitize import clean_text

pytestmark = pytest.mark.usefixtures("same_charts_are_drawn_once")
MEASURES = ("cosine", "lookahead", "transfer", "similarity")
VOID = {"meta", "img"}


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.structure: list[tuple[str, ...]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.structure.append((tag, *sorted(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.structure.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.structure.append(("comment", data))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def content_of(tasks: Sequence[str], text: str = "toy") -> dict[str, Any]:
    """relate.json: affinities of 0.00042 down, of which the first is clear; one transfer that was not measured."""
    size = len(tasks)
    mean = [[1.0 if i == j else 0.00042 / (1 + i + j) * (-1) ** (i + j + 1) for j in range(size)] for i in range(size)]
    half = [[0.0 if i == j else 0.0001 for j in range(size)] for i in range(size)]
    one = {"mean": mean, "half_width": half, "agreement": 0.875, "significant_entries": 2}
    gaps = {**one, "mean": [[None if i == j else value for j, value in enumerate(row)] for i, row in enumerate(mean)]}
    return {
        "source": text, "version": "0.1.0", "seeds": [0, 1, 2], "tasks": list(tasks),
        "measures": {"cosine": one, "lookahead": one, "transfer": gaps, "similarity": one},
        "grouping": {"by": "lookahead", "at_most": 2, "networks": [list(tasks[:2]), list(tasks[2:]) or [tasks[0]]],
                     "groups": [list(tasks[:2]), list(tasks[2:]) or [tasks[0]]], "gap": 0.0},
        "notes": [f"{text} (note)"],
    }  # fmt: skip


def history_of(tasks: Sequence[str]) -> pd.DataFrame:
    """Two epochs of two seeds."""
    rows = [
        ("equal", seed, epoch, 10 * epoch, task, "observed", f"{seen} {other}", 0.1 * epoch + seed)
        for seed in (0, 1)
        for epoch in (1, 2)
        for i, task in enumerate(tasks)
        for j, other in enumerate(tasks)
        for seen in ("cosine with", "affinity onto")
        if i < j or (i != j and seen == "affinity onto")
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "epoch", "step", "task", "split", "name", "value"])


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a run folder."""

    def made(tasks: Sequence[str] = ("digit", "garment", "price"), text: str = "toy", name: str = "run") -> Path:
        path = tmp_path / name
        path.mkdir()
        arm = {
            "networks": 1, "parameters": 12_000, "multiply_adds": None, "shared_parameters": None, "saved_multiply_adds": None,
            "seconds": 3.5, "steps": 300, "rows": 900, "epochs": 3, "peak_memory_bytes": 1_000,
        }  # fmt: skip
        costs = {
            "arms": {"equal": arm, f"transfer from {tasks[0]}": arm},
            "measures": {
                measure: {"seconds": 1.25, "share_of_joint_training": 0.125 if measure == "cosine" else None} for measure in MEASURES
            },
            "note": text,
        }
        (path / "relate.json").write_text(json.dumps(content_of(tasks, text)), encoding="utf-8")
        (path / "cost.json").write_text(json.dumps(costs), encoding="utf-8")
        (path / "environment.json").write_text(json.dumps({text: text}), encoding="utf-8")
        (path / "run.yaml").write_text(yaml.safe_dump({"source": text}), encoding="utf-8")
        history_of(tasks).to_csv(path / "history.csv", index=False)
        return path

    return made


def page_of(folder: Path) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


def test_the_page_shows_every_matrix_with_its_numbers(folder: Callable[..., Path]) -> None:
    page = page_of(folder())
    text = " ".join("".join(page.text).split())
    for part in (
        "Proposed: digit + garment together; price alone.", "Gradient cosine, in 10^-4", "Transfer", "Similarity of features",
        "+2.10± 1.00", "−1.40± 1.00", "linear CKA", "seeds agree with a rank correlation of 0.88",
        "toy (note)", "12 %", "Look-ahead affinity",
    ):  # fmt: skip
        assert part in text, part
    cells = [value for tag, name, value in page.attributes if tag == "td" and name == "class"]
    assert "right-9 clear" in cells
    assert any(value.startswith("wrong-") for value in cells)
    assert cells.count("own") == 4 * 3
    titles = [value for tag, name, value in page.attributes if tag == "td" and name == "title"]
    assert "digit → garment: +2.10 ± 1.00" in titles
    assert titles.count("not measured") == 3


def test_many_tasks_have_numbers_without_intervals_and_no_curves(folder: Callable[..., Path]) -> None:
    page = page_of(folder([f"t{number}" for number in range(14)]))
    assert "± 1.00" not in "".join(page.text)
    assert "± 1.00" in " ".join(value for _, name, value in page.attributes if name == "title")
    assert "Over training" not in "".join(page.text)
    assert [value for tag, name, value in page.attributes if tag == "table" and name == "class"][:4] == ["matrix heat tall"] * 4


def test_nothing_is_fetched_and_the_policy_allows_this_style_alone(folder: Callable[..., Path]) -> None:
    page = page_of(folder())
    assert {value.split(",")[0] for _, name, value in page.attributes if name == "src"} <= {"data:image/svg+xml;base64"}
    assert not {name for _, name, _ in page.attributes} & {"style", "srcset", "action", "data", "background", "poster"}
    links = {value.split(",")[0] for _, name, value in page.attributes if name == "href" and not value.startswith("#")}
    assert links <= {"data:text/csv;base64", "data:image/svg+xml;base64"}
    assert not {tag for tag, *_ in page.structure} & {"script", "link", "iframe", "object", "embed", "base", "form"}
    policy = next(value for tag, name, value in page.attributes if (tag, name) == ("meta", "content") and "default-src" in value)
    assert re.fullmatch(r"default-src 'none'; style-src 'sha256-[^']+'; img-src data:; base-uri 'none'; form-action 'none'", policy)


def test_tags_are_closed(folder: Callable[..., Path]) -> None:
    open_tags: list[str] = []
    for tag, *_ in page_of(folder()).structure:
        if tag.startswith("/"):
            assert open_tags.pop() == tag[1:]
        elif tag not in VOID and not tag.startswith("!"):
            open_tags.append(tag)
    assert open_tags == []


def test_a_repeat_gives_the_same_bytes(folder: Callable[..., Path]) -> None:
    first = write_report(folder()).read_bytes()
    assert write_report(folder(name="again")).read_bytes() == first


@pytest.mark.usefixtures("no_charts")
def test_without_charts_curves_are_tables(folder: Callable[..., Path]) -> None:
    page = page_of(folder())
    assert "pip install 'polytask[charts]'" in "".join(page.text)
    assert ("details", "open") in page.structure
    assert "img" not in {tag for tag, *_ in page.structure}


@pytest.mark.sampled(4)
@pytest.mark.usefixtures("no_charts")
@pytest.mark.parametrize("start", range(0, 50, 7))
def test_hostile_names_are_only_text(folder: Callable[..., Path], payloads: tuple[str, ...], start: int) -> None:
    part = payloads[start : start + 7]
    tame = page_of(folder([f"t{place}" for place in range(len(part))], name="tame"))
    hostile = page_of(folder(part, text=part[0], name="hostile"))
    assert hostile.structure == tame.structure
    text = "".join(hostile.text)
    assert all(clean_text(name) in text for name in part)


@pytest.mark.parametrize("name", ["cost.json", "history.csv", "run.yaml", "environment.json"])
def test_a_missing_file_is_named(folder: Callable[..., Path], name: str) -> None:
    path = folder()
    (path / name).unlink()
    with pytest.raises(StorageError, match=f"{name}: this file is missing"):
        write_report(path)


def test_a_matrix_of_another_size_is_refused(folder: Callable[..., Path]) -> None:
    path = folder()
    content = content_of(("a", "b"))
    (path / "relate.json").write_text(json.dumps({**content, "tasks": ["a"]}))
    with pytest.raises(DataError, match=r"measures.cosine: a row and a column for each of the 1 tasks"):
        write_report(path)
    (path / "relate.json").write_text(json.dumps({**content, "measures": {"cosine": {"mean": "much"}}}))
    with pytest.raises(DataError, match=r"relate\.json"):
        write_report(path)


def shown(content: Any, width: int = 80) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(relate_summary(content, {"measures": {"cosine": {"seconds": 1.25, "share_of_joint_training": 0.125}}}))
    return capture.get()


def test_few_tasks_have_intervals_on_a_terminal() -> None:
    output = shown(content_of(("digit", "garment")))
    assert "+2.10 ± 1.00 *" in output
    assert "Gradient cosine, in 10^-4" in output
    assert "12 %" in output
    assert "seeds agree with a rank correlation of 0.88" in " ".join(output.split())


@pytest.mark.parametrize("count", [2, 4, 9, 14, 23])
def test_every_number_fits_into_a_terminal(count: int) -> None:
    output = shown(content_of([f"a rather long name {number}" for number in range(count)]))
    assert max(len(line) for line in output.splitlines()) <= 80
    assert "…" not in output
    assert output.count("(continued)") == 4 * ((count - 1) // 9)
    digits = re.findall(r"[+-]?\d\.\d\d\b", output)
    assert len(digits) >= 4 * count * (count - 1)


def test_markup_and_escapes_are_only_text_on_a_terminal(payloads: tuple[str, ...]) -> None:
    for start in range(0, len(payloads), 9):
        output = shown(content_of(payloads[start : start + 9], text=payloads[start]))
        assert "\x1b" not in output
        assert "\u202e" not in output


def test_groups_are_told_in_a_sentence() -> None:
    assert grouping_sentence(None) == "No groups are proposed."
    assert (
        grouping_sentence(RelateFile.parse(content_of(("a", "b", "c", "d")), "relate.json").grouping)
        == "Proposed: a + b together; c + d together."
    )


def test_cosines_are_curves_of_both_tasks() -> None:
    curves = {(curve.name, curve.task): curve for curve in affinity_curves(history_of(("a", "b", "c")), ("a", "b", "c"))}
    assert set(curves) == {(name, task) for name in ("cosine with", "affinity onto") for task in "abc"}
    assert {point.arm for point in curves["cosine with", "c"].points} == {"a", "b"}
    assert {point.arm for point in curves["affinity onto", "a"].points} == {"b", "c"}
    assert [mean.value for mean in curves["cosine with", "b"].means if mean.arm == "a"] == pytest.approx([0.6, 0.7])


def test_units_are_powers_of_ten() -> None:
    def unit(value: float) -> int:
        return matrix_exponent(MeasureRecord(mean=((9.0, value), (-value / 2, 9.0))))

    assert [unit(value) for value in (0.5, 0.049, 3e-3, 0.0)] == [0, -2, -3, 0]
    assert matrix_exponent(MeasureRecord(mean=((None, None), (None, None)))) == 0
    assert unit(float(np.float64(2.5e-7))) == -7
