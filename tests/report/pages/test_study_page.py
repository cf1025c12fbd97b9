from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from polytask.errors import StorageError
from polytask.report import write_report
from polytask.verdicts.shown.sanitize import clean_text

pytestmark = pytest.mark.usefixtures("same_charts_are_drawn_once")
VOID = {"meta", "img"}


class Page(HTMLParser):
    """What a browser would see: the tags with the names of their attributes, and the text."""

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


def page_of(folder: Path) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


def test_the_recommendation_comes_first(make_run: Any) -> None:
    page = write_report(make_run()).read_text(encoding="utf-8")
    assert "<h1>Train digit and garment separately.</h1>" in page
    assert page.index("<h1>") < page.index('class="word')
    assert "<title>Train digit and garment separately.: Train digit and garment separately.</title>" in page


def test_the_verdict_is_told_in_numbers_and_words(make_run: Any) -> None:
    text = " ".join("".join(page_of(make_run()).text).split())
    for part in ("95.7 %", "96.1 %", "+0.41 [+0.12, +0.70] points", "helps", "hurts", "the same means within ± 0.95 points", "rmse"):
        assert part.lower() in text.lower()
    assert "The test data were opened once." in text
    assert "Train digit and garment separately. (note)" in text
    assert "Warning: Train digit and garment separately. (warning)" in text
    assert "0.50 ×" in text


def test_what_is_unclear_says_what_would_settle_it(make_run: Any, run_kind: Any) -> None:
    text = "".join(page_of(make_run(run_kind(arms=("a", "b", "c", "d")))).text)
    assert "at least 9 seeds or about 12,000 test rows would settle it" in text
    assert "differences below 0.40 points cannot be seen with 3 seeds" in text


def test_a_repeat_gives_the_same_bytes(make_run: Any) -> None:
    folder = make_run()
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first
    assert write_report(make_run(name="elsewhere")).read_bytes() == first


