"""Take the picture of a report's first screen, as a browser shows it.

    python tools/report_picture.py runs/demo [--out docs/figures/report.png] [--width 1000] [--height 1250] [--dark]

Chromium must be installed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from browser_pages import running_browser
from polytask.report import write_report


def main() -> None:
    """Build the report of a run, open it, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/figures/report.png"))
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--height", type=int, default=1250)
    parser.add_argument("--dark", action="store_true")
    chosen = parser.parse_args()
    with running_browser() as browser:
        browser.open(write_report(chosen.run), chosen.width, dark=chosen.dark)
        browser.screenshot(chosen.out, chosen.height)
    print(f"drawn: {chosen.out}")


if __name__ == "__main__":
    main()
