"""Study a problem where training together helps and one where it hurts, and draw both verdicts side by side.

    POLYTASK_DATA=… python benchmarks/verdict_picture.py [--seeds 5] [--runs runs/picture] [--out docs/figures/verdicts.svg]

The left problem is `enb` (768 buildings; heating and cooling load), whose tasks are closely related. In the right one,
Multi-(Fashion+MNIST), a digit and a garment overlap in one small image and compete for the capacity of one trunk. Both are
compared with single-task training by the default preset; a finished study is not trained again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polytask as pt
from polytask.verdicts.shown.difference_chart import CHART_CONFIG, DrawnDifference, difference_chart, render

PROBLEMS: Mapping[str, Mapping[str, Any]] = {
    "enb: heating and cooling load of buildings": {
        "data": "multi-target/enb.csv",
        "targets": {"Y1": "heating", "Y2": "cooling"},
        "name": "enb",
    },
    "Multi-(Fashion+MNIST): a digit and a garment in one image": {
        "data": "multi-fashion-mnist",
        "targets": {"digit": "digit", "garment": "garment"},
        "name": "multi-fashion-mnist",
    },
}


def studied(problem: Mapping[str, Any], seeds: int, runs: Path) -> pt.Verdict:
    """Return the verdict of a problem: the plain sum of losses compared with single-task training."""
    data, options = problem["data"], {}
    if data.endswith(".csv"):
        data, options = Path(os.environ["POLYTASK_DATA"]) / data, {"targets": list(problem["targets"])}
    return pt.study(data, arms=["single", "equal"], seeds=seeds, out=runs / problem["name"], **options).verdict


def chart(title: str, verdict: pt.Verdict, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the chart of a verdict, in margins, with the means over tasks first."""
    lines = [
        DrawnDifference(names.get(row.task, row.task), row.difference / row.margin, row.low / row.margin, row.high / row.margin, row.claim)
        for row in verdict.to_frame().itertuples()
    ]
    spec = difference_chart(lines, "difference from single-task training in margins (right of 0 is better)", 1.0)
    return {key: value for key, value in spec.items() if key not in ("config", "$schema")} | {"title": title}


def main() -> None:
    """Run both studies, print the verdicts, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=Path("runs/picture"))
    parser.add_argument("--out", type=Path, default=Path("docs/figures/verdicts.svg"))
    chosen = parser.parse_args()
    charts = []
    for title, problem in PROBLEMS.items():
        verdict = studied(problem, chosen.seeds, chosen.runs)
        print(f"{title}\n{verdict}\n", flush=True)
        charts.append(chart(title, verdict, problem["targets"]))
    picture = {"config": CHART_CONFIG, "hconcat": charts, "spacing": 40}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(render(picture).svg, encoding="utf-8")
    print(f"drawn: {chosen.out}")


if __name__ == "__main__":
    main()