def test_nothing_is_fetched(make_run: Any) -> None:
    page = page_of(make_run())
    assert {value.split(",")[0] for _, name, value in page.attributes if name == "src"} <= {"data:image/svg+xml;base64"}
    assert not {name for _, name, _ in page.attributes} & {"style", "srcset", "action", "data", "background", "poster"}
    links = {value.split(",")[0] for _, name, value in page.attributes if name == "href" and not value.startswith("#")}
    assert links == {"data:text/csv;base64", "data:image/svg+xml;base64"}
    assert not {tag for tag, *_ in page.structure} & {"script", "link", "iframe", "object", "embed", "base", "form"}
    content = write_report(make_run(name="again")).read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\(", content)


def test_the_contents_list_leads_to_every_section(make_run: Any) -> None:
    page = page_of(make_run())
    anchors = [value for tag, name, value in page.attributes if (tag, name) == ("h2", "id")]
    assert [value for _, name, value in page.attributes if name == "href" and value.startswith("#")] == [f"#{anchor}" for anchor in anchors]
    assert len(anchors) == len(set(anchors)) > 5


def test_images_fetch_nothing_either(make_run: Any) -> None:
    pytest.importorskip("vl_convert")
    images = [value for _, name, value in page_of(make_run()).attributes if name == "src"]
    assert len(images) == 1 + 2 + 3 + 2 * 3 + 3  # overview, costs, differences, curves, leads
    for image in images:
        drawn = base64.b64decode(image.partition(",")[2]).decode()
        assert set(re.findall(r"https?://[^\"]*", drawn)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
        assert "href" not in drawn


def test_the_policy_allows_this_style_sheet_and_nothing_else(make_run: Any) -> None:
    content = write_report(make_run()).read_text(encoding="utf-8")
    style = content.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(value for tag, name, value in Page(content).attributes if (tag, name) == ("meta", "content") and "default-src" in value)
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def test_tags_are_closed(make_run: Any) -> None:
    open_tags: list[str] = []
    for tag, *_ in page_of(make_run()).structure:
        if tag.startswith("/"):
            assert open_tags.pop() == tag[1:]
        elif tag not in VOID and not tag.startswith("!"):
            open_tags.append(tag)
    assert open_tags == []


@pytest.mark.usefixtures("no_charts")
def test_without_charts_the_page_says_how_to_get_them_and_shows_tables(make_run: Any) -> None:
    page = page_of(make_run())
    assert "pip install 'polytask[charts]'" in "".join(page.text)
    assert ("details", "open") in page.structure
    assert "img" not in {tag for tag, *_ in page.structure}


def test_with_charts_the_same_numbers_stand_in_tables(make_run: Any) -> None:
    pytest.importorskip("vl_convert")
    page = page_of(make_run())
    assert "pip install" not in "".join(page.text)
    assert ("details",) in page.structure
    assert "75.0 %" in page.text  # epoch 2: 1 - 0.5 / 2
    assert "90.0 % (1)" in page.text  # epoch 5: one seed left


@pytest.mark.usefixtures("no_charts")
def test_many_classes_become_a_list_of_confusions(make_run: Any, run_kind: Any) -> None:
    text = "".join(page_of(make_run(run_kind(labels=tuple(f"class {place:02}" for place in range(40))))).text)
    assert "40 classes; the most frequent confusions:" in text


@pytest.mark.usefixtures("no_charts")
@pytest.mark.parametrize(
    ("place", "half"),
    [
        *((place, half) for place, half in (("labels", 1),)),
        *(
            pytest.param(place, half, marks=pytest.mark.slow)
            for place, half in (("arms", 0), ("arms", 1), ("labels", 0), ("files", 0), ("files", 1), ("tasks", 0), ("tasks", 1))
        ),
    ],
)
def test_fifty_hostile_names_are_only_text(make_run: Any, run_kind: Any, payloads: tuple[str, ...], place: str, half: int) -> None:
    assert len(payloads) == len(set(payloads)) == 50
    if place == "files":
        payloads = tuple(f"x{payload}".replace("/", "|").replace("\0", "") for payload in payloads)
    part = payloads[25 * half : 25 * (half + 1)]
    tame = page_of(make_run(run_kind(**{place: tuple(f"name {number:02}" for number in range(25))}), "tame"))
    hostile = page_of(make_run(run_kind(**{place: part}), "hostile"))
    assert hostile.structure == tame.structure
    text = "".join(hostile.text)
    for payload in part:
        assert clean_text(payload) in text


@pytest.mark.slow
@pytest.mark.usefixtures("no_charts")
def test_hostile_sentences_and_settings_are_only_text(make_run: Any, run_kind: Any, payloads: tuple[str, ...]) -> None:
    tame = page_of(make_run(run_kind(text="tame", tasks=("digit",), arms=("equal",), labels=("0", "1"))))
    for number, payload in enumerate(payloads):
        run = run_kind(text=payload, tasks=("digit",), arms=("equal",), labels=("0", "1"), metric=payload)
        page = page_of(make_run(run, f"hostile-{number}"))
        # Settings whose name is the payload: yaml and json keep it as it is.
        assert page.structure == tame.structure
        assert clean_text(payload) in "".join(page.text)
        assert not set("".join(page.text)) & {"\x1b", "\u202e", "\u2066", "\x9b", "\0"}


def test_what_was_tried_and_who_falls_behind_is_told(make_run: Any) -> None:
    folder = make_run()
    page = write_report(folder).read_text(encoding="utf-8")
    assert "uncertainty won and was tested. Tuning and race took 4 networks and 33 seconds of training." in page
    assert "seconds that the quickest arm took" in page
    assert "−1.23 points" in page
    assert "falls behind" in page
    assert "garment −0.25" in page
    assert "Leads over single-task twins" in page
    (folder / "race.json").unlink()
    assert "Tuning and race before the test" not in write_report(folder).read_text(encoding="utf-8")


def test_a_full_disk_leaves_the_old_page(make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run()
    before = write_report(folder).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        write_report(folder)
    assert (folder / "report.html").read_bytes() == before
    assert not list(folder.glob(".report*"))


@pytest.mark.usefixtures("no_charts")
def test_the_first_screen_says_what_to_do_next(make_run: Any) -> None:
    folder = make_run()
    page = write_report(folder).read_text(encoding="utf-8")
    assert "polytask study run.yaml --out ../repeated" in page
    assert "pt.load" not in page
    (folder / "model").mkdir()
    verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    verdict["recommendation"]["more_seeds"] = 8
    (folder / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    page = write_report(folder).read_text(encoding="utf-8")
    first, _, rest = page.partition('<nav class="contents"')
    assert "polytask study ./run.yaml --out . --continue 8" in first
    assert "pt.load(&#34;.&#34;)" in first
    assert re.findall(r"<h2[^>]*>([^<]*)", first) == ["What to do next"]
    assert "polytask predict" not in page
    run = yaml.safe_load((folder / "run.yaml").read_text(encoding="utf-8")) | {"tables": {"sales": {"file": "sales.csv"}}}
    (folder / "run.yaml").write_text(yaml.safe_dump(run), encoding="utf-8")
    assert "polytask predict . new.csv -o predictions.csv --proba" in write_report(folder).read_text(encoding="utf-8")
    assert rest.index("What was compared") < rest.index("Task: digit") < rest.index("Conflicts between tasks") < rest.index("Data, time")


def test_numbers_can_be_saved(make_run: Any) -> None:
    links = dict(Links(write_report(make_run()).read_text(encoding="utf-8")).found)
    verdict = pd.read_csv(io.BytesIO(base64.b64decode(links["verdict.csv"].partition(",")[2])))
    assert verdict.loc[(verdict["task"] == "digit") & (verdict["arm"] == "equal"), "difference"].item() == 0.0041
    cost = pd.read_csv(io.BytesIO(base64.b64decode(links["cost.csv"].partition(",")[2])))
    assert cost["seconds"].tolist() == [15.6] * 3
    assert {"digit-metrics.csv", "digit-training-loss.csv", "digit-equal-confusion.csv"} <= set(links)


class Links(HTMLParser):
    """Names and contents of the files that a page lets its reader save."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "a" and "download" in named:
            self.found.append((named["download"] or "", named["href"] or ""))


@pytest.mark.usefixtures("no_charts")
def test_every_table_has_headings_and_can_be_scrolled_by_key(make_run: Any) -> None:
    content = write_report(make_run()).read_text(encoding="utf-8")
    assert not re.search(r"<th[^>]*></th>", content)
    assert not re.search(r"<th(?![^>]*scope)[\s>]", content.replace("<thead", ""))
    for tag in re.findall(r'<div class="scroll"[^>]*>', content):
        assert 'tabindex="0" role="region" aria-label="Table' in tag
    levels = [int(level) for level in re.findall(r"<h([1-6])", content)]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
