"""Run a study with trees and linear models among the arms on public tables: what it advises, what sharing does, and how long it takes.

    POLYTASK_DATA=… python benchmarks/table_studies.py [--data slump jura …] [--minutes 2] [--arms tables] [--write]

Every study has the preset `quick`, whose networks have the fewest epochs, and the seeds that fit the minutes. The minutes of the table are
those of the whole call. `--write` puts the table into `docs/tables.md`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import polytask as pt
from markdown_tables import put, row
from tables import load

PAGE = Path(__file__).parents[1] / "docs" / "tables.md"
HEADER = ("table", "rows, targets", "advice", "networks: joint against apart", "extra trees: shared against apart", "linear: likewise")


def pooled(record: Any) -> str:  # noqa: ANN401 - a section of verdict.json
    """Return the claim about the mean over targets with its interval, in margins."""
    if not record:
        return "no claim"
    low, high = record["ci95"]
    return f"{record['verdict']} [{low:+.0f}, {high:+.0f}]"


def one(name: str, minutes: float, arms: list[str]) -> tuple[object, ...]:
    """Run the study of a table, and return its row."""
    data, started = load(name), time.monotonic()
    frame = data.X.join(data.Y)
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"arms": arms, "minutes": minutes, "preset": "quick", "out": Path(folder) / "run"}
        result = pt.study(frame, targets=dict(data.kinds), **options)
    summary, sharing = result.summary, result.summary.get("sharing", {})
    advised = summary["titles"][result.recommendation.arm]
    return (
        name,
        f"{len(frame):,}, {len(data.kinds)}",
        f"{advised}, {result.recommendation.level.split(', ')[1]}",
        pooled(summary["arms"][summary["chosen"]].get("pooled")),
        pooled(sharing.get("trees@shared", {}).get("pooled")),
        pooled(sharing.get("linear@shared", {}).get("pooled")),
        len(summary["seeds"]),
        f"{(time.monotonic() - started) / 60:.1f}",
    )


def main() -> None:
    """Run all studies and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", default=["slump", "edm", "jura", "enb", "flags", "student"])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--arms", nargs="+", default=["tables"])
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    lines = [row([*HEADER, "seeds", "minutes"]), row(["---"] * (len(HEADER) + 2))]
    print("\n".join(lines), flush=True)
    for name in chosen.data:
        lines.append(row(one(name, chosen.minutes, chosen.arms)))
        print(lines[-1], flush=True)
    if chosen.write:
        put("table studies", "\n".join(lines), PAGE)


if __name__ == "__main__":
    main()
