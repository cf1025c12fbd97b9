"""The pages of the lesson compute what they say, and their translations have the same parts."""

from __future__ import annotations

import doctest
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TOOL = ROOT / "tools" / "tutorial_pages.py"
PAGES = sorted(path.relative_to(DOCS) for path in (DOCS / "tutorial").glob("*.md"))
OTHERS = [Path("quickstart.md"), Path("faq.md"), Path("glossary.md")]
RUN = [page for page in PAGES if page.stem[0].isdigit()] + [Path("quickstart.md"), Path("coming_from.md"), Path("deploying.md")]
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
CLAIM = re.compile(r"\b(?:helps|hurts|same|unclear)\b")

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason="tools are no part of the source archive")


def program(name: str) -> ModuleType:
    """A program of the folder tools."""
    spec = importlib.util.spec_from_file_location(name, TOOL.with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The program that runs the pages."""
    return program("tutorial_pages")


def masked(output: str) -> str:
    """An output without what may differ on another machine: numbers, claims, and the width of columns."""
    return " ".join(CLAIM.sub("claim", NUMBER.sub("#", output)).split())


def headings(text: str) -> list[int]:
    """The levels of the headings of a page, without what looks like one in a block."""
    return [
        len(line.split()[0]) for line in re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE).splitlines() if line[:1] == "#"
    ]


@pytest.mark.sampled(len(RUN), drawn=True)
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_code_of_a_page_prints_what_the_page_shows(page: Path, tool: ModuleType) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    default = torch.get_default_dtype()
    try:
        with torch.random.fork_rng():
            printed = list(tool.outputs(text))
    finally:
        torch.set_default_dtype(default)
    assert printed
    assert masked(text) == masked(tool.recorded(text, printed))


def test_every_page_of_the_lesson_has_code_formulas_and_answers() -> None:
    for page in (DOCS / page for page in PAGES if page.stem[0].isdigit()):
        text = page.read_text(encoding="utf-8")
        assert all(part in text for part in ("```python\n", "$", "## Exercises", "<summary>Answers</summary>")), page.name


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=str)
def test_a_translation_has_the_sections_and_the_code_of_its_page(page: Path, tool: ModuleType) -> None:
    english, chinese = ((folder / page).read_text(encoding="utf-8") for folder in (DOCS, DOCS / "zh"))
    assert headings(chinese) == headings(english)
    assert tool.blocks(chinese) == tool.blocks(english)
    assert chinese.count("$$") == english.count("$$")
    assert re.search(r"[\u4e00-\u9fff]", chinese)


def test_the_examples_of_the_program_hold(tool: ModuleType) -> None:
    found = doctest.testmod(tool)
    assert found.failed == 0 < found.attempted


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem[0].isdigit()], ids=lambda page: page.stem)
def test_a_notebook_has_the_code_of_its_page(page: Path, tool: ModuleType) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    code = ["".join(cell["source"]) for cell in tool.notebook(text)["cells"] if cell["cell_type"] == "code"]
    assert code == [content.strip() for language, content in tool.blocks(text) if language == "python"]


def test_the_figures_are_those_that_the_program_draws() -> None:
    figures = program("tutorial_figures")
    drawn = {name: figures.sharing(architecture) for name, architecture in figures.ARCHITECTURES.items()} | {"conflict": figures.conflict()}
    committed = {path.stem: path.read_text(encoding="utf-8").rstrip() for path in (DOCS / "tutorial" / "figures").glob("*.svg")}
    assert committed.keys() == drawn.keys()
    for name, picture in committed.items():
        assert NUMBER.sub("#", picture) == NUMBER.sub("#", drawn[name]), name
        numbers = [[float(number.replace(",", "")) for number in NUMBER.findall(text)] for text in (picture, drawn[name])]
        assert numbers[0] == pytest.approx(numbers[1], abs=0.2), name


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_files_that_a_readme_links_exist(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text(encoding="utf-8"))
    assert links
    assert all((ROOT / link).exists() for link in links), links


def test_the_first_page_fits_a_narrow_window() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("page", ["README.md", "docs/balancers.md"])
def test_the_pictures_of_a_page_exist(page: str) -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    assert pictures
    assert all((ROOT / page).parent.joinpath(picture).is_file() for picture in pictures)
