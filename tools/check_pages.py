"""Open pages in Chromium at several widths, in both themes, and list what is wrong with them.

    python tools/check_pages.py runs/demo/report.html docs/_build/index.html [--axe axe.min.js] [--screenshots FOLDER]

Checked are errors of the console, requests that leave the files, pictures that are not drawn, pages wider than the window, the order of
headings, names of controls, headings of tables, and whether keys can scroll what scrolls. With `--axe`, a file of axe-core (`npm pack
axe-core` fetches it), also everything that axe-core finds. The exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from browser_pages import running_browser


def main() -> int:
    """Check all pages, and print what is wrong with each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--widths", type=int, nargs="+", default=[1200, 360])
    parser.add_argument("--axe", type=Path)
    parser.add_argument("--screenshots", type=Path)
    chosen = parser.parse_args()
    if missing := [str(page) for page in chosen.pages if not page.is_file()]:
        parser.error(f"there is no file {', '.join(missing)}")
    wrong = 0
    with running_browser() as browser:
        for page in chosen.pages:
            for width in chosen.widths:
                for dark in (False, True):
                    found = browser.open(page, width, dark=dark)
                    faults = found.faults + (browser.check_with_axe(chosen.axe) if chosen.axe else [])
                    theme = "dark" if dark else "light"
                    print(f"{page}, {width} px, {theme}: drawn in {found.seconds:.2f} s, {len(faults)} faults")
                    for fault in dict.fromkeys(faults):
                        print(f"    {fault}")
                    wrong += len(faults)
                    if chosen.screenshots:
                        chosen.screenshots.mkdir(parents=True, exist_ok=True)
                        browser.screenshot(chosen.screenshots / f"{page.parent.name}-{page.stem}-{width}-{theme}.png")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
