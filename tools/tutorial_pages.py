"""Run the code of the tutorial's pages, and record what it prints.

    python tools/tutorial_pages.py [--write] [--notebooks FOLDER] [PAGE …]

The Python blocks of a page run in order in one namespace. What a block prints stands in the text block behind it. With `--write`,
these blocks get the present output, in the English page and in its Chinese translation; otherwise the output is printed.
With `--notebooks`, nothing is run: the pages are written as Jupyter notebooks, a cell per Python block.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted((DOCS / "tutorial").glob("[0-9]*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def translation(page: Path) -> Path:
    """Return the path of the Chinese translation of a page."""
    return DOCS / "zh" / page.relative_to(DOCS)


def blocks(text: str) -> list[tuple[str, str]]:
    r"""Return the language and the content of every block of code.

    Example:
        >>> blocks("Text\n```python\nprint(1)\n```\n\n```text\n1\n```\n")
        [('python', 'print(1)\n'), ('text', '1\n')]
    """
    return [(found[1], found[2]) for found in BLOCK.finditer(text)]


def outputs(text: str) -> Iterator[str]:
    """Run the Python blocks of a page in one namespace, and yield what each of them prints."""
    namespace: dict[str, object] = {"__name__": "tutorial"}
    for language, code in blocks(text):
        if language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(code, "<page>", "exec"), namespace)  # noqa: S102 - the code is part of the repository
            yield "".join(f"{line.rstrip()}\n" for line in printed.getvalue().splitlines())


def recorded(text: str, printed: list[str]) -> str:
    r"""Return a page with the given outputs behind its Python blocks; blocks that print nothing have no output behind them.

    Example:
        >>> recorded("```python\nprint(2)\n```\n\n```text\n1\n```\n", ["2\n"])
        '```python\nprint(2)\n```\n\n```text\n2\n```\n'
    """
    remaining = iter(printed)

    def replaced(found: re.Match[str]) -> str:
        output = next(remaining)
        return found[1] + (f"\n\n```text\n{output}```" if output else "")

    return re.sub(r"(^```python\n.*?^```$)(\n\n```text\n.*?^```$)?", replaced, text, flags=re.DOTALL | re.MULTILINE)


def notebook(text: str) -> dict[str, Any]:
    r"""Return a page as a Jupyter notebook without outputs: Python blocks are cells of code, the text between them is Markdown.

    Example:
        >>> [cell["cell_type"] for cell in notebook("# Page\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\nEnd\n")["cells"]]
        ['markdown', 'code', 'markdown']
    """
    cells: list[dict[str, Any]] = []
    parts = re.split(r"^```python\n(.*?)^```$(?:\n\n```text\n.*?^```$)?", text, flags=re.DOTALL | re.MULTILINE)
    for number, part in enumerate(parts):
        if not part.strip():
            continue
        cell: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}, "source": part.strip().splitlines(keepends=True)}
        code: dict[str, Any] = {"cell_type": "code", "execution_count": None, "outputs": []}
        cells.append(cell | (code if number % 2 else {"cell_type": "markdown"}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def main() -> None:
    """Run pages, and write or print what their code prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES)
    parser.add_argument("--write", action="store_true", help="record the output in the pages")
    parser.add_argument("--notebooks", type=Path, help="write notebooks into this folder")
    chosen = parser.parse_args()
    if chosen.notebooks is not None:
        chosen.notebooks.mkdir(parents=True, exist_ok=True)
        for page in chosen.pages:
            text = page.read_text(encoding="utf-8").replace("](../../tutorial/figures/", "](figures/")
            content = json.dumps(notebook(text), ensure_ascii=False, indent=1)
            (chosen.notebooks / f"{page.stem}.ipynb").write_text(f"{content}\n", encoding="utf-8")
        shutil.copytree(DOCS / "tutorial" / "figures", chosen.notebooks / "figures", dirs_exist_ok=True)
        return
    for page in (path.resolve() for path in chosen.pages):
        text, start = page.read_text(encoding="utf-8"), time.process_time()
        printed = list(outputs(text))
        print(f"{page.name}: {time.process_time() - start:.1f} s")
        if not chosen.write:
            print("".join(printed))
            continue
        for path in (page, translation(page)):
            if path.exists():
                path.write_text(recorded(path.read_text(encoding="utf-8"), printed), encoding="utf-8")


if __name__ == "__main__":
    main()
